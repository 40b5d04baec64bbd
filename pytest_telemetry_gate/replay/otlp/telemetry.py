"""Spans, metrics and log records as contracts judge them, read from OTLP's JSON encoding.

The JSON encoding is the specification's own: ids are hex, enums are integers, 64-bit integers are decimal strings or
numbers, keys are lowerCamelCase, unknown fields are ignored. protobuf's JSON parser would read hex ids as base64
without an error, so it is not used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pytest_telemetry_gate.errors import CorpusError

__all__ = [
    "KINDS",
    "AttributeValue",
    "LogRecord",
    "MetricRecord",
    "SpanEvent",
    "SpanLink",
    "SpanRecord",
    "TelemetryData",
    "read_document",
]

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")
TEMPORALITIES = ("unspecified", "delta", "cumulative")
_TOP_KEYS = frozenset({"resourceSpans", "resourceMetrics", "resourceLogs"})
_HEX = re.compile(r"[0-9a-fA-F]*")
_METRIC_TYPES = {
    "gauge": "gauge",
    "sum": "sum",
    "histogram": "histogram",
    "exponentialHistogram": "exponential_histogram",
    "summary": "summary",
}


class AttributeValue(NamedTuple):
    """An attribute's value with the type that OTLP gives it; arrays hold Values."""

    type: str
    content: Any

    def shown(self) -> str:
        """Write type and value for people: ``string "4"``."""
        if self.type == "array":
            return f"array [{', '.join(item.shown() for item in self.content[:5])}]"
        content = self.content
        text = f'"{content}"' if self.type == "string" else str(content).lower()
        return f"{self.type} {text if len(text) <= 80 else text[:77] + '...'}"


