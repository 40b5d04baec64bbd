"""The reports of the example suites: made once in a process, by a run of pytest as people make them."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import children

from pytest_telemetry_gate.model.report import Report
from pytest_telemetry_gate.reports.document.stored import read_report

EXAMPLES = Path(__file__).parents[1] / "example_suites"


@cache
def example_report(name: str) -> Report:
    """Return the report of a folder of ``example_suites``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        result = children.run_pytest(
            EXAMPLES / name, ".", "-q", "-n0", f"--rootdir={EXAMPLES / name}", f"--telemetry-report={path}"
        )
        assert path.exists(), result.stdout + result.stderr
        return read_report(path)
