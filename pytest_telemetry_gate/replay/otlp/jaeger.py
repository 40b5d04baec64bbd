"""Traces in the JSON of Jaeger's query API and of its documents in Elasticsearch, made into OTLP."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.otlp.telemetry import KINDS, STATUSES, integer

__all__ = ["from_jaeger", "is_jaeger"]

_HEX = re.compile(r"[0-9a-fA-F]*")
_TYPES = {
    "string": "stringValue",
    "bool": "boolValue",
    "int64": "intValue",
    "float64": "doubleValue",
    "binary": "bytesValue",
}
_BY_PYTHON: tuple[tuple[type, str], ...] = ((bool, "boolValue"), (int, "intValue"), (float, "doubleValue"))
_TRUTHS = {"true": True, "false": False}
# Tags in which OTLP's fields travel; otel.library.* is what otel.scope.* was called before 2022.
_SCOPE_NAMES, _SCOPE_VERSIONS = (
    ("otel.scope.name", "otel.library.name"),
    ("otel.scope.version", "otel.library.version"),
)
_OWN_TAGS = frozenset(
    {
        *_SCOPE_NAMES,
        *_SCOPE_VERSIONS,
        "span.kind",
        "otel.status_code",
        "otel.status_description",
        "w3c.tracestate",
        "internal.span.format",
    }
)
_Span = Mapping[str, Any]


def is_jaeger(document: Mapping[str, Any]) -> bool:
    """Tell whether this is an answer of Jaeger's query API, a trace out of one, or a span with its process."""
    return (
        _is_trace(document)
        or ("operationName" in document and "process" in document)
        or ("data" in document and (_lists_traces(document["data"]) or "errors" in document))
    )


