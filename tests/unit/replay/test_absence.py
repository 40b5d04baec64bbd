"""What a case proves that captured nothing, or not everything: never that something is absent."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_corpus import TRACE, document

from pytest_telemetry_gate.replay.captured import CapturedCase, DriveResult, ExportRequest
from pytest_telemetry_gate.replay.judge.cases import judge_case
from pytest_telemetry_gate.replay.suite.loader import load_replay

SUITE = """\
version: 1
suite: absence
checkpoints: {1h: {cases: 1}}
contracts:
  leak: {select: {name: {regex: ".*password.*"}}, count: {max: 0}}
  quiet: {signal: logs, select: {severity: ERROR}, count: 0}
  maybe: {select: {name: cache.miss}, count: {min: 0, max: 3}}
  some: {select: {name: parser.parse}}
cases:
  - id: one
    drive: {http: {url: "http://127.0.0.1:9/"}}
    expect: {%s}
"""
SPANS = ExportRequest("traces", 90, 90, document=document(), arrival=0.1)
SPANLESS = ExportRequest("traces", 20, 20, document={"resourceSpans": []}, arrival=0.1)
REFUSED = ExportRequest("traces", 20, 0, trouble="is compressed with zstd")
ONLY_ABSENCE = (
    "captured no telemetry in 2.0 s; what must be absent is proven beside other telemetry of the case alone"
)
NOTHING = "captured no telemetry in 2.0 s"


def judged(folder: Path, expect: str, *requests: ExportRequest) -> tuple[str, str]:
    path = folder / "absence.replay.yaml"
    path.write_text(SUITE % expect)
    suite = load_replay(path)
    driven = DriveResult("http", "GET", trace_ids=[TRACE.lower()])
    captured = CapturedCase("absence", "one", "1h", driven, list(requests), waited=2.0, at=1.0)
    found = judge_case(suite, suite.cases[0], captured).verdict
    return str(found.outcome), found.reason


@pytest.mark.parametrize("requests", [(), (SPANLESS,)], ids=["nothing came", "nothing was in it"])
@pytest.mark.parametrize(
    ("expect", "outcome", "told"),
    [
        ("spans: [{contract: leak}]", "inconclusive", ONLY_ABSENCE),
        ("logs: [{contract: quiet}]", "inconclusive", ONLY_ABSENCE),
        ("spans: [{contract: maybe, count: 0}, {contract: leak}]", "inconclusive", ONLY_ABSENCE),
        ("spans: [{contract: maybe}]", "inconclusive", ONLY_ABSENCE),
        ('payload: {total: "< 1 MB"}', "fail", NOTHING),
        ('spans: [{contract: leak}], lag: "<= 5s"', "fail", NOTHING),
    ],
)
def test_nothing_captured_proves_nothing(
    tmp_path: Path, requests: tuple[ExportRequest, ...], expect: str, outcome: str, told: str
) -> None:
    assert judged(tmp_path, expect, *requests) in {(outcome, told), (outcome, f"{told} (and 1 more)")}


def test_absence_beside_other_telemetry_is_proven(tmp_path: Path) -> None:
    assert judged(tmp_path, "spans: [{contract: leak}], logs: [{contract: quiet}]", SPANS)[0] == "pass"


@pytest.mark.parametrize(
    ("expect", "outcome"),
    [
        ("spans: [{contract: leak}]", "inconclusive"),
        ("spans: [{contract: maybe}]", "inconclusive"),
        ("spans: [{contract: some}]", "warn"),
    ],
)
def test_what_was_refused_may_hold_what_must_be_absent(tmp_path: Path, expect: str, outcome: str) -> None:
    told = "export request is compressed with zstd"
    assert judged(tmp_path, expect, SPANS, REFUSED) == (outcome, told)
