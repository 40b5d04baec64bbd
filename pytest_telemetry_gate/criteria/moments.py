"""Which side of the rollout's start a query looks at: what is judged ran after it, what it is compared with before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_telemetry_gate.support.durations import format_short_duration, format_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Query

__all__ = ["find_late", "find_older_half", "find_reach", "say_late", "say_older_half"]


def find_reach(query: Query, at: float) -> float:
    """Return how far a query looks back (seconds) at a time, without what it looks at on purpose with an offset."""
    spans = (span for span in query.spans(at) if span.end == round(at * 1000))
    return max((span.length / 1000 for span in spans), default=0.0)


def find_older_half(check: Check, query: Query) -> str:
    """Return why a value is mostly of what ran before the rollout: more than half of a window lies there.

    Empty for shorter parts, for selectors that look at nothing but earlier times on purpose, and without a rollout.
    """
    shares = [
        (share, told)
        for span in query.spans(check.time)
        for share, told in _older_half(check, (span.end - span.length) / 1000, span.end / 1000, span.selector)
    ]
    return max(shares)[1] if shares else ""


def say_older_half(check: Check, begin: float, end: float, subject: str) -> str:
    """Return what ``find_older_half`` does of a window (seconds since the epoch) of what is called ``subject``."""
    return next((told for _, told in _older_half(check, begin, end, subject)), "")


def _older_half(check: Check, begin: float, end: float, subject: str) -> Iterator[tuple[float, str]]:
    start, length = check.suite.rollout.start, end - begin
    before = start - begin
    has_rollout = bool(check.suite.points)  # which a test without a suite has not
    if has_rollout and check.range > 0 and length and end > start and before > length / 2:
        told = (
            f"{format_short_duration(before)} of the {format_short_duration(length)} that are read of {subject} lie before "
            f"rollout.start {format_time(start)}, the checkpoint is {format_time(check.time)}: give it a shorter window"
        )
        yield before / length, told


def find_late(check: Check, query: Query, moment: float) -> str:
    """Return how a baseline at a moment (seconds) looks at the rollout itself, with both times; nothing if it does not."""
    start = check.suite.rollout.start
    last = max((span.end / 1000 for span in query.spans(moment)), default=moment)
    return say_late(last, start) if last > start else ""


def say_late(moment: float, start: float) -> str:
    """Say that a baseline is of a moment after the start of the rollout, both in seconds since the epoch."""
    after = format_short_duration(moment - start)
    return f"the baseline is of {format_time(moment)}, {after} after rollout.start {format_time(start)}"
