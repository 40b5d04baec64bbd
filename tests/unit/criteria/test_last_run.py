"""The last run that passed before a rollout, as a baseline: which one it is, and when it is none."""

from __future__ import annotations

import dataclasses

import pytest
from gates import START, UP, MemoryGate, series

from pytest_telemetry_gate.criteria.baseline import baseline_moments, find_reference, is_stated
from pytest_telemetry_gate.model.past_runs import PastMeasure, PastRun, name_in_past
from pytest_telemetry_gate.model.verdict import Outcome

QUERY = "avg_over_time(cpu[$__window])"
CPU = f"- {{id: cpu, query: '{QUERY}', window: 30m, unit: s, expect: '< 75000 ms', tolerance: 5%, baseline: {{last: pass}}}}"
MEASURE = PastMeasure("avg_over_time(cpu[10m])", 600.0, "ms", "memory")


def run(
    at: float, value: float | None = 50_000.0, outcome: Outcome = Outcome.PASS, **fields: object
) -> PastRun:
    """Return a run with a value of the criterion, measured over another window in another unit of time."""
    name = "small/cpu"
    measure = dataclasses.replace(MEASURE, **fields)
    return PastRun(at, "", outcome, {}, {} if value is None else {name: value}, {name: measure})


@pytest.fixture
def find(tmp_path):
    """Return what finds the reference of a check with some earlier runs."""
    gate = MemoryGate(tmp_path, data=[UP, series("cpu", 51.0)])

    def reference(past: tuple[PastRun, ...] | None, criterion: str = CPU):
        (check,) = gate.checks(criterion)
        check = dataclasses.replace(check, past=past)
        assert not baseline_moments(check, QUERY)
        assert not is_stated(check)
        return find_reference(check, check.criterion.query, gate.answers(check))

    return reference


def test_it_is_the_newest_that_passed_before_the_rollout(find):
    past = (run(START - 9), run(START, 40_000.0), run(START - 5, 60_000.0), run(START + 1, 70_000.0))
    found = find(past)
    assert (found.value, found.name, found.problem) == (40.0, "run of 2025-01-22T22:00:00Z", "")
    failed = (*past[:1], run(START, outcome=Outcome.FAIL), run(START, outcome=Outcome.WARN))
    assert find(failed).value == 50.0
    assert find(past, CPU.replace("last: pass", "last: pass, name: before")).name == "before"


@pytest.mark.parametrize(
    ("past", "says"),
    [
        (None, "there is no history, of which the last run that passed would be it: --telemetry-history=FOLDER"),
        ((), "no run in the history passed before rollout.start 2025-01-22T22:00:00Z"),
        ((run(START + 1),), "no run in the history passed before rollout.start"),
        ((run(START, outcome=Outcome.FAIL),), "no run in the history passed before rollout.start"),
        ((run(START, None),), "the run of 2025-01-22T22:00:00Z has no value of 'cpu'"),
        ((PastRun(START, "", Outcome.PASS, {}, {"small/cpu": 1.0}),), "has no value of 'cpu'"),
        ((run(START, environment="prod"),), "was judged in environment 'prod', and this is 'memory'"),
        ((run(START, unit="%"),), "was judged in %, and this is in s"),
        ((run(START, unit=""),), "was judged in no unit, and this is in s"),
        ((run(START, query="avg_over_time(ram[10m])"),), "asked another query"),
        ((run(START, window=60.0),), "asked another query"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_none(find, past, says):
    found = find(past)
    assert found.value is None
    assert found.problem.startswith("baseline: ")
    assert says in found.problem


def test_values_are_named_by_suite_criterion_and_region():
    assert (name_in_past("s", "c", ""), name_in_past("s", "c", "eu")) == ("s/c", "s/c/eu")


def test_a_value_without_a_unit_is_taken_as_it_is(find):
    criterion = CPU.replace("unit: s, expect: '< 75000 ms'", "expect: '< 75'")
    assert find((run(START, 50.0, unit=""),), criterion).value == 50.0
