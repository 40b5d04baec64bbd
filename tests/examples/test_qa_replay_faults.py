"""Faults that the QA replays of the example must catch, each by its own line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from children import LIGHT
from qa_example import ROOT, left_behind, module


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.usefixtures("prometheus_installed")
def test_every_fault_is_caught_by_its_own_line(copy: Path) -> None:
    done = subprocess.run(
        [sys.executable, "faults.py"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": " ".join(LIGHT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=540,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 of 10 faults caught, each by its own line" in done.stdout
    assert left_behind(copy) == []


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
