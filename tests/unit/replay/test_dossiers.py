"""What replays leave behind as data: findings with their parts, steps, and facts of which nothing is cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from gates import MemoryGate
from test_corpus import document

from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.model.answers import Answer, Answers, Capture, RegionFacts
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.facts import MemberFacts, OtherFacts
from pytest_telemetry_gate.model.questions import CaptureQuestion
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.replay.captured import CapturedCase, CounterLag, DriveResult, ExportRequest
from pytest_telemetry_gate.replay.figures import ReplayedCases, judge_figure
from pytest_telemetry_gate.replay.judge.cases import judge_case
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.replay.suite.model import ReplaySuite

NUMBERS = range(8)
SUITE = f"""\
version: 1
suite: qa
checkpoints: {{2h: {{cases: {len(NUMBERS)}}}}}
contracts:
  parse:
    select: {{name: parser.parse}}
    status: ok
    attributes: {{parser.language: {{required: true}}, word: {{type: string, enum: [go]}}}}
cases:
  - id: case
    matrix: [{", ".join(f"{{n: {number}}}" for number in NUMBERS)}]
    drive: {{cli: {{argv: [tool, $n]}}}}
    expect:
      spans: [{{contract: parse}}]
      metrics: [{{counter: runs_total, lag: "<= 10s"}}]
      payload: {{per_request: "< 1 KB"}}
"""


@pytest.fixture
def suite(tmp_path: Path) -> ReplaySuite:
    path = tmp_path / "qa.replay.yaml"
    path.write_text(SUITE, encoding="utf-8")
    return load_replay(path, "qa.replay.yaml")


def captured(number: int, *, size: int = 2_000, status: int = 2) -> CapturedCase:
    spans = document(
        parentSpanId="", status={"code": status}, attributes=[{"key": "word", "value": {"stringValue": "no"}}]
    )
    lag = CounterLag("runs_total", 1.0, seen=1.0, low=0.5, high=0.75 + number, interval=1.0)
    driven = DriveResult("cli", "tool", code=0, seed=7, trace_ids=["1" * 32])
    requests = [ExportRequest("traces", 500, size, document=spans, arrival=0.25)]
    return CapturedCase("qa", f"case-{number}", "2h", driven, requests, [lag], at=1.0)


def test_findings_have_their_parts_as_data(suite: ReplaySuite) -> None:
    dossier = judge_case(suite, suite.cases[0], captured(0))
    assert dossier.outcome is Outcome.FAIL
    found = {finding.id: finding for finding in dossier.findings}
    assert list(found) == ["attribute.required", "attribute.enum", "span.status", "payload.per_request"]
    required = found["attribute.required"]
    assert (required.level, required.where) == (Outcome.FAIL, "span parser.parse")
    assert required.message == "span parser.parse: attribute parser.language: required, missing"
    assert required.context == {"contract": "parse", "attribute": "parser.language"}
    assert found["span.status"].context == {"contract": "parse", "expected": "ok", "got": "error"}
    assert found["payload.per_request"].context == {"bytes": 2_000, "limit": "< 1 KB"}
    assert [step.name for step in dossier.steps] == [
        "drive",
        "capture",
        "tree",
        "lag.counter",
        "seed",
        "case",
    ]


def test_facts_keep_what_was_seen_whole(suite: ReplaySuite) -> None:
    facts = judge_case(suite, suite.cases[0], captured(0)).facts["replay"]
    assert isinstance(facts, OtherFacts)
    content: Any = facts.content
    assert content["drive"]["seed"] == 7
    sizes = {"wire": 500, "body": 2_000}
    (request,) = content["requests"]
    assert request == {"signal": "traces", **sizes, "encoding": "json", "trouble": "", "arrival": 0.25}
    assert content["lags"][0]["high"] == 0.75
    assert content["tree"] == "parser.parse"
    assert content["exercised"] == ["parse.attributes.word"]
    assert json.loads(json.dumps(content)) == content


def test_a_dossier_of_a_case_crosses_processes(suite: ReplaySuite) -> None:
    dossier = judge_case(suite, suite.cases[0], captured(0))
    assert Dossier.from_wire(json.loads(json.dumps(dossier.to_wire()))) == dossier


def criterion(folder: Path, of: str, expect: str) -> Dossier:
    """Judge a criterion over eight cases: two pass, the others fail."""
    (folder / "qa.replay.yaml").write_text(SUITE.replace('payload: {per_request: "< 1 KB"}', ""))
    text = f'- {{id: qa, replay: {{suite: qa.replay.yaml, of: {of}}}, expect: "{expect}", checkpoints: [2h]}}'
    (check,) = MemoryGate(folder).checks(text)
    answers = {}
    for question in check.questions():
        assert isinstance(question, CaptureQuestion)
        number = int(question.case.removeprefix("case-"))
        case = captured(number)
        case.at = check.time
        if number < 2:
            attributes = [{"key": key, "value": {"stringValue": "go"}} for key in ("parser.language", "word")]
            case.requests[0].document = document(parentSpanId="", status={"code": 1}, attributes=attributes)
        answers[question] = Answer(Capture(case.to_wire()), source="recording x")
    return judge(check, Answers(check.time + 60, answers, {"": RegionFacts({"parser": 15.0})}))


def test_a_pass_rate_keeps_every_case(tmp_path: Path) -> None:
    dossier = criterion(tmp_path, "pass_rate", "== 100%")
    assert dossier.verdict.reason == (
        "25 % is outside the limit == 100 %; 2 of 8 cases passed; "
        "not: case-2 fail, case-3 fail, case-4 fail, case-5 fail, case-6 fail, ..."
    )
    facts = dossier.facts["members"]
    assert isinstance(facts, MemberFacts)
    assert [(member.criterion, member.counts) for member in facts.members] == [
        (f"case-{number}", number < 2) for number in NUMBERS
    ]
    assert [finding.where for finding in dossier.findings if finding.id == "replay.case"] == [
        f"case case-{number}" for number in NUMBERS[2:]
    ]


def test_a_lag_keeps_every_case(tmp_path: Path) -> None:
    dossier = criterion(tmp_path, "lag", "<= 5s")
    assert dossier.verdict.reason == "7.8 s is outside the limit <= 5 s; case case-7, runs_total"
    facts = dossier.facts["replay"]
    assert isinstance(facts, OtherFacts)
    assert [one["value"] for one in facts.content["cases"]] == [0.75 + number for number in NUMBERS]
    assert Dossier.from_wire(json.loads(json.dumps(dossier.to_wire()))) == dossier


@pytest.mark.parametrize("of", ["payload", "lag"])
def test_a_figure_of_no_case_opens_nothing(tmp_path: Path, of: str) -> None:
    (check,) = MemoryGate(tmp_path).checks('- {id: cpu, query: cpu, expect: "< 75"}')
    nothing = ReplayedCases(check, Answers(check.time, {}, {}), cast("ReplaySuite", None), (), {})
    verdict = judge_figure(of, nothing).verdict
    assert (verdict.outcome, verdict.reason) == (Outcome.INCONCLUSIVE, "nothing was measured")
