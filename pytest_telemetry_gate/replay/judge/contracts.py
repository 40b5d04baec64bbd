"""Judge captured telemetry by contracts; pure, so that an old capture can be judged by a new contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_telemetry_gate.model.dossier import Finding
from pytest_telemetry_gate.replay.conventions.facts import Conventions
from pytest_telemetry_gate.replay.conventions.package import installed_conventions
from pytest_telemetry_gate.replay.judge.attribute_rules import (
    combine_rules,
)
from pytest_telemetry_gate.replay.judge.contract_report import ContractReport
from pytest_telemetry_gate.replay.judge.conventions import ConventionJudge
from pytest_telemetry_gate.replay.judge.metrics import judge_metrics
from pytest_telemetry_gate.replay.judge.selection import count_message, count_selected, select
from pytest_telemetry_gate.replay.judge.span_tree import SpanTree
from pytest_telemetry_gate.replay.judge.spans import judge_span
from pytest_telemetry_gate.replay.otlp.places import name_log
from pytest_telemetry_gate.replay.otlp.records import LogRecord
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData
from pytest_telemetry_gate.replay.suite.contracts import Contract, LogContract, MetricContract, SpanContract
from pytest_telemetry_gate.replay.suite.rules import AttributeRule, CountBounds

__all__ = ["ContractJudgement", "contract_fields", "judge_contract"]


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


def judge_contract(
    contract: Contract,
    telemetry: TelemetryData,
    *,
    name: str,
    overlay: Mapping[str, AttributeRule] | None = None,
    count: CountBounds | None = None,
    registry: Conventions | None = None,
) -> ContractJudgement:
    """Judge telemetry by a contract; raises DriveError where the semantic conventions are not installed.

    ``overlay`` has further rules for attributes that one case adds; ``count`` replaces the contract's own; ``registry``
    is the one that the contract names. A contract that selects nothing fails unless its count allows none.
    """
    selection = select(contract, telemetry)
    rules = combine_rules(contract.attributes, overlay or {})
    report = ContractReport(contract, name, rules)
    bounds, number = contract.count if count is None else count, count_selected(contract, selection)
    if not bounds.holds(number):
        message = count_message(contract, bounds, number, telemetry)
        missing = isinstance(contract, SpanContract) and number < bounds.min
        report.add(
            "contract.count",
            f"contract {name}",
            message,
            missing=missing,
            expected=bounds.shown(),
            got=number,
        )
    if isinstance(contract, SpanContract):
        tree = SpanTree(telemetry.spans)
        for span in selection:
            judge_span(report, contract, span, tree)
    elif isinstance(contract, MetricContract):
        judge_metrics(report, contract, selection)
    else:
        ids = {(span.trace_id, span.span_id) for span in telemetry.spans}
        for log in selection:
            _judge_log(report, contract, log, ids)
    if contract.semantic_conventions.is_judged:
        ConventionJudge(report, contract, rules, registry or installed_conventions()).judge(selection)
    return ContractJudgement(tuple(report.findings), len(selection), frozenset(report.exercised))


def _judge_log(
    report: ContractReport, contract: LogContract, log: LogRecord, ids: set[tuple[str, str]]
) -> None:
    text = str(log.body.content)
    where = name_log(log)
    report.judge_attributes(where, log.attributes, {"severity": log.severity})
    report.judge_resource(where, log.resource)
    report.judge_scope(where, log.scope)
    report.judge_dropped(where, log.dropped + log.scope.dropped, "attributes")
    if contract.body is not None and not contract.body.holds(text):
        report.add("log.body", where, f"body: expected {contract.body.shown()}")
    if contract.severity is not None and contract.severity != log.severity:
        message = f"severity: expected {contract.severity}, got {log.severity or 'none'}"
        report.add("log.severity", where, message, expected=contract.severity, got=log.severity)
    if contract.correlated and (log.trace_id, log.span_id) not in ids:
        message = f"correlation: span {log.span_id or 'none'} was not captured"
        report.add("log.correlation", where, message, span_id=log.span_id, missing=bool(log.span_id))
