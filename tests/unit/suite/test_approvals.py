"""The approvals file: read strictly, and written without touching what is in it."""

from __future__ import annotations

import pytest

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.files.approvals import append_approval, read_approvals
from pytest_telemetry_gate.model.report import Approval

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
AT = 1737758400.0
FIRST = Approval("QA lead", "Ann", AT, ONE, "all checked")
SECOND = Approval("DevOps lead", 'Bo: "the" #1\u2028 \x1b', AT + 60, ONE)
FILE = f"""\
# Signed in the meeting.
- role: QA lead  # for QA
  name: Ann
  at: 2025-01-24T14:40:00-08:00
  digest: {ONE}
  note: all checked
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "approvals.yaml"


def entry(**changes):
    fields = {"role": "QA lead", "name": "Ann", "at": "2025-01-24T14:40:00Z", "digest": ONE, **changes}
    return "".join(
        f"{'- ' if number == 0 else '  '}{name}: {value}\n"
        for number, (name, value) in enumerate(fields.items())
        if value is not None
    )


def test_entries_are_read_in_their_order_of_one_role_too(path):
    path.write_text(FILE + entry(name="Bo", digest=TWO), "utf-8")
    first, second = read_approvals(path, "approvals.yaml", ["QA lead"])
    assert first == FIRST
    assert (second.name, second.digest, second.note) == ("Bo", TWO, "")
    path.write_text("# nobody yet\n", "utf-8")
    assert read_approvals(path) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("role: QA lead\n", "a.yaml:1: the file must be a list, with '- ' before each entry"),
        ("- Ann\n", "a.yaml:1: [0]: must be a mapping of keys to values"),
        (entry(digset=ONE), "a.yaml:5: approval 1: unknown key 'digset' (did you mean 'digest'?)"),
        (entry() + entry(name=None), "a.yaml:5: approval 2: needs 'name'"),
        (entry(name="' '"), "a.yaml:2: approval 1: name: must not be empty"),
        (entry(at="2025-01-24T14:40:00"), "a.yaml:3: approval 1: at: '2025-01-24T14:40:00' has no zone"),
        (entry(digest="THIS"), "a.yaml:4: approval 1: digest: 'THIS' is no digest of a report: sha256: and 64 hexadecimal digits"),
        (entry(digest=ONE[:-1]), "is no digest of a report"),
        (entry(digest="f" * 64), "is no digest of a report"),
        (entry() + entry(role="QA leed"), "a.yaml:5: approval 2: unknown role 'QA leed' (did you mean 'QA lead'?)"),
        ("- [\n", "a.yaml:2: not YAML"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_with_its_line(path, text, message):
    path.write_text(text, "utf-8")
    with pytest.raises(SuiteError) as caught:
        read_approvals(path, "a.yaml", ["QA lead", "DevOps lead"])
    assert message in str(caught.value)


def test_no_file_is_an_error(path):
    with pytest.raises(SuiteError, match=r"approvals\.yaml:1: cannot be read: No such file"):
        read_approvals(path)


@pytest.mark.parametrize(
    "before",
    [
        "",
        "# nobody yet",
        FILE,
        FILE.rstrip("\n"),
        FILE.replace("\n", "\r\n"),
        "\ufeff" + FILE,
        "".join(f"  {line}\n" for line in FILE.splitlines()),
        f"{FILE}\n# the end\n",
    ],
)
def test_an_entry_is_added_and_what_was_there_stays(path, before):
    path.write_bytes(before.encode())
    known = read_approvals(path)
    append_approval(path, SECOND)
    assert read_approvals(path) == (*known, SECOND)
    assert path.read_bytes().startswith(before.encode())
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_the_first_entry_makes_the_file_and_a_link_stays_one(path, tmp_path):
    append_approval(path, FIRST)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    append_approval(link, SECOND)
    assert link.is_symlink()
    assert read_approvals(path) == (FIRST, SECOND)


@pytest.mark.parametrize(
    "before", ["[]\n", f"[{{role: a, name: b, at: 2025-01-24T14:40:00Z, digest: '{ONE}'}}]\n", f"{FILE}...\n"]
)
def test_a_file_without_a_place_for_an_entry_stays_as_it_is(path, before):
    path.write_text(before, "utf-8")
    with pytest.raises(SuiteError, match="no entry can be added at the end"):
        append_approval(path, SECOND)
    assert path.read_text("utf-8") == before


def test_nothing_is_added_to_a_file_that_cannot_be_used(path):
    path.write_text("- role: a\n", "utf-8")
    with pytest.raises(SuiteError, match="needs 'name'"):
        append_approval(path, SECOND)
    assert path.read_text("utf-8") == "- role: a\n"
