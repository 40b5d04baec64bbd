"""Clocks of systems that tell events, held against this machine's: times at the ends of a window are by theirs."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from pytest_telemetry_gate.support.durations import format_short_duration

__all__ = ["MOST_SKEW", "clock_ahead", "say_skew"]

MOST_SKEW = 60.0  # seconds: well above what a Date header and a slow answer may be off


def clock_ahead(date: str | None) -> float:
    """Return by how many seconds a server's clock is ahead of this machine's, by the ``Date`` of its answer; 0 without one."""
    if date is None:
        return 0.0
    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return 0.0


def say_skew(system: str, ahead: float) -> str:
    """Say that what a system tells of the ends of a window cannot be relied on."""
    way = "ahead of" if ahead > 0 else "behind"
    return (
        f"the clock of {system} is {format_short_duration(round(abs(ahead)))} {way} this machine's: "
        "events at the ends of the window may be missing"
    )
