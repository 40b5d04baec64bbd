"""How far a variance may be off, and what `confidence:` makes of it: nothing is proven by a number alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from gates import HEAD as LEVELS
from gates import START, UP, MemoryGate, grid, series

from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.evidence import Evidence
from pytest_telemetry_gate.criteria.intervals import read_parts
from pytest_telemetry_gate.criteria.threshold import Threshold
from pytest_telemetry_gate.criteria.weigh import Precision, Proof, Reference, weigh
from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.model.answers import Answer
from pytest_telemetry_gate.model.facts import IntervalFacts
from pytest_telemetry_gate.model.questions import Range
from pytest_telemetry_gate.model.verdict import Outcome

LAG = "- {id: lag, query: 'avg_over_time(lag[$__window])', window: 1h, tolerance: 5%, baseline: 100"
HEAD = LEVELS.replace("levels: {info: 3%, warn: 4%, crit: 6%}\n", "")
THREE = HEAD.replace("[2h]", "[1h, 2h, 3h]")
ALL = {"start": START - 8 * 86400, "end": START + 3 * 3600}


def noise(deviation: float, mean: float = 100.0, seed: int = 7, name: str = "lag", **labels: str):
    """Return a gauge with independent noise, and the same mean in every hour."""
    times = grid(START - 3600)
    values = np.random.default_rng(seed).normal(0, deviation, len(times))
    hours = values[: len(times) // 240 * 240].reshape(-1, 240)
    flat = (hours - hours.mean(axis=1, keepdims=True)).ravel()
    return series(name, lambda at: mean + np.resize(flat, len(at)), times, **labels)


@pytest.fixture
def gate(tmp_path):
    return MemoryGate(tmp_path, data=[UP, noise(10.0)])


def test_a_variance_says_how_far_it_may_be_off(gate):
    dossier = gate.dossier(LAG + "}", HEAD)
    verdict = dossier.verdict
    assert verdict.variance == pytest.approx(0, abs=0.7)
    # 240 samples with a deviation of 10 %: 2.07 standard errors of 10 / sqrt(240), as far as 24 parts can tell
    assert verdict.variance_half == pytest.approx(2.07 * 10 / 240**0.5, rel=0.45)
    assert verdict.variance_basis == "sampling error only"
    assert f"± {verdict.variance_half:.1f} %" in verdict.reason
    facts = dossier.facts["interval"]
    assert isinstance(facts, IntervalFacts)
    assert (facts.windows, facts.length, facts.confidence, facts.history) == (24, 150.0, 0.95, None)


@pytest.mark.parametrize(
    ("mean", "confidence", "outcome", "says"),
    [
        (101, "", Outcome.PASS, "within ±5 %"),
        (101, ", confidence: 95%", Outcome.PASS, "within ±5 %"),
        (104.6, "", Outcome.PASS, "within ±5 %"),
        (104.6, ", confidence: 95%", Outcome.INCONCLUSIVE, "proven with 95 % confidence neither within nor outside ±5 %"),
        (105.6, "", Outcome.FAIL, "outside ±5 %"),
        (105.6, ", confidence: 95%", Outcome.INCONCLUSIVE, "neither within nor outside"),
        (94.6, ", confidence: 95%", Outcome.INCONCLUSIVE, "neither within nor outside"),
        (108, ", confidence: 95%", Outcome.FAIL, "outside ±5 %"),
        (92, ", confidence: 95%", Outcome.FAIL, "outside ±5 %"),
        (92, ", confidence: 95%, better: lower", Outcome.PASS, "for the better"),
        (104.6, ", confidence: 95%, expect: '< 104'", Outcome.FAIL, "outside the limit"),
        (104.6, ", confidence: none", Outcome.PASS, "within ±5 %"),
    ],
)  # fmt: skip
def test_pass_and_fail_are_proven(gate, mean, confidence, outcome, says):
    gate.data = [UP, noise(10.0, mean)]
    head = HEAD + "confidence: 95%\n" if "none" in confidence else HEAD
    verdict = gate.verdict(LAG + confidence + "}", head)
    assert verdict.outcome is outcome, verdict.reason
    assert says in verdict.reason


@pytest.mark.parametrize(
    ("variance", "half", "outcome"),
    [
        (3.9, 1.0, Outcome.PASS),
        (6.1, 1.0, Outcome.FAIL),
        (9.9, 5.0, Outcome.INCONCLUSIVE),
        (10.1, 5.0, Outcome.FAIL),
        (0.0, 7.5, Outcome.INCONCLUSIVE),
        (
            16.2,
            7.5,
            Outcome.INCONCLUSIVE,
        ),  # 1.5 times as wide as the tolerance: outside by 1.5 times its half
        (16.3, 7.5, Outcome.FAIL),
        (84.9, 40.0, Outcome.INCONCLUSIVE),  # twice at most
        (85.1, 40.0, Outcome.FAIL),
        (-85.1, 40.0, Outcome.FAIL),
    ],
)
def test_an_interval_wider_than_the_tolerance_asks_for_more_proof(variance, half, outcome):
    terms = Threshold.model_validate({"id": "x", "query": "x", "tolerance": "5%"})
    _, decision = weigh(
        terms,
        None,
        100 + variance,
        Reference("before", 100.0),
        precision=Precision(half),
        proof=Proof(0.95, is_last=True),
    )
    assert decision.outcome is outcome, decision.reason


def test_what_is_not_proven_is_a_warning_until_the_last_checkpoint(gate):
    gate.data = [UP, noise(10.0, 104.6)]
    verdicts = gate.verdicts(LAG + ", confidence: 95%}", THREE)
    assert [one.outcome for one in verdicts] == [Outcome.WARN, Outcome.WARN, Outcome.INCONCLUSIVE]
    at_two = gate.verdicts(LAG + ", confidence: 95%, checkpoints: [1h, 2h]}", THREE)
    assert [one.outcome for one in at_two] == [Outcome.WARN, Outcome.INCONCLUSIVE]


@pytest.mark.parametrize(
    ("mean", "outcomes"),
    [
        (100, [Outcome.WARN, Outcome.WARN, Outcome.INCONCLUSIVE]),
        (110, [Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE]),
    ],
)
def test_without_an_interval_nothing_is_proven(gate, mean, outcomes):
    gate.data = [UP, noise(10.0, mean)]
    short = LAG.replace("1h", "5m") + ", confidence: 95%}"
    verdicts = gate.verdicts(short, THREE)
    assert [one.outcome for one in verdicts] == outcomes
    assert all("too short, needs 8m" in one.reason for one in verdicts)
    assert all(one.variance_half is None for one in verdicts)
    plain = gate.verdict(LAG.replace("1h", "5m") + "}", HEAD)
    assert plain.variance_basis == "too short, needs 8m"


def test_a_gap_leaves_parts_without_a_value_and_no_interval(gate):
    labels, times, values = noise(1.0)
    kept = (times < START + 4000) | (times > START + 5200)
    gate.data = [UP, (labels, times[kept], values[kept])]
    verdict = gate.verdict(LAG + ", coverage: 10%, confidence: 95%}")
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "parts of the window have no value" in verdict.variance_basis


def test_a_constant_series_is_known_exactly(gate):
    gate.data = [UP, series("lag", 104.9)]
    verdict = gate.verdict(LAG + ", confidence: 95%}", HEAD)
    assert (verdict.outcome, verdict.variance_half) == (Outcome.PASS, pytest.approx(0))
    assert "+4.9 ± 0 %" in verdict.reason


def test_what_moves_both_windows_alike_is_no_error(gate):
    """A season is in both windows: compared part by part, it is no error of their ratio."""
    times = grid(**ALL)
    season = 100 * (1 + 0.2 * np.sin(2 * np.pi * times / 3600))
    wobble = np.random.default_rng(3).normal(0, 0.5, len(times))
    gate.data = [UP, series("lag", lambda at: season + wobble, times)]
    ask = LAG.replace("baseline: 100", "baseline: {offset: 7d}").replace("1h", "30m") + "}"
    against_a_number = gate.verdict(LAG.replace("1h", "30m") + "}", HEAD)
    paired = gate.verdict(ask)
    assert paired.variance_half is not None
    assert against_a_number.variance_half is not None
    assert paired.variance_half < against_a_number.variance_half / 20


def test_percentage_points_have_an_interval_in_points(gate):
    share = noise(0.01, 0.5)
    gate.data = [UP, share]
    verdict = gate.verdict(
        LAG.replace("baseline: 100", "baseline: 0.5, unit: ratio, expect: '>= 10%'") + "}", HEAD
    )
    assert verdict.variance_unit == "pp"
    assert verdict.variance_half == pytest.approx(2.07 * 1 / 240**0.5, rel=0.5)


@pytest.mark.parametrize("reduce", ["max", "min", "avg", "sum", "any", "all"])
def test_several_series_have_the_interval_of_what_is_made_of_them(gate, reduce):
    gate.data = [UP, noise(10.0, 100), noise(5.0, 200, seed=8, instance="b:1")]
    verdict = gate.verdict(LAG.replace("100", "150") + f", reduce: {reduce}}}", HEAD)
    expected = {"max": 5, "min": 10, "avg": 11.2 / 2, "sum": 11.2}.get(reduce)
    assert verdict.variance_half is not None
    if expected is not None:
        assert verdict.variance_half == pytest.approx(2.07 * expected / 240**0.5 / 1.5, rel=0.45)


def test_several_looks_at_a_growing_window_are_surer_each(gate):
    """Looked at three times, a window that grows would be outside by chance more often than once in twenty."""
    gate.data = [UP, noise(30.0)]
    grows = LAG.replace("lag[$__window]", "lag[$__range]").replace(", window: 1h", "")
    once = gate.verdict(grows + ", confidence: 95%}", HEAD.replace("[2h]", "[3h]"))
    early, _, last = gate.verdicts(grows + ", confidence: 95%}", THREE)
    assert last.variance_half is not None
    assert once.variance_half is not None
    assert early.variance_half is not None
    assert 1 < last.variance_half / once.variance_half < 1.1
    assert early.outcome is Outcome.WARN
    alone = gate.verdict(grows + ", confidence: 95%}", HEAD.replace("[2h]", "[1h]"))
    assert alone.variance_half is not None
    assert early.variance_half > 1.5 * alone.variance_half, "an early look may err the least"


@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        ("{id: a, query: lag, tolerance: 5%, baseline: 100, confidence: 95%}", "criterion 'a': the query has no $__window"),
        ("{id: a, query: lag, expect: '< 5', confidence: 95%}", "criterion 'a': `confidence` needs a `tolerance`"),
        ("{id: a, count: 'x_total', tolerance: 5%, baseline: 100, confidence: 95%}", "of kind `count` has no interval"),
        ("{id: a, query: 'sum_over_time(lag[$__window])', window: 1h, tolerance: 5%, baseline: 100, combine: sum, confidence: 95%}", "summed over regions"),
        ("{id: a, query: lag, tolerance: 5%, baseline: 100, confidence: 20%}", "must be from 50% to 99.99%"),
        ("{id: a, query: lag, tolerance: 5%, baseline: 100, confidence: 100%}", "must be from 50% to 99.99%"),
    ],
)  # fmt: skip
def test_what_can_never_be_proven_is_refused_when_it_is_written(gate, criterion, message):
    with pytest.raises(SuiteError) as error:
        gate.checks(f"- {criterion}")
    assert message in str(error.value)


def test_a_suite_s_confidence_is_that_of_its_tolerances_alone(gate):
    sure = HEAD + "confidence: 99%\n"
    checks = gate.checks(LAG + "}\n- {id: limit, query: lag, expect: '< 5'}", sure)
    assert [one.confidence for one in checks] == [0.99, None]
    assert [one.requirement().confidence for one in checks] == [0.99, None]


@pytest.mark.parametrize("deviation", [0.1, 20.0])
def test_a_baseline_of_another_length_brings_its_own_error(gate, deviation):
    """An hour against ten minutes: what is known least decides how well the variance is known."""
    gate.data = [UP, noise(1.0), noise(deviation, seed=9, name="old")]
    ask = LAG.replace("100", "{query: 'avg_over_time(old[$__window])', window: 20m}") + "}"
    verdict = gate.verdict(ask, HEAD)
    alone = 2.07 * (1 / 240 + (deviation**2 / 80)) ** 0.5
    assert verdict.variance_half == pytest.approx(alone, rel=0.5)


@pytest.mark.parametrize(
    ("measured", "window", "half"),
    [
        ("2025-01-22T21:59:00Z", "20m", 2.07 * (1 / 240 + 20**2 / 80) ** 0.5),
        ("2025-01-20T22:00:00Z", "20m", None),
        ("2025-01-20T22:00:00Z", "24h", 0.13),
    ],
)
def test_a_number_written_of_some_minutes_brings_its_own_error(gate, measured, window, half):
    """Where the source has forgotten those minutes nobody knows it; a number of a whole day is as good as exact."""
    labels, times, values = noise(1.0)
    rough = np.random.default_rng(3).normal(100, 20, len(times))
    gate.data = [UP, (labels, times, np.where(times < START, rough, values))]
    (gate.folder / "minutes.yaml").write_text(
        f"{{version: 1, name: minutes, measured: {measured}, window: {window}, values: {{lag: 100}}}}"
    )
    verdict = gate.verdict(LAG.replace("100", "{file: minutes.yaml}") + "}", HEAD)
    assert verdict.variance_half == (None if half is None else pytest.approx(half, rel=0.5)), verdict.reason


@pytest.mark.parametrize(
    ("placebos", "basis", "outcome"),
    [
        ((), "sampling error only", Outcome.PASS),
        ((1.0, -1.0), "sampling error only, 2 placebos of 8 needed", Outcome.PASS),
        ((2.0, -2.0) * 4, "history of 8 placebos", Outcome.INCONCLUSIVE),
        ((0.8, -0.8) * 4, "history of 8 placebos", Outcome.PASS),
        ((1e300,) * 8, "no interval: it is too wide for a number", Outcome.INCONCLUSIVE),
    ],
)
def test_what_it_did_by_itself_before_counts(gate, placebos, basis, outcome):
    """The noise within the window knows nothing of slow movement; only the past does."""
    gate.data = [UP, noise(1.0, 101)]
    (check,) = gate.checks(LAG + ", confidence: 95%}", HEAD)
    answers = gate.answers(check)
    parts = read_parts(check, check.criterion.query, answers)
    reference = Reference("history", 100.0, placebos=placebos)
    dossier = decide(check, (101.0,), Evidence(), reference, parts=parts)
    assert (dossier.outcome, dossier.verdict.variance_basis) == (outcome, basis)
    if "history" in basis:
        assert dossier.verdict.variance_half == pytest.approx(2.36 * abs(placebos[0]), rel=0.01)


@pytest.mark.parametrize(("window", "is_known"), [("1d", True), ("10m", False)])
@pytest.mark.parametrize("hours", [24, 36])
def test_a_season_is_no_error_against_a_written_day(gate, window, is_known, hours):
    """A day has every hour, and so has the day that the number was measured in: what differs is how each hour changed."""
    times = grid(START - 2 * 86400, START + 37 * 3600, 60.0)
    random = np.random.default_rng(5).normal(0, 1, len(times))
    busy = series("lag", lambda at: 100 + 25 * np.sin(2 * np.pi * at / 86400) + random[: len(at)], times)
    gate.data = [series("up", 1, times), busy]
    gate.intervals, gate.now = {"parser": 60.0}, START + 40 * 3600
    (gate.folder / "day.yaml").write_text(
        f"{{version: 1, name: day, measured: 2025-01-22T22:00:00Z, window: {window}, values: {{lag: 100}}}}"
    )
    ask = "- {id: lag, query: 'avg_over_time(lag[$__window])', window: 1d, tolerance: 5%, baseline: {file: day.yaml}}"
    verdict = gate.verdict(ask, HEAD.replace("[2h]", f"[{hours}h]"))
    assert verdict.variance_half is not None, verdict.reason
    assert (verdict.variance_half < 1) == is_known


@pytest.mark.parametrize(
    ("query", "unit"),
    [
        ("sum(rate(errors_total[$__window]))", 3600.0),
        ("increase(errors_total[$__window])", 1.0),
        ("60 * sum(rate(errors_total[$__window]))", 60.0),
        ("sum(increase(errors_total[$__window])) / 60", 60.0),
    ],
)
@pytest.mark.parametrize(("count", "outcome"), [(0, Outcome.INCONCLUSIVE), (400, Outcome.PASS)])
def test_a_count_is_known_no_better_than_its_events(gate, query, unit, count, outcome):
    """Four errors an hour before, none now: that is chance once in fifty hours, and no proof of anything."""
    steps = grid(START - 3600)
    gate.data = [UP, series("errors_total", lambda at: np.floor((at - at[0]) / 3600 * count), steps)]
    usual = max(count, 4) / unit
    verdict = gate.verdict(
        f"- {{id: errors, query: '{query}', window: 1h, unit: errors, tolerance: 30%, baseline: {usual}, confidence: 95%}}",
        HEAD,
    )
    assert verdict.outcome is outcome, verdict.reason
    assert verdict.variance_half is not None
    assert verdict.variance_half == pytest.approx(2.07 * 100 * max(count, 1) ** 0.5 / max(count, 4), rel=0.05)


@pytest.mark.parametrize(
    ("query", "usual"),
    [
        ("avg_over_time(lag[$__window])", 100),
        ("sum_over_time(lag[$__window])", 24_000),
        ("sum(sum_over_time(lag[$__window])) / 60", 400),
        ("sum_over_time(lag[$__window]) / count_over_time(lag[$__window])", 100),
    ],
)
def test_a_sum_over_the_window_is_as_uncertain_as_its_mean(gate, query, usual):
    """A part of a sum is a fraction of it, and so is its deviation: taken as it is, every change would be proven."""
    gate.data = [UP, noise(60.0, 104)]
    verdict = gate.verdict(
        LAG.replace("avg_over_time(lag[$__window])", query).replace("100", str(usual)) + "}"
    )
    assert verdict.variance_half == pytest.approx(2.07 * 60 / 240**0.5, rel=0.45), verdict.reason


@pytest.mark.parametrize(
    "query",
    [
        "max_over_time(lag[$__window])",
        "last_over_time(lag[$__window])",
        "avg_over_time(lag[5m] offset $__window)",
        "avg_over_time(lag[$__window]) / avg_over_time(lag[$__window] offset $__window)",
        "sum_over_time(lag[$__window]) + 5",
    ],
)
def test_parts_that_make_no_whole_tell_nothing(gate, query):
    """The largest of an hour is no mean of the largest of its minutes."""
    ask = LAG.replace("avg_over_time(lag[$__window])", query)
    verdict = gate.verdict(ask + "}")
    assert verdict.variance_half is None
    assert "neither a mean over its window nor the sum of its parts" in verdict.variance_basis
    with pytest.raises(SuiteError, match=r"criterion 'lag': query: .* neither a mean"):
        gate.checks(ask + ", confidence: 95%}")


@pytest.mark.parametrize(("reduce", "outcome"), [("all", Outcome.INCONCLUSIVE), ("any", Outcome.PASS)])
def test_of_several_series_the_one_that_proves_least_decides(gate, reduce, outcome):
    """One is sure at +2 %; another is nearer to its baseline, and may be anywhere."""
    gate.data = [UP, noise(1.0, 102), noise(60.0, 100, seed=8, instance="b:1")]
    verdict = gate.verdict(LAG + f", confidence: 95%, reduce: {reduce}}}", HEAD)
    assert verdict.outcome is outcome, verdict.reason


@pytest.mark.parametrize(("deviation", "outcome"), [(40.0, Outcome.INCONCLUSIVE), (1.0, Outcome.PASS)])
def test_a_change_from_zero_is_proven_to_be_within_the_floor(gate, deviation, outcome):
    gate.data = [UP, noise(deviation, 1.0)]
    ask = LAG.replace("100", "0, floor: 5")
    verdict = gate.verdict(ask + ", confidence: 95%}", HEAD)
    assert (verdict.outcome, verdict.variance_half) == (outcome, None), verdict.reason
    assert gate.verdict(ask + "}", HEAD).outcome is Outcome.PASS


@pytest.mark.parametrize("size", [1e308, 1e-300])
@pytest.mark.filterwarnings("error")
def test_numbers_too_large_to_square_prove_nothing(gate, size):
    gate.data = [UP, noise(size / 50, size * 1.01 if size < 1 else size / 2)]
    baseline = "1e-308" if size < 1 else "1e-5"
    verdict = gate.verdict(LAG.replace("100", baseline) + ", confidence: 95%}", HEAD)
    assert (verdict.outcome, verdict.variance_half) == (Outcome.INCONCLUSIVE, None), verdict.reason


def test_a_quantile_beyond_the_buckets_proves_nothing(gate):
    """It is above 0.5 s, and so was the baseline: with `better: higher` the number alone would do."""
    counts = {"0.1": 1.0, "0.5": 2.0, "+Inf": 90.0}
    buckets = [
        series("took_bucket", lambda at, n=n: (at - at[0]) * n, grid(START - 3600), le=le)
        for le, n in counts.items()
    ]
    gate.data = [UP, *buckets]
    ask = (
        "- {id: p95, query: 'histogram_quantile(0.95, sum by (le) (rate(took_bucket[$__window])))',"
        " window: 1h, tolerance: 5%, baseline: 0.5, better: higher"
    )
    assert gate.verdict(ask + "}", HEAD).outcome is Outcome.PASS
    assert gate.verdict(ask + ", confidence: 95%}", HEAD).outcome is Outcome.INCONCLUSIVE


def test_a_baseline_s_window_that_cannot_be_asked_is_not_exact(gate):
    """What is forgotten is one thing; a server that fails is another, and would make every change look proven."""
    gate.data = [UP, noise(1.0)]
    (gate.folder / "minutes.yaml").write_text(
        "{version: 1, name: minutes, measured: 2025-01-22T21:59:00Z, window: 20m, values: {lag: 100}}"
    )
    (check,) = gate.checks(LAG.replace("100", "{file: minutes.yaml}") + ", confidence: 95%}", HEAD)
    answers = gate.answers(check)
    *_, written = [one for one in check.questions() if isinstance(one, Range)]
    failing = {**answers.answers, written: Answer(None, error="503")}
    dossier = check.criterion.judge(check, dataclasses.replace(answers, answers=failing))
    assert dossier.outcome is Outcome.INCONCLUSIVE
    assert dossier.verdict.variance_basis == "no interval: baseline: 503"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"value": None, "error": "503"}, "no interval: 503"),
        ({"partial": True, "warnings": ("a store is gone",)}, "no interval: the answer may be partial: a store is gone"),
        ({}, "history of 8 placebos"),
    ],
)  # fmt: skip
def test_no_history_stands_for_parts_that_could_not_be_asked(gate, change, says):
    """Whether the window moves more than it used to is what they would tell."""
    gate.data = [UP, noise(1.0)]
    (gate.folder / "known.yaml").write_text(
        f"{{version: 1, name: known, values: {{lag: {{value: 100, placebos: {[0.5] * 8}}}}}}}"
    )
    (check,) = gate.checks(LAG.replace("100", "{file: known.yaml}") + ", confidence: 95%}", HEAD)
    answers = gate.answers(check)
    changed = {
        question: dataclasses.replace(answer, **change) if isinstance(question, Range) else answer
        for question, answer in answers.answers.items()
    }
    verdict = check.criterion.judge(check, dataclasses.replace(answers, answers=changed)).verdict
    assert verdict.variance_basis == says
    assert (verdict.outcome is Outcome.PASS) == (not change), verdict.reason


@pytest.mark.parametrize(
    ("query", "scale"),
    [
        ("sum(rate(bad_total[$__window])) / sum(rate(all_total[$__window]))", 1),
        ("100 * sum(increase(bad_total[$__window])) / sum(increase(all_total[$__window]))", 100),
    ],
)
@pytest.mark.parametrize(("bad", "total"), [(0, 30), (30, 30), (0, 30_000)])
def test_a_share_of_few_events_is_no_proof(gate, query, scale, bad, total):
    """No error in thirty events: the true share may well be one in ten."""
    steps = grid(START - 3600)
    gate.data = [
        UP,
        series("bad_total", lambda at: np.floor((at - at[0]) / 3600 * bad), steps),
        series("all_total", lambda at: np.floor((at - at[0]) / 3600 * total), steps),
    ]
    usual = (0.005 if not bad else 0.995) * scale
    unit = "ratio" if scale == 1 else "'%'"
    verdict = gate.verdict(
        f"- {{id: share, query: '{query}', window: 1h, unit: {unit}, tolerance: 3%, baseline: {usual}, confidence: 95%}}",
        HEAD,
    )
    assert verdict.outcome is (Outcome.INCONCLUSIVE if total == 30 else Outcome.PASS), verdict.reason
    assert verdict.variance_half == pytest.approx(2.07 * 100 / total, rel=0.1)
