"""A straight line through many points that hang together: the median of all slopes, with an interval that knows so.

Theil (1950) and Sen (Journal of the American Statistical Association 63, 1968): the slope is the median of the slopes of all
pairs of points, and its interval lies between two of those slopes, as far from the middle as Kendall's S varies. Points
that follow their neighbours say less than independent ones: the variance of S is multiplied by f = (1 + r) / (1 - r), with the
correlation r of neighbours among the residuals' ranks (Hamed and Rao, Journal of Hydrology 204, 1998, take its whole
correlogram, which is wrong for short series; measured in docs/explanation/trend.md). r is too small in a series that a line was
taken out of, by about (2 + 4r) / n, which is corrected. So few independent points have Student's t.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.stats.line import CONFIDENCE, DAY, Line
from pytest_telemetry_gate.stats.quantiles import student_t

__all__ = ["MIN_POINTS", "theil_sen"]

MIN_POINTS = 8  # fewer have no slope that could be sure, and a correlation that is anybody's guess
_MAX_CORRELATION = 0.9
_GRAIN = 1e-12  # of the largest value: residuals that differ by less are equal
_NEIGHBOURS = 1.5  # usual distances that two neighbours may be apart

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def theil_sen(times: Floats, values: Floats) -> Line | None:
    """Return the line through points, float64[n] each: ``times`` in seconds since the epoch and rising.

    Values that are NaN are left out; None where fewer than ``MIN_POINTS`` are there. The interval of the slope has no ends where
    the points hang together so much that they are worth less than three.
    """
    known = np.isfinite(values)
    times, values = times[known], values[known]
    count = len(values)
    if count < MIN_POINTS:
        return None
    centre = float(times.mean())
    days = (times - centre) / DAY
    first, second = np.triu_indices(count, 1)
    slopes = np.sort((values[second] - values[first]) / (days[second] - days[first]))
    slope = float(np.median(slopes))
    residuals = values - slope * days
    level = float(np.median(residuals))
    residuals -= level
    grain = _GRAIN * float(np.abs(values).max())
    _, place, tied = np.unique(
        np.round(residuals / grain) if grain > 0 else residuals, return_inverse=True, return_counts=True
    )
    correlation = _correlate(times, place, tied)
    factor = (1 + correlation) / (1 - correlation)
    freedom = max(count / factor - 2, 1.0)
    spread = float(days @ days)
    left = count - 2 * factor
    deviation = math.sqrt(float(residuals @ residuals) / left) if left > 0 else math.inf
    low, high = _interval(slopes, math.sqrt(_kendall(tied) * factor) * student_t(CONFIDENCE, freedom))
    # Where the interval has no end among the slopes, it has that of a line whose errors are normal.
    half = student_t(CONFIDENCE, freedom) * deviation * math.sqrt(factor / spread)
    low = slope - half if low is None else low
    high = slope + half if high is None else high
    return Line(slope, low, high, centre, level, deviation, spread, count, factor, freedom)


def _interval(slopes: Floats, reach: float) -> tuple[float | None, float | None]:
    """Return the slopes, of all in their order, between which half as many as ``reach`` lie on either side of the middle."""
    count = len(slopes)
    low, high = math.floor((count - reach) / 2), math.ceil((count + reach) / 2)
    return (
        float(slopes[low - 1]) if low >= 1 else None,
        float(slopes[high]) if high < count else None,
    )


def _kendall(tied: Ints) -> float:
    """Return the variance of Kendall's S of independent values, so many of which are equal (Gilbert 1987, 16.4)."""
    count = int(tied.sum())
    ties = float((tied * (tied - 1) * (2 * tied + 5)).sum())
    return (count * (count - 1) * (2 * count + 5) - ties) / 18


def _correlate(times: Floats, place: Ints, tied: Ints) -> float:
    """Return the correlation of neighbours among ranks without its bias, from 0 to 0.9; neighbours with a hole between are none.

    ``place`` is the place of each point among the different values, of each of which there are so many as ``tied`` says.
    """
    count = len(place)
    ranks = (np.cumsum(tied) - (tied - 1) / 2)[place] - (count + 1) / 2
    total = float(ranks @ ranks)
    if total <= 0:
        return 0.0
    apart = np.diff(times)
    near = apart <= _NEIGHBOURS * float(np.median(apart))
    raw = float((ranks[1:] * ranks[:-1])[near].sum()) / total * ((count - 1) / int(near.sum()))
    return min(_MAX_CORRELATION, max(0.0, raw + (2 + 4 * raw) / count))
