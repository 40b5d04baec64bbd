"""Quantiles are known as well as their buckets are: beyond the last one, only that they are above it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from gates import START, UP, MemoryGate, grid, series

from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.model.answers import Answer, Answers, RegionFacts
from pytest_telemetry_gate.model.questions import Instant
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.promql import Vector

P95 = "histogram_quantile(0.95, sum by (le) (rate(wait_seconds_bucket[10m])))"
BY_POD = "histogram_quantile(0.95, sum by (le, pod) (rate(wait_seconds_bucket[10m])))"
INSIDE = {"0.1": 0.5, "0.25": 0.9, "0.5": 1.0, "+Inf": 1.0}  # the 95th percentile is between 0.25 and 0.5
BEYOND = {"0.1": 0.1, "0.25": 0.2, "0.5": 0.3, "+Inf": 1.0}


@pytest.fixture
def gate(tmp_path):
    return MemoryGate(tmp_path)


def histogram(shares, times=None, **labels):
    """Return the buckets of a histogram that grows by one a second, by the cumulative share in each bucket."""
    return [
        series(
            "wait_seconds_bucket",
            lambda at, share=share: (at - START + 7200) * share,
            times,
            le=bound,
            **labels,
        )
        for bound, share in shares.items()
    ]


def judged(gate, data, query, keys):
    gate.data = [UP, *data]
    return gate.verdict(f"- {{id: x, query: '{query}', unit: s, {keys}}}")


@pytest.mark.parametrize(
    ("limit", "outcome"),
    [
        ("<= 1 s", Outcome.INCONCLUSIVE),
        ("<= 500 ms", Outcome.INCONCLUSIVE),
        ("< 500 ms", Outcome.FAIL),
        ("<= 250 ms", Outcome.FAIL),
        ("< 2", Outcome.INCONCLUSIVE),
        (">= 0.4", Outcome.PASS),
        (">= 0.5", Outcome.PASS),
        ("> 0.6", Outcome.INCONCLUSIVE),
        ("0.1 .. 0.4", Outcome.FAIL),
        ("0.1 .. 2", Outcome.INCONCLUSIVE),
        ("1 .. 2", Outcome.INCONCLUSIVE),
        ("== 0.4", Outcome.FAIL),
        ("== 0.5", Outcome.INCONCLUSIVE),
        ("== 3", Outcome.INCONCLUSIVE),
        ("!= 0.4", Outcome.PASS),
        ("!= 3", Outcome.INCONCLUSIVE),
    ],
)
def test_beyond_the_last_bucket_only_what_holds_for_all_larger_values_is_decided(gate, limit, outcome):
    verdict = judged(gate, histogram(BEYOND), P95, f"expect: '{limit}'")
    assert verdict.outcome is outcome, verdict.reason
    assert (
        "the quantile lies beyond the last bucket: it is above 500 ms" in verdict.reason
        or "above 0.500 s" in verdict.reason
    )
    assert verdict.margin is None


@pytest.mark.parametrize(
    ("keys", "outcome"),
    [
        ("tolerance: 5%, baseline: 0.5", Outcome.INCONCLUSIVE),
        ("tolerance: 5%, baseline: 0.2", Outcome.FAIL),
        ("tolerance: 5%, baseline: 0.2, better: lower", Outcome.FAIL),
        ("tolerance: 5%, baseline: 0.2, better: higher", Outcome.PASS),
        ("tolerance: 5%, baseline: 0.6", Outcome.INCONCLUSIVE),
        ("tolerance: 5%, baseline: 0.2, expect: '<= 0.1'", Outcome.FAIL),
        ("tolerance: 5%, baseline: 0, floor: 0.1", Outcome.FAIL),
        ("tolerance: 5%, baseline: 0, floor: 1", Outcome.INCONCLUSIVE),
        ("tolerance: 5%, baseline: 0", Outcome.INCONCLUSIVE),
        ("tolerance: 5%, baseline: 0, expect: '<= 10'", Outcome.INCONCLUSIVE),
        ("tolerance: 5%, baseline: 0, expect: '<= 0.1'", Outcome.FAIL),
    ],
)
def test_a_tolerance_is_broken_for_certain_or_undecided(gate, keys, outcome):
    verdict = judged(gate, histogram(BEYOND), P95, keys)
    assert verdict.outcome is outcome, verdict.reason
    assert verdict.variance is None  # nothing may follow from the variance of what is not known


def test_a_baseline_beyond_the_last_bucket_is_none(gate):
    early, late = grid(end=START), grid(start=START)
    data = [*histogram(BEYOND, early, pod="a"), *histogram(INSIDE, late, pod="b")]
    verdict = judged(gate, data, P95, "tolerance: 500%, baseline: {at: 2025-01-22T13:59:00-08:00}")
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.startswith("baseline: the quantile lies beyond the last bucket")


def test_inside_the_buckets_it_is_known_and_the_bucket_is_told(gate):
    gate.data = [UP, *histogram(INSIDE)]
    dossier = gate.dossier(f"- {{id: x, query: '{P95}', unit: s, expect: '<= 600 ms'}}")
    assert dossier.outcome is Outcome.PASS
    assert dossier.verdict.value == pytest.approx(375)
    said = "the value was interpolated in the bucket 250 .. 500 ms"
    assert [step.message for step in dossier.steps if step.name == "bucket"] == [said]
    assert [(one.id, one.level) for one in dossier.findings] == [("quantile.bucket", Outcome.PASS)]
    assert dossier.verdict.reason == "375 ms is inside <= 600 ms"


def test_a_limit_inside_the_bucket_is_told_and_decides(gate):
    passed = judged(gate, histogram(INSIDE), P95, "expect: '<= 400 ms'")
    assert (passed.outcome, passed.reason) == (Outcome.PASS, "375 ms is inside <= 400 ms")
    failed = judged(gate, histogram(INSIDE), P95, "expect: '<= 300 ms'")
    assert failed.outcome is Outcome.FAIL
    assert failed.reason.endswith("interpolated in the bucket 250 .. 500 ms, and so is the limit <= 300 ms")


def test_a_bucket_wider_than_the_tolerance_is_a_warning(gate):
    warned = judged(gate, histogram(INSIDE), P95, "tolerance: 5%, baseline: 0.375")
    assert warned.outcome is Outcome.WARN
    assert "the bucket 0.250 .. 0.500 s, which is wider than the tolerance ±5 %" in warned.reason
    assert judged(gate, histogram(INSIDE), P95, "tolerance: 80%, baseline: 0.375").outcome is Outcome.PASS
    assert judged(gate, histogram(INSIDE), P95, "tolerance: 5%, baseline: 0.2").outcome is Outcome.FAIL


BEYOND_A_POD = [*histogram(INSIDE, pod="a"), *histogram(BEYOND, pod="b")]


@pytest.mark.parametrize(
    ("query", "outcome"),
    [
        (f"max({BY_POD})", Outcome.INCONCLUSIVE),
        (f"min({BY_POD})", Outcome.PASS),  # 0.375 of the other pod, whatever this one has
        (f"avg({BY_POD})", Outcome.INCONCLUSIVE),
        (f"sum({BY_POD})", Outcome.INCONCLUSIVE),
        (f"quantile(0, {BY_POD})", Outcome.PASS),
        (f"max({BY_POD}) * 1000 / 1000", Outcome.INCONCLUSIVE),
        (f"0 - (0 - max({BY_POD}))", Outcome.INCONCLUSIVE),
        (f'max(label_replace({BY_POD}, "a", "b", "", ""))', Outcome.INCONCLUSIVE),
        (f"clamp_max(max({BY_POD}), 0.7)", Outcome.PASS),
        (f"max({BY_POD}) or vector(0)", Outcome.INCONCLUSIVE),
        (f"max({BY_POD} > 0.4)", Outcome.INCONCLUSIVE),
        # Other series, or other times, are asked about by the whole query with one more bucket.
        (f"max({BY_POD}) + 0 * max(up)", Outcome.INCONCLUSIVE),
        (f"min({BY_POD}) + 0 * max(up)", Outcome.PASS),
        (f"max(max_over_time({BY_POD}[10m:1m]))", Outcome.INCONCLUSIVE),
        (f"min(max_over_time({BY_POD}[10m:1m]))", Outcome.PASS),
        (f"max({BY_POD}) or max({BY_POD})", Outcome.INCONCLUSIVE),
        (f"max({BY_POD}) / max({BY_POD.replace('0.95', '0.5')})", Outcome.INCONCLUSIVE),
        (f"max(deriv({BY_POD}[10m:1m]))", Outcome.INCONCLUSIVE),
    ],
)
def test_what_is_around_a_quantile_carries_what_is_known_of_it(gate, query, outcome):
    verdict = judged(gate, BEYOND_A_POD, query, "expect: '<= 1.1', coverage: 1%")
    assert verdict.outcome is outcome, verdict.reason


def test_of_a_quantile_behind_a_minus_only_an_upper_end_is_known(gate):
    verdict = judged(gate, histogram(BEYOND), f"0 - {P95}", "expect: '>= -1'")
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "it is below -0.500 s" in verdict.reason
    assert judged(gate, histogram(BEYOND), f"0 - {P95}", "expect: '>= -0.4'").outcome is Outcome.FAIL
    assert judged(gate, histogram(BEYOND), f"0 - {P95}", "expect: '<= 0'").outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("reduce", "limit", "outcome"),
    [
        ("max", "<= 1", Outcome.INCONCLUSIVE),
        ("min", "<= 0.4", Outcome.PASS),
        ("avg", "<= 1", Outcome.INCONCLUSIVE),
        ("sum", "<= 1", Outcome.INCONCLUSIVE),
        ("sum", "<= 0.8", Outcome.FAIL),
        ("all", "<= 1", Outcome.INCONCLUSIVE),
        ("all", "<= 0.3", Outcome.FAIL),
        ("any", "<= 0.4", Outcome.PASS),
        ("any", ">= 2", Outcome.INCONCLUSIVE),
    ],
)
def test_reducing_several_series_keeps_what_is_not_known(gate, reduce, limit, outcome):
    verdict = judged(gate, BEYOND_A_POD, BY_POD, f"reduce: {reduce}, expect: '{limit}'")
    assert verdict.outcome is outcome, verdict.reason


def test_a_quantile_of_the_lowest_bucket_is_known_where_its_bound_is_positive(gate):
    assert judged(gate, histogram({"0.1": 1.0, "+Inf": 1.0}), P95, "expect: '<= 0.1'").outcome is Outcome.PASS
    below = judged(gate, histogram({"-1": 1.0, "0": 1.0, "+Inf": 1.0}), P95, "expect: '>= -5'")
    assert below.outcome is Outcome.INCONCLUSIVE
    assert "it is below -1 s" in below.reason


@pytest.mark.parametrize("shares", [{"+Inf": 1.0}, {"0.1": 0.5, "0.5": 1.0}])
def test_a_histogram_with_the_last_bucket_alone_or_without_it_gives_no_value(gate, shares):
    verdict = judged(gate, histogram(shares), P95, "expect: '<= 1'")
    assert (verdict.outcome, verdict.reason[:16]) == (Outcome.INCONCLUSIVE, "the value is NaN")


@pytest.mark.parametrize(
    ("answer", "outcome", "words"),
    [
        (Answer(None, error="timed out"), Outcome.ERROR, "timed out"),
        (Answer(Vector([], np.array([]), 0.0), partial=True, warnings=("a store is down",)), Outcome.INCONCLUSIVE, "a store is down"),
        (Answer(Vector([], np.array([]), 0.0)), Outcome.INCONCLUSIVE, "the buckets of the quantile are not there"),
    ],
)  # fmt: skip
def test_a_quantile_whose_buckets_are_in_doubt_decides_nothing(gate, answer, outcome, words):
    gate.data = [UP, *histogram(INSIDE)]
    (check,) = gate.checks(f"- {{id: x, query: '{P95}', unit: s, expect: '<= 1'}}")
    answers = dict(gate.answers(check).answers)
    (asked,) = [question for question in answers if question.text.startswith("sum by (le)")]
    answers[asked] = answer
    verdict = judge(check, Answers(gate.now, answers, {"": RegionFacts(gate.intervals)})).verdict
    assert verdict.outcome is outcome
    assert words in verdict.reason


def test_a_query_without_quantiles_asks_nothing_more(gate):
    (check,) = gate.checks("- {id: x, query: cpu, expect: '< 75'}")
    assert [question.text for question in check.questions() if isinstance(question, Instant)] == ["cpu"]


def test_a_sum_over_regions_takes_no_region_that_is_known_in_part(gate):
    gate.data = [UP, *histogram(BEYOND)]
    (check,) = gate.checks(f"- {{id: x, query: '{P95}', unit: s, expect: '<= 5', combine: sum}}")
    check = dataclasses.replace(check, region="all", everywhere=("eu", "us"))
    answers = {}
    for region in check.everywhere:
        answers |= gate.answers(check.within(region)).answers
    facts = {region: RegionFacts(gate.intervals) for region in check.everywhere}
    assert judge(check, Answers(gate.now, answers, facts)).outcome is Outcome.INCONCLUSIVE
    assert math.isfinite(gate.now)


@pytest.mark.parametrize("busy", [0.001, 1.0, 40.0])
def test_how_busy_a_histogram_is_changes_nothing(gate, busy):
    """The rank is a share of all observations, however many there are."""
    for shares, outcome in ((INSIDE, Outcome.PASS), (BEYOND, Outcome.INCONCLUSIVE)):
        data = histogram({bound: share * busy for bound, share in shares.items()})
        assert judged(gate, data, P95, "expect: '<= 1 s'").outcome is outcome
