"""Functions of labels, values and buckets, where they are not what their name suggests."""

from __future__ import annotations

import math

import pytest

from pytest_telemetry_gate.promql import PromQLError
from pytest_telemetry_gate.promql.annotations import go_number


@pytest.mark.parametrize(
    ("promql", "labels"),
    [
        ('absent(n{a="1", b=~"x", c!="y"})', "{a=1}"),
        ('absent(n{a="1", a="2"})', "{}"),
        ('absent(n{a="1", a=~"x"})', "{}"),
        ('absent(n{a=~".*", a="1"})', "{a=1}"),
        ('absent((n{a="1"}))', "{a=1}"),
        ('absent(n{a=""})', "{}"),
        ('absent(sum(n{a="1"}))', "{}"),
        ('absent(n{a="1"} offset 5m @ 7)', "{a=1}"),
        ('absent_over_time(n{a="1"}[5m])', "{a=1}"),
        ('absent_over_time((n{a="1"}[5m]))', "{a=1}"),
        ('absent_over_time(n{a="1"}[5m:1m])', "{}"),
    ],
)
def test_the_labels_of_what_is_absent(world, promql, labels):
    assert world({"x": [1]}).instant(promql, 0) == {labels: 1}


def test_what_is_there_is_not_absent(world):
    here = world({"x{a='1'}": [1], "y{a='1'}": [1]})
    assert here.instant("absent(x)", 0) == {}
    assert here.instant('absent_over_time({__name__=~"x|y"}[5m:1m])', 0) == {}


@pytest.mark.parametrize(
    ("promql", "value"),
    [
        ("clamp(x, 0, 1)", 1),
        ("clamp(x, 1, 0)", None),
        ("clamp_max(x, 1)", 1),
        ("clamp_min(x, NaN)", math.nan),
        ("clamp_min(x * NaN, Inf)", math.inf),
        ("clamp_max(x * NaN, -Inf)", -math.inf),
        ("clamp(x, Inf, NaN)", math.inf),
        ("round(x)", 3),
        ("round(-x)", -2),
        ("round(x, 0.1)", 2.5),
        ("sgn(-x)", -1),
        ("month(vector(0))", 1),
        ("day_of_week(vector(0))", 4),
        ("days_in_month(vector(4000000))", 28),
        ("year()", 1970),
        ("hour(vector(-1))", 23),
        ("day_of_year(vector(31535999))", 365),
        ("month(vector(NaN))", 12),
        ("mad_over_time(x[5m])", 0),
        ("pi() * x", math.pi * 2.5),
        ("deg(x * 0 + pi())", 180),
    ],
)
def test_values(world, promql, value):
    assert world({"x": [2.5]}).one(promql, 0) == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize(
    ("arguments", "labels"),
    [
        ('"b", "$1", "a", "(.).*"', "x{a=one,b=o}"),
        ('"b", "${1}x$$", "a", "(o)ne"', "x{a=one,b=ox$}"),
        ('"b", "$1x", "a", "(o)ne"', "x{a=one}"),
        ('"b", "${n}", "a", "(?P<n>o)ne"', "x{a=one,b=o}"),
        ('"b", "${n}", "a", "(?<n>o)ne"', "x{a=one,b=o}"),
        ('"b", "y", "a", "on"', "x{a=one}"),
        ('"a", "", "a", ".*"', "x{}"),
        ('"b", "y", "no", ""', "x{a=one,b=y}"),
        ('"__name__", "y", "a", ".*"', "y{a=one}"),
    ],
)
def test_label_replace(world, arguments, labels):
    assert world({"x{a='one'}": [1]}).instant(f"label_replace(x, {arguments})", 0) == {labels: 1}


