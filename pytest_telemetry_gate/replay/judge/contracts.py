"""Captured telemetry held against contracts; pure, so that an old capture can be judged by a new contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pytest_telemetry_gate.replay.judge.conventions import convention_problem
from pytest_telemetry_gate.replay.otlp.telemetry import (
    Attributes,
    AttributeValue,
    LogRecord,
    MetricRecord,
    SpanRecord,
    TelemetryData,
)
from pytest_telemetry_gate.replay.suite.contracts import (
    AttributeRule,
    Contract,
    CountBounds,
    LogContract,
    MetricContract,
    NotStatus,
    SpanContract,
    SpanSelect,
    fullmatch,
)

__all__ = ["Finding", "Judgement", "amount", "fields_of", "judge_contract", "selected"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as the contract says; ``grave`` unless it only warns."""

    where: str
    what: str
    grave: bool = True

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(slots=True)
class Judgement:
    """What was found, how many things were judged, and which fields of the contract were exercised."""

    findings: list[Finding] = field(default_factory=list)
    judged: int = 0
    exercised: set[str] = field(default_factory=set)


def fields_of(contract: Contract) -> set[str]:
    """Return the fields of a contract that cases can exercise, as ``attributes.parser.language``.

    What is forbidden is exercised by every span that was looked at, so it is none of them.
    """
    found = {f"attributes.{name}" for name, rule in contract.attributes.items() if not rule.forbidden}
    found |= {f"resource.{name}" for name, rule in contract.resource.items() if not rule.forbidden}
    if isinstance(contract, SpanContract):
        found |= {f"events.{name}" for name, rule in contract.events.items() if rule.count.max != 0}
        found |= {"links"} if contract.links is not None and contract.links.count.max != 0 else set()
    return found


def selected(contract: Contract, telemetry: TelemetryData) -> Sequence[Any]:
    """Return the spans, metrics or log records that a contract is about."""
    if isinstance(contract, SpanContract):
        return [span for span in telemetry.spans if _is(contract.select, span)]
    if isinstance(contract, MetricContract):
        return [one for one in telemetry.metrics if contract.select.name.holds(one.name)]
    return [log for log in telemetry.logs if _is_log(contract, log)]


def amount(contract: Contract, found: Sequence[Any]) -> int:
    """Return how many of what a contract selected there are; a metric is exported again and again, and counts once."""
    return len({one.name for one in found}) if isinstance(contract, MetricContract) else len(found)


def judge_contract(
    contract: Contract,
    telemetry: TelemetryData,
    *,
    name: str,
    overlay: Mapping[str, AttributeRule] | None = None,
    count: CountBounds | None = None,
) -> Judgement:
    """Hold telemetry against a contract.

    ``overlay`` has further rules for attributes that one case adds, ``count`` goes before the contract's own. A
    contract that selects nothing fails unless it says that nothing is right.
    """
    result = Judgement()
    found = selected(contract, telemetry)
    wanted = contract.count if count is None else count
    number = amount(contract, found)
    if not wanted.holds(number):
        result.findings.append(Finding(f"contract {name}", _counted(contract, wanted, number, telemetry)))
    rules = {**contract.attributes}
    for key, rule in (overlay or {}).items():
        rules[key] = _united(rules.get(key), rule)
    subject = _Subject(contract, rules, result)
    if isinstance(contract, SpanContract):
        tree = Tree(telemetry.spans)
        for span in found:
            subject.span(contract, span, tree)
    elif isinstance(contract, MetricContract):
        subject.metrics(contract, found)
    else:
        ids = {(span.trace_id, span.span_id) for span in telemetry.spans}
        for log in found:
            subject.log(contract, log, ids)
    result.judged = len(found)
    return result


class Tree:
    """Spans by their ids, and by their parents'."""

    def __init__(self, spans: Iterable[SpanRecord]) -> None:
        self.spans = {(span.trace_id, span.span_id): span for span in spans}
        self._children: dict[tuple[str, str], list[SpanRecord]] = {}
        for span in self.spans.values():
            self._children.setdefault((span.trace_id, span.parent_id), []).append(span)

    def parent(self, span: SpanRecord) -> SpanRecord | None:
        """Return the captured span above one, or None."""
        return self.spans.get((span.trace_id, span.parent_id)) if span.parent_id else None

    def children(self, span: SpanRecord) -> Sequence[SpanRecord]:
        """Return the captured spans directly below one."""
        return self._children.get((span.trace_id, span.span_id), ())


