"""Judge one span by the contract that selects it."""

from __future__ import annotations

from pytest_telemetry_gate.replay.judge.attribute_rules import broken_rules, equals, format_nearest
from pytest_telemetry_gate.replay.judge.contract_report import ContractReport
from pytest_telemetry_gate.replay.judge.span_tree import SpanTree
from pytest_telemetry_gate.replay.otlp.telemetry import SpanRecord
from pytest_telemetry_gate.replay.suite.contracts import NotStatus, SpanContract, SpanSelect

__all__ = ["judge_span", "selects_span"]


def selects_span(selector: SpanSelect, span: SpanRecord) -> bool:
    """Tell whether a selector is about a span."""
    return (
        (selector.name is None or selector.name.holds(span.name))
        and (selector.kind is None or selector.kind == span.kind)
        and (selector.scope is None or selector.scope.holds(span.scope))
        and all(equals(span.attributes.get(key), value) for key, value in selector.attributes.items())
        and all(equals(span.resource.get(key), value) for key, value in selector.resource.items())
    )


def judge_span(report: ContractReport, contract: SpanContract, span: SpanRecord, tree: SpanTree) -> None:
    """Report everything in which a span breaks its contract."""
    where = f"span {span.name}"
    context = {"status": span.status, "kind": span.kind, "name": span.name}
    report.judge_attributes(where, span.attributes, context)
    report.judge_resource(where, span.resource)
    _judge_parent(report, contract, span, tree, where)
    _judge_children(report, contract, span, tree, where)
    _judge_status(report, contract, span, where)
    _judge_times(report, contract, span, where)
    _judge_events(report, contract, span, where)
    _judge_links(report, contract, span, where)


def _judge_parent(
    report: ContractReport, contract: SpanContract, span: SpanRecord, tree: SpanTree, where: str
) -> None:
    expected = contract.parent
    if expected is None:
        return
    if expected == "none":
        message = f"expected none, got {span.parent_id}" if span.parent_id else ""
    else:
        parent = tree.parent(span)
        if not span.parent_id:
            message = f"expected {expected.shown()}, but it is a root"
        elif parent is None:
            message = f"expected {expected.shown()}, but {span.parent_id} was not captured (orphan)"
        elif not selects_span(expected, parent):
            message = f"expected {expected.shown()}, got {parent.name} (kind {parent.kind})"
        else:
            message = ""
    if message:
        report.add("span.parent", where, f"parent: {message}", parent_id=span.parent_id)


def _judge_children(
    report: ContractReport, contract: SpanContract, span: SpanRecord, tree: SpanTree, where: str
) -> None:
    for name, bounds in contract.children.items():
        number = sum(child.name == name for child in tree.children(span))
        if not bounds.holds(number):
            others = [child.name for child in tree.children(span) if child.name not in contract.children]
            near = format_nearest(name, others) if number < bounds.min else ""
            message = f"children: expected {bounds.shown()} {name}, got {number}{near}"
            report.add("span.children", where, message, child=name, got=number)


def _judge_status(report: ContractReport, contract: SpanContract, span: SpanRecord, where: str) -> None:
    status = contract.status
    if isinstance(status, NotStatus):
        if span.status == status.not_:
            detail = f" ({span.status_message})" if span.status_message else ""
            message = f"status: expected not {status.not_}, got {span.status}{detail}"
            report.add("span.status", where, message, got=span.status)
    elif status is not None and span.status != status:
        message = f"status: expected {status}, got {span.status}"
        report.add("span.status", where, message, expected=status, got=span.status)


def _judge_times(report: ContractReport, contract: SpanContract, span: SpanRecord, where: str) -> None:
    if span.end < span.start or not span.start:
        report.add("span.times", where, "times: it ends before it starts, or never started")
    limits, seconds = contract.duration, span.duration
    if limits is not None:
        if limits.max is not None and seconds > limits.max:
            message = f"duration: {seconds:.6g} s, at most {limits.max:g} s"
            report.add("span.duration", where, message, seconds=seconds)
        if limits.min is not None and seconds < limits.min:
            message = f"duration: {seconds:.6g} s, at least {limits.min:g} s"
            report.add("span.duration", where, message, seconds=seconds)


def _judge_events(report: ContractReport, contract: SpanContract, span: SpanRecord, where: str) -> None:
    for name, rule in contract.events.items():
        events = [event for event in span.events if event.name == name]
        if not rule.count.holds(len(events)):
            others = [event.name for event in span.events if event.name not in contract.events]
            near = format_nearest(name, others) if len(events) < rule.count.min else ""
            message = f"event {name}: expected {rule.count.shown()}, got {len(events)}{near}"
            report.add("event.count", where, message, event=name, got=len(events))
        for event in events:
            report.exercised.add(f"events.{name}")
            for broken in broken_rules(rule.attributes, event.attributes, {}):
                message = f"event {name}: attribute {broken.key}: {broken.message}"
                report.add(f"event.{broken.rule}", where, message, event=name, attribute=broken.key)


def _judge_links(report: ContractReport, contract: SpanContract, span: SpanRecord, where: str) -> None:
    rule = contract.links
    if rule is None:
        return
    if not rule.count.holds(len(span.links)):
        message = f"links: expected {rule.count.shown()}, got {len(span.links)}"
        report.add("link.count", where, message, got=len(span.links))
    for link in span.links:
        report.exercised.add("links")
        for broken in broken_rules(rule.attributes, link.attributes, {}):
            message = f"link: attribute {broken.key}: {broken.message}"
            report.add(f"link.{broken.rule}", where, message, attribute=broken.key)
