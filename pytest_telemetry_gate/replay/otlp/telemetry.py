"""Spans, metrics and log records read from OTLP's JSON encoding.

The JSON encoding is the specification's own: ids are hex, enums are integers, 64-bit integers are decimal strings or
numbers, keys are lowerCamelCase, unknown fields are ignored. protobuf's JSON parser would read hex ids as base64
without an error, so it is not used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.otlp.records import (
    Attributes,
    AttributeValue,
    Exemplar,
    LogRecord,
    MetricPoint,
    MetricRecord,
    Scope,
    SpanEvent,
    SpanLink,
    SpanRecord,
)

__all__ = [
    "KINDS",
    "STATUSES",
    "TelemetryData",
    "attributes",
    "hex_id",
    "integer",
    "read_document",
    "value",
]

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")
TEMPORALITIES = ("unspecified", "delta", "cumulative")
_TOP_KEYS = frozenset({"resourceSpans", "resourceMetrics", "resourceLogs"})
_DROPPED = frozenset({"droppedAttributesCount", "droppedEventsCount", "droppedLinksCount"})
_MANY_DIGITS = 20  # with fewer a number has 64 bits
_NO_RECORDED_VALUE = 1  # a flag of a point
_Number = TypeVar("_Number", int, float)
_DIGITS = re.compile(r"-?[0-9]{1,20}")
_HEX = re.compile(r"[0-9a-fA-F]*")
_METRIC_TYPES = {
    "gauge": "gauge",
    "sum": "sum",
    "histogram": "histogram",
    "exponentialHistogram": "exponential_histogram",
    "summary": "summary",
}


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
) -> Iterator[tuple[Attributes, Scope, Mapping[str, Any]]]:
    for entry in document.get(top) or ():
        resource = entry.get("resource") or {}
        resource_attributes = attributes(resource.get("attributes"))
        for part in entry.get(middle) or ():
            described = part.get("scope") or {}
            scope = Scope(
                name=text_of(described, "name"),
                version=text_of(described, "version"),
                attributes=attributes(described.get("attributes")),
                schema_url=text_of(part, "schemaUrl") or text_of(entry, "schemaUrl"),
                dropped=_dropped(resource) + _dropped(described),
            )
            for item in part.get(leaf) or ():
                yield resource_attributes, scope, item


def _span(item: Mapping[str, Any], resource: Attributes, scope: Scope) -> SpanRecord:
    status, events, links = item.get("status") or {}, item.get("events") or (), item.get("links") or ()
    return SpanRecord(
        name=text_of(item, "name"),
        kind=_enum(item.get("kind"), KINDS, "kind"),
        trace_id=hex_id(item.get("traceId"), 32, "traceId"),
        span_id=hex_id(item.get("spanId"), 16, "spanId"),
        parent_id=hex_id(item.get("parentSpanId"), 16, "parentSpanId", empty=True),
        start=integer(item.get("startTimeUnixNano", 0), "startTimeUnixNano"),
        end=integer(item.get("endTimeUnixNano", 0), "endTimeUnixNano"),
        status=_enum(status.get("code"), STATUSES, "status.code"),
        status_message=text_of(status, "message"),
        attributes=attributes(item.get("attributes")),
        resource=resource,
        scope=scope,
        events=tuple(
            SpanEvent(
                text_of(entry, "name"),
                integer(entry.get("timeUnixNano", 0), "timeUnixNano"),
                attributes(entry.get("attributes")),
            )
            for entry in events
        ),
        links=tuple(
            SpanLink(
                hex_id(entry.get("traceId"), 32, "traceId"),
                hex_id(entry.get("spanId"), 16, "spanId"),
                attributes(entry.get("attributes")),
            )
            for entry in links
        ),
        flags=integer(item.get("flags", 0), "flags"),
        trace_state=text_of(item, "traceState"),
        dropped=_dropped(item) + sum(map(_dropped, (*events, *links))),
    )


def _metric(item: Mapping[str, Any], resource: Attributes, scope: Scope) -> MetricRecord:
    key = next((key for key in _METRIC_TYPES if key in item), None)
    data = (item.get(key) or {}) if key else {}
    return MetricRecord(
        name=text_of(item, "name"),
        type=_METRIC_TYPES[key] if key else "none",
        unit=text_of(item, "unit"),
        monotonic=bool(data.get("isMonotonic", False)) if key == "sum" else None,
        temporality=_enum(data.get("aggregationTemporality"), TEMPORALITIES, "aggregationTemporality"),
        points=tuple(_point(point) for point in data.get("dataPoints") or ()),
        resource=resource,
        scope=scope,
        description=item.get("description") or "",
    )


def _point(point: Mapping[str, Any]) -> MetricPoint:
    buckets = [*(point.get("bucketCounts") or ())]
    for side in ("negative", "positive"):
        buckets += (point.get(side) or {}).get("bucketCounts") or ()
    if "zeroCount" in point:
        buckets.append(point["zeroCount"])
    return MetricPoint(
        attributes=attributes(point.get("attributes")),
        value=_number(point),
        start=integer(point.get("startTimeUnixNano", 0), "startTimeUnixNano"),
        time=integer(point.get("timeUnixNano", 0), "timeUnixNano"),
        count=_optional(point, "count", integer),
        sum=_optional(point, "sum", _double),
        minimum=_optional(point, "min", _double),
        maximum=_optional(point, "max", _double),
        buckets=tuple(integer(count, "bucketCounts") for count in buckets),
        exemplars=tuple(
            Exemplar(
                attributes(entry.get("filteredAttributes")),
                _number(entry),
                integer(entry.get("timeUnixNano", 0), "timeUnixNano"),
                hex_id(entry.get("traceId"), 32, "traceId", empty=True),
                hex_id(entry.get("spanId"), 16, "spanId", empty=True),
            )
            for entry in point.get("exemplars") or ()
        ),
    )


def _number(entry: Mapping[str, Any]) -> int | float | None:
    """Return the value of a point or an exemplar; None where it has none, or says that nothing was recorded."""
    if integer(entry.get("flags", 0), "flags") & _NO_RECORDED_VALUE:
        return None
    if "asInt" in entry:
        return integer(entry["asInt"], "asInt")
    return _optional(entry, "asDouble", _double)


def _optional(entry: Mapping[str, Any], key: str, read: Callable[[object, str], _Number]) -> _Number | None:
    return read(entry[key], key) if entry.get(key) is not None else None


def _log(item: Mapping[str, Any], resource: Attributes, scope: Scope) -> LogRecord:
    number = integer(item.get("severityNumber", 0), "severityNumber")
    words = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
    named = words[(number - 1) // 4] if 1 <= number <= 24 else ""
    return LogRecord(
        body=value(item.get("body") or {}),
        severity=named or text_of(item, "severityText"),
        severity_number=number,
        trace_id=hex_id(item.get("traceId"), 32, "traceId", empty=True),
        span_id=hex_id(item.get("spanId"), 16, "spanId", empty=True),
        time=integer(item.get("timeUnixNano", 0), "timeUnixNano"),
        attributes=attributes(item.get("attributes")),
        resource=resource,
        scope=scope,
        event_name=text_of(item, "eventName"),
        flags=integer(item.get("flags", 0), "flags"),
        dropped=_dropped(item),
    )


def _dropped(entry: Mapping[str, Any]) -> int:
    """Return how many of its attributes, events and links the SDK dropped."""
    if _DROPPED.isdisjoint(entry):
        return 0
    return sum(integer(entry[key], key) for key in _DROPPED if key in entry)


def attributes(entries: Sequence[Mapping[str, Any]] | None) -> dict[str, AttributeValue]:
    """Read a list of keys and values; raises CorpusError."""
    return {
        text_of(entry, "key"): value(entry.get("value") or {}) for entry in entries or () if "key" in entry
    }


def text_of(entry: Mapping[str, Any], key: str) -> str:
    """Return a text, empty where there is none; raises CorpusError for what is no text."""
    content = entry.get(key)
    if content is None or isinstance(content, str):
        return content or ""
    message = f"{key} {str(content)[:80]!r} is not a text"
    raise CorpusError(message)


def value(entry: Mapping[str, Any]) -> AttributeValue:
    """Read an AnyValue; one that is empty has the type ``empty``. Raises CorpusError."""
    for key, content in entry.items():
        if key == "stringValue":
            return AttributeValue("string", text_of(entry, key))
        if key == "intValue":
            return AttributeValue("int", integer(content, "intValue"))
        if key == "doubleValue":
            return AttributeValue("double", _double(content, "doubleValue"))
        if key == "boolValue":
            return AttributeValue("bool", _truth(content))
        if key == "bytesValue":
            return AttributeValue("bytes", text_of(entry, key))
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
    if isinstance(content, str) and content.isascii() and content.isdecimal() and len(content) < _MANY_DIGITS:
        return int(content)
    number: object = content
    if (isinstance(content, float) and content.is_integer()) or (
        isinstance(content, str) and _DIGITS.fullmatch(content)
    ):
        number = int(content)
    if isinstance(number, int) and not isinstance(number, bool) and -(2**63) <= number < 2**64:
        return number
    message = f"{name} {_shown(content)} is not an integer of 64 bits"
    raise CorpusError(message)


def _shown(content: object) -> str:
    # Of a number with thousands of digits Python writes none.
    return (
        "of too many digits"
        if isinstance(content, int) and abs(content) >= 2**64
        else repr(str(content)[:80])
    )


def _truth(content: object) -> bool:
    if isinstance(content, bool):
        return content
    message = f"boolValue {str(content)[:80]!r} is neither true nor false"
    raise CorpusError(message)


def _double(content: object, name: str) -> float:
    try:
        if isinstance(content, str | int | float) and not isinstance(content, bool):
            return float(content)
    except (ValueError, OverflowError):
        pass
    message = f"{name} {_shown(content)} is not a number"
    raise CorpusError(message)


def _enum(content: object, names: Sequence[str], name: str) -> str:
    if content is None:
        return names[0]
    if not isinstance(content, int) or isinstance(content, bool):
        message = f"{name} {_shown(content)} is not an integer, as enums are in OTLP JSON"
        raise CorpusError(message)
    return names[content] if 0 <= content < len(names) else str(content)