class _Subject:
    """One contract at work."""

    def __init__(self, contract: Contract, rules: Mapping[str, AttributeRule], result: Judgement) -> None:
        self._contract = contract
        self._rules = rules
        self._result = result
        self._conventions: dict[str, str] = {}

    def _add(self, where: str, what: str, *, grave: bool = True) -> None:
        self._result.findings.append(Finding(where, what, grave))

    def _attributes(self, where: str, found: Attributes, context: Mapping[str, Any]) -> None:
        for key, what in judge_rules(self._rules, found, context):
            self._add(where, f"attribute {key}: {what}")
        self._result.exercised.update(f"attributes.{key}" for key in self._rules if key in found)
        unknown = self._contract.unknown_attributes
        if unknown != "allow":
            for key in found:
                if key not in self._rules:
                    what = f"attribute {key}: not in the contract{_near(key, self._rules)}"
                    self._add(where, what, grave=unknown == "fail")
        conventions = self._contract.semantic_conventions
        if conventions != "ignore":
            for key in found:
                if key not in self._conventions:
                    self._conventions[key] = convention_problem(key)
                if self._conventions[key]:
                    what = f"attribute {key}: {self._conventions[key]}"
                    self._add(where, what, grave=conventions == "fail")

    def _resource(self, where: str, found: Attributes) -> None:
        for key, what in judge_rules(self._contract.resource, found, {}):
            self._add(where, f"resource attribute {key}: {what}")
        self._result.exercised.update(f"resource.{key}" for key in self._contract.resource if key in found)

    def span(self, contract: SpanContract, span: SpanRecord, tree: Tree) -> None:
        where = f"span {span.name}"
        self._attributes(
            where, span.attributes, {"status": span.status, "kind": span.kind, "name": span.name}
        )
        self._resource(where, span.resource)
        self._family(contract, span, tree, where)
        status = contract.status
        if isinstance(status, NotStatus):
            if span.status == status.not_:
                told = f" ({span.status_message})" if span.status_message else ""
                self._add(where, f"status: expected not {status.not_}, got {span.status}{told}")
        elif status is not None and span.status != status:
            self._add(where, f"status: expected {status}, got {span.status}")
        if span.end < span.start or not span.start:
            self._add(where, "times: it ends before it starts, or never started")
        limits = contract.duration
        if limits is not None:
            if limits.max is not None and span.duration > limits.max:
                self._add(where, f"duration: {span.duration:.6g} s, at most {limits.max:g} s")
            if limits.min is not None and span.duration < limits.min:
                self._add(where, f"duration: {span.duration:.6g} s, at least {limits.min:g} s")
        for name, rule in contract.events.items():
            events = [event for event in span.events if event.name == name]
            if not rule.count.holds(len(events)):
                others = [event.name for event in span.events if event.name not in contract.events]
                near = _near(name, others) if len(events) < rule.count.min else ""
                self._add(where, f"event {name}: expected {rule.count.shown()}, got {len(events)}{near}")
            for event in events:
                self._result.exercised.add(f"events.{name}")
                for key, what in judge_rules(rule.attributes, event.attributes, {}):
                    self._add(where, f"event {name}: attribute {key}: {what}")
        if contract.links is not None:
            if not contract.links.count.holds(len(span.links)):
                self._add(where, f"links: expected {contract.links.count.shown()}, got {len(span.links)}")
            for link in span.links:
                self._result.exercised.add("links")
                for key, what in judge_rules(contract.links.attributes, link.attributes, {}):
                    self._add(where, f"link: attribute {key}: {what}")

    def _family(self, contract: SpanContract, span: SpanRecord, tree: Tree, where: str) -> None:
        wanted = contract.parent
        if wanted == "none":
            if span.parent_id:
                self._add(where, f"parent: expected none, got {span.parent_id}")
        elif wanted is not None:
            parent = tree.parent(span)
            if not span.parent_id:
                self._add(where, f"parent: expected {wanted.shown()}, but it is a root")
            elif parent is None:
                self._add(
                    where,
                    f"parent: expected {wanted.shown()}, but {span.parent_id} was not captured (orphan)",
                )
            elif not _is(wanted, parent):
                self._add(where, f"parent: expected {wanted.shown()}, got {parent.name} (kind {parent.kind})")
        for name, count in contract.children.items():
            number = sum(child.name == name for child in tree.children(span))
            if not count.holds(number):
                others = [child.name for child in tree.children(span) if child.name not in contract.children]
                near = _near(name, others) if number < count.min else ""
                self._add(where, f"children: expected {count.shown()} {name}, got {number}{near}")

    def metrics(self, contract: MetricContract, found: Sequence[MetricRecord]) -> None:
        sets: dict[str, set[frozenset[tuple[str, Any]]]] = {}
        for metric in found:
            where = f"metric {metric.name}"
            for key in ("type", "unit", "monotonic", "temporality"):
                wanted, got = getattr(contract, key), getattr(metric, key)
                if wanted is not None and wanted != got:
                    self._add(where, f"{key}: expected {_word(wanted)}, got {_word(got)}")
            self._resource(where, metric.resource)
            if not metric.points:
                self._add(where, "it has no data points")
            for point in metric.points:
                self._attributes(where, point, {"name": metric.name})
                sets.setdefault(metric.name, set()).add(
                    frozenset((key, str(value)) for key, value in point.items())
                )
        for name, distinct in sets.items():
            if contract.cardinality is not None and len(distinct) > contract.cardinality:
                what = f"cardinality: {len(distinct)} attribute sets, at most {contract.cardinality}"
                self._add(f"metric {name}", what)
        # One export after the other says the same, and once is enough.
        self._result.findings[:] = dict.fromkeys(self._result.findings)

    def log(self, contract: LogContract, log: LogRecord, ids: set[tuple[str, str]]) -> None:
        where = f"log {str(log.body.content)[:40]!r}"
        self._attributes(where, log.attributes, {"severity": log.severity})
        self._resource(where, log.resource)
        if contract.body is not None and not contract.body.holds(str(log.body.content)):
            self._add(where, f"body: expected {contract.body.shown()}")
        if contract.severity is not None and contract.severity != log.severity:
            self._add(where, f"severity: expected {contract.severity}, got {log.severity or 'none'}")
        if contract.correlated and (log.trace_id, log.span_id) not in ids:
            self._add(where, f"correlation: span {log.span_id or 'none'} was not captured")


