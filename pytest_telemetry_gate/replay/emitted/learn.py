"""Learn contracts from captures: what was always there is required, what was seldom different is listed.

A learned contract says what was seen, not what is right: it is a draft for people to review.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from pytest_telemetry_gate.replay.emitted.shapes import (
    AttributeShape,
    Shape,
    SpanShape,
    shape_of,
    shape_of_spans,
)
from pytest_telemetry_gate.replay.judge.span_tree import SpanTree
from pytest_telemetry_gate.replay.otlp.records import Attributes, LogRecord, MetricRecord
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData
from pytest_telemetry_gate.support.secrets import is_secret_name

__all__ = ["learn_contracts"]

_MAX_LISTED = 5  # values that an enum lists
_SEEN_EACH = 2  # how often each value must have been seen, on average, before the list may be whole
_MAX_PARENTS = 10
_FIXED_RESOURCE = frozenset(
    {"service.name", "service.namespace", "telemetry.sdk.language", "telemetry.sdk.name"}
)
_OF_THE_MACHINE = ("host.", "process.", "os.", "container.", "k8s.pod.", "service.instance.")
_LAST = re.compile(r"[^ /.:]*$")
_WORD = re.compile(r"[A-Za-z0-9]+")
_NAME = re.compile(r"[A-Za-z][A-Za-z_./: -]*")  # the name of something; numbers, ids and versions have digits

Contracts = dict[str, dict[str, Any]]


def learn_contracts(captures: Sequence[TelemetryData]) -> Contracts:
    """Return contracts by name, as builtins in the order in which a suite writes their keys.

    There is one for each name and kind of span, for each metric, and for each scope and severity of log records. The same
    captures, in any order, give the same contracts.
    """
    found = [*_span_contracts(captures), *_metric_contracts(captures), *_log_contracts(captures)]
    contracts: Contracts = {}
    for wanted, contract in found:
        name, number = wanted, 2
        while name in contracts:
            name, number = f"{wanted}_{number}", number + 1
        contracts[name] = contract
    return contracts


def _span_contracts(captures: Sequence[TelemetryData]) -> Iterable[tuple[str, dict[str, Any]]]:
    trees: dict[int, SpanTree] = {}
    for telemetry in captures:
        tree = SpanTree(telemetry.spans)
        trees.update((id(span), tree) for span in telemetry.spans)
    drafts: list[tuple[str, str, dict[str, Any]]] = []
    for (name, kind), spans in _grouped([one.spans for one in captures], lambda span: (span.name, span.kind)):
        shape = shape_of_spans([span for group in spans for span in group], trees)
        contract: dict[str, Any] = {"count": _bounds(map(len, spans))} | _place(shape)
        if "error" not in shape.statuses:
            contract["status"] = {"not": "error"}
        records = [(span.attributes, {"status": span.status}) for group in spans for span in group]
        contract |= _rules(shape, records, with_resource=shape.entries > 0)
        events = {event: _event(shape, event) for event in sorted(shape.events)}
        contract |= {"events": events} if events else {}
        contract |= {"links": {"count": _bounds(shape.links)}} if any(shape.links) else {}
        drafts.append((name, kind, contract))
    for names, kind, contract in _merged(drafts):
        select = {"name": names[0] if len(names) == 1 else {"regex": _pattern(names)}, "kind": kind}
        yield _slug(_common(names), "span"), {"select": select, **contract}


def _merged(drafts: Iterable[tuple[str, str, dict[str, Any]]]) -> list[tuple[list[str], str, dict[str, Any]]]:
    """Join contracts that say the same of spans whose names begin alike, such as those of one route for each language."""
    merged: list[tuple[list[str], str, dict[str, Any]]] = []
    for name, kind, contract in drafts:
        for names, other_kind, other in merged:
            if (kind, _beginning(name), contract) == (other_kind, _beginning(names[0]), other) and _beginning(
                name
            ):
                names.append(name)
                break
        else:
            merged.append(([name], kind, contract))
    return merged


def _beginning(name: str) -> str:
    """Return a name up to its last part, which often is what differs."""
    return _LAST.sub("", name)


def _common(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else _beginning(names[0])


def _pattern(names: Sequence[str]) -> str:
    """Return a pattern of RE2 for exactly these names, with what they begin with written once."""
    patterns = []
    for beginning, group in groupby(sorted(names, key=_beginning), key=_beginning):
        ends = sorted(_escape(name.removeprefix(beginning)) for name in group)
        patterns.append(_escape(beginning) + (ends[0] if len(ends) == 1 else f"({'|'.join(ends)})"))
    return "|".join(patterns)


def _place(shape: SpanShape) -> dict[str, Any]:
    """Return what a contract says of the spans above and below."""
    place: dict[str, Any] = {}
    parents = sorted(shape.parents)
    if shape.roots == shape.count:
        place["parent"] = "none"
    elif shape.parents.total() == shape.count and len(parents) <= _MAX_PARENTS:
        place["parent"] = {"name": parents[0] if len(parents) == 1 else {"regex": _pattern(parents)}}
    children = {name: _bounds(numbers, least=0) for name, numbers in sorted(shape.children.items())}
    return place | ({"children": children} if children else {})


def _event(shape: SpanShape, name: str) -> dict[str, Any]:
    rules = _attribute_rules(shape.events[name], ())
    count = _bounds(shape.event_counts[name], least=0)
    return {"count": count} | ({"attributes": rules} if rules else {})


def _metric_contracts(captures: Sequence[TelemetryData]) -> Iterable[tuple[str, dict[str, Any]]]:
    for (name,), groups in _grouped([one.metrics for one in captures], lambda metric: (metric.name,)):
        metrics: list[MetricRecord] = [metric for group in groups for metric in group]
        contract: dict[str, Any] = {"signal": "metrics", "select": {"name": name}}
        for key in ("type", "unit", "monotonic", "temporality"):
            values = {getattr(metric, key) for metric in metrics}
            if len(values) == 1 and (value := values.pop()) not in {None, "", "none", "unspecified"}:
                contract[key] = value
        shape = Shape()
        for metric in metrics:
            for point in metric.points:
                shape.add(point.attributes, metric.resource)
        yield (
            _slug(name, "metric"),
            contract
            | _rules(shape, [(point.attributes, {}) for metric in metrics for point in metric.points]),
        )


def _log_contracts(captures: Sequence[TelemetryData]) -> Iterable[tuple[str, dict[str, Any]]]:
    def key(log: LogRecord) -> tuple[str, str]:
        return log.severity, log.scope.name

    for (severity, scope), groups in _grouped([one.logs for one in captures], key):
        logs = [log for group in groups for log in group]
        contract: dict[str, Any] = {"signal": "logs", "select": {}, "count": {"min": 1}}
        contract["select"] |= {"severity": severity} if severity else {}
        contract["select"] |= {"scope": scope} if scope else {}
        if all(log.trace_id and log.span_id for log in logs):
            contract["correlated"] = True
        yield (
            _slug(f"{severity} {scope}", "log"),
            contract | _rules(shape_of(logs), [(log.attributes, {}) for log in logs]),
        )


def _grouped(captures: Sequence[Sequence[Any]], key: Any) -> Iterable[tuple[Any, list[list[Any]]]]:
    """Yield each key in order, with the records that have it, in a list for each capture that has any."""
    numbered = sorted(
        ((key(record), number, record) for number, records in enumerate(captures) for record in records),
        key=lambda one: one[:2],
    )
    for found, entries in groupby(numbered, key=lambda one: one[0]):
        yield (
            found,
            [[record for *_, record in group] for _, group in groupby(entries, key=lambda one: one[1])],
        )


def _bounds(numbers: Iterable[int], least: int = 1) -> Any:
    """Return how many there were, as a contract writes it; an upper bound only where there was never another number."""
    seen = sorted(set(numbers))
    return seen[0] if len(seen) == 1 else {"min": max(least, seen[0])}


def _rules(
    shape: Shape, records: Sequence[tuple[Attributes, Mapping[str, str]]], *, with_resource: bool = True
) -> dict[str, Any]:
    """Return the rules by attribute; a process has one resource, so its spans that begin something say enough of it."""
    kept = {name: one for name, one in shape.resource.items() if not name.startswith(_OF_THE_MACHINE)}
    resource = {
        name: _rule(one, shape.count, listed=name in _FIXED_RESOURCE and _is_list(name, one))
        for name, one in sorted(kept.items())
    }
    attributes = _attribute_rules(shape, records)
    rules: dict[str, Any] = {"resource": resource} if resource and with_resource else {}
    return rules | ({"attributes": attributes} if attributes else {}) | {"unknown_attributes": "warn"}


def _attribute_rules(
    shape: Shape, records: Sequence[tuple[Attributes, Mapping[str, str]]]
) -> dict[str, dict[str, Any]]:
    rules = {
        name: _rule(one, shape.count, listed=_is_list(name, one))
        for name, one in sorted(shape.attributes.items())
    }
    conditions = _conditions(shape, records)
    for name, rule in rules.items():
        if "required" not in rule:
            there = [name in attributes for attributes, _ in records]
            when = next((when for key, when, holds in conditions if key != name and holds == there), None)
            if when is not None:
                rule["required_when"] = when
    return rules


def _rule(one: AttributeShape, count: int, *, listed: bool) -> dict[str, Any]:
    rule: dict[str, Any] = {}
    types = set(one.types)
    if types <= {"int", "double"} and "double" in types:
        rule["type"] = "number"  # JavaScript's SDK writes 2.0 as an int
    elif len(types) == 1 and not types & {"array", "empty"}:
        rule["type"] = types.pop()
    if one.present == count:
        rule["required"] = True
    if listed:
        rule["enum"] = sorted(one.values or ())
    return rule


def _is_list(name: str, one: AttributeShape) -> bool:
    """Tell whether the values seen may be all that there are, and may be written: few words, each seen again."""
    return (
        not is_secret_name(name)
        and one.values is not None
        and set(one.types) == {"string"}
        and len(one.values) <= _MAX_LISTED
        and one.present >= _SEEN_EACH * len(one.values)
        and all(_NAME.fullmatch(value) for value in one.values)
    )


def _conditions(
    shape: Shape, records: Sequence[tuple[Attributes, Mapping[str, str]]]
) -> list[tuple[str, dict[str, Any], list[bool]]]:
    """Return what may explain that an attribute is sometimes missing: its key, the condition, and where it holds.

    Each holds for some records and not for others.
    """
    found = [
        (key, value, [context[key] == value for _, context in records])
        for key in sorted({key for _, context in records for key in context})
        for value in sorted({context[key] for _, context in records})
    ]
    for key, one in sorted(shape.attributes.items()):
        for value in sorted(one.values or ()) if _is_list(key, one) else ():
            holds = [key in attributes and attributes[key].content == value for attributes, _ in records]
            found.append((key, value, holds))
    return [(key, {key: value}, holds) for key, value, holds in found if any(holds) and not all(holds)]


def _slug(name: str, fallback: str) -> str:
    """Return a name for a contract: the words of what it is about."""
    return "_".join(_WORD.findall(name)).lower() or fallback


def _escape(name: str) -> str:
    """Return a pattern of RE2 for exactly this name."""
    return re.sub(r"([^\w /])", r"\\\1", name)
