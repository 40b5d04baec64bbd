"""A bundle holds as long as nothing in it is changed, and names what was, whatever else the attacker made to fit."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gates
import made
import numpy as np
import pytest
from projects import CONFIG, HEAD, SERIES, Files

from pytest_telemetry_gate.bundle.gather import SuiteFile
from pytest_telemetry_gate.errors import BundleError
from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.files.rollouts import SuiteSettings
from pytest_telemetry_gate.model.report import Report
from pytest_telemetry_gate.model.verdict import Outcome

ROOT = Path(__file__).parents[3]
CRITERIA = """\
- {id: cpu, query: cpu, unit: '%', expect: '< 75'}
- {id: requests, query: requests, baseline: {file: baselines/before.yaml}, tolerance: 5%}
- {id: quiet, alerts: {match: {team: telemetry}, proof: 'min_over_time(up[$__range])'}, expect: '== 0'}
"""
BASELINE = "version: 1\nname: before\nvalues: {requests: 99}\n"
SUITE = "suites/small/small.gate.yaml"
RECORDING = "recordings/small.telemetry.zip"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    project = Files(tmp_path / "project")
    project.path.mkdir()
    project.file("telemetry.yaml", CONFIG)
    project.file("baselines/before.yaml", BASELINE)
    project.recording()
    project.suite(CRITERIA, head=HEAD + "approvals: [QA lead, DevOps lead]\n")
    return project


@pytest.fixture
def judged(files: Files) -> tuple[Report, SuiteFile]:
    report, file = made.judge(files.path / "small.gate.yaml", "small.gate.yaml")
    assert report.content.gate.opens
    return made.approve(report, "QA lead"), file


@pytest.fixture
def bundle(files: Files, judged: tuple[Report, SuiteFile]) -> Path:
    return made.bundle(files.path / "a.bundle.zip", *judged)


def recording_with(files: Files, cpu: float) -> bytes:
    series = [gates.series("cpu", cpu) if one[0]["__name__"] == "cpu" else one for one in SERIES]
    return files.recording(series, "other.telemetry.zip").read_bytes()


def test_it_holds_and_says_what_was_checked(bundle: Path) -> None:
    verification = made.verify(bundle)
    assert verification.holds
    assert verification.text().splitlines()[0] == "a.bundle.zip holds"
    for part in (
        "8 members, each as the manifest says",
        "all 2 files that the report rests on are in the bundle",
        "QA lead: QA lead person signed this report",
        "1 of 2 signed; not yet: DevOps lead",
        "all 3 checks of the suites judged again by the clock of 2025-01-23T03:00:00Z, each as it was signed",
        "pass, open: 3 pass",
    ):
        assert part in verification.text()


def test_signatures_and_what_people_say_are_bundled(files: Files) -> None:
    files.file("notes/said.yaml", "summary: went well\n")
    head = HEAD + "report: notes/said.yaml\napprovals: [QA lead]\n"
    suite = files.suite(f"{CRITERIA}- {{id: signed, approvals: [QA lead]}}\n", head=head)
    report, file = made.judge(suite, suite.name)
    entry = f"- {{role: QA lead, name: Ann, at: 2025-01-22T17:00:00-08:00, digest: '{report.digest}'}}\n"
    signed = files.file("signed.yaml", entry)
    whole = made.bundle(files.path / "a.bundle.zip", report, file, approvals=signed)
    assert made.wrong(whole) == []
    assert "all 3 checks" in made.verify(whole).text()
    for old, new, named in (
        ("Ann", "Eve", "QA lead: name Ann is in the report, Eve in entry 1 of approvals.yaml"),
        (
            "22T17",
            "22T18",
            "QA lead: at 2025-01-23T01:00:00Z is in the report, 2025-01-23T02:00:00Z in entry 1",
        ),
        (report.digest, "sha256:" + "1" * 64, "QA lead: digest"),
        (entry, entry + entry.replace("QA", "DevOps"), "the report has 1, approvals.yaml has 2"),
    ):
        changed = made.tamper(whole, {"approvals.yaml": entry.replace(old, new).encode()})
        assert any(line.startswith(named) for line in made.wrong(changed)), made.wrong(changed)
    silent = made.tamper(whole, {"suites/small/notes/said.yaml": None})
    assert any("said.yaml" in line for line in made.wrong(silent))


def test_the_same_run_gives_the_same_bytes(
    files: Files, judged: tuple[Report, SuiteFile], bundle: Path
) -> None:
    again = made.bundle(files.path / "b.bundle.zip", *judged)
    assert again.read_bytes() == bundle.read_bytes()
    assert sorted(path.name for path in files.path.glob("*.zip*")) == [
        "a.bundle.zip",
        "b.bundle.zip",
        "small.telemetry.zip",
    ]


def test_the_statement_is_one_of_in_toto_about_every_member(bundle: Path, judged: tuple[Report, Any]) -> None:
    with zipfile.ZipFile(bundle) as archive:
        statement = json.loads(archive.read("statement.json"))
        names = set(archive.namelist())
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert {one["name"] for one in statement["subject"]} == names - {"statement.json"}
    assert statement["predicate"] == {
        "outcome": "pass",
        "opens": True,
        "digest": judged[0].digest,
        "clock": "2025-01-23T03:00:00Z",
        "suites": ["small"],
    }
    homepage = "https://git.example.net/pytest-telemetry-gate"
    assert statement["predicateType"].startswith(homepage)
    assert homepage in (ROOT / "pyproject.toml").read_text()


def change_sample(content: bytes) -> bytes:
    """Return a recording in which one sample is another, its index as it was."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    index = json.loads(members["index.json"])
    (metric,) = [m for g in index["regions"][""]["groups"] for m in g["metrics"] if m["name"] == "cpu"]
    array = np.load(io.BytesIO(members[metric["member"]]))
    array[-1] += 1
    written = io.BytesIO()
    np.save(written, array)
    members[metric["member"]] = written.getvalue()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