@pytest.mark.parametrize(("semantics", "matches"), [("2", False), ("3", True)])
def test_a_dot_and_a_newline(world, semantics, matches):
    here = world({'x{a="1\\n2"}': [1]})
    assert bool(here.instant('x{a=~"1.2"}', 0, semantics)) is matches
    assert bool(here.instant('x{a!~"1.2"}', 0, semantics)) is not matches
    replaced = here.instant('label_replace(x, "a", "y", "a", "1.2")', 0, semantics)
    assert ("x{a=y}" in replaced) is matches


def test_labels_are_joined(world):
    here = world({"x{a='1',b='2'}": [1]})
    assert here.instant('label_join(x, "c", "-", "a", "b", "no")', 0) == {"x{a=1,b=2,c=1-2-}": 1}
    assert here.instant('label_join(x, "a", "-")', 0) == {"x{b=2}": 1}


@pytest.mark.parametrize("function", ['label_replace(x, "b", "y", "", "")', 'label_join(x, "b", "y")'])
def test_series_that_relabelling_makes_alike(world, function):
    here = world({"x{b='1'}": [1], "x{b='2'}": [2]})
    with pytest.raises(PromQLError, match="same labelset"):
        here.instant(function, 0)


def test_an_order_by_labels(world):
    here = world({"x{a='10',b='2'}": [1], "x{a='9',b='1'}": [2], "x{a='10',b='1'}": [3]})
    order = ["x{a=9,b=1}", "x{a=10,b=1}", "x{a=10,b=2}"]
    assert list(here.instant('sort_by_label(x, "a")', 0)) == order
    assert list(here.instant('sort_by_label_desc(x, "a")', 0)) == order[::-1]
    assert list(here.instant('sort_by_label(x, "b", "a")', 0)) == order


def test_an_order_by_values(world):
    here = world({"x{a='1'}": [math.nan], "x{a='2'}": [1], "x{a='3'}": [2]})
    assert list(here.instant("sort(x)", 0)) == ["x{a=2}", "x{a=3}", "x{a=1}"]
    assert list(here.instant("sort_desc(x)", 0)) == ["x{a=3}", "x{a=2}", "x{a=1}"]


def test_predictions(world):
    here = world({"x": [0, 60, 120]})
    assert here.one("predict_linear(x[5m], 60)", 120) == pytest.approx(180)
    assert here.one("predict_linear(x[5m], 60)", 150) == pytest.approx(210)
    assert here.one("deriv(x[5m])", 120) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "semantics"), [("holt_winters", "2"), ("double_exponential_smoothing", "3")]
)
def test_smoothing_has_a_name_in_each_profile(world, name, semantics):
    here = world({"x": [0, 60, 120, 180]})
    assert here.one(f"{name}(x[5m], 0.5, 0.5)", 180, semantics) == pytest.approx(180)
    with pytest.raises(PromQLError, match=name):
        here.instant(f"{name}(x[5m], 0.5, 0.5)", 180, "2" if semantics == "3" else "3")


def buckets(counts, name="h_bucket"):
    return {f"{name}{{le='{bound}'}}": [count] for bound, count in counts.items()}


@pytest.mark.parametrize(
    ("q", "value"),
    [(0.5, 1.5), (0.1, 0.5), (1, 3), (0.95, 3), (-1, -math.inf), (2, math.inf), ("NaN", math.nan)],
)
def test_quantiles_of_buckets(world, q, value):
    here = world(buckets({"1": 2, "2.0": 8, "3": 9, "+Inf": 10}))
    assert here.one(f"histogram_quantile({q}, h_bucket)", 0) == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize(
    ("counts", "value"),
    [
        ({"1": 2, "2": 4}, math.nan),  # no +Inf
        ({"+Inf": 4}, math.nan),  # no bound but +Inf
        ({"1": 0, "+Inf": 0}, math.nan),  # no observation
        ({"-1": 4, "+Inf": 4}, -1),  # nothing is known below a negative bound
        ({"1": 4, "1.0": 4, "+Inf": 8}, 0.5),  # one bound, written twice
        ({"1": 4, "2": 2, "+Inf": 4}, 0.5),  # a count that fell
    ],
)
def test_odd_histograms(world, counts, value):
    assert world(buckets(counts)).one("histogram_quantile(0.5, h_bucket)", 0) == pytest.approx(
        value, nan_ok=True
    )