Attributes = Mapping[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened during a span; ``time`` in nanoseconds since the epoch."""

    name: str
    time: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A link from a span to another one, by lower-case hex ids."""

    trace_id: str
    span_id: str
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """A span; ids are lower-case hex, times nanoseconds since the epoch, kind and status lower-case words."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    start: int
    end: int
    status: str
    status_message: str
    attributes: Attributes
    resource: Attributes
    scope: str = ""
    events: tuple[SpanEvent, ...] = ()
    links: tuple[SpanLink, ...] = ()

    @property
    def duration(self) -> float:
        """The length in seconds."""
        return (self.end - self.start) / 1e9


@dataclass(frozen=True, slots=True)
class MetricRecord:
    """A metric with the attribute sets of its points."""

    name: str
    type: str
    unit: str
    monotonic: bool | None
    temporality: str
    points: tuple[Attributes, ...]
    resource: Attributes
    scope: str = ""


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A log record; ``severity`` is the text, else OTLP's name of the number."""

    body: AttributeValue
    severity: str
    severity_number: int
    trace_id: str
    span_id: str
    time: int
    attributes: Attributes
    resource: Attributes
    scope: str = ""


@dataclass(slots=True)
class TelemetryData:
    """Everything of some documents, in the order in which it came."""

    spans: list[SpanRecord] = field(default_factory=list)
    metrics: list[MetricRecord] = field(default_factory=list)
    logs: list[LogRecord] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether there is no span, metric or log record."""
        return not (self.spans or self.metrics or self.logs)

    def add(self, document: Mapping[str, Any]) -> None:
        """Add what a document holds; raises CorpusError."""
        read_document(document, self)

    def of_traces(self, ids: frozenset[str]) -> TelemetryData:
        """Return what belongs to some traces; metrics, which belong to none, are all kept."""
        return TelemetryData(
            [span for span in self.spans if span.trace_id in ids],
            list(self.metrics),
            [log for log in self.logs if log.trace_id in ids],
        )


def read_document(document: Mapping[str, Any], into: TelemetryData | None = None) -> TelemetryData:
    """Read one document: TracesData, MetricsData or LogsData, which export requests look like too.

    Raises CorpusError, one line without a place, for anything that the encoding does not allow.
    """
    telemetry = TelemetryData() if into is None else into
    if not isinstance(document, dict):
        message = "an OTLP document must be a JSON object"
        raise CorpusError(message)
    has_records = not _TOP_KEYS.isdisjoint(document)
    if not has_records and document:
        snake = {"resource_spans", "resource_metrics", "resource_logs"}.intersection(document)
        hint = "; keys are lowerCamelCase in OTLP JSON" if snake else ""
        message = f"neither resourceSpans, resourceMetrics nor resourceLogs{hint}"
        raise CorpusError(message)
    try:
        for resource, scope, item in _items(document, "resourceSpans", "scopeSpans", "spans"):
            telemetry.spans.append(_span(item, resource, scope))
        for resource, scope, item in _items(document, "resourceMetrics", "scopeMetrics", "metrics"):
            telemetry.metrics.append(_metric(item, resource, scope))
        for resource, scope, item in _items(document, "resourceLogs", "scopeLogs", "logRecords"):
            telemetry.logs.append(_log(item, resource, scope))
    except (AttributeError, TypeError) as error:
        message = f"not OTLP JSON: {error}"
        raise CorpusError(message) from None
    return telemetry


def _items(
    document: Mapping[str, Any], top: str, middle: str, leaf: str
) -> Iterator[tuple[Attributes, str, Mapping[str, Any]]]:
    for entry in document.get(top) or ():
        resource = attributes((entry.get("resource") or {}).get("attributes"))
        for scope in entry.get(middle) or ():
            name = (scope.get("scope") or {}).get("name") or ""
            for item in scope.get(leaf) or ():
                yield resource, name, item


def _span(item: Mapping[str, Any], resource: Attributes, scope: str) -> SpanRecord:
    status = item.get("status") or {}
    return SpanRecord(
        name=item.get("name") or "",
        kind=_enum(item.get("kind"), KINDS, "kind"),
        trace_id=hex_id(item.get("traceId"), 32, "traceId"),
        span_id=hex_id(item.get("spanId"), 16, "spanId"),
        parent_id=hex_id(item.get("parentSpanId"), 16, "parentSpanId", empty=True),
        start=integer(item.get("startTimeUnixNano", 0), "startTimeUnixNano"),
        end=integer(item.get("endTimeUnixNano", 0), "endTimeUnixNano"),
        status=_enum(status.get("code"), STATUSES, "status.code"),
        status_message=status.get("message") or "",
        attributes=attributes(item.get("attributes")),
        resource=resource,
        scope=scope,
        events=tuple(
            SpanEvent(
                entry.get("name") or "",
                integer(entry.get("timeUnixNano", 0), "timeUnixNano"),
                attributes(entry.get("attributes")),
            )
            for entry in item.get("events") or ()
        ),
        links=tuple(
            SpanLink(
                hex_id(entry.get("traceId"), 32, "traceId"),
                hex_id(entry.get("spanId"), 16, "spanId"),
                attributes(entry.get("attributes")),
            )
            for entry in item.get("links") or ()
        ),
    )


def _metric(item: Mapping[str, Any], resource: Attributes, scope: str) -> MetricRecord:
    key = next((key for key in _METRIC_TYPES if key in item), None)
    data = (item.get(key) or {}) if key else {}
    return MetricRecord(
        name=item.get("name") or "",
        type=_METRIC_TYPES[key] if key else "none",
        unit=item.get("unit") or "",
        monotonic=bool(data.get("isMonotonic", False)) if key == "sum" else None,
        temporality=_enum(data.get("aggregationTemporality"), TEMPORALITIES, "aggregationTemporality"),
        points=tuple(attributes(point.get("attributes")) for point in data.get("dataPoints") or ()),
        resource=resource,
        scope=scope,
    )


def _log(item: Mapping[str, Any], resource: Attributes, scope: str) -> LogRecord:
    number = integer(item.get("severityNumber", 0), "severityNumber")
    words = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
    named = words[(number - 1) // 4] if 1 <= number <= 24 else ""
    return LogRecord(
        body=value(item.get("body") or {}),
        severity=named or item.get("severityText") or "",
        severity_number=number,
        trace_id=hex_id(item.get("traceId"), 32, "traceId", empty=True),
        span_id=hex_id(item.get("spanId"), 16, "spanId", empty=True),
        time=integer(item.get("timeUnixNano", 0), "timeUnixNano"),
        attributes=attributes(item.get("attributes")),
        resource=resource,
        scope=scope,
    )


def attributes(entries: Sequence[Mapping[str, Any]] | None) -> dict[str, AttributeValue]:
    """Read a list of keys and values; raises CorpusError."""
    return {entry["key"]: value(entry.get("value") or {}) for entry in entries or () if "key" in entry}


def value(entry: Mapping[str, Any]) -> AttributeValue:
    """Read an AnyValue; one that is empty has the type ``empty``. Raises CorpusError."""
    for key, content in entry.items():
        if key == "stringValue":
            return AttributeValue("string", str(content))
        if key == "intValue":
            return AttributeValue("int", integer(content, "intValue"))
        if key == "doubleValue":
            return AttributeValue("double", _double(content))
        if key == "boolValue":
            return AttributeValue("bool", bool(content))
        if key == "bytesValue":
            return AttributeValue("bytes", content)
        if key == "arrayValue":
            return AttributeValue("array", tuple(value(inner or {}) for inner in content.get("values") or ()))
        if key == "kvlistValue":
            return AttributeValue("map", attributes(content.get("values")))
    return AttributeValue("empty", None)


def hex_id(text: object, length: int, name: str, *, empty: bool = False) -> str:
    """Return an id in lower case; raises CorpusError for base64, another length, or a missing id unless ``empty``."""
    if not text and empty:
        return ""
    if not isinstance(text, str) or len(text) != length or not _HEX.fullmatch(text):
        base64 = isinstance(text, str) and len(text) == {32: 24, 16: 12}[length]
        hint = "; it looks like base64, which OTLP JSON does not use for ids" if base64 else ""
        message = f"{name} {str(text)[:80]!r} is not {length} hex digits{hint}"
        raise CorpusError(message)
    return text.lower()


def integer(content: object, name: str) -> int:
    """Return a 64-bit integer, which may be written as a number or as a decimal string; raises CorpusError."""
    if isinstance(content, int) and not isinstance(content, bool):
        return content
    if isinstance(content, float) and content.is_integer():
        return int(content)
    if isinstance(content, str) and re.fullmatch(r"-?[0-9]{1,20}", content):
        return int(content)
    message = f"{name} {str(content)[:80]!r} is not an integer"
    raise CorpusError(message)


def _double(content: object) -> float:
    try:
        return float(content)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        message = f"doubleValue {str(content)[:80]!r} is not a number"
        raise CorpusError(message) from None


def _enum(content: object, names: Sequence[str], name: str) -> str:
    if content is None:
        return names[0]
    if not isinstance(content, int) or isinstance(content, bool):
        message = f"{name} {str(content)[:80]!r} is not an integer, as enums are in OTLP JSON"
        raise CorpusError(message)
    return names[content] if 0 <= content < len(names) else str(content)