def test_one_changed_sample_is_named_by_its_member(bundle: Path) -> None:
    lines = made.wrong(made.tamper(bundle, {RECORDING: change_sample}))
    assert any(
        "small.telemetry.zip: member 0/00000/" in line and " (cpu) is not as its index says" in line
        for line in lines
    )
    assert any(line.startswith("small.telemetry.zip: SHA-256") and "was signed" in line for line in lines)
    assert any(line.startswith("cpu[2h]: pass was signed, it is error: ") for line in lines)


def test_samples_of_another_recording_are_named_by_what_they_give(files: Files, bundle: Path) -> None:
    changed = made.tamper(bundle, {RECORDING: recording_with(files, 71.5)})
    lines = made.wrong(changed)
    assert "cpu[2h]: value 70 % was signed, 71.5 % is what the evidence gives" in lines
    assert any(line.startswith("small.telemetry.zip: SHA-256") for line in lines)


def forge_evidence(changed: Path, member: str) -> Path:
    """Make the report's evidence fit a changed member, and its digest with it."""
    with zipfile.ZipFile(changed) as archive:
        content = archive.read(member)

    def fit(wire: dict[str, Any]) -> None:
        import hashlib

        for one in wire["content"]["evidence"]:
            if member.endswith(one["path"]):
                one["sha256"] = hashlib.sha256(content).hexdigest()

    return made.tamper(changed, {"report.json": made.rewrite_report(fit)})


def test_who_makes_the_report_fit_as_well_has_no_signature_for_it(files: Files, bundle: Path) -> None:
    changed = made.tamper(bundle, {RECORDING: recording_with(files, 71.5)})
    lines = made.wrong(forge_evidence(changed, RECORDING))
    assert not any("SHA-256" in line for line in lines)
    assert any(
        line.startswith("QA lead: QA lead person signed ") and "this report is" in line for line in lines
    )
    assert "cpu[2h]: value 70 % was signed, 71.5 % is what the evidence gives" in lines


def test_one_changed_limit_is_named(bundle: Path) -> None:
    changed = made.tamper(bundle, {SUITE: lambda text: text.replace(b"'< 75'", b"'< 80'")})
    lines = made.wrong(changed)
    assert "cpu: limit < 75 % was signed, the suite says < 80 %" in lines
    assert any(line.startswith("small.gate.yaml: SHA-256") for line in lines)
    assert "cpu: limit < 75 % was signed, the suite says < 80 %" in made.wrong(forge_evidence(changed, SUITE))


