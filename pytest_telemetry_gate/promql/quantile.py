"""Quantiles of samples and of classic histograms, by the rules of Prometheus' ``promql/quantile.go``."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pytest_telemetry_gate.promql.frame import Bools, Floats

__all__ = ["histogram_quantiles", "quantile"]

_TOLERANCE = 1e-12  # smallDeltaTolerance: how far counts may fall without being called out of order


def quantile(q: float, values: Sequence[float]) -> float:
    """Return the q-quantile by linear interpolation; NaN sorts first, q outside 0 to 1 gives an infinity."""
    if not values or math.isnan(q):
        return math.nan
    if q < 0:
        return -math.inf
    if q > 1:
        return math.inf
    ordered = sorted(values, key=lambda value: (not math.isnan(value), value))
    rank = q * (len(ordered) - 1)
    lower = max(0, math.floor(rank))
    upper = min(len(ordered) - 1, lower + 1)
    weight = rank - math.floor(rank)
    return ordered[lower] * (1 - weight) + ordered[upper] * weight


def histogram_quantiles(q: Floats, bounds: Sequence[float], counts: Floats, *, small_deltas: bool) -> Floats:
    """Return ``bucketQuantile`` for every step: ``q`` [steps], ``counts`` [steps, buckets] cumulative, in bounds' order.

    NaN where the highest bound is not +Inf, with fewer than two buckets and without observations.
    """
    result = np.full(len(q), np.nan)
    below, above = q < 0, q > 1
    if bounds[-1] == math.inf and len(bounds) >= 2:
        rising = _monotonic(counts, small_deltas=small_deltas)
        total = rising[:, -1]
        rank = q * total
        reached = rising[:, :-1] >= rank[:, None]
        bucket = np.where(reached.any(axis=1), reached.argmax(axis=1), len(bounds) - 1)
        edges = np.array(bounds)
        row = np.arange(len(q))
        start = np.where(bucket == 0, 0.0, edges[np.maximum(bucket - 1, 0)])
        before = np.where(bucket == 0, 0.0, rising[row, np.maximum(bucket - 1, 0)])
        with np.errstate(invalid="ignore", divide="ignore"):
            inside = start + (edges[bucket] - start) * ((rank - before) / (rising[row, bucket] - before))
        result = np.where(bucket == len(bounds) - 1, edges[-2], inside)
        if bounds[0] <= 0:
            result = np.where(bucket == 0, edges[0], result)
        result = np.where((total == 0) | np.isnan(total), np.nan, result)
    result = np.where(below, -np.inf, np.where(above, np.inf, result))
    return np.where(np.isnan(q), np.nan, result)


def _monotonic(counts: Floats, *, small_deltas: bool) -> Floats:
    """``ensureMonotonicAndIgnoreSmallDeltas``: counts that fall, or hardly rise, are set to the one before."""
    rising = counts.copy()
    before = rising[:, 0].copy()
    for column in range(1, rising.shape[1]):
        current = rising[:, column]
        close = _almost_equal(before, current) if small_deltas else np.zeros(len(before), dtype=np.bool_)
        flat = close | (current < before)
        rising[:, column] = np.where(flat, before, current)
        before = rising[:, column].copy()
    return rising


def _almost_equal(one: Floats, other: Floats) -> Bools:
    """``almost.Equal`` of ``util/almost``, for numbers."""
    size = np.abs(one) + np.abs(other)
    difference = np.abs(one - other)
    tiny = (one == 0) | (other == 0) | (size < np.finfo(np.float64).tiny)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        near = difference / np.minimum(size, np.finfo(np.float64).max) < _TOLERANCE
    close: Bools = (one == other) | np.where(tiny, difference < _TOLERANCE * np.finfo(np.float64).tiny, near)
    return close
