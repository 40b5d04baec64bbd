"""Intervals: known answers, what must hold for all numbers, and how often they hold what they promise."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.stats.intervals import (
    MIN_PLACEBOS,
    MIN_WINDOWS,
    Interval,
    add_intervals,
    history_interval,
    join_intervals,
    proof_half,
    sampling_interval,
    smallest_change,
)
from pytest_telemetry_gate.stats.quantiles import normal, normal_tail, student_t, variance_ratio

SERIES = st.lists(st.integers(-1000, 1000), min_size=MIN_WINDOWS, max_size=40).map(
    lambda numbers: np.array(numbers, dtype=np.float64) / 10
)
PLACEBOS = st.lists(st.integers(-100, 100), min_size=MIN_PLACEBOS, max_size=20).map(
    lambda numbers: np.array(numbers, dtype=np.float64) / 10
)


def _sampling(differences: np.ndarray, floor: float = 0.0) -> Interval:
    interval = sampling_interval(differences, confidence=0.95, floor=floor)
    assert interval is not None
    return interval


def _history(placebos: np.ndarray) -> Interval:
    interval = history_interval(placebos, confidence=0.95)
    assert interval is not None
    return interval


@pytest.mark.parametrize(
    ("confidence", "freedom", "published"),
    # Fisher and Yates, Statistical Tables, table III
    [
        (0.95, 1, 12.706),
        (0.95, 3, 3.182),
        (0.95, 7, 2.365),
        (0.95, 13, 2.160),
        (0.95, 23, 2.069),
        (0.95, 60, 2.000),
        (0.99, 10, 3.169),
        (0.90, 5, 2.015),
        (0.999, 20, 3.850),
    ],
)
def test_quantiles_of_students_t_are_those_of_the_tables(
    confidence: float, freedom: int, published: float
) -> None:
    assert student_t(confidence, freedom) == pytest.approx(published, abs=6e-4)


def test_other_quantiles_are_those_of_the_tables() -> None:
    assert normal(0.95) == pytest.approx(1.95996, abs=1e-5)
    assert normal(0.98) == pytest.approx(2.32635, abs=1e-5)
    assert float(normal_tail(1.959964)) == pytest.approx(0.05, abs=1e-6)
    assert float(normal_tail(-math.inf)) == 2.0
    assert variance_ratio(0.95, 10, 5) == pytest.approx(4.735, abs=1e-3)
    assert variance_ratio(0.9, 24, 14) == pytest.approx(1.94, abs=5e-3)


def test_independent_parts_are_batch_means() -> None:
    """0, 0, 1, 1 again and again: neighbours do not correlate but for the bias, which is given back."""
    interval = _sampling(np.array([0.0, 0, 1, 1] * 6))

    raw = 0.25 / 6  # one pair more of the 23 is alike
    correlation = (24 * raw + 1) / 20
    factor = (1 + correlation) / (1 - correlation)
    assert interval.correlation == pytest.approx(correlation)
    assert interval.error == pytest.approx(math.sqrt(factor * (6 / 23) / 24))
    assert interval.freedom == pytest.approx(23 / factor)
    assert interval.half == pytest.approx(student_t(0.95, 23 / factor) * interval.error)
    assert interval.count == 24


def test_alternating_parts_count_as_independent_ones() -> None:
    """A negative correlation would make the interval narrower than the parts are known for."""
    assert _sampling(np.array([0.0, 1] * 12)).correlation == 0.0


def test_a_correlation_is_never_above_nine_tenths_and_three_degrees_of_freedom_remain() -> None:
    interval = _sampling(np.arange(24.0))

    assert interval.correlation == 0.9
    assert interval.freedom == 3.0


def test_a_constant_series_has_no_width_but_its_floor() -> None:
    assert _sampling(np.full(24, 3.3)).half == pytest.approx(0.0, abs=1e-12)
    assert _sampling(np.full(24, 3.3), floor=0.5).error == 0.5
    assert _sampling(np.arange(24.0), floor=0.5).error > 0.5


def test_no_interval_of_few_parts_or_with_many_missing() -> None:
    values = np.arange(24.0)
    assert sampling_interval(values[: MIN_WINDOWS - 1], confidence=0.95) is None
    assert sampling_interval(np.empty(0), confidence=0.95) is None
    assert sampling_interval(np.full(24, np.nan), confidence=0.95) is None
    values[[3, 9]] = np.nan, np.inf
    assert _sampling(values).count == 22
    values[15] = np.nan
    assert sampling_interval(values, confidence=0.95) is None
    assert sampling_interval(np.array([*range(8), np.nan]), confidence=0.95) is None


def test_no_history_of_few_placebos_or_of_one_that_is_no_number() -> None:
    placebos = np.array([1.0, -1] * 4)
    assert _history(placebos) == Interval(pytest.approx(student_t(0.95, 7)), 1.0, 7.0, 8)
    assert history_interval(placebos[1:], confidence=0.95) is None
    placebos[2] = np.nan
    assert history_interval(placebos, confidence=0.95) is None


@given(SERIES, st.sampled_from([-4.0, 0.125, 1024.0]))
def test_scale_does_not_matter_nor_which_way_time_runs(differences: np.ndarray, scale: float) -> None:
    interval = _sampling(differences)

    assert _sampling(differences * scale).half == pytest.approx(abs(scale) * interval.half, rel=1e-9)
    assert _sampling(differences[::-1]).half == pytest.approx(interval.half, rel=1e-9, abs=1e-9)
    assert _sampling(differences + 4096).half == pytest.approx(interval.half, rel=1e-6, abs=1e-6)


@given(SERIES)
def test_more_confidence_is_a_wider_interval(differences: np.ndarray) -> None:
    halves = [
        interval.half
        for confidence in (0.8, 0.9, 0.95, 0.99)
        if (interval := sampling_interval(differences, confidence=confidence)) is not None
    ]

    assert len(halves) == 4
    assert all(less <= more for less, more in pairwise(halves))


@given(PLACEBOS, st.randoms())
def test_the_order_and_the_signs_of_placebos_do_not_matter(placebos: np.ndarray, random: object) -> None:
    mixed = placebos.tolist()
    random.shuffle(mixed)  # type: ignore[attr-defined]

    assert _history(-np.array(mixed)).half == pytest.approx(_history(placebos).half)


@given(SERIES, PLACEBOS)
def test_what_counts_is_never_narrower_than_the_history(
    differences: np.ndarray, placebos: np.ndarray
) -> None:
    sampling, history = _sampling(differences), _history(placebos)

    joined = join_intervals(sampling, history, confidence=0.95)

    assert joined is not None
    assert joined.half >= history.half
    assert joined.half <= max(sampling.half, history.half)


def test_the_history_counts_until_the_window_moves_more_than_chance_explains() -> None:
    history = _history(np.array([1.0, -1] * 7))
    alike = Interval(half=3.1, error=1.3, freedom=23.0, count=24)
    wild = Interval(half=4.2, error=2.0, freedom=23.0, count=24)

    assert join_intervals(alike, history, confidence=0.95) == history
    joined = join_intervals(wild, history, confidence=0.95)
    assert joined is not None
    assert joined.error == 2.0
    assert joined.half == pytest.approx(2 * student_t(0.95, 37))
    assert join_intervals(wild, None, confidence=0.95) == wild
    assert join_intervals(None, history, confidence=0.95) == history
    assert join_intervals(None, None, confidence=0.95) is None


def test_errors_of_independent_numbers_add_in_squares() -> None:
    added = add_intervals(
        Interval(0, error=3.0, freedom=10.0, count=24),
        Interval(0, error=4.0, freedom=20.0, count=10, correlation=0.2),
        confidence=0.95,
    )

    assert added.error == pytest.approx(5.0)
    assert added.freedom == pytest.approx(625 / (81 / 10 + 256 / 20))
    assert added.half == pytest.approx(5 * student_t(0.95, added.freedom))
    assert (added.count, added.correlation) == (10, 0.2)
    none = Interval(0.0, 0.0, 5.0, 24)
    assert add_intervals(none, none, confidence=0.95).half == 0.0


@pytest.mark.parametrize(
    ("half", "needed"), [(0.0, 0.0), (4.0, 4.0), (5.0, 5.0), (6.0, 7.2), (10.0, 20.0), (40.0, 80.0)]
)
def test_a_fail_by_a_wide_interval_must_be_proven_twice_over(half: float, needed: float) -> None:
    assert proof_half(half, 5.0) == pytest.approx(needed)
    assert proof_half(half, 0.0) == 2 * half
    interval = Interval(half, error=half / 2, freedom=23.0, count=24)
    assert smallest_change(interval, 5.0) == pytest.approx(5 + needed + 1.644854 * half / 2)


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_an_hour_of_samples_is_covered_as_often_as_promised(memory: float) -> None:
    """Within three points, as 1,000 trials tell it; ``./run bench verdicts`` has it to a point."""
    random = np.random.default_rng(13)
    values = random.standard_normal((1000, 240))
    for place in range(1, 240):
        values[:, place] = memory * values[:, place - 1] + math.sqrt(1 - memory**2) * values[:, place]
    parts = values.reshape(1000, 24, 10).mean(axis=2)

    covered = [abs(row.mean()) <= _sampling(row).half for row in parts]

    assert 0.93 <= np.mean(covered) <= 0.98