def test_a_changed_baseline_is_named(bundle: Path) -> None:
    member = "suites/small/baselines/before.yaml"
    lines = made.wrong(made.tamper(bundle, {member: lambda text: text.replace(b"99", b"98")}))
    assert "requests[2h]: baseline 99 was signed, 98 is what the evidence gives" in lines


def set_outcome(wire: dict[str, Any]) -> None:
    cpu = next(one for one in wire["content"]["suites"][0]["criteria"] if one["id"] == "cpu")
    cpu["regions"][""]["checks"][0]["value"] = 60.0


def open_gate(wire: dict[str, Any]) -> None:
    wire["content"]["gate"] |= {"opens": True, "outcome": "pass"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (set_outcome, "cpu[2h]: value 60 % was signed, 70 % is what the evidence gives"),
        (
            lambda wire: wire["content"]["gate"].update(outcome="warn"),
            "warn (open) was signed, the verdicts give pass",
        ),
        (
            lambda wire: wire["content"]["gate"].update(counts={"pass": 4}),
            "4 pass was signed, the verdicts are 3 pass",
        ),
        (
            lambda wire: wire["content"]["suites"][0].pop("roles"),
            "small: who must sign is not what was signed",
        ),
        (
            lambda wire: wire["content"]["suites"][0].update(told={"summary": "all well"}),
            "small: what people say is not",
        ),
        (
            lambda wire: wire["content"]["suites"][0]["rollout"].update(end=1),
            "small: the rollout, its start, end or steps,",
        ),
        (
            lambda wire: wire["content"]["suites"][0].update(rollback={"when": ["incident"]}),
            "small: what triggers the rollback",
        ),
        (lambda wire: wire["content"].update(suites=[]), "the report is about no suite"),
        (lambda wire: wire["content"]["suites"][0].update(path="x.yaml"), "x.yaml: cannot be judged again"),
        (lambda wire: wire["content"]["suites"][0].pop("now"), "does not say by which clock"),
    ],
)
def test_a_changed_report_is_named(
    bundle: Path, change: Callable[[dict[str, Any]], None], named: str
) -> None:
    lines = made.wrong(made.tamper(bundle, {"report.json": made.rewrite_report(change)}))
    assert any(named in line for line in lines), lines
    assert any(line.startswith("QA lead: QA lead person signed ") for line in lines)


def test_a_report_whose_digest_does_not_fit_is_named(bundle: Path) -> None:
    def change(text: bytes) -> bytes:
        return text.replace(b'"value":70.0', b'"value":60.0')

    lines = made.wrong(made.tamper(bundle, {"report.json": change}))
    assert any("its content gives SHA-256" in line for line in lines)
    assert "cpu[2h]: value 60 % was signed, 70 % is what the evidence gives" in lines


def test_a_gate_that_fails_cannot_be_signed_open(files: Files) -> None:
    report, file = made.judge(files.suite("- {id: cpu, query: cpu, expect: '< 60'}\n"), "small.gate.yaml")
    assert report.content.gate.outcome is Outcome.FAIL
    path = made.bundle(files.path / "f.bundle.zip", report, file)
    assert made.verify(path).holds, "a closed gate is evidence as well"
    lines = made.wrong(made.tamper(path, {"report.json": made.rewrite_report(open_gate)}))
    assert any("pass (open) was signed, the verdicts give fail" in line for line in lines)


@pytest.mark.parametrize(
    "member",
    ["report.json", "manifest.json", "statement.json", "versions.json", "judged.json", SUITE, RECORDING],
)
def test_a_bundle_that_misses_a_part_does_not_hold(bundle: Path, member: str) -> None:
    assert made.wrong(made.tamper(bundle, {member: None}, lists=False))
    if not member.endswith(".json"):
        assert made.wrong(made.tamper(bundle, {member: None}))


@pytest.mark.parametrize("member", ["note.txt", "suites/small/x.yaml", "report.json.bak"])
def test_a_bundle_with_something_more_does_not_hold(bundle: Path, member: str) -> None:
    more = {member: b"x: 1\n"}
    assert any("not in the manifest" in line for line in made.wrong(made.tamper(bundle, more, lists=False)))
    if not member.startswith("suites/"):
        assert any("is no part of a bundle" in line for line in made.wrong(made.tamper(bundle, more)))


