"""A fitted line and its intervals, against numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.stats.line import fit

START = 1_737_583_200.0  # seconds


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
    assert line.slope_high - line.slope == pytest.approx(3.182446 * error)
    assert line.slope - line.slope_low == pytest.approx(3.182446 * error)
