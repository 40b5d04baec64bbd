"""When a level changed: known moments, means over windows, and what must not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pytest_telemetry_gate.stats.change_point import find_bend, find_change

HOUR = 3600.0


def hours(count):
    return 1_737_583_200.0 + HOUR * np.arange(1, count + 1)


def test_a_step_is_found_between_its_neighbours():
    times = hours(48)
    change = find_change(times, np.where(np.arange(48) < 22, 84.0, 93.0))
    assert change.time == times[21] + HOUR / 2
    assert (change.before, change.after, change.gain, change.left) == pytest.approx((84.0, 93.0, 1.0, 0.0))


def test_of_means_over_a_window_it_is_the_foot_of_the_ramp():
    """What happened at 22 h is wholly in a mean over an hour at 23 h."""
    times = 1_737_583_200.0 + 600 * np.arange(1, 289)
    ramp = np.clip((times - times[0] + 600 - 22 * HOUR) / HOUR, 0, 1)
    noise = np.random.default_rng(1).normal(0, 0.3, 288)
    change = find_change(times, 84 + 9 * ramp + noise, window=HOUR)
    assert (change.time - 1_737_583_200.0) / HOUR == pytest.approx(22.0, abs=0.1)
    assert (change.before, change.after) == (pytest.approx(84, abs=0.1), pytest.approx(93, abs=0.1))
    assert change.gain > 0.98


def test_nothing_changes_in_what_is_constant_or_hardly_there():
    for values in (np.full(20, 0.1), np.full(20, np.nan), np.arange(3.0)):
        assert find_change(hours(len(values)), values) is None
    holes = np.where(np.arange(20) < 10, 1.0, 2.0)
    holes[[3, 15]] = np.nan
    assert find_change(hours(20), holes).time == hours(20)[9] + HOUR / 2


def test_a_drift_is_explained_worse_than_by_a_line():
    values = np.arange(48.0)
    assert find_change(hours(48), values).left > 0.2 * float(((values - values.mean()) ** 2).sum())


def test_a_drift_is_found_where_it_begins():
    times = hours(48)
    bend = find_bend(times, np.maximum(0.0, np.arange(48.0) - 20) / 4 + 1)
    assert bend.time == times[20]
    assert (bend.before, bend.after, bend.gain) == pytest.approx((1.0, 7.75, 1.0))
    assert find_bend(times, np.full(48, 0.1)) is None


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float64, st.integers(4, 40), elements=st.integers(-50, 50).map(float)),
    st.sampled_from([0.0, HOUR]),
)
def test_shift_and_scale_do_not_matter(values, window):
    times = hours(len(values))
    change = find_change(times, values, window=window)
    other = find_change(times + 4 * HOUR, 8 * values + 1024, window=window)
    assert (change is None) == (other is None)
    if change is not None:
        assert other.gain == pytest.approx(change.gain, abs=1e-9)
        assert 0 <= change.gain <= 1