@pytest.mark.parametrize("member", ["manifest.json", "judged.json", "report.json"])
def test_another_format_does_not_hold(bundle: Path, member: str) -> None:
    def newer(content: bytes) -> bytes:
        return json.dumps({**json.loads(content), "format": 2}).encode()

    lines = made.wrong(made.tamper(bundle, {member: newer}))
    assert any("format" in line for line in lines), lines


def test_the_manifest_names_what_is_not_as_it_says(bundle: Path) -> None:
    lines = made.wrong(made.tamper(bundle, {"versions.json": b"{}"}, lists=False))
    assert any(line.startswith("versions.json: SHA-256 ") for line in lines)
    assert "statement.json: its subjects are not the members of the bundle" in lines


def write_zip(path: Path, members: list[tuple[str, bytes]], mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "../out.txt",
        "/tmp/out.txt",
        "a/../../out.txt",
        "a\\..\\out.txt",
        "C:/out.txt",
        "a//b",
        "./a",
        "a/",
        "x\x01",
    ],
)
def test_nothing_is_unpacked_elsewhere(tmp_path: Path, name: str) -> None:
    path = write_zip(tmp_path / "evil.zip", [(name, b"x")])
    assert made.wrong(path) == [f"{path}: member {made.shown(name)} is no plain file of a bundle"]
    assert [one.name for one in tmp_path.iterdir()] == ["evil.zip"]


def test_odd_archives_do_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = write_zip(tmp_path / "link.zip", [("report.json", b"/etc/passwd")], mode=0o120777)
    assert "no plain file" in made.wrong(link)[0]
    twice = write_zip(tmp_path / "twice.zip", [("a", b"1"), ("A", b"2")])
    assert "is there twice" in made.wrong(twice)[0]
    both = write_zip(tmp_path / "both.zip", [("a", b"1"), ("a/b", b"2")])
    assert "both a file and a folder" in made.wrong(both)[0]
    (tmp_path / "none.zip").write_bytes(b"nothing")
    assert "not a bundle" in made.wrong(tmp_path / "none.zip")[0]
    assert "there is no such bundle" in made.wrong(tmp_path / "missing.zip")[0]
    monkeypatch.setattr("pytest_telemetry_gate.bundle.archive._MAX_BYTES", 10_000)
    bomb = write_zip(tmp_path / "bomb.zip", [("report.json", b"0" * 20_000)])
    assert "unpacks to 20,000 bytes, more than 10,000" in made.wrong(bomb)[0]


@pytest.mark.parametrize("cut", [0.2, 0.9, 0.999])
def test_a_truncated_bundle_does_not_hold(bundle: Path, cut: float) -> None:
    content = bundle.read_bytes()
    bundle.write_bytes(content[: int(len(content) * cut)])
    assert "not a bundle, or damaged" in made.wrong(bundle)[0]


def test_a_suite_reads_nothing_outside_of_the_bundle(files: Files, bundle: Path) -> None:
    outside = files.file("outside.yaml", BASELINE.replace("99", "98"))
    for text in (str(outside), "'${file:" + str(outside) + "}'"):
        changed = made.tamper(
            bundle,
            {SUITE: lambda content, text=text: content.replace(b"baselines/before.yaml", text.encode())},
        )
        assert any("names a file outside of the bundle" in line for line in made.wrong(changed))


