"""Put a fault into samples: groups of series in, groups of series out; what the fault does not touch keeps every bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.gate.sensitivity.arrays import add, find_increments, rebin, with_increments
from pytest_telemetry_gate.gate.sensitivity.families import MetricKind
from pytest_telemetry_gate.gate.sensitivity.faults import SPIKE_LENGTH, TAIL, Fault
from pytest_telemetry_gate.promql import SeriesGroup
from pytest_telemetry_gate.promql.storage import STALE

__all__ = ["Target", "inject", "is_same"]

Floats = NDArray[np.float64]
_HOUR = 3_600_000  # ms
_GOLDEN = (math.sqrt(5) - 1) / 2  # spreads any share of the samples evenly
_STARTED = "process_start_time_seconds"


@dataclass(frozen=True, slots=True)
class Target:
    """What a group of series is to a fault.

    ``counted`` are the increments of the ``_count`` that belongs to a ``_sum``, where there is one. A count that ``stays`` is that of observations which change. ``column`` is the series that gets the
    events which a shift adds to a counter. ``increments`` are those of the group, which no size of a fault changes.
    """

    kind: MetricKind
    counted: Floats | None = None
    stays: bool = False
    column: int | None = 0
    increments: tuple[Floats, NDArray[np.bool_]] | None = None

    def find_increments(self, values: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Return by how much each counter grew at each sample, and where it was reset."""
        return find_increments(values) if self.increments is None else self.increments


def inject(group: SeriesGroup, target: Target, fault: Fault) -> list[SeriesGroup]:
    """Return the series as they are with a fault: as one group, or as two where their labels change."""
    with np.errstate(invalid="ignore"):  # a stale marker is a NaN that arithmetic complains of
        return _inject(group, target, fault)


def _inject(group: SeriesGroup, target: Target, fault: Fault) -> list[SeriesGroup]:
    if fault.kind.name == "lost-label":
        return _lose_label(group, target, fault)
    change = _MOVES.get(fault.kind.name)
    if change is not None:
        return [change(group, fault)]
    rows = group.times >= _milliseconds(fault.begin)
    if not rows.any():
        return [group]
    if fault.kind.name == "flat-line":
        values = _freeze(group.values, int(rows.argmax()))
    elif fault.kind.name == "reset":
        values = _reset(group, target, int(rows.argmax()), fault)
    elif fault.kind.name == "shift":
        values = _shift(group, target, rows, fault.size)
    else:
        values = _change(group, target, fault)
    return [replace(group, values=values)]


def is_same(group: SeriesGroup, other: SeriesGroup) -> bool:
    """Tell whether two groups are the same series with the same samples, bit by bit."""
    return (
        group.labels == other.labels
        and np.array_equal(group.times, other.times)
        and np.array_equal(_bits(group.values), _bits(other.values))
    )


def _bits(values: Floats) -> NDArray[np.uint64]:
    return np.ascontiguousarray(values).view(np.uint64)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _change(group: SeriesGroup, target: Target, fault: Fault) -> Floats:
    """Return values that are larger by a factor, which may differ from sample to sample."""
    values = group.values
    tail = fault.kind.name == "heavier-tail"
    if target.kind is MetricKind.GAUGE:
        return add(values, values * (_factors(group.times, fault) - 1.0)[:, None])
    if target.stays:
        return values
    steps, resets = target.find_increments(values)
    if target.kind is MetricKind.BUCKET:
        factors = _tail_factors(group.times, fault) if tail else _factors(group.times, fault)
        wanted = _rebinned(group, steps, factors, abs(fault.size) if tail else 1.0)
    elif tail and target.kind is MetricKind.SUM:
        larger = abs(fault.size) * (_tail_factors(group.times, fault) - 1.0)
        wanted = steps * (1.0 + larger)[:, None]
    else:
        wanted = steps * _factors(group.times, fault)[:, None]
    return with_increments(values, steps, resets, wanted)


