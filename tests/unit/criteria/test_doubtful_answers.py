"""Each answer that a healthy check is judged by may be missing, damaged or in doubt: then the check passes no more."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from gates import START, STEP, UP, MemoryGate, series

from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.model.answers import Answer, Answers, RegionFacts
from pytest_telemetry_gate.model.arrivals import Arrivals
from pytest_telemetry_gate.model.check import ALL_REGIONS
from pytest_telemetry_gate.model.events import Events, Rule
from pytest_telemetry_gate.model.questions import ArrivalsQuestion, EventsQuestion, KnownQuestion
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.promql import Vector

GROUP = "rules.yml;telemetry"
RULE = Rule("Slow", GROUP, STEP, {"team": "telemetry"}, expr="cpu > 90")
HISTORY = Events(START - 3600, START + 3 * 3600, complete=True, rules=(RULE,))
DATA = [
    UP,
    series("cpu", 50.0),
    series("old", 50.0),
    series("failed_total", 3.0),
    *(
        series("wait_seconds_bucket", lambda at, share=share: (at - START + 7200) * share, le=bound)
        for bound, share in {"0.1": 0.5, "0.5": 1.0, "+Inf": 1.0}.items()
    ),
    series("prometheus_rule_group_last_evaluation_timestamp_seconds", lambda at: at - 1.0, rule_group=GROUP),
    series("prometheus_rule_evaluation_failures_total", 0.0, rule_group=GROUP),
]
QUANTILE = "histogram_quantile(0.9, wait_seconds_bucket)"
# What passes, and what of it may be missing all the same: the damage and the beginning of the question
HEALTHY = {
    "limit": ("query: cpu, expect: '< 75'", ()),
    "earlier": ("query: cpu, tolerance: 5%, baseline: {offset: 2h10m}", ()),
    "another query": ("query: cpu, tolerance: 5%, baseline: {query: old}", ()),
    "two operands": ("query: cpu / old, expect: '< 75'", ()),
    "parameter": ("query: 'topk(scalar(old), cpu)', expect: '< 75'", ()),
    "exclusion": ("query: cpu unless (old > 60), expect: '< 75'", ["empty samples of old"]),
    "exclusion from a number": (
        "query: vector(1) unless on() (cpu > 90), expect: '== 1'",
        ["empty samples of cpu"],
    ),
    "either side": ("query: cpu or old, expect: '< 75'", ["empty samples of old", "empty samples of cpu"]),
    "born late": ("query: gone or on() vector(0), expect: '< 75', up: up", ()),
    "quantile": (
        f"query: '{QUANTILE}', unit: s, expect: '< 1', tolerance: 200%, baseline: {{offset: 2h10m}}",
        (),
    ),
    "sum of quantiles": (f"query: '{QUANTILE} + {QUANTILE}', unit: s, expect: '< 2'", ()),
    "quotient of quantiles": (f"query: '{QUANTILE} / {QUANTILE}', expect: '< 2'", ()),
    "count": (
        "count: 'failed_total{job=\"parser\"}', expect: '== 0'",
        ["empty last_over_time", "empty samples of up"],
    ),
    "count of any job": ("count: failed_total, expect: '== 0'", ["empty last_over_time"]),
    "absent": (
        "count: 'lost_total{job=\"parser\"}', expect: '== 0'",
        ["partial the names"],
    ),
    "sum of regions": ("query: cpu, expect: '< 150', combine: sum", ()),
    "largest region": ("query: cpu, expect: '< 75', combine: max", ()),
    "any region": ("query: cpu, expect: '< 75', combine: any", ()),
    "all regions": ("query: cpu, tolerance: 5%, baseline: {offset: 2h10m}, combine: all", ()),
    "alerts": ("alerts: {match: {team: telemetry}}, expect: '== 0'", ()),
    "alerts in a query": (
        "query: 'count(ALERTS{team=\"telemetry\"}) or vector(0)', expect: '== 0'",
        (),
    ),
}


def damages(question, answer):
    """Yield what may be wrong with an answer, by name."""
    yield "error", Answer(None, error="bad gateway")
    yield "partial", dataclasses.replace(answer, partial=True, warnings=("a store is down",))
    value = answer.value
    if isinstance(value, Vector) and value.labels:
        yield "empty", dataclasses.replace(answer, value=Vector([], np.array([]), value.time))
    if isinstance(question, ArrivalsQuestion):
        yield "doubt", dataclasses.replace(answer, value=dataclasses.replace(value, doubt="odd"))
    if isinstance(question, ArrivalsQuestion) and any(one.samples for one in value.targets):
        yield "empty", dataclasses.replace(answer, value=Arrivals())
        end = question.end * 1000
        for name, kept in (
            ("gap", lambda times: abs(times - end + question.window * 400) > question.window * 200),
            ("stopped", lambda times: times < end - question.window * 400),
        ):
            targets = [dataclasses.replace(one, times=one.times[kept(one.times)]) for one in value.targets]
            yield name, dataclasses.replace(answer, value=dataclasses.replace(value, targets=tuple(targets)))
    if isinstance(value, Events):
        yield "incomplete", dataclasses.replace(answer, value=dataclasses.replace(value, complete=False))
        yield "no rules", dataclasses.replace(answer, value=dataclasses.replace(value, rules=()))


@pytest.mark.parametrize("name", HEALTHY)
def test_what_passes_passes_no_more_when_an_answer_is_damaged(tmp_path, name):
    gate = MemoryGate(tmp_path, data=DATA, events={"alerts": HISTORY}, metadata={"lost_total": "counter"})
    keys, may_be = HEALTHY[name]
    (check,) = gate.checks(f"- {{id: x, {keys}}}")
    if check.criterion.over_regions:
        check = dataclasses.replace(check, region=ALL_REGIONS, everywhere=("eu", "us"))
    healthy = {
        question: answer
        for region in check.regions
        for question, answer in gate.answers(check.within(region)).answers.items()
    }
    facts = {region: RegionFacts(gate.intervals) for region in check.regions}
    assert judge(check, Answers(gate.now, healthy, facts)).outcome is Outcome.PASS
    decided = set()
    for question, answer in healthy.items():
        if isinstance(question, KnownQuestion) and name != "absent":
            continue  # it only helps with a reason
        for damage, other in damages(question, answer):
            outcome = judge(check, Answers(gate.now, {**healthy, question: other}, facts)).outcome
            if not outcome.undecided:
                decided.add(f"{damage} {question.text}")
            elif not isinstance(question, EventsQuestion | KnownQuestion):
                assert (outcome is Outcome.ERROR) == (damage == "error")
    assert {one for one in decided if not one.startswith(tuple(may_be))} == set()
    assert len(decided) == len(may_be)
