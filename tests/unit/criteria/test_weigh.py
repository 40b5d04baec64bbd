"""How one number stands against what is allowed: the last bits of floats, and changes for the better."""

from __future__ import annotations

import dataclasses

import pytest
from gates import HEAD, UP, Guess, MemoryGate, one, series
from verdicts_page import table

from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.criteria.weigh import Precision, Proof, Reference, find_level, weigh
from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.model.answers import Answers, RegionFacts
from pytest_telemetry_gate.model.check import ALL_REGIONS
from pytest_telemetry_gate.model.terms import Levels, Terms
from pytest_telemetry_gate.model.verdict import Level, Outcome
from pytest_telemetry_gate.support.units import Limit

NOISY = 1 - 95 / 100  # 0.050000000000000044
JUST = 1 + 1e-6  # far more than noise, and far less than anybody would see


@pytest.fixture
def gate(tmp_path):
    return MemoryGate(tmp_path)


def judged(gate, value, keys):
    gate.data = [UP, series("cpu", value)]
    return gate.verdict(f"- {{id: x, query: cpu, {keys}}}")


@pytest.mark.parametrize(
    ("value", "limit", "inside"),
    [
        (NOISY, "<= 0.05", True),
        (NOISY, "< 0.05", False),
        (NOISY, "== 0.05", True),
        (NOISY, "!= 0.05", False),
        (NOISY, "0.01 .. 0.05", True),
        (0.1 * 3, "<= 0.3", True),
        (0.3 - 1e-17, "> 0.3", False),
        (1 - 0.1 - 0.9, ">= 0", True),
        (0.7 + 0.1, ">= 0.8", True),
        (0.7 + 0.1, "0.8 .. 1", True),
        (100 - 100 * 0.99999, "<= 0.001", True),
        (0.05 * JUST, "<= 0.05", False),
        (0.05 / JUST, ">= 0.05", False),
        (0.05 * JUST, "== 0.05", False),
        (0.05 * JUST, "0.01 .. 0.05", False),
        (0.05 / JUST, "< 0.05", True),
        (1e-9, "<= 0", False),
        # Counts are exact, however large.
        (1_000_000_001.0, "<= 1000000000", False),
        (1_000_000_001.0, "== 1000000000", False),
    ],
)
def test_the_last_bits_do_not_decide_and_nothing_more_is_forgiven(value, limit, inside):
    read = Limit.parse(limit)
    assert read.holds(value) is inside
    margin = read.margin(value)
    if margin is not None:
        assert margin >= 0 if inside else margin <= 0


@pytest.mark.parametrize("expect", ["<= 5%", "<= 0.05"])
def test_equal_limits_decide_equally_and_read_as_they_are(gate, expect):
    verdict = judged(gate, NOISY, f"unit: ratio, expect: '{expect}'")
    assert (verdict.outcome, verdict.margin) == (Outcome.PASS, 0.0)
    assert "000" not in verdict.reason
    assert judged(gate, 0.05001, f"unit: ratio, expect: '{expect}'").outcome is Outcome.FAIL


def test_tolerance_floor_and_level_forgive_the_last_bits_alone(gate):
    at = judged(gate, 1.1 * 1.05, "tolerance: 5%, baseline: 1.1")
    assert (at.outcome, at.level, at.margin) == (Outcome.WARN, Level.WARN, 0.0)
    assert judged(gate, 1.1 * 1.05 * JUST, "tolerance: 5%, baseline: 1.1").outcome is Outcome.FAIL
    assert judged(gate, 0.1 * 3, "tolerance: 5%, baseline: 0, floor: 0.3").outcome is Outcome.PASS
    assert judged(gate, 0.3 * JUST, "tolerance: 5%, baseline: 0, floor: 0.3").outcome is Outcome.FAIL
    assert judged(gate, 1.1 * 1.04, "tolerance: 5%, baseline: 1.1").level is Level.WARN
    assert judged(gate, 1.1 * 1.04 / JUST, "tolerance: 5%, baseline: 1.1").level is Level.INFO


@pytest.mark.parametrize(
    ("value", "better", "outcome", "level"),
    [
        (70, "lower", Outcome.PASS, None),
        (130, "higher", Outcome.PASS, None),
        (106, "lower", Outcome.FAIL, Level.CRIT),
        (94, "higher", Outcome.FAIL, Level.CRIT),
        (104.5, "lower", Outcome.WARN, Level.WARN),
        (95.5, "higher", Outcome.WARN, Level.WARN),
        (95.5, "lower", Outcome.PASS, None),
    ],
)
def test_only_a_change_for_the_worse_is_held_against_tolerance_and_levels(
    gate, value, better, outcome, level
):
    verdict = judged(gate, value, f"tolerance: 5%, baseline: 100, better: {better}")
    assert (verdict.outcome, verdict.level, verdict.better) == (outcome, level, better)
    assert verdict.variance == pytest.approx(value - 100)
    assert (verdict.margin >= 0) == (outcome is not Outcome.FAIL)
    assert verdict.limit == f"within {'+' if better == 'lower' else '-'}5 %"
    assert ("for the better" in verdict.reason) == (level is None)
    assert f"{value - 100:+.1f} %" in verdict.reason


