"""The trend's line, its intervals and what they decide."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gates import HEAD, START, UP, MemoryGate, grid, one, series
from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.criteria.trend import fit, student_t
from pytest_telemetry_gate.model.verdict import Outcome

SUITE = """groups:
  Telemetry:
    - {id: variance, query: events, tolerance: 5%, baseline: 100}
  Rollout:
    - {id: heading, trend: {of: variance, better: lower}, forecast: {at: 72h, expect: '<= 5%'}}
"""
HOURS = [12, 24, 36, 48]


def heading(tmp_path, variances, checkpoints=HOURS):
    def step(times):
        index = np.clip(np.searchsorted(START + np.array(HOURS) * 3600.0, times), 0, len(variances) - 1)
        return 100.0 + np.array(variances)[index]

    head = HEAD.replace(
        "checkpoints: [2h]", f"checkpoints: [{', '.join(f'{hour}h' for hour in checkpoints)}]"
    )
    gate = MemoryGate(
        tmp_path, data=[UP, series("events", step, grid(end=START + 49 * 3600))], now=START + 50 * 3600
    )
    return one(gate.verdicts(SUITE, head), "heading")


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


@given(st.floats(-10, 10), st.floats(-5, 5), st.integers(3, 40))
def test_points_on_a_line_give_that_line_without_doubt(start, slope, count):
    times = [START + 3600.0 * hour for hour in range(count)]
    line = fit(times, [start + slope * hour / 24 for hour in range(count)])
    value, half = line.at(START + 72 * 3600)
    assert line.slope == pytest.approx(slope, abs=1e-9)
    assert value == pytest.approx(start + slope * 3, abs=1e-6)
    assert half == pytest.approx(0, abs=1e-6)


def test_the_interval_agrees_with_numpy_on_scattered_points():
    days = np.array([0.0, 0.5, 1.0, 1.5, 2.0])
    values = np.array([2.3, 2.1, 2.25, 1.9, 1.95])
    line = fit((START + days * 86400).tolist(), values.tolist())
    (slope, _), covariance = np.polyfit(days, values, 1, cov="unscaled")
    residuals = values - np.polyval(np.polyfit(days, values, 1), days)
    error = math.sqrt(covariance[0, 0] * (residuals @ residuals) / 3)
    assert line.slope == pytest.approx(slope)
    assert line.slope_half == pytest.approx(3.1824 * error)


@pytest.mark.parametrize("freedom", [1, 2, 3, 7, 15, 30, 31, 60, 500])
def test_the_quantiles_leave_two_and_a_half_percent_beyond(freedom):
    t = student_t(freedom)
    norm = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    # Substituting x = tan(u) keeps the integral finite even for the Cauchy distribution (one degree).
    edges = np.linspace(math.atan(t), math.pi / 2, 200_001)
    middles = (edges[1:] + edges[:-1]) / 2
    density = norm * (1 + np.tan(middles) ** 2 / freedom) ** (-(freedom + 1) / 2) / np.cos(middles) ** 2
    assert float(density.sum() * (edges[1] - edges[0])) == pytest.approx(0.025, abs=1e-5)
