"""The suites that a process has judged, and what a run says about when their rollouts were."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_telemetry_gate.support.durations import format_short_duration, format_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.suite import Suite

__all__ = ["JudgedSuites"]


class JudgedSuites:
    """Collects suites; each is told once."""

    def __init__(self) -> None:
        self._suites: dict[str, Suite] = {}

    def note(self, suite: Suite) -> None:
        """Take note of a suite of which something was judged."""
        if suite.points:  # a hand-written test may have none
            self._suites.setdefault(suite.path, suite)

    @property
    def starts(self) -> set[float]:
        """The starts of rollouts that count from ``now``, in seconds since the epoch."""
        return {suite.rollout.start for suite in self._suites.values() if suite.starts_now}

    def long_over(self, now: float) -> Iterator[str]:
        """Yield a line for each suite that is long over at ``now`` (seconds since the epoch): its start may have been forgotten."""
        for suite in self._suites.values():
            if suite.is_long_over(now):
                last = suite.points[-1]
                yield (
                    f"{suite.path}: the last checkpoint {last.id} was {format_time(last.at)}, "
                    f"{format_short_duration(now - last.at)} ago: --telemetry-start=TIME says when this rollout began"
                )
