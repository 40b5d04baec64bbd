"""What must be true of any telemetry: rewriting keeps its structure, and both encodings of OTLP say the same."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from otlp_requests import encode_request

from pytest_telemetry_gate.replay.otlp.protobuf import SIGNALS, document_of, message_class, parse_message
from pytest_telemetry_gate.replay.otlp.records import AttributeValue, SpanRecord
from pytest_telemetry_gate.replay.otlp.rewrite import rewrite_documents
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData, read_document

OTHER = ("f" * 32, "f" * 16)  # a trace that is not among the documents
MOMENTS = st.integers(1, 2**62) | st.just(0)


def hexadecimal(size: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=size, max_size=size).filter(any).map(bytes.hex)


@st.composite
def forests(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return documents of one span each, in traces that are trees, with links between any of them and to the outside."""
    traces = draw(st.lists(hexadecimal(16), min_size=1, max_size=3, unique=True))
    spans = draw(st.lists(hexadecimal(8), min_size=1, max_size=8, unique=True))
    places = [(draw(st.sampled_from(traces)), span) for span in spans]
    found = []
    for number, (trace, span) in enumerate(places):
        above = [one for where, one in places[:number] if where == trace]
        links = draw(st.lists(st.sampled_from([*places, OTHER]), max_size=2))
        item = {
            "traceId": draw(st.sampled_from([trace, trace.upper()])),
            "spanId": span,
            "parentSpanId": draw(st.sampled_from(["", *above])),
            "name": f"span {number}",
            "startTimeUnixNano": str(draw(MOMENTS)),
            "endTimeUnixNano": draw(MOMENTS),
            "events": [{"name": "e", "timeUnixNano": str(draw(MOMENTS))}],
            "links": [{"traceId": one, "spanId": other} for one, other in links],
            "attributes": [{"key": "traceId", "value": {"stringValue": trace}}],
        }
        found.append({"resourceSpans": [{"scopeSpans": [{"spans": [item]}]}]})
    return found


def spans(documents: list[dict[str, Any]]) -> list[SpanRecord]:
    found = TelemetryData()
    for document in documents:
        found.add(document)
    return found.spans


def moments(found: list[SpanRecord]) -> list[int]:
    return [
        moment for span in found for moment in (span.start, span.end, *(event.time for event in span.events))
    ]


@given(forests(), st.integers(0, 2**32), st.integers(2**62, 2**63 - 1))
def test_rewriting_keeps_all_but_ids_and_the_clock(
    documents: list[dict[str, Any]], seed: int, now: int
) -> None:
    before = json.dumps(documents)
    new = rewrite_documents(documents, seed=seed, now=now)
    assert json.dumps(documents) == before
    old_spans, new_spans = spans(documents), spans(new)
    # One id for each old one, everywhere the same, and none that was there.
    traces: dict[str, str] = {}
    known: dict[str, str] = {}
    for old, one in zip(old_spans, new_spans, strict=True):
        pairs = [
            (old.trace_id, one.trace_id),
            *((a.trace_id, b.trace_id) for a, b in zip(old.links, one.links, strict=True)),
        ]
        assert all(traces.setdefault(was, became) == became for was, became in pairs)
        pairs = [
            (old.span_id, one.span_id),
            *((a.span_id, b.span_id) for a, b in zip(old.links, one.links, strict=True)),
        ]
        assert bool(old.parent_id) == bool(one.parent_id)
        pairs += [(old.parent_id, one.parent_id)] if old.parent_id else []
        assert all(known.setdefault(was, became) == became for was, became in pairs)
        assert (old.name, old.attributes) == (one.name, one.attributes)
    for table in (traces, known):
        assert len(set(table.values())) == len(table)
        assert not set(table).intersection(table.values())
    # One shift for every time that is set; the latest one is now.
    was, became = moments(old_spans), moments(new_spans)
    assert [bool(moment) for moment in was] == [bool(moment) for moment in became]
    assert {new - old for old, new in zip(was, became, strict=True) if old} <= {now - max(was)}
    assert not any(was) or max(became) == now


@given(forests(), st.integers(0, 2**32))
def test_what_is_to_be_kept_is_kept(documents: list[dict[str, Any]], seed: int) -> None:
    assert rewrite_documents(documents, seed=seed, now=None, ids="keep") == [
        json.loads(json.dumps(one), object_hook=_texts) for one in documents
    ]


def _texts(part: dict[str, Any]) -> dict[str, Any]:
    """Write times as texts, as the specification does; those that are unset stay as they were written."""
    return {key: str(one) if key.endswith("UnixNano") and one else one for key, one in part.items()}


SCALARS = (
    st.builds(lambda text: {"stringValue": text}, st.text())
    | st.builds(lambda number: {"intValue": str(number)}, st.integers(-(2**63), 2**63 - 1))
    | st.builds(lambda number: {"doubleValue": number}, st.floats(allow_nan=False))
    | st.builds(lambda flag: {"boolValue": flag}, st.booleans())
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.builds(lambda items: {"arrayValue": {"values": items}}, st.lists(inner, max_size=3))
        | st.builds(
            lambda items: {
                "kvlistValue": {"values": [{"key": key, "value": one} for key, one in items.items()]}
            },
            st.dictionaries(st.text(min_size=1), inner, max_size=3),
        )
    ),
    max_leaves=6,
)


