"""Judge captured telemetry by contracts; pure, so that an old capture can be judged by a new contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_telemetry_gate.model.dossier import Finding
from pytest_telemetry_gate.replay.judge.attribute_rules import (
    combine_rules,
    equals,
    format_nearest,
    format_yaml,
)
from pytest_telemetry_gate.replay.judge.contract_report import ContractReport
from pytest_telemetry_gate.replay.judge.span_tree import SpanTree
from pytest_telemetry_gate.replay.judge.spans import judge_span, selects_span
from pytest_telemetry_gate.replay.otlp.telemetry import LogRecord, MetricRecord, TelemetryData
from pytest_telemetry_gate.replay.suite.contracts import (
    AttributeRule,
    Contract,
    CountBounds,
    LogContract,
    MetricContract,
    SpanContract,
)

__all__ = ["ContractJudgement", "contract_fields", "count_selected", "judge_contract", "select"]

_MAX_NAMES = 5  # captured names that a message lists


@dataclass(frozen=True, slots=True)
class ContractJudgement:
    """The findings, how many things were judged, and which fields of the contract were exercised."""

    findings: tuple[Finding, ...]
    judged: int
    exercised: frozenset[str]


def contract_fields(contract: Contract) -> set[str]:
    """Return the fields of a contract that cases can exercise, as ``attributes.parser.language``.

    Forbidden fields are left out: every span that is looked at would exercise them.
    """
    fields = {f"attributes.{name}" for name, rule in contract.attributes.items() if not rule.forbidden}
    fields |= {f"resource.{name}" for name, rule in contract.resource.items() if not rule.forbidden}
    if isinstance(contract, SpanContract):
        fields |= {f"events.{name}" for name, rule in contract.events.items() if rule.count.max != 0}
        fields |= {"links"} if contract.links is not None and contract.links.count.max != 0 else set()
    return fields


def select(contract: Contract, telemetry: TelemetryData) -> Sequence[Any]:
    """Return the spans, metrics or log records that a contract is about."""
    if isinstance(contract, SpanContract):
        return [span for span in telemetry.spans if selects_span(contract.select, span)]
    if isinstance(contract, MetricContract):
        return [metric for metric in telemetry.metrics if contract.select.name.holds(metric.name)]
    return [log for log in telemetry.logs if _selects_log(contract, log)]


def count_selected(contract: Contract, selection: Sequence[Any]) -> int:
    """Return how many things a contract selected; a metric is exported again and again, and counts once."""
    if isinstance(contract, MetricContract):
        return len({metric.name for metric in selection})
    return len(selection)


def judge_contract(
    contract: Contract,
    telemetry: TelemetryData,
    *,
    name: str,
    overlay: Mapping[str, AttributeRule] | None = None,
    count: CountBounds | None = None,
) -> ContractJudgement:
    """Judge telemetry by a contract; raises DriveError where the semantic conventions are not installed.

    ``overlay`` has further rules for attributes that one case adds; ``count`` replaces the contract's own. A contract
    that selects nothing fails unless its count allows none.
    """
    selection = select(contract, telemetry)
    report = ContractReport(contract, name, combine_rules(contract.attributes, overlay or {}))
    bounds, number = contract.count if count is None else count, count_selected(contract, selection)
    if not bounds.holds(number):
        message = _count_message(contract, bounds, number, telemetry)
        report.add("contract.count", f"contract {name}", message, expected=bounds.shown(), got=number)
    if isinstance(contract, SpanContract):
        tree = SpanTree(telemetry.spans)
        for span in selection:
            judge_span(report, contract, span, tree)
    elif isinstance(contract, MetricContract):
        _judge_metrics(report, contract, selection)
    else:
        ids = {(span.trace_id, span.span_id) for span in telemetry.spans}
        for log in selection:
            _judge_log(report, contract, log, ids)
    return ContractJudgement(tuple(report.findings), len(selection), frozenset(report.exercised))


def _judge_metrics(report: ContractReport, contract: MetricContract, metrics: Sequence[MetricRecord]) -> None:
    label_sets: dict[str, set[frozenset[tuple[str, str]]]] = {}
    for metric in metrics:
        where = f"metric {metric.name}"
        for key in ("type", "unit", "monotonic", "temporality"):
            expected, got = getattr(contract, key), getattr(metric, key)
            if expected is not None and expected != got:
                message = f"{key}: expected {format_yaml(expected)}, got {format_yaml(got)}"
                report.add(f"metric.{key}", where, message, expected=expected, got=got)
        report.judge_resource(where, metric.resource)
        if not metric.points:
            report.add("metric.points", where, "it has no data points")
        for point in metric.points:
            report.judge_attributes(where, point, {"name": metric.name})
            label_sets.setdefault(metric.name, set()).add(
                frozenset((key, str(value)) for key, value in point.items())
            )
    for name, distinct in label_sets.items():
        if contract.cardinality is not None and len(distinct) > contract.cardinality:
            message = f"cardinality: {len(distinct)} attribute sets, at most {contract.cardinality}"
            report.add("metric.cardinality", f"metric {name}", message, got=len(distinct))
    # Every export of a metric gives the same findings, and once is enough.
    report.drop_repeated()


def _judge_log(
    report: ContractReport, contract: LogContract, log: LogRecord, ids: set[tuple[str, str]]
) -> None:
    text = str(log.body.content)
    where = f"log {text[:40]!r}"
    report.judge_attributes(where, log.attributes, {"severity": log.severity})
    report.judge_resource(where, log.resource)
    if contract.body is not None and not contract.body.holds(text):
        report.add("log.body", where, f"body: expected {contract.body.shown()}")
    if contract.severity is not None and contract.severity != log.severity:
        message = f"severity: expected {contract.severity}, got {log.severity or 'none'}"
        report.add("log.severity", where, message, expected=contract.severity, got=log.severity)
    if contract.correlated and (log.trace_id, log.span_id) not in ids:
        message = f"correlation: span {log.span_id or 'none'} was not captured"
        report.add("log.correlation", where, message, span_id=log.span_id)


def _selects_log(contract: LogContract, log: LogRecord) -> bool:
    selector = contract.select
    return (
        (selector.body is None or selector.body.holds(str(log.body.content)))
        and (selector.severity is None or selector.severity == log.severity)
        and all(equals(log.attributes.get(key), value) for key, value in selector.attributes.items())
    )


def _count_message(contract: Contract, bounds: CountBounds, number: int, telemetry: TelemetryData) -> str:
    """Return the message about a wrong number; where it is too small, with the names that were captured."""
    if isinstance(contract, SpanContract):
        selected, names = contract.select.shown(), {span.name for span in telemetry.spans}
    elif isinstance(contract, MetricContract):
        selected, names = contract.select.name.shown(), {metric.name for metric in telemetry.metrics}
    else:
        selected, names = "log records", set()
    message = f"expected {bounds.shown()} {contract.signal} {selected}, got {number}"
    if number >= bounds.min:
        return message
    if not names:
        return message + (f"; no {contract.signal} were captured" if contract.signal != "logs" else "")
    listed = sorted(names)
    more = ", ..." if len(listed) > _MAX_NAMES else ""
    near = format_nearest(_selected_name(contract), names)
    return f"{message}{near}; captured: {', '.join(listed[:_MAX_NAMES])}{more}"


def _selected_name(contract: Contract) -> str:
    """Return the name that a contract selects by, as it is written."""
    name = getattr(contract.select, "name", None)
    return "" if name is None else name.equals or name.regex or ""
