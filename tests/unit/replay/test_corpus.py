"""Recorded telemetry in files: what is read, what is refused and with which words, and how it is made new."""

from __future__ import annotations

import base64
import gzip
import json
import sys
import zlib
from functools import partial
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from memory import within
from otlp_requests import encode_request

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.otlp.compression import TooLargeError, decompressed
from pytest_telemetry_gate.replay.otlp.corpus import read_corpus, telemetry_of
from pytest_telemetry_gate.replay.otlp.protobuf import ID_KEYS, document_of, parse_message
from pytest_telemetry_gate.replay.otlp.records import AttributeValue
from pytest_telemetry_gate.replay.otlp.rewrite import rewrite_documents
from pytest_telemetry_gate.replay.otlp.telemetry import read_document
from pytest_telemetry_gate.support.places import Place, map_parts

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


def attribute(**value: object) -> dict[str, object]:
    return {"key": "k", "value": value}


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


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (json.dumps(document()) + "\n" + json.dumps(document())[:50], "2: not JSON: it ends in the middle"),
        (
            json.dumps(document(traceId="abc")),
            "1: traceId 'abc' is neither 32 hex digits nor base64 of 16 bytes",
        ),
        (
            json.dumps(document(kind="SPAN_KIND_X")),
            "1: kind 'SPAN_KIND_X' is not known; known are SPAN_KIND_UNSP",
        ),
        ("[" * 300 + "]" * 300, "1: nested more than 200 levels deep"),
        ('{"resource_spans": []}', "1: neither resourceSpans.*lowerCamelCase"),
        ("", "1: the file holds no document"),
        (
            "resourceSpans:\n  - scopeSpans: []\n",
            "1: YAML, as golden files of the Collector's tests are: export JSON",
        ),
        ("[1]", "1: an OTLP document must be a JSON object"),
        ('{"resourceSpans": [1]}', "1: not OTLP JSON"),
        (json.dumps(document(name=5)), "1: name '5' is not a text"),
        (json.dumps(document(name=["a"])), "1: name .* is not a text"),
        (json.dumps(document(status={"message": {}})), "1: message '{}' is not a text"),
        (
            json.dumps(document(startTimeUnixNano=2**64)),
            "1: startTimeUnixNano of too many digits is not an integer of",
        ),
        (json.dumps(document(attributes=[{"key": 5}])), "1: key '5' is not a text"),
        (
            json.dumps(document(attributes=[attribute(boolValue="false")])),
            "1: boolValue 'false' is neither true nor",
        ),
        (json.dumps(document(attributes=[attribute(stringValue=5)])), "1: stringValue '5' is not a text"),
        (json.dumps(document(attributes=[attribute(bytesValue=5)])), "1: bytesValue '5' is not a text"),
        (
            json.dumps(document(attributes=[attribute(doubleValue=True)])),
            "1: doubleValue 'True' is not a number",
        ),
        (
            json.dumps(document(attributes=[attribute(intValue="9" * 20)])),
            "1: intValue .9{20}. is not an integer of 64",
        ),
    ],
)
def test_what_is_no_corpus_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(CorpusError, match=f"^t:{told}"):
        read_corpus(file(tmp_path, text), "t")


def _framed(*frames: bytes) -> bytes:
    return b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)


def test_compressed_files_are_read(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    line = json.dumps(document()).encode() + b"\n"
    packed = zstandard.ZstdCompressor().compress(line)
    path = tmp_path / "t"
    for content in (gzip.compress(line) * 2, packed * 2, _framed(packed, packed)):
        path.write_bytes(content)
        assert len(telemetry_of(read_corpus(path)).spans) == 2
    for content, told in (
        (gzip.compress(line)[:-20], "compressed with gzip, and incomplete"),
        (packed[:-20], "compressed with zstd, and incomplete"),
        (b"\x28\xb5\x2f\xfd rest", "compressed with zstd, and broken"),
        (_framed(packed, packed)[:-20], "compressed with zstd, and broken in message 2"),
        (b"\0\0\0\x10\x0a\xff", "not UTF-8; the file exporter's `format: proto` is binary: export JSON"),
    ):
        path.write_bytes(content)
        with pytest.raises(CorpusError, match=f"^t:1: {told}"):
            read_corpus(path, "t")


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "deflate"])
def test_what_grows_beyond_the_limit_is_never_held(encoding: str) -> None:
    zstandard = pytest.importorskip("zstandard")
    compress = {
        "gzip": partial(gzip.compress, compresslevel=1),
        "deflate": partial(zlib.compress, level=1),
        "zstd": zstandard.ZstdCompressor(write_content_size=False).compress,
    }[encoding]
    packed = compress(bytes(64 * 2**20))
    with (
        within(40),
        pytest.raises(TooLargeError, match="larger than 10,000,000 bytes when it is decompressed"),
    ):
        decompressed(packed, encoding, 10_000_000)


def test_zstd_without_its_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    (tmp_path / "t").write_bytes(_framed(b"\x28\xb5\x2f\xfd rest"))
    with pytest.raises(
        CorpusError, match=r"^t:1: compressed with zstd, which needs .*telemetry-gate\[zstd\]$"
    ):
        read_corpus(tmp_path / "t", "t")


def test_a_file_of_a_gigabyte_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "t"
    with path.open("wb") as file:
        file.truncate(2**30)
    with within(10), pytest.raises(CorpusError, match=r"^t:1: the file is larger than 256 MiB$"):
        read_corpus(path, "t")


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


def test_a_message_has_the_document_that_protobuf_itself_makes() -> None:
    def value(**content: object) -> dict[str, object]:
        return {"key": "k", "value": content}

    point = {
        "asDouble": "NaN", "timeUnixNano": "5", "flags": 1, "attributes": [],
        "exemplars": [{"asInt": "-7", "traceId": TRACE.lower(), "spanId": SPAN}],
    }  # fmt: skip
    histogram = {
        "count": "3", "sum": 0.5, "bucketCounts": ["0", "3"], "explicitBounds": [0.25], "min": "-Infinity", "max": "Infinity",
    }  # fmt: skip
    attributes = [
        value(intValue="0"), value(boolValue=False), value(bytesValue="AAE="), value(doubleValue=0.0), value(stringValue=""),
        value(arrayValue={"values": [{"kvlistValue": {"values": [value(intValue="9")]}}, {}]}), value(),
    ]  # fmt: skip
    metrics = {
        "resourceMetrics": [
            {
                "resource": {"attributes": attributes, "droppedAttributesCount": 4294967295},
                "scopeMetrics": [
                    {
                        "metrics": [
                            {"name": "a", "gauge": {"dataPoints": [point]}},
                            {
                                "name": "b",
                                "histogram": {"dataPoints": [histogram], "aggregationTemporality": 2},
                            },
                        ]
                    }
                ],
            }
        ]
    }
    for signal, content in (("metrics", metrics), ("traces", document())):
        message = parse_message(signal, encode_request(signal, content))
        expected = MessageToDict(message, use_integers_for_enums=True)

        def with_hex(part: object, place: Place) -> object:
            is_id = place and place[-1] in ID_KEYS and isinstance(part, str)
            return base64.b64decode(part).hex() if is_id else part

        assert document_of(message) == map_parts(expected, with_hex)
    assert document_of(message)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["spanId"] == SPAN


def test_ids_stay_hex_through_protobuf() -> None:
    again = document_of(parse_message("traces", encode_request("traces", document())))
    assert read_document(again).spans == read_document(document()).spans
    assert again["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] == TRACE.lower()