def test_a_count_that_hardly_rises(world):
    here = world(buckets({"1": 10, "2": 10 + 1e-13, "4": 10 + 1e-13, "+Inf": 10 + 1e-13}))
    assert here.one("histogram_quantile(1, h_bucket)", 0, "3") == 1
    assert here.one("histogram_quantile(1, h_bucket)", 0, "2") == 2


def test_histograms_of_two_metrics_are_two(world):
    counts = {"1": 4, "+Inf": 4}
    here = world({**buckets(counts, "g_bucket"), **buckets(counts, "h_bucket")})
    with pytest.raises(PromQLError, match="same labelset"):
        here.instant('histogram_quantile(0.5, {__name__=~"._bucket"})', 0)


def test_buckets_that_come_later(world):
    here = world({"h{le='1'}": [1, 1], "h{le='+Inf'}": {60: 1}})
    assert here.range("histogram_quantile(0.5, h)", 0, 60, 60)["{}"] == pytest.approx(
        [math.nan, 0.5], nan_ok=True
    )


@pytest.mark.parametrize(
    ("lower", "upper", "share"),
    [
        (0, 1, 0.2), (0, 1.5, 0.5), (1.5, 2.5, 0.35), (0, "Inf", 1), ("-Inf", 2, 0.8), (3, "Inf", 0.1), (2, 2, 0),
        (3, 1, 0), (5, 9, 0), ("NaN", 1, math.nan),
    ],
)  # fmt: skip
def test_fractions_of_buckets(world, lower, upper, share):
    here = world(buckets({"1": 2, "2": 8, "3": 9, "+Inf": 10}))
    answer = here.one(f"histogram_fraction({lower}, {upper}, h_bucket)", 0)
    assert answer == pytest.approx(share, nan_ok=True)


PAGE = "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile"


@pytest.mark.parametrize(
    ("promql", "said"),
    [
        ("quantile(1.1, x_total)", "PromQL warning: quantile value should be between 0 and 1, got 1.1"),
        (
            "quantile_over_time(-1, x_total[5m])",
            "PromQL warning: quantile value should be between 0 and 1, got -1",
        ),
        ("histogram_quantile(NaN, h)", "PromQL warning: quantile value should be between 0 and 1, got NaN"),
        (
            "limit_ratio(1.5, x_total)",
            "PromQL warning: ratio value should be between -1 and 1, got 1.5, capping to 1",
        ),
        (
            "histogram_quantile(0.5, x_total)",
            'PromQL warning: bucket label "le" is missing or has a malformed value of "" for metric name "x_total"',
        ),
        (
            "histogram_quantile(0.5, h)",
            f'PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see {PAGE}) for metric name "h"',
        ),
        (
            "rate(x[5m])",
            'PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "x"',
        ),
    ],
)
def test_what_is_said_beside_an_answer(world, promql, said):
    here = world({
        "x": [1, 2], "x_total": [1, 2], "h{le='1'}": [4, 4], "h{le='2'}": [2, 2], "h{le='+Inf'}": [4, 4]
    })  # fmt: skip
    assert said in here.warnings(promql, 60)
    assert here.warnings(promql, 60, "2") == ()
    assert here.warnings("rate(x_total[5m])", 60) == here.warnings("quantile(0.5, x)", 60) == ()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), (100000, "100000"), (1e6, "1e+06"), (1234567, "1.234567e+06"), (1e-5, "1e-05"), (-2, "-2"),
     (math.inf, "+Inf"), (0.0001, "0.0001"), (0, "0")],
)  # fmt: skip
def test_numbers_as_go_writes_them(value, text):
    assert go_number(value) == text


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("$01", ""), ("$1", "zone"), ("$0", "zone"), ("${1}x", "zonex"), ("$1x", ""), ("x$é", "x"), ("x$1é", "x"),
        ("x$1½", "xzone½"), ("$$1", "$1"), ("x$", "x$"), ("${1", "${1"), ("${-}", "${-}"), ("$n", "zone"), ("$\u0661", ""),
        ("$99999999999999999999", ""),
    ],
)  # fmt: skip
def test_templates_are_expanded_as_go_does(world, template, value):
    found = world({'x{a="zone"}': [1]}).instant(f'label_replace(x, "b", "{template}", "a", "(?P<n>.*)")', 0)
    assert list(found) == [f"x{{a=zone,b={value}}}" if value else "x{a=zone}"]


