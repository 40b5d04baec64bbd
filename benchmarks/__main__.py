"""``python -m benchmarks``: what the plugin costs, each figure beside what it is compared with; others by name:
``engine``, ``events``, ``live``, ``record``, ``regions``, ``replay``, ``report``, ``rules``, ``sources``; ``verdicts`` and ``trends`` simulate how often those are right.

Whole processes, measured in turn (A B A B ...) so that a machine that slows down slows both; medians are printed.
"""

from __future__ import annotations

import importlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROUNDS = 5
SUITE_HEAD = """\
version: 1
suite: many
rollout: {start: 2025-01-22T14:00:00-08:00, end: 2025-01-22T15:30:00-08:00}
checkpoints: [12h]
groups:
  Many:
"""
ENVIRONMENT = "default: none\nenvironments: {none: {source: recording, path: none.telemetry.zip}}\n"


def seconds(arguments: list[str], folder: Path) -> float:
    """Run pytest and return the wall time of the whole process in seconds."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    took = time.perf_counter() - begin
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return took


def paired(ours: list[str], reference: list[str], folder: Path) -> tuple[float, float, float]:
    """Return the medians of two commands and of their ratio, pair by pair, after a round that is not counted."""
    pairs = [(seconds(ours, folder), seconds(reference, folder)) for _ in range(ROUNDS + 1)][1:]
    mine, other = zip(*pairs, strict=True)
    return statistics.median(mine), statistics.median(other), statistics.median(a / b for a, b in pairs)


def show(what: str, figure: str, wanted: str) -> None:
    """Print one row."""
    print(f"{what:<62} {figure:<34} {wanted}", flush=True)


def cpu(arguments: list[str], folder: Path) -> float:
    """Run pytest and return the processor time of the whole process in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds(arguments, folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def idle(folder: Path) -> None:
    """What a session without telemetry items pays, in processor time: the least of many runs is the least disturbed."""
    (folder / "test_idle.py").write_text("def test_it():\n    pass\n")
    runs = [
        (cpu(["test_idle.py"], folder), cpu(["test_idle.py", "-p", "no:telemetry_gate"], folder))
        for _ in range(4 * ROUNDS)
    ]
    ours, reference = (min(column) for column in zip(*runs, strict=True))
    figure = f"{(ours - reference) * 1000:+.1f} ms, ratio {ours / reference:.3f}"
    show("session of one test, against -p no:telemetry_gate", figure, "under 5 ms")


def imports() -> None:
    """What importing the plugin costs after pytest."""
    program = (
        "import pytest, time; t = time.perf_counter(); import pytest_telemetry_gate.plugin; "
        "print((time.perf_counter() - t) * 1000)"
    )
    found = [float(subprocess.check_output([sys.executable, "-c", program])) for _ in range(ROUNDS)]
    show("import of plugin.py, after import pytest", f"{statistics.median(found):.1f} ms", "under 5 ms")


def example() -> None:
    """The example gate, whole process, beside a pytest that collects nothing."""
    ours, bare, ratio = paired(["example_suites/telemetry_step2"], ["--version"], ROOT)
    show(
        "example gate, against pytest --version",
        f"{ours:.2f} s, {bare:.2f} s, ratio {ratio:.1f}",
        "under 5 s",
    )


def collection(folder: Path) -> None:
    """Collecting 10,000 criteria beside 10,000 parametrised tests."""
    rows = (f"    - {{id: c{n}, query: 'sum(rate(m{n}[5m]))', expect: '<= 90'}}\n" for n in range(10_000))
    (folder / "many.gate.yaml").write_text(SUITE_HEAD + "".join(rows))
    (folder / "telemetry.yaml").write_text(ENVIRONMENT)
    (folder / "test_many.py").write_text(
        "import pytest\n\n@pytest.mark.parametrize('n', range(10_000))\ndef test_it(n):\n    pass\n"
    )
    ours, reference, ratio = paired(
        ["--collect-only", "many.gate.yaml"], ["--collect-only", "test_many.py"], folder
    )
    figure = f"{ours:.2f} s, {reference:.2f} s, ratio {ratio:.2f}"
    show("10,000 criteria collected, against parametrised tests", figure, "at most 2")


def main() -> None:
    """Run them all."""
    show("what, against what", f"measured (medians of {ROUNDS})", "wanted")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pytest.ini").write_text("[pytest]\n")
        imports()
        idle(folder)
        example()
        collection(folder)


if __name__ == "__main__":
    what, rest = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("", [])
    with_options = {"engine", "trends", "verdicts"}
    others = sorted(
        with_options | {"events", "live", "record", "regions", "replay", "report", "rules", "sources"}
    )
    if what and what not in others:
        sys.exit(f"no benchmark {what!r}: {', '.join(others)}, or nothing for the plugin's own cost")
    if what in with_options:
        importlib.import_module(f"benchmarks.{what}").main(rest)
    elif what:
        importlib.import_module(f"benchmarks.{what}").main()
    else:
        main()
