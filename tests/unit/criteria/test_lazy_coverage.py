"""The slots of a window are worked out only where they can say more than its samples."""

from __future__ import annotations

import pytest
from gates import START, MemoryGate, grid, series

from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.gate.local_answers import LazyAnswers
from pytest_telemetry_gate.model.answers import Answers, RegionFacts

CRITERION = "- {id: load, query: 'sum(avg_over_time(load[1h]))', expect: '> 0'}"
AT = START + 2 * 3600


def looked_at(folder, *data):
    """Return the verdict of the criterion and the queries whose answers were looked at."""
    gate = MemoryGate(folder, data=data)
    (check,) = gate.checks(CRITERION)
    answers, seen = gate.answers(check), []

    def answer(question):
        seen.append(question.promql)
        return answers[question]

    lazy = Answers(gate.now, LazyAnswers(check.questions(), answer), {"": RegionFacts(gate.intervals)})
    return judge(check, lazy).verdict, seen


def test_whole_windows_need_no_slots(tmp_path):
    verdict, seen = looked_at(tmp_path, series("load", 1))
    assert (verdict.outcome, verdict.coverage) == ("pass", 1.0)
    assert sorted(seen) == ["max by (job) (count_over_time(load[1h]))", "sum(avg_over_time(load[1h]))"]


@pytest.mark.parametrize("missing", [600, 1200])
def test_series_that_follow_one_another_are_seen_by_their_slots(tmp_path, missing):
    times = grid()
    old, new = times[times < AT - missing], times[times >= AT - missing]
    verdict, seen = looked_at(
        tmp_path, series("load", 1, old, instance="a:1"), series("load", 1, new, instance="a:2")
    )
    assert any("[1h:1m]" in promql for promql in seen)
    assert verdict.coverage > 0.95