@given(
    trace=hexadecimal(16), span=hexadecimal(8), parent=hexadecimal(8) | st.just(""), kind=st.integers(0, 5),
    code=st.integers(0, 2), start=st.integers(0, 2**64 - 1), end=st.integers(0, 2**64 - 1), name=st.text(),
    values=st.dictionaries(st.text(min_size=1), VALUES, max_size=4),
)  # fmt: skip
def test_a_span_is_the_same_by_protobuf_and_by_json(
    *,
    trace: str,
    span: str,
    parent: str,
    kind: int,
    code: int,
    start: int,
    end: int,
    name: str,
    values: dict[str, Any],
) -> None:
    attributes = [{"key": key, "value": one} for key, one in values.items()]
    item = {
        "traceId": trace, "spanId": span, "parentSpanId": parent, "name": name, "kind": kind,
        "status": {"code": code}, "startTimeUnixNano": str(start), "endTimeUnixNano": str(end),
        "attributes": attributes,
        "events": [{"name": name, "timeUnixNano": str(end), "attributes": attributes}],
        "links": [{"traceId": trace, "spanId": span, "attributes": attributes}],
    }  # fmt: skip
    document = {
        "resourceSpans": [
            {
                "resource": {"attributes": attributes},
                "scopeSpans": [{"scope": {"name": name}, "spans": [item]}],
            }
        ]
    }
    # Written by protobuf's own library, which knows nothing of this package's JSON.
    message = message_class("traces")()
    written = message.resource_spans.add().scope_spans.add().spans.add()
    written.trace_id, written.span_id, written.parent_span_id = map(bytes.fromhex, (trace, span, parent))
    written.name, written.kind, written.status.code = name, kind, code
    written.start_time_unix_nano, written.end_time_unix_nano = start, end
    (plain,) = read_document(document_of(parse_message("traces", message.SerializeToString()))).spans
    (whole,) = read_document(json.loads(json.dumps(document))).spans
    for field in ("name", "kind", "trace_id", "span_id", "parent_id", "start", "end", "status"):
        assert getattr(plain, field) == getattr(whole, field)
    # And everything else there and back.
    (back,) = read_document(document_of(parse_message("traces", encode_request("traces", document)))).spans
    assert back == whole


@given(st.binary(max_size=20))
def test_bytes_are_the_same_in_both(content: bytes) -> None:
    message = message_class("logs")()
    message.resource_logs.add().scope_logs.add().log_records.add().body.bytes_value = content
    (log,) = read_document(document_of(message)).logs
    assert log.body.type == "bytes"
    again = encode_request("logs", document_of(message))
    assert (
        parse_message("logs", again).resource_logs[0].scope_logs[0].log_records[0].body.bytes_value == content
    )
    assert isinstance(log.body, AttributeValue)


def is_repeated(message: Any, field: Any) -> bool:
    return hasattr(getattr(message, field.name), "extend")


def by_specification(message: Any) -> dict[str, Any]:
    """Return a message as OTLP's JSON, written down from the specification without protobuf's own JSON."""
    document: dict[str, Any] = {}
    for field, value in message.ListFields():
        values = [value] if not is_repeated(message, field) else list(value)
        if field.type == field.TYPE_MESSAGE:
            written: list[Any] = [by_specification(inner) for inner in values]
        elif field.type == field.TYPE_BYTES and field.name in {"trace_id", "span_id", "parent_span_id"}:
            written = [inner.hex() for inner in values]
        elif field.type == field.TYPE_BYTES:
            written = [base64.b64encode(inner).decode() for inner in values]
        elif field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64):
            written = [str(inner) for inner in values]
        else:
            written = values
        document[field.json_name] = written if is_repeated(message, field) else written[0]
    return document


def fill(message: Any, draw: st.DrawFn, depth: int = 0) -> None:
    """Fill fields of any message, as its descriptor says, so that no field is forgotten."""
    for field in message.DESCRIPTOR.fields:
        if not draw(st.booleans()):
            continue
        if field.type == field.TYPE_MESSAGE:
            if depth < 7:
                inner = getattr(message, field.name)
                if not is_repeated(message, field):
                    inner.SetInParent()
                fill(inner.add() if is_repeated(message, field) else inner, draw, depth + 1)
            continue
        value = draw(values_of(field))
        if is_repeated(message, field):
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)


def values_of(field: Any) -> st.SearchStrategy[Any]:
    if field.type == field.TYPE_BYTES:
        return st.binary(max_size=20)
    if field.type == field.TYPE_ENUM:
        return st.sampled_from([value.number for value in field.enum_type.values])
    unsigned = field.cpp_type in (field.CPPTYPE_UINT32, field.CPPTYPE_UINT64)
    bits = 64 if field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64) else 32
    return {
        field.CPPTYPE_STRING: st.text(max_size=5),
        field.CPPTYPE_BOOL: st.booleans(),
        field.CPPTYPE_DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
        field.CPPTYPE_FLOAT: st.floats(allow_nan=False, allow_infinity=False, width=32),
    }.get(
        field.cpp_type,
        st.integers(0, 2**bits - 1) if unsigned else st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1),
    )


@pytest.mark.parametrize("signal", SIGNALS)
@given(data=st.data())
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_a_document_is_what_the_specification_says(signal: str, data: st.DataObject) -> None:
    """Every field of every signal: ids of spans, parents, links, exemplars and log records, integers, enums, bytes."""
    message = message_class(signal)()
    fill(message, data.draw)  # type: ignore[arg-type]
    document = document_of(message)
    assert document == by_specification(message)
    assert json.loads(json.dumps(document)) == document


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan"), 4.0, -0.0])
def test_doubles_are_read_as_they_were_sent(number: float) -> None:
    message = message_class("logs")()
    message.resource_logs.add().scope_logs.add().log_records.add().body.double_value = number
    document = json.loads(json.dumps(document_of(message), allow_nan=False))
    (log,) = read_document(document).logs
    assert log.body.type == "double"
    assert repr(log.body.content) == repr(number)
