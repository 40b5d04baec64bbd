"""A baseline is of the time before the rollout, and what is judged of the time after its start."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from gates import HEAD, START, UP, MemoryGate, grid, series

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.model.verdict import Outcome

TIMES = grid(START - 4 * 3600, START + 3 * 3600)


@pytest.fixture
def gate(tmp_path):
    return MemoryGate(tmp_path, data=[series("up", 1.0, TIMES), series("cpu", 100.0, TIMES)])


@pytest.mark.parametrize(
    ("at", "outcome"),
    [("14:00:00", Outcome.PASS), ("13:00:00", Outcome.PASS), ("14:00:01", None), ("15:00:00", None)],
)
def test_a_baseline_at_a_time_is_before_the_rollout(gate, at, outcome):
    criterion = f"- {{id: cpu, query: cpu, tolerance: 5%, baseline: {{at: 2025-01-22T{at}-08:00}}}}"
    if outcome is not None:
        assert gate.verdict(criterion).outcome is outcome
        return
    with pytest.raises(SuiteError, match=r"is after rollout\.start 2025-01-22T22:00:00Z"):
        gate.checks(criterion)


def test_so_it_is_where_the_suite_says_it_or_the_query_looks_ahead(gate):
    with pytest.raises(SuiteError, match=r"criterion 'cpu': baseline\.at 2025-01-23"):
        gate.checks("- {id: cpu, query: cpu, tolerance: 5%}", HEAD + "baseline: {at: 2025-01-23T00:00:00Z}\n")
    for query in ("cpu offset -20m", "cpu + (cpu offset -20m) - cpu"):
        verdict = gate.verdict(
            f"- {{id: cpu, query: '{query}', tolerance: 5%, baseline: {{at: 2025-01-22T13:50:00-08:00}}}}"
        )
        assert verdict.outcome is Outcome.INCONCLUSIVE
        assert (
            "the baseline is of 2025-01-22T22:10:00Z, 10m after rollout.start 2025-01-22T22:00:00Z"
            in verdict.reason
        )


@pytest.mark.parametrize(
    ("measured", "outcome"),
    [
        ("2025-01-15T00:00:00Z", Outcome.PASS),
        ("2025-01-22T22:00:00Z", Outcome.PASS),
        ("2025-01-22T22:30:00Z", Outcome.INCONCLUSIVE),
        ("2035-01-01T00:00:00Z", Outcome.INCONCLUSIVE),
    ],
)
def test_a_baseline_file_was_measured_before_the_rollout(gate, measured, outcome):
    (gate.folder / "base.yaml").write_text(
        f"version: 1\nname: old\nmeasured: {measured}\nvalues: {{cpu: 100}}\n"
    )
    verdict = gate.verdict("- {id: cpu, query: cpu, tolerance: 5%}", HEAD + "baseline: {file: base.yaml}\n")
    assert verdict.outcome is outcome
    if outcome is Outcome.INCONCLUSIVE:
        assert f"the baseline is of {measured}, " in verdict.reason
        assert "after rollout.start 2025-01-22T22:00:00Z, says 'old'" in verdict.reason


def test_an_offset_into_the_rollout_is_told_with_both_times(gate):
    inside = gate.dossier("- {id: cpu, query: cpu, tolerance: 5%, baseline: {offset: 30m}}")
    told = "the baseline is of 2025-01-22T23:30:00Z, 1h 30m after rollout.start 2025-01-22T22:00:00Z"
    assert inside.outcome is Outcome.PASS
    assert inside.verdict.reason.endswith(told)
    assert told in [step.message for step in inside.steps]
    assert [(one.id, one.level, one.message) for one in inside.findings] == [
        ("baseline.late", Outcome.PASS, told)
    ]
    before = gate.dossier("- {id: cpu, query: cpu, tolerance: 5%, baseline: {offset: 3h}}")
    assert "after rollout.start" not in before.verdict.reason
    # Without a tolerance the baseline decides nothing.
    limited = gate.verdict("- {id: cpu, query: cpu, expect: '<= 100', baseline: {offset: 30m}}")
    assert "after rollout.start" not in limited.reason


def test_a_query_is_no_baseline_of_itself(gate):
    with pytest.raises(SuiteError, match="the query itself at the same time"):
        gate.checks("- {id: cpu, query: 'avg( cpu )', tolerance: 5%, baseline: {query: avg(cpu)}}")
    gate.data += [series("canary", 100.0, TIMES)]
    assert (
        gate.verdict("- {id: cpu, query: cpu, tolerance: 5%, baseline: {query: canary}}").outcome
        is Outcome.PASS
    )


@pytest.mark.parametrize(
    ("query", "outcome"),
    [
        ("avg_over_time(cpu[2h])", Outcome.PASS),
        ("avg_over_time(cpu[3h])", Outcome.PASS),
        ("avg_over_time(cpu[4h])", Outcome.PASS),  # half of it
        ("avg_over_time(cpu[5h])", Outcome.INCONCLUSIVE),
        ("max_over_time(avg(cpu)[5h:1m])", Outcome.INCONCLUSIVE),
        ("avg_over_time(cpu[1h] offset 2h)", Outcome.PASS),  # on purpose
        ("avg_over_time(cpu[1h] offset 90m)", Outcome.PASS),
        ("avg_over_time(cpu[80m] offset 85m)", Outcome.INCONCLUSIVE),
        ("cpu", Outcome.PASS),
    ],
)
def test_what_is_judged_is_mostly_of_the_time_after_the_start(gate, query, outcome):
    verdict = gate.verdict(f"- {{id: cpu, query: '{query}', expect: '<= 100'}}")
    assert verdict.outcome is outcome, verdict.reason
    if outcome is Outcome.INCONCLUSIVE:
        assert "that are read of cpu lie before rollout.start 2025-01-22T22:00:00Z" in verdict.reason
        assert "the checkpoint is 2025-01-23T00:00:00Z" in verdict.reason
    # A limit that is broken all the same is broken.
    assert gate.verdict(f"- {{id: cpu, query: '{query}', expect: '<= 99'}}").outcome is Outcome.FAIL


def test_a_hand_written_test_without_a_suite_has_no_rollout(gate):
    (check,) = gate.checks("- {id: cpu, query: 'avg_over_time(cpu[1h])', expect: '<= 100'}")
    rollout = check.suite.rollout.model_copy(update={"start": check.time, "end": check.time})
    check = dataclasses.replace(check, suite=check.suite.model_copy(update={"rollout": rollout}))
    assert check.criterion.judge(check, gate.answers(check)).outcome is Outcome.PASS
    assert np.isclose(check.range, 0)
    assert UP