def test_smoothing_beside_an_infinity_has_no_value(world):
    for name, semantics in (("holt_winters", "2"), ("double_exponential_smoothing", "3")):
        for values in ([math.inf, 0.75], [math.inf, 1, 2], [1, -math.inf]):
            answer = world({"x": values}).one(f"{name}(x[5m], 0.5, 0.5)", 120, semantics)
            assert math.isnan(answer) or answer == -math.inf
    assert world({"x": [math.inf, 0.75]}).one("double_exponential_smoothing(x[5m], 0.5, 0.5)", 60) != 0.75


def test_a_factor_is_looked_at_where_there_are_samples(world):
    one = world({"x": {0: 1, 600: 2}})
    assert one.instant("double_exponential_smoothing(nothing[5m], 7, 0.5)", 0) == {}
    assert one.range("double_exponential_smoothing(x[1m], (time() - 60) / 1000, 0.5)", 60, 120, 60) == {}
    with pytest.raises(PromQLError, match="invalid smoothing factor"):
        one.range("double_exponential_smoothing(x[1m], time() / 100, 0.5)", 600, 660, 60)


def test_values_that_become_a_name_without_a_group(world):
    of = world({'g{job="a",i="1"}': [7], 'g{job="a",i="2"}': [8]})
    assert of.instant('count_values without (i) ("__name__", g)', 0) == {"{job=a}": 2}
    assert of.instant('count_values by (job) ("__name__", g)', 0) == {"7{job=a}": 1, "8{job=a}": 1}


def test_series_of_several_names_do_not_become_one_even_where_they_never_meet(world):
    of = world({'a_total{x="1"}': {0: 1, 15: 2}, 'b_total{x="1"}': {600: 3, 615: 4}})
    both = '{__name__=~"a_total|b_total"}'
    for semantics in "23":
        for promql in (f"rate({both}[1m])", f"present_over_time({both}[2s])", f"-{both}"):
            with pytest.raises(PromQLError, match="vector cannot contain metrics with the same labelset"):
                of.range(promql, 0, 660, 15, semantics)
        assert len(of.range(f"last_over_time({both}[1m])", 0, 660, 15, semantics)) == 2
        assert len(of.range(f"rate({both}[1m])", 0, 60, 15, semantics)) == 1


def test_only_series_with_a_value_are_warned_of(world):
    of = world(
        {
            'b_bucket{le="x"}': [1],
            'b_bucket{le="1"}': [5],
            'b_bucket{le="2"}': [3],
            'b_bucket{le="+Inf"}': [9],
        }
    )
    texts = " ".join(of.warnings("histogram_quantile(0.5, b_bucket)", 0))
    assert "malformed" in texts
    assert "monotonicity" in texts
    assert of.warnings("histogram_quantile(0.5, rate(b_bucket[1m]))", 0) == ()
    assert of.warnings("histogram_quantile(0.5, b_bucket)", 3600) == ()
    (only,) = of.warnings('histogram_quantile(1.1, b_bucket{le!="x"})', 0)
    assert "should be between 0 and 1, got 1.1" in only
    assert of.warnings('histogram_quantile(0.5, b_bucket{le!="x"} * 0)', 0) == ()