def _factors(times: NDArray[np.int64], fault: Fault) -> Floats:
    """Return by which factor a fault changes the sample at each time."""
    begin = _milliseconds(fault.begin)
    since = times - begin
    match fault.kind.name:
        case "drift":
            days = np.maximum(since // _HOUR, 0) / 24.0
            return np.maximum(1.0 + fault.size * days, 0.0)
        case "spike":
            return np.where((since >= 0) & (since < SPIKE_LENGTH * 1000), 1.0 + fault.size, 1.0)
        case "heavier-tail":
            # The samples of a smaller share are among those of a larger one.
            chosen = (np.arange(len(times)) * _GOLDEN) % 1.0 < abs(fault.size)
            return np.where(chosen, _tail_factors(times, fault), 1.0)
    return np.where(since >= 0, 1.0 + fault.size, 1.0)


def _tail_factors(times: NDArray[np.int64], fault: Fault) -> Floats:
    larger = TAIL if fault.size >= 0 else 1.0 / TAIL
    return np.where(times >= _milliseconds(fault.begin), larger, 1.0)


def _rebinned(
    group: SeriesGroup, steps: Floats, factors: Floats, share: float, shift: Floats | None = None
) -> Floats:
    """Return the increments of buckets whose observations change, histogram by histogram; only a share of them may."""
    wanted = steps.copy()
    moved = shift if shift is not None else np.zeros(len(factors))
    for columns, bounds in _histograms(group.labels):
        for factor, added in sorted(set(zip(factors.tolist(), moved.tolist(), strict=True))):
            if (factor, added) == (1.0, 0.0):
                continue
            rows = np.flatnonzero((factors == factor) & (moved == added))
            own = steps[np.ix_(rows, columns)]
            larger = rebin(own, bounds, factor=max(factor, 1e-9), shift=added)
            wanted[np.ix_(rows, columns)] = own + share * (larger - own)
    return wanted


def _histograms(labels: Sequence[Mapping[str, str]]) -> list[tuple[NDArray[np.int64], list[float]]]:
    """Return the columns of each histogram by rising upper bound, and the bounds; one without ``+Inf`` is left alone."""
    found: dict[frozenset[tuple[str, str]], list[tuple[float, int]]] = {}
    for column, series in enumerate(labels):
        rest = frozenset((name, text) for name, text in series.items() if name != "le")
        found.setdefault(rest, []).append((float(series.get("le", "nan")), column))
    ordered = [sorted(buckets) for buckets in found.values()]
    return [
        (np.array([column for _, column in buckets]), [bound for bound, _ in buckets])
        for buckets in ordered
        if len(buckets) > 1 and buckets[-1][0] == math.inf
    ]


def _shift(group: SeriesGroup, target: Target, rows: NDArray[np.bool_], size: float) -> Floats:
    """Return values to which a constant is added; counters count so many events more, all at once."""
    values = group.values
    if target.kind is MetricKind.GAUGE:
        return add(values, np.where(rows, size, 0.0)[:, None] * np.ones(values.shape))
    if target.stays:
        return values
    steps, resets = target.find_increments(values)
    if target.kind is MetricKind.BUCKET:
        wanted = _rebinned(group, steps, np.ones(len(rows)), 1.0, np.where(rows, size, 0.0))
    elif target.kind is MetricKind.SUM and target.counted is not None:
        wanted = np.maximum(steps + np.where(rows, size, 0.0)[:, None] * target.counted, 0.0)
    else:
        wanted = steps.copy()
        if target.column is not None and size > 0:
            # After the onset: a count that begins then has the sample at that moment as its base.
            there = np.append(False, rows[:-1]) & np.isfinite(values[:, target.column])
            wanted[there.argmax(), target.column] += size * there.any()
    return with_increments(values, steps, resets, wanted)


def _freeze(values: Floats, row: int) -> Floats:
    """Return values that stay what they were before a row; what is no number stays as it is."""
    result = values.copy()
    for column in range(values.shape[1]):
        there = np.isfinite(values[:, column])
        known = np.flatnonzero(there[:row])
        later = there & (np.arange(len(values)) >= row)
        if later.any():
            result[later, column] = values[known[-1] if len(known) else later.argmax(), column]
    return result


def _reset(group: SeriesGroup, target: Target, row: int, fault: Fault) -> Floats:
    """Return counters that begin at 0 again at a row, and when the process started that now counts."""
    values = group.values
    result = values.copy()
    if target.kind is MetricKind.GAUGE:
        if group.labels[0].get("__name__") == _STARTED:
            later = np.isfinite(values) & (np.arange(len(values)) >= row)[:, None]
            result[later] = fault.begin
        return result
    _, resets = target.find_increments(values)
    for column in range(values.shape[1]):
        known = values[:row, column][np.isfinite(values[:row, column])]
        fallen = np.flatnonzero(resets[row:, column])
        end = row + int(fallen[0]) if len(fallen) else len(values)
        if len(known):
            there = np.isfinite(values[row:end, column])
            result[row:end, column][there] -= known[-1]
    return result


def _without(group: SeriesGroup, lost: NDArray[np.bool_]) -> SeriesGroup:
    return group if not lost.any() else replace(group, times=group.times[~lost], values=group.values[~lost])


def _gap(group: SeriesGroup, fault: Fault) -> SeriesGroup:
    begin = _milliseconds(fault.begin)
    return _without(group, (group.times >= begin) & (group.times < begin + _milliseconds(fault.size)))


def _lose_all(group: SeriesGroup, fault: Fault) -> SeriesGroup:
    return _without(group, group.times >= _milliseconds(fault.begin))


def _skew(group: SeriesGroup, fault: Fault) -> SeriesGroup:
    return replace(group, times=group.times + _milliseconds(fault.size)) if fault.size else group


_MOVES: Mapping[str, Callable[[SeriesGroup, Fault], SeriesGroup]] = {
    "gap": _gap,
    "late-start": _gap,
    "lost-region": _lose_all,
    "clock-skew": _skew,
}


def _lose_label(group: SeriesGroup, target: Target, fault: Fault) -> list[SeriesGroup]:
    """Return the series until a label is lost, marked stale then, and what they are called afterwards.

    Series that nothing tells apart any more are one: counters are added up, and of others the first stays.
    """
    row = int(group.times.searchsorted(_milliseconds(fault.begin)))
    if row == len(group.times) or not any(fault.label in labels for labels in group.labels):
        return [group]
    columns: dict[frozenset[tuple[str, str]], list[int]] = {}
    for column, labels in enumerate(group.labels):
        rest = frozenset((name, text) for name, text in labels.items() if name != fault.label)
        columns.setdefault(rest, []).append(column)
    old = group.values[: row + 1].copy()
    old[row] = STALE
    adds = target.kind is not MetricKind.GAUGE
    later = [
        group.values[row:, own].sum(axis=1) if adds and len(own) > 1 else group.values[row:, own[0]]
        for own in columns.values()
    ]
    return [
        SeriesGroup(group.labels, group.times[: row + 1], old),
        SeriesGroup(tuple(map(dict, columns)), group.times[row:], np.column_stack(later)),
    ]