def test_without_a_direction_either_is_outside(gate):
    for value in (70, 130):
        verdict = judged(gate, value, "tolerance: 5%, baseline: 100")
        assert (verdict.outcome, verdict.limit) == (Outcome.FAIL, "within ±5 %")


def test_a_limit_is_kept_whatever_is_better(gate):
    verdict = judged(gate, 70, "tolerance: 5%, baseline: 100, better: lower, expect: '>= 80'")
    assert verdict.outcome is Outcome.FAIL


def test_the_floor_has_the_direction_too(gate):
    keys = "tolerance: 5%, baseline: 0, floor: 1"
    assert judged(gate, -9, f"{keys}, better: lower").outcome is Outcome.PASS
    assert judged(gate, 9, f"{keys}, better: lower").outcome is Outcome.FAIL
    assert judged(gate, 9, f"{keys}, better: higher").outcome is Outcome.PASS
    assert judged(gate, -9, keys).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("reference", "outcome"),
    [
        (None, Outcome.INCONCLUSIVE),
        (Reference("before"), Outcome.INCONCLUSIVE),
        (Reference("before", problem="gone"), Outcome.INCONCLUSIVE),
        (Reference("before", 100.0, problem="gone"), Outcome.INCONCLUSIVE),
        (Reference("before", 100.0, problem="broken", error=True), Outcome.ERROR),
        (Reference("before", 100.0), Outcome.PASS),
    ],
)
def test_a_tolerance_needs_a_baseline_without_a_problem(gate, reference, outcome):
    (check,) = gate.checks("- {id: x, query: cpu, tolerance: 5%, baseline: 100}")
    assert weigh(check.criterion, None, 100.0, reference)[1].outcome is outcome
    # A broken limit needs none.
    (check,) = gate.checks("- {id: x, query: cpu, expect: '< 100', tolerance: 5%, baseline: 100}")
    assert weigh(check.criterion, None, 100.0, reference)[1].outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("keys", "value", "baseline", "left"),
    [
        ("expect: '<= 200', tolerance: 5%, baseline: 1", 104, 100.0, 1.0),
        ("expect: '<= 104.5', tolerance: 5%, baseline: 1", 104, 100.0, 0.5),
        ("tolerance: 5%, baseline: 0, floor: 3", 1, 0.0, 2.0),
        ("expect: '<= 200', tolerance: 5%, baseline: 0, floor: 3", -1, 0.0, 2.0),
        ("tolerance: 5%, baseline: 0, floor: 3, better: lower", -1, 0.0, 4.0),
        ("expect: '<= 200'", 50, None, 150.0),
    ],
)
def test_the_room_that_is_left_is_the_smallest(gate, keys, value, baseline, left):
    (check,) = gate.checks(f"- {{id: x, query: cpu, {keys}}}")
    _, decision = weigh(check.criterion, None, value, Reference("before", baseline))
    assert (decision.outcome, decision.room) == (Outcome.PASS, pytest.approx(left))


def test_a_level_at_nothing_is_reached_by_any_change_but_one_for_the_better():
    levels = Levels(info=0.0)
    assert [find_level(levels, worse) for worse in (0.0, 1.0, -1.0)] == [Level.INFO, Level.INFO, None]
    assert find_level(None, 50.0) is None


def test_a_change_that_misses_the_tolerance_by_little_does_not_read_like_it(gate):
    verdict = judged(gate, 105.001, "tolerance: 5%, baseline: 100")
    assert verdict.outcome is Outcome.FAIL
    assert "is +5.001 % against 100" in verdict.reason
    assert "+5.0 % against 100" in judged(gate, 105, "tolerance: 5%, baseline: 100").reason


@pytest.mark.parametrize("order", [(0.5, 9.0), (9.0, 0.5)])
def test_the_worst_and_the_best_of_several_series_do_not_depend_on_their_order(gate, order):
    """By the floor where the baseline is zero, and by the direction where one is told."""
    gate.data = [UP, *(series("cpu", value, instance=f"{value}:1") for value in order)]

    def value(keys):
        return gate.verdict(f"- {{id: x, query: cpu, {keys}}}").value

    assert value("tolerance: 5%, baseline: 0, floor: 1, reduce: all") == 9.0
    assert value("tolerance: 5%, baseline: 0, floor: 1, reduce: any") == 0.5
    assert value("tolerance: 5%, baseline: 10, better: higher, reduce: all") == 0.5
    assert value("tolerance: 5%, baseline: 10, better: lower, reduce: all") == 9.0


