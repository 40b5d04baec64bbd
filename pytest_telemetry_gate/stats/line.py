"""A straight line through points in time, with its confidence and prediction intervals.

``fit`` is ordinary least squares, for few points: the intervals are those of Draper and Smith, Applied Regression Analysis,
3rd ed., 1.4 (slope) and 3.1 (prediction). ``slope.py`` has the line through many.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_telemetry_gate.stats.quantiles import student_t

__all__ = ["CONFIDENCE", "DAY", "Line", "fit"]

CONFIDENCE = 0.95  # of all intervals
DAY = 86400.0  # seconds


@dataclass(frozen=True, slots=True)
class Line:
    """A fitted line. ``slope`` is per day, ``slope_low`` to ``slope_high`` its 95 % interval, without ends where it has none.

    The other fields are what a prediction needs: a time (seconds since the epoch) and the line's value then, the residuals'
    standard deviation, the sum of squared deviations of the times (days squared), the number of points, for how many points
    each of them that follows its neighbour has to stand, and the degrees of freedom.
    """

    slope: float
    slope_low: float
    slope_high: float
    _centre: float
    _level: float
    _deviation: float
    _time_spread: float
    _count: int
    _factor: float
    _freedom: float

    @property
    def is_known(self) -> bool:
        """Whether the slope has an interval with two ends."""
        return math.isfinite(self.slope_low) and math.isfinite(self.slope_high)

    def value(self, time: float) -> float:
        """Return the line's value at a time (seconds since the epoch)."""
        return self._level + self.slope * (time - self._centre) / DAY

    def at(self, time: float) -> tuple[float, float]:
        """Return the predicted value at a time (seconds since the epoch), and half the width of its 95 % interval."""
        days = (time - self._centre) / DAY
        scale = math.sqrt(1 + self._factor * (1 / self._count + days * days / self._time_spread))
        return self.value(time), student_t(CONFIDENCE, self._freedom) * self._deviation * scale


def fit(times: Sequence[float], values: Sequence[float]) -> Line:
    """Fit a line through points by ordinary least squares.

    ``times`` (seconds since the epoch) and ``values`` have the same length, at least three; not all times are equal.
    """
    count = len(times)
    mean_time, mean_value = math.fsum(times) / count, math.fsum(values) / count
    days = [(time - mean_time) / DAY for time in times]
    time_spread = math.fsum(day * day for day in days)
    slope = (
        math.fsum(day * (value - mean_value) for day, value in zip(days, values, strict=True)) / time_spread
    )
    residuals = (value - mean_value - slope * day for day, value in zip(days, values, strict=True))
    freedom = count - 2.0
    deviation = math.sqrt(math.fsum(residual * residual for residual in residuals) / freedom)
    half = student_t(CONFIDENCE, freedom) * deviation / math.sqrt(time_spread)
    return Line(
        slope,
        slope - half,
        slope + half,
        mean_time,
        mean_value,
        deviation,
        time_spread,
        count,
        1.0,
        freedom,
    )
