"""Points of a fixed interval become readings: what counts as data, how much of the time they cover, and how they are aggregated.

A point stands for the interval that begins at its time. It counts where its whole interval lies in the time that is asked
about, so that neither what happened before nor an interval that is not over yet changes a value. Coverage is the time of
the points that count, as a share of the time asked about: where the interval does not divide it evenly, less than 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pytest_telemetry_gate.model.query_sources import Readings
from pytest_telemetry_gate.support.durations import format_short_duration

__all__ = ["AGGREGATORS", "PointSeries", "read_points"]

_FRESH = 3  # intervals that the newest point may be away from the end, as everywhere in the gate


@dataclass(frozen=True, slots=True)
class PointSeries:
    """The points of one set of labels: ``times`` are milliseconds since the epoch, each once; ``values`` are None where there are no data.

    ``interval`` is in milliseconds.
    """

    labels: Mapping[str, str]
    times: Sequence[int]
    values: Sequence[float | None]
    interval: int

    def within(self, start: int, end: int) -> list[tuple[int, float]]:
        """Return the points whose interval lies between two times, in milliseconds, in the order of time."""
        return sorted(
            (time, value)
            for time, value in zip(self.times, self.values, strict=True)
            if value is not None and math.isfinite(value) and start <= time and time + self.interval <= end
        )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


AGGREGATORS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "avg": _mean,
    "sum": math.fsum,
    "min": min,
    "max": max,
    "last": lambda values: values[-1],
}


def read_points(
    series: Sequence[PointSeries], aggregator: str, start: float, end: float, *, unit: str = ""
) -> Readings:
    """Return the value of each series over the time from ``start`` to ``end`` (seconds since the epoch), and how much of it has points.

    ``aggregator`` is one of ``AGGREGATORS``. Without any point that counts there are no values. A series without one
    leaves no coverage to the others, and one whose newest point is older than three intervals is told as a doubt.
    """
    first, over = round(start * 1000), round(end * 1000)
    found = [(one, one.within(first, over)) for one in series]
    present = [(one, points) for one, points in found if points]
    if not present:
        return Readings(unit=unit, doubt=_explain_absence(series, first, over))
    reduce = AGGREGATORS[aggregator]
    worst, points = min(found, key=lambda pair: len(pair[1]) * pair[0].interval)
    return Readings(
        labels=tuple(one.labels for one, _ in present),
        values=tuple(float(reduce([value for _, value in points])) for _, points in present),
        coverage=min(1.0, len(points) * worst.interval / (over - first)),
        unit=unit,
        doubt=next((doubt for one, points in present if (doubt := _find_staleness(one, points, over))), ""),
        note=_note(worst, len(points), over - first),
    )


def _note(series: PointSeries, count: int, length: int) -> str:
    due = length // series.interval
    every = format_short_duration(series.interval / 1000)
    labels = ", ".join(f"{name}={value}" for name, value in series.labels.items())
    return f"{count} of {due} points of {every}{f' ({labels})' if labels else ''}"


def _explain_absence(series: Sequence[PointSeries], start: int, end: int) -> str:
    longest = max((one.interval for one in series), default=0)
    if longest > end - start:
        return f"the points stand for {format_short_duration(longest / 1000)} each, more than the time that is asked about"
    return ""


def _find_staleness(series: PointSeries, points: Sequence[tuple[int, float]], end: int) -> str:
    behind = end - (points[-1][0] + series.interval)
    if behind <= _FRESH * series.interval:
        return ""
    ago, every = format_short_duration(behind / 1000), format_short_duration(series.interval / 1000)
    return f"the newest point ends {ago} before the checkpoint, though there should be one every {every}"