def judge_rules(
    rules: Mapping[str, AttributeRule], found: Attributes, context: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yield attribute and message for every rule that some attributes break."""
    for key, rule in rules.items():
        value = found.get(key)
        if rule.forbidden:
            if value is not None:
                yield key, "forbidden, but it is there"  # its value may be what must not be shown
        elif value is None:
            if rule.required:
                yield key, f"required, missing{_near(key, [one for one in found if one not in rules])}"
            elif rule.required_when is not None and _applies(rule.required_when, found, context):
                when = ", ".join(f"{name} {_word(wanted)}" for name, wanted in rule.required_when.items())
                yield key, f"required when {when}, missing"
        elif (problem := _problem(rule, value)) is not None:
            yield key, problem


def _applies(conditions: Mapping[str, Any], found: Attributes, context: Mapping[str, Any]) -> bool:
    return all(
        context[name] == wanted if name in context else _equal(found.get(name), wanted)
        for name, wanted in conditions.items()
    )


def _problem(rule: AttributeRule, value: AttributeValue) -> str | None:
    if rule.type is not None and not _typed(rule.type, value):
        return f"expected {_expected(rule)}, got {value.shown()}{_whole(rule.type, value)}"
    if rule.equals is not None and not _equal(value, rule.equals):
        return f"expected {_word(rule.equals)}, got {value.shown()}"
    items = value.content if value.type == "array" else (value,)
    if rule.enum is not None:
        for item in items:
            if not any(_equal(item, one) for one in rule.enum):
                return f"expected one of {', '.join(map(_word, rule.enum))}, got {item.shown()}"
    if rule.regex is not None:
        for item in items:
            if item.type != "string" or not fullmatch(rule.regex, item.content):
                return f"expected a match of /{rule.regex}/, got {item.shown()}"
    if rule.min is not None or rule.max is not None:
        return _bounded(rule, value)
    return None


def _bounded(rule: AttributeRule, value: AttributeValue) -> str | None:
    if value.type == "array":
        size, unit = len(value.content), " items"
    elif value.type in {"int", "double"}:
        size, unit = value.content, ""
    else:
        return f"expected {_expected(rule)}, got {value.shown()}"
    # Written so that NaN is outside.
    inside = (rule.min is None or size >= rule.min) and (rule.max is None or size <= rule.max)
    return None if inside else f"expected {_expected(rule)}{unit}, got {value.shown()}"


def _expected(rule: AttributeRule) -> str:
    words: list[str] = [rule.type or "number"]
    if rule.min is not None:
        words.append(f">= {rule.min:g}")
    if rule.max is not None:
        words.append(f"<= {rule.max:g}")
    return " ".join(words)


def _typed(wanted: str, value: AttributeValue) -> bool:
    if wanted.endswith("[]"):
        return value.type == "array" and all(_typed(wanted[:-2], item) for item in value.content)
    return value.type in {"int", "double"} if wanted == "number" else value.type == wanted


def _whole(wanted: str, value: AttributeValue) -> str:
    """Return a hint where the only trouble is that doubles are written as whole numbers."""
    number = wanted.replace("double", "number")
    if number == wanted or not _typed(number, value):
        return ""
    return f" (JavaScript's SDK exports whole numbers as int; {number} takes both)"


def _equal(value: AttributeValue | None, wanted: Any) -> bool:
    """Compare without mixing types: 1 is not true, and "1" is not 1; int and double may be equal."""
    if value is None:
        return False
    if value.type == "array":
        return (
            isinstance(wanted, tuple | list)
            and len(wanted) == len(value.content)
            and all(map(_equal, value.content, wanted))
        )
    if isinstance(wanted, bool) or value.type == "bool":
        return isinstance(wanted, bool) and value.type == "bool" and value.content == wanted
    return bool(value.content == wanted)


def _is(select: SpanSelect, span: SpanRecord) -> bool:
    return (
        (select.name is None or select.name.holds(span.name))
        and (select.kind is None or select.kind == span.kind)
        and (select.scope is None or select.scope.holds(span.scope))
        and all(_equal(span.attributes.get(key), wanted) for key, wanted in select.attributes.items())
        and all(_equal(span.resource.get(key), wanted) for key, wanted in select.resource.items())
    )


def _is_log(contract: LogContract, log: LogRecord) -> bool:
    select = contract.select
    return (
        (select.body is None or select.body.holds(str(log.body.content)))
        and (select.severity is None or select.severity == log.severity)
        and all(_equal(log.attributes.get(key), wanted) for key, wanted in select.attributes.items())
    )


def _counted(contract: Contract, wanted: CountBounds, number: int, telemetry: TelemetryData) -> str:
    if isinstance(contract, SpanContract):
        what, names = contract.select.shown(), {span.name for span in telemetry.spans}
    elif isinstance(contract, MetricContract):
        what, names = contract.select.name.shown(), {metric.name for metric in telemetry.metrics}
    else:
        what, names = "log records", set()
    told = f"expected {wanted.shown()} {contract.signal} {what}, got {number}"
    if number >= wanted.min:
        return told
    if not names:
        return told + (f"; no {contract.signal} were captured" if contract.signal != "logs" else "")
    shown = sorted(names)
    return f"{told}{_near(_text(contract), names)}; captured: {', '.join(shown[:5])}{', ...' if len(shown) > 5 else ''}"


def _text(contract: Contract) -> str:
    """Return the name that a contract selects by, such as it is written."""
    name = getattr(contract.select, "name", None)
    return "" if name is None else name.equals or name.regex or ""


def _united(own: AttributeRule | None, more: AttributeRule) -> AttributeRule:
    if own is None:
        return more.model_copy(update={"required": True}) if more.equals is not None else more
    changes = {key: getattr(more, key) for key in more.model_fields_set}
    if more.equals is not None:
        changes["required"] = True
    return own.model_copy(update=changes)


def _near(name: str, names: Iterable[str]) -> str:
    found = get_close_matches(name, list(names), 1)
    return f" (near: {found[0]})" if found else ""


def _word(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_word, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
