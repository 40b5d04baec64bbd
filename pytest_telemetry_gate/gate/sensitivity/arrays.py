"""Arithmetic on samples that leaves alone what it does not change: stale markers, NaN and untouched values keep every bit.

Values are float64[samples, series]; a counter is changed by its increments, so that it rises as before and falls only where it fell.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["add", "find_increments", "rebin", "with_increments"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def add(values: Floats, change: Floats) -> Floats:
    """Return values plus a change of the same shape; where that is 0, or no number, the value stays as it is."""
    result = values.copy()
    moved = (change != 0) & np.isfinite(change) & np.isfinite(values)
    result[moved] += change[moved]
    return result


def find_increments(values: Floats) -> tuple[Floats, Bools]:
    """Return by how much each counter grew at each sample, and where it was reset.

    The first sample grows by nothing; one that is lower than the one before it grew by its whole value. Samples that are no
    numbers are passed over.
    """
    if np.isfinite(values).all():
        return _increments(values)
    steps, resets = np.zeros(values.shape), np.zeros(values.shape, dtype=np.bool_)
    for column in range(values.shape[1]):
        there = np.isfinite(values[:, column])
        own, fallen = _increments(values[there, column][:, None])
        steps[there, column], resets[there, column] = own[:, 0], fallen[:, 0]
    return steps, resets


def _increments(values: Floats) -> tuple[Floats, Bools]:
    steps = np.diff(values, axis=0, prepend=values[:1])
    resets = steps < 0
    return np.where(resets, values, steps), resets


def with_increments(values: Floats, steps: Floats, resets: Bools, wanted: Floats) -> Floats:
    """Return counters that grow by ``wanted`` instead of ``steps`` and are reset where they were."""
    total = np.cumsum(wanted - steps, axis=0)
    rows = np.arange(len(values))[:, None]
    begun = np.maximum.accumulate(np.where(resets, rows, 0), axis=0)  # the row of the last reset
    before = np.take_along_axis(total, np.maximum(begun - 1, 0), axis=0)
    change = total - np.where(begun > 0, before, 0.0)
    result = add(values, change)
    for column in np.flatnonzero((change != 0).any(axis=0)):
        # Rounding must not make a counter fall by a hair, which would be a reset.
        edges = [0, *np.flatnonzero(resets[:, column]).tolist(), len(values)]
        for begin, end in pairwise(edges):
            risen = np.fmax.accumulate(result[begin:end, column])
            there = np.isfinite(result[begin:end, column]) & (change[begin:end, column] != 0)
            result[begin:end, column][there] = risen[there]
    return result


def rebin(steps: Floats, bounds: Sequence[float], *, factor: float = 1.0, shift: float = 0.0) -> Floats:
    """Return the increments of the buckets of a histogram whose observations are ``factor`` times as large plus ``shift``.

    ``steps`` are float64[samples, buckets], cumulative over the rising upper ``bounds``, of which the last is infinite.
    Observations lie evenly within a bucket, as ``histogram_quantile`` takes them; those above the last finite bound
    stay there, as nobody knows where they are.
    """
    finite = np.array(bounds[:-1])
    weights = np.zeros((len(bounds), len(bounds)))
    weights[-1, -1] = 1.0
    for row, bound in enumerate(finite):
        _weigh(weights[row], finite, (bound - shift) / factor)
    return np.maximum.accumulate(steps @ weights.T, axis=1)


def _weigh(weights: Floats, bounds: Floats, place: float) -> None:
    """Fill in which share of each bucket's cumulative count lies below a place."""
    after = int(np.searchsorted(bounds, place))
    if after == len(bounds):
        weights[after - 1] = 1.0
    elif bounds[after] == place:
        weights[after] = 1.0
    elif after:
        low, high = bounds[after - 1], bounds[after]
        weights[after - 1], weights[after] = (high - place) / (high - low), (place - low) / (high - low)
    elif bounds[0] > 0 and place > 0:
        weights[0] = place / bounds[0]
