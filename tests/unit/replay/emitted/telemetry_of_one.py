"""Telemetry by hand, short enough to be read in a test."""

from __future__ import annotations

from typing import Any

from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData, read_document

TRACE = "0af7651916cd43dd8448eb211c80319c"


def value(content: Any) -> dict[str, Any]:
    if isinstance(content, bool):
        return {"boolValue": content}
    if isinstance(content, int):
        return {"intValue": str(content)}
    if isinstance(content, float):
        return {"doubleValue": content}
    if isinstance(content, list):
        return {"arrayValue": {"values": [value(one) for one in content]}}
    if isinstance(content, dict):
        return {"kvlistValue": {"values": attributes(content)}}
    return {"stringValue": str(content)}


def attributes(given: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(content)} for key, content in given.items()]


def span(name: str, number: int, parent: int = 0, kind: int = 1, **given: Any) -> dict[str, Any]:
    """Return a span; ``given`` has further fields of it, ``attributes`` as a mapping."""
    fields = {"attributes": attributes(given.pop("attributes", {}))}
    return {
        "traceId": TRACE,
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(10**18 + number),
        "endTimeUnixNano": str(10**18 + number + 5 * 10**6),
        **fields,
        **given,
    }


def telemetry(
    *spans: dict[str, Any],
    resource: dict[str, Any] | None = None,
    metrics: tuple[dict[str, Any], ...] = (),
    logs: tuple[dict[str, Any], ...] = (),
) -> TelemetryData:
    """Return everything as read from documents of one resource and scope."""
    about = {"resource": {"attributes": attributes(resource or {"service.name": "shop"})}}
    scope = {"scope": {"name": "lib", "version": "1.0"}}
    found = TelemetryData()
    for top, middle, leaf, items in (
        ("resourceSpans", "scopeSpans", "spans", spans),
        ("resourceMetrics", "scopeMetrics", "metrics", metrics),
        ("resourceLogs", "scopeLogs", "logRecords", logs),
    ):
        if items:
            read_document({top: [{**about, middle: [{**scope, leaf: list(items)}]}]}, found)
    return found
