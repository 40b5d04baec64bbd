"""Operators between vectors: what matches, which labels stay, and errors that are those of one step."""

from __future__ import annotations

import math

import pytest

from pytest_telemetry_gate.promql import PromQLError

DUPLICATE = "found duplicate series for the match group"


def test_series_that_follow_one_another_may_share_a_signature(world):
    here = world({"x{pod='1'}": {0: 1, 60: "stale"}, "x{pod='2'}": {60: 2, 120: 3}, "y": [10, 10, 10]})
    assert here.range("y + on() x", 0, 120, 60) == {"{}": [11, 12, 13]}
    assert here.range("x + on() y", 0, 120, 60) == {"{}": [11, 12, 13]}


def test_two_at_one_step_are_an_error(world):
    here = world({"x{pod='1'}": [1, 1], "x{pod='2'}": {60: 2}, "y": [10, 10]})
    assert here.range("y + on() x", 0, 0, 60) == {"{}": [11]}
    with pytest.raises(PromQLError, match=rf"{DUPLICATE} {{}} on the right hand-side"):
        here.range("y + on() x", 0, 60, 60)


def test_two_at_a_step_without_a_partner_are_none(world):
    here = world({"x{pod='1'}": [1, 1], "x{pod='2'}": {60: 2}, "y": {0: 10, 60: "stale"}})
    assert here.range("y + on() x", 0, 60, 60) == {"{}": [11, None]}


def test_many_to_one_must_be_explicit(world):
    here = world({"x{a='1',b='1'}": [1], "x{a='1',b='2'}": [2], "y{a='1'}": [10]})
    with pytest.raises(PromQLError, match="many-to-one matching must be explicit"):
        here.instant("x + on(a) y", 0)
    assert here.instant("x + on(a) group_left y", 0) == {"{a=1,b=1}": 11, "{a=1,b=2}": 12}
    assert here.instant("y + on(a) group_right x", 0) == {"{a=1,b=1}": 11, "{a=1,b=2}": 12}
    with pytest.raises(PromQLError, match=f"{DUPLICATE}.*left hand-side"):
        here.instant("x + on(a) group_right y", 0)


def test_labels_taken_from_the_one_side(world):
    here = world({"x{a='1',v='old'}": [1], "y{a='1',v='new',w='w'}": [1], "z{a='1'}": [1]})
    assert here.instant("x * on(a) group_left(v, w) y", 0) == {"{a=1,v=new,w=w}": 1}
    assert here.instant("x * on(a) group_left(v) z", 0) == {"{a=1}": 1}


def test_grouping_labels_must_leave_matches_unique(world):
    here = world({"x{a='1',v='1'}": [1], "x{a='1',v='2'}": [1], "y{a='1',v='3'}": [1]})
    with pytest.raises(PromQLError, match="grouping labels must ensure unique matches"):
        here.instant("x * on(a) group_left(v) y", 0)


def test_a_name_that_falls_away_may_leave_duplicates(world):
    here = world({"x": [1, 1], "y": {60: 2}})
    with pytest.raises(PromQLError, match="vector cannot contain metrics with the same labelset"):
        here.instant('-{__name__=~"x|y"}', 60)
    assert here.instant('-{__name__=~"x|y"}', 0) == {"{}": -1}


def test_series_that_lose_their_names_one_after_the_other_are_one(world):
    here = world({"x": {0: 1, 60: "stale"}, "y": {60: 2}})
    assert here.range('{__name__=~"x|y"} + 1', 0, 60, 60) == {"{}": [2, 3]}


@pytest.mark.parametrize(
    ("promql", "answer"),
    [
        ("x > 1", {"x{a=2}": 2}),
        ("1 < x", {"x{a=2}": 2}),
        ("x > bool 1", {"{a=1}": 0, "{a=2}": 1}),
        ("x > y", {"x{a=2}": 2}),
        ("x > on(a) y", {"{a=2}": 2}),
        ("y < x", {"y{a=2}": 1}),
        ("x == bool y", {"{a=1}": 1, "{a=2}": 0}),
        ("x != NaN", {"x{a=1}": 1, "x{a=2}": 2}),
        ("2 ^ 3 ^ 2", 512),
        ("-2 ^ 2", -4),
        ("-7 % 3", -1),
        ("1 > bool 0", 1),
        ("x and y{a='1'}", {"x{a=1}": 1}),
        ("x unless y{a='1'}", {"x{a=2}": 2}),
        ("x{a='1'} or y", {"x{a=1}": 1, "y{a=2}": 1}),
        ("x{a='1'} or on() y", {"x{a=1}": 1}),
        ("x and on() vector(1)", {"x{a=1}": 1, "x{a=2}": 2}),
        ("x and ignoring(a) vector(1)", {"x{a=1}": 1, "x{a=2}": 2}),
    ],
)
def test_operators(world, promql, answer):
    assert (
        world({"x{a='1'}": [1], "x{a='2'}": [2], "y{a='1'}": [1], "y{a='2'}": [1]}).instant(promql, 0)
        == answer
    )


def test_division_by_zero(world):
    here = world({"x": [0]})
    assert here.one("1 / x", 0) == math.inf
    assert math.isnan(here.one("x / x", 0))
    assert math.isnan(here.one("x % 0", 0))


@pytest.mark.parametrize(("semantics", "name"), [("2", "x{}"), ("3", "{}")])
def test_atan2_keeps_the_name_in_profile_2(world, semantics, name):
    here = world({"x": [0], "y": [1]})
    assert here.instant("x atan2 y", 0, semantics) == here.instant("x atan2 1", 0, semantics) == {name: 0}


