"""What OTLP says of spans, points and log records reaches the records, in both of its encodings."""

from __future__ import annotations

import math
from typing import Any

import pytest
from otlp_requests import encode_request

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.otlp.protobuf import document_of, parse_message
from pytest_telemetry_gate.replay.otlp.records import Exemplar, MetricPoint, Scope
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData, read_document

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
KEY = [{"key": "k", "value": {"stringValue": "v"}}]
RESOURCE = {"attributes": KEY, "droppedAttributesCount": 1}
SCOPE = {"name": "lib", "version": "1.2", "attributes": KEY, "droppedAttributesCount": 2}


def both(signal: str, top: str, middle: str, content: dict[str, Any], **fields: Any) -> list[TelemetryData]:
    """Read a request as JSON and as protobuf."""
    entry = {"resource": RESOURCE, middle: [{"scope": SCOPE, **content, **fields}]}
    document = {top: [{**entry, "schemaUrl": "https://resource/1"}]}
    message = parse_message(signal, encode_request(signal, document))
    return [read_document(document), read_document(document_of(message))]


def test_spans_have_flags_trace_state_and_what_was_dropped() -> None:
    span = {
        "traceId": TRACE,
        "spanId": SPAN,
        "flags": 0x301,
        "traceState": "ot=th:8",
        "droppedAttributesCount": 1,
        "droppedEventsCount": 2,
        "droppedLinksCount": 4,
        "events": [{"name": "e", "droppedAttributesCount": 8}],
        "links": [{"traceId": TRACE, "spanId": SPAN, "droppedAttributesCount": 16}],
    }
    for telemetry in both("traces", "resourceSpans", "scopeSpans", {"spans": [span]}):
        (got,) = telemetry.spans
        assert (got.flags, got.trace_state, got.dropped) == (0x301, "ot=th:8", 31)
        assert got.scope == Scope("lib", "1.2", got.resource, "https://resource/1", 3)
    for telemetry in both("traces", "resourceSpans", "scopeSpans", {"spans": [span]}, schemaUrl="own"):
        assert telemetry.spans[0].scope.schema_url == "own"


def test_points_have_values_times_and_exemplars() -> None:
    exemplar = {
        "filteredAttributes": KEY,
        "asDouble": 2.5,
        "timeUnixNano": "7",
        "traceId": TRACE,
        "spanId": SPAN,
    }
    number = {"startTimeUnixNano": "1", "timeUnixNano": "2", "asInt": "-3", "exemplars": [exemplar]}
    nothing = {"flags": 1, "asDouble": "NaN"}
    histogram = {
        "count": "3",
        "sum": 4.5,
        "min": 1.0,
        "max": 2.0,
        "bucketCounts": ["1", "2"],
        "explicitBounds": [1],
    }
    sparse = {
        "count": "6",
        "zeroCount": "1",
        "negative": {"bucketCounts": ["2"]},
        "positive": {"bucketCounts": ["3"]},
    }
    metrics = [
        {"name": "number", "sum": {"aggregationTemporality": 1, "dataPoints": [number, nothing]}},
        {"name": "nan", "gauge": {"dataPoints": [{"asDouble": "NaN"}]}},
        {"name": "histogram", "histogram": {"aggregationTemporality": 2, "dataPoints": [histogram]}},
        {"name": "sparse", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [sparse]}},
    ]  # fmt: skip
    for telemetry in both("metrics", "resourceMetrics", "scopeMetrics", {"metrics": metrics}):
        (first, stale), (nan,), (whole,), (thin,) = (metric.points for metric in telemetry.metrics)
        attributes = telemetry.metrics[0].resource
        assert first == MetricPoint({}, -3, 1, 2, exemplars=(Exemplar(attributes, 2.5, 7, TRACE, SPAN),))
        assert stale.value is None
        assert nan.value is not None
        assert math.isnan(nan.value)
        assert whole == MetricPoint({}, None, count=3, sum=4.5, minimum=1.0, maximum=2.0, buckets=(1, 2))
        assert (thin.count, sum(thin.buckets)) == (6, 6)


def test_log_records_have_names_of_events_and_what_was_dropped() -> None:
    record = {"eventName": "device.crash", "droppedAttributesCount": 3, "flags": 1, "traceId": TRACE}
    for telemetry in both("logs", "resourceLogs", "scopeLogs", {"logRecords": [record]}):
        (log,) = telemetry.logs
        assert (log.event_name, log.dropped, log.flags) == ("device.crash", 3, 1)


@pytest.mark.parametrize(
    ("point", "told"),
    [
        ({"asDouble": "much"}, "asDouble 'much' is not a number"),
        ({"count": "many"}, "count 'many' is not an integer"),
        ({"exemplars": [{"traceId": "no"}]}, "traceId 'no' is not 32 hex digits"),
    ],
)
def test_a_point_that_is_none_is_told(point: dict[str, Any], told: str) -> None:
    metric = {"name": "m", "sum": {"dataPoints": [point]}}
    with pytest.raises(CorpusError, match=told):
        read_document({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]})
