"""Stand-ins for Jaeger and Tempo, written from their published APIs; no real one can be had from a package registry.

Jaeger: https://www.jaegertracing.io/docs/latest/apis/, the HTTP API v3 (``result`` with OTLP in it, ``error`` with
httpCode and message, sent as text/plain) and that of its user interface (``data``, ``errors``). Tempo:
https://grafana.com/docs/tempo/latest/api_docs/, v1 (``batches``, 404 without a body) and v2 (``trace``, ``status``,
``message``; 200 for a trace that is not there), both with ids in base64 and names of enums, as protobuf's JSON has them.
"""

from __future__ import annotations

import base64
import copy
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Answer = tuple[int, Any]
Headers = dict[str, str]
_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUSES = ("UNSET", "OK", "ERROR")


@dataclass
class FakeBackend:
    """One server: ``documents`` are what it stores, ``before`` what it answers first, ``asked`` the paths and headers.

    ``visible`` says how many spans of a trace it shows at its n-th answer that comes from its store.
    """

    url: str = ""
    documents: Callable[[], list[dict[str, Any]]] = list
    before: list[tuple[int, Headers, bytes]] = field(default_factory=list)
    asked: list[tuple[str, Headers]] = field(default_factory=list)
    visible: Callable[[int], int] = lambda _: 1_000_000
    partial: str = ""
    answered: int = 0
    tls: ssl.SSLContext | None = None

    def answer(self, path: str) -> tuple[int, Headers, bytes]:
        """Return status, headers and body for a path."""
        if self.before:
            return self.before.pop(0)
        kind, _, trace_id = path.rpartition("/")
        self.answered += 1
        make = _ANSWERS.get(kind)
        if make is None:  # as Go's router says it
            return 404, {"Content-Type": "text/plain; charset=utf-8"}, b"404 page not found\n"
        content_type = "text/plain; charset=utf-8" if kind == "/api/v3/traces" else "application/json"
        resources = _of_trace(self.documents(), trace_id, self.visible(self.answered))
        status, content = make(resources, self.partial)
        body = b"" if content is None else json.dumps(content).encode()
        return status, {"Content-Type": content_type}, body


