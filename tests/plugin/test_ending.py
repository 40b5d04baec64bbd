"""Sessions that a signal ends, in each of their stages: nobody is left, nothing is half-written, JUnit has what was judged.

Real processes and real signals, so they are few: each stage, each signal and both numbers of workers occur.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest
from children import PATIENCE, started, until
from projects import Project
from test_waiting import CONFTEST as SOURCE

from pytest_telemetry_gate.plugin.ending import EndHooks

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")

LONGEST = 600  # seconds that something hangs, whoever waits for it
LATE = PATIENCE  # seconds in which all has ended after the signal, a tenth of what any of it would take by itself
CONFTEST = (
    SOURCE
    + f"""
import os
import pytest
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

@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report):
    if report.when == "teardown" and "cpu" in report.nodeid:
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
  - {id: command, drive: {cli: {argv: [$python, tool.py], timeout: 600s}}, expect: {spans: [{contract: parse}]}}
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
    until(lambda: not left(processes))
    until(lambda: list((project.path / "temporary").glob("pytest-telemetry*")) == [])
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
    assert "telemetry gate: PASS" not in output
    judged = {case.get("name"): case for case in ET.parse(slow.path / "junit.xml").iter("testcase")}
    assert ("cpu[early]" in judged) == (stage != "waiting")
    assert any(case.find("failure") is not None for case in judged.values())


@pytest.mark.parametrize("workers", ["-n2"])
def test_what_was_driven_ends_with_a_session_that_is_killed(slow: Project, workers: str) -> None:
    with at_stage(slow, "driving", workers) as (process, processes):
        process.kill()
        process.wait()
        assert_nothing_is_left(slow, processes)


HANDLED = """
import os, signal, time

def test_it():
    print("HANDLER", signal.getsignal(signal.SIGTERM))

def test_a_process_that_a_test_forks_ends_as_ever():
    child = os.fork()
    if not child:
        time.sleep(60)
        os._exit(0)
    os.kill(child, signal.SIGTERM)
    assert os.waitpid(child, 0)[1] == signal.SIGTERM
"""


@pytest.mark.parametrize("telemetry", [True, False])
@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN, print])
def test_handlers_are_put_back_and_those_of_others_are_left_alone(
    project: Project, *, telemetry: bool, before: object
) -> None:
    if telemetry:
        project.suite()
    project.file("test_it.py", HANDLED)
    project.file("conftest.py", "")
    outer, interrupts = signal.signal(signal.SIGTERM, before), signal.getsignal(signal.SIGINT)
    try:
        result = project.run("-s", *(() if before is signal.SIG_DFL else ("-k", "not forks")))
        after = signal.getsignal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, outer)
    assert after == before
    assert signal.getsignal(signal.SIGINT) is interrupts
    assert result.ret == 0
    ours = telemetry and before is signal.SIG_DFL
    assert ("SignalHandlers" in result.stdout.str()) == ours


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_keeps_no_report_from_being_written(project: Project, name: str) -> None:
    project.suite()
    late = "import os, pytest, signal\n\n@pytest.hookimpl(tryfirst=True)\ndef pytest_sessionfinish():\n"
    project.file("conftest.py", late + f"    os.kill(os.getpid(), signal.{name})\n")
    outer = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a script
    try:
        result = project.run("--junitxml=junit.xml")
    finally:
        signal.signal(signal.SIGINT, outer)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert [case.get("name") for case in ET.parse(project.path / "junit.xml").iter("testcase")] == ["cpu[2h]"]
    assert "1 passed" in result.stdout.str()


def test_an_interrupted_controller_reports_what_its_workers_have_sent() -> None:
    sent = SimpleQueue()
    for number in range(2):
        sent.put(("logstart", {"node": "gw0"}))
        sent.put(("testreport", {"node": "gw0", "rep": SimpleNamespace(name=f"test_{number}")}))
    told = []
    plugins = SimpleNamespace(getplugin={"dsession": SimpleNamespace(queue=sent)}.get)
    hook = SimpleNamespace(pytest_runtest_logreport=lambda report: told.append((report.node, report.name)))
    session = SimpleNamespace(
        exitstatus=pytest.ExitCode.INTERRUPTED, config=SimpleNamespace(pluginmanager=plugins, hook=hook)
    )
    hooks = EndHooks(SimpleNamespace())
    finishing = hooks.pytest_sessionfinish(session)
    next(finishing)
    hooks.pytest_unconfigure()
    assert told == [("gw0", "test_0"), ("gw0", "test_1")]


# As pytest-timeout does it, and once only: as soon as the command runs.
LIMIT = """
import pytest, signal
over = []

@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    def fail(*_):
        if Path("pid").exists() and not over:
            over.append(item)
            pytest.fail("Timeout", pytrace=False)
    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
"""
LIMITED = """\
version: 1
suite: qa
variables: {python: "${PYTHON}"}
checkpoints: {early: {cases: 1}}
capture: {complete: {timeout: 1s, quiet: 100ms}}
contracts: {parse: {select: {name: parse}}}
cases:
  - {id: command, drive: {cli: {argv: [$python, tool.py], timeout: 600s}}, expect: {spans: [{contract: parse}]}}
"""


def test_what_a_time_limit_of_tests_interrupts_ends_and_nobody_waits_for_it(slow: Project) -> None:
    slow.file("conftest.py", SOURCE + LIMIT)
    slow.file("small.gate.yaml", "# written when pytest starts\n")
    share = "{{id: share, replay: {{suite: a.replay.yaml}}, expect: '== 100%'}}"
    head = SUITE.partition("    - ")[0].replace("CHECKPOINT", "{{id: early, at: +10s}}")
    slow.file("suite.txt", f"{head}    - {share}\n")
    slow.file("a.replay.yaml", LIMITED)
    slow.file(
        "tool.py",
        "import os, pathlib, time\npathlib.Path('new').write_text(str(os.getpid()))\n"
        f"os.rename('new', 'pid')\ntime.sleep({LONGEST})\n",
    )
    began = time.monotonic()
    found = {case.get("name"): case for case in slow.junit()}
    assert time.monotonic() - began < LATE
    assert not stat(int((slow.path / "pid").read_text()))
    (failure,) = found["command[early]"].iter("failure")
    assert "Timeout" in str(failure.get("message"))
    (failure,) = found["share[early]"].iter("failure")
    assert "driving it was interrupted" in str(failure.text)
