"""Points become readings: which of them count, how much of the time they cover, and when they are too old."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.sources.points import AGGREGATORS, PointSeries, read_points

MINUTE = 60_000
START, END = 1_700_000_040.0, 1_700_003_640.0  # on a minute


def series(
    values: list[float | None], *, begin: float = START, interval: int = MINUTE, **labels: str
) -> PointSeries:
    times = [round(begin * 1000) + number * interval for number in range(len(values))]
    return PointSeries(labels, times, values, interval)


@pytest.mark.parametrize(
    ("aggregator", "value"), [("avg", 3.0), ("sum", 180.0), ("min", 1.0), ("max", 5.0), ("last", 5.0)]
)
def test_points_are_aggregated_over_time(aggregator, value):
    whole = series([1.0, 5.0] * 30)
    readings = read_points([whole], aggregator, START, END)
    assert (readings.values, readings.coverage, readings.doubt) == ((value,), 1.0, "")
    assert readings.note == "60 of 60 points of 1m"


def test_what_began_before_and_what_is_not_over_yet_do_not_count():
    around = series([1000.0, *[1.0] * 60, 1000.0], begin=START - 60)
    readings = read_points([around], "max", START, END)
    assert readings.values == (1.0,)
    unfinished = read_points([around], "max", START, END - 30)
    assert unfinished.values == (1.0,)
    assert unfinished.coverage == pytest.approx(59 * 60 / 3570)


@pytest.mark.parametrize("nothing", [None, float("nan"), float("inf")])
def test_what_is_no_number_is_no_data(nothing):
    readings = read_points([series([1.0, nothing] * 29 + [1.0, 1.0])], "avg", START, END)
    assert (readings.values, readings.coverage) == ((1.0,), 31 / 60)


def test_the_worst_series_counts_and_is_named():
    readings = read_points(
        [series([1.0] * 60, host="a"), series([2.0] * 30 + [None] * 28 + [2.0] * 2, host="b")],
        "avg",
        START,
        END,
    )
    assert readings.labels == ({"host": "a"}, {"host": "b"})
    assert readings.coverage == 32 / 60
    assert readings.note == "32 of 60 points of 1m (host=b)"


def test_a_series_without_data_leaves_no_coverage_to_the_others():
    readings = read_points([series([1.0] * 60, host="a"), series([None] * 60, host="b")], "avg", START, END)
    assert (readings.labels, readings.coverage) == (({"host": "a"},), 0.0)


def test_no_data_is_no_value():
    assert read_points([], "avg", START, END).values == ()
    assert read_points([series([None] * 60)], "avg", START, END).values == ()


def test_points_that_stand_for_more_than_the_time_are_told():
    readings = read_points([series([1.0], interval=7_200_000)], "avg", START, END)
    assert readings.values == ()
    assert readings.doubt == "the points stand for 2h each, more than the time that is asked about"


def test_what_stopped_before_the_checkpoint_is_a_doubt():
    fresh = read_points([series([1.0] * 57)], "avg", START, END)
    stopped = read_points([series([1.0] * 56)], "avg", START, END)
    assert (fresh.doubt, stopped.doubt) == (
        "",
        "the newest point ends 4m before the checkpoint, though there should be one every 1m",
    )


@st.composite
def pictures(draw: st.DrawFn) -> tuple[PointSeries, float, float]:
    """Return points at some of the slots of an interval, and a window anywhere over them."""
    interval = draw(st.sampled_from([10_000, 20_000, 60_000, 300_000]))
    slots = draw(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=80))
    begin = draw(st.integers(-20 * interval, 20 * interval))
    start = START + begin / 1000
    return series(slots, interval=interval), start, start + draw(st.integers(1, 100 * interval)) / 1000


@given(pictures())
def test_coverage_is_never_more_than_the_time_that_points_really_cover(picture: Any):
    one, start, end = picture
    readings = read_points([one], "sum", start, end)
    first, over = round(start * 1000), round(end * 1000)
    covered = sum(
        max(0, min(time + one.interval, over) - max(time, first))
        for time, value in zip(one.times, one.values, strict=True)
        if value is not None
    )
    assert (readings.coverage or 0.0) <= covered / (over - first) + 1e-9
    assert (readings.coverage is None) == (not readings.values)


@given(pictures(), st.integers(0, 79))
def test_losing_a_point_never_covers_more(picture: Any, index: int):
    one, start, end = picture
    values = [None if number == index else value for number, value in enumerate(one.values)]
    lost = read_points([PointSeries(one.labels, one.times, values, one.interval)], "avg", start, end)
    assert (lost.coverage or 0.0) <= (read_points([one], "avg", start, end).coverage or 0.0)


@given(st.integers(1, 50), st.sampled_from(sorted(AGGREGATORS)))
def test_whole_points_on_the_grid_cover_everything(count: int, aggregator: str):
    readings = read_points([series([2.0] * count)], aggregator, START, START + 60 * count)
    assert (readings.coverage, readings.doubt) == (1.0, "")
