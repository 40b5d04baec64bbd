"""``python -m benchmarks.mutate``: how many small faults in what decides a gate the fast tests catch.

Each mutant of ``mutants.py`` is put into a copy of the package, in which the unit tests of criteria, model, gate and suites run
until the first of them fails. The package and the tests are copied, so nothing here is changed. What no test minds is a
survivor, printed with file and line; ``--only trend`` takes the files with that in their name, ``--sample N`` every Nth
mutant. Exit code 1 where less than ``--least`` of them are caught.

Processes are forked from one that has imported what the package needs, two at once, so that a mutant costs seconds.
"""

from __future__ import annotations

import argparse
import compileall
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mutants import Mutant, mutants_of

ROOT = Path(__file__).parents[1]
PACKAGE = "pytest_telemetry_gate"
TEXTS = frozenset({"__init__.py", "transcript.py", "steps.py"})  # decide nothing
MODEL = ("answers.py", "arrivals.py", "check.py", "facts.py", "gate_outcome.py", "terms.py", "verdict.py")
TESTS = (
    *(f"tests/unit/{room}" for room in ("criteria", "stats", "model", "gate", "suite")),
    "tests/unit/sources/test_arrivals.py",
    "tests/docs/test_verdict_tables.py",
    "tests/docs/test_kind_lines.py",
)
OPTIONS = (
    "-x",
    "-q",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
)
HEAVY = ("numpy", "pydantic", "yaml", "hypothesis.strategies", "re2", "promql_parser", "pytest", "tabulate")
PATIENCE = 60.0  # seconds; a mutant that takes longer is caught, as a person would


@dataclass(frozen=True)
class Fault:
    """A mutant of a file, which is relative to the package."""

    path: str
    mutant: Mutant

    def __str__(self) -> str:
        return f"{PACKAGE}/{self.path}:{self.mutant}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print what survived and how many were caught; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", help="files with this in their name")
    parser.add_argument("--sample", type=int, default=1, metavar="N", help="every Nth mutant")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--least", type=float, default=0.95, help="share that must be caught")
    chosen = parser.parse_args(arguments)
    faults = [fault for path in judging_files() if chosen.only in path for fault in faults_of(path)]
    faults = faults[:: chosen.sample]
    for name in HEAVY:
        __import__(name)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        desks = [copy(Path(folder) / str(number)) for number in range(chosen.processes)]
        took = check_tests(desks[0])
        print(f"{len(faults)} mutants; the tests take {took:.0f} s without one", flush=True)
        survivors = list(run(faults, desks))
    caught = len(faults) - len(survivors)
    print(table(faults, survivors))
    minutes = (time.monotonic() - begun) / 60
    share = caught / len(faults) if faults else 1.0
    print(f"{caught} of {len(faults)} mutants caught, {share:.1%}, in {minutes:.0f} min")
    return 0 if share >= chosen.least else 1


def judging_files() -> list[str]:
    """Return the files of the package whose faults could open a gate."""
    package = ROOT / PACKAGE
    criteria = [path for path in sorted((package / "criteria").glob("*.py")) if path.name not in TEXTS]
    return [
        path.relative_to(package).as_posix()
        for path in (
            *criteria,
            package / "stats" / "timeline.py",
            *(package / "model" / name for name in MODEL),
        )
    ]


def faults_of(path: str) -> list[Fault]:
    """Return the mutants of a file."""
    return [Fault(path, mutant) for mutant in mutants_of((ROOT / PACKAGE / path).read_bytes())]


def copy(desk: Path) -> Path:
    """Copy the package and its tests, compiled, so that a run compiles the file with the mutant alone."""
    ignored = shutil.ignore_patterns("__pycache__", "integration", "live", "node_modules")
    for name in (PACKAGE, "tests"):
        shutil.copytree(ROOT / name, desk / name, ignore=ignored)
    for name in ("pyproject.toml", "docs"):
        (desk / name).symlink_to(ROOT / name)
    compileall.compile_dir(desk / PACKAGE, quiet=1)
    return desk


def check_tests(desk: Path) -> float:
    """Run the tests without a mutant, twice, the first time for their bytecode; returns seconds, exits where they fail."""
    for _ in range(2):
        begun = time.monotonic()
        log = desk / "log.txt"
        if os.waitstatus_to_exitcode(os.waitpid(start(desk, "", log), 0)[1]):
            sys.exit(f"the tests fail without a mutant:\n{log.read_text()[-3000:]}")
    return time.monotonic() - begun


def run(faults: Sequence[Fault], desks: Sequence[Path]) -> Iterator[Fault]:
    """Run the tests for each mutant, one at a desk, and yield those that no test minds."""
    waiting, free = list(reversed(faults)), list(desks)
    running: dict[int, tuple[Fault, Path, float]] = {}
    while waiting or running:
        while waiting and free:
            fault, desk = waiting.pop(), free.pop()
            target = desk / PACKAGE / fault.path
            target.write_bytes(fault.mutant.apply((ROOT / PACKAGE / fault.path).read_bytes()))
            for compiled in (target.parent / "__pycache__").glob(f"{target.stem}.*.pyc"):
                compiled.unlink()
            running[start(desk, target.stem)] = fault, desk, time.monotonic()
        time.sleep(0.02)
        for process, (fault, desk, begun) in list(running.items()):
            done, status = os.waitpid(process, os.WNOHANG)
            if not done and time.monotonic() - begun > PATIENCE:
                os.killpg(process, signal.SIGKILL)
                done, status = os.waitpid(process, 0)
            if not done:
                continue
            del running[process]
            free.append(desk)
            shutil.copyfile(ROOT / PACKAGE / fault.path, desk / PACKAGE / fault.path)
            if os.waitstatus_to_exitcode(status) == 0:
                print(f"survived: {fault}", flush=True)
                yield fault


def start(desk: Path, stem: str, log: Path | None = None) -> int:
    """Fork a process that runs the tests at a desk, those about a module first; its exit code is that of both runs."""
    process = os.fork()
    if process:
        return process
    code = 70
    try:
        target = os.open(os.devnull if log is None else log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(target, 1)
        os.dup2(target, 2)
        os.setpgid(0, 0)
        os.chdir(desk)
        sys.path.insert(0, str(desk))
        first, rest = tests_of(desk, stem)
        if not first:
            code = run_pytest(rest)
        elif (process := os.fork()) == 0:
            code = run_pytest(first)
        else:
            code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) or run_pytest(rest)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def tests_of(desk: Path, stem: str) -> tuple[list[str], list[str]]:
    """Return the two test files that speak most of a module, and the others."""
    files = [path for folder in TESTS for path in sorted((desk / folder).glob("test_*.py"))]
    said = {
        path: len(re.findall(rf"\b{stem}\b", path.read_text())) + 100 * (stem in path.stem) for path in files
    }
    first = sorted((path for path in files if stem and said[path]), key=lambda path: -said[path])[:2]
    return [str(path) for path in first], [str(path) for path in files if path not in first]


def run_pytest(files: Sequence[str]) -> int:
    """Run pytest in this process."""
    import pytest

    return int(pytest.main([*OPTIONS, *files]))


def table(faults: Sequence[Fault], survivors: Sequence[Fault]) -> str:
    """Return how many of each kind and of each file were caught."""
    lines = []
    for key in (lambda fault: fault.mutant.kind, lambda fault: fault.path):
        made, survived = Counter(map(key, faults)), Counter(map(key, survivors))
        lines += [f"{name:<28}{made[name] - survived[name]:>5} of {made[name]:>4}" for name in sorted(made)]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
