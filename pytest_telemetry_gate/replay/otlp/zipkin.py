"""Traces in the JSON of Zipkin's API v2, made into OTLP as OpenTelemetry's mapping says.

https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin/
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.otlp.telemetry import KINDS, STATUSES, integer

__all__ = ["from_zipkin", "is_zipkin_span"]

_HEX = re.compile(r"[0-9a-fA-F]+")
_SCOPE_KEYS = {
    "otel.scope.name": "name",
    "otel.library.name": "name",
    "otel.scope.version": "version",
    "otel.library.version": "version",
}
_OWN_TAGS = frozenset({*_SCOPE_KEYS, "otel.status_code", "otel.status_description", "error"})
_Span = Mapping[str, Any]


def is_zipkin_span(part: object) -> bool:
    """Tell whether this is a span of Zipkin's version 2."""
    return isinstance(part, dict) and {"traceId", "id"} <= part.keys() and "binaryAnnotations" not in part


def from_zipkin(spans: Sequence[_Span]) -> dict[str, Any]:
    """Return Zipkin's spans as TracesData; raises CorpusError.

    Zipkin's form has less: times are whole microseconds, all tags are text, and a service is all that is known of a resource.
    Where server and client share a span, as Zipkin's own tracers have it, the server's becomes a child of the client's.
    """
    by_service: dict[str, dict[tuple[tuple[str, str], ...], list[dict[str, Any]]]] = {}
    try:
        shared = _shared_ids(spans)
        for span in spans:
            scope = tuple(sorted(_scope(span).items()))
            by_scope = by_service.setdefault(_service(span), {})
            by_scope.setdefault(scope, []).append(_span(span, shared))
    except KeyError as error:
        message = f"not Zipkin's JSON: {error} is missing"
        raise CorpusError(message) from None
    except (TypeError, AttributeError, ValueError) as error:
        message = f"not Zipkin's JSON: {error}"[:200]
        raise CorpusError(message) from None
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes({"service.name": service} if service else {})},
                "scopeSpans": [{"scope": dict(scope), "spans": found} for scope, found in by_scope.items()],
            }
            for service, by_scope in by_service.items()
        ]
    }


def _service(span: _Span) -> str:
    return str((span.get("localEndpoint") or {}).get("serviceName") or "")


def _scope(span: _Span) -> dict[str, str]:
    return {
        _SCOPE_KEYS[key]: str(text) for key, text in (span.get("tags") or {}).items() if key in _SCOPE_KEYS
    }


def _key(span: _Span) -> tuple[str, str]:
    return _id(span["traceId"], 32, "traceId"), _id(span["id"], 16, "id")


def _shared_ids(spans: Iterable[_Span]) -> dict[tuple[str, str, str], str]:
    """Return new ids for the server's half of spans that a client has too, by trace, old id and service."""
    clients = {_key(span) for span in spans if span.get("kind") == "CLIENT"}
    return {
        (*_key(span), _service(span)): hashlib.sha256("/".join(_key(span)).encode()).hexdigest()[:16]
        for span in spans
        if span.get("kind") == "SERVER" and _key(span) in clients
    }


def _span(span: _Span, shared: Mapping[tuple[str, str, str], str]) -> dict[str, Any]:
    tags = span.get("tags") or {}
    trace_id, span_id = _key(span)
    parent = _id(span.get("parentId") or "", 16, "parentId")
    if span.get("kind") == "SERVER" and (trace_id, span_id, _service(span)) in shared:
        span_id, parent = shared[trace_id, span_id, _service(span)], span_id
    else:
        parent = shared.get((trace_id, parent, _service(span)), parent)
    status = str(tags.get("otel.status_code", "ERROR" if "error" in tags else "")).lower()
    kind = str(span.get("kind") or "internal").lower()
    start = integer(span.get("timestamp") or 0, "timestamp") * 1000
    own = {key: text for key, text in tags.items() if key not in _OWN_TAGS}
    return {
        "traceId": trace_id,
        "spanId": span_id,
        "parentSpanId": parent,
        "name": str(span.get("name") or ""),
        "kind": KINDS.index(kind) if kind in KINDS else 0,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + integer(span.get("duration") or 0, "duration") * 1000),
        "attributes": _attributes({**_remote(span), **own}),
        "status": {
            "code": STATUSES.index(status) if status in STATUSES else 0,
            "message": str(tags.get("otel.status_description", tags.get("error", ""))),
        },
        "events": [_event(annotation) for annotation in span.get("annotations") or ()],
    }


def _id(text: object, digits: int, name: str) -> str:
    """Return an id with all its digits: a trace's may have half of them; an empty one stays empty."""
    if not text:
        return ""
    if not isinstance(text, str) or len(text) > digits or not _HEX.fullmatch(text):
        message = f"{name} {str(text)[:80]!r} is not up to {digits} hex digits"
        raise CorpusError(message)
    return text.lower().rjust(digits, "0")


def _remote(span: _Span) -> dict[str, Any]:
    endpoint = span.get("remoteEndpoint") or {}
    found = {
        "peer.service": endpoint.get("serviceName"),
        "network.peer.address": endpoint.get("ipv4") or endpoint.get("ipv6"),
        "network.peer.port": endpoint.get("port"),
    }
    return {key: content for key, content in found.items() if content}


def _event(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """Return an annotation as an event; OpenTelemetry's exporters write ``"name": {attributes}`` where it has some."""
    text = str(annotation["value"])
    name, attributes = text, {}
    try:
        parsed = json.loads(f"{{{text}}}") if text.startswith('"') else {}
    except (ValueError, RecursionError):
        parsed = {}
    if len(parsed) == 1 and isinstance(next(iter(parsed.values())), dict):
        ((name, attributes),) = parsed.items()
    return {
        "name": name,
        "timeUnixNano": str(integer(annotation["timestamp"], "timestamp") * 1000),
        "attributes": _attributes(attributes),
    }


def _attributes(contents: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(content)} for key, content in contents.items()]


def _value(content: object) -> dict[str, Any]:
    if isinstance(content, bool):
        return {"boolValue": content}
    if isinstance(content, int):
        return {"intValue": str(content)}
    return {"doubleValue": content} if isinstance(content, float) else {"stringValue": str(content)}
