"""Merge what two recordings of one region know about events; neither the order nor a repetition matters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_telemetry_gate.model.events import Events

__all__ = ["check_events", "events_to_index", "find_complete_stretch", "merge_events"]


def events_to_index(events: Events) -> dict[str, Any]:
    """Return events as the index of a recording holds them.

    ``spans`` are the stretches of time (seconds) in which nothing can be missing.
    """
    return {**events.to_wire(), "spans": [[events.start, events.end]] if events.complete else []}


def merge_events(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return two histories of one kind as one, as the index holds it.

    Where both know a rule or an episode, the new one counts. The whole is complete where complete stretches of time
    cover it without a gap.
    """
    start, end = min(old["from"], new["from"]), max(old["to"], new["to"])
    spans = _join_intervals([*_spans(old), *_spans(new)])
    complete = [start, end] in spans
    reason = new.get("reason") or old.get("reason") or "parts of it were not recorded"
    return {
        "from": start,
        "to": end,
        "complete": complete,
        "spans": spans,
        "reason": "" if complete else reason,
        "rules": _latest_of_each(
            (*old.get("rules", ()), *new.get("rules", ())), ("file", "group", "alert", "labels")
        ),
        "episodes": _latest_of_each(
            (*old.get("episodes", ()), *new.get("episodes", ())), ("kind", "name", "labels", "start")
        ),
        "evaluations": _latest_of_each(
            (*old.get("evaluations", ()), *new.get("evaluations", ())), ("group",)
        ),
        "silences": _latest_of_each(
            (*old.get("silences", ()), *new.get("silences", ())), ("start", "matchers", "author")
        ),
    }


def check_events(wire: Mapping[str, Any]) -> None:
    """Raise KeyError, TypeError or ValueError if it is no history in the form of the index."""
    Events.from_wire(wire)
    _spans(wire)


def find_complete_stretch(wire: Mapping[str, Any], start: float, end: float) -> tuple[float, float] | None:
    """Return the complete stretch of a recorded history that holds the time from start to end, or None."""
    return next(((first, last) for first, last in _spans(wire) if first <= start and end <= last), None)


def _spans(wire: Mapping[str, Any]) -> list[list[float]]:
    """Return the complete stretches; a history without any noted is complete as a whole or not at all."""
    whole = [[wire["from"], wire["to"]]] if wire["complete"] is True else []
    return [[float(first), float(last)] for first, last in wire.get("spans", whole)]


def _join_intervals(spans: Iterable[list[float]]) -> list[list[float]]:
    intervals: list[list[float]] = []
    for first, last in sorted(spans):
        if intervals and first <= intervals[-1][1]:
            intervals[-1][1] = max(intervals[-1][1], last)
        else:
            intervals.append([first, last])
    return intervals


def _latest_of_each(records: Iterable[Mapping[str, Any]], keys: Sequence[str]) -> list[dict[str, Any]]:
    """Return each record once, as it came last; ``keys`` are the fields that identify it and give the order."""
    by_identity = {
        json.dumps([_plain(record.get(key)) for key in keys], sort_keys=True): dict(record)
        for record in records
    }
    return [by_identity[key] for key in sorted(by_identity)]


def _plain(value: Any) -> Any:
    """Return numbers as one type, so that starts of 1 and 1.0 are the same."""
    return float(value) if isinstance(value, int) else value
