"""Merge what two recordings of one region know about events; neither the order nor a repetition matters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_telemetry_gate.model.events import Events, Rule

__all__ = ["check_events", "events_to_index", "examined_rules", "find_complete_stretch", "merge_events"]

_RULE = ("file", "group", "alert", "labels")
_EXAMINED = ("trouble", "blind", "series")


def events_to_index(events: Events) -> dict[str, Any]:
    """Return events as the index of a recording holds them.

    ``spans`` are the stretches of time (seconds) in which nothing can be missing; ``examined`` is what was found out about
    rules, each for the time of one question.
    """
    wire = events.to_wire()
    examined = [
        {"from": events.start, "to": events.end, **_only(rule, (*_RULE, *_EXAMINED))}
        for rule in wire["rules"]
        if "blind" in rule or "series" in rule
    ]
    return {
        **wire,
        "spans": [[events.start, events.end]] if events.complete else [],
        "rules": [
            {key: rule[key] for key in rule if key not in {"blind", "series"}} for rule in wire["rules"]
        ],
        "examined": examined,
    }


def examined_rules(wire: Mapping[str, Any], start: float, end: float) -> tuple[Rule, ...]:
    """Return the rules of a recorded history with what was found out about them for just this time (seconds).

    Raises KeyError, TypeError or ValueError if it is no history in the form of the index.
    """
    found = {
        _identity(entry, _RULE): _only(entry, _EXAMINED)
        for entry in wire.get("examined", ())
        if (entry["from"], entry["to"]) == (start, end)
    }
    rules = [{**rule, **found.get(_identity(rule, _RULE), {})} for rule in wire.get("rules", ())]
    return Events.from_wire({"from": start, "to": end, "complete": False, "rules": rules}).rules


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
        "rules": _latest_of_each((*old.get("rules", ()), *new.get("rules", ())), _RULE),
        "examined": _merge_examined((*old.get("examined", ()), *new.get("examined", ()))),
        "external_labels": {**old.get("external_labels", {}), **new.get("external_labels", {})},
        "from_metrics": any(wire.get("from_metrics", True) for wire in (old, new)),
        "kinds": sorted({*old.get("kinds", ()), *new.get("kinds", ())}),
        "remedy": new.get("remedy") or old.get("remedy", ""),
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
    for entry in wire.get("examined", ()):
        examined_rules(wire, entry["from"], entry["to"])


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
    by_identity = {_identity(record, keys): dict(record) for record in records}
    return [by_identity[key] for key in sorted(by_identity)]


def _merge_examined(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what was found out about each rule and time as it came last, with the label sets that anybody found."""
    by_identity: dict[str, dict[str, Any]] = {}
    for entry in entries:
        key = _identity(entry, (*_RULE, "from", "to"))
        merged = {**by_identity.get(key, {}), **entry}
        series = [*by_identity.get(key, {}).get("series", ()), *entry.get("series", ())]
        if "series" in merged:
            merged["series"] = [labels for at, labels in enumerate(series) if labels not in series[:at]]
        by_identity[key] = merged
    return [by_identity[key] for key in sorted(by_identity)]


def _identity(record: Mapping[str, Any], keys: Sequence[str]) -> str:
    return json.dumps([_plain(record.get(key)) for key in keys], sort_keys=True)


def _only(record: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: record[key] for key in keys if key in record}


def _plain(value: Any) -> Any:
    """Return numbers as one type, so that starts of 1 and 1.0 are the same."""
    return float(value) if isinstance(value, int) else value