def from_jaeger(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return Jaeger's JSON as TracesData; raises CorpusError, with Jaeger's words where it found no trace.

    Jaeger's form has less: times are whole microseconds, and arrays have become text.
    """
    resources = []
    try:
        for trace in _traces(document):
            processes = trace.get("processes") or {}
            for process, spans in _by_process(trace["spans"], processes):
                resources.append(
                    {
                        "resource": {"attributes": _resource(process)},
                        "scopeSpans": [
                            {"scope": dict(scope), "spans": [_span(span) for span in scope_spans]}
                            for scope, scope_spans in _by_scope(spans).items()
                        ],
                    }
                )
    except KeyError as error:
        message = f"not Jaeger's JSON: {error} is missing"
        raise CorpusError(message) from None
    except (TypeError, AttributeError, ValueError) as error:
        message = f"not Jaeger's JSON: {error}"[:200]
        raise CorpusError(message) from None
    return {"resourceSpans": resources}


def _is_trace(part: object) -> bool:
    return isinstance(part, dict) and "traceID" in part and isinstance(part.get("spans"), list)


def _lists_traces(data: object) -> bool:
    return isinstance(data, list) and bool(data) and isinstance(data[0], dict) and "spans" in data[0]


def _traces(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if _is_trace(document):
        return [document]
    if "operationName" in document:
        return [{"spans": [document]}]
    errors = document.get("errors")
    if errors:
        told = "; ".join(
            str(error.get("msg", error)) if isinstance(error, dict) else str(error) for error in errors
        )
        message = f"Jaeger answered with an error: {told}"[:200]
        raise CorpusError(message)
    if not _lists_traces(document["data"]):
        message = "an answer of Jaeger without a trace"
        raise CorpusError(message)
    return list(document["data"])


def _by_process(
    spans: Iterable[_Span], processes: Mapping[str, Any]
) -> Iterable[tuple[Mapping[str, Any], list[_Span]]]:
    """Return each process with its spans; it stands beside the spans of a trace, or in each of them."""
    found: dict[str, tuple[Mapping[str, Any], list[_Span]]] = {}
    for span in spans:
        process = span.get("process")
        key = repr(process) if process else str(span["processID"])
        if not process and key not in processes:
            message = f"there is no process {key[:80]!r}, which a span names"
            raise CorpusError(message)
        found.setdefault(key, (process or processes[key], []))[1].append(span)
    return found.values()


def _resource(process: Mapping[str, Any]) -> list[dict[str, Any]]:
    service = {"key": "service.name", "value": {"stringValue": str(process["serviceName"])}}
    return [service, *(_attribute(tag) for tag in process.get("tags") or ())]


def _by_scope(spans: Iterable[_Span]) -> dict[tuple[tuple[str, str], ...], list[_Span]]:
    by_scope: dict[tuple[tuple[str, str], ...], list[_Span]] = {}
    for span in spans:
        tags = _tags(span)
        scope = (("name", _first(tags, _SCOPE_NAMES)), ("version", _first(tags, _SCOPE_VERSIONS)))
        by_scope.setdefault(scope, []).append(span)
    return by_scope


def _first(tags: Mapping[str, Any], keys: Iterable[str]) -> str:
    return next((str(tags[key]) for key in keys if key in tags), "")


def _tags(span: _Span) -> dict[str, Any]:
    return {tag["key"]: tag.get("value") for tag in span.get("tags") or ()}


def _span(span: _Span) -> dict[str, Any]:
    tags = _tags(span)
    trace_id = _id(span["traceID"], 32, "traceID")
    start = integer(span["startTime"], "startTime") * 1000
    references = [_reference(reference) for reference in span.get("references") or ()]
    # A parent in another trace is no parent: OTLP has it as a link.
    parent = next((one for one in references if one[0] == "CHILD_OF" and one[1] == trace_id), None)
    failed = _TRUTHS.get(str(tags.get("error")).lower(), False)
    status = str(tags.get("otel.status_code", "ERROR" if failed else "")).lower()
    kind = str(tags.get("span.kind", "internal")).lower()
    own = _OWN_TAGS | ({"error"} if str(tags.get("error")).lower() in _TRUTHS else set())
    converted = {
        "traceId": trace_id,
        "spanId": _id(span["spanID"], 16, "spanID"),
        "parentSpanId": parent[2] if parent else _id(span.get("parentSpanID") or "", 16, "parentSpanID"),
        "traceState": str(tags.get("w3c.tracestate", "")),
        "name": str(span["operationName"]),
        "kind": KINDS.index(kind) if kind in KINDS else 0,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + integer(span["duration"], "duration") * 1000),
        "attributes": [_attribute(tag) for tag in span.get("tags") or () if tag["key"] not in own],
        "status": {
            "code": STATUSES.index(status) if status in STATUSES else 0,
            "message": str(tags.get("otel.status_description", "")),
        },
        "links": [
            {"traceId": one[1], "spanId": one[2]} for one in references if one is not parent
        ],
        "events": [_event(log) for log in span.get("logs") or ()],
    }  # fmt: skip
    if isinstance(span.get("flags"), int):
        converted["flags"] = span["flags"] & 1  # sampled; the others are Jaeger's own
    return converted


def _reference(reference: Mapping[str, Any]) -> tuple[str, str, str]:
    kind = str(reference.get("refType", "CHILD_OF")).upper().replace("-", "_")
    return kind, _id(reference["traceID"], 32, "traceID"), _id(reference["spanID"], 16, "spanID")


def _id(text: object, digits: int, name: str) -> str:
    """Return an id with the zeros at its front, which older clients leave out; an empty one stays empty."""
    if not isinstance(text, str) or len(text) > digits or not _HEX.fullmatch(text):
        message = f"{name} {str(text)[:80]!r} is not up to {digits} hex digits"
        raise CorpusError(message)
    digits_of_it = text.lower().rjust(digits, "0")
    return digits_of_it if digits_of_it.strip("0") else ""


def _event(log: Mapping[str, Any]) -> dict[str, Any]:
    fields = log.get("fields") or ()
    name = next((field.get("value") for field in fields if field["key"] == "event"), "")
    return {
        "name": str(name),
        "timeUnixNano": str(integer(log["timestamp"], "timestamp") * 1000),
        "attributes": [_attribute(field) for field in fields if field["key"] != "event"],
    }


def _attribute(tag: Mapping[str, Any]) -> dict[str, Any]:
    content = tag.get("value")
    named = _TYPES.get(str(tag.get("type", "")).lower())
    key = named or next((key for kind, key in _BY_PYTHON if isinstance(content, kind)), "stringValue")
    try:
        value = _READERS[key](content)
    except (KeyError, TypeError, ValueError, CorpusError):
        message = f"tag {str(tag['key'])[:80]!r}: {str(content)[:80]!r} is no {tag.get('type') or 'value'}"
        raise CorpusError(message) from None
    return {"key": tag["key"], "value": {key: value}}


def _truth(content: object) -> bool:
    return _TRUTHS[str(content).lower()]


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "stringValue": str,
    "boolValue": _truth,
    "intValue": lambda content: str(integer(content, "value")),
    "doubleValue": float,
    "bytesValue": str,
}
