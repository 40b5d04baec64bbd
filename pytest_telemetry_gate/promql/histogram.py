"""Classic histograms: ``histogram_quantile`` and ``histogram_fraction``, by Prometheus' ``promql/quantile.go``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from pytest_telemetry_gate.promql.annotations import Notes
from pytest_telemetry_gate.promql.frame import Bools, Floats, Frame, Ints, drop_name
from pytest_telemetry_gate.promql.labels import Labels
from pytest_telemetry_gate.promql.limits import Guard

__all__ = ["histogram_fraction", "histogram_quantile"]

_TOLERANCE = 1e-12  # smallDeltaTolerance: how far counts may fall without being called out of order

# steps, bounds, cumulative counts [steps, buckets] -> a value for each step
Estimate = Callable[[Ints, Sequence[float], Floats, str], Floats]


def histogram_quantile(frame: Frame, q: Floats, notes: Notes, *, small_deltas: bool) -> Frame:
    """``histogram_quantile``: series that differ in ``le`` alone are one histogram.

    ``small_deltas`` says that counts which hardly rise count as equal, as they do since Prometheus 2.48.
    """

    def estimate(steps: Ints, bounds: Sequence[float], counts: Floats, metric: str) -> Floats:
        values, forced = _quantiles(q[steps], bounds, counts, small_deltas=small_deltas)
        if forced:
            notes.forced_monotonicity(metric)
        return values

    return _of_histograms(frame, notes, estimate)


def histogram_fraction(frame: Frame, lower: Floats, upper: Floats, notes: Notes, guard: Guard) -> Frame:
    """``histogram_fraction``: the share of observations between two bounds, by linear interpolation."""

    def estimate(steps: Ints, bounds: Sequence[float], counts: Floats, metric: str) -> Floats:
        rows = zip(lower[steps].tolist(), upper[steps].tolist(), counts.tolist(), strict=True)
        shares = []
        for low, high, row in rows:
            guard.check_time()
            shares.append(_fraction(low, high, bounds, row))
        return np.array(shares)

    return _of_histograms(frame, notes, estimate)


def _of_histograms(frame: Frame, notes: Notes, estimate: Estimate) -> Frame:
    histograms: dict[frozenset[tuple[str, str]], list[tuple[float, int]]] = {}
    for column, labels in enumerate(frame.labels):
        bound = _bound(labels.get("le", ""))
        if bound is None:
            if frame.present[:, column].any():
                notes.bad_bucket(labels.get("__name__", ""), labels.get("le", ""))
            continue
        rest = frozenset((name, value) for name, value in labels.items() if name != "le")
        histograms.setdefault(rest, []).append((bound, column))
    groups: list[Labels] = []
    values: list[Floats] = []
    presences: list[Bools] = []
    for rest, buckets in histograms.items():
        buckets.sort()
        present = frame.present[:, [column for _, column in buckets]]
        groups.append(dict(rest))
        presences.append(np.asarray(present.any(axis=1)))
        values.append(
            _estimate_by_presence(frame, buckets, present, estimate, groups[-1].get("__name__", ""))
        )
    if not groups:
        return Frame.empty(len(frame.values))
    return drop_name(Frame(groups, np.column_stack(values), np.column_stack(presences)))


def _estimate_by_presence(
    frame: Frame, buckets: Sequence[tuple[float, int]], present: Bools, estimate: Estimate, metric: str
) -> Floats:
    """Evaluate steps together that have the same buckets."""
    result = np.full(len(present), np.nan)
    if present.all():
        patterns, pattern_numbers = (
            np.ones((1, len(buckets)), dtype=np.bool_),
            np.zeros(len(present), dtype=np.int64),
        )
    else:
        patterns, pattern_numbers = np.unique(present, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        if not pattern.any():
            continue
        steps = np.flatnonzero(pattern_numbers.reshape(-1) == number)
        bounds: list[float] = []
        counts: list[Floats] = []
        for (bound, column), is_present in zip(buckets, pattern.tolist(), strict=True):
            if not is_present:
                continue
            if bounds and bounds[-1] == bound:  # coalesceBuckets: le="1" and le="1.0" are one
                counts[-1] = counts[-1] + frame.values[steps, column]
            else:
                bounds.append(bound)
                counts.append(frame.values[steps, column])
        result[steps] = estimate(steps, bounds, np.column_stack(counts), metric)
    return result


def _bound(text: str) -> float | None:
    try:
        bound = math.nan if "_" in text or text != text.strip() else float(text)
    except ValueError:
        return None
    return None if math.isnan(bound) else bound


def _quantiles(
    q: Floats, bounds: Sequence[float], counts: Floats, *, small_deltas: bool
) -> tuple[Floats, bool]:
    """``BucketQuantile`` for every step, and whether counts had to be made monotonic."""
    result, forced = np.full(len(q), np.nan), False
    if bounds[-1] == math.inf and len(bounds) >= 2:
        rising, fallen = _monotonic(counts, small_deltas=small_deltas)
        total = rising[:, -1]
        forced = bool((fallen & (q >= 0) & (q <= 1) & (total != 0)).any())
        rank = q * total
        reached = rising[:, :-1] >= rank[:, None]
        bucket = np.where(reached.any(axis=1), reached.argmax(axis=1), len(bounds) - 1)
        edges = np.array(bounds)
        row = np.arange(len(q))
        before = np.maximum(bucket - 1, 0)
        first = bucket == 0
        start = np.where(first, 0.0, edges[before])
        counted = np.where(first, 0.0, rising[row, before])
        result = start + (edges[bucket] - start) * ((rank - counted) / (rising[row, bucket] - counted))
        result[bucket == len(bounds) - 1] = edges[-2]
        if bounds[0] <= 0:
            result[first] = edges[0]
        result[(total == 0) | np.isnan(total)] = np.nan
    result[q < 0] = -np.inf
    result[q > 1] = np.inf
    result[np.isnan(q)] = np.nan
    return result, forced


def _monotonic(counts: Floats, *, small_deltas: bool) -> tuple[Floats, Bools]:
    """``ensureMonotonicAndIgnoreSmallDeltas``: counts that fall, or hardly rise, are set to the one before.

    The second result tells at which steps one fell.
    """
    rises = np.diff(counts, axis=1)
    forced = np.zeros(len(counts), dtype=np.bool_)
    if ((rises == 0) | (rises > 2 * _TOLERANCE * np.abs(counts[:, 1:]))).all():
        return counts, forced
    rising = counts.copy()
    before = rising[:, 0].copy()
    for column in range(1, rising.shape[1]):
        current = rising[:, column]
        close = _almost_equal(before, current) if small_deltas else np.zeros(len(before), dtype=np.bool_)
        fallen = (current < before) & ~close
        forced |= fallen
        rising[:, column] = np.where(close | fallen, before, current)
        before = rising[:, column].copy()
    return rising, forced


def _almost_equal(left: Floats, right: Floats) -> Bools:
    """``almost.Equal`` of ``util/almost``, for numbers."""
    size = np.abs(left) + np.abs(right)
    difference = np.abs(left - right)
    smallest, largest = np.finfo(np.float64).tiny, np.finfo(np.float64).max
    tiny = (left == 0) | (right == 0) | (size < smallest)
    near = difference / np.minimum(size, largest) < _TOLERANCE
    close: Bools = (left == right) | np.where(tiny, difference < _TOLERANCE * smallest, near)
    return close


def _fraction(lower: float, upper: float, bounds: Sequence[float], counts: Sequence[float]) -> float:
    """``BucketFraction``: nothing is interpolated within a bucket that has no end."""
    total = counts[-1]
    if bounds[-1] != math.inf or total == 0 or math.isnan(lower) or math.isnan(upper):
        return math.nan
    if lower >= upper:
        return 0.0
    return (_rank(upper, bounds, counts) - _rank(lower, bounds, counts)) / total


def _rank(value: float, bounds: Sequence[float], counts: Sequence[float]) -> float:
    """Return how many observations are below a value."""
    start, rank = (-math.inf if bounds[0] <= 0 else 0.0), 0.0
    for end, count in zip(bounds, counts, strict=True):
        if start >= value:
            break
        if value < end:
            inside = (count - rank) * (value - start) / (end - start)
            rank = count if start == -math.inf else rank + inside
            break
        start, rank = end, count
    return min(rank, counts[-1])
