"""``python -m benchmarks.mutate``: how many small faults in what decides a gate the fast tests catch.

The unit tests of criteria, model, gate and suites run once, and what each of them executes is written down. Each mutant of
``mutants.py`` is then put into a forked process, in which the tests that execute its line run, the shortest first, until one
of them fails; no file is changed. What no test minds is a survivor, printed with file and line: ``--only trend`` takes the
files with that in their name, ``--sample N`` every Nth mutant. Exit code 1 where less than ``--least`` of them are caught.

A process is forked when all tests are collected and no test has run, so that a mutant costs the tests that it needs alone.
"""

from __future__ import annotations

import argparse
import gc
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest

from benchmarks.mutants import Mutant, mutants_of

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pytest_telemetry_gate"
TEXTS = frozenset({"transcript.py", "steps.py"})  # decide nothing
TESTS = (
    *(f"tests/unit/{room}" for room in ("criteria", "stats", "model", "gate", "suite")),
    "tests/unit/sources/test_arrivals.py",
    "tests/docs/test_verdict_tables.py",
    "tests/docs/test_kind_lines.py",
)
OPTIONS = (
    *("-o", "addopts=", "--import-mode=importlib"),
    *("-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:terminal"),
)
PATIENCE = 60  # seconds; a mutant that takes longer is caught, as a person would


@dataclass(frozen=True)
class Fault:
    """A mutant of a file as it was read."""

    path: Path
    source: bytes
    mutant: Mutant

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.mutant}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print what survived and how many were caught; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default=[""], nargs="+", help="files with one of these in their name")
    parser.add_argument("--sample", type=int, default=1, metavar="N", help="every Nth mutant")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--least", type=float, default=0.95, help="share that must be caught")
    chosen = parser.parse_args(arguments)
    files = [
        path
        for path in judging_files()
        if any(name in str(path.relative_to(PACKAGE)) for name in chosen.only)
    ]
    sources = {path: path.read_bytes() for path in files}
    faults = [Fault(path, text, mutant) for path, text in sources.items() for mutant in mutants_of(text)]
    begun = time.monotonic()
    run = Run(faults[:: chosen.sample], chosen.processes)
    os.chdir(ROOT)
    if code := pytest.main([*OPTIONS, *TESTS], plugins=[run]):
        print(f"pytest ended with {code!r}: the tests cannot be collected, or fail without a mutant")
        return int(code)
    made, survived = len(run.faults), len(run.survivors)
    print(table(run.faults, run.survivors))
    share = 1 - survived / made if made else 1.0
    minutes = (time.monotonic() - begun) / 60
    print(f"{made - survived} of {made} mutants caught, {share:.1%}, in {minutes:.1f} min")
    return 0 if share >= chosen.least else 1


def judging_files() -> list[Path]:
    """Return the files of the package whose faults could open a gate."""
    rooms = [path for room in ("criteria", "model") for path in sorted((PACKAGE / room).glob("*.py"))]
    return [path for path in [*rooms, PACKAGE / "stats" / "timeline.py"] if path.name not in TEXTS]


@dataclass
class Trace:
    """What the tests execute of some files, and how long each takes (seconds), by the place of the test in its session."""

    seconds: list[float] = field(default_factory=list)
    tests: dict[tuple[str, int], set[int]] = field(default_factory=dict)

    def of(self, fault: Fault) -> list[int]:
        """Return the tests that execute what a fault changes, the shortest first."""
        lines = range(fault.mutant.line, fault.mutant.last + 1)
        found = set().union(*(self.tests.get((str(fault.path), line), ()) for line in lines))
        return sorted(found, key=self.seconds.__getitem__)

    def follow(self, files: set[str]) -> None:
        """Write down from now on, for the test that runs, the lines of the files."""

        def enter(frame: FrameType, _event: str, _argument: Any) -> Any:
            return step if frame.f_code.co_filename in files else None

        def step(frame: FrameType, event: str, _argument: Any) -> Any:
            if event == "line":
                key = frame.f_code.co_filename, frame.f_lineno
                self.tests.setdefault(key, set()).add(len(self.seconds))
            return step

        threading.settrace(enter)
        sys.settrace(enter)


