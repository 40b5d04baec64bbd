"""The shape of a histogram against its baseline's: what moved, what is chance, and what nobody can tell."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from gates import START, MemoryGate, grid, series

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.model.questions import Range
from pytest_telemetry_gate.model.verdict import Outcome

TIMES = grid(START - 86400, START + 3 * 3600)
UP = series("up", 1, TIMES)
SHARES = {"50": 0.1, "100": 0.4, "200": 0.3, "400": 0.15, "+Inf": 0.05}
BUCKETS = "buckets: 'took_bucket{job=\"parser\"}'"
TERMS = "window: 1h, baseline: {offset: 6h, window: 4h}"


@pytest.fixture
def gate(tmp_path):
    return MemoryGate(tmp_path)


def took(now=SHARES, before=SHARES, *, rate=2.0, le=None):
    """A histogram whose events are spread over buckets in one way before the rollout, and in another since."""
    found, low, high = [], 0.0, 0.0
    for bound in SHARES:
        low, high = low + before.get(bound, 0.0), high + now.get(bound, 0.0)
        kept = TIMES if le is None or bound in le else TIMES[TIMES < START]

        def value(at, low=low, high=high):
            return np.floor(rate * (np.minimum(at, START) * low + np.maximum(at - START, 0) * high))

        found.append(series("took_bucket", value, kept, le=bound))
    return found


def judged(gate, measure, limits, data, terms=TERMS):
    gate.data = [UP, *data]
    of = f"distribution: {{{BUCKETS}, measure: {measure}}}"
    return gate.dossier(f"- {{id: shape, {of}, {limits}, {terms}}}")


SLOWER = {**SHARES, "100": 0.33, "200": 0.32, "400": 0.2}


def test_what_moved_over_which_bound(gate):
    dossier = judged(gate, "distance", "expect: '<= 5%'", took(SLOWER))
    verdict = dossier.verdict
    assert (verdict.outcome, verdict.unit) == (Outcome.FAIL, "%")
    assert verdict.value == pytest.approx(7, abs=0.05)
    assert "7.0 % more of the events lie above 100" in verdict.reason
    assert "chance alone moves up to 1.8 % of 7,200 and 28,800 events" in verdict.reason
    assert "lie beyond the last bound 400, nobody knows how far" in verdict.reason
    assert verdict.baseline_digest


def test_no_change_is_told_as_such(gate):
    verdict = judged(gate, "distance", "expect: '<= 5%'", took()).verdict
    assert verdict.outcome is Outcome.PASS
    assert "so that it is not told apart from no change" in verdict.reason


def test_two_humps_of_the_same_mean_are_seen(gate):
    """Of 100 ms on the whole, before and after, by the middles of the buckets."""
    before = {"50": 0.1, "100": 0.6, "200": 0.3}
    humps = {"50": 0.35, "100": 0.225, "200": 0.425}
    assert judged(gate, "distance", "expect: '<= 5%'", took(humps, before)).outcome is Outcome.FAIL


@pytest.mark.parametrize(("now", "outcome"), [(SHARES, Outcome.INCONCLUSIVE), ({"400": 1.0}, Outcome.FAIL)])
def test_few_events_only_tell_what_is_far_more_than_chance(gate, now, outcome):
    verdict = judged(gate, "distance", "expect: '<= 5%'", took(now, rate=0.05)).verdict
    assert verdict.outcome is outcome
    assert ("not enough to tell <= 5 %" in verdict.reason) is (outcome is Outcome.INCONCLUSIVE)


def test_the_share_of_the_tail(gate):
    heavier = {**SHARES, "200": 0.27, "400": 0.18}
    failed = judged(gate, "tail, above: 200", "tolerance: 2%, better: lower", took(heavier)).verdict
    assert (failed.outcome, failed.variance_unit) == (Outcome.FAIL, "pp")
    assert (failed.value, failed.baseline) == (pytest.approx(23, abs=0.1), pytest.approx(20, abs=0.1))
    assert failed.variance_half == pytest.approx(1.1, abs=0.1)
    assert "of 7,200 events against 28,800" in failed.reason
    assert judged(gate, "tail, above: 200", "tolerance: 4%", took(heavier)).outcome is Outcome.PASS
    assert judged(gate, "tail, above: 200", "expect: '<= 22%'", took(heavier)).outcome is Outcome.FAIL


def test_a_tail_that_chance_could_move_so_far_is_undecided(gate):
    verdict = judged(gate, "tail, above: 200", "tolerance: 2%", took(rate=0.1)).verdict
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "not enough to tell" in verdict.reason


def test_a_bound_that_no_bucket_has_is_said_with_its_neighbours(gate):
    verdict = judged(gate, "tail, above: 250", "expect: '<= 22%'", took()).verdict
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "no bucket ends at 250: it lies between 200 and 400" in verdict.reason


@pytest.mark.parametrize("measure", ["iqr", "p10-p90"])
def test_between_quantiles(gate, measure):
    narrow = {"50": 0.1, "100": 0.45, "200": 0.37, "400": 0.08}
    wide = {"50": 0.2, "100": 0.3, "200": 0.25, "400": 0.25}
    limits = "unit: ms, tolerance: 10%, better: lower"
    failed = judged(gate, measure, limits, took(wide, narrow)).verdict
    assert (failed.outcome, failed.unit) == (Outcome.FAIL, "ms")
    assert failed.variance > 40
    assert failed.variance_half is not None
    assert judged(gate, measure, limits, took(narrow, narrow)).outcome is Outcome.PASS


def test_a_quantile_beyond_the_last_bucket_is_not_known(gate):
    full = {"50": 0.3, "100": 0.3, "200": 0.2, "+Inf": 0.2}
    verdict = judged(gate, "p10-p90", "unit: ms, tolerance: 10%", took(full)).verdict
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "the 90% quantile lies beyond the last bound 400: nobody knows how far" in verdict.reason


def test_other_buckets_than_in_the_baseline_are_not_compared(gate):
    verdict = judged(gate, "distance", "expect: '<= 5%'", took(le={"50", "100", "400", "+Inf"})).verdict
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "other buckets than now, 200 only then" in verdict.reason


def test_what_is_no_histogram_is_undecided(gate):
    plain = [series("took_bucket", lambda at: at, TIMES)]
    assert "no label `le`" in judged(gate, "distance", "expect: '<= 5%'", plain).verdict.reason
    open_ended = took()[:-1]
    assert 'none with le="+Inf"' in judged(gate, "distance", "expect: '<= 5%'", open_ended).verdict.reason
    still = took(rate=0.0)
    assert "0 events have no shape" in judged(gate, "distance", "expect: '<= 5%'", still).verdict.reason
    assert judged(gate, "distance", "expect: '<= 5%'", []).outcome is Outcome.INCONCLUSIVE


def test_several_weeks_are_one_baseline(gate):
    gate.data = [UP, *took()]
    terms = "window: 30m, baseline: {control: {job: parser}}"
    assert judged(gate, "distance", "expect: '<= 5%'", took(SLOWER), terms).verdict.value == pytest.approx(0)


@pytest.mark.parametrize(
    ("measure", "limits", "message"),
    [
        ("distance", "expect: '<= 5%', baseline: 3", "a number has no buckets"),
        ("tail, above: 5", "tolerance: 5%, baseline: {query: other}", "a number has no buckets"),
        ("distance", "tolerance: 5%, baseline: {offset: 7d}", "a distance is from the baseline already"),
        ("distance", "expect: '>= 5%', baseline: {offset: 7d}", "needs an upper limit"),
        ("tail", "expect: '<= 5%'", "`above` is the bound"),
        ("distance, above: 5", "expect: '<= 5%', baseline: {offset: 7d}", "`above` is the bound"),
        ("tail, above: 5", "expect: '<= 5%', unit: ratio", "is in % of the events"),
        ("iqr", "unit: ms, expect: '<= 5', reduce: max", "the buckets of all series are summed"),
        ("median", "expect: '<= 5'", "measure"),
    ],
)
def test_what_means_nothing_is_refused(gate, measure, limits, message):
    with pytest.raises(SuiteError, match=message):
        gate.checks(f"- {{id: x, window: 1h, distribution: {{{BUCKETS}, measure: {measure}}}, {limits}}}")


def test_a_metric_without_buckets_is_refused(gate):
    of = "distribution: {buckets: took_seconds, measure: distance}"
    with pytest.raises(SuiteError, match="whose name ends in _bucket"):
        gate.checks(f"- {{id: x, window: 1h, {of}, expect: '<= 5%', baseline: {{offset: 7d}}}}")


def test_with_confidence_a_tail_must_be_proven(gate):
    heavier = {**SHARES, "200": 0.27, "400": 0.18}
    limits = "tolerance: 3.5%, confidence: 95%"
    verdict = judged(gate, "tail, above: 200", limits, took(heavier)).verdict
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "+3.0 ± 1.1 pp" in verdict.reason
    assert judged(gate, "tail, above: 200", limits.replace("3.5", "5"), took(heavier)).outcome is Outcome.PASS


def wandering(*, independent=False):
    """A histogram of which the share of slow events rises and falls over two minutes, or from one scrape to the next."""
    random = np.random.default_rng(5)
    count = len(TIMES) if independent else len(TIMES) // 8
    slow = np.clip(random.normal(0.3, 0.15, count), 0.02, 0.9)
    slow = slow if independent else np.repeat(slow, 8)
    events = np.full(len(TIMES), 30.0)
    rise = {"100": np.floor(events * (1 - slow)), "+Inf": events}
    return [
        series("took_bucket", lambda _, each=each: np.cumsum(each), TIMES, le=le) for le, each in rise.items()
    ]


def test_events_that_are_slow_together_make_chance_larger(gate):
    """Nothing changed at the start of the rollout: what moved is what moves by itself all the time."""
    terms = "window: 1h, baseline: {offset: 6h}"
    verdict = judged(gate, "distance", "expect: '<= 5%'", wandering(), terms).verdict
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "not enough to tell <= 5 %: chance alone moves up to " in verdict.reason
    steady = judged(gate, "distance", "expect: '<= 5%'", wandering(independent=True), terms).verdict
    assert steady.outcome is Outcome.PASS
    tail = judged(gate, "tail, above: 100", "tolerance: 5%", wandering(), terms)
    assert tail.outcome is Outcome.INCONCLUSIVE
    assert "chance alone changes it by" in tail.verdict.reason
    known = judged(gate, "tail, above: 100", "tolerance: 5%", wandering(independent=True), terms)
    assert known.facts["interval"].windows == 24
    assert known.verdict.variance_basis == "sampling error only"


@pytest.mark.parametrize("change", [{"value": None, "error": "503"}, {"partial": True, "warnings": ("503",)}])
def test_parts_that_could_not_be_asked_are_not_replaced_by_counting(gate, change):
    """Events that hang together would look as sure as independent ones."""
    gate.data = [UP, *took()]
    ask = f"- {{id: shape, distribution: {{{BUCKETS}, measure: tail, above: 200}}, tolerance: 5%, {TERMS}}}"
    (check,) = gate.checks(ask)
    answers = gate.answers(check)
    assert check.criterion.judge(check, answers).outcome is Outcome.PASS
    failing = {
        question: dataclasses.replace(answer, **change) if isinstance(question, Range) else answer
        for question, answer in answers.answers.items()
    }
    verdict = check.criterion.judge(check, dataclasses.replace(answers, answers=failing)).verdict
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "no interval: " in verdict.reason
    assert "503" in verdict.reason
