"""Every key of a contract: what it lets through, and the words with which it does not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from pytest_telemetry_gate.replay.judge.contracts import contract_fields, judge_contract
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData, read_document
from pytest_telemetry_gate.replay.suite.contracts import SpanContract

RESOURCE = {"attributes": [{"key": "service.name", "value": {"stringValue": "parser"}}]}
IDS = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7")


def attribute(key: str, **value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


def span(name: str = "parser.parse", number: int = 1, parent: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "traceId": IDS[0],
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": name,
        "kind": 1,
        "startTimeUnixNano": str(1_737_583_200_000_000_000 + number),
        "endTimeUnixNano": str(1_737_583_200_500_000_000),
        "attributes": [attribute("n", intValue="4"), attribute("word", stringValue="go")],
        **fields,
    }


def spans(*entries: dict[str, Any]) -> TelemetryData:
    return read_document(
        {"resourceSpans": [{"resource": RESOURCE, "scopeSpans": [{"spans": list(entries)}]}]}
    )


def findings(contract: dict[str, Any], telemetry: TelemetryData) -> list[str]:
    model = SpanContract.model_validate({"select": {"name": "parser.parse"}, **contract})
    return [one.message for one in judge_contract(model, telemetry, name="c").findings]


MANY = span(attributes=[attribute("a", arrayValue={"values": [{"intValue": 1}, {"stringValue": "x"}]})])
HALVES = span(attributes=[attribute("a", arrayValue={"values": [{"intValue": 1}, {"doubleValue": 0.5}]})])
WHOLE = " (JavaScript's SDK exports whole numbers as int; {} takes both)"
CASES = [
    ({"attributes": {"n": {"type": "int", "min": 4, "max": 4}}}, [span()], ""),
    ({"attributes": {"n": {"type": "number"}}}, [span()], ""),
    ({"attributes": {"n": {"type": "double"}}}, [span()], f"attribute n: expected double, got int 4{WHOLE.format('number')}"),
    ({"attributes": {"n": {"type": "double", "min": 5}}}, [span()], f"attribute n: expected double >= 5, got int 4{WHOLE.format('number')}"),
    ({"attributes": {"word": {"type": "double"}}}, [span()], 'attribute word: expected double, got string "go"'),
    ({"attributes": {"n": {"type": "string"}}}, [span()], "attribute n: expected string, got int 4"),
    ({"attributes": {"n": {"min": 5}}}, [span()], "attribute n: expected number >= 5, got int 4"),
    ({"attributes": {"n": {"equals": "4"}}}, [span()], "attribute n: expected 4, got int 4"),
    ({"attributes": {"n": {"equals": True}}}, [span(attributes=[attribute("n", intValue=1)])], "attribute n: expected true, got int 1"),
    ({"attributes": {"word": {"enum": ["go", "python"]}}}, [span()], ""),
    ({"attributes": {"word": {"enum": ["python"]}}}, [span()], 'attribute word: expected one of python, got string "go"'),
    ({"attributes": {"word": {"regex": "g"}}}, [span()], 'attribute word: expected a match of /g/, got string "go"'),
    ({"attributes": {"wort": {"required": True}}}, [span()], "attribute wort: required, missing (near: word)"),
    ({"attributes": {"e": {"required_when": {"status": "error"}}}}, [span()], ""),
    ({"attributes": {"e": {"required_when": {"status": "error"}}}}, [span(status={"code": 2})], "attribute e: required when status error, missing"),
    ({"attributes": {"a": {"type": "int[]"}}}, [MANY], 'attribute a: expected int[], got array [int 1, string "x"]'),
    ({"attributes": {"a": {"type": "double[]"}}}, [MANY], 'attribute a: expected double[], got array [int 1, string "x"]'),
    ({"attributes": {"a": {"type": "double[]"}}}, [HALVES], f"attribute a: expected double[], got array [int 1, double 0.5]{WHOLE.format('number[]')}"),
    ({"attributes": {"a": {"type": "number[]"}}}, [HALVES], ""),
    ({"unknown_attributes": "fail", "attributes": {"n": {}}}, [span()], "attribute word: not in the contract"),
    ({"resource": {"service.name": {"equals": "other"}}}, [span()], 'resource attribute service.name: expected other, got string "parser"'),
    ({"status": "ok"}, [span()], "status: expected ok, got unset"),
    ({"status": {"not": "error"}}, [span(status={"code": 2, "message": "no"})], "status: expected not error, got error (no)"),
    ({"duration": {"max": "100ms"}}, [span()], "duration: 0.5 s, at most 0.1 s"),
    ({"parent": "none"}, [span(parent=9)], "parent: expected none, got 0000000000000009"),
    ({"parent": {"name": "cli"}}, [span("cli", 9), span(parent=9)], ""),
    ({"parent": {"name": "cli"}}, [span("web", 9), span(parent=9)], "parent: expected cli, got web (kind internal)"),
    ({"parent": {"name": "cli"}}, [span(parent=9)], "parent: expected cli, but 0000000000000009 was not captured (orphan)"),
    ({"parent": {"name": "cli"}}, [span()], "parent: expected cli, but it is a root"),
    ({"children": {"walk": 2}}, [span(), span("walk", 2, 1)], "children: expected exactly 2 walk, got 1"),
    ({"events": {"done": {"count": 1}}}, [span()], "event done: expected exactly 1, got 0"),
    ({"events": {"done": {"attributes": {"k": {"type": "int"}}}}}, [span(events=[{"name": "done", "attributes": [attribute("k", stringValue="1")]}])], 'event done: attribute k: expected int, got string "1"'),
    ({"links": {"count": {"max": 0}}}, [span(links=[{"traceId": IDS[0], "spanId": IDS[1]}])], "links: expected exactly 0, got 1"),
    ({"attributes": {"word": {"max_length": 2}}}, [span()], ""),
    ({"attributes": {"word": {"min_length": 3}}}, [span()], 'attribute word: expected at least 3 characters, got 2: string "go"'),
    ({"attributes": {"word": {"max_length": 1}}}, [span()], 'attribute word: expected at most 1 characters, got 2: string "go"'),
    ({"attributes": {"n": {"min_length": 3, "max_length": 5000}}}, [span()], "attribute n: expected a text of 3 to 5000 characters, got int 4"),
    ({"select": {"name": {"regex": "p.*", "max_length": 12}}}, [span()], ""),
    ({"select": {"name": {"max_length": 11}}}, [span()], "contract c: expected at least 1 spans at most 11 characters, got 0; captured: parser.parse"),
    ({"children": {"walk": {"exactly": 1}}}, [span(), span("walk", 2, 1), span("walk", 3, 1)], "children: expected exactly 1 walk, got 2"),
    ({"children": {"walk": 1}}, [span(), span("walk", 2, 1), span("wolk", 3, 1)], ""),
    ({"children": {"walk": 1}, "unknown_children": "fail"}, [span(), span("walk", 2, 1)], ""),
    ({"children": {"walk": 1}, "unknown_children": "fail"}, [span(), span("walk", 2, 1), span("wolk", 3, 1)], "children: wolk is not in the contract (near: walk)"),
    ({"unknown_children": "fail"}, [span(), span("db", 2, 1), span("db", 2, 1)], "children: 2 times db is not in the contract"),
    ({"within_parent": True}, [span()], ""),
    ({"within_parent": True}, [span("cli", 1), span(number=2, parent=1)], ""),
    ({"within_parent": True}, [span("cli", 3), span(number=2, parent=3, startTimeUnixNano="1737583199900000003")], "within_parent: it begins 0.1 s before its parent cli"),
    ({"within_parent": "100ms"}, [span("cli", 3), span(number=2, parent=3, startTimeUnixNano="1737583199900000003")], ""),
    ({"within_parent": "99ms"}, [span("cli", 3, endTimeUnixNano="1737583200400000000"), span(number=2, parent=3)], "within_parent: it ends 0.1 s after its parent cli, at most 0.099 s"),
    ({"within_parent": True}, [span(number=2, parent=3)], "within_parent: its parent 0000000000000003 was not captured"),
    ({"links": {"to": {"name": "cli"}}}, [span("cli", 9), span(links=[{"traceId": IDS[0], "spanId": f"{9:016x}"}])], ""),
    ({"links": {"to": {"name": "cli"}}}, [span("web", 9), span(links=[{"traceId": IDS[0], "spanId": f"{9:016x}"}])], "link to 0000000000000009: expected cli, got web (kind internal)"),
    ({"links": {"to": {"name": "cli"}}}, [span(links=[{"traceId": IDS[0], "spanId": IDS[1]}])], f"link to {IDS[1]}: expected cli, which was not captured"),
    ({}, [span(droppedAttributesCount=1, droppedLinksCount=2)], "dropped: the SDK dropped 3 of its attributes, events and links"),
    ({"dropped": "allow"}, [span(droppedAttributesCount=1)], ""),
    ({"schema_url": "https://opentelemetry.io/schemas/1.30.0"}, [span()], "schema_url: expected https://opentelemetry.io/schemas/1.30.0, got none"),
    ({"scope": {"name": "lib"}}, [span()], "scope name: expected lib, got none"),
    ({"count": {"max": 1}}, [span(), span(number=2)], "contract c: expected exactly 1 spans parser.parse, got 2"),
    ({}, [], "contract c: expected at least 1 spans parser.parse, got 0; no spans were captured"),
    ({"count": {"max": 0}}, [], ""),
    ({"semantic_conventions": "fail"}, [span(attributes=[attribute("http.method", stringValue="GET")])], "attribute http.method: deprecated: Replaced by `http.request.method`"),
    ({"semantic_conventions": "fail"}, [span(attributes=[attribute("http.request.methud", stringValue="GET")])], "attribute http.request.methud: not in the semantic conventions, whose namespace 'http' is (near: http.request.method)"),
    ({"semantic_conventions": "fail"}, [span(attributes=[attribute("http.request.method", stringValue="GET"), attribute("parser.language", stringValue="go")])], ""),
]  # fmt: skip


@pytest.mark.parametrize(("contract", "entries", "told"), CASES)
def test_every_key(contract: dict[str, Any], entries: list[dict[str, Any]], told: str) -> None:
    found = findings(contract, spans(*entries))
    if told:
        where = "" if told.startswith("contract") else "span parser.parse: "
        assert found == [where + told]
    else:
        assert found == []


def test_a_contract_for_one_sdk_judges_the_others_numbers() -> None:
    """JavaScript's SDK exports 2.0 as an int, since the language does not tell them apart."""
    python = spans(span(attributes=[attribute("ratio", doubleValue=2.0)]))
    javascript = spans(span(attributes=[attribute("ratio", intValue=2)]))
    number = {"attributes": {"ratio": {"type": "number", "required": True, "equals": 2}}}
    assert findings(number, python) == findings(number, javascript) == []
    double = {"attributes": {"ratio": {"type": "double"}}}
    assert findings(double, python) == []
    told = f"attribute ratio: expected double, got int 2{WHOLE.format('number')}"
    assert findings(double, javascript) == [f"span parser.parse: {told}"]


