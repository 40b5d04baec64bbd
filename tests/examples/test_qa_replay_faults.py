"""Faults that the QA replays of the example must catch, each by its own line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import forks
import pytest
from children import LIGHT
from qa_example import ROOT, left_behind, module


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.usefixtures("prometheus_installed")
def test_every_fault_is_caught_by_its_own_line(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The script, but for the ten interpreters that it would start for pytest."""
    faults = module(copy / "faults.py")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(LIGHT))
    monkeypatch.setattr(sys, "argv", ["faults.py"])

    def run(command: list[str], *, env: dict[str, str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command[:3] == [sys.executable, "-m", "pytest"]
        return forks.run(command[1:], cwd=copy, env=env, timeout=540)

    monkeypatch.setattr(faults, "subprocess", SimpleNamespace(run=run))
    code, output = faults.main(), capsys.readouterr().out
    assert code == 0, output
    assert "10 of 10 faults caught, each by its own line" in output
    assert left_behind(copy) == []


def test_the_script_says_which_faults_there_are(examples: Path) -> None:
    command = [sys.executable, "faults.py", "bit rot"]
    done = subprocess.run(command, cwd=examples / "qa_replay", capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("no such fault: bit rot; there are: dropped attribute, ")


def test_the_table_of_faults_is_that_of_the_script(examples: Path) -> None:
    faults = module(examples / "qa_replay/faults.py")
    page = (examples / "qa_replay/README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w ]+) \| (\w+) \| `(.*)` \|$", page, re.MULTILINE)
    assert [name for name, _, _ in rows] == [fault.name for fault in faults.FAULTS]
    touches = {"all": faults.ALL, "command": faults.COMMAND, "service": faults.SERVICE, "Go": "parse-go-*"}
    for fault, (_, cases, line) in zip(faults.FAULTS, rows, strict=True):
        assert touches[cases] == fault.touches
        # what varies from run to run stands as three dots
        assert faults.caught(fault, line.replace("\\|", "|")), (fault, line)


def test_a_fault_that_is_not_caught_is_said(examples: Path) -> None:
    faults = module(examples / "qa_replay/faults.py")
    dropped, lost = (
        next(one for one in faults.FAULTS if one.name == name)
        for name in ("dropped attribute", "lost increment")
    )
    line = "span parser.parse: attribute parser.file_count: required, missing"
    found = {f"case-{number}": [line] for number in range(15)}
    assert faults.judged(dropped, found) == (line, [])
    assert faults.judged(dropped, {**found, "case-3": []})[1] == ["case-3 passed"]
    assert faults.judged(dropped, {**found, "case-3": ["something else"]})[1] == [
        "case-3 failed by another line: something else"
    ]
    found.pop("case-3")
    assert faults.judged(dropped, found)[1] == ["14 of 15 cases were replayed"]
    assert "case-1 failed: x" in faults.judged(lost, {"case-1": ["x"]})[1]
