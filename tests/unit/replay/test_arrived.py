"""Whether what arrived is enough to judge by: for how long it was waited for, what was missing, what was of others."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest
from test_corpus import TRACE, document

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.replay.captured import CapturedCase, DriveResult, ExportRequest, ForeignTelemetry
from pytest_telemetry_gate.replay.judge.cases import judge_case
from pytest_telemetry_gate.replay.judge.upper_bounds import quiet_needed
from pytest_telemetry_gate.replay.receive.capture_place import CaptureWait
from pytest_telemetry_gate.replay.receive.mailbox import Arrival
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.replay.suite.model import ReplaySuite

SUITE = """\
version: 1
suite: arrived
checkpoints: {1h: {cases: 1}}
capture: {otlp: {http: "127.0.0.1:0"}, complete: {timeout: 10s, quiet: 1s}}
contracts:
  any: {select: {name: parser.parse}}
  one: {select: {name: parser.parse}, count: 1}
  soon: {select: {name: parser.parse}, count: {min: 1, max: 2}, quiet: 3s}
  child: {select: {name: parser.parse}, children: {write: {max: 1}}, quiet: 4s}
  closed: {select: {name: parser.parse}, unknown_children: fail}
  errors: {signal: logs, select: {severity: ERROR}, count: 0, quiet: 2s}
  gauge: {signal: metrics, select: {name: load}, cardinality: 3}
  no_gauge: {signal: metrics, select: {name: {regex: "user_.*"}}, count: 0}
cases:
  - {id: one, drive: %s, expect: {%s}}