def test_a_warning_counts_before_the_room_that_is_left(gate):
    gate.data = [UP, series("cpu", 104.5), series("cpu", 99.9, instance="b:1")]
    verdict = gate.verdict(
        "- {id: x, query: cpu, expect: '>= 99.8', tolerance: 5%, baseline: 100, reduce: all}"
    )
    assert (verdict.value, verdict.outcome) == (104.5, Outcome.WARN)


@pytest.mark.parametrize(
    "criteria",
    [
        "- {id: a, trend: {of: b, better: lower}}\n    - {id: b, trend: {of: a, better: lower}}",
        "- {id: a, ratio: {of: [G]}, expect: '>= 0%'}\n    - {id: b, query: cpu, expect: '< 1'}",
        "- {id: a, trend: {of: b, better: lower}}\n    - {id: b, ratio: {of: [G]}, expect: '>= 0%'}",
    ],
)
def test_what_follows_from_itself_is_refused_at_its_line(gate, criteria):
    with pytest.raises(SuiteError, match=r"^small.gate.yaml:\d+: criterion 'a': "):
        gate.checks(f"groups:\n  G:\n    {criteria}\n")


def test_a_circle_is_named(gate):
    text = "groups:\n  G:\n    - {id: a, trend: {of: b, better: lower}}\n    - {id: b, spread: {of: a}, expect: '< 1'}\n"
    with pytest.raises(SuiteError, match="follows from itself: a -> b -> a"):
        gate.checks(text)


def test_a_trend_goes_the_way_that_is_better_for_what_it_follows(gate):
    gate.now += 86400
    gate.data = [UP, series("cpu", lambda times: 100 + (times - times[0]) / 1000)]
    text = """groups:
  G:
    - {id: cpu, query: cpu, tolerance: 50%, baseline: 100, better: BETTER, coverage: 1%}
    - {id: heading, trend: {of: cpu}}
"""
    head = HEAD.replace("[2h]", "[30m, 45m, 60m, 75m]")
    for better, outcome in (("lower", Outcome.FAIL), ("higher", Outcome.PASS)):
        verdict = one(gate.verdicts(text.replace("BETTER", better), head), "heading")
        assert verdict.outcome is outcome, verdict.reason
    with pytest.raises(SuiteError, match="needs `better` or a `forecast`"):
        gate.checks(text.replace("better: BETTER, ", ""), head)


class Varying(Guess):
    """It has a variance, and the outcome that the suite names."""

    def judge(self, check, answers):
        return check.dossier(self.guess, "half of it was seen", value=1.0, variance=1.0)


@pytest.mark.parametrize("key", ["trend: {of: seen, better: lower}", "spread: {of: seen}, expect: '<= 5 pp'"])
def test_a_waiver_does_not_make_an_undecided_variance_known(gate, key):
    gate.data, gate.criteria = [UP], [Varying]
    suite = f"""waivers: [{{criterion: seen, owner: me, reason: broken, until: 2099-01-01}}]
groups:
  Telemetry:
    - {{id: seen, guess: OUTCOME}}
  Rollout:
    - {{id: followed, {key}}}
"""
    for outcome, followed in ((Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE), (Outcome.FAIL, Outcome.PASS)):
        checks = gate.checks(suite.replace("OUTCOME", outcome), HEAD.replace("[2h]", "[1h, 2h, 3h]"))
        check = [check for check in checks if check.criterion.id == "followed"][-1]
        check = dataclasses.replace(check, region=ALL_REGIONS, everywhere=("eu", "us"))
        facts = {region: RegionFacts(gate.intervals) for region in check.everywhere}
        assert judge(check, Answers(gate.now, {}, facts)).outcome is followed


@pytest.mark.parametrize("row", table("variance"), ids=lambda row: "-".join(row.values()))
def test_a_confidence_holds_the_interval_against_the_tolerance(row):
    """The page's table, and its mirror image: a change the other way with the other way for the better."""
    variance, half = float(row["variance"].rstrip(" %")), row["±"].rstrip(" %")
    precision = Precision(float(half) if half else None, "" if half else "too short, needs 8m")
    proof = Proof(0.95, row["last checkpoint"] == "yes")
    mirrored = {"lower": "higher", "higher": "lower"}
    for change, better in ((variance, row["better"]), (-variance, mirrored.get(row["better"], ""))):
        terms = Terms(id="a", tolerance="5%", better=better or None)
        measured, decision = weigh(
            terms, None, 100 + change, Reference("b", 100.0), precision=precision, proof=proof
        )
        assert decision.outcome == row["verdict"], decision.reason
        assert measured.variance_half == precision.half
        assert ("confidence" in decision.reason) == (row["verdict"] in {"warn", "inconclusive"})