@contextmanager
def serving(**fields: Any) -> Iterator[FakeBackend]:
    """Run a server that is Jaeger and Tempo at once, as their paths differ but for ``/api/traces``: see ``TEMPO``."""
    backend = FakeBackend(**fields)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            backend.asked.append((self.path, dict(self.headers)))
            status, headers, body = backend.answer(parts.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002 - the name of the base class

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if backend.tls is not None:
        server.socket = backend.tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if backend.tls is None else "https"
    backend.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield backend
    finally:
        server.shutdown()
        server.server_close()


TEMPO = "/tempo"  # the path below which the fake is a Tempo of either version


def refusal(status: int, words: str = "", **headers: str) -> tuple[int, Headers, bytes]:
    """Return an answer that refuses, as text."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"Content-Type": "text/plain", **named}, words.encode()


def _of_trace(documents: list[dict[str, Any]], trace_id: str, most: int) -> list[dict[str, Any]]:
    """Return the resource spans of one trace, with so many spans at most."""
    resources = []
    for document in copy.deepcopy(documents):
        for resource in document.get("resourceSpans", ()):
            for scope in resource["scopeSpans"]:
                own = [span for span in scope["spans"] if span["traceId"].lower() == trace_id]
                scope["spans"], most = own[:most], max(0, most - len(own))
            resource["scopeSpans"] = [scope for scope in resource["scopeSpans"] if scope["spans"]]
            if resource["scopeSpans"]:
                resources.append(resource)
    return resources


def _jaeger_v3(resources: list[dict[str, Any]], _: str) -> Answer:
    if not resources:
        return 404, {"error": {"httpCode": 404, "message": "No traces found"}}
    return 200, {"result": {"resourceSpans": resources}}


def _jaeger_v1(resources: list[dict[str, Any]], _: str) -> Answer:
    envelope = {"data": None, "total": 0, "limit": 0, "offset": 0, "errors": None}
    if not resources:
        return 404, {**envelope, "errors": [{"code": 404, "msg": "trace not found"}]}
    spans, processes = [], {}
    for number, resource in enumerate(resources, 1):
        attributes = resource.get("resource", {}).get("attributes", [])
        tags = [_tag(one) for one in attributes]
        service = next((tag["value"] for tag in tags if tag["key"] == "service.name"), "")
        processes[f"p{number}"] = {
            "serviceName": service,
            "tags": [tag for tag in tags if tag["key"] != "service.name"],
        }
        for scope in resource["scopeSpans"]:
            name = scope.get("scope", {}).get("name", "")
            spans += [_jaeger_span(span, name, f"p{number}") for span in scope["spans"]]
    trace = {"traceID": spans[0]["traceID"], "spans": spans, "processes": processes, "warnings": None}
    return 200, {**envelope, "data": [trace]}


def _jaeger_span(span: dict[str, Any], scope: str, process: str) -> dict[str, Any]:
    # Jaeger shows ids of 64 bits without the zeros before them, and times in whole microseconds.
    trace_id = span["traceId"].lower()
    start, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
    parent = {"refType": "CHILD_OF", "traceID": trace_id, "spanID": span.get("parentSpanId", "")}
    links = [
        {"refType": "FOLLOWS_FROM", "traceID": link["traceId"], "spanID": link["spanId"]}
        for link in span.get("links", ())
    ]
    status = span.get("status", {})
    own = [("span.kind", _KINDS[span.get("kind", 0)])]
    if scope:
        own.append(("otel.scope.name", scope))
    if status.get("code"):
        own.append(("otel.status_code", _STATUSES[status["code"]]))
    if status.get("message"):
        own.append(("otel.status_description", status["message"]))
    tags = [{"key": key, "type": "string", "value": value} for key, value in own]
    if status.get("code") == 2:
        tags.append({"key": "error", "type": "bool", "value": True})
    return {
        "traceID": trace_id,
        "spanID": span["spanId"],
        "operationName": span["name"],
        "references": [parent, *links] if span.get("parentSpanId") else links,
        "startTime": start // 1000,
        "duration": (end - start) // 1000,
        "tags": [*(_tag(one) for one in span.get("attributes", ())), *tags],
        "logs": [
            {
                "timestamp": int(event["timeUnixNano"]) // 1000,
                "fields": [
                    {"key": "event", "type": "string", "value": event["name"]},
                    *(_tag(one) for one in event.get("attributes", ())),
                ],
            }
            for event in span.get("events", ())
        ],
        "processID": process,
        "warnings": None,
    }


def _tag(attribute: dict[str, Any]) -> dict[str, Any]:
    ((kind, value),) = attribute["value"].items()
    types = {
        "stringValue": "string",
        "boolValue": "bool",
        "intValue": "int64",
        "doubleValue": "float64",
    }
    if kind not in types:  # arrays and maps become the text of their JSON
        return {"key": attribute["key"], "type": "string", "value": json.dumps(value)}
    return {
        "key": attribute["key"],
        "type": types[kind],
        "value": int(value) if kind == "intValue" else value,
    }


def _otlp(resources: list[dict[str, Any]], _: str) -> Answer:
    return (200, {"resourceSpans": resources}) if resources else (404, None)


def _tempo_v1(resources: list[dict[str, Any]], _: str) -> Answer:
    return (200, {"batches": _as_tempo(resources)}) if resources else (404, None)


def _tempo_v2(resources: list[dict[str, Any]], partial: str) -> Answer:
    answer: dict[str, Any] = {"trace": {"resourceSpans": _as_tempo(resources)} if resources else {}}
    answer["metrics"] = {"inspectedBytes": "1234"}
    return 200, {**answer, **({"status": "PARTIAL", "message": partial} if partial else {})}


def _as_tempo(part: Any, key: str = "") -> Any:
    if isinstance(part, list):
        return [_as_tempo(inner, key) for inner in part]
    if isinstance(part, dict):
        return {name: _as_tempo(inner, name) for name, inner in part.items()}
    if key in {"traceId", "spanId", "parentSpanId"} and part:
        return base64.b64encode(bytes.fromhex(part)).decode()
    if key == "kind":
        return f"SPAN_KIND_{_KINDS[part].upper()}"
    return f"STATUS_CODE_{_STATUSES[part]}" if key == "code" else part


_ANSWERS: dict[str, Callable[[list[dict[str, Any]], str], Answer]] = {
    "/api/v3/traces": _jaeger_v3,
    "/api/traces": _jaeger_v1,
    "/otlp": _otlp,
    f"{TEMPO}/api/traces": _tempo_v1,
    f"{TEMPO}/api/v2/traces": _tempo_v2,
}
