"""Criteria that follow from others: a member that is undecided may neither open the gate nor close it."""

from __future__ import annotations

import dataclasses

import pytest
from gates import HEAD, UP, Guess, MemoryGate, one, series

from pytest_telemetry_gate.criteria.derived import DerivedCriterion
from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.model.answers import Answers, RegionFacts
from pytest_telemetry_gate.model.check import ALL_REGIONS
from pytest_telemetry_gate.model.verdict import Outcome

SHARE = """groups:
  Parser:
    - {id: good, query: good, expect: '< 75'}
    - {id: bad, query: bad, expect: '< 75'}
    - {id: other, query: other, expect: '< 75'}
    - {id: third, query: third, expect: '< 75'}
  Rollout:
    - {id: share, ratio: RATIO, expect: 'LIMIT'}
"""


@pytest.fixture
def gate(tmp_path):
    return MemoryGate(tmp_path)


def share(gate, ratio, limit, **values):
    """Judge the ratio over four checks; one without a value is inconclusive."""
    gate.data = [UP, *(series(name, value) for name, value in values.items())]
    return one(gate.verdicts(SHARE.replace("RATIO", ratio).replace("LIMIT", limit)), "share")


PASSED, FAILED = "{of: [Parser]}", "{of: [Parser], verdict: [fail]}"


@pytest.mark.parametrize(
    ("ratio", "limit", "values", "outcome"),
    [
        (FAILED, "== 0%", {}, Outcome.INCONCLUSIVE),
        (FAILED, "== 0%", {"good": 1, "other": 1, "third": 1}, Outcome.INCONCLUSIVE),
        (FAILED, "<= 25%", {"good": 1, "other": 1, "third": 1}, Outcome.PASS),
        (FAILED, "== 0%", {"bad": 80}, Outcome.FAIL),
        (PASSED, "== 100%", {"good": 1, "other": 1, "third": 1}, Outcome.INCONCLUSIVE),
        (PASSED, "== 100%", {"good": 1, "bad": 80}, Outcome.FAIL),
        (PASSED, ">= 50%", {"good": 1, "other": 1, "bad": 80}, Outcome.PASS),
        (PASSED, ">= 0%", {}, Outcome.INCONCLUSIVE),
        # All or none of the two open ones would break these limits alike; one of them would not.
        (PASSED, "== 50%", {"good": 1, "bad": 80}, Outcome.INCONCLUSIVE),
        (PASSED, "40% .. 60%", {"good": 1, "bad": 80}, Outcome.INCONCLUSIVE),
    ],
)
def test_an_undecided_member_decides_no_ratio(gate, ratio, limit, values, outcome):
    verdict = share(gate, ratio, limit, **values)
    assert verdict.outcome is outcome, verdict.reason
    if outcome is Outcome.INCONCLUSIVE:
        undecided = next(name for name in ("good", "bad", "other", "third") if name not in values)
        assert f"; {undecided}: no data: {undecided} has no value" in verdict.reason


def test_a_member_with_an_error_makes_an_open_ratio_an_error(gate):
    gate.data = [UP, series("good", 1), series("other", 1), series("third", 1)]
    suite = SHARE.replace("query: bad", "query: 'good * on(job) two'").replace("RATIO", PASSED)
    gate.data += [series("two", 1), series("two", 1, instance="b:1")]
    assert one(gate.verdicts(suite.replace("LIMIT", "== 100%")), "share").outcome is Outcome.ERROR
    assert one(gate.verdicts(suite.replace("LIMIT", ">= 75%")), "share").outcome is Outcome.PASS


def test_an_outcome_that_is_wanted_is_not_open(gate):
    ratio = "{of: [Parser], verdict: [inconclusive]}"
    assert share(gate, ratio, "<= 25%", good=1, other=1, third=1).outcome is Outcome.PASS
    assert share(gate, ratio, "== 0%", good=1, other=1, third=1).outcome is Outcome.FAIL


def test_the_finding_of_an_open_ratio_is_its_member(gate):
    gate.data = [UP, series("good", 1), series("other", 1), series("third", 1)]
    text = SHARE.replace("RATIO", PASSED).replace("LIMIT", "== 100%")
    dossier = next(each for each in gate.dossiers(text) if each.verdict.criterion == "share")
    assert [(finding.id, finding.level, finding.where) for finding in dossier.findings] == [
        ("members.undecided", Outcome.INCONCLUSIVE, "bad")
    ]


class Varying(Guess):
    """It has a variance, and the outcome that the suite names."""

    def judge(self, check, answers):
        return check.dossier(self.guess, "half of it was seen", value=1.0, variance=1.0)


def follow(gate, outcome, key):
    """Judge a trend or a spread of a criterion with this outcome, in two regions."""
    gate.data, gate.criteria = [UP], [Varying]
    suite = f"""groups:
  Telemetry:
    - {{id: seen, guess: {outcome}}}
  Rollout:
    - {{id: followed, {key}}}
"""
    checks = gate.checks(suite, HEAD.replace("[2h]", "[1h, 2h, 3h]"))
    check = [check for check in checks if check.criterion.id == "followed"][-1]
    check = dataclasses.replace(check, region=ALL_REGIONS, everywhere=("eu", "us"))
    facts = {region: RegionFacts(gate.intervals) for region in check.everywhere}
    return judge(check, Answers(gate.now, {}, facts)).verdict


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("trend: {of: seen, better: lower}", "at 1h"),
        ("spread: {of: seen}, expect: '<= 5 pp'", "in region eu"),
    ],
)
def test_an_undecided_variance_makes_no_trend_and_no_spread(gate, key, place):
    assert follow(gate, Outcome.PASS, key).outcome is Outcome.PASS
    assert follow(gate, Outcome.FAIL, key).outcome is Outcome.PASS
    for undecided in (Outcome.INCONCLUSIVE, Outcome.ERROR):
        verdict = follow(gate, undecided, key)
        assert (verdict.outcome, verdict.reason) == (
            undecided,
            f"seen {place} is {undecided}: half of it was seen",
        )


def test_a_derived_kind_says_what_its_members_are(gate):
    (check,) = gate.checks("- {id: cpu, query: cpu, expect: '< 75'}")
    with pytest.raises(TypeError):
        DerivedCriterion(id="mine").members(check)


def test_a_ratio_beside_other_criteria_in_a_group_is_refused_as_well(tmp_path):
    criteria = """groups:
  A:
    - {id: a, query: cpu, expect: '< 75'}
    - {id: inner, ratio: {of: [B], verdict: [pass]}, expect: '== 100%'}
  B:
    - {id: b, query: cpu, expect: '< 75'}
  C:
    - {id: outer, ratio: {of: [A], verdict: [pass]}, expect: '== 100%'}
"""
    with pytest.raises(SuiteError, match="a ratio of ratios has no fixed denominator"):
        MemoryGate(tmp_path).checks(criteria)
