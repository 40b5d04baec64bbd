"""``python -m benchmarks regions``: the Step 2 suite over 1, 5 and 50 regions, alone and with two workers.

Every region has the recording under a name of its own, as if each had been recorded; the content is the same, which
the gate does not know and must not use. Beside the largest stands what pytest alone needs for as many empty tests.
Whole processes: time from start to end, processor time and the largest process' peak of memory as the kernel counts
them, and the peak of all processes together as seen every 50 ms (pages that they share count for each).
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUITES = ROOT / "example_suites"
CHECKS = 487  # of one region
SIZES = (1, 5, 50)
MIB = 2**20
LOOK = 0.05  # seconds between two looks at the memory of all processes
# The plugin of Hypothesis belongs to this project's own tests; it is imported whole at the end of every process.
OPTIONS = ("-q", "-p", "no:hypothesispytest")
TRIVIAL = """\
import pytest

@pytest.mark.parametrize("number", range({count}))
def test_it(number):
    pass
"""
# Wanted of 50 regions.
MOST_SECONDS, MOST_MEMORY, MOST_RATIO, MOST_JUNIT = 30.0, 512.0, 0.65, 25.0


@dataclass(frozen=True)
class Cost:
    """What one whole run took: seconds, seconds of processor time, MiB, MiB, MB."""

    wall: float
    cpu: float
    largest: float
    together: float
    junit: float


def project(folder: Path, regions: int) -> Path:
    """Write the suite with an environment of so many regions; returns the suite's folder."""
    shutil.copytree(SUITES, folder, ignore=shutil.ignore_patterns("__pycache__", "conftest.py"))
    (folder / "pytest.ini").write_text("[pytest]\n")
    suite = folder / "telemetry_step2"
    recording = suite / "recordings" / "step2-48h.telemetry.zip"
    lines = []
    for number in range(1, regions + 1):
        name = f"region-{number:02}"
        os.link(recording, recording.with_name(f"{name}.telemetry.zip"))
        lines.append(f"      {name}: {{path: recordings/{name}.telemetry.zip}}\n")
    (suite / "telemetry.yaml").write_text(
        "default: many\nenvironments:\n  many:\n    source: recording\n    regions:\n" + "".join(lines)
    )
    return suite


def resident(session: int) -> int:
    """Return the bytes that all processes of a session hold in memory, where the system tells (Linux)."""
    held = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(fields[3]) == session:
            held += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return held


def run(folder: Path, *arguments: str) -> Cost:
    """Run pytest in a folder and return what it took; ends this program where the run failed."""
    junit, log = folder / "junit.xml", folder / "log.txt"
    command = [sys.executable, "-m", "pytest", *OPTIONS, f"--junitxml={junit}", *arguments]
    # Compiled modules are kept between runs, as on any machine that does not forbid it.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    begin = time.perf_counter()
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    together, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(LOOK):
            together.append(resident(process.pid))

    looking = threading.Thread(target=look)
    looking.start()
    # The usage of the process and of all that it has waited for, which its workers are.
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    ended.set()
    looking.join()
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{log.read_text()}")
    return Cost(
        wall,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * 1024 / MIB,
        max(together) / MIB,
        junit.stat().st_size / 1e6,
    )


def middle(costs: list[Cost]) -> Cost:
    """Return the medians of several runs."""
    names = Cost.__dataclass_fields__
    return Cost(**{name: statistics.median(getattr(one, name) for one in costs) for name in names})


def show(what: str, cost: Cost, wanted: str = "") -> None:
    """Print one row."""
    figures = f"{cost.wall:7.1f} s {cost.cpu:7.1f} s {cost.largest:7.0f} MiB {cost.together:7.0f} MiB {cost.junit:6.1f} MB"
    print(f"{what:<42} {figures}  {wanted}".rstrip(), flush=True)


def main(rounds: int = 1) -> None:
    """Print a row for each number of regions and of workers, and the ratio of the two runs that stood side by side."""
    print(
        f"{'what (medians of ' + str(rounds) + ')':<42} {'time':>9} {'cpu':>9} {'largest':>11} {'all':>11} {'JUnit':>9}"
    )
    with tempfile.TemporaryDirectory() as name:
        for regions in SIZES:
            suite = project(Path(name) / str(regions), regions)
            gate = ("--telemetry-env=many", ".")
            pairs = [(run(suite, *gate, "-n0"), run(suite, *gate, "-n2")) for _ in range(rounds)]
            alone, shared = (middle(list(costs)) for costs in zip(*pairs, strict=True))
            ratio = statistics.median(two.wall / zero.wall for zero, two in pairs)
            largest = regions == SIZES[-1]
            wanted = f"at most {MOST_SECONDS:.0f} s, {MOST_MEMORY:.0f} MiB, under {MOST_JUNIT:.0f} MB"
            what = f"{regions} region{'s' if regions > 1 else ''}, {regions * CHECKS:,} checks"
            show(f"{what}, -n0", alone, wanted if largest else "")
            show(
                f"{what}, -n2",
                shared,
                f"ratio {ratio:.2f}{f', at most {MOST_RATIO}' if largest else ''}",
            )
        bare = Path(name) / "bare"
        bare.mkdir()
        (bare / "pytest.ini").write_text("[pytest]\n")
        (bare / "test_empty.py").write_text(TRIVIAL.format(count=SIZES[-1] * CHECKS))
        for workers in ("-n0", "-n2"):
            costs = [run(bare, workers) for _ in range(rounds)]
            show(f"pytest alone, {SIZES[-1] * CHECKS:,} empty tests, {workers}", middle(costs))


if __name__ == "__main__":
    main()
