"""Which samples an expression sees, and what is made of them: the edges where profiles and intuition part."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.promql.world import World

from pytest_telemetry_gate.promql import Engine, MemoryStorage, PromQLError


def test_a_stale_marker_ends_a_series_at_once(world):
    here = world({"x": {0: 1, 60: "stale"}})
    assert here.one("x", 59) == 1
    assert here.one("x", 60) is None
    assert here.one("x", 120) is None


def test_a_series_comes_back_after_a_stale_marker(world):
    assert world({"x": {0: 1, 60: "stale", 120: 3}}).range("x", 0, 180, 60) == {"x{}": [1, None, 3, 3]}


def test_a_nan_is_no_stale_marker(world):
    assert math.isnan(world({"x": {0: math.nan}}).one("x", 10))


def test_windows_do_not_see_stale_markers(world):
    here = world({"x": {0: 1, 60: "stale", 120: 3}})
    assert here.one("count_over_time(x[5m])", 120) == 2
    assert here.one("sum_over_time(x[5m])", 120) == 4


def test_only_the_series_with_the_marker_is_touched(world):
    here = world({"x{a='1'}": {0: 1, 60: "stale", 120: 3}, "x{a='2'}": {0: 1, 60: 2, 120: 3}})
    assert here.instant("count_over_time(x[5m])", 120) == {"{a=1}": 2, "{a=2}": 3}


def test_a_window_of_nothing_but_stale_markers_is_empty(world):
    here = world({"x": {0: "stale", 60: "stale"}})
    assert here.one("count_over_time(x[5m])", 120) is None
    assert here.one("absent_over_time(x[5m])", 120) == 1


@pytest.mark.parametrize(("semantics", "found"), [("2", 1), ("3", None)])
def test_a_sample_as_old_as_the_lookback(world, semantics, found):
    here = world({"x": {0: 1}})
    assert here.one("x", 299.999, semantics) == 1
    assert here.one("x", 300, semantics) == found


def test_the_lookback_can_be_set():
    storage = MemoryStorage([({"__name__": "x"}, np.array([0]), np.array([1.0]))])
    assert Engine(storage, lookback=10).instant("x", 9).labels == [{"__name__": "x"}]
    assert Engine(storage, lookback=10).instant("x", 10).labels == []


@pytest.mark.parametrize(("semantics", "count"), [("2", 3), ("3", 2)])
def test_the_left_edge_of_a_window(world, semantics, count):
    here = world({"x": range(10)})
    assert here.one("count_over_time(x[2m])", 240, semantics) == count
    assert here.range("count_over_time(x[2m])", 240, 300, 60, semantics) == {"{}": [count, count]}


def test_the_raw_samples_of_a_window(world):
    matrix = Engine(world({"x{a='1'}": range(5), "x{a='2'}": {61: 7}}).storage).instant("x[2m]", 180)
    assert matrix.times.tolist() == [61, 120, 180]
    assert matrix.values[matrix.present].tolist() == [2, 3, 7]


def test_a_reset_counts_from_zero(world):
    here = world({"x_total": [10, 20, 5, 15]})
    # 10 + 5 + 10 between 0 s and 180 s; the window begins a second before and ends with the samples
    assert here.one("increase(x_total[181s])", 180) == pytest.approx(25 * 181 / 180)
    assert here.one("resets(x_total[181s])", 180) == 1
    assert here.one("delta(x_total[181s])", 180) == pytest.approx(5 * 181 / 180)


def test_an_increase_without_reset_is_exact(world):
    """The last value less the first, not a sum of differences."""
    here = world({"x_total": [0.1, 0.3, 0.6]})
    assert here.one("increase(x_total[120s])", 120, "2") == 0.6 - 0.1


def test_extrapolation_by_half_an_interval(world):
    # samples at 60, 120, 180: 120 s, two intervals of 60 s; the gaps of 160 s and 120 s are beyond 66 s: 30 s each
    here = world({"x_total": {60: 100, 120: 110, 180: 120}})
    assert here.one("increase(x_total[400s])", 300) == pytest.approx(20 * (120 + 30 + 30) / 120)
    assert here.one("rate(x_total[400s])", 300) == pytest.approx(20 * (120 + 30 + 30) / 120 / 400)


def test_extrapolation_to_the_edges(world):
    # the gaps of 50 s and 20 s are below 66 s
    here = world({"x_total": {60: 100, 120: 110, 180: 120}})
    assert here.one("increase(x_total[190s])", 200) == pytest.approx(20 * (120 + 50 + 20) / 120)


@pytest.mark.parametrize(("semantics", "before"), [("2", 6), ("3", 6)])
def test_a_counter_is_not_extended_below_zero(world, semantics, before):
    # 2 at the first sample and 40 in 120 s: zero lies 6 s before
    here = world({"x_total": {60: 2, 120: 22, 180: 42}})
    assert here.one("increase(x_total[170s])", 180, semantics) == pytest.approx(40 * (120 + before) / 120)
    assert here.one("delta(x_total[170s])", 180, semantics) == pytest.approx(40 * (120 + 50) / 120)


@pytest.mark.parametrize(("semantics", "before"), [("2", 60), ("3", 30)])
def test_zero_and_the_threshold_in_their_order(world, semantics, before):
    # zero lies 60 s before the first sample, the gap is 240 s: the threshold of 66 s is compared with either
    here = world({"x_total": {300: 20, 360: 40, 420: 60}})
    assert here.one("increase(x_total[360s])", 420, semantics) == pytest.approx(40 * (120 + before) / 120)


@pytest.mark.parametrize("function", ["rate", "increase", "delta", "irate", "idelta", "deriv"])
def test_one_sample_is_no_change(world, function):
    assert world({"x_total": {0: 1}}).one(f"{function}(x_total[5m])", 60) is None


def test_irate_takes_the_last_two(world):
    here = world({"x_total": {0: 0, 60: 100, 70: 105, 80: 3}})
    assert here.one("irate(x_total[1h])", 75) == 0.5
    assert here.one("irate(x_total[1h])", 80) == 0.3
    assert here.one("idelta(x_total[1h])", 80) == -102


def test_a_subquery_runs_on_multiples_of_its_step(world):
    here = world({"x": range(20)})
    # 90, 120, ... whatever the time asked: the grid of 30 s between 85 s and 205 s
    assert here.one("count_over_time(timestamp(x)[2m:30s])", 205) == 4
    assert here.one("sum_over_time(vector(time())[100s:50s])", 230) == 150 + 200
    assert here.one("sum_over_time(vector(time())[100s:50s])", 249) == 150 + 200


def test_the_grid_of_a_subquery_before_the_epoch(world):
    here = world({"x": [1]})
    assert here.one("sum_over_time(vector(time())[100s:50s])", -10) == -100 - 50


def test_a_subquery_without_a_step_takes_a_minute(world):
    assert world({"x": [1]}).one("count_over_time(vector(1)[10m:])", 600) == 10


def test_offset_of_either_sign(world):
    here = world({"x": range(10)})
    assert here.one("x offset 2m", 300) == 3
    assert here.one("x offset -2m", 300) == 7
    assert here.one("count_over_time(x[1m] offset -2m)", 300) == 1


@pytest.mark.parametrize("at", ["120", "120.0", "2m", "1.2e2", "0x78", "+120"])
def test_at_fixes_the_time(world, at):
    assert world({"x": range(10)}).range(f"x @ {at}", 300, 360, 60) == {"x{}": [2, 2]}


def test_at_and_offset_in_either_order(world):
    here = world({"x": range(10)})
    assert here.one("x @ 240 offset 1m", 540) == here.one("x offset 1m @ 240", 540) == 3


def test_start_and_end_are_those_of_the_outermost_query(world):
    here = world({"x": range(20)})
    assert here.range("x @ start()", 300, 420, 60) == {"x{}": [5, 5, 5]}
    assert here.range("x @ end()", 300, 420, 60) == {"x{}": [7, 7, 7]}
    assert here.range("max_over_time((x @ end())[2m:1m])", 300, 420, 60) == {"{}": [7, 7, 7]}


def test_time_still_passes_beside_a_fixed_selector(world):
    assert world({"x": [1]}).range("time() - timestamp(x @ 0)", 0, 120, 60) == {"{}": [0, 60, 120]}


def test_timestamp_of_a_sample_or_of_the_step(world):
    here = world({"x": {3: 1}})
    assert here.one("timestamp(x)", 60) == 3
    assert here.one("timestamp((x))", 60) == 3
    assert here.one("timestamp(x + 0)", 60) == 60


def test_sums_are_compensated(world):
    here = world({"x": [1e16, 1, -1e16, 1]})
    assert here.one("sum_over_time(x[1h])", 180) == 2
    assert here.range("sum_over_time(x[1h])", 180, 1800, 60)["{}"] == [2] * 28


def test_a_mean_does_not_overflow(world):
    here = world({"x": [1e308, 1e308, 1e308]})
    assert here.one("avg_over_time(x[1h])", 120) == 1e308
    assert here.range("avg_over_time(x[1h])", 120, 1800, 60)["{}"] == [1e308] * 29


def test_the_variance_of_equal_values_is_zero(world):
    assert world({"x": [0.1] * 7}).one("stdvar_over_time(x[1h])", 600) == 0


def test_nan_loses_against_any_number(world):
    here = world({"x": [math.nan, 3, math.nan], "y": [math.nan, math.nan]})
    assert here.one("max_over_time(x[1h])", 120) == here.one("min_over_time(x[1h])", 120) == 3
    assert math.isnan(here.one("max_over_time(y[1h])", 120))


def test_infinities_are_calculated_without_a_word(world, capfd):
    here = world({"x": [math.inf, math.inf, -math.inf, math.nan]})
    for function in (
        "rate",
        "increase",
        "delta",
        "irate",
        "idelta",
        "deriv",
        "sum_over_time",
        "avg_over_time",
    ):
        here.instant(f"{function}(x[1h])", 180)
        here.range(f"{function}(x[1h:1m])", 60, 1800, 60)
    here.instant("x % 0 + x ^ x - ln(-x) * stddev(x)", 180)
    assert capfd.readouterr() == ("", "")


_FUNCTIONS = [
    "rate(x[{w}s])", "increase(x[{w}s])", "delta(x[{w}s])", "irate(x[{w}s])", "changes(x[{w}s])", "resets(x[{w}s])",
    "sum_over_time(x[{w}s])", "avg_over_time(x[{w}s])", "min_over_time(x[{w}s])", "max_over_time(x[{w}s])",
    "count_over_time(x[{w}s])", "last_over_time(x[{w}s])", "stddev_over_time(x[{w}s])", "deriv(x[{w}s])",
    "quantile_over_time(0.3, x[{w}s])", "sum_over_time(x[{w}s:7s])", "absent_over_time(x[{w}s])", "x", "x offset {w}s",
    "max by (a) (x)", "topk(1, x)", "predict_linear(x[{w}s], 9)", "present_over_time(x[{w}s])",
]  # fmt: skip
_NUMBERS = st.integers(-9, 9) | st.sampled_from([math.nan, math.inf, -math.inf, 0.1, "stale"])
_SERIES = st.dictionaries(st.integers(0, 120), _NUMBERS, max_size=25).map(
    lambda one: dict(sorted(one.items()))
)


@settings(max_examples=150, deadline=None)
@given(
    series=st.tuples(_SERIES, _SERIES),
    promql=st.builds(
        lambda text, window: text.format(w=window), st.sampled_from(_FUNCTIONS), st.integers(1, 90)
    ),
    grid=st.tuples(st.integers(-5, 60), st.integers(1, 40)),
    semantics=st.sampled_from("23"),
)
def test_a_range_is_its_instants(series, promql, grid, semantics):
    here = World({"x{a='1'}": series[0], "x{a='2'}": series[1]})
    start, step = grid
    together = here.range(promql, start, start + 3 * step, step, semantics)
    for number in range(4):
        alone = here.instant(promql, start + number * step, semantics)
        then = {labels: row[number] for labels, row in together.items() if row[number] is not None}
        assert then == pytest.approx(alone, rel=1e-12, abs=1e-12, nan_ok=True)


def test_a_reset_from_infinity_is_over_with_its_window(world):
    here = world({"x_total": {0: 0, 22: math.inf, 94: 0, 95: 0}})
    assert here.range("increase(x_total[3s])", 23, 95, 24) == {"{}": [None, None, None, 0]}


@pytest.mark.parametrize(("low", "high"), [(0, 0.5), (0.5, 1), (math.inf, 0.5)])
def test_smoothing_factors_lie_between_zero_and_one(world, low, high):
    with pytest.raises(PromQLError, match=r"invalid (smoothing|trend) factor\. Expected: 0 < [st]f < 1, got"):
        world({"x": range(5)}).instant(f"holt_winters(x[1h], {low}, {high})", 240, "2")