def test_coverage_tells_which_fields_no_case_exercised() -> None:
    contract = SpanContract.model_validate(
        {
            "select": {"name": "parser.parse"},
            "attributes": {"n": {}, "never": {}, "user.email": {"forbidden": True}},
            "events": {"done": {"count": {"min": 0}}},
        }
    )
    judgement = judge_contract(contract, spans(span()), name="c")
    assert contract_fields(contract) - judgement.exercised == {"attributes.never", "events.done"}


@pytest.mark.parametrize(
    ("contract", "entry", "told"),
    [
        ({"children": {"emit.batch": 1}}, span(), "span parser.parse: children: expected exactly 1 emit.batch, got 0 (near: emit.bacth)"),
        ({"events": {"done": {}}}, span(events=[{"name": "dome"}]), "span parser.parse: event done: expected at least 1, got 0 (near: dome)"),
        ({"select": {"name": "parser.pasre"}}, span(), "contract c: expected at least 1 spans parser.pasre, got 0 (near: parser.parse); captured: emit.bacth, parser.parse"),
    ],
)  # fmt: skip
def test_what_was_meant_is_named(contract: dict[str, Any], entry: dict[str, Any], told: str) -> None:
    assert findings(contract, spans(entry, span("emit.bacth", 2, 1))) == [told]


def count_calls(work: Callable[[], object]) -> int:
    """Return how many Python functions some work calls, which is its time on a machine that is never busy."""
    calls = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def test_ten_times_the_spans_take_ten_times_the_work() -> None:
    contract = {
        "count": {"max": 1000}, "parent": {"name": {"regex": "cli.*"}}, "unknown_attributes": "fail",
        "attributes": {"n": {"type": "int", "min": 1}, "word": {"regex": "[a-z]+", "enum": ["go"]}},
    }  # fmt: skip

    def judge(count: int) -> int:
        telemetry = spans(span("cli", 1), *(span(number=number, parent=1) for number in range(2, count + 2)))
        assert findings(contract, telemetry) == []
        return count_calls(lambda: findings(contract, telemetry))

    judge(1)  # what is worked out once
    assert judge(1000) < 11 * judge(100)
