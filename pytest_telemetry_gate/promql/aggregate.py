"""Aggregations over series at each step, by the rules of ``aggregation`` in Prometheus' ``promql/engine.go``.

Series arrive in blocks. Each block is folded into the groups at once, so that not all series are in memory together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from pytest_telemetry_gate.promql.frame import Bools, Floats, Frame, Ints, common_presence
from pytest_telemetry_gate.promql.labels import Labels
from pytest_telemetry_gate.promql.limits import Guard
from pytest_telemetry_gate.promql.sums import SCALE, kahan_add, kahan_total, two_sum

__all__ = ["Grouping", "aggregate"]

Blocks = Iterable[Frame]
_FEW_NAMES = (
    16  # a place in the key of each group for each name; of more names only those that the series has
)


class Grouping:
    """Assigns series to groups, ``by`` or ``without`` some labels; groups are numbered as they appear."""

    def __init__(self, names: Sequence[str], *, without: bool) -> None:
        self._names = names
        self._kept = frozenset(names)
        self._dropped = {*names, "__name__"} if without else None
        self._numbers: dict[tuple[str, ...] | frozenset[tuple[str, str]], int] = {}
        self.labels: list[Labels] = []

    def of(self, series: Sequence[Labels]) -> Ints:
        """Return the number of each series' group."""
        if not self._names and self._dropped is None:
            self.labels = [{}]
            return np.zeros(len(series), dtype=np.int64)
        return np.array([self._number(labels) for labels in series], dtype=np.int64)

    def _number(self, labels: Labels) -> int:
        key: tuple[str, ...] | frozenset[tuple[str, str]]
        if self._dropped is None and len(self._names) <= _FEW_NAMES:
            key = tuple([labels.get(name, "") for name in self._names])
        elif self._dropped is None:
            key = frozenset([pair for pair in labels.items() if pair[0] in self._kept])
        else:
            key = frozenset([pair for pair in labels.items() if pair[0] not in self._dropped])
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.labels)
            pairs = zip(self._names, key, strict=True) if isinstance(key, tuple) else sorted(key)
            self.labels.append({name: text for name, text in pairs if text})
        return number


class _Fold:
    """The aggregate of each group so far, [groups, steps]; more groups are added as they appear."""

    initial = 0.0

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.count = np.zeros((0, steps))
        self.state: list[Floats] = []

    def grow(self, groups: int, guard: Guard) -> None:
        """Make room for more groups."""
        if groups <= len(self.count):
            return
        capacity = max(groups, 2 * len(self.count))
        guard.check_memory(capacity * self.steps * (1 + len(self.state)))
        self.count = _grow(self.count, capacity, 0.0)
        self.state = [_grow(array, capacity, self.initial) for array in self.state]

    def add(self, segments: _Segments) -> None:
        """Fold a block into the groups."""
        self.count[segments.groups] += segments.counts()
        self.fold(segments)

    def fold(self, segments: _Segments) -> None:
        """Fold the values of a block into the groups' state."""

    def result(self) -> Floats:
        """Return the value of each group and step; undefined where the count is 0."""
        return self.count


def _grow(array: Floats, capacity: int, initial: float) -> Floats:
    more = np.full((capacity - len(array), array.shape[1]), initial)
    return np.concatenate([array, more])


class _Segments:
    """A block as [series, steps], sorted by group: rows from ``bounds[n]`` on belong to ``groups[n]``."""

    def __init__(self, frame: Frame, owners: Ints) -> None:
        order = np.argsort(owners, kind="stable")
        owned = owners[order]
        self.bounds = np.flatnonzero(np.diff(owned, prepend=-1))
        self.groups = owned[self.bounds]
        self.sizes = np.diff(self.bounds, append=len(owned))
        selected = slice(None) if (order[1:] > order[:-1]).all() else order
        self.rows = np.ascontiguousarray(frame.values.T[selected])
        common = common_presence(frame.present)
        self.everywhere = common is not None and bool(common.all())
        self.common = common
        self.present = frame.present.T[selected]

    def counts(self) -> Floats:
        """Return how many series of each group are present, [groups, steps]."""
        if self.common is not None:
            return self.sizes[:, None] * self.common.astype(np.float64)
        return np.add.reduceat(self.present, self.bounds, axis=0, dtype=np.float64)

    def values_or(self, value: float) -> Floats:
        """Return the rows, with ``value`` where a series is absent."""
        return self.rows if self.everywhere else np.where(self.present, self.rows, value)

    def series_rounds(self) -> Iterable[tuple[Ints, Floats, Bools]]:
        """Yield the first series of each group, then the second and so on: groups, values, presence."""
        for number in range(int(self.sizes.max(initial=0))):
            more = self.sizes > number
            row = self.bounds[more] + number
            yield self.groups[more], self.rows[row], self.present[row]


