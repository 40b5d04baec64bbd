"""What a trend's line and its intervals decide."""

from __future__ import annotations

import numpy as np
import pytest
from gates import HEAD, START, UP, MemoryGate, grid, one, series

from pytest_telemetry_gate.model.verdict import Outcome

SUITE = """groups:
  Telemetry:
    - {id: variance, query: events, tolerance: 5%, baseline: 100}
  Rollout:
    - {id: heading, trend: {of: variance, better: lower}, forecast: {at: 72h, expect: '<= 5%'}}
"""
HOURS = [12, 24, 36, 48]


def heading(tmp_path, variances, checkpoints=HOURS, suite=SUITE):
    def step(times):
        index = np.clip(np.searchsorted(START + np.array(HOURS) * 3600.0, times), 0, len(variances) - 1)
        return 100.0 + np.array(variances)[index]

    head = HEAD.replace(
        "checkpoints: [2h]", f"checkpoints: [{', '.join(f'{hour}h' for hour in checkpoints)}]"
    )
    gate = MemoryGate(
        tmp_path, data=[UP, series("events", step, grid(end=START + 49 * 3600))], now=START + 50 * 3600
    )
    return one(gate.verdicts(suite, head), "heading")


def test_a_falling_variance_passes_with_its_forecast(tmp_path):
    verdict = heading(tmp_path, [2.2, 2.1, 2.0, 1.9])
    assert verdict.outcome is Outcome.PASS
    assert verdict.value == pytest.approx(1.7)
    assert verdict.limit == "<= 5 %"
    assert "slope -0.2" in verdict.reason


def test_a_surely_rising_variance_fails_though_the_forecast_holds(tmp_path):
    verdict = heading(tmp_path, [1.0, 1.1, 1.2, 1.3])
    assert verdict.outcome is Outcome.FAIL
    assert "surely not lower" in verdict.reason


def test_a_forecast_outside_the_limit_fails(tmp_path):
    assert heading(tmp_path, [1.0, 2.2, 3.1, 4.4]).outcome is Outcome.FAIL


def test_a_forecast_whose_interval_reaches_over_the_limit_is_inconclusive(tmp_path):
    verdict = heading(tmp_path, [4.0, -3.0, 3.5, 1.0])
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "reaches over" in verdict.reason


def test_two_points_are_no_trend(tmp_path):
    verdict = heading(tmp_path, [2.2, 2.1, 2.0, 1.9], [12, 24])
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "needs 3" in verdict.reason


def test_a_trend_is_over_the_checkpoints_that_its_criterion_is_judged_at(tmp_path):
    criterion = "{id: variance, query: events, tolerance: 5%, baseline: 100, checkpoints: [12h, 24h, 36h]}"
    suite = SUITE.replace(SUITE.splitlines()[2].strip("- "), criterion)
    assert criterion in suite
    verdict = heading(tmp_path, [2.2, 2.1, 2.0, 9.0], suite=suite)
    assert (verdict.outcome, "over 3 points" in verdict.reason) == (Outcome.PASS, True)
    assert heading(tmp_path, [2.2, 2.1, 2.0, 9.0]).outcome is not Outcome.PASS
