"""Flaws of the example's instrumentation: each is caught, and the page that lists them is what the scripts say."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from qa_example import module

PAGE = Path(__file__).parents[2] / "docs/explanation/mutations.md"
HEAD = "| flaw | tried | cases | line |\n|---|---|---|---|\n"


@pytest.fixture(scope="module")
def mutations(examples: Path) -> ModuleType:
    return module(examples / "qa_replay/mutations.py")


def test_every_mutation_is_caught_by_its_own_line(
    mutations: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mutations.py"])
    code, output = mutations.main(), capsys.readouterr().out
    assert code == 0, output
    number = len(mutations.MUTATIONS)
    assert output.endswith(f"{number} of {number} mutations caught, each by its own line\n")


def test_without_a_mutation_every_case_passes(mutations: ModuleType) -> None:
    nothing = mutations.Mutation("nothing", mutations.ALL, "*", lambda _: None)
    told, problems = mutations.problems_of(nothing, mutations.judged(nothing))
    assert told == ""
    assert len(problems) == 15
    assert all(problem.endswith(" passed") for problem in problems)


def test_a_mutation_that_is_not_caught_is_said(
    mutations: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    harmless = mutations.Mutation("harmless", "reject", "no line", lambda _: None)
    monkeypatch.setattr(mutations, "MUTATIONS", (harmless,))
    monkeypatch.setattr(sys, "argv", ["mutations.py"])
    assert mutations.main() == 1
    output = capsys.readouterr().out
    assert "NOT CAUGHT\n" in output
    assert "WRONG: reject passed\n0 of 1 mutations caught" in output
    monkeypatch.setattr(sys, "argv", ["mutations.py", "harmful"])
    with pytest.raises(SystemExit, match="no such mutation: harmful; there are: harmless"):
        mutations.main()


def test_forty_flaws_and_more_are_on_the_page(mutations: ModuleType, examples: Path) -> None:
    faults = module(examples / "qa_replay/faults.py")
    words = {
        mutations.ALL: "all",
        mutations.ACCEPTED: "accepted",
        mutations.REJECTED: "rejected",
        mutations.PYTHON: "Python",
        faults.SERVICE: "service",
        faults.COMMAND: "command",
        "parse-go-*": "Go",
    }
    readme = (examples / "qa_replay/README.md").read_text(encoding="utf-8")
    # Which of the README's lines are those of the faults, a test of them says.
    lines = dict(re.findall(r"^\| ([\w ]+) \| \w+ \| (`.*`) \|$", readme, re.MULTILINE))
    rows = [
        f"| {fault.name} | live | {words[fault.touches]} | {lines[fault.name]} |\n" for fault in faults.FAULTS
    ]
    rows += [
        f"| {mutation.name} | captured | {words[mutation.touches]} | `{shown(mutation.line)}` |\n"
        for mutation in mutations.MUTATIONS
    ]
    assert len(rows) >= 40
    assert len({row.split("|")[1] for row in rows}) == len(rows)
    text = PAGE.read_text(encoding="utf-8")
    before, found, after = text.partition(HEAD)
    assert found
    whole = before + HEAD + "".join(rows) + "\n" + after[after.index("`...` stands for") :]
    if os.environ.get("TELEMETRY_UPDATE_GOLDEN"):
        PAGE.write_text(whole, encoding="utf-8")
    assert whole == PAGE.read_text(encoding="utf-8"), "TELEMETRY_UPDATE_GOLDEN=1 makes the table again"


def shown(line: str) -> str:
    """Write a line as people read it: what varies as three dots."""
    return line.replace("*", "...").replace("|", "\\|")
