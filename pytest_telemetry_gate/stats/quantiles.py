"""Quantiles of the distributions that intervals are made of.

The only place that imports SciPy, and ``scipy.special`` alone of it: the rest takes three times as long to import.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["normal", "normal_tail", "student_t", "student_tail", "variance_ratio"]


@cache
def student_t(confidence: float, freedom: float) -> float:
    """Return how many standard errors an interval of Student's t reaches to either side.

    ``confidence`` is its coverage, between 0 and 1; ``freedom`` its degrees of freedom, above 0 and not always whole.
    """
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))


@cache
def normal(confidence: float) -> float:
    """Return how many standard errors an interval of the normal distribution reaches to either side."""
    from scipy.special import ndtri

    return float(ndtri((1 + confidence) / 2))


def normal_tail(errors: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability that a normal number is further from its mean than these standard errors, to either side.

    Negative ones count as below the mean: the result rises to 2 there, so that half of it is the upper tail.
    """
    from scipy.special import ndtr

    return np.asarray(2 * ndtr(-np.asarray(errors, float)))


def student_tail(errors: float, freedom: float) -> float:
    """Return the probability that a number of Student's t is further from its mean than these errors, to one side."""
    from scipy.special import stdtr

    return float(stdtr(freedom, -errors))


def variance_ratio(confidence: float, freedom: float, other_freedom: float) -> float:
    """Return how many times the estimate of a variance exceeds another one of the same variance at most (Fisher's F).

    ``confidence`` is the probability that it does not; the degrees of freedom are those of the estimate and of the other.
    """
    from scipy.special import fdtri

    return float(fdtri(freedom, other_freedom, confidence))