def test_variables_of_the_process_and_of_the_command_line_are_kept(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOST", "75")
    head = HEAD.replace("start: 2025-01-22T14:00:00-08:00, end: 2025-01-22T15:30:00-08:00", "start: now-5h")
    suite = files.suite(
        "- {id: cpu, query: '$metric', unit: '%', expect: '< ${MOST}'}\n",
        head=head + "variables: {metric: none}\n",
    )
    settings = SuiteSettings(variables={"metric": "cpu"}, now=lambda: gates.START + 5 * 3600)
    report, file = made.judge(suite, "small.gate.yaml", settings=settings)
    assert report.content.gate.opens
    path = made.bundle(files.path / "v.bundle.zip", report, file)
    monkeypatch.setenv("MOST", "1")
    assert made.verify(path).holds


def test_regions_are_judged_again_from_their_own_recordings(files: Files) -> None:
    for region, cpu in (("eu", 70), ("us", 60)):
        files.recording((gates.UP, gates.series("cpu", cpu)), f"{region}/a.telemetry.zip")
    files.file(
        "telemetry.yaml",
        "default: a\nenvironments: {a: {source: recording, regions: {eu: {path: eu/a.telemetry.zip}, us: {path: us/a.telemetry.zip}}}}\n",
    )
    report, file = made.judge(files.suite("- {id: cpu, query: cpu, expect: '< 75'}\n"), "small.gate.yaml")
    path = made.bundle(files.path / "r.bundle.zip", report, file)
    assert made.verify(path).holds
    with zipfile.ZipFile(path) as archive:
        recordings = [name for name in archive.namelist() if name.startswith("recordings/")]
        members = {name: archive.read(name) for name in recordings}
    assert recordings == ["recordings/2/a.telemetry.zip", "recordings/a.telemetry.zip"]
    swapped = dict(zip(recordings, reversed(members.values()), strict=True))
    assert any(
        "cpu[eu-2h]: value 70 was signed, 60 is" in line for line in made.wrong(made.tamper(path, swapped))
    )


LIVE = "default: live\nenvironments: {live: {source: prometheus, url: 'http://127.0.0.1:1', headers: {X-Api-Key: kanari-bundle-key}}}\n"


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        ("", "environment 'live' is live: --telemetry-record=FILE records"),
        ("# kanari-bundle-key\n", "small.gate.yaml:12: holds a secret of environment 'live'"),
        ("# ${file:secret}\n", "small.gate.yaml:12: reads a file with ${file:...}"),
    ],
)
def test_what_cannot_be_bundled_is_refused(files: Files, judged: Any, suite: str, message: str) -> None:
    files.file("telemetry.yaml", LIVE)
    path = files.path / "small.gate.yaml"
    path.write_text(path.read_text() + suite)
    file = SuiteFile(path, "small.gate.yaml", load_environment(files.path / "telemetry.yaml"))
    target = files.path / "refused.zip"
    with pytest.raises(BundleError) as refused:
        made.bundle(target, judged[0], file)
    assert str(refused.value).startswith(message)
    assert not target.exists()


def test_a_live_run_is_judged_again_from_what_it_recorded(files: Files, judged: Any) -> None:
    report, file = judged
    files.file("telemetry.yaml", LIVE.replace("live", "recorded"))
    live = SuiteFile(file.path, file.shown, load_environment(files.path / "telemetry.yaml"))
    path = made.bundle(files.path / "l.bundle.zip", report, live, recorded=files.path / "small.telemetry.zip")
    assert made.verify(path).holds
    assert b"kanari" not in b"".join(
        zipfile.ZipFile(path).read(name) for name in zipfile.ZipFile(path).namelist()
    )


def test_an_absolute_path_is_refused(files: Files) -> None:
    absolute = CRITERIA.replace("baselines/before.yaml", str(files.path / "baselines/before.yaml"))
    report, file = made.judge(files.suite(absolute), "small.gate.yaml")
    with pytest.raises(BundleError, match="is an absolute path"):
        made.bundle(files.path / "x.zip", report, file)


def test_an_unwritable_bundle_is_one_line(files: Files, judged: Any) -> None:
    files.file("taken", "")
    with pytest.raises(BundleError, match="cannot be written"):
        made.bundle(files.path / "taken" / "x.zip", *judged)


def test_of_many_differences_the_first_are_shown(files: Files) -> None:
    many = "".join(f"- {{id: c{number}, query: cpu, expect: '< 75'}}\n" for number in range(40))
    report, file = made.judge(files.suite(many), "small.gate.yaml")
    path = made.bundle(files.path / "m.bundle.zip", report, file)
    changed = made.tamper(path, {SUITE: lambda text: text.replace(b"< 75", b"< 80")})
    text = made.verify(changed).text()
    assert text.splitlines()[0] == "changed-m.bundle.zip does not hold: 41 things differ"
    assert "  and 11 more that differ" in text
    assert text.count("✗") == 30


def test_what_was_found_is_said_although_the_rest_cannot_be_checked(bundle: Path) -> None:
    changed = made.tamper(bundle, {"versions.json": b"{}", "judged.json": b"{"}, lists=False)
    lines = made.wrong(changed)
    assert any(line.startswith("versions.json: SHA-256 ") for line in lines)
    assert any(line.startswith("judged.json: cannot be read") for line in lines)
