"""Changes become episodes, and what is told twice is one: whatever their order, and whatever page they came on."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.model.events import Episode
from pytest_telemetry_gate.sources.episodes import Change, join_changes, unite_episodes

BEFORE = float("-inf")


def changes(*told: tuple[float, str]) -> list[Change]:
    """Return changes of one state: ``+`` begins and ``-`` ends it."""
    return [Change("k", time, sign == "+", "A", {"a": "b"}) for time, sign in told]


def joined(*told: tuple[float, str]) -> list[tuple[float, float | None]]:
    return [(one.start, one.end) for one in join_changes("alert", changes(*told))]


@pytest.mark.parametrize(
    ("told", "episodes"),
    [
        ([], []),
        ([(1, "+")], [(1, None)]),
        ([(1, "+"), (5, "-")], [(1, 5)]),
        ([(5, "-"), (1, "+")], [(1, 5)]),
        ([(1, "+"), (2, "+"), (5, "-"), (6, "-")], [(1, 5)]),
        ([(5, "-")], [(BEFORE, 5)]),
        ([(5, "-"), (7, "-")], [(BEFORE, 5)]),
        ([(5, "-"), (7, "+"), (9, "-")], [(BEFORE, 5), (7, 9)]),
        ([(1, "+"), (5, "-"), (5, "+")], [(1, 5), (5, None)]),
    ],
)
def test_episodes_are_between_changes(
    told: list[tuple[float, str]], episodes: list[tuple[float, float | None]]
):
    assert joined(*told) == episodes


def test_states_of_other_keys_do_not_mix() -> None:
    told = [Change("x", 1, True, "A"), Change("y", 2, True, "A"), Change("x", 3, False, "A")]
    assert [(one.start, one.end) for one in join_changes("alert", told)] == [(1, 3), (2, None)]


@given(st.lists(st.tuples(st.sampled_from("xy"), st.integers(0, 20), st.booleans())))
def test_at_each_moment_something_is_there_if_the_last_change_says_so(told: list[tuple[str, int, bool]]):
    once = {(key, time): begins for key, time, begins in told}  # one change a moment
    episodes = join_changes("alert", [Change(k, float(t), b, k) for (k, t), b in once.items()])
    for key in "xy":
        for moment in range(21):
            known = [(t, b) for (k, t), b in once.items() if k == key and t <= moment]
            later = [(t, b) for (k, t), b in once.items() if k == key and t > moment]
            there = max(known)[1] if known else bool(later) and not min(later)[1]
            covered = [
                one
                for one in episodes
                if one.name == key and one.start <= moment and (one.end is None or moment < one.end)
            ]
            assert len(covered) == int(there)


def episode(start: float, end: float | None = None, name: str = "A") -> Episode:
    return Episode("alert", name, start, end)


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (episode(5, 6), episode(5, 6)),
        (episode(5, None), episode(5, None)),
        (episode(-9, 5), episode(-9, 5)),
        (episode(BEFORE, 5), episode(0, 5)),
        (episode(BEFORE, None), episode(0, None)),
        (episode(-9, 0), None),
        (episode(0, 0), episode(0, 0)),
        (episode(10, 12), episode(10, None)),
        (episode(5, 11), episode(5, None)),
        (episode(10.5, 12), None),
    ],
)
def test_what_touches_the_time_is_kept_and_what_ends_later_has_no_end_yet(
    told: Episode, kept: Episode | None
):
    assert unite_episodes([(1, told)], 0, 10) == (() if kept is None else (kept,))


def test_what_is_told_twice_has_its_earliest_beginning_and_its_latest_end() -> None:
    told = [(1, episode(5, None)), (1, episode(4, 8)), (1, episode(5, 7)), (2, episode(5, None))]
    assert unite_episodes(told, 0, 10) == (episode(4, 8), episode(5, None))


times = st.integers(-5, 15).map(float)


@given(
    st.lists(st.tuples(st.integers(0, 5), times, st.none() | st.integers(0, 9)), max_size=12),
    st.randoms(),
    st.integers(1, 4),
)
def test_neither_order_nor_repetition_matters(
    told: list[tuple[int, float, int | None]], random, times_told: int
):
    keyed = [(key, episode(start, None if long is None else start + long)) for key, start, long in told]
    again = keyed * times_told
    random.shuffle(again)
    united = unite_episodes(keyed, 0, 10)
    assert sorted(united, key=repr) == sorted(unite_episodes(again, 0, 10), key=repr)
    assert len(united) <= len({key for key, _ in keyed})
    for one in united:
        assert one.start <= 10
        assert one.end is None or 0 <= one.end <= 10
        assert math.isfinite(one.start)
    assert unite_episodes(enumerate(united), 0, 10) == united
