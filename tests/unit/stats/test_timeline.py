"""What the times of samples say of a window: intervals, gaps, shares, and targets that follow one another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.stats.timeline import count_alive, follow, share_alive

END = 100_000.0


def every(step, start, end=END, phase=0.0):
    return np.arange(start + phase, end + 0.001, step)


def share(times, window, hint=None):
    line = follow(np.asarray(times, dtype=float), END - window, END, hint)
    assert line is not None
    return line.share(END - window, END)


@given(
    st.sampled_from([5.0, 15.0, 60.0, 120.0, 240.0]),
    st.floats(0, 1, exclude_max=True),
    st.integers(4, 40),
)
def test_an_unbroken_scrape_is_whole_at_any_phase(step, phase, intervals):
    window = step * intervals
    times = every(step, END - 2 * window, phase=phase * step)
    line = follow(times, END - window, END, None)
    assert line.gaps == ()
    assert line.interval == pytest.approx(step)
    assert line.share(END - window, END) == 1.0
    assert share_alive([line], END - window, END) == 1.0
    assert not line.is_stale(END)


@given(
    st.sampled_from([5.0, 15.0, 60.0]), st.lists(st.integers(1, 118), min_size=1, max_size=60, unique=True)
)
def test_each_lost_scrape_costs_its_interval(step, lost):
    times = every(step, END - 240 * step)
    missing = {len(times) - 1 - index for index in lost}
    kept = np.array([time for index, time in enumerate(times) if index not in missing])
    assert share(kept, 120 * step) == pytest.approx(1 - len(missing) / 120, abs=0.01)


@pytest.mark.parametrize("seed", range(20))
def test_a_target_that_answers_one_scrape_in_four_is_a_quarter(seed):
    times = every(15, END - 7200)
    kept = times[np.random.default_rng(seed).random(len(times)) < 0.25]
    assert share(kept, 3600) == pytest.approx(0.25, abs=0.12)


def test_an_interval_that_was_changed_in_the_window_is_no_gap():
    times = np.concatenate([every(15, END - 3600, END - 1800), every(60, END - 1740)])
    assert share(times, 3600) == 1.0
    assert follow(times, END - 3600, END, None).changed


@pytest.mark.parametrize("each", [2, 3, 4])
@pytest.mark.parametrize(("first", "last"), [(0.2, 0.9), (0.4, 0.5), (0.9, 0.99), (0.95, 1.0)])
def test_losing_samples_in_step_for_a_while_is_no_interval(each, first, last):
    times = every(15, END - 5400)
    place = np.arange(len(times))
    lossy = (place >= first * len(times)) & (place < last * len(times))
    kept = times[~lossy | (place % each == 0)]
    missing = 15 * (len(times[times > END - 3600]) - len(kept[kept > END - 3600]))
    assert share(kept, 3600) == pytest.approx(1 - missing / 3600, abs=0.02)


@pytest.mark.parametrize(("slow", "spacings"), [(60, 12), (60, 100), (1200, 4), (900, 4)])
def test_an_interval_that_became_longer_is_no_gap_once_it_has_settled(slow, spacings):
    window = 2 * slow * spacings
    changed = END - slow * spacings
    longer = np.concatenate([every(15, END - window, changed), every(slow, changed + slow)])
    assert share(longer, window) == 1.0
    shorter = np.concatenate([every(slow, END - window, changed), every(15, changed + 15)])
    assert share(shorter, window) == 1.0


def test_one_spacing_more_does_not_unsettle_an_interval():
    """The first or the last scrapes may be of the other interval, once."""
    for spacings in ([15.0] * 100 + [60.0] * 20 + [15.0], [15.0] + [60.0] * 20 + [15.0] * 100):
        times = cumulated(*spacings)
        assert share(times, END - times[0]) == 1.0
    times = cumulated(*[15.0] * 100, *[60.0] * 20, *[15.0] * 2)
    assert share(times, END - times[0]) < 0.8


@pytest.mark.parametrize(("slow", "spacings"), [(60, 11), (1200, 2), (1200, 3)])
def test_a_longer_interval_that_has_not_settled_is_a_gap(slow, spacings):
    changed = END - slow * spacings
    times = np.concatenate([every(15, changed - 3600, changed), every(slow, changed + slow)])
    assert share(times, 3600) < 1.0


def test_one_hole_is_no_interval():
    times = np.concatenate([every(15, END - 3600, END - 1800), every(15, END - 1500)])
    line = follow(times, END - 3600, END, None)
    assert line.gaps == ((END - 1800, END - 1500),)
    assert line.lost == pytest.approx(285)


def test_holes_before_the_window_do_not_count_and_holes_at_its_edge_count_by_their_part():
    times = np.concatenate([every(15, END - 7200, END - 5000), every(15, END - 3500)])
    assert share(times, 3000) == 1.0
    line = follow(times, END - 3600, END, None)
    assert line.lost == pytest.approx(100)


@pytest.mark.parametrize(("age", "stale"), [(0, False), (45, False), (46, True), (900, True)])
def test_the_newest_sample_may_be_three_intervals_old(age, stale):
    line = follow(every(15, END - 3600 - age, END - age), END - 3600, END, None)
    assert line.is_stale(END) is stale


def test_few_samples_need_a_hint():
    assert follow(np.array([END - 10.0]), END - 300, END, None) is None
    assert follow(np.array([END - 10.0]), END - 300, END, 15.0).interval == 15.0
    two = np.array([END - 250.0, END - 10.0])
    assert follow(two, END - 300, END, None).gaps == ()
    assert follow(two, END - 300, END, 15.0).gaps == ((END - 250, END - 10),)


def line(first, last, step=15.0):
    return follow(every(step, first, last), END - 3600, END, None)


def test_a_replaced_pod_stands_for_the_one_before_it():
    lines = [line(END - 4000, END - 1800), line(END - 1780, END)]
    assert share_alive(lines, END - 3600, END) > 0.99
    assert count_alive(lines, END - 3600, END) == (1, 1)


def test_targets_that_left_without_a_successor_are_missing():
    lines = [line(END - 4000, END), *(line(END - 4000, END - 1800) for _ in range(9))]
    assert share_alive(lines, END - 3600, END) == pytest.approx(0.55, abs=0.01)
    assert count_alive(lines, END - 3600, END) == (10, 1)


def test_more_targets_are_no_harm_and_a_late_one_alone_covers_its_part():
    assert share_alive([line(END - 4000, END), line(END - 600, END)], END - 3600, END) == 1.0
    assert share_alive([line(END - 600, END)], END - 3600, END) == pytest.approx(600 / 3600, abs=0.01)


def cumulated(*spacings):
    """Return samples with these spacings, the last at the end of the window."""
    times = np.concatenate(([0.0], np.cumsum(np.array(spacings, dtype=float))))
    return times + END - times[-1]


def test_a_sample_may_be_late_by_half_an_interval():
    for late, gaps in ((22.5, 0), (23.0, 1)):
        times = cumulated(*[15.0] * 20, late, *[15.0] * 20, 45.0, *[15.0] * 20)
        assert len(follow(times, END - 1200, END, None).gaps) == 1 + gaps
    for age, gaps in ((22.5, 0), (23.0, 1)):
        line = follow(every(15, END - 3600 - age, END - age), END - 3600, END, None)
        assert len(line.gaps) == gaps
        assert (share_alive([line], END - 3600, END) == 1.0) is (gaps == 0)


def test_scrapes_that_jitter_lose_nothing_but_what_is_missing():
    jitter = [15.0, 16.0, 14.0, 15.5, 14.5] * 10
    assert share(cumulated(*jitter), 600) == 1.0
    assert follow(cumulated(*[10.0, 14.0] * 9), END - 200, END, None).interval == pytest.approx(12)
    times = cumulated(*jitter, 60.0, *jitter)
    line = follow(times, times[0], END, None)
    assert len(line.gaps) == 1
    assert line.lost == pytest.approx(45)


def test_one_short_spacing_tells_what_most_are_missing():
    times = cumulated(15.0, *[60.0] * 8)
    assert follow(times, times[0], END, None).interval == 15.0
    assert share(times, END - times[0]) < 0.35
    assert share(cumulated(60.0, 15.0, 45.0), 120.0) < 0.6


def test_three_spacings_speak_for_themselves_and_fewer_do_not():
    assert follow(cumulated(15.0, 15.0, 45.0), END - 75, END, 5.0).interval == 15.0
    assert follow(cumulated(15.0, 45.0), END - 60, END, 5.0).interval == 5.0
    assert follow(cumulated(15.0, 15.0, 15.0), END - 45, END, 5.0).interval == 15.0


def test_a_target_may_come_with_its_second_scrape():
    for late, whole in ((22.5, True), (23.0, False)):
        came = line(END - 3600 + late, END)
        assert (share_alive([came], END - 3600, END) == 1.0) is whole
        assert count_alive([came], END - 3600, END) == (int(whole), 1)
    assert share_alive([line(END - 4000, END)], END, END) == 1.0


@pytest.mark.parametrize("others", [[(-4400, 15)], [(-4400, 15), (-4395, 15)], [(-4400, 15), (-4360, 60)]])
def test_a_target_that_came_just_at_the_start_and_left_is_missing(others):
    there = [line(END + first, END, step) for first, step in others]
    lines = [*there, line(END - 3600, END - 1800)]
    assert count_alive(lines, END - 3600, END) == (len(lines), len(there))
    expected = 1 - 0.5 / len(lines)
    assert share_alive(lines, END - 3600, END) == pytest.approx(expected, abs=0.01)


def test_what_was_there_twice_in_a_rolling_update_is_wanted_once():
    old = [line(END - 6000, END - 3500), line(END - 5000, END - 3500)]
    assert count_alive([*old, line(END - 3605, END), line(END - 3604, END)], END - 3600, END) == (2, 2)


def test_a_target_that_was_scraped_faster_at_last_is_stale_sooner():
    times = cumulated(*[15.0] * 50, 60.0, *[15.0] * 50, *[5.0] * 8) - 20
    assert follow(times, END - 900, END, None).interval == 5.0
    assert follow(times, END - 900, END, None).is_stale(END)
    assert not follow(times + 5, END - 900, END, None).is_stale(END)
