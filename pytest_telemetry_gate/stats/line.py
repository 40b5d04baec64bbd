"""A straight line through points in time, with its confidence and prediction intervals.

Ordinary least squares; the 95 % intervals are those of Draper and Smith, Applied Regression Analysis, 3rd ed., sections 1.4 and 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Line", "fit", "student_t"]


_DAY = 86400.0


# Student's t at 0.975 for 1 to 30 degrees of freedom, as every table has it
_T = (
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
    2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
    2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """A fitted line; ``slope`` is per day with half of its 95 % interval, times are seconds since the epoch."""

    slope: float
    slope_half: float
    _mean_time: float
    _mean: float
    _scatter: float
    _spread: float
    _points: int

    def at(self, time: float) -> tuple[float, float]:
        """Return the forecast at a time, and half of its 95 % prediction interval."""
        days = (time - self._mean_time) / _DAY
        factor = math.sqrt(1 + 1 / self._points + days * days / self._spread)
        return self._mean + self.slope * days, student_t(self._points - 2) * self._scatter * factor


def fit(times: Sequence[float], values: Sequence[float]) -> Line:
    """Fit a line by ordinary least squares through at least three points at different times (seconds)."""
    count = len(times)
    mean_time, mean = math.fsum(times) / count, math.fsum(values) / count
    days = [(time - mean_time) / _DAY for time in times]
    spread = math.fsum(day * day for day in days)
    slope = math.fsum(day * (value - mean) for day, value in zip(days, values, strict=True)) / spread
    residuals = (value - mean - slope * day for day, value in zip(days, values, strict=True))
    scatter = math.sqrt(math.fsum(residual * residual for residual in residuals) / (count - 2))
    half = student_t(count - 2) * scatter / math.sqrt(spread)
    return Line(slope, half, mean_time, mean, scatter, spread, count)


def student_t(freedom: int) -> float:
    """Return the 0.975 quantile of Student's t; beyond 30 degrees by Cornish and Fisher's expansion (1e-5)."""
    if freedom <= len(_T):
        return _T[freedom - 1]
    z = 1.959963985
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
