"""What each fault does to samples, and what it must leave alone: every bit that it does not change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_telemetry_gate.gate.sensitivity.arrays import find_increments, rebin
from pytest_telemetry_gate.gate.sensitivity.families import MetricKind, families, kind_of
from pytest_telemetry_gate.gate.sensitivity.faults import FAULTS, Fault
from pytest_telemetry_gate.gate.sensitivity.inject import Target, inject, is_same
from pytest_telemetry_gate.promql import SeriesGroup
from pytest_telemetry_gate.promql.storage import STALE, is_stale

BEGIN = 1_000.0
STEP = 15_000  # ms
BOUNDS = ("10", "50", "100", "+Inf")
SIZED = [name for name, kind in FAULTS.items() if kind.measure != "none"]
VALUES = [name for name in SIZED if not FAULTS[name].moves]
COUNTING = [MetricKind.COUNTER, MetricKind.SUM, MetricKind.COUNT]


def group(values, name: str = "m", first: float = BEGIN - 60) -> SeriesGroup:
    """Return series of one target, every 15 s, the first sample a minute before the fault begins."""
    array = np.atleast_2d(np.asarray(values, dtype=np.float64).T).T
    labels = tuple({"__name__": name, "job": "a", "shard": str(place)} for place in range(array.shape[1]))
    times = round(first * 1000) + STEP * np.arange(len(array), dtype=np.int64)
    return SeriesGroup(labels, times, array)


def histogram(increments) -> SeriesGroup:
    """Return buckets, cumulative over ``le``, that grow by so many observations in each bucket at each scrape."""
    steps = np.cumsum(np.asarray(increments, dtype=np.float64), axis=1)
    found = group(np.cumsum(steps, axis=0), "m_bucket")
    labels = tuple({"__name__": "m_bucket", "job": "a", "le": bound} for bound in BOUNDS)
    return SeriesGroup(labels, found.times, found.values)


def put(
    name: str, size: float, where: SeriesGroup, kind: MetricKind = MetricKind.GAUGE, **target
) -> SeriesGroup:
    (found,) = inject(where, Target(kind, **target), Fault(FAULTS[name], size, BEGIN))
    return found


def samples(name: str, size: float, values, kind: MetricKind = MetricKind.GAUGE, **target) -> list[float]:
    return put(name, size, group(values), kind, **target).values[:, 0].tolist()


ODD = st.sampled_from([0.0, -0.0, np.nan, STALE, np.inf, 1e-300, 1.5, 70.0, 1e17])
STEPS = st.sampled_from([0.0, 0.1, 1.0, 7.3, 1e6, np.nan, STALE, -1.0])  # -1 is a reset


@st.composite
def counters(draw):
    """Return counters of 2 series with resets, holes and stale markers."""
    rows = draw(st.integers(6, 30))
    columns = []
    for _ in range(2):
        total, column = draw(st.floats(0, 1e6)), []
        for step in draw(st.lists(STEPS, min_size=rows, max_size=rows)):
            if not np.isfinite(step):
                column.append(step)
                continue
            total = 0.25 if step < 0 else total + step
            column.append(total)
        columns.append(column)
    return group(np.array(columns).T)


@given(st.lists(ODD, min_size=3, max_size=30), counters(), st.sampled_from(SIZED))
@settings(max_examples=60, deadline=None)
def test_a_fault_of_no_size_changes_no_bit(gauges, counted, name):
    assert is_same(put(name, 0.0, group(gauges)), group(gauges))
    for kind in COUNTING:
        assert is_same(put(name, 0.0, counted, kind), counted)
    buckets = histogram(np.ones((20, 4)) * [1, 5, 0.1, 2])
    assert is_same(put(name, 0.0, buckets, MetricKind.BUCKET), buckets)


@given(counters(), st.sampled_from(VALUES), st.floats(-0.99, 50).filter(lambda size: abs(size) > 1e-3))
@settings(max_examples=100, deadline=None)
def test_counters_fall_only_where_they_fell_and_markers_keep_their_bits(counted, name, size):
    found = put(name, size, counted, MetricKind.COUNTER)
    assert (is_stale(found.values) == is_stale(counted.values)).all()
    assert (np.isfinite(found.values) == np.isfinite(counted.values)).all()
    _, before = find_increments(counted.values)
    _, after = find_increments(found.values)
    assert not (after & ~before).any()
    first = counted.times < BEGIN * 1000
    assert np.array_equal(found.values[first].view(np.uint64), counted.values[first].view(np.uint64))


@given(
    st.lists(st.lists(st.integers(0, 50), min_size=4, max_size=4), min_size=8, max_size=20),
    st.sampled_from(VALUES),
    st.floats(-0.99, 20).filter(lambda size: abs(size) > 1e-3),
)
@settings(max_examples=100, deadline=None)
def test_buckets_stay_cumulative_and_no_observation_is_lost(observed, name, size):
    before = histogram(observed)
    size = size if name != "heavier-tail" else min(size, 0.99)
    after = put(name, size, before, MetricKind.BUCKET).values
    assert (np.diff(after, axis=1) >= -1e-9).all()
    assert (np.diff(after, axis=0) >= 0).all()
    np.testing.assert_allclose(after[:, -1], before.values[:, -1], rtol=1e-12)


def test_values_are_larger_from_the_onset_on():
    assert samples("scale", 0.5, [10.0] * 6) == [10, 10, 10, 10, 15, 15]
    assert samples("scale", -0.5, [10.0] * 6) == [10, 10, 10, 10, 5, 5]
    assert samples("shift", -3.0, [10.0] * 6) == [10, 10, 10, 10, 7, 7]


def test_a_counter_is_changed_by_its_increments():
    assert samples("scale", 1.0, [0, 1, 2, 3, 4, 5], MetricKind.COUNTER) == [0, 1, 2, 3, 5, 7]
    # After a reset it counts from 0 again.
    assert samples("scale", 1.0, [0, 5, 6, 7, 8, 2, 3], MetricKind.COUNTER) == [0, 5, 6, 7, 9, 4, 6]


def test_a_counter_at_zero_gets_events_of_one_series():
    where = group(np.zeros((6, 2)))
    assert is_same(put("scale", 5.0, where, MetricKind.COUNTER), where)
    assert put("shift", 1.0, where, MetricKind.COUNTER).values.sum(axis=0).tolist() == [1.0, 0.0]
    assert put("shift", 1.0, where, MetricKind.COUNTER, column=1).values[:, 1].tolist() == [0, 0, 0, 0, 0, 1]
    assert is_same(put("shift", 1.0, where, MetricKind.COUNTER, column=None), where)


def test_sums_grow_with_what_is_counted_and_counts_stay():
    assert samples("shift", 2.0, [0, 10, 20, 30, 40, 50], MetricKind.SUM, counted=np.ones((6, 1))) == [
        *(0, 10, 20, 30),
        *(42, 54),
    ]
    assert samples("scale", 2.0, [0, 1, 2, 3, 4, 5], MetricKind.COUNT, stays=True) == [0, 1, 2, 3, 4, 5]
    assert samples("heavier-tail", 0.1, [0, 10, 20, 30, 40, 50], MetricKind.SUM) == [0, 10, 20, 30, 49, 68]


def test_latencies_are_put_into_other_buckets():
    steps = np.array([[0.0, 8.0, 8.0, 8.0]])  # all between 10 and 50
    assert rebin(steps, [10, 50, 100, np.inf], factor=2.0).tolist() == [[0.0, 3.0, 8.0, 8.0]]
    assert rebin(steps, [10, 50, 100, np.inf], shift=20.0).tolist() == [[0.0, 4.0, 8.0, 8.0]]
    assert rebin(steps, [10, 50, 100, np.inf], factor=0.5).tolist() == [[2.0, 8.0, 8.0, 8.0]]


def test_a_drift_grows_hour_by_hour():
    where = group(np.full(10, 100.0))
    where = SeriesGroup(where.labels, round(BEGIN * 1000) + 1_800_000 * np.arange(10), where.values)
    assert put("drift", 0.24, where).values[:, 0].tolist() == pytest.approx(
        [100, 100, 101, 101, 102, 102, 103, 103, 104, 104]
    )


def test_a_spike_is_over_after_five_minutes():
    values = samples("spike", 1.0, [10.0] * 30)
    assert values == [10] * 4 + [20] * 20 + [10] * 6


def test_a_larger_tail_has_the_samples_of_a_smaller_one():
    small, large = (np.array(samples("heavier-tail", size, [1.0] * 2000)) == 10 for size in (0.05, 0.1))
    assert not small[:4].any()
    assert (small.sum(), large.sum()) == (pytest.approx(100, abs=2), pytest.approx(200, abs=2))
    assert not (small & ~large).any()
    assert min(samples("heavier-tail", -0.5, [1.0] * 20)) == pytest.approx(0.1)


def test_a_gap_has_no_samples_and_nothing_else_changes():
    found = put("gap", 30.0, group(np.arange(10.0)))
    assert found.values[:, 0].tolist() == [0, 1, 2, 3, 6, 7, 8, 9]
    assert len(found.times) == 8
    assert put("late-start", 30.0, group(np.arange(10.0))).values.tolist() == found.values.tolist()
    assert put("lost-region", 1.0, group(np.arange(10.0))).values[:, 0].tolist() == [0, 1, 2, 3]


def test_a_flat_line_repeats_the_last_number_and_keeps_markers():
    found = put("flat-line", 1.0, group([1.0, 2.0, 3.0, np.nan, 5.0, STALE, 7.0])).values[:, 0]
    assert found[[0, 1, 2, 4, 6]].tolist() == [1, 2, 3, 3, 3]
    assert np.isnan(found[3])
    assert is_stale(found).tolist() == [False] * 5 + [True, False]
    assert samples("flat-line", 1.0, [np.nan] * 5 + [4.0, 5.0])[-2:] == [4.0, 4.0]


def test_a_reset_begins_at_zero_and_counts_on():
    assert samples("reset", 1.0, [10, 11, 12, 13, 14, 15, 3], MetricKind.COUNTER) == [10, 11, 12, 13, 1, 2, 3]
    assert samples("reset", 1.0, [10.0, 11.0, 12.0, 13.0, 14.0]) == [10, 11, 12, 13, 14]
    started = put("reset", 1.0, group([5.0] * 6, "process_start_time_seconds"))
    assert started.values[:, 0].tolist() == [5, 5, 5, 5, BEGIN, BEGIN]


def test_a_skewed_clock_moves_all_times():
    found = put("clock-skew", -60.0, group(np.arange(10.0)))
    assert (found.times - group(np.arange(10.0)).times == -60_000).all()


@pytest.mark.parametrize(
    ("kind", "later"), [(MetricKind.COUNTER, [10.0, 12.0]), (MetricKind.GAUGE, [4.0, 5.0])]
)
def test_series_without_the_label_that_told_them_apart_are_one(kind, later):
    where = group([[0, 2], [1, 3], [2, 4], [3, 5], [4, 6], [5, 7]])
    old, new = inject(where, Target(kind), Fault(FAULTS["lost-label"], 1.0, BEGIN, "shard"))
    assert old.labels == where.labels
    assert is_stale(old.values[-1]).all()
    assert old.values[:-1].tolist() == where.values[:4].tolist()
    assert new.labels == ({"__name__": "m", "job": "a"},)
    assert new.values[:, 0].tolist() == later
    (same,) = inject(where, Target(kind), Fault(FAULTS["lost-label"], 1.0, BEGIN, "zone"))
    assert is_same(same, where)


NAMES = {"t_ms_bucket", "t_ms_sum", "t_ms_count", "up", "done_total", "row_count"}


@pytest.mark.parametrize(
    ("metric", "types", "kind"),
    [
        ("t_ms_bucket", {}, MetricKind.BUCKET),
        ("t_ms_count", {}, MetricKind.COUNT),
        ("alone_bucket", {}, MetricKind.BUCKET),
        ("alone_bucket", {"alone_bucket": "gauge"}, MetricKind.GAUGE),
        ("row_count", {}, MetricKind.GAUGE),
        ("row_count", {"row": "summary"}, MetricKind.COUNT),
        ("done_total", {}, MetricKind.COUNTER),
        ("done_total", {"done_total": "gauge"}, MetricKind.GAUGE),
        ("done_total", {"done": "counter"}, MetricKind.COUNTER),
        ("done", {"done": "counter"}, MetricKind.COUNTER),
        ("up", {}, MetricKind.GAUGE),
    ],
)
def test_metadata_tell_what_a_metric_is_and_names_where_there_are_none(metric, types, kind):
    assert kind_of(metric, NAMES, types) is kind


def test_the_metrics_of_a_histogram_are_one_family():
    found = families(["done_total", "t_ms_bucket", "t_ms_sum", "up"], NAMES, {})
    assert found == [{"done_total"}, {"t_ms_bucket", "t_ms_sum"}, {"up"}]
