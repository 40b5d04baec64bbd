"""What rules write, beside the samples that they read: one storage of both."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.promql.labels import Labels, Matcher
from pytest_telemetry_gate.promql.storage import MemoryStorage, SeriesGroup, Storage

__all__ = ["WrittenStorage"]

Identity = frozenset[tuple[str, str]]


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

    def add(self, labels: Mapping[str, str], times: Sequence[int], values: Sequence[float]) -> None:
        """Add samples of a series behind those that were written before; times in ms."""
        nonempty = {name: value for name, value in labels.items() if value}
        name = nonempty.get("__name__", "")
        identity = frozenset(nonempty.items())
        of_name = self._series.setdefault(name, {})
        _, own_times, own_values = of_name.setdefault(identity, (nonempty, array("q"), array("d")))
        if own_times and len(times) and times[0] <= own_times[-1]:
            fresh = [number for number, time in enumerate(times) if time > own_times[-1]]
            times, values = [times[number] for number in fresh], [values[number] for number in fresh]
        own_times.extend(int(time) for time in times)
        own_values.extend(float(value) for value in values)
        self._made.pop(name, None)

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


_Samples = tuple[NDArray[np.int64], NDArray[np.float64]]


def _unite(first: _Samples, second: _Samples) -> _Samples:
    """Return the samples of both; at one time those of the first."""
    fresh = ~np.isin(second[0], first[0])
    times = np.concatenate((first[0], second[0][fresh]))
    values = np.concatenate((first[1], second[1][fresh]))
    order = np.argsort(times, kind="stable")
    return times[order], values[order]
