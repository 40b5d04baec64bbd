"""Recorded telemetry in files: what is read, what is refused and with which words, and how it is made new."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory import within
from otlp_requests import encode_request

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.otlp.corpus import read_corpus, telemetry_of
from pytest_telemetry_gate.replay.otlp.protobuf import document_of, parse_message
from pytest_telemetry_gate.replay.otlp.rewrite import rewrite_documents
from pytest_telemetry_gate.replay.otlp.telemetry import AttributeValue, read_document

TRACE, SPAN, PARENT = "0AF7651916CD43DD8448EB211C80319C", "b7ad6b7169203331", "00f067aa0ba902b7"


def document(**fields: object) -> dict[str, object]:
    span = {
        "traceId": TRACE,
        "spanId": SPAN,
        "parentSpanId": PARENT,
        "name": "parser.parse",
        "kind": 1,
        "startTimeUnixNano": "1737583200000000001",
        "endTimeUnixNano": "1737583200250000004",
        "attributes": [
            {"key": "n", "value": {"intValue": "12"}},
            {"key": "m", "value": {"intValue": 12}},
            {"key": "ratio", "value": {"doubleValue": 0.5}},
            {"key": "on", "value": {"boolValue": True}},
            {"key": "many", "value": {"arrayValue": {"values": [{"stringValue": "a"}]}}},
        ],
        "links": [{"traceId": TRACE, "spanId": PARENT}],
        "status": {"code": 2, "message": "no"},
        "futureField": 1,
        **fields,
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "parser"}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}


def file(folder: Path, text: str) -> Path:
    path = folder / "trace.jsonl"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(document()) + "\n" + json.dumps(document()) + "\n",
        json.dumps([document(), document()]),
        json.dumps(document(), indent=1),
    ],
    ids=["lines", "array", "document"],
)
def test_every_form_is_read(tmp_path: Path, text: str) -> None:
    span = telemetry_of(read_corpus(file(tmp_path, text))).spans[0]
    assert (span.name, span.kind, span.status, span.trace_id) == (
        "parser.parse", "internal", "error", TRACE.lower(),
    )  # fmt: skip
    assert span.end - span.start == 250_000_003
    assert span.attributes["n"] == span.attributes["m"] == AttributeValue("int", 12)
    assert span.attributes["many"] == AttributeValue("array", (AttributeValue("string", "a"),))


BASE64 = base64.b64encode(bytes.fromhex(TRACE)).decode()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (json.dumps(document()) + "\n" + json.dumps(document())[:50], "2: not JSON: it ends in the middle"),
        (json.dumps(document(traceId=BASE64)), "1: traceId .* is not 32 hex digits; it looks like base64"),
        (json.dumps(document(kind="SPAN_KIND_SERVER")), "1: kind 'SPAN_KIND_SERVER' is not an integer"),
        ('{"resource_spans": []}', "1: neither resourceSpans.*lowerCamelCase"),
        ("", "1: the file holds no document"),
        ("[1]", "1: an OTLP document must be a JSON object"),
        ('{"resourceSpans": [1]}', "1: not OTLP JSON"),
    ],
)
def test_what_is_no_corpus_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(CorpusError, match=f"^t:{told}"):
        read_corpus(file(tmp_path, text), "t")


def test_compressed_and_binary_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t"
    for content, told in ((b"\x28\xb5\x2f\xfd rest", "compressed"), (b"\0\0\0\x10\x0a\xff", "format: proto")):
        path.write_bytes(content)
        with pytest.raises(CorpusError, match=told):
            read_corpus(path, "t")


def test_a_file_of_a_gigabyte_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "t"
    with path.open("wb") as file:
        file.truncate(2**30)
    with within(10), pytest.raises(CorpusError, match=r"^t:1: the file is larger than 256 MiB$"):
        read_corpus(path, "t")


def test_jaeger_and_tempo_are_imported(tmp_path: Path) -> None:
    jaeger = {
        "data": [
            {
                "processes": {"p1": {"serviceName": "parser", "tags": []}},
                "spans": [
                    {
                        "traceID": "af7651916cd43dd8448eb211c80319c", "spanID": SPAN, "processID": "p1",
                        "operationName": "parser.parse", "startTime": 1737583200000000, "duration": 250,
                        "references": [{"refType": "CHILD_OF", "traceID": TRACE, "spanID": PARENT}],
                        "tags": [
                            {"key": "n", "type": "int64", "value": 4},
                            {"key": "span.kind", "type": "string", "value": "server"},
                            {"key": "error", "type": "bool", "value": True},
                        ],
                    }
                ],
            }
        ]
    }  # fmt: skip
    span = telemetry_of(read_corpus(file(tmp_path, json.dumps(jaeger)))).spans[0]
    assert (span.trace_id, span.parent_id, span.kind, span.status) == (
        TRACE.lower(),
        PARENT,
        "server",
        "error",
    )
    assert span.duration == 250e-6
    assert span.attributes == {"n": AttributeValue("int", 4)}

    def to_base64(text: str) -> str:
        return base64.b64encode(bytes.fromhex(text)).decode()

    inner = document(
        traceId=to_base64(TRACE), spanId=to_base64(SPAN), parentSpanId=to_base64(PARENT),
        kind="SPAN_KIND_CLIENT", status={"code": "STATUS_CODE_OK"}, links=[],
    )  # fmt: skip
    tempo = {"batches": inner["resourceSpans"]}
    span = telemetry_of(read_corpus(file(tmp_path, json.dumps(tempo)))).spans[0]
    assert (span.trace_id, span.span_id, span.parent_id) == (TRACE.lower(), SPAN, PARENT)
    assert (span.kind, span.status) == ("client", "ok")


@given(st.integers(0, 2**63), st.integers(1, 2**62), st.integers(0, 2**40))
def test_rewriting_keeps_structure_and_durations(seed: int, now: int, length: int) -> None:
    start = 1_700_000_000_000_000_001
    old = document(startTimeUnixNano=str(start), endTimeUnixNano=str(start + length))
    (new,) = rewrite_documents([old], seed=seed, now=now)
    span = read_document(new).spans[0]
    assert span.end == now
    assert span.end - span.start == length
    assert span.trace_id != TRACE.lower()
    assert span.links[0].trace_id == span.trace_id
    assert span.links[0].span_id == span.parent_id
    assert rewrite_documents([old], seed=seed, now=now) == [new]


def test_ids_stay_hex_through_protobuf() -> None:
    again = document_of(parse_message("traces", encode_request("traces", document())))
    assert read_document(again).spans == read_document(document()).spans
    assert again["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] == TRACE.lower()
