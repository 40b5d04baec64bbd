"""Which of what was captured a contract is about, and how a message says that there is too little or too much of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_telemetry_gate.replay.judge.attribute_rules import equals, format_nearest
from pytest_telemetry_gate.replay.otlp.records import Attributes, LogRecord, MetricRecord, Scope, SpanRecord
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData
from pytest_telemetry_gate.replay.suite.contracts import (
    Contract,
    LogSelect,
    MetricContract,
    MetricSelect,
    SpanContract,
    SpanSelect,
)
from pytest_telemetry_gate.replay.suite.rules import CountBounds, ScalarValue

__all__ = ["count_message", "count_selected", "select", "selects_span"]

_MAX_NAMES = 5  # captured names that a message lists


def select(contract: Contract, telemetry: TelemetryData) -> Sequence[Any]:
    """Return the spans, metrics or log records that a contract is about."""
    if isinstance(contract, SpanContract):
        return [span for span in telemetry.spans if selects_span(contract.select, span)]
    if isinstance(contract, MetricContract):
        return [metric for metric in telemetry.metrics if _selects_metric(contract.select, metric)]
    return [log for log in telemetry.logs if _selects_log(contract.select, log)]


def count_selected(contract: Contract, selection: Sequence[Any]) -> int:
    """Return how many things a contract selected; a metric is exported again and again, and counts once."""
    if isinstance(contract, MetricContract):
        return len({metric.name for metric in selection})
    return len(selection)


def selects_span(selector: SpanSelect, span: SpanRecord) -> bool:
    """Tell whether a selector is about a span."""
    return (
        (selector.name is None or selector.name.holds(span.name))
        and (selector.kind is None or selector.kind == span.kind)
        and _are_equal(selector.attributes, span.attributes)
        and _is_from(selector, span.scope, span.resource)
    )


def count_message(contract: Contract, bounds: CountBounds, number: int, telemetry: TelemetryData) -> str:
    """Return the message about a wrong number; where it is too small, with the names that were captured."""
    names: set[str] = set()
    if isinstance(contract, SpanContract):
        names = {span.name for span in telemetry.spans}
    elif isinstance(contract, MetricContract):
        names = {metric.name for metric in telemetry.metrics}
    elif telemetry.logs:
        names = {"log records"}
    what = "log records" if contract.signal == "logs" else contract.signal
    message = (
        f"expected {bounds.shown()} {' '.join(filter(None, (what, contract.select.shown())))}, got {number}"
    )
    if number >= bounds.min:
        return message
    if not names:
        return f"{message}; no {what} were captured"
    if contract.signal == "logs":
        plural = "s" if len(telemetry.logs) != 1 else ""
        return f"{message}; captured: {len(telemetry.logs)} other log record{plural}"
    listed = sorted(names)
    more = ", ..." if len(listed) > _MAX_NAMES else ""
    name = _selected_name(contract)
    near = _other_kinds(contract, telemetry) if name in names else format_nearest(name, names)
    return f"{message}{near}; captured: {', '.join(listed[:_MAX_NAMES])}{more}"


def _selects_metric(selector: MetricSelect, metric: MetricRecord) -> bool:
    named = selector.name is None or selector.name.holds(metric.name)
    return named and _is_from(selector, metric.scope, metric.resource)


def _selects_log(selector: LogSelect, log: LogRecord) -> bool:
    return (
        (selector.body is None or selector.body.holds(str(log.body.content)))
        and (selector.severity is None or selector.severity == log.severity)
        and (selector.event_name is None or selector.event_name.holds(log.event_name))
        and _are_equal(selector.attributes, log.attributes)
        and _is_from(selector, log.scope, log.resource)
    )


def _is_from(selector: SpanSelect | MetricSelect | LogSelect, scope: Scope, resource: Attributes) -> bool:
    """Tell whether telemetry is from the scope and the resource that a selector names."""
    return (selector.scope is None or selector.scope.holds(scope.name)) and _are_equal(
        selector.resource, resource
    )


def _are_equal(expected: Mapping[str, ScalarValue], attributes: Attributes) -> bool:
    return all(equals(attributes.get(key), value) for key, value in expected.items())


def _other_kinds(contract: Contract, telemetry: TelemetryData) -> str:
    """Return of which other kinds the spans are that a contract would select but for that."""
    if not isinstance(contract, SpanContract) or contract.select.kind is None:
        return ""
    of_any_kind = contract.select.model_copy(update={"kind": None})
    kinds = sorted({span.kind for span in telemetry.spans if selects_span(of_any_kind, span)})
    return f" (there with kind {', '.join(kinds)})" if kinds else ""


def _selected_name(contract: Contract) -> str:
    """Return the name that a contract selects by, as it is written."""
    name = getattr(contract.select, "name", None)
    return "" if name is None else name.equals or name.regex or ""
