"""Makes the example reports as people make them: by pytest, from the recordings of the example suites."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUITES = ("telemetry_step2", "telemetry_step2_regressed", "telemetry_step3")
SUFFIXES = (".html", ".md", ".json")
GATE_CLOSED = 1  # pytest's exit code for failed tests, which the rollouts that went wrong have


def write_reports(folder: Path) -> None:
    """Write the reports of the example suites into a folder, ``NAME.html`` and so on; all are made at once.

    Raises RuntimeError with what pytest said if a report was not written.
    """
    runs = {name: _start(name, folder) for name in SUITES}
    for name, run in runs.items():
        said, _ = run.communicate()
        missing = [suffix for suffix in SUFFIXES if not (folder / f"{name}{suffix}").is_file()]
        if run.returncode not in {0, GATE_CLOSED} or missing:
            raise RuntimeError(f"no report of {name} ({', '.join(missing)} missing):\n{said}")


def _start(name: str, folder: Path) -> subprocess.Popen[str]:
    outputs = [folder / f"{name}{suffix}" for suffix in SUFFIXES]
    for output in outputs:
        output.unlink(missing_ok=True)
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"example_suites/{name}"),
            *("--telemetry-env=recorded", "--telemetry-ci=none"),
            *(f"--telemetry-report={output}" for output in outputs),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
