"""Storage of samples: groups of series that were scraped together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql.labels import Labels, Matcher

__all__ = ["STALE", "MemoryStorage", "SeriesGroup", "Storage", "is_stale", "may_be_nan", "select_columns"]

# Prometheus' staleness marker (model/value/value.go, StaleNaN): a NaN told from others by its bits
STALE = float(np.uint64(0x7FF0000000000002).view(np.float64))


@dataclass(frozen=True, slots=True)
class SeriesGroup:
    """Series that share one vector of timestamps: ``times`` int64[n] in ms and rising, ``values`` float64[n, series].

    Series with other timestamps are another group, so that no sample is absent within a group. A stale marker is the NaN
    with the bits 0x7ff0000000000002.
    """

    labels: tuple[Labels, ...]
    times: NDArray[np.int64]
    values: NDArray[np.float64]


class Storage(Protocol):
    """Gives the engine the series that it asks for."""

    def select(self, matchers: Sequence[Matcher], start: int, end: int) -> Iterable[SeriesGroup]:
        """Yield the series that every matcher matches; samples outside the bounds (ms) may be among them."""
        ...


class MemoryStorage:
    """A storage made from arrays: label sets, int64[n] timestamps in ms, float64[n] values."""

    def __init__(
        self, series: Iterable[tuple[Mapping[str, str], NDArray[np.int64], NDArray[np.float64]]]
    ) -> None:
        columns: dict[str, dict[bytes, list[tuple[Labels, NDArray[np.int64], NDArray[np.float64]]]]] = (
            defaultdict(dict)
        )
        identities: set[frozenset[tuple[str, str]]] = set()
        for labels, times, values in series:
            nonempty = {name: value for name, value in labels.items() if value}
            identity = frozenset(nonempty.items())
            if identity in identities:
                message = f"the same series twice: {nonempty}"
                raise PromQLError(message)
            identities.add(identity)
            stamps = np.asarray(times, dtype=np.int64)
            column = np.ascontiguousarray(values, dtype=np.float64)
            columns[nonempty.get("__name__", "")].setdefault(stamps.tobytes(), []).append(
                (nonempty, stamps, column)
            )
        self._groups = {
            name: [_stack(members) for members in groups.values()] for name, groups in columns.items()
        }

    def select(self, matchers: Sequence[Matcher], start: int, end: int) -> Iterator[SeriesGroup]:
        """Yield the series that every matcher matches."""
        exact = next((m.value for m in matchers if m.name == "__name__" and m.op == "="), None)
        candidates = self._groups.values() if exact is None else [self._groups.get(exact, [])]
        for group in chain.from_iterable(candidates):
            matching = [
                column
                for column, labels in enumerate(group.labels)
                if all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)
            ]
            if matching:
                yield select_columns(group, matching, start, end)


def _stack(members: Sequence[tuple[Labels, NDArray[np.int64], NDArray[np.float64]]]) -> SeriesGroup:
    values = np.column_stack([column for _, _, column in members])
    values.flags.writeable = False  # answers may be views of it
    return SeriesGroup(tuple(labels for labels, _, _ in members), members[0][1], values)


def select_columns(group: SeriesGroup, columns: Sequence[int], start: int, end: int) -> SeriesGroup:
    """Return some of the series. A copy holds only the samples from start to end (ms)."""
    if len(columns) == len(group.labels):
        return group
    first, last = group.times.searchsorted((start, end + 1))
    values = group.values[first:last, columns]
    return SeriesGroup(tuple(group.labels[column] for column in columns), group.times[first:last], values)


def is_stale(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell stale markers from other values, by their bits."""
    bits: NDArray[np.uint64] = np.ascontiguousarray(values).view(np.uint64)
    stale: NDArray[np.bool_] = bits == np.uint64(0x7FF0000000000002)
    return stale


def may_be_nan(values: NDArray[np.float64]) -> bool:
    """Tell whether a NaN may be among the values. One sum answers that: it is NaN if any value is."""
    return bool(np.isnan(np.add.reduce(values, axis=None)))
