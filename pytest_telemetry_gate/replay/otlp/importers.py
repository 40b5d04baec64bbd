"""Traces as Jaeger and Tempo export them, made into OTLP documents."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.otlp.telemetry import KINDS, STATUSES

__all__ = ["from_jaeger", "from_tempo", "is_jaeger", "is_tempo"]

_HEX = re.compile(r"[0-9a-fA-F]+")
_JAEGER_TYPES = {
    "string": "stringValue",
    "bool": "boolValue",
    "int64": "intValue",
    "float64": "doubleValue",
    "binary": "bytesValue",
}
_OWN_TAGS = {
    "span.kind",
    "otel.status_code",
    "otel.status_description",
    "otel.scope.name",
    "otel.library.name",
    "error",
}
_BYTES = {"traceId": 16, "spanId": 8, "parentSpanId": 8}


def is_jaeger(document: Mapping[str, Any]) -> bool:
    """Tell whether this is the answer of Jaeger's query API."""
    data = document.get("data")
    return isinstance(data, list) and bool(data) and isinstance(data[0], dict) and "spans" in data[0]


def is_tempo(document: Mapping[str, Any]) -> bool:
    """Tell whether this is the answer of Tempo's trace API."""
    return "batches" in document or isinstance(document.get("trace"), dict)


def from_jaeger(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return Jaeger's JSON as TracesData; raises CorpusError.

    Jaeger's form has less: times are whole microseconds, and arrays have become text.
    """
    resources = []
    try:
        for trace in document["data"]:
            processes = trace.get("processes") or {}
            for key, spans in _by_process(trace["spans"]).items():
                process = processes.get(key) or {}
                tags = [_jaeger_tag(tag) for tag in process.get("tags") or ()]
                service = {"key": "service.name", "value": {"stringValue": process.get("serviceName", "")}}
                resources.append(
                    {
                        "resource": {"attributes": [service, *tags]},
                        "scopeSpans": [
                            {"scope": {"name": scope}, "spans": [_jaeger_span(span) for span in scope_spans]}
                            for scope, scope_spans in _by_scope(spans).items()
                        ],
                    }
                )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        message = f"not Jaeger's JSON: {type(error).__name__} {error}"
        raise CorpusError(message) from None
    return {"resourceSpans": resources}


def _by_process(spans: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    by_process: dict[str, list[Mapping[str, Any]]] = {}
    for span in spans:
        by_process.setdefault(span.get("processID", ""), []).append(span)
    return by_process


def _by_scope(spans: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    by_scope: dict[str, list[Mapping[str, Any]]] = {}
    for span in spans:
        tags = _tags(span)
        scope = tags.get("otel.scope.name", tags.get("otel.library.name", ""))
        by_scope.setdefault(str(scope), []).append(span)
    return by_scope


def _tags(span: Mapping[str, Any]) -> dict[str, Any]:
    return {tag["key"]: tag.get("value") for tag in span.get("tags") or ()}


def _jaeger_span(span: Mapping[str, Any]) -> dict[str, Any]:
    tags = _tags(span)
    start = int(span["startTime"]) * 1000
    references = span.get("references") or ()
    parent = next((reference for reference in references if reference.get("refType") == "CHILD_OF"), None)
    status = str(tags.get("otel.status_code", "ERROR" if tags.get("error") in (True, "true") else "")).lower()
    kind = str(tags.get("span.kind", "internal"))
    return {
        "traceId": span["traceID"].rjust(32, "0"),
        "spanId": span["spanID"].rjust(16, "0"),
        "parentSpanId": parent["spanID"].rjust(16, "0") if parent else "",
        "name": span["operationName"],
        "kind": KINDS.index(kind) if kind in KINDS else 0,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + int(span["duration"]) * 1000),
        "attributes": [_jaeger_tag(tag) for tag in span.get("tags") or () if tag["key"] not in _OWN_TAGS],
        "status": {
            "code": STATUSES.index(status) if status in STATUSES else 0,
            "message": str(tags.get("otel.status_description", "")),
        },
        "links": [
            {"traceId": reference["traceID"].rjust(32, "0"), "spanId": reference["spanID"].rjust(16, "0")}
            for reference in references
            if reference is not parent
        ],
        "events": [_jaeger_log(log) for log in span.get("logs") or ()],
    }


def _jaeger_log(log: Mapping[str, Any]) -> dict[str, Any]:
    fields = log.get("fields") or ()
    name = next((field.get("value") for field in fields if field["key"] == "event"), "")
    return {
        "name": str(name),
        "timeUnixNano": str(int(log["timestamp"]) * 1000),
        "attributes": [_jaeger_tag(field) for field in fields if field["key"] != "event"],
    }


def _jaeger_tag(tag: Mapping[str, Any]) -> dict[str, Any]:
    key = _JAEGER_TYPES.get(str(tag.get("type", "string")), "stringValue")
    content = tag.get("value")
    if key == "intValue":
        content = str(int(content))  # type: ignore[arg-type]
    elif key == "stringValue":
        content = str(content)
    return {"key": tag["key"], "value": {key: content}}


def from_tempo(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return Tempo's JSON as TracesData: ids in base64, told by their length, become hex, and names become enums.

    Raises CorpusError.
    """
    inner = document.get("trace", document)
    batches = inner.get("batches", inner.get("resourceSpans")) if isinstance(inner, dict) else None
    if not isinstance(batches, list):
        message = "not Tempo's JSON: no list of batches"
        raise CorpusError(message)
    return {"resourceSpans": [_tempo(batch) for batch in batches]}


def _tempo(part: Any, key: str = "") -> Any:
    if isinstance(part, dict):
        renamed = {"instrumentationLibrarySpans": "scopeSpans", "instrumentationLibrary": "scope"}
        return {renamed.get(name, name): _tempo(inner, name) for name, inner in part.items()}
    if isinstance(part, list):
        return [_tempo(inner, key) for inner in part]
    if key in _BYTES and isinstance(part, str):
        return _tempo_id(part, _BYTES[key], key)
    if isinstance(part, str) and part.startswith(("SPAN_KIND_", "STATUS_CODE_")):
        names = KINDS if part.startswith("SPAN_KIND_") else STATUSES
        word = part.removeprefix("SPAN_KIND_").removeprefix("STATUS_CODE_").lower()
        return names.index(word) if word in names else 0
    return part


def _tempo_id(text: str, size: int, name: str) -> str:
    if not text or (len(text) == 2 * size and _HEX.fullmatch(text)):
        return text
    if len(text) == 4 * ((size + 2) // 3):
        try:
            return base64.b64decode(text, validate=True).hex()
        except binascii.Error:
            pass
    message = f"{name} {text[:80]!r} is neither {2 * size} hex digits nor base64 of {size} bytes"
    raise CorpusError(message)
