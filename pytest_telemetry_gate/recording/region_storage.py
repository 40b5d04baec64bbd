"""The samples of a region as the engine asks for them: one metric of one group is read at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.errors import RecordingError
from pytest_telemetry_gate.promql import Matcher, SeriesGroup
from pytest_telemetry_gate.promql.storage import select_columns
from pytest_telemetry_gate.recording.members import Members

__all__ = ["RegionStorage", "labels_of"]


class _Place(NamedTuple):
    """One metric of a scrape group: its members, the labels of its series, and the columns of those selected."""

    times: str
    member: str
    labels: tuple[dict[str, str], ...]
    columns: list[int]


class RegionStorage:
    """The storage that the engine asks for series; reads one metric of one group at a time."""

    def __init__(self, members: Members, groups: Sequence[Mapping[str, Any]]) -> None:
        self._members = members
        self._places: dict[str, list[_Place]] = {}
        self._selections: dict[tuple[Matcher, ...], list[_Place]] = {}
        self._risen: set[str] = set()  # members whose timestamps have been seen to rise
        listed: set[frozenset[tuple[str, str]]] = set()
        for group in groups:
            for metric in group["metrics"]:
                name = metric["name"]
                labels = labels_of(metric)
                place = _Place(group["times"], metric["member"], labels, list(range(len(labels))))
                self._places.setdefault(name, []).append(place)
                for series_labels in labels:
                    series = frozenset(series_labels.items())
                    if series in listed:
                        message = f"{members.path}: index.json: the series {series_labels} is listed twice"
                        raise RecordingError(message)
                    listed.add(series)

    @property
    def names(self) -> list[str]:
        """The names of all metrics, sorted; without that of series that have none."""
        return sorted(filter(None, self._places))

    def select(self, matchers: Sequence[Matcher], start: int, end: int) -> Iterator[SeriesGroup]:
        """Yield the series that every matcher matches, reading their members one after another."""
        key = tuple(matchers)
        if key not in self._selections:
            self._selections[key] = self._find_places(key)
        for times_member, member, labels, columns in self._selections[key]:
            times = self._times(times_member)
            values = self._members.array(member, np.float64, 2)
            if values.shape != (len(times), len(labels)):
                message = f"{self._members.path}: member {member} has the shape {values.shape}, not {(len(times), len(labels))}"
                raise RecordingError(message)
            yield select_columns(SeriesGroup(labels, times, values), columns, start, end)

    def _find_places(self, matchers: tuple[Matcher, ...]) -> list[_Place]:
        exact = [matcher.value for matcher in matchers if matcher.name == "__name__" and matcher.op == "="]
        names = [name for name in ([exact[0]] if exact else sorted(self._places)) if name in self._places]
        places = []
        for name in names:
            for place in self._places[name]:
                columns = [
                    column
                    for column, labels in enumerate(place.labels)
                    if all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)
                ]
                if columns:
                    places.append(place._replace(columns=columns))
        return places

    def _times(self, member: str) -> NDArray[np.int64]:
        times = self._members.array(member, np.int64, 1)
        if member not in self._risen:
            if (np.diff(times) <= 0).any():
                message = f"{self._members.path}: member {member} is damaged: its timestamps do not rise"
                raise RecordingError(message)
            self._risen.add(member)
        return times


def labels_of(metric: Mapping[str, Any]) -> tuple[dict[str, str], ...]:
    """Return the labels of a metric's series as the index holds them, with their name."""
    name = {"__name__": metric["name"]} if metric["name"] else {}
    return tuple({**name, **labels} for labels in metric["labels"])