@pytest.mark.parametrize(
    ("promql", "answer"),
    [
        ("sum(x)", {"{}": 10}),
        ("sum by (a) (x)", {"{a=1}": 3, "{a=2}": 7}),
        ("sum without (a) (x)", {"{b=1}": 4, "{b=2}": 6}),
        ("sum by (nothing) (x)", {"{}": 10}),
        ("avg(x)", {"{}": 2.5}),
        ("count by (__name__) (x)", {"x{}": 4}),
        ("group(x)", {"{}": 1}),
        ("topk(2, x)", {"x{a=2,b=2}": 4, "x{a=2,b=1}": 3}),
        ("bottomk by (a) (1, x)", {"x{a=1,b=1}": 1, "x{a=2,b=1}": 3}),
        ("topk(0, x)", {}),
        ("topk(-1, x)", {}),
        ("count(limitk(3, x))", {"{}": 3}),
        ("quantile(0.5, x)", {"{}": 2.5}),
        ("quantile(2, x)", {"{}": math.inf}),
        ("quantile(-1, x)", {"{}": -math.inf}),
        ("stdvar(x)", {"{}": 1.25}),
        ('count_values("v", x > 2)', {"{v=3}": 1, "{v=4}": 1}),
        ('count_values by (a) ("v", x * 0)', {"{a=1,v=0}": 2, "{a=2,v=0}": 2}),
        ('count_values without (b) ("a", x * 0)', {"{a=0}": 4}),
        ('count_values without (a, b) ("a", x)', {"{}": 4}),
        ('count_values("v", x{a="1",b="1"} * 1e21)', {"{v=1000000000000000000000}": 1}),
        ("sum(nothing)", {}),
    ],
)
def test_aggregations(world, promql, answer):
    here = world({"x{a='1',b='1'}": [1], "x{a='1',b='2'}": [2], "x{a='2',b='1'}": [3], "x{a='2',b='2'}": [4]})
    assert here.instant(promql, 0) == answer


def test_aggregations_and_nan(world):
    here = world({"x{a='1'}": [math.nan], "x{a='2'}": [2], "x{a='3'}": [1]})
    assert here.one("max(x)", 0) == 2
    assert here.one("min(x)", 0) == 1
    assert list(here.instant("topk(3, x)", 0)) == ["x{a=2}", "x{a=3}", "x{a=1}"]
    assert list(here.instant("bottomk(3, x)", 0)) == ["x{a=3}", "x{a=2}", "x{a=1}"]
    assert here.one("quantile(0.5, x)", 0) == 1


def test_a_sum_over_series_is_compensated(world):
    here = world({"x{a='1'}": [1e16], "x{a='2'}": [1], "x{a='3'}": [-1e16]})
    assert here.one("sum(x)", 0) == 1
    assert here.range("sum(x)", 0, 240, 30) == {"{}": [1] * 9}


@pytest.mark.parametrize(("semantics", "spread"), [("2", 0), ("3", math.nan)])
def test_the_deviation_of_one_infinity(world, semantics, spread):
    assert world({"x": [math.inf]}).one("stddev(x)", 0, semantics) == pytest.approx(spread, nan_ok=True)


@pytest.mark.parametrize("k", ["NaN", "1e30", "-Inf"])
def test_a_count_that_is_none(world, k):
    with pytest.raises(PromQLError, match=r"Scalar value .* overflows int64"):
        world({"x": [1]}).instant(f"topk({k}, x)", 0)


def test_limit_ratio_splits_the_series(world):
    here = world({f"x{{a='{number}'}}": [number] for number in range(200)})
    chosen, rest = here.instant("limit_ratio(0.3, x)", 0), here.instant("limit_ratio(-0.7, x)", 0)
    assert not set(chosen) & set(rest)
    assert len(chosen) + len(rest) == 200
    assert 40 < len(chosen) < 80
    assert len(here.instant("limit_ratio(1, x)", 0)) == 200
    assert here.instant("limit_ratio(0, x)", 0) == {}
    with pytest.raises(PromQLError, match="NaN"):
        here.instant("limit_ratio(NaN, x)", 0)


def test_scalar_of_a_vector(world):
    here = world({"x{a='1'}": [1, 1], "x{a='2'}": {60: 2}})
    assert here.instant("scalar(x)", 0) == 1
    assert math.isnan(here.instant("scalar(x)", 60))
    assert math.isnan(here.instant("scalar(nothing)", 0))


def test_the_series_of_a_range_are_sorted_by_labels(world):
    here = world({"x{b='1'}": [1], "x{a='2'}": [2], "x{a='10'}": [3], "x": [9]})
    assert list(here.range("x", 0, 0, 1)) == ["x{}", "x{a=10}", "x{a=2}", "x{b=1}"]


@pytest.mark.parametrize(
    "promql",
    [
        'rate(topk(2, {__name__=~"a_total|b_total"})[2m:1m])',
        'sum_over_time(limitk(2, {__name__=~"a_total|b_total"})[2m:1m])',
        'abs(bottomk(2, {__name__=~"a_total|b_total"}))',
    ],
)
def test_names_that_differ_are_not_forgotten_on_the_way(world, promql):
    here = world({"a_total{n='1'}": [1, 2, 3], "b_total{n='1'}": {0: 1, 60: 2, 130: 9}})
    with pytest.raises(PromQLError, match="vector cannot contain metrics with the same labelset"):
        here.instant(promql, 130)
