"""Unite what two recordings of one region know about events; neither the order nor a repetition matters."""

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
    """Return what two histories of one kind say together, as the index holds it.

    Of a rule or an episode that both know the new one counts. The whole is complete where complete stretches of
    time cover it without a hole.
    """
    start, end = min(old["from"], new["from"]), max(old["to"], new["to"])
    spans = _joined([*_spans(old), *_spans(new)])
    complete = [start, end] in spans
    reason = new.get("reason") or old.get("reason") or "parts of it were not recorded"
    return {
        "from": start,
        "to": end,
        "complete": complete,
        "spans": spans,
        "reason": "" if complete else reason,
        "rules": _latest(
            (*old.get("rules", ()), *new.get("rules", ())), ("file", "group", "alert", "labels")
        ),
        "episodes": _latest(
            (*old.get("episodes", ()), *new.get("episodes", ())), ("kind", "name", "labels", "start")
        ),
        "evaluations": _latest((*old.get("evaluations", ()), *new.get("evaluations", ())), ("group",)),
        "silences": _latest(
            (*old.get("silences", ()), *new.get("silences", ())), ("start", "matchers", "author")
        ),
    }


def check_events(wire: Mapping[str, Any]) -> None:
    """Raise KeyError, TypeError or ValueError for what is no history as the index holds it."""
    Events.from_wire(wire)
    _spans(wire)


def find_complete_stretch(wire: Mapping[str, Any], start: float, end: float) -> tuple[float, float] | None:
    """Return the complete stretch of a recorded history that holds the time from start to end, or None."""
    return next(((first, last) for first, last in _spans(wire) if first <= start and end <= last), None)


def _spans(wire: Mapping[str, Any]) -> list[list[float]]:
    """Return the complete stretches; a history without any noted is complete as a whole or not at all."""
    whole = [[wire["from"], wire["to"]]] if wire["complete"] is True else []
    return [[float(first), float(last)] for first, last in wire.get("spans", whole)]


def _joined(spans: Iterable[list[float]]) -> list[list[float]]:
    joined: list[list[float]] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], last)
        else:
            joined.append([first, last])
    return joined


def _latest(ones: Iterable[Mapping[str, Any]], keys: Sequence[str]) -> list[dict[str, Any]]:
    """Return each thing once, told by some of its fields, as it was last seen, in an order of its own."""
    found = {json.dumps([_plain(one.get(key)) for key in keys], sort_keys=True): dict(one) for one in ones}
    return [found[key] for key in sorted(found)]


def _plain(value: Any) -> Any:
    """Return numbers as one type, so that 1 and 1.0 are one start."""
    return float(value) if isinstance(value, int) else value