class Run:
    """A plugin that runs the tests of a pytest session once for each fault, instead of once; see ``survivors`` afterwards."""

    def __init__(self, faults: Sequence[Fault], processes: int) -> None:
        self.faults = faults
        self.survivors: list[Fault] = []
        self._processes = processes
        self._failure = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failure = f"{report.nodeid}:\n{report.longreprtext}"

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = session.items
        if session.testsfailed:
            pytest.exit("some of the tests cannot be collected", returncode=2)
        with tempfile.TemporaryDirectory() as folder:
            result = Path(folder) / "trace"
            failed = os.waitpid(_fork(lambda: self._trace(items, result)), 0)[1]
            found = pickle.loads(result.read_bytes())
        if failed:
            pytest.exit(f"the tests fail without a mutant: {found}", returncode=2)
        trace: Trace = found
        print(f"{len(self.faults)} mutants; {len(items)} tests take {sum(trace.seconds):.0f} s", flush=True)
        running: dict[int, Fault] = {}
        for fault in self.faults:
            if len(running) == self._processes:
                self._finish(running)
            chosen = [items[index] for index in trace.of(fault)]
            running[_fork(partial(self._try, fault, chosen))] = fault
        while running:
            self._finish(running)
        return True

    def _finish(self, running: dict[int, Fault]) -> None:
        """Wait for a process to end, and tell if its fault survived."""
        process, status = os.wait()
        fault = running.pop(process, None)  # None for a process that was not started here
        if fault is not None and status == 0:
            print(f"survived: {fault}", flush=True)
            self.survivors.append(fault)

    def _trace(self, items: Sequence[pytest.Item], result: Path) -> bool:
        """Write down what each test executes, or how one failed; returns whether none did."""
        trace = Trace()
        trace.follow({str(fault.path) for fault in self.faults})
        for item in items:
            begun = time.monotonic()
            if not self._passes([item]):
                break
            trace.seconds.append(time.monotonic() - begun)
        sys.settrace(None)
        result.write_bytes(pickle.dumps(self._failure or trace))
        return not self._failure

    def _try(self, fault: Fault, items: Sequence[pytest.Item]) -> bool:
        signal.alarm(PATIENCE)
        put_in(fault)
        return self._passes(items)

    def _passes(self, items: Sequence[pytest.Item]) -> bool:
        """Run tests until one fails."""
        for item in items:
            item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
            if self._failure:
                return False
        return True


def put_in(fault: Fault) -> None:
    """Give the functions of this process the code that they have with a fault."""
    module = compile(fault.mutant.apply(fault.source), str(fault.path), "exec", dont_inherit=True)
    codes = {(code.co_qualname, code.co_firstlineno): code for code in _codes(module)}
    for function in gc.get_objects():
        if isinstance(function, FunctionType) and function.__code__.co_filename == str(fault.path):
            old = function.__code__
            function.__code__ = codes.get((old.co_qualname, old.co_firstlineno), old)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _fork(work: Callable[[], bool]) -> int:
    """Do some work in another process; returns its id, and its exit code will be 0 where the work returns True."""
    process = os.fork()
    if process:
        return process
    code = 70
    try:
        code = 0 if work() else 1
    finally:
        os._exit(code)


def table(faults: Sequence[Fault], survivors: Sequence[Fault]) -> str:
    """Return how many of each kind and of each file were caught."""
    lines = []
    for key in (lambda fault: fault.mutant.kind, lambda fault: str(fault.path.relative_to(PACKAGE))):
        made, survived = Counter(map(key, faults)), Counter(map(key, survivors))
        lines += [f"{name:<28}{made[name] - survived[name]:>5} of {made[name]:>4}" for name in sorted(made)]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
