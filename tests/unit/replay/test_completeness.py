"""When a capture is complete, and what finding that out costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_corpus import document

from pytest_telemetry_gate.replay.captured import DriveResult, ExportRequest
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData
from pytest_telemetry_gate.replay.receive import mailbox as mailbox_module
from pytest_telemetry_gate.replay.receive.completeness import Completeness
from pytest_telemetry_gate.replay.receive.mailbox import Mailbox
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.replay.suite.model import ReplaySuite

TRACE, LINKED = "1" * 32, "2" * 32
SUITE = """\
version: 1
suite: s
checkpoints: {48h: {cases: 1}}
contracts: {parse: {select: {name: parser.parse}, count: {min: 2}}}
cases:
  - {id: one, drive: {http: {url: "http://127.0.0.1:9"}}, expect: {spans: [{contract: parse}]}}
"""


@pytest.fixture
def suite(tmp_path: Path) -> ReplaySuite:
    path = tmp_path / "s.replay.yaml"
    path.write_text(SUITE, encoding="utf-8")
    return load_replay(path)


def span(number: int, parent: int = 0, trace: str = TRACE, **fields: Any) -> ExportRequest:
    parent_id = f"{parent:016x}" if parent else ""
    ids = {"traceId": trace, "spanId": f"{number:016x}", "parentSpanId": parent_id}
    return ExportRequest("traces", 1, 1, document=document(**ids, links=[], **fields))


def completed(suite: ReplaySuite, *requests: ExportRequest) -> list[bool]:
    """Return after each request whether the capture was complete."""
    driven = DriveResult("http", trace_ids=[TRACE], span_id=f"{9:016x}")
    completeness, box, states = Completeness(suite, suite.cases[0], driven, is_own=False), Mailbox(), []
    for number, request in enumerate(requests):
        box.put(request)
        completeness.add(box.since(number))
        states.append(completeness.is_complete)
    return states


def test_as_many_as_a_contract_needs(suite: ReplaySuite) -> None:
    assert completed(suite, span(1), span(2)) == [False, True]


def test_a_parent_may_come_later_than_its_child(suite: ReplaySuite) -> None:
    assert completed(suite, span(1), span(2, parent=3), span(3, name="cli")) == [False, False, True]


def test_the_span_that_the_case_pretends_to_be_is_not_waited_for(suite: ReplaySuite) -> None:
    assert completed(suite, span(1, parent=9), span(2, parent=1)) == [False, True]


def test_parents_of_linked_traces_may_be_anybodys(suite: ReplaySuite) -> None:
    assert completed(suite, span(1), span(2, parent=7, trace=LINKED)) == [False, True]


def test_what_cannot_be_read_is_an_error_whatever_else_comes(suite: ReplaySuite) -> None:
    assert completed(suite, span(1), span(2, kind="server")) == [False, True]


def test_each_document_is_read_once_however_many_arrive(
    suite: ReplaySuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    original = mailbox_module.read_document

    def counting(content: Any) -> TelemetryData:
        read.append(id(content))
        return original(content)

    monkeypatch.setattr(mailbox_module, "read_document", counting)
    driven = DriveResult("http", trace_ids=[TRACE])
    box = Mailbox()
    progress = [Completeness(suite, suite.cases[0], driven, is_own=False) for _ in range(3)]
    for number in range(50):
        box.put(span(number + 1))
        for one in progress:
            one.add(box.since(number))
    assert len(read) == len(set(read)) == 50
    assert all(one.is_complete for one in progress)
