"""Judge telemetry by semantic conventions: OpenTelemetry's installed ones, or a registry that the contract names."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_telemetry_gate.replay.captured import MARKS
from pytest_telemetry_gate.replay.conventions.facts import (
    TEXTS,
    AttributeFacts,
    Conventions,
    GroupFacts,
    MetricFacts,
    namespace_of,
)
from pytest_telemetry_gate.replay.judge.attribute_rules import broken_rules, equals, format_nearest
from pytest_telemetry_gate.replay.judge.contract_report import ContractReport
from pytest_telemetry_gate.replay.otlp.records import (
    Attributes,
    AttributeValue,
    LogRecord,
    MetricRecord,
    Scope,
    SpanRecord,
)
from pytest_telemetry_gate.replay.suite.contracts import Contract
from pytest_telemetry_gate.replay.suite.rules import AttributeRule

__all__ = ["ConventionJudge"]

_MAX_VALUES = 12  # values of an enum that a message lists
_NUMBERS = frozenset({"int", "double"})
_INSTRUMENTS: dict[str, tuple[str, set[tuple[str, bool | None]]]] = {
    "counter": ("a sum that only rises", {("sum", True)}),
    "updowncounter": ("a sum that rises and falls", {("sum", False)}),
    "gauge": ("a gauge", {("gauge", None)}),
    "histogram": ("a histogram", {("histogram", None), ("exponential_histogram", None)}),
}


class ConventionJudge:
    """Reports once where selected telemetry is not as conventions say.

    An attribute that the contract has a rule about need not be known, and where the rule says which values it has, those
    that conventions list are not asked for; what is deprecated, and the type, is said all the same.
    """

    def __init__(
        self,
        report: ContractReport,
        contract: Contract,
        rules: Mapping[str, AttributeRule],
        conventions: Conventions,
    ) -> None:
        self._report = report
        self._fails = contract.semantic_conventions.level == "fail"
        self._rules = rules
        self._resource_rules = contract.resource
        self._conventions = conventions
        found = [conventions.group(name, contract.signal) for name in contract.semantic_conventions.groups]
        self._groups = [group for group in found if group is not None]
        self._reported: set[tuple[str, str]] = set()
        self._seen: set[int] = set()
        self._facts: dict[str, tuple[bool, AttributeFacts | None]] = {}

    def judge(self, selection: Sequence[Any]) -> None:
        """Judge spans, metrics or log records."""
        for item in selection:
            if isinstance(item, SpanRecord):
                self._judge_span(item)
            elif isinstance(item, MetricRecord):
                self._judge_metric(item)
            elif isinstance(item, LogRecord):
                self._judge_log(item)

    def _judge_span(self, span: SpanRecord) -> None:
        where = f"span {span.name}"
        self._judge_attributes(where, "attribute", span.attributes, self._rules)
        for group in self._own_groups():
            self._judge_group(where, "", group, span.attributes)
            if group.kind and group.kind != span.kind:
                message = f"kind: expected {group.kind} by {group.name} of {self._conventions.title}, got {span.kind}"
                self._add("span", where, message)
        for event in span.events:
            label = f"event {event.name}: "
            self._judge_event(where, label, event.name, event.attributes)
            self._judge_attributes(where, f"{label}attribute", event.attributes, {})
        for link in span.links:
            self._judge_attributes(where, "link: attribute", link.attributes, {})
        self._judge_origin(where, span.resource, span.scope)

    def _judge_metric(self, metric: MetricRecord) -> None:
        where = f"metric {metric.name}"
        facts = self._conventions.metric(metric.name)
        if facts is None:
            self._judge_unknown("metric", where, "name: ", metric.name, "metrics")
        else:
            for problem in _metric_problems(facts, metric, self._conventions.title):
                self._add("metric", where, problem)
        for point in metric.points:
            self._judge_attributes(where, "attribute", point.attributes, self._rules)
            for exemplar in point.exemplars:
                self._judge_attributes(where, "exemplar: attribute", exemplar.attributes, self._rules)
            for group in self._own_groups():
                self._judge_group(where, "", group, point.attributes)
            if facts is not None:
                self._judge_required(where, "", metric.name, facts.required, point.attributes)
        self._judge_origin(where, metric.resource, metric.scope)

    def _judge_log(self, log: LogRecord) -> None:
        where = f"log {str(log.body.content)[:40]!r}"
        if log.event_name:
            self._judge_event(where, f"event {log.event_name}: ", log.event_name, log.attributes)
        self._judge_attributes(where, "attribute", log.attributes, self._rules)
        for group in self._own_groups():
            self._judge_group(where, "", group, log.attributes)
        self._judge_origin(where, log.resource, log.scope)

    def _judge_origin(self, where: str, resource: Attributes, scope: Scope) -> None:
        """Judge resource and scope, each once, however much telemetry they have."""
        for label, attributes, rules in (
            ("resource attribute", resource, self._resource_rules),
            ("scope attribute", scope.attributes, {}),
        ):
            if id(attributes) in self._seen:
                continue
            self._seen.add(id(attributes))
            self._judge_attributes(where, label, attributes, rules)
            if attributes is resource:
                for group in self._groups:
                    if group.signal == "entity":
                        self._judge_group(where, "resource ", group, resource)

    def _judge_attributes(
        self, where: str, label: str, attributes: Attributes, rules: Mapping[str, AttributeRule]
    ) -> None:
        for name, value in attributes.items():
            is_known, facts = self._facts_of(name)
            if facts is not None:
                if problem := self._problem(facts, value, rules.get(name)):
                    self._add("attribute", where, f"{label} {name}: {problem}", attribute=name)
            elif not is_known and name not in rules and not name.startswith(MARKS):
                self._judge_unknown("attribute", where, f"{label} {name}: ", name, "attributes")

    def _facts_of(self, name: str) -> tuple[bool, AttributeFacts | None]:
        """Return whether a name is right, and what is known of it; of names in other namespaces nothing is."""
        if name not in self._facts:
            facts = self._conventions.attribute(name)
            is_covered = self._conventions.covers(name, "attributes")
            if facts is None and is_covered:
                facts = self._conventions.template_of(name)
            self._facts[name] = (facts is not None or not is_covered, facts)
        return self._facts[name]

    def _problem(self, facts: AttributeFacts, value: AttributeValue, rule: AttributeRule | None) -> str:
        """Return what is wrong with the name or the value of a known attribute, or nothing."""
        if facts.deprecated:
            return f"deprecated: {facts.deprecated}"
        title = self._conventions.title
        if facts.type == TEXTS:
            items = value.content if value.type == "array" else (value,)
            if any(item.type != "string" for item in items):
                return f"expected {TEXTS}, got {value.shown()} ({title})"
        elif (
            facts.type
            and value.type != facts.type
            and not (facts.type == "number" and value.type in _NUMBERS)
        ):
            broken = next(broken_rules({"": _typed(facts.type)}, {"": value}, {}), None)
            if broken is not None:
                return f"{broken.message} ({title})"
        if not facts.values or (rule is not None and _says_values(rule)):
            return ""
        for item in value.content if value.type == "array" else (value,):
            if item.type == "string" and item.content in facts.values and not facts.deprecated_values:
                continue
            listed = next((listed for listed in facts.values if equals(item, listed)), None)
            if listed is not None and listed in facts.deprecated_values:
                return f"value {item.shown()} is deprecated: {facts.deprecated_values[listed]}"
            if listed is None and not facts.is_open:
                return _unlisted(facts, item, title)
        return ""

    def _judge_event(self, where: str, label: str, name: str, attributes: Attributes) -> None:
        event = self._conventions.event(name)
        if event is None:
            self._judge_unknown("event", where, label, name, "events")
        else:
            if event.deprecated:
                self._add("event", where, f"{label}deprecated: {event.deprecated}")
            self._judge_group(where, label, event, attributes)

    def _judge_group(self, where: str, label: str, group: GroupFacts, attributes: Attributes) -> None:
        self._judge_required(where, label, group.name, group.required, attributes)

    def _judge_required(
        self, where: str, label: str, group: str, required: Iterable[str], attributes: Attributes
    ) -> None:
        for name in required:
            if name not in attributes and not any(key.startswith(f"{name}.") for key in attributes):
                near = format_nearest(
                    name, [key for key in attributes if self._conventions.attribute(key) is None]
                )
                message = f"{label}attribute {name}: required by {group} of {self._conventions.title}, missing{near}"
                self._add("attribute", where, message, attribute=name)

    def _judge_unknown(self, subject: str, where: str, label: str, name: str, signal: str) -> None:
        if self._conventions.covers(name, signal):
            near = format_nearest(name, self._conventions.near(name))
            message = (
                f"{label}not in {self._conventions.title}, whose namespace {namespace_of(name)!r} is{near}"
            )
            self._add(subject, where, message)

    def _own_groups(self) -> Iterable[GroupFacts]:
        """Yield the groups that are about what is selected itself."""
        return (group for group in self._groups if group.signal != "entity")

    def _add(self, subject: str, where: str, message: str, **context: Any) -> None:
        if (where, message) not in self._reported:
            self._reported.add((where, message))
            self._report.add(f"{subject}.convention", where, message, fails=self._fails, **context)


def _metric_problems(facts: MetricFacts, metric: MetricRecord, title: str) -> Iterable[str]:
    if facts.deprecated:
        yield f"name: deprecated: {facts.deprecated}"
    expected, shapes = _INSTRUMENTS.get(facts.instrument or "", ("", set()))
    if shapes and (metric.type, metric.monotonic) not in shapes:
        rises = {True: " that only rises", False: " that rises and falls", None: ""}[metric.monotonic]
        yield f"type: expected {expected} ({facts.instrument} in {title}), got {metric.type}{rises}"
    if facts.unit is not None and facts.unit != metric.unit:
        yield f"unit: expected {facts.unit} ({title}), got {metric.unit or 'none'}"


def _unlisted(facts: AttributeFacts, value: AttributeValue, title: str) -> str:
    values = [str(listed) for listed in facts.values if listed not in facts.deprecated_values]
    listed = ", ".join(values[:_MAX_VALUES]) + (", ..." if len(values) > _MAX_VALUES else "")
    near = format_nearest(str(value.content), values)
    return (
        f"expected one of the values of {title}, {listed}, got {value.shown()}{near}; "
        "for others the contract needs a rule with enum, equals or regex"
    )


def _says_values(rule: AttributeRule) -> bool:
    return rule.enum is not None or rule.equals is not None or rule.regex is not None


@functools.cache
def _typed(type_: str) -> AttributeRule:
    return AttributeRule.model_validate({"type": type_})
