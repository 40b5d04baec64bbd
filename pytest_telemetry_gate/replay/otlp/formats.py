"""Which format of recorded telemetry a JSON value is of: OTLP, what becomes OTLP, and what is known but not read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.otlp.jaeger import from_jaeger, is_jaeger
from pytest_telemetry_gate.replay.otlp.spellings import respelled
from pytest_telemetry_gate.replay.otlp.tempo import from_tempo, is_tempo
from pytest_telemetry_gate.replay.otlp.zipkin import from_zipkin, is_zipkin_span

__all__ = ["otlp_documents"]

_Document = Mapping[str, Any]
_RESOURCES = {"scopeSpans": "resourceSpans", "scopeMetrics": "resourceMetrics", "scopeLogs": "resourceLogs"}


def otlp_documents(content: object) -> list[dict[str, Any]]:
    """Return a JSON value at the top of a file, or an answer of a trace backend, as OTLP documents.

    Read are OTLP, Jaeger's query API and its version 3, Tempo's traces, Zipkin's version 2, and arrays of them. Raises
    CorpusError, one line without a place, that names other formats that are known.
    """
    if isinstance(content, list):
        return _of_list(content)
    if not isinstance(content, dict):
        message = "an OTLP document must be a JSON object"
        raise CorpusError(message)
    if is_jaeger(content):
        return [from_jaeger(content)]
    if is_tempo(content):
        return [from_tempo(content)]
    if is_zipkin_span(content):
        return [from_zipkin([content])]
    for name, matches, advice in _NOT_READ:
        if matches(content):
            message = f"this is {name}, which is not read: {advice}"
            raise CorpusError(message)
    return [respelled(_wrapped(content))]


def _wrapped(content: _Document) -> _Document:
    """Return the resource of a document that is one alone, as Java's logging exporter writes it, as a document of one."""
    top = next((top for key, top in _RESOURCES.items() if key in content), "")
    return {top: [content]} if top else content


def _of_list(content: list[Any]) -> list[dict[str, Any]]:
    if content and all(map(is_zipkin_span, content)):
        return [from_zipkin(content)]
    return [document for part in content for document in otlp_documents(part)]


def _has(*keys: str) -> Callable[[_Document], bool]:
    return lambda document: set(keys) <= document.keys()


def _lists(key: str, *keys: str) -> Callable[[_Document], bool]:
    """Return whether a document lists, below ``key``, objects with further keys."""

    def matches(document: _Document) -> bool:
        listed = document.get(key)
        first = listed[0] if isinstance(listed, list) and listed else None
        return isinstance(first, dict) and set(keys) <= first.keys()

    return matches


def _any_of(*matchers: Callable[[_Document], bool]) -> Callable[[_Document], bool]:
    return lambda document: any(matches(document) for matches in matchers)


_EXPORT = "export OTLP JSON, as the Collector's file exporter writes it"
_NOT_READ: tuple[tuple[str, Callable[[_Document], bool], str], ...] = (
    (
        "Tempo's list of found traces",
        _lists("traces", "traceID", "rootServiceName"),
        "ask for each by /api/v2/traces/ID",
    ),
    (
        "Jaeger's span model (api_v2)",
        _any_of(
            _has("traceId", "spanId", "operationName"),
            _has("trace_id", "span_id", "operation_name"),
            _lists("spans", "traceId", "operationName"),
        ),
        "ask for the trace by /api/traces/ID",
    ),
    (
        "an answer of Elasticsearch",
        _any_of(_has("_source"), _has("hits", "took")),
        "take the documents out of their _source",
    ),
    ("Zipkin's version 1", _has("traceId", "binaryAnnotations"), "ask for version 2 by /api/v2/trace/ID"),
    (
        "what the Python SDK's console exporter prints",
        _has("name", "context", "start_time"),
        _EXPORT,
    ),
    ("what Go's stdouttrace prints", _has("Name", "SpanContext"), _EXPORT),
    ("Datadog's traces", _has("trace_id", "span_id", "service"), _EXPORT),
    (
        "AWS X-Ray's traces",
        _any_of(_has("Segments"), _has("Traces"), _has("trace_id", "id", "start_time")),
        _EXPORT,
    ),
    ("SkyWalking's segments", _any_of(_has("traceSegmentId"), _has("segmentId", "spans")), _EXPORT),
    (
        "Elastic APM's events",
        _any_of(*(lambda one, key=key: _is_apm(one, key) for key in ("transaction", "span", "metadata"))),
        _EXPORT,
    ),
    ("Google Cloud Trace's traces", _lists("traces", "projectId"), _EXPORT),
    ("Chrome's trace events", _any_of(_has("traceEvents"), _has("ph", "ts", "pid")), _EXPORT),
    ("Sentry's transaction", _has("event_id", "contexts"), _EXPORT),
)


def _is_apm(document: _Document, key: str) -> bool:
    return len(document) == 1 and isinstance(document.get(key), dict)
