"""What people read of a case with many faults, held against golden files: on the terminal and in JUnit.

``TELEMETRY_UPDATE_GOLDEN=1`` writes the golden files anew; read their diff before committing it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from projects import Project

from pytest_telemetry_gate.recording.captures import store_captures
from pytest_telemetry_gate.replay.captured import CapturedCase, CounterLag, DriveResult, ExportRequest

GOLDEN = Path(__file__).parent / "golden"
SUITE = """\
version: 1
suite: parser-telemetry
title: Parser replays
variables: {target: "http://127.0.0.1:8080"}
checkpoints: {comprehensive: {cases: 2}}
capture: {otlp: {http: "127.0.0.1:0"}}
contracts:
  parse_span:
    select: {name: parser.parse, kind: internal}
    parent: {name: {regex: "POST .*"}}
    children: {ast.walk: 1, emit.batch: 1}
    status: {not: error}
    attributes:
      parser.language:   {type: string, required: true, enum: [python, go]}
      parser.file_count: {type: int, required: true, min: 1}
      parser.version:    {type: string, required: true, regex: '[0-9.]+'}
      user.email:        {forbidden: true}
    unknown_attributes: warn
cases:
  - id: parse
    matrix: [{language: go}, {language: python}]
    drive: {http: {url: $target/parse/$language}}
    expect:
      spans: [{contract: parse_span, attributes: {parser.language: {equals: $language}}}]
      tree: {like: like.jsonl}
      metrics: [{counter: parser_runs_total, match: {language: $language}, lag: "<= 10s"}]
      payload: {per_request: "< 1 KB"}
      lag: "<= 5s"
"""
TRACE = "0af7651916cd43dd8448eb211c80319c"


def attribute(key: str, **value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


def span(name: str, number: int, above: int, *attributes: dict[str, Any], kind: int = 1) -> dict[str, Any]:
    return {
        "traceId": TRACE,
        "spanId": f"{number:016x}",
        "parentSpanId": f"{above:016x}" if above else "",
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(1_737_583_470_000_000_000 + number),
        "endTimeUnixNano": str(1_737_583_470_200_000_000),
        "attributes": list(attributes),
    }


def document(*spans: dict[str, Any]) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}


GOOD = [
    attribute("parser.language", stringValue="go"),
    attribute("parser.file_count", intValue="4"),
    attribute("parser.version", stringValue="1.2"),
]
LIKE = document(
    span("POST /parse", 1, 0, kind=2),
    span("parser.parse", 2, 1, *GOOD),
    span("ast.walk", 3, 2),
    span("emit.batch", 4, 2),
)
FAULTY = document(
    span("POST /parse", 1, 9, kind=2),
    span(
        "parser.parse",
        2,
        1,
        GOOD[0],
        attribute("parser.file_count", stringValue="4"),
        attribute("parser.ver", stringValue="1.2"),
        attribute("user.email", stringValue="somebody@example.net"),
    ),
    span("ast.walk", 3, 2),
)
AT = 1_737_583_470.0


@pytest.fixture
def faulty(project: Project) -> Project:
    """A recording in which one of two cases was captured, with about every fault."""
    project.file(
        "telemetry.yaml", "default: r\nenvironments: {r: {source: recording, path: r.telemetry.zip}}\n"
    )
    project.file("parser.replay.yaml", SUITE)
    project.file("like.jsonl", json.dumps(LIKE))
    captured = CapturedCase(
        "parser-telemetry",
        "parse-go",
        "comprehensive",
        DriveResult("http", "POST http://127.0.0.1:8080/parse/go -> 200", 0.21, trace_ids=[TRACE], span_id=f"{9:016x}", seed=8127, code=200),
        [ExportRequest("traces", 700, 1900, "protobuf", FAULTY, arrival=6.204), ExportRequest("traces", 100, 120, "protobuf", {}, arrival=0.1)],
        [CounterLag('parser_runs_total{language="go"}', 1, baseline=41, seen=1, low=11.4, high=11.6, interval=5, baseline_at=AT + 3.1, seen_at=AT + 14.5)],
        complete=False,
        waited=30.0,
        at=AT,
    )  # fmt: skip
    store_captures(project.path / "r.telemetry.zip", [captured.to_wire()], recorded_at=AT)
    return project


def held(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("TELEMETRY_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_the_terminal_tells_every_fault(faulty: Project) -> None:
    lines = faulty.run().stdout.lines
    begin, end = (
        next(n for n, line in enumerate(lines) if word in line)
        for word in ("= FAILURES =", "telemetry replay:")
    )
    assert max(len(line) for line in lines[begin + 1 : end] if line.startswith("  ")) < 120
    held(
        "replay_failures.txt",
        "\n".join(line.strip("_ ") if "__" in line else line for line in lines[begin + 1 : end]) + "\n",
    )


def test_junit_tells_the_same(faulty: Project) -> None:
    failure = faulty.junit()[0].find("failure")
    assert failure is not None
    golden = (GOLDEN / "replay_failures.txt").read_text(encoding="utf-8")
    assert f"{failure.text}\n" in golden


def test_verbose_runs_tell_it_in_the_summary(faulty: Project) -> None:
    lines = faulty.run("-v").stdout.lines
    begin = next(n for n, line in enumerate(lines) if "= telemetry gate =" in line)
    end = next(n for n, line in enumerate(lines) if n > begin and line == "Parser replays")
    held("replay_summary.txt", "\n".join(lines[begin + 1 : end]))
