"""Placebos: which moments they are of, and which reference is chosen by them."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_telemetry_gate.stats.placebos import Candidate, Comparison, choose_reference, take_apart

HOUR = 3600.0


def test_a_number_is_compared_with_what_came_as_much_later():
    values = np.array([10.0, 11, 12, 13, 14])
    wide = np.array([20.0, 10, 10, np.nan, 10])
    variances = Comparison(values, wide, HOUR).against_number(1.5 * HOUR)
    assert variances.tolist()[2:4] == [-40.0, 30.0]
    assert np.isnan(variances[[0, 1]]).all()


@pytest.mark.parametrize(("scale", "expected"), [(None, 300.0), (100.0, 1500.0)])
def test_weeks_are_averaged_before_they_are_compared(scale, expected):
    values = np.array([4.0, 6, 1, 1, 20])
    variances = Comparison(values, values, HOUR, scale).against_earlier([3 * HOUR, 4 * HOUR])
    assert variances.tolist()[4:] == [expected]
    assert np.isnan(variances[:4]).all()


def test_of_zero_there_is_no_change_in_percent_and_of_less_its_size_counts():
    values = np.array([0.0, 5, -4, -2])
    assert np.isnan(Comparison(values, values, HOUR).against_earlier([HOUR])[1])
    assert Comparison(values, values, HOUR).against_earlier([HOUR])[3] == 50.0


@pytest.mark.parametrize(("count", "most"), [(3, 3), (24, 24), (200, 24), (864, 24)])
def test_placebos_are_spread_over_all_hours_of_the_day(count, most):
    hours = np.arange(count, dtype=float)
    taken = take_apart(np.concatenate([[np.nan], hours]), HOUR)
    assert most / 2 < len(taken) <= most
    assert taken[-1] == hours[-1]
    gaps = set(np.diff(taken).tolist())
    assert len(gaps) == 1
    if count > 24:
        assert len({hour % 24 for hour in taken.tolist()}) == len(taken)
    assert not len(take_apart(np.full(count, np.nan), HOUR))


@pytest.mark.parametrize(
    ("number", "week", "chosen"),
    [
        ((8, 2.0), (8, 1.0), "7d"),
        ((8, 2.0), (8, 1.9), "number"),
        ((8, 2.0), (7, 0.1), "number"),
        ((0, 0.0), (3, 9.0), "7d"),
        ((0, 0.0), (0, 0.0), "number"),
    ],
)
def test_the_least_error_is_chosen_where_it_is_no_luck(number, week, chosen):
    candidates = [
        Candidate(name, np.full(count, size)) for name, (count, size) in (("number", number), ("7d", week))
    ]
    assert choose_reference(candidates).reference == chosen
