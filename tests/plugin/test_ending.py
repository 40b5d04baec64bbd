"""Sessions that a signal ends, in each of their stages: nobody is left, nothing is half-written, JUnit has what was judged.

Real processes and real signals, so they are few: each stage, each signal and both numbers of workers occur.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from children import started, until
from projects import Project
from test_waiting import CONFTEST as SOURCE

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")

LONGEST = 600  # seconds that something hangs, whoever waits for it
SOON = 5.0  # seconds in which all has ended after the session: one, and four where other tests share the processors
LATE = 30.0  # seconds after the signal that are less than a drive's own limit
CONFTEST = (
    SOURCE
    + f"""
import os
STAGE = os.environ["STAGE"]

def stay():
    Path("reached").touch()
    time.sleep({LONGEST})

class Slow(Live):
    def probe(self):
        if STAGE == "waiting":
            Path("reached").touch()
        return super().probe()

    def instant(self, promql, time):
        if STAGE == "asking" and promql.startswith("scalar") or STAGE == "recording" and promql.startswith("sum(count_over"):
            stay()
        return super().instant(promql, time)

    def vectors(self, queries, time):
        return [self.instant(query, time) for query in queries]

def pytest_telemetry_gate_sources():
    return {{"live": Slow}}

def pytest_telemetry_gate_verdict(verdict):
    Path("told").touch()

def drive(context):
    import subprocess
    subprocess.run(["sleep", "{LONGEST}"], check=False)
"""
)
SUITE = """\
version: 1
suite: small
rollout: {{start: {start}, end: {start}}}
checkpoints: [CHECKPOINT]
groups:
  Parser:
    - {{id: cpu, query: cpu, unit: '%', expect: '< 75', coverage: 1%}}
    - {{id: slow, query: 'scalar(cpu)', unit: '%', expect: '< 75', coverage: 1%}}
"""
REPLAY = """\
version: 1
suite: qa
variables: {python: "${PYTHON}"}
checkpoints: {early: {cases: 2}}
capture: {complete: {timeout: 1s, quiet: 100ms}}
contracts: {parse: {select: {name: parse}}}
cases:
  - {id: command, drive: {cli: {argv: [$python, tool.py], timeout: 40s}}, expect: {spans: [{contract: parse}]}}
  - {id: function, drive: {python: {call: "conftest:drive"}}, expect: {spans: [{contract: parse}]}}
"""
# With a child in a session of its own, and one that knows nothing of the command's environment.
TOOL = f"""\
import pathlib, subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep({LONGEST})"]
subprocess.Popen(sleep, start_new_session=True)
subprocess.Popen(sleep, env={{}})
pathlib.Path("reached").touch()
time.sleep({LONGEST})
"""


@pytest.fixture
def slow(bare: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("PYTHON", sys.executable)
    bare.file("conftest.py", CONFTEST)
    bare.file("telemetry.yaml", "default: live\nenvironments: {live: {source: live}}\n")
    (bare.path / "temporary").mkdir()
    return bare


@contextlib.contextmanager
def at_stage(
    project: Project, stage: str, *arguments: str
) -> Iterator[tuple[subprocess.Popen[str], dict[int, str]]]:
    """Start pytest and wait until it has come to a stage; yield its process and who descends from it."""
    checkpoint = "{{id: late, at: +1h}}" if stage == "waiting" else "{{id: early, at: +10s}}"
    project.file("suite.txt", SUITE.replace("CHECKPOINT", checkpoint))
    project.file("small.gate.yaml", "# written when pytest starts\n")
    if stage == "driving":
        project.file("tool.py", TOOL)
        project.file("z.replay.yaml", REPLAY)
    options = ["--telemetry-wait"] if stage == "waiting" else []
    options += ["--telemetry-record=new.telemetry.zip"] if stage == "recording" else []
    environ = {"STAGE": stage, "TMPDIR": str(project.path / "temporary")}
    with started(project.path, "--junitxml=junit.xml", *options, *arguments, environ=environ) as process:
        for name in ("reached",) if stage == "waiting" else ("reached", "told"):
            until(lambda name=name: process.poll() is not None or (project.path / name).exists())
        assert process.poll() is None, process.communicate()[0]
        yield process, descendants(process.pid)


def descendants(process: int) -> dict[int, str]:
    """Return the processes that descend from one, and itself, by their id with the time of their start."""
    known = {number: fields for number in numbers() if (fields := stat(number))}
    found = {process}
    while more := {one for one, fields in known.items() if int(fields[1]) in found} - found:
        found |= more
    return {one: known[one][19] for one in found if one in known}


def numbers() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def stat(process: int) -> list[str]:
    """Return state, parent and so on; nothing of a process that has ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [] if fields[0] in {"Z", "X"} else fields


def left(processes: dict[int, str]) -> list[int]:
    return [one for one, start in processes.items() if (fields := stat(one)) and fields[19] == start]


def assert_nothing_is_left(project: Project, processes: dict[int, str]) -> None:
    until(lambda: not left(processes), SOON)
    until(lambda: list((project.path / "temporary").glob("pytest-telemetry*")) == [], SOON)
    assert [path.name for path in project.path.glob(".*")] == []
    assert not list(project.path.glob("*.telemetry.zip"))


@pytest.mark.parametrize(
    ("stage", "name", "workers"),
    [
        ("waiting", "SIGHUP", "-n2"),
        ("driving", "SIGINT", "-n0"),
        ("driving", "SIGTERM", "-n2"),
        ("asking", "SIGTERM", "-n0"),
        ("recording", "SIGINT", "-n0"),
    ],
)
def test_a_signal_ends_a_session_in_order(slow: Project, stage: str, name: str, workers: str) -> None:
    with at_stage(slow, stage, workers) as (process, processes):
        process.send_signal(getattr(signal, name))
        output, _ = process.communicate(timeout=LATE)
        assert_nothing_is_left(slow, processes)
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert "KeyboardInterrupt" in output
    if name != "SIGINT":
        assert f"KeyboardInterrupt: {name} has ended the session" in output
    assert "Traceback" not in output
    assert "INTERNALERROR" not in output
    judged = {case.get("name"): case for case in ET.parse(slow.path / "junit.xml").iter("testcase")}
    assert ("cpu[early]" in judged) == (stage != "waiting")


@pytest.mark.parametrize("workers", ["-n2"])
def test_what_was_driven_ends_with_a_session_that_is_killed(slow: Project, workers: str) -> None:
    with at_stage(slow, "driving", workers) as (process, processes):
        process.kill()
        process.wait()
        assert_nothing_is_left(slow, processes)
