"""Dossiers: what stands in them as data, that nothing is cut, and their way between processes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gates import END, START, STEP, UP, MemoryGate, series
from hypothesis import given
from hypothesis import strategies as st
from newer import with_newer_keys

from pytest_telemetry_gate.model.dossier import (
    Asked,
    Dossier,
    Finding,
    Requirement,
    SeriesOverTime,
    Step,
    Timing,
)
from pytest_telemetry_gate.model.events import Episode, Evaluation, Events, Rule, Silence
from pytest_telemetry_gate.model.facts import (
    ChangeFacts,
    EventFacts,
    ForecastFacts,
    Member,
    MemberFacts,
    OtherFacts,
    SeriesFacts,
    TrendFacts,
    TrendPoint,
)
from pytest_telemetry_gate.model.verdict import Level, Outcome, Verdict
from pytest_telemetry_gate.support.units import Limit

VERDICT = Verdict(
    suite="s", group="g", criterion="c", title="t", region="eu", checkpoint="24h", outcome=Outcome.WARN, reason="r",
    level=Level.CRIT, value=84.5, unit="ms", limit="<= 90 ms", warnings=("a", "b"),
)  # fmt: skip
EPISODE = Episode("alert", "Slow", 1.0, None, {"team": "qa"})
FULL = Dossier(
    verdict=VERDICT,
    requirement=Requirement(
        kind="query", limit=Limit("..", 60.0, 90.0, "ms"), tolerance=5.0, floor=0.5, levels={"warn": 4.0},
        better="lower", reduce="max", combine="all", coverage=0.9, window=3600.0, start=START, unit="s",
    ),
    timing=Timing(START, END, END + 60),
    steps=(Step("value", "value 84.5 ms"),),
    findings=(Finding("limit.outside", Outcome.FAIL, "c", "outside", {"value": 1.5, "names": ["a"]}),),
    facts={
        "series": SeriesFacts(({"a": "1"}, {"a": "2"}), (1.0, 2.0)),
        "events": EventFacts(
            (EPISODE,), (replace(EPISODE, end=2.0),), (Rule("Slow", "f;g", 15.0),), (Evaluation("f;g", 1, 2, 0),),
            (Silence(0.0, 1.0, (("team", "=", "qa"),), "ann", "why"),),
        ),
        "members": MemberFacts((Member("c", "eu", "24h", Outcome.FAIL, "r", counts=False, variance=1.5),)),
        "trend": TrendFacts(
            (TrendPoint("24h", 1.0, 2.0),), -0.1, -0.3, 0.1, "pp", ForecastFacts(9.0, 1.0, 0.5), "c", 1.0, 2.0,
            (1.5, None), 8.0, ChangeFacts(3.0, 1.0, 2.0),
        ),
        "drift": OtherFacts("drift", {"points": [1, 2], "odd": None}),
    },
    asked=(Asked("up", "eu", None, 1.0, "prometheus", "3", ("1.0",), ("careful",)),),
    series=(SeriesOverTime("variance", "%", {"a": "b"}, (1.0, 2.0), (1.0, None)),),
)  # fmt: skip


def through_json(dossier: Dossier) -> Dossier:
    return Dossier.from_wire(json.loads(json.dumps(dossier.to_wire())))


def test_everything_comes_back_the_same() -> None:
    assert through_json(FULL) == FULL
    assert through_json(Dossier(VERDICT)) == Dossier(VERDICT)


def test_what_is_at_its_default_does_not_travel() -> None:
    assert set(Dossier(VERDICT).to_wire()) == {"verdict"}
    assert "baseline" not in VERDICT.to_wire()


def test_keys_of_a_newer_version_are_ignored_at_every_level() -> None:
    wire = FULL.to_wire()
    free = {"labels", "levels", "context", "content", "facts"}  # mappings whose keys are data
    assert Dossier.from_wire(with_newer_keys(wire, free)) == FULL
    assert Dossier.from_wire(
        {**wire, "facts": {**wire["facts"], "new": {"kind": "new", "content": {}}}}
    ).facts["new"] == OtherFacts("new", {})


@pytest.mark.parametrize(
    "wire", [{}, [], {"verdict": 1}, {"verdict": VERDICT.to_wire(), "findings": [{"level": "loud"}]}]
)
def test_what_is_no_dossier_is_refused(wire: Any) -> None:
    with pytest.raises((TypeError, ValueError, KeyError)):
        Dossier.from_wire(wire)


@given(
    st.builds(
        Finding,
        st.text(),
        st.sampled_from(Outcome),
        st.text(),
        st.text(),
        st.dictionaries(st.text(), st.text()),
    ),
    st.builds(Step, st.text(), st.text()),
    st.floats(allow_nan=False),
)
def test_any_text_and_number_comes_back_the_same(finding: Finding, step: Step, value: float) -> None:
    dossier = Dossier(replace(VERDICT, value=value), findings=(finding,), steps=(step,))
    assert through_json(dossier) == dossier


def test_half_a_surrogate_pair_and_nan_survive() -> None:
    dossier = through_json(Dossier(replace(VERDICT, reason="\ud800", value=float("nan"))))
    assert dossier.verdict.reason == "\ud800"
    assert dossier.verdict.value is not None
    assert np.isnan(dossier.verdict.value)


@pytest.fixture
def gate(tmp_path: Path) -> MemoryGate:
    return MemoryGate(tmp_path, data=[UP, series("cpu", 70.0)])


def test_what_was_demanded_stands_there_as_data(gate: MemoryGate) -> None:
    required = gate.dossier(
        "- {id: a, query: cpu, unit: ms, expect: '<= 0.09 s', tolerance: 5%, baseline: 69, floor: 1, better: lower, "
        "window: 30m, coverage: 95%}"
    ).requirement
    assert required == Requirement(
        kind="query", limit=Limit("<=", 0.09, None, "s"), tolerance=5.0, floor=0.001, better="lower", window=1800.0,
        coverage=0.95, start=START, unit="ms", levels={"info": 3.0, "warn": 4.0, "crit": 6.0},
    )  # fmt: skip


def test_a_broken_limit_is_a_finding_and_the_steps_lead_to_the_verdict(gate: MemoryGate) -> None:
    dossier = gate.dossier("- {id: a, query: cpu, expect: '< 50'}")
    assert [(one.id, one.level, one.where, one.message) for one in dossier.findings] == [
        ("limit.outside", Outcome.FAIL, "a", "70 is outside the limit < 50")
    ]
    assert [one.name for one in dossier.steps] == ["samples", "coverage", "value", "limit", "verdict"]
    assert dossier.timing is not None
    assert dossier.timing.rollout_start == START


def test_a_pass_has_no_findings(gate: MemoryGate) -> None:
    assert gate.dossier("- {id: a, query: cpu, expect: '< 75'}").findings == ()


@pytest.mark.parametrize(
    ("criterion", "name"),
    [
        ("query: gone, expect: '< 1'", "data.none"),
        ("query: 'cpu * NaN', expect: '< 1'", "data.not_finite"),
        ("query: cpu, tolerance: 5%, baseline: 0", "baseline.zero"),
        ("query: cpu, tolerance: 5%, baseline: 60", "tolerance.outside"),
        ("query: cpu, tolerance: 5%, baseline: 67", "variance.level"),
        ("query: cpu, tolerance: 5%, baseline: {query: gone}", "baseline.unusable"),
        ("alerts: {match: {team: qa}}, expect: '== 0'", "answer.error"),
    ],
)
def test_whatever_is_no_plain_pass_has_a_finding(gate: MemoryGate, criterion: str, name: str) -> None:
    dossier = gate.dossier(f"- {{id: a, {criterion}}}")
    (finding,) = dossier.findings
    assert (finding.id, finding.level, finding.message) == (name, dossier.outcome, dossier.verdict.reason)


def test_every_series_of_an_answer_is_kept(gate: MemoryGate) -> None:
    gate.data = [UP, *(series("zone", float(number), zone=str(number)) for number in range(8))]
    facts = gate.dossier("- {id: a, query: zone, expect: '< 1'}").facts["series"]
    assert isinstance(facts, SeriesFacts)
    assert sorted(facts.values) == [float(number) for number in range(8)]
    assert {labels["zone"] for labels in facts.labels} == {str(number) for number in range(8)}


def test_every_alert_is_kept_where_the_reason_names_three(gate: MemoryGate) -> None:
    begin = START + 600
    alerts = [
        series("ALERTS", 1.0, begin + 600 * number + np.arange(0, 60, STEP), alertname=f"A{number}",
               alertstate="firing", team="qa")
        for number in range(7)
    ]  # fmt: skip
    rule = Rule("A0", "f;g", STEP, {"team": "qa"})
    gate.events = {"alerts": Events(START - 3600, END + 7200, complete=True, rules=(rule,))}
    gate.data = [UP, *alerts]
    dossier = gate.dossier("- {id: a, alerts: {match: {team: qa}}, expect: '== 0'}")
    facts = dossier.facts["events"]
    assert isinstance(facts, EventFacts)
    assert "and 4 more" in dossier.verdict.reason
    assert sorted(one.name for one in facts.episodes) == [f"A{number}" for number in range(7)]
    assert facts.rules == (rule,)


def test_every_member_of_a_ratio_is_kept_where_the_reason_names_five(gate: MemoryGate) -> None:
    rows = "".join(f"    - {{id: c{number}, query: cpu, expect: '< {number}'}}\n" for number in range(64, 74))
    suite = (
        f"groups:\n  Parser:\n{rows}  All:\n    - {{id: all, ratio: {{of: [Parser]}}, expect: '== 100%'}}\n"
    )
    dossier = gate.dossiers(suite)[-1]
    facts = dossier.facts["members"]
    assert isinstance(facts, MemberFacts)
    assert dossier.verdict.reason.endswith("c68 fail, ...")
    assert [(one.criterion, one.counts, one.outcome) for one in facts.members] == [
        (f"c{number}", number > 70, Outcome.PASS if number > 70 else Outcome.FAIL) for number in range(64, 74)
    ]


def test_a_waiver_and_what_it_waives_are_steps(gate: MemoryGate) -> None:
    head = (
        "version: 1\nsuite: small\nrollout: {start: 2025-01-22T14:00:00-08:00, end: 2025-01-22T15:30:00-08:00}\n"
        "checkpoints: [2h]\nwaivers: [{criterion: a, reason: known, owner: ann, until: 2025-02-01}]\n"
    )
    dossier = gate.dossier("- {id: a, query: cpu, expect: '< 50'}", head)
    assert dossier.outcome is Outcome.WAIVED
    assert dossier.findings[0].level is Outcome.FAIL
    assert [one.name for one in dossier.steps][-2:] == ["waiver", "verdict"]
