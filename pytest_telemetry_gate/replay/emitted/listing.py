"""What was emitted, for people: spans as trees with their attributes and types, metrics, log records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pytest_telemetry_gate.replay.emitted.shapes import type_name
from pytest_telemetry_gate.replay.judge.span_tree import SpanTree
from pytest_telemetry_gate.replay.otlp.records import (
    Attributes,
    AttributeValue,
    LogRecord,
    MetricPoint,
    MetricRecord,
    SpanRecord,
)
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData
from pytest_telemetry_gate.support.secrets import MASK, is_secret_name
from pytest_telemetry_gate.support.text import clip, plain

__all__ = ["list_emitted"]

_MAX_TRACES = 10
_MAX_SPANS = 200  # of one trace
_MAX_POINTS = 10  # of one metric
_MAX_LOGS = 50
_MAX_VALUE = 120  # columns of a value
_STEP = "  "


def list_emitted(telemetry: TelemetryData) -> list[str]:
    """Return the lines that show everything; what is long is cut, with how much more there is."""
    lines = [*_traces(telemetry.spans), *_metrics(telemetry.metrics), *_logs(telemetry.logs)]
    return [*lines, *_resources(telemetry)]


def _traces(spans: Sequence[SpanRecord]) -> Iterator[str]:
    by_trace: dict[str, list[SpanRecord]] = {}
    for span in spans:
        by_trace.setdefault(span.trace_id, []).append(span)
    for trace_id, own in list(by_trace.items())[:_MAX_TRACES]:
        yield f"trace {trace_id}"
        lines = [line for root in _roots(own) for line in _tree(root, SpanTree(own), _STEP)]
        yield from lines[:_MAX_SPANS]
        yield from _more(len(lines) - _MAX_SPANS, "line", _STEP)
        yield ""
    yield from _more(len(by_trace) - _MAX_TRACES, "trace", "")


def _roots(spans: Sequence[SpanRecord]) -> list[SpanRecord]:
    tree = SpanTree(spans)
    return sorted((span for span in spans if tree.parent(span) is None), key=lambda span: span.start)


def _tree(root: SpanRecord, tree: SpanTree, indent: str) -> Iterator[str]:
    """Yield a span and those below it; without recursion, since a broken program may nest without end."""
    waiting, seen = [(root, indent)], set()
    while waiting:
        span, indent = waiting.pop()
        if span.span_id in seen:
            continue
        seen.add(span.span_id)
        yield from _span(span, tree, indent)
        below = sorted(tree.children(span), key=lambda child: child.start, reverse=True)
        waiting += [(child, indent + _STEP) for child in below]


def _span(span: SpanRecord, tree: SpanTree, indent: str) -> Iterator[str]:
    missing = (
        f"  (parent {span.parent_id} not captured)" if span.parent_id and tree.parent(span) is None else ""
    )
    status = "" if span.status == "unset" else f"  {span.status}"
    message = f" {plain(span.status_message)}" if span.status_message else ""
    yield f"{indent}{plain(span.name)}  {span.kind}  {_milliseconds(span)}{status}{message}{missing}"
    inner = indent + _STEP + _STEP
    yield from _attributes(span.attributes, inner)
    for event in span.events:
        yield f"{inner}event {plain(event.name)}"
        yield from _attributes(event.attributes, inner + _STEP)
    for link in span.links:
        yield f"{inner}link to span {link.span_id} of trace {link.trace_id}"
        yield from _attributes(link.attributes, inner + _STEP)


def _milliseconds(span: SpanRecord) -> str:
    return f"{span.duration * 1000:.3g} ms" if span.duration < 1 else f"{span.duration:.3g} s"


def _metrics(metrics: Sequence[MetricRecord]) -> Iterator[str]:
    latest = {(metric.name, metric.scope.name): metric for metric in metrics}  # exported again and again
    if latest:
        yield "metrics"
    for (name, _), metric in sorted(latest.items()):
        kind = " ".join(word for word in (metric.temporality, metric.type) if word != "unspecified")
        rising = ", monotonic" if metric.monotonic else ""
        unit = f"  unit {plain(metric.unit)}" if metric.unit else ""
        yield f"{_STEP}{plain(name)}  {kind}{rising}{unit}  {_number(len(metric.points), 'point')}"
        for point in metric.points[:_MAX_POINTS]:
            listed = ", ".join(
                f"{plain(key)} {_value(key, value)}" for key, value in point.attributes.items()
            )
            yield f"{_STEP * 3}{_amount(point)}  {listed or 'no attributes'}"
        yield from _more(len(metric.points) - _MAX_POINTS, "point", _STEP * 3)
    if latest:
        yield ""


def _amount(point: MetricPoint) -> str:
    """Return what a point says, one number, or how many observations there were and their sum."""
    if point.count is not None:
        return f"{point.count:,} observed" + ("" if point.sum is None else f", sum {point.sum:g}")
    return "no value" if point.value is None else f"{point.value:g}"


def _logs(logs: Sequence[LogRecord]) -> Iterator[str]:
    if logs:
        yield "log records"
    for log in logs[:_MAX_LOGS]:
        span = f"  span {log.span_id}" if log.span_id else "  no span"
        yield f"{_STEP}{log.severity or 'no severity'}  {_value('', log.body)}{span}"
        yield from _attributes(log.attributes, _STEP * 3)
    yield from _more(len(logs) - _MAX_LOGS, "log record", _STEP)
    if logs:
        yield ""


def _resources(telemetry: TelemetryData) -> Iterator[str]:
    """Yield each resource once, with the scopes of what it emitted; a program has one for everything."""
    scopes: list[tuple[Attributes, set[str]]] = []
    records: list[SpanRecord | MetricRecord | LogRecord] = [
        *telemetry.spans,
        *telemetry.metrics,
        *telemetry.logs,
    ]
    for record in records:
        own = next((own for resource, own in scopes if resource == record.resource), None)
        if own is None:
            scopes.append((record.resource, own := set()))
        own.add(plain(f"{record.scope.name} {record.scope.version}".strip()))
    for resource, own in scopes:
        if resource or any(own):
            yield "resource"
        yield from _attributes(resource, _STEP)
        yield from (f"{_STEP}scope {name}" for name in sorted(own) if name)


def _attributes(attributes: Attributes, indent: str) -> Iterator[str]:
    names = {name: plain(name) for name in attributes}
    width = max(map(len, names.values()), default=0)
    types = max((len(type_name(value)) for value in attributes.values()), default=0)
    for name, value in sorted(attributes.items()):
        yield f"{indent}{names[name]:{width}}  {type_name(value):{types}}  {_value(name, value)}"


def _value(name: str, value: AttributeValue) -> str:
    return clip(_text(name, value), _MAX_VALUE)


def _text(name: str, value: AttributeValue) -> str:
    """Write a value; text under a secret's name is masked, numbers such as those of tokens used are not."""
    if value.type == "array":
        return f"[{', '.join(_text(name, one) for one in value.content)}]"
    if value.type == "map":
        return "{" + ", ".join(f"{plain(key)}: {_text(key, one)}" for key, one in value.content.items()) + "}"
    if value.type in {"string", "bytes"} and is_secret_name(name):
        return MASK
    return plain(str(value.content).lower() if value.type == "bool" else str(value.content))


def _more(number: int, word: str, indent: str) -> Iterable[str]:
    return [f"{indent}... and {_number(number, word)} more"] if number > 0 else []


def _number(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
