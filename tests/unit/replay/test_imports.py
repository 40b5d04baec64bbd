"""Recorded traces in other formats than OTLP: what each of their fields becomes, and what is refused by name."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from test_corpus import PARENT, SPAN, TRACE, document, file

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.otlp.corpus import read_corpus, telemetry_of
from pytest_telemetry_gate.replay.otlp.formats import otlp_documents
from pytest_telemetry_gate.replay.otlp.telemetry import AttributeValue, SpanRecord

START = 1_737_583_200_000_000  # microseconds
FOREIGN = "f" * 32


def spans_of(folder: Path, content: object) -> list[SpanRecord]:
    return telemetry_of(read_corpus(file(folder, json.dumps(content)), "t")).spans


def jaeger_span(**fields: object) -> dict[str, Any]:
    return {
        "traceID": TRACE.lower().lstrip("0"), "spanID": SPAN, "processID": "p1", "operationName": "parser.parse",
        "startTime": START, "duration": 250,
        "references": [{"refType": "CHILD_OF", "traceID": TRACE, "spanID": PARENT}],
        **fields,
    }  # fmt: skip


def jaeger_trace(*spans: dict[str, Any]) -> dict[str, Any]:
    processes = {"p1": {"serviceName": "parser", "tags": [{"key": "host", "type": "string", "value": "a"}]}}
    return {"traceID": TRACE, "spans": list(spans), "processes": processes}


def test_every_field_of_a_jaeger_span_has_its_place(tmp_path: Path) -> None:
    tags = [
        {"key": "n", "type": "int64", "value": 4},
        {"key": "text", "type": "int64", "value": "-5"},
        {"key": "on", "type": "bool", "value": "false"},
        {"key": "off", "type": "bool", "value": True},
        {"key": "ratio", "type": "float64", "value": "0.5"},
        {"key": "untyped", "value": 7},
        {"key": "span.kind", "type": "string", "value": "server"},
        {"key": "error", "type": "bool", "value": "true"},
        {"key": "otel.status_description", "type": "string", "value": "down"},
        {"key": "otel.library.name", "type": "string", "value": "lib"},
        {"key": "otel.library.version", "type": "string", "value": "2"},
    ]
    event = {"timestamp": START, "fields": [{"key": "event", "value": "x"}, {"key": "k", "value": "v"}]}
    span = jaeger_span(tags=tags, logs=[event], flags=1)
    (found,) = spans_of(tmp_path, {"data": [jaeger_trace(span)]})
    assert (found.trace_id, found.parent_id, found.kind) == (TRACE.lower(), PARENT, "server")
    assert (found.status, found.status_message, found.duration) == ("error", "down", 250e-6)
    assert found.attributes == {
        "n": AttributeValue("int", 4), "text": AttributeValue("int", -5), "on": AttributeValue("bool", False),
        "off": AttributeValue("bool", True), "ratio": AttributeValue("double", 0.5),
        "untyped": AttributeValue("int", 7),
    }  # fmt: skip
    assert found.resource == {"service.name": ("string", "parser"), "host": ("string", "a")}
    assert [(one.name, one.attributes) for one in found.events] == [("x", {"k": ("string", "v")})]
    ((scope,),) = [
        [scope["scope"] for scope in resource["scopeSpans"]]
        for resource in otlp_documents(jaeger_trace(span))[0]["resourceSpans"]
    ]
    assert scope == {"name": "lib", "version": "2"}


def test_a_parent_in_another_trace_is_a_link(tmp_path: Path) -> None:
    foreign = {"refType": "CHILD_OF", "traceID": FOREIGN, "spanID": PARENT}
    own = {"refType": "CHILD_OF", "traceID": TRACE, "spanID": PARENT}
    after = {"refType": "FOLLOWS_FROM", "traceID": TRACE, "spanID": SPAN}
    (both,) = spans_of(tmp_path, jaeger_trace(jaeger_span(references=[foreign, own, after])))
    assert both.parent_id == PARENT
    assert [(link.trace_id, link.span_id) for link in both.links] == [
        (FOREIGN, PARENT),
        (TRACE.lower(), SPAN),
    ]
    (alone,) = spans_of(tmp_path, jaeger_trace(jaeger_span(references=[foreign])))
    assert (alone.parent_id, len(alone.links)) == ("", 1)


@pytest.mark.parametrize("form", ["answer", "trace", "array", "inline", "lines"])
def test_jaegers_forms_are_the_same_telemetry(tmp_path: Path, form: str) -> None:
    trace = jaeger_trace(jaeger_span(), jaeger_span(spanID=PARENT, references=[]))
    process = trace["processes"]["p1"]
    inline = [{**span, "processID": "", "process": process} for span in trace["spans"]]
    text = {
        "answer": json.dumps({"data": [trace], "errors": None, "total": 0}),
        "trace": json.dumps(trace, indent=1),
        "array": json.dumps([trace]),
        "inline": json.dumps({"data": [{"traceID": TRACE, "spans": inline}]}),
        "lines": "\n".join(map(json.dumps, inline)),
    }[form]
    spans = telemetry_of(read_corpus(file(tmp_path, text))).spans
    assert spans == spans_of(tmp_path, {"data": [trace]})
    assert [span.resource["service.name"] for span in spans] == [("string", "parser")] * 2


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            {"data": [], "errors": [{"code": 404, "msg": "trace not found"}]},
            "answered with an error: trace not found",
        ),
        ({"data": None, "errors": None}, "an answer of Jaeger without a trace"),
        (jaeger_trace(jaeger_span(processID="p2")), "there is no process 'p2', which a span names"),
        (jaeger_trace({"traceID": TRACE}), "not Jaeger's JSON: 'processID' is missing"),
        (jaeger_trace(jaeger_span(spanID="xyz")), "spanID 'xyz' is not up to 16 hex digits"),
        (
            jaeger_trace(jaeger_span(tags=[{"key": "on", "type": "bool", "value": "maybe"}])),
            "tag 'on': 'maybe' is no bool",
        ),
    ],
)
def test_what_is_no_trace_of_jaegers_is_told(tmp_path: Path, content: object, told: str) -> None:
    with pytest.raises(CorpusError, match=f"^t:1: .*{told}"):
        spans_of(tmp_path, content)


def to_base64(text: str) -> str:
    return base64.b64encode(bytes.fromhex(text)).decode()


INNER = document(
    traceId=to_base64(TRACE), spanId=to_base64(SPAN), parentSpanId=to_base64(PARENT), kind="SPAN_KIND_CLIENT",
    status={"code": "STATUS_CODE_OK"}, links=[{"traceId": to_base64(TRACE), "spanId": SPAN}],
    attributes=[{"key": "kind", "value": {"stringValue": "SPAN_KIND_SERVER"}}],
)  # fmt: skip
OLD = json.loads(json.dumps(INNER).replace('"scopeSpans"', '"instrumentationLibrarySpans"'))


@pytest.mark.parametrize(
    "content",
    [
        INNER,
        OLD,
        {"batches": INNER["resourceSpans"]},
        {"trace": INNER, "metrics": {}, "status": "COMPLETE"},
        {"trace": {"batches": INNER["resourceSpans"]}},
        {"result": INNER},
        [INNER],
        INNER["resourceSpans"][0],  # type: ignore[index]
    ],
    ids=["top", "old names", "batches", "API v2", "both", "Jaeger v3", "array", "one resource"],
)
def test_otlp_in_protobufs_spelling_is_read(tmp_path: Path, content: object) -> None:
    (span,) = spans_of(tmp_path, content)
    assert (span.trace_id, span.span_id, span.parent_id) == (TRACE.lower(), SPAN, PARENT)
    assert (span.kind, span.status, span.links[0].trace_id) == ("client", "ok", TRACE.lower())
    # What users wrote stays as it is.
    assert span.attributes["kind"] == AttributeValue("string", "SPAN_KIND_SERVER")


def test_enums_of_metrics_and_logs_have_names_too(tmp_path: Path) -> None:
    total = {
        "name": "m",
        "sum": {"aggregationTemporality": "AGGREGATION_TEMPORALITY_CUMULATIVE", "dataPoints": []},
    }
    log = {"severityNumber": "SEVERITY_NUMBER_WARN2", "body": {"stringValue": "SEVERITY_NUMBER_INFO"}}
    content = {
        "resourceMetrics": [{"scopeMetrics": [{"metrics": [total]}]}],
        "resourceLogs": [{"instrumentationLibraryLogs": [{"logs": [log]}]}],
    }
    found = telemetry_of(read_corpus(file(tmp_path, json.dumps(content))))
    assert found.metrics[0].temporality == "cumulative"
    assert (found.logs[0].severity_number, found.logs[0].body.content) == (14, "SEVERITY_NUMBER_INFO")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            {"trace": {"resourceSpans": []}, "status": "PARTIAL", "message": "max size"},
            "a part of the trace: max size",
        ),
        ({"trace": None}, "an answer without a trace"),
        ({"result": {}}, "an answer without a trace"),
        ({"batches": {}}, "an answer without a trace"),
        (
            {"error": {"httpCode": 404, "message": "No traces found"}},
            "answered with an error: No traces found",
        ),
    ],
)
def test_an_answer_without_a_whole_trace_is_refused(tmp_path: Path, content: object, told: str) -> None:
    with pytest.raises(CorpusError, match=f"^t:1: .*{told}"):
        spans_of(tmp_path, content)


def zipkin_span(**fields: object) -> dict[str, Any]:
    return {
        "traceId": TRACE, "id": SPAN, "parentId": PARENT, "name": "get /cart", "kind": "SERVER", "timestamp": START,
        "duration": 7, "localEndpoint": {"serviceName": "shop"},
        **fields,
    }  # fmt: skip


def test_every_field_of_a_zipkin_span_has_its_place(tmp_path: Path) -> None:
    span = zipkin_span(
        tags={"http.path": "/cart", "error": "down", "otel.library.name": "lib"},
        remoteEndpoint={"serviceName": "db", "ipv4": "192.0.2.1", "port": 5432},
        annotations=[
            {"timestamp": START, "value": "ws"},
            {"timestamp": START, "value": '"retry": {"n": 2}'},
        ],
    )
    (found,) = spans_of(tmp_path, [span])
    assert (found.trace_id, found.parent_id, found.kind) == (TRACE.lower(), PARENT, "server")
    assert (found.status, found.status_message, found.end - found.start) == ("error", "down", 7000)
    assert found.resource == {"service.name": ("string", "shop")}
    assert found.attributes == {
        "http.path": ("string", "/cart"), "peer.service": ("string", "db"),
        "network.peer.address": ("string", "192.0.2.1"), "network.peer.port": ("int", 5432),
    }  # fmt: skip
    events = [(one.name, one.attributes) for one in found.events]
    assert events == [("ws", {}), ("retry", {"n": ("int", 2)})]


def test_zipkins_forms_are_read_and_shared_spans_told_apart(tmp_path: Path) -> None:
    half = TRACE[16:].lower()
    client = zipkin_span(kind="CLIENT", traceId=half, localEndpoint={"serviceName": "web"})
    server = zipkin_span(traceId=half, shared=True)
    child = zipkin_span(traceId=half, id=PARENT, parentId=SPAN, kind=None)
    sibling = zipkin_span(traceId=half, id="1" * 16, parentId=SPAN, localEndpoint={"serviceName": "web"})
    spans = {span.name: span for span in ()}
    for content in ([client, server, child, sibling], [[client, server, child], [sibling]]):
        spans = spans_of(tmp_path, content)
        by_place = {(span.resource["service.name"].content, span.kind): span for span in spans}
        assert {span.trace_id for span in spans} == {"0" * 16 + half}
        assert by_place["web", "client"].span_id == by_place["shop", "server"].parent_id == SPAN
        assert len({span.span_id for span in spans}) == 4
        assert by_place["shop", "internal"].parent_id == by_place["shop", "server"].span_id
        assert by_place["web", "server"].parent_id == SPAN
    with pytest.raises(CorpusError, match=r"^t:1: id 'abc!' is not up to 16 hex digits"):
        spans_of(tmp_path, [zipkin_span(id="abc!")])


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"traces": [{"traceID": "1", "rootServiceName": "a"}]}, "Tempo's list of found traces"),
        ({"traceId": "YQ==", "spanId": "YQ==", "operationName": "x", "startTime": "2025-01-22T10:00:00Z"}, "Jaeger's span model"),
        ({"took": 1, "hits": {"hits": []}}, "an answer of Elasticsearch"),
        ([{"traceId": "1", "id": "2", "binaryAnnotations": []}], "Zipkin's version 1"),
        ({"name": "x", "context": {"trace_id": "0x1"}, "kind": "SpanKind.SERVER", "start_time": ""}, "the Python SDK's console"),
        ({"Name": "x", "SpanContext": {}}, "Go's stdouttrace"),
        ([[{"trace_id": 1, "span_id": 2, "service": "a", "resource": "b"}]], "Datadog's traces"),
        ({"Traces": [{"Segments": []}]}, "AWS X-Ray"),
        ({"segmentId": "1", "spans": []}, "SkyWalking"),
        ({"transaction": {"id": "1"}}, "Elastic APM"),
        ({"traces": [{"projectId": "p", "traceId": "1"}]}, "Google Cloud Trace"),
        ({"traceEvents": []}, "Chrome's trace events"),
        ({"event_id": "1", "contexts": {}}, "Sentry"),
    ],
)  # fmt: skip
def test_formats_that_are_not_read_are_named(tmp_path: Path, content: object, name: str) -> None:
    with pytest.raises(CorpusError, match=f"^t:1: this is .*{name}.*, which is not read: "):
        spans_of(tmp_path, content)
