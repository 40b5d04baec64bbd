"""What rules write, beside the samples that they read: one storage of both."""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.promql.labels import Labels, Matcher
from pytest_telemetry_gate.promql.storage import STALE, MemoryStorage, SeriesGroup, Storage

__all__ = ["WrittenStorage"]

Identity = frozenset[tuple[str, str]]

_EVER = 2**62  # ms


class WrittenStorage:
    """Samples that are there, and those that rules add to them in the order of time.

    ``instead`` are names of metrics of which only what is written counts, as where a recording holds what a server's own
    rules have written. Elsewhere the samples of one series are united; at one time the first that was there counts.
    """

    def __init__(self, base: Storage, instead: Collection[str] = ()) -> None:
        self._base = base
        self._instead = frozenset(instead)
        self._series: dict[str, dict[Identity, tuple[Labels, array[int], array[float]]]] = {}
        self._made: dict[str, MemoryStorage] = {}
        self._there: dict[str, dict[Identity, dict[int, float]]] = {}

    def add(self, labels: Mapping[str, str], times: Sequence[int], values: Sequence[float]) -> list[int]:
        """Add samples of a series; returns the times (ms) at which it has another value already, which stays.

        A stale marker yields to any value, as Prometheus drops it without a word.
        """
        nonempty = {name: value for name, value in labels.items() if value}
        name = nonempty.get("__name__", "")
        identity = frozenset(nonempty.items())
        of_name = self._series.setdefault(name, {})
        _, own_times, own_values = of_name.setdefault(identity, (nonempty, array("q"), array("d")))
        there = self._there_before(name).get(identity, {})
        self._made.pop(name, None)
        if not there and (not own_times or not len(times) or times[0] > own_times[-1]):
            own_times.extend(times)
            own_values.extend(values)
            return []
        refused: list[int] = []
        for time, value in zip(times, values, strict=True):
            place = len(own_times) if not own_times or time > own_times[-1] else bisect_left(own_times, time)
            is_written = place < len(own_times) and own_times[place] == time
            known = own_values[place] if is_written else there.get(time)
            if known is None:
                own_times.insert(place, time)
                own_values.insert(place, value)
            elif _bits(known) != _bits(value) != _bits(STALE):
                refused.append(time)
        return refused

    def _there_before(self, name: str) -> dict[Identity, dict[int, float]]:
        """Return the samples of a metric that count although rules write it, by series and time."""
        if name not in self._there:
            groups = (
                ()
                if name in self._instead
                else self._base.select([Matcher("__name__", "=", name)], -_EVER, _EVER)
            )
            self._there[name] = {
                frozenset(labels.items()): dict(
                    zip(group.times.tolist(), group.values[:, column].tolist(), strict=True)
                )
                for group in groups
                for column, labels in enumerate(group.labels)
            }
        return self._there[name]

    def select(self, matchers: Sequence[Matcher], start: int, end: int) -> Iterator[SeriesGroup]:
        """Yield the series that every matcher matches; samples outside the bounds (ms) may be among them."""
        exact = next((m.value for m in matchers if m.name == "__name__" and m.op == "="), None)
        names = list(self._series) if exact is None else [exact] if exact in self._series else []
        written = [group for name in names for group in self._storage(name).select(matchers, start, end)]
        known: dict[Identity, SeriesGroup] = {}
        for group in written:
            known.update((frozenset(labels.items()), group) for labels in group.labels)
        for group in self._base.select(matchers, start, end):
            yield from self._beside(group, known)
        left = {id(group): group for group in known.values()}
        for group in left.values():
            columns = [n for n, labels in enumerate(group.labels) if frozenset(labels.items()) in known]
            yield SeriesGroup(
                tuple(group.labels[column] for column in columns), group.times, group.values[:, columns]
            )

    def _storage(self, name: str) -> MemoryStorage:
        if name not in self._made:
            self._made[name] = MemoryStorage(
                [
                    (labels, np.array(times, dtype=np.int64), np.array(values, dtype=np.float64))
                    for labels, times, values in self._series[name].values()
                ]
            )
        return self._made[name]

    def _beside(self, group: SeriesGroup, known: dict[Identity, SeriesGroup]) -> Iterator[SeriesGroup]:
        """Yield series that were there, each united with what was written of it; what is united leaves ``known``."""
        columns = [
            number
            for number, labels in enumerate(group.labels)
            if labels.get("__name__", "") not in self._instead and frozenset(labels.items()) not in known
        ]
        if len(columns) == len(group.labels):
            yield group
            return
        if columns:
            yield SeriesGroup(
                tuple(group.labels[column] for column in columns), group.times, group.values[:, columns]
            )
        for number, labels in enumerate(group.labels):
            identity = frozenset(labels.items())
            if labels.get("__name__", "") in self._instead or identity not in known:
                continue
            written = known.pop(identity)
            column = next(n for n, own in enumerate(written.labels) if frozenset(own.items()) == identity)
            times, values = _unite(
                (group.times, group.values[:, number]), (written.times, written.values[:, column])
            )
            yield SeriesGroup((labels,), times, values.reshape(-1, 1))


def _bits(value: float) -> bytes:
    """Return what tells values apart as Prometheus' storage does, NaNs among them."""
    return struct.pack("<d", value)


_Samples = tuple[NDArray[np.int64], NDArray[np.float64]]


def _unite(first: _Samples, second: _Samples) -> _Samples:
    """Return the samples of both; at one time those of the first."""
    fresh = ~np.isin(second[0], first[0])
    times = np.concatenate((first[0], second[0][fresh]))
    values = np.concatenate((first[1], second[1][fresh]))
    order = np.argsort(times, kind="stable")
    return times[order], values[order]
