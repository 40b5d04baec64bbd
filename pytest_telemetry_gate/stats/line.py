"""A straight line through points in time, with its confidence and prediction intervals.

Ordinary least squares. The 95 % intervals are those of Draper and Smith, Applied Regression Analysis, 3rd ed., 1.4 (slope)
and 3.1 (prediction).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Line", "fit", "student_t"]

_DAY = 86400.0  # seconds

# Student's t at 0.975 for 1 to 30 degrees of freedom, as every table has it
_T_TABLE = (
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
    2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
    2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
)  # fmt: skip
_Z = 1.959963985  # the normal distribution's 0.975 quantile


@dataclass(frozen=True, slots=True)
class Line:
    """A fitted line. ``slope`` is per day, ``slope_half`` half the width of its 95 % interval.

    The other fields are what a prediction needs: the means of times (seconds since the epoch) and values, the residuals'
    standard deviation, the sum of squared deviations of the times (days squared), and the number of points.
    """

    slope: float
    slope_half: float
    _mean_time: float
    _mean_value: float
    _residual_deviation: float
    _time_spread: float
    _count: int

    def at(self, time: float) -> tuple[float, float]:
        """Return the predicted value at a time (seconds since the epoch), and half the width of its 95 % interval."""
        days = (time - self._mean_time) / _DAY
        factor = math.sqrt(1 + 1 / self._count + days * days / self._time_spread)
        half = student_t(self._count - 2) * self._residual_deviation * factor
        return self._mean_value + self.slope * days, half


def fit(times: Sequence[float], values: Sequence[float]) -> Line:
    """Fit a line through points by ordinary least squares.

    ``times`` (seconds since the epoch) and ``values`` have the same length, at least three; not all times are equal.
    """
    count = len(times)
    mean_time, mean_value = math.fsum(times) / count, math.fsum(values) / count
    days = [(time - mean_time) / _DAY for time in times]
    time_spread = math.fsum(day * day for day in days)
    slope = (
        math.fsum(day * (value - mean_value) for day, value in zip(days, values, strict=True)) / time_spread
    )
    residuals = (value - mean_value - slope * day for day, value in zip(days, values, strict=True))
    deviation = math.sqrt(math.fsum(residual * residual for residual in residuals) / (count - 2))
    slope_half = student_t(count - 2) * deviation / math.sqrt(time_spread)
    return Line(slope, slope_half, mean_time, mean_value, deviation, time_spread, count)


def student_t(freedom: int) -> float:
    """Return the 0.975 quantile of Student's t with that many degrees of freedom, 1 or more.

    Beyond 30 by the expansion of Cornish and Fisher, which is exact to 1e-5 there (Abramowitz and Stegun, 26.7.5).
    """
    if freedom <= len(_T_TABLE):
        return _T_TABLE[freedom - 1]
    z = _Z
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
