"""Answers of Datadog's metrics API as series of points: v1 ``query``, v2 ``query/timeseries`` and ``query/scalar``.

https://docs.datadoghq.com/api/latest/metrics/. What is not of the form that is documented there raises one of ``prometheus_json.ODD_JSON``,
an answer to another question OtherAnswerError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from pytest_telemetry_gate.sources.http.causes import cut
from pytest_telemetry_gate.sources.points import PointSeries
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.units import convert, dimension, find_unit

__all__ = ["OtherAnswerError", "doubt_of", "read_scalars", "read_v1", "read_v2"]

_SUCCESS = frozenset({"", "ok", "success"})
# Datadog's families of units, and the unit here of which their scale factors are multiples
_FAMILIES = {"time": "s", "bytes": "B", "percentage": "%"}


class OtherAnswerError(Exception):
    """An answer is not to the question that was asked; the text says in what it differs."""


def read_v1(answer: Mapping[str, Any], start: int, end: int) -> tuple[list[PointSeries], str]:
    """Return the series of an answer over the time from ``start`` to ``end`` (milliseconds) and their unit."""
    for key, asked in (("from_date", start), ("to_date", end)):
        if (answered := answer.get(key, asked)) != asked:
            message = f"answered for another time: {key} {answered} instead of {asked}"
            raise OtherAnswerError(message)
    series = [_series_v1(one) for one in answer["series"]]
    _require_answer_to(series, start, end)
    return series, _common_unit(one.get("unit") for one in answer["series"])


def _series_v1(one: Mapping[str, Any]) -> PointSeries:
    points = [(_number(time), None if value is None else _number(value)) for time, value in one["pointlist"]]
    times = [int(time) for time, _ in points]
    return PointSeries(
        _labels_of(one.get("tag_set") or ()),
        times,
        [value for _, value in points],
        _interval(one["interval"], times),
    )


def _interval(told: object, times: Sequence[int]) -> int:
    """Return how many milliseconds apart points are: the server tells seconds, and the reference says milliseconds.

    Points are never closer than they are told to be: where they are closer than so many seconds, it is milliseconds.
    """
    number = int(_number(told))
    if number <= 0:
        raise ValueError
    closest = _closest(times, number * 1000)
    return number * 1000 if number * 1000 <= closest else min(number, closest)


def read_v2(answer: Mapping[str, Any], start: int, end: int, interval: int) -> tuple[list[PointSeries], str]:
    """Return the series of an answer and their unit, as ``read_v1`` does.

    v2 leaves out times at which no series has a value and does not say how far apart points are, so they stand for
    the ``interval`` (milliseconds) that was asked for, or for less where they are closer.
    """
    content = answer["data"]["attributes"]
    times = [int(_number(time)) for time in content["times"]]
    interval = min(interval, _closest(times, interval))
    series = [
        PointSeries(
            _labels_of(one.get("group_tags") or ()),
            times,
            [None if value is None else _number(value) for value in values],
            interval,
        )
        for one, values in zip(content["series"], content["values"], strict=True)
    ]
    for one in series:
        if len(one.values) != len(times):
            raise ValueError
    _require_answer_to(series, start, end)
    return series, _common_unit(one.get("unit") for one in content["series"])


def read_scalars(answer: Mapping[str, Any]) -> dict[frozenset[tuple[str, str]], float]:
    """Return the value of each set of labels; one without a value is left out."""
    columns = answer["data"]["attributes"]["columns"]
    groups = [column for column in columns if column["type"] == "group"]
    (numbers,) = (column for column in columns if column["type"] == "number")
    values: dict[frozenset[tuple[str, str]], float] = {}
    for row, value in enumerate(numbers["values"]):
        labels = {str(column["name"]): ",".join(column["values"][row]) for column in groups}
        if value is not None:
            values[frozenset(labels.items())] = _number(value)
    return values


def doubt_of(answer: Mapping[str, Any]) -> str:
    """Return what an answer says of itself that a whole one does not say."""
    said = answer.get("error") or answer.get("errors") or answer.get("message") or ""
    return "" if str(said).lower() in _SUCCESS else f"Datadog says: {cut(str(said))}"


def _labels_of(tags: Iterable[str]) -> dict[str, str]:
    """Return tags such as ``host:web-1`` as labels; a tag without a value has an empty one."""
    return {name: value for name, _, value in (tag.partition(":") for tag in tags)}


def _unit_of(unit: Sequence[Mapping[str, Any] | None] | None) -> str:
    """Return a unit in the words of suites; an empty text for one that they have no word for, such as bytes per second.

    A unit is given by what is measured and by what it is divided; its size is held against the unit's size here.
    """
    if not unit or unit[0] is None or any(unit[1:]):
        return ""
    found = find_unit(str(unit[0].get("name", "")))
    family = _FAMILIES.get(str(unit[0].get("family", "")))
    if not found or family is None or dimension(found) != dimension(family):
        return ""
    return found if convert(1.0, found, family) == float(unit[0].get("scale_factor", 1.0)) else ""


def _common_unit(units: Iterable[Sequence[Mapping[str, Any] | None] | None]) -> str:
    found = {_unit_of(unit) for unit in units}
    if len(found) > 1:
        message = f"answered in several units: {', '.join(sorted(unit or 'none' for unit in found))}"
        raise OtherAnswerError(message)
    return "".join(found)


def _closest(times: Sequence[int], otherwise: int) -> int:
    """Return how far apart the two closest times are."""
    return min((after - before for before, after in pairwise(sorted(times))), default=otherwise)


def _require_answer_to(series: Sequence[PointSeries], start: int, end: int) -> None:
    """Raise OtherAnswerError for points of another time, and for two series of the same tags, of which one would be lost."""
    seen: set[frozenset[tuple[str, str]]] = set()
    for one in series:
        for time in one.times:
            if not start - one.interval <= time <= end + one.interval:
                message = f"answered for another time: a point at {format_time(time / 1000)}"
                raise OtherAnswerError(message)
        if len(set(one.times)) != len(one.times):
            message = "answered with several points of the same time"
            raise OtherAnswerError(message)
        if (key := frozenset(one.labels.items())) in seen:
            message = f"answered with several series of the same tags: {', '.join(f'{name}:{value}' for name, value in sorted(key)) or '*'}"
            raise OtherAnswerError(message)
        seen.add(key)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)
