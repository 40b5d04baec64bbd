"""The line that says how far a recording has come."""

from __future__ import annotations

import pytest

from pytest_telemetry_gate.reports.progress import progress_text


@pytest.mark.parametrize(
    ("done", "total", "seconds", "line"),
    [
        (0, 0, 0.0, "rec ....................   0%  0 of 0 samples"),
        (0, 1000, 5.0, "rec ....................   0%  0 of 1,000 samples"),
        (500, 1000, 1.0, "rec ##########..........  50%  500 of 1,000 samples"),
        (
            2_880_000,
            11_520_000,
            24.0,
            "rec #####...............  25%  2,880,000 of 11,520,000 samples, 120,000/s, 1m 12s left",
        ),
        (999, 1000, 10.0, "rec ###################.  99%  999 of 1,000 samples, 100/s, 0s left"),
        (1000, 1000, 10.0, "rec #################### 100%  1,000 of 1,000 samples, 100/s in 10s"),
        (1500, 1000, 10.0, "rec #################### 100%  1,500 of 1,500 samples, 150/s in 10s"),
    ],
)
def test_the_line(done: int, total: int, seconds: float, line: str) -> None:
    assert progress_text("rec", done, total, seconds, unicode=False) == line


def test_a_terminal_that_can_gets_blocks() -> None:
    assert progress_text("rec", 1, 4, 0.0) == "rec █████░░░░░░░░░░░░░░░  25%  1 of 4 samples"
