"""How far a difference may be off: from parts of its own window, and from what it did when nothing was changed.

Nothing here knows a query: numbers in the unit of the difference go in, half widths in that unit come out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.stats.quantiles import normal, student_t, variance_ratio

__all__ = [
    "MIN_PLACEBOS",
    "MIN_WINDOWS",
    "Interval",
    "add_intervals",
    "history_interval",
    "join_intervals",
    "proof_half",
    "sampling_interval",
    "smallest_change",
]

MIN_WINDOWS = 8  # below, the correlation between neighbours is anybody's guess
MIN_PLACEBOS = 8  # below, a spread is known to a factor of two at best
_MISSING = 0.1  # share of the sub-windows that may be without a value
_MAX_CORRELATION = 0.9  # above, a window has less than two windows' worth of news
_MIN_FREEDOM = 3.0
_MOST_HALVES = 2.0
_SURE = 0.9  # probability of no more than chance, above which a window is taken to move more than it used to

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """Half of the width of an interval, the standard error behind it, and what it was made of.

    ``freedom`` are the degrees of freedom, ``count`` the numbers that went in, ``correlation`` that between neighbours.
    """

    half: float
    error: float
    freedom: float
    count: int
    correlation: float = 0.0


def sampling_interval(differences: Floats, *, confidence: float, floor: float = 0.0) -> Interval | None:
    """Return the interval of a whole window's difference from the differences of its sub-windows, in order of time.

    Batch means (Schruben, Operations Research 31, 1983) with Student's t (Ibragimov and Müller, Journal of Business and
    Economic Statistics 28, 2010), widened by the correlation of neighbours as in Skart (Tafazzoli et al., IIE Transactions
    43, 2011), whose expectation (Marriott and Pope, Biometrika 41, 1954) is solved for the true one. NaN is a sub-window without a value. The
    standard error is at least ``floor``. None where fewer than 8 sub-windows have a value, or more than a tenth has none.
    """
    known = differences[np.isfinite(differences)]
    count = len(known)
    if count < MIN_WINDOWS or count < (1 - _MISSING) * len(differences):
        return None
    correlation = _correlate(known)
    factor = (1 + correlation) / (1 - correlation)
    freedom = max((count - 1) / factor, _MIN_FREEDOM)
    spread = float(known.std(ddof=1))
    # What is too large to square is anything but exact.
    error = max(floor, float(np.sqrt(factor / count)) * spread) if np.isfinite(spread) else np.inf
    return Interval(student_t(confidence, freedom) * error, error, freedom, count, correlation)


def history_interval(placebos: Floats, *, confidence: float) -> Interval | None:
    """Return the interval of a difference from placebos: the same difference at moments when nothing was changed.

    Their mean is known to be zero, so that their root mean square is the standard error. None for fewer than 8.
    """
    count = len(placebos)
    if count < MIN_PLACEBOS or not np.isfinite(placebos).all():
        return None
    error = float(np.sqrt(np.mean(np.square(placebos))))
    return Interval(student_t(confidence, count - 1.0) * error, error, count - 1.0, count)


def join_intervals(
    sampling: Interval | None, history: Interval | None, *, confidence: float
) -> Interval | None:
    """Return the interval that counts of a window's and the past's; the other one where one is missing.

    It is the past's, which has all that makes a difference move. Where the window moves so much more than it used to that chance
    explains it less than once in ten (Fisher's F), its own error counts, with the freedom of both.
    """
    if sampling is None or history is None:
        return history or sampling
    most = variance_ratio(_SURE, sampling.freedom, history.count)
    if sampling.error**2 <= most * history.error**2:
        return history
    freedom = sampling.freedom + history.count
    half = student_t(confidence, freedom) * sampling.error
    return Interval(max(half, history.half), sampling.error, freedom, sampling.count, sampling.correlation)


def add_intervals(first: Interval, second: Interval, *, confidence: float) -> Interval:
    """Return the interval of a difference of two numbers that were measured independently of each other.

    The degrees of freedom are those of Welch (Biometrika 34, 1947) and Satterthwaite.
    """
    parts = [(one.error**2, one.freedom) for one in (first, second)]
    variance = sum(square for square, _ in parts)
    spread = sum(square**2 / freedom for square, freedom in parts)
    freedom = variance**2 / spread if spread > 0 else min(first.freedom, second.freedom)
    error = float(np.sqrt(variance))
    return Interval(
        student_t(confidence, freedom) * error,
        error,
        freedom,
        min(first.count, second.count),
        max(first.correlation, second.correlation),
    )


def _correlate(values: Floats) -> float:
    """Return the correlation of neighbours without its bias, between 0 and 0.9; 0 where nothing varies."""
    centred = values - values.mean()
    total = float(centred @ centred)
    if total <= 0:
        return 0.0
    raw = float(centred[1:] @ centred[:-1]) / total
    count = len(values)
    return min(_MAX_CORRELATION, max(0.0, (count * raw + 1) / (count - 4)))


def proof_half(half: float, tolerance: float) -> float:
    """Return how far outside of a tolerance a difference must be to be proven so: half of its interval, or more of it.

    Of an interval that is wider than the tolerance one value in twenty is outside without a change. There it is as many
    times the half as that is larger than the tolerance, twice at most, so that five checks in a row fail by chance in under 1 %.
    """
    times = half / tolerance if tolerance > 0 else _MOST_HALVES
    return half * min(_MOST_HALVES, max(1.0, times))


def smallest_change(interval: Interval, tolerance: float) -> float:
    """Return the smallest change that is proven to be outside of a tolerance in 95 of 100 cases, in its unit.

    Tolerance and half of the interval (more of a wide one), and 1.64 standard errors more, by which a value falls short of the
    truth in 5 of 100: 3.6 standard errors above the tolerance at a confidence of 95 %.
    """
    return tolerance + proof_half(interval.half, tolerance) + normal(0.9) * interval.error
