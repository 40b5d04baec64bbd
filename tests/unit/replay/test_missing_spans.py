"""What it means that a span is missing: a fault, unless it may be of another service, or was never sampled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_contracts import IDS, RESOURCE, span

from pytest_telemetry_gate.replay.captured import CapturedCase, DriveResult, ExportRequest
from pytest_telemetry_gate.replay.judge.cases import judge_case
from pytest_telemetry_gate.replay.suite.loader import load_replay

SUITE = """\
version: 1
suite: missing
checkpoints: {1h: {cases: 1}}
capture: {complete: {parents: %(parents)s}}
contracts:
  parse: {select: {name: parser.parse}}
  done: {signal: logs, select: {body: done}}
cases:
  - id: one
    drive: %(drive)s
    expect: {spans: [{contract: parse}]%(more)s}
"""
HTTP = '{http: {url: "http://127.0.0.1:9/"}}'
UNSAMPLED = '{http: {url: "http://127.0.0.1:9/", headers: {%s}}}'
OWN = "{cli: {argv: [tool]}}"
ROOT = span("GET", 9)
ABOVE = "0000000000000003"


def judged(
    folder: Path,
    *entries: dict[str, Any],
    drive: str = HTTP,
    kind: str = "http",
    parents: str = "true",
    more: str = "",
) -> tuple[str, str]:
    path = folder / "missing.replay.yaml"
    path.write_text(SUITE % {"drive": drive, "parents": parents, "more": more})
    suite = load_replay(path)
    document = {"resourceSpans": [{"resource": RESOURCE, "scopeSpans": [{"spans": list(entries)}]}]}
    driven = DriveResult(kind, "GET", trace_ids=[IDS[0]], span_id="" if kind == "otlp" else IDS[2])
    requests = [ExportRequest("traces", 90, 90, document=document, arrival=0.1)] if entries else []
    captured = CapturedCase("missing", "one", "1h", driven, requests, waited=2.0, at=1.0)
    verdict = judge_case(suite, suite.cases[0], captured).verdict
    return str(verdict.outcome), verdict.reason


REMOTE, LOCAL = {"flags": 0x300}, {"flags": 0x100}
ORPHANS = [
    ("http", {}, "warn", "which may be of a service that exports elsewhere"),
    ("http", REMOTE, "warn", "which may be of a service that exports elsewhere"),
    ("http", LOCAL, "fail", "though it is of the same process"),
    ("cli", {}, "fail", "though nobody else exports to this receiver"),
    ("otlp", LOCAL, "pass", ""),
]


@pytest.mark.parametrize(("kind", "flags", "outcome", "told"), ORPHANS)
def test_a_span_without_the_one_above(
    tmp_path: Path, kind: str, flags: dict[str, int], outcome: str, told: str
) -> None:
    """Telemetry of a child alone is not the whole trace, whatever its contract says of it."""
    orphan = span(number=4, parent=3, **flags)
    found = judged(tmp_path, orphan, kind=kind, drive=OWN if kind == "cli" else HTTP)
    if told:
        assert found == (outcome, f"span parser.parse: the span above, {ABOVE}, was not captured, {told}")
        assert judged(tmp_path, orphan, kind=kind, parents="false")[0] == "pass"
    else:
        assert found[0] == outcome
    assert judged(tmp_path, span("cli", 3), orphan, kind=kind)[0] == "pass"


def test_the_span_that_the_case_pretends_to_be_is_captured_by_nobody(tmp_path: Path) -> None:
    assert judged(tmp_path, span(number=4, parentSpanId=IDS[2]))[0] == "pass"


NONE = "contract parse: expected at least 1 spans parser.parse, got 0; captured: GET"
FLAGS = [
    ('traceparent: "00-$trace_id-$span_id-00"', "traceparent"),
    ('TraceParent: "00-${trace_id}-$span_id-02"', "TraceParent"),
    ('b3: "$trace_id-$span_id-0"', "b3"),
    ('b3: "0"', "b3"),
    ('X-B3-Sampled: "0"', "X-B3-Sampled"),
    ('uber-trace-id: "$trace_id:$span_id:0:0"', "uber-trace-id"),
    ('x-datadog-sampling-priority: "-1"', "x-datadog-sampling-priority"),
]


@pytest.mark.parametrize(("headers", "name"), FLAGS)
def test_a_trace_that_is_driven_unsampled_decides_nothing(tmp_path: Path, headers: str, name: str) -> None:
    told = f"; the trace is not sampled, as {name} says where the case is driven"
    outcome, reason = judged(tmp_path, ROOT, drive=UNSAMPLED % headers)
    assert (outcome, reason) == ("inconclusive", NONE + told)
    # What is there is judged as ever, and so is what no sampler leaves out.
    assert judged(tmp_path, span(), drive=UNSAMPLED % headers)[0] == "pass"
    logs = ", logs: [{contract: done}]"
    assert judged(tmp_path, span(), drive=UNSAMPLED % headers, more=logs)[0] == "fail"
    outcome, reason = judged(tmp_path, drive=UNSAMPLED % headers)
    assert (outcome, "no telemetry" in reason, told in reason) == ("inconclusive", True, True)


@pytest.mark.parametrize(
    "headers", ['traceparent: "00-$trace_id-$span_id-01"', 'b3: "$b3"', "x-sampled: $sampled"]
)
def test_a_trace_that_is_driven_sampled_must_come(tmp_path: Path, headers: str) -> None:
    assert judged(tmp_path, ROOT, drive=UNSAMPLED % headers) == ("fail", NONE)


@pytest.mark.parametrize(
    ("trace_state", "percent"),
    [("ot=th:c", "25"), ("vendor=1, ot=rv:1;th:fc", "1.562"), ("ot=p:3;r:10", "12.5"), ("ot=p:63", "0")],
)
def test_a_trace_state_tells_that_spans_are_sampled(tmp_path: Path, trace_state: str, percent: str) -> None:
    outcome, reason = judged(tmp_path, {**ROOT, "traceState": trace_state})
    assert outcome == "inconclusive"
    assert reason == f"{NONE}; the trace is sampled at {percent} %, as the trace state of span GET says"


@pytest.mark.parametrize("trace_state", ["", "ot=th:0", "ot=p:0", "other=th:c", "ot=rv:1", "x"])
def test_other_trace_states_tell_nothing(tmp_path: Path, trace_state: str) -> None:
    assert judged(tmp_path, {**ROOT, "traceState": trace_state}) == ("fail", NONE)


def test_flags_tell_it_only_of_an_sdk_that_sets_them(tmp_path: Path) -> None:
    """Python's exporter never sets the bit for sampled, so that its absence says nothing."""
    python = {**ROOT, "flags": 0x100}
    assert judged(tmp_path, python) == ("fail", NONE)
    sampled = span("work", 10, 9, flags=0x101)
    told = "; the trace is not sampled, as the flags of span GET say"
    missing = NONE.replace("captured: GET", "captured: GET, work")
    assert judged(tmp_path, python, sampled) == ("inconclusive", missing + told)
