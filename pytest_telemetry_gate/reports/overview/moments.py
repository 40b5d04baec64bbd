"""Moments and lengths of time as a report writes them: in the zone of its rollout, alike on every machine."""

from __future__ import annotations

from datetime import datetime

from pytest_telemetry_gate.model.report import SuiteReport
from pytest_telemetry_gate.support.zones import find_zone

__all__ = ["Clock", "write_length"]

# strftime would write them in the language of the machine.
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HOUR = 3600.0
_LAST = 253_000_000_000.0  # seconds since the epoch: in the last year that can be written


def write_length(seconds: float) -> str:
    """Write a length of time with one unit: ``45 s``, ``90 min``, ``2 h``, ``22.7 h``, ``670 days``."""
    if seconds < 120:
        return f"{_trim(seconds)} s"
    if seconds < 2 * _HOUR:
        return f"{_trim(seconds / 60)} min"
    if seconds < 96 * _HOUR:
        return f"{_trim(seconds / _HOUR)} h"
    return f"{seconds / 24 / _HOUR:.0f} days"


def _trim(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


class Clock:
    """Writes moments (seconds since the epoch) of a suite: in its zone, and as hours after its rollout's start."""

    def __init__(self, suite: SuiteReport) -> None:
        self._zone = find_zone(suite.timezone)
        self._start = None if suite.rollout is None else suite.rollout.start

    def after_start(self, at: float) -> str:
        """Return how long after the start of the rollout, ``22.7 h``; the moment itself where there was no rollout."""
        if self._start is None:
            return self.day_time(at)
        after = at - self._start
        if abs(after) >= 96 * _HOUR:
            return f"{_trim(after / 24 / _HOUR)} days"
        return f"{_trim(after / _HOUR)} h" if abs(after) >= _HOUR else f"{after / 60:.0f} min"

    def day_time(self, at: float) -> str:
        """Return ``Wed 22 Jan 14:00``."""
        return f"{self._day(at)} {self.time(at)}"

    def time(self, at: float) -> str:
        """Return ``14:00``."""
        moment = self._moment(at)
        return f"{moment.hour:02}:{moment.minute:02}"

    def dated(self, at: float) -> str:
        """Return ``Wed 22 Jan 2025 14:00``."""
        return f"{self._day(at)} {self._moment(at).year} {self.time(at)}"

    def dated_zone(self, at: float) -> str:
        """Return ``Wed 22 Jan 2025 14:00 PST``."""
        return f"{self.dated(at)} {self.zone(at)}"

    def zone(self, at: float) -> str:
        """Return the name of the zone at a moment, ``PST``, or ``UTC-08:00``."""
        return self._moment(at).tzname() or ""

    def span(self, start: float, end: float) -> str:
        """Return ``Thu 23 Jan 10:06 – 10:09``; the day of the end where it is another."""
        same_day = self._day(start) == self._day(end)
        return f"{self.day_time(start)} – {self.time(end) if same_day else self.day_time(end)}"

    def _day(self, at: float) -> str:
        moment = self._moment(at)
        return f"{_DAYS[moment.weekday()]} {moment.day} {_MONTHS[moment.month - 1]}"

    def _moment(self, at: float) -> datetime:
        # In this order 0.0 is what comes of NaN, which a changed file may hold.
        return datetime.fromtimestamp(min(max(0.0, at), _LAST), self._zone)
