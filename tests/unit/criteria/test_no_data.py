"""What people are told where a query has no value: its window is too short, its quantile has no buckets."""

from __future__ import annotations

import pytest
from gates import UP, MemoryGate, grid, series

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.model.verdict import Outcome

BUCKETS = [
    series("served_bucket", lambda at, number=number: at * number, le=le)
    for number, le in enumerate(("0.1", "1", "10", "+Inf"), 1)
]
DATA = [
    UP,
    series("done_total", lambda at: at),
    series("slow_total", lambda at: at, grid(step=60)),
    series("served", 3.0),
    *BUCKETS,
]


@pytest.fixture
def gate(tmp_path):
    made = MemoryGate(tmp_path)
    made.data = DATA
    return made


def judged(gate, query, *, window="", expect=">= 0", unit=""):
    keys = f"window: {window}, " * bool(window) + f"unit: {unit}, " * bool(unit)
    verdict = gate.verdict(f"- {{id: x, query: '{query}', {keys}expect: '{expect}'}}")
    return verdict.outcome, verdict.reason


@pytest.mark.parametrize(
    ("query", "window", "wanted"),
    [
        ("rate(done_total[5s])", "", "the window of done_total[5s] is shorter than two scrapes, which are 15s apart: at least 30s, better 1m"),
        ("sum(increase(done_total[$__window]))", "10s", "done_total[10s] is shorter than two scrapes, which are 15s apart: at least 30s, better 1m"),
        ("irate(slow_total[$__rate_interval])", "", "slow_total[1m] is shorter than two scrapes, which are 1m apart: at least 2m, better 4m"),
        ("deriv(served[14s])", "", "served[14s] is shorter than two scrapes, which are 15s apart: at least 30s, better 1m"),
    ],
)  # fmt: skip
def test_a_window_that_holds_fewer_than_two_scrapes_is_told(gate, query, window, wanted):
    outcome, reason = judged(gate, query, window=window)
    assert outcome is Outcome.INCONCLUSIVE
    assert reason.startswith("no data: ")
    assert reason.endswith(wanted)


@pytest.mark.parametrize(
    "query",
    [
        "rate(slow_total[1m]) or vector(0)",
        "vector(0) unless rate(slow_total[1m])",
        "sum(absent(rate(slow_total[1m])))",
    ],
)
def test_nothing_passes_because_its_window_is_too_short_for_any_value(gate, query):
    outcome, reason = judged(gate, query)
    assert outcome is Outcome.INCONCLUSIVE
    assert "the window of slow_total[1m] is shorter than two scrapes" in reason


@pytest.mark.parametrize(
    "query",
    [
        "rate(done_total[30s])",
        "sum(rate(slow_total[2m])) or vector(0)",
        "max_over_time(done_total[20s])",
        "rate(done_total[20s])",
    ],
)
def test_a_window_that_is_long_enough_passes(gate, query):
    assert judged(gate, query)[0] is Outcome.PASS


def refused(gate, query):
    with pytest.raises(SuiteError) as error:
        judged(gate, query, unit="s")
    return error.value.message.removeprefix("criterion 'x': ")


LOST = "histogram_quantile: its series have no label `le`, which says the bucket: write `sum by (le) (...)`"


@pytest.mark.parametrize(
    "buckets",
    [
        "sum(rate(served_bucket[5m]))",
        "sum by (job) (rate(served_bucket[5m]))",
        "avg without (le) (served_bucket)",
        "sum by (le) (sum(rate(served_bucket[5m])))",
        "sum(rate(served_bucket[5m])) * 2",
        "max_over_time(sum(served_bucket)[5m:1m])",
        "topk(3, sum by (job) (served_bucket))",
        "sum(served_bucket) or sum by (job) (served_bucket)",
        'label_replace(sum(served_bucket), "zone", "a", "", "")',
    ],
)
def test_a_quantile_of_series_without_le_is_refused_with_what_to_write(gate, buckets):
    assert refused(gate, f"histogram_quantile(0.9, {buckets})") == LOST
    assert refused(gate, f"max(histogram_quantile(0.9, {buckets})) / 2") == LOST


@pytest.mark.parametrize(
    "buckets",
    [
        "sum by (le) (rate(served_bucket[5m]))",
        "sum by (job, le) (rate(served_bucket[5m]))",
        "sum without (instance) (rate(served_bucket[5m]))",
        "rate(served_bucket[5m])",
        "topk(9, served_bucket)",
        "2 * sum by (le) (served_bucket)",
        "sum by (le) (served_bucket) or sum(served_bucket)",
        "sum by (le) (served_bucket) / on() group_left sum(served)",
    ],
)
def test_a_quantile_of_buckets_is_judged(gate, buckets):
    assert judged(gate, f"histogram_quantile(0.5, {buckets})", unit="s", expect="< 20")[0] is Outcome.PASS


@pytest.mark.parametrize(
    ("q", "meant"), [("90", ": is 0.9 meant?"), ("99.9", ": is 0.999 meant?"), ("-1", ""), ("900", "")]
)
def test_a_quantile_that_is_a_percentage_is_told(gate, q, meant):
    query = f"histogram_quantile({q}, sum by (le) (rate(served_bucket[5m])))"
    assert judged(gate, query, unit="s", expect="< 20") == (
        Outcome.INCONCLUSIVE,
        f"histogram_quantile: {q} is not from 0 to 1{meant}",
    )


@pytest.mark.parametrize(
    ("buckets", "wanted"),
    [
        ("rate(served[5m])", "histogram_quantile needs buckets: is 'served_bucket' meant instead of 'served'?"),
        ("sum by (le) (rate(served_sum[5m]))", "histogram_quantile needs buckets: is 'served_bucket' meant instead of 'served_sum'?"),
        ("job:served:rate5m", "histogram_quantile needs buckets: does the rule 'job:served:rate5m' keep the label `le`?"),
    ],
)  # fmt: skip
def test_a_quantile_of_other_metrics_than_buckets_says_so(gate, buckets, wanted):
    outcome, reason = judged(gate, f"histogram_quantile(0.9, {buckets})", unit="s", expect="< 20")
    assert outcome is Outcome.INCONCLUSIVE
    assert reason.endswith(wanted)


def test_a_window_that_nobody_has_set_says_which_key_to_set(gate):
    with pytest.raises(
        SuiteError, match=r"\$__window has no length at checkpoint '2h': set `window:`, such as 1h"
    ):
        judged(gate, "rate(done_total[$__window])")


def test_a_variable_of_grafana_has_a_near_name_here(gate):
    with pytest.raises(SuiteError, match=r"unknown variable \$__range_s \(did you mean '\$__range'\?\)"):
        judged(gate, "rate(done_total[$__range_s])")


@pytest.mark.parametrize("query", ["served > 90", "sum(served > 90)", "(served >= 90)"])
def test_a_query_that_compares_is_told_where_the_limit_goes(gate, query):
    outcome, reason = judged(gate, query)
    assert outcome is Outcome.INCONCLUSIVE
    assert reason.endswith("leaves out what it does not hold for: the limit goes into `expect`")


def test_a_comparison_with_another_metric_that_holds_is_judged(gate):
    assert judged(gate, "served < done_total")[0] is Outcome.PASS