"""
HTTP, CLI = '{http: {url: "http://127.0.0.1:9"}}', "{cli: {argv: [x]}}"
NOTHING = "captured no telemetry in 2.0 s"
METRIC = {
    "resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "load", "gauge": {"dataPoints": [{}]}}]}]}]
}


def log(severity: int, **ids: str) -> dict[str, Any]:
    record = {"severityNumber": severity, "body": {"stringValue": "x"}, **ids}
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}


def suite(folder: Path, expect: str, drive: str = HTTP) -> ReplaySuite:
    path = folder / "arrived.replay.yaml"
    path.write_text(SUITE % (drive, expect))
    return load_replay(path)


def request(content: dict[str, Any], arrival: float = 0.5) -> ExportRequest:
    return ExportRequest("traces", 90, 90, document=content, arrival=arrival)


def judged(found: ReplaySuite, *requests: ExportRequest, failure: str = "", **fields: Any) -> Dossier:
    kind = found.cases[0].drive.kind
    driven = DriveResult(kind, "driven", trace_ids=[TRACE.lower()], code=0, failure=failure)
    fields = {"waited": 2.0, "watched": 10.0, "place": "shared" if kind == "http" else "own", **fields}
    captured = CapturedCase("arrived", "one", "1h", driven, list(requests), at=1.0, **fields)
    again = CapturedCase.from_wire(captured.to_wire())
    assert again == captured
    return judge_case(found, found.cases[0], again)


@pytest.mark.parametrize(
    ("expect", "seconds"),
    [
        ("spans: [{contract: any}]", 1),
        ("spans: [{contract: any, count: 2}]", math.inf),
        ("spans: [{contract: one}]", math.inf),
        ("spans: [{contract: soon}]", 3),
        ("spans: [{contract: soon}, {contract: child}]", 4),
        ("spans: [{contract: soon}], logs: [{contract: errors}]", 3),
        ("metrics: [{contract: gauge}]", math.inf),
        ("spans: [{contract: closed}]", math.inf),
        ("tree: {like: t.jsonl}", math.inf),
        ("tree: {like: t.jsonl, ignore: [extra]}", 1),
        ('payload: {per_request: "< 1 MB"}', 1),
        ('payload: {total: "< 1 MB"}', math.inf),
        ('lag: "<= 2s"', math.inf),
    ],
)
def test_upper_bounds_are_waited_for(tmp_path: Path, expect: str, seconds: float) -> None:
    (tmp_path / "t.jsonl").write_text("{}")
    found = suite(tmp_path, expect)
    assert quiet_needed(found, found.cases[0], over_with_drive=False) == seconds
    assert quiet_needed(found, found.cases[0], over_with_drive=True) == 1


@pytest.mark.parametrize(
    ("expect", "drive", "spans", "seconds"),
    [
        ("spans: [{contract: one}]", HTTP, 0, 10),
        ("spans: [{contract: one}]", HTTP, 1, 10),
        ("spans: [{contract: one}]", HTTP, 2, 1),  # it cannot become fewer
        ("spans: [{contract: one}]", CLI, 1, 1),  # all its processes are gone
        ("spans: [{contract: one}]", CLI, 0, 10),
        ("spans: [{contract: any}]", HTTP, 1, 1),
        ("spans: [{contract: soon}]", HTTP, 1, 3),
    ],
)
def test_how_long_is_waited_after_the_last_arrival(
    tmp_path: Path, expect: str, drive: str, spans: int, seconds: float
) -> None:
    found, now = suite(tmp_path, expect, drive), time.monotonic()
    driven = DriveResult(found.cases[0].drive.kind, trace_ids=[TRACE.lower()])
    place = "own" if drive == CLI else "shared"
    wait = CaptureWait(found, found.cases[0], driven, place, ended=now, give_up=now + 10)
    completeness = wait.start()
    for _ in range(spans):
        completeness.add([Arrival(request(document(parentSpanId="")), now)])
    assert wait.rest(completeness, now if spans else None) == pytest.approx(seconds, abs=0.5)


@pytest.mark.parametrize(
    ("fields", "outcome", "reason"),
    [
        ({"watched": 10.0}, "pass", ""),
        ({"watched": None}, "pass", ""),  # an old capture does not say it
        ({"watched": 3.6}, "pass", ""),
        (
            {"watched": 1.5},
            "inconclusive",
            "contract soon: nothing more came for 1.0 s, which proves its upper bound only after 3 s",
        ),
    ],
)
def test_a_capture_that_was_listened_to_too_briefly_proves_no_upper_bound(
    tmp_path: Path, fields: dict[str, Any], outcome: str, reason: str
) -> None:
    """As where the suite that judges a recording has other bounds than the one that was driven."""
    found = judged(suite(tmp_path, "spans: [{contract: soon}]"), request(document()), **fields)
    assert str(found.outcome) == outcome
    assert reason in found.verdict.reason
    brief = judged(suite(tmp_path, "spans: [{contract: soon}]", CLI), request(document()), watched=1.5)
    assert str(brief.outcome) == "pass"


FOREIGN = ForeignTelemetry(12, ["GET /x", "consume"])


def test_what_others_exported_is_said(tmp_path: Path) -> None:
    found = judged(suite(tmp_path, "spans: [{contract: any}]"), foreign=FOREIGN)
    assert found.verdict.reason.startswith(
        f"{NOTHING}, but 12 other traces arrived (spans GET /x, consume): is the trace context passed on?"
    )
    beside = judged(
        suite(tmp_path, "spans: [{contract: any}]"), request(document()), foreign=FOREIGN, linked=["2" * 32]
    )
    assert str(beside.outcome) == "pass"
    told = [step.message for step in beside.steps]
    assert "12 other traces arrived (spans GET /x, consume)" in told
    assert f"linked to the case: 1 trace of others ({'2' * 32})" in told


def test_spans_of_linked_traces_are_the_cases_and_others_are_not(tmp_path: Path) -> None:
    requests = [request(document(traceId=trace)) for trace in (TRACE, "2" * 32, "3" * 32)]
    found = suite(tmp_path, "spans: [{contract: any, count: 2}]")
    assert str(judged(found, *requests, linked=["2" * 32]).outcome) == "pass"
    assert str(judged(found, *requests).outcome) == "fail"


@pytest.mark.parametrize(
    ("expect", "outcome"),
    [
        ("spans: [{contract: any}]", "pass"),
        ("spans: [{contract: one}]", "inconclusive"),
        ("logs: [{contract: errors}]", "inconclusive"),
    ],
)
def test_what_is_missing_may_hold_what_must_be_absent(tmp_path: Path, expect: str, outcome: str) -> None:
    gap = "capture.otlp_file: there is no traces.jsonl"
    found = judged(suite(tmp_path, expect), request(document()), gaps=[gap])
    assert str(found.outcome) == outcome
    assert gap in [*(step.message for step in found.steps), *(finding.message for finding in found.findings)]
    assert f"{NOTHING}; {gap}" in judged(suite(tmp_path, expect), gaps=[gap]).verdict.reason


@pytest.mark.parametrize(
    ("severity", "kept", "outcome"), [(17, 1, "inconclusive"), (9, 1, "pass"), (9, 2, "inconclusive")]
)
def test_log_records_without_a_trace_may_be_the_cases(
    tmp_path: Path, severity: int, kept: int, outcome: str
) -> None:
    foreign = ForeignTelemetry(unattributed=kept, records=[request(log(severity))])
    expect = "spans: [{contract: any}], logs: [{contract: errors}]"
    found = judged(suite(tmp_path, expect), request(document()), foreign=foreign)
    assert str(found.outcome) == outcome
    assert any("without a trace id arrived, attributed to no case" in step.message for step in found.steps)
    # Where the receiver is the case's own, they are its own.
    own = judged(suite(tmp_path, expect, CLI), request(document()), request(log(severity)))
    assert str(own.outcome) == ("fail" if severity == 17 else "pass")


def test_metrics_of_a_shared_receiver_prove_no_absence(tmp_path: Path) -> None:
    expect = "metrics: [{contract: no_gauge}]"
    found = judged(suite(tmp_path, expect), request(METRIC))
    assert str(found.outcome) == "inconclusive"
    assert found.verdict.reason.startswith("captured metrics alone, which may be anybody's, in 2.0 s;")
    assert str(judged(suite(tmp_path, expect, CLI), request(METRIC)).outcome) == "pass"


@pytest.mark.parametrize(
    ("expect", "fields", "finding"),
    [
        (
            'payload: {total: "< 1 KB"}',
            {"failure": "exit code 1"},
            "payload: inside its limits, but the drive failed: exit code 1",
        ),
        (
            'payload: {total: "< 1 KB"}',
            {"complete": False},
            "payload: inside its limits, but the capture is not complete",
        ),
        (
            'lag: "<= 2s"',
            {"failure": "exit code 1"},
            "lag: the last export request arrived 0.5 s after the drive, but the drive failed: exit code 1",
        ),
    ],
)
def test_limits_of_what_went_wrong_are_undecided(
    tmp_path: Path, expect: str, fields: dict[str, Any], finding: str
) -> None:
    found = judged(suite(tmp_path, expect), request(document()), **fields)
    levels = {one.message: str(one.level) for one in found.findings}
    assert levels[finding] == "inconclusive"