class _Sum(_Fold):
    """Kahan summation; within a block by halves."""

    def __init__(self, steps: int, scale: float = 1.0) -> None:
        super().__init__(steps)
        self.scale = scale
        self.state = [np.zeros((0, steps)), np.zeros((0, steps))]

    def fold(self, segments: _Segments) -> None:
        rows = segments.values_or(0.0)
        if self.scale != 1.0:
            rows = rows * self.scale
        elif rows is segments.rows and not rows.flags.owndata:
            rows = rows.copy()
        lost = np.zeros_like(rows)
        sizes = segments.sizes
        while (sizes > 1).any():
            halves = (sizes + 1) // 2
            for into, other in _halves(segments.bounds, sizes, halves):
                added, error = two_sum(rows[into], rows[other])
                error += lost[other]
                lost[into] += error
                rows[into] = added
            sizes = halves
        total, remainder = self.state
        groups, first = segments.groups, segments.bounds
        total[groups], remainder[groups] = kahan_add(rows[first], total[groups], remainder[groups])
        remainder[groups] += lost[first]

    def result(self) -> Floats:
        return kahan_total(*self.state)


def _halves(bounds: Ints, sizes: Ints, halves: Ints) -> Iterable[tuple[slice | Ints, slice | Ints]]:
    """Yield the rows to add to, and the rows to add, when each segment is folded to its first half."""
    if len(bounds) == 1:
        first, half, size = int(bounds[0]), int(halves[0]), int(sizes[0])
        yield slice(first, first + size - half), slice(first + half, first + size)
        return
    addends = sizes - halves
    inside = np.arange(addends.sum()) - np.repeat(np.cumsum(addends) - addends, addends)
    into = np.repeat(bounds, addends) + inside
    yield into, into + np.repeat(halves, addends)


class _Extreme(_Fold):
    """``fmin`` or ``fmax``: NaN only where every value is NaN."""

    initial = np.nan

    def __init__(self, steps: int, ufunc: np.ufunc) -> None:
        super().__init__(steps)
        self.ufunc = ufunc
        self.state = [np.zeros((0, steps))]

    def fold(self, segments: _Segments) -> None:
        reduced = self.ufunc.reduceat(segments.values_or(np.nan), segments.bounds, axis=0)
        (best,) = self.state
        best[segments.groups] = self.ufunc(best[segments.groups], reduced)

    def result(self) -> Floats:
        return self.state[0]


class _Group(_Fold):
    """1 wherever a series is present."""

    def result(self) -> Floats:
        return np.ones_like(self.count)


class _Variance(_Fold):
    """Welford's method; with ``from_first``, as in Prometheus 2.42, the first value is the mean whatever it is."""

    def __init__(self, steps: int, *, from_first: bool) -> None:
        super().__init__(steps)
        self.from_first = from_first
        self.state = [np.zeros((0, steps)), np.zeros((0, steps))]

    def add(self, segments: _Segments) -> None:
        mean, spread = self.state
        for groups, values, present in segments.series_rounds():
            self.count[groups] += present
            count, old = self.count[groups], mean[groups]
            delta = values - old
            new = old + delta / count
            more = delta * (values - new)
            if self.from_first:
                first = present & (count == 1)
                new, more = np.where(first, values, new), np.where(first, 0.0, more)
            mean[groups] = np.where(present, new, old)
            spread[groups] += np.where(present, more, 0.0)

    def result(self) -> Floats:
        return self.state[1] / self.count


def aggregate(
    op: str,
    blocks: Callable[[], Blocks],
    grouping: Grouping,
    steps: int,
    guard: Guard,
    *,
    semantics: str,
) -> Frame:
    """Aggregate without a parameter: sum, avg, min, max, count, group, stddev, stdvar.

    ``blocks`` may be called again for the mean of values whose sum is too large.
    """

    def folded(fold: _Fold) -> Floats:
        for frame in blocks():
            owners = grouping.of(frame.labels)
            fold.grow(len(grouping.labels), guard)
            fold.add(_Segments(frame, owners))
        # How much room a fold has made for further groups is its own affair.
        return fold.result()[: len(grouping.labels)]

    fold = _fold(op, steps, semantics)
    values = folded(fold)
    count = fold.count[: len(values)]
    if op == "avg":
        mean = values / count
        if np.isinf(values).any():
            mean = np.where(np.isinf(values), folded(_Sum(steps, SCALE)) / count / SCALE, mean)
        values = mean
    elif op == "stddev":
        values = np.sqrt(values)
    return Frame(grouping.labels, values.T, count.T > 0)


def _fold(op: str, steps: int, semantics: str) -> _Fold:
    match op:
        case "sum" | "avg":
            return _Sum(steps)
        case "min" | "max":
            return _Extreme(steps, np.fmin if op == "min" else np.fmax)
        case "stddev" | "stdvar":
            return _Variance(steps, from_first=semantics == "2")
        case "group":
            return _Group(steps)
    return _Fold(steps)
