"""Judge one span by the contract that selects it."""

from __future__ import annotations

from collections import Counter

from pytest_telemetry_gate.replay.judge.attribute_rules import broken_rules, format_nearest
from pytest_telemetry_gate.replay.judge.contract_report import ContractReport
from pytest_telemetry_gate.replay.judge.selection import selects_span
from pytest_telemetry_gate.replay.judge.span_tree import SpanTree
from pytest_telemetry_gate.replay.otlp.records import SpanRecord
from pytest_telemetry_gate.replay.suite.contracts import NotStatus, SpanContract

__all__ = ["judge_span"]


def judge_span(report: ContractReport, contract: SpanContract, span: SpanRecord, tree: SpanTree) -> None:
    """Report everything in which a span breaks its contract."""
    where = f"span {span.name}"
    context = {"status": span.status, "kind": span.kind, "name": span.name}
    report.judge_attributes(where, span.attributes, context)
    report.judge_resource(where, span.resource)
    report.judge_scope(where, span.scope)
    report.judge_dropped(where, span.dropped + span.scope.dropped, "attributes, events and links")
    _judge_parent(report, contract, span, tree, where)
    _judge_children(report, contract, span, tree, where)
    _judge_status(report, contract, span, where)
    _judge_times(report, contract, span, where)
    _judge_place(report, contract, span, tree, where)
    _judge_events(report, contract, span, where)
    _judge_links(report, contract, span, tree, where)


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
        missing = expected != "none" and bool(span.parent_id) and tree.parent(span) is None
        report.add("span.parent", where, f"parent: {message}", parent_id=span.parent_id, missing=missing)


def _judge_children(
    report: ContractReport, contract: SpanContract, span: SpanRecord, tree: SpanTree, where: str
) -> None:
    for name, bounds in contract.children.items():
        number = sum(child.name == name for child in tree.children(span))
        if not bounds.holds(number):
            others = [child.name for child in tree.children(span) if child.name not in contract.children]
            near = format_nearest(name, others) if number < bounds.min else ""
            message = f"children: expected {bounds.shown()} {name}, got {number}{near}"
            missing = number < bounds.min
            report.add("span.children", where, message, child=name, got=number, missing=missing)
    if contract.unknown_children != "allow":
        fails = contract.unknown_children == "fail"
        names = Counter(child.name for child in tree.children(span) if child.name not in contract.children)
        for name, number in sorted(names.items()):
            times = f"{number} times " if number > 1 else ""
            message = (
                f"children: {times}{name} is not in the contract{format_nearest(name, contract.children)}"
            )
            report.add("span.children_unknown", where, message, fails=fails, child=name, got=number)


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


def _judge_place(
    report: ContractReport, contract: SpanContract, span: SpanRecord, tree: SpanTree, where: str
) -> None:
    """Judge whether a span lies within the time of its parent."""
    tolerance = contract.within_parent
    if tolerance is None or not span.parent_id:
        return
    parent = tree.parent(span)
    if parent is None:
        message = f"within_parent: its parent {span.parent_id} was not captured"
        report.add("span.within_parent", where, message, parent_id=span.parent_id, missing=True)
        return
    for seconds, outside in (
        ((parent.start - span.start) / 1e9, "begins {} before"),
        ((span.end - parent.end) / 1e9, "ends {} after"),
    ):
        if seconds > tolerance:
            allowed = f", at most {tolerance:g} s" if tolerance else ""
            message = (
                f"within_parent: it {outside.format(f'{seconds:.6g} s')} its parent {parent.name}{allowed}"
            )
            report.add("span.within_parent", where, message, seconds=seconds)


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


def _judge_links(
    report: ContractReport, contract: SpanContract, span: SpanRecord, tree: SpanTree, where: str
) -> None:
    rule = contract.links
    if rule is None:
        return
    if not rule.count.holds(len(span.links)):
        message = f"links: expected {rule.count.shown()}, got {len(span.links)}"
        report.add("link.count", where, message, got=len(span.links))
    for link in span.links:
        report.exercised.add("links")
        if rule.to is not None:
            target = tree.find(link.trace_id, link.span_id)
            got = "which was not captured" if target is None else f"got {target.name} (kind {target.kind})"
            if target is None or not selects_span(rule.to, target):
                message = f"link to {link.span_id}: expected {rule.to.shown()}, {got}"
                report.add("link.to", where, message, missing=target is None, span_id=link.span_id)
        for broken in broken_rules(rule.attributes, link.attributes, {}):
            message = f"link: attribute {broken.key}: {broken.message}"
            report.add(f"link.{broken.rule}", where, message, attribute=broken.key)
