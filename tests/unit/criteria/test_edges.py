"""Where a decision turns: bounds, exceptions and levels that a small fault in the code would move unnoticed.

Each was found by ``python -m benchmarks.mutate``.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from gates import HEAD, START, UP, Guess, MemoryGate, make_verdict, one, series

from pytest_telemetry_gate.criteria.combine import combine_regions
from pytest_telemetry_gate.criteria.derived import decide_share
from pytest_telemetry_gate.criteria.episodes import count_episodes, find_holes
from pytest_telemetry_gate.criteria.evidence import Evidence, Provenance
from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.model.answers import Answers, RegionFacts
from pytest_telemetry_gate.model.check import ALL_REGIONS
from pytest_telemetry_gate.model.events import Episode, Events
from pytest_telemetry_gate.model.facts import EventFacts
from pytest_telemetry_gate.model.verdict import Outcome

AT = START + 7200  # the checkpoint of HEAD


@pytest.fixture
def gate(tmp_path):
    return MemoryGate(tmp_path)


def problem(gate, criteria, head=HEAD):
    """Return why a suite is refused."""
    with pytest.raises(SuiteError) as caught:
        gate.checks(criteria, head)
    return str(caught.value)


class Moving(Guess):
    """It has the variance that the test names by region or checkpoint, None where it has none."""

    def judge(self, check, answers):
        variance = VARIANCES.get(check.region, VARIANCES.get(check.checkpoint.id))
        return check.dossier(self.guess, "as told", value=1.0, variance=variance)


VARIANCES: dict[str, float | None] = {}


def followed(gate, key, variances, head=HEAD, outcome="pass"):
    """Judge a criterion that follows another one with these variances, over the regions that they are of."""
    VARIANCES.clear()
    VARIANCES.update(variances)
    gate.data, gate.criteria = [UP], [Moving]
    suite = f"groups:\n  A:\n    - {{id: seen, guess: {outcome}}}\n  B:\n    - {{id: followed, {key}}}\n"
    check = [check for check in gate.checks(suite, head) if check.criterion.id == "followed"][-1]
    if key.startswith("spread"):
        check = dataclasses.replace(check, region=ALL_REGIONS, everywhere=tuple(variances))
    facts = {region: RegionFacts(gate.intervals) for region in check.everywhere}
    return judge(check, Answers(gate.now, {}, facts))


def undecided(dossier, name):
    """Tell that a dossier is inconclusive, and that its only finding says so."""
    (finding,) = dossier.findings
    assert (finding.id, finding.level) == (name, Outcome.INCONCLUSIVE)
    return dossier.outcome is Outcome.INCONCLUSIVE


# Ratios


RATIO = """groups:
  A:
    - {id: good, query: good, expect: '< 75'}
    - {id: MORE}
  B:
    - {id: share, ratio: {of: [A]}, expect: '== 100%'}
"""


def test_a_ratio_over_a_group_that_holds_one_among_others_is_refused(gate):
    more = RATIO.replace("{id: MORE}", "{id: inner, ratio: {of: [B]}, expect: '== 100%'}")
    assert "holds a ratio: a ratio of ratios has no fixed denominator" in problem(gate, more)


@pytest.mark.parametrize("rest", ["informational: true", "checkpoints: [1h]"])
def test_what_does_not_decide_and_what_is_judged_elsewhere_are_no_members_of_a_ratio(gate, rest):
    gate.data = [UP, series("good", 1), series("bad", 99)]
    suite = RATIO.replace("{id: MORE}", f"{{id: bad, query: bad, expect: '< 75', {rest}}}")
    verdicts = gate.verdicts(suite, HEAD.replace("[2h]", "[1h, 2h]"))
    late = [verdict for verdict in verdicts if verdict.checkpoint == "2h"]
    verdict = one(late, "share")
    assert (verdict.outcome, verdict.value) == (Outcome.PASS, 100.0)
    assert "1 of 1 checks" in verdict.reason


def test_a_ratio_without_members_is_inconclusive(gate):
    gate.data = [UP, series("good", 1)]
    suite = RATIO.replace("    - {id: MORE}\n", "").replace("'< 75'}", "'< 75', checkpoints: [1h]}")
    dossiers = gate.dossiers(suite, HEAD.replace("[2h]", "[1h, 2h]"))
    dossier = next(
        each for each in dossiers if (each.verdict.criterion, each.verdict.checkpoint) == ("share", "2h")
    )
    assert undecided(dossier, "members.none")


# Spreads


def test_a_spread_is_from_the_smallest_to_the_largest_variance(gate):
    spread = followed(gate, "spread: {of: seen}, expect: '<= 3 pp'", {"eu": 2.0, "us": -3.0, "ap": 1.0})
    assert (spread.verdict.value, spread.outcome) == (5.0, Outcome.FAIL)
    alike = followed(gate, "spread: {of: seen}, expect: '<= 3 pp'", {"eu": 2.0, "us": 2.0})
    assert (alike.verdict.value, alike.outcome) == (0.0, Outcome.PASS)


def test_one_region_has_no_spread(gate):
    assert undecided(
        followed(gate, "spread: {of: seen}, expect: '<= 3 pp'", {"eu": 2.0}), "spread.one_region"
    )


def test_a_region_without_a_variance_has_no_spread(gate):
    dossier = followed(gate, "spread: {of: seen}, expect: '<= 3 pp'", {"eu": 2.0, "us": None})
    assert undecided(dossier, "spread.no_variance")
    assert "no variance of seen in region us: as told" in dossier.verdict.reason


def test_the_variance_of_what_failed_counts_and_that_of_what_is_undecided_does_not(gate):
    regions = {"eu": 2.0, "us": 1.0}
    for outcome, expected in (
        ("fail", "pass"),
        ("warn", "pass"),
        ("inconclusive", "inconclusive"),
        ("error", "error"),
    ):
        dossier = followed(gate, "spread: {of: seen}, expect: '<= 3 pp'", regions, outcome=outcome)
        assert dossier.outcome == expected
        if expected != "pass":
            (finding,) = dossier.findings
            assert (finding.id, finding.level) == ("spread.undecided", expected)


# Trends


POINTS = HEAD.replace("[2h]", "[1h, 2h, 3h, 4h]")


def trend(gate, variances, more="better: lower", forecast="", head=POINTS):
    points = {f"{hour}h": variance for hour, variance in enumerate(variances, 1)}
    return followed(gate, f"trend: {{of: seen, {more}}}{forecast}", points, head)


def test_three_points_are_a_trend_and_two_are_none(gate):
    three = POINTS.replace(", 4h", "")
    assert trend(gate, [3, 2, 1], head=three).outcome is Outcome.PASS
    assert undecided(trend(gate, [3, 2], head=three.replace(", 3h", "")), "trend.few_points")


def test_a_trend_goes_the_wrong_way_only_where_its_whole_interval_does(gate):
    assert trend(gate, [1, 2, 3, 4.1]).outcome is Outcome.FAIL
    assert trend(gate, [1, 2, 3, 4.1], "better: higher").outcome is Outcome.PASS
    assert trend(gate, [4, 3, 2, 1.1], "better: higher").outcome is Outcome.FAIL
    assert trend(gate, [1, 3, 0, 2]).outcome is Outcome.PASS
    assert trend(gate, [1, 1, 1, 1]).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("expect", "outcome"),
    [
        ("<= 9%", "pass"), ("<= 6%", "inconclusive"), ("<= 1%", "fail"),
        (">= -9%", "pass"), (">= -1%", "inconclusive"), (">= 4%", "fail"),
        ("-9% .. 9%", "pass"), ("-1% .. 9%", "inconclusive"), ("-9% .. 6%", "inconclusive"),
    ],
)  # fmt: skip
def test_both_ends_of_the_interval_of_a_forecast_must_keep_the_limit(gate, expect, outcome):
    dossier = trend(gate, [3, 2, 3, 2], forecast=f", forecast: {{at: 5h, expect: '{expect}'}}")
    assert dossier.outcome == outcome, dossier.verdict.reason
    if outcome != "pass":
        (finding,) = dossier.findings
        assert finding.level == outcome


def test_a_forecast_at_the_last_checkpoint_is_none(gate):
    for at, refused in (("4h", True), ("3h", True), ("90m", True), ("5h", False)):
        suite = (
            "groups:\n  A:\n    - {id: seen, query: cpu, tolerance: 5%, baseline: 1, better: lower}\n"
            f"    - {{id: t, trend: {{of: seen}}, forecast: {{at: {at}, expect: '<= 5%'}}}}\n"
        )
        if refused:
            assert "is not after the checkpoint that it is forecast from" in problem(gate, suite, POINTS)
        else:
            assert gate.checks(suite, POINTS)


# Episodes


PROOF = EventFacts()


def episode(start, end=None):
    return Episode("outage", "it", START + start, None if end is None else START + end)


def counted(gate, *episodes, expect="== 0"):
    (check,) = gate.checks(f"- {{id: none, incidents: {{}}, expect: '{expect}'}}")
    return count_episodes(check, episodes, Evidence(Provenance(source="memory")), "outages", PROOF)


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (episode(1, 2), "fail"),
        (episode(7200), "fail"),
        (episode(7200.001), "pass"),
        (episode(0, 1), "warn"),
        (episode(-5), "warn"),
        (episode(-5, 0.001), "warn"),
        (episode(-5, 0), "pass"),
        (episode(-5, -1), "pass"),
    ],
)
def test_what_began_in_the_time_counts_and_what_lasted_into_it_warns(gate, found, outcome):
    dossier = counted(gate, found)
    assert dossier.outcome == outcome
    assert [finding.level for finding in dossier.findings] == ([] if outcome == "pass" else [outcome])


def test_what_was_carried_in_makes_no_failure_milder(gate):
    assert counted(gate, episode(-5), episode(5)).outcome is Outcome.FAIL
    assert counted(gate, episode(-5), episode(5), expect="<= 1").outcome is Outcome.WARN
    four = [episode(5 + number) for number in range(4)]
    assert "and 1 more" in counted(gate, *four).verdict.reason
    assert "more" not in counted(gate, *four[:3]).verdict.reason


@pytest.mark.parametrize(
    ("start", "end", "complete", "hole"),
    [
        (START, AT, True, ""),
        (START + 0.5, AT, True, "covers only"),
        (START, AT - 0.5, True, "covers only"),
        (START, AT, False, "incomplete"),
    ],
)
def test_a_history_must_hold_the_whole_time(gate, start, end, complete, hole):
    (check,) = gate.checks("- {id: none, incidents: {}, expect: '== 0'}")
    found = find_holes(check, Events(start, end, complete=complete))
    assert bool(found) == bool(hole)
    assert hole in found


# Waivers


def test_a_waiver_ends_at_its_time(gate):
    gate.data = [UP, series("cpu", 80.0)]
    waiver = "waivers: [{criterion: cpu, reason: known, owner: qa, until: UNTIL}]\n"
    for until, outcome in ((gate.now + 1, Outcome.WAIVED), (gate.now, Outcome.FAIL)):
        written = dt.datetime.fromtimestamp(until, dt.UTC).isoformat()
        head = HEAD + waiver.replace("UNTIL", written)
        assert gate.verdict("- {id: cpu, query: cpu, expect: '< 75'}", head).outcome is outcome


WAIVED = """waivers:
  - {criterion: bad, OF reason: known, owner: ann, until: 2030-01-01}
"""


@pytest.mark.parametrize(
    ("of", "outcome"),
    [
        ("", "waived"),
        ("checkpoint: 2h,", "waived"),
        ("checkpoint: 1h,", "fail"),
        ("region: eu,", "waived"),
        ("region: us,", "fail"),
        ("region: eu, checkpoint: 2h,", "waived"),
        ("region: us, checkpoint: 2h,", "fail"),
        ("region: eu, checkpoint: 1h,", "fail"),
    ],
)
def test_a_waiver_is_for_what_it_names_alone(gate, of, outcome):
    gate.data = [UP, series("bad", 99), series("worse", 99)]
    head = HEAD.replace("[2h]", "[1h, 2h]") + WAIVED.replace("OF", of)
    criteria = "- {id: bad, query: bad, expect: '< 75'}\n- {id: worse, query: worse, expect: '< 75'}"
    outcomes = {}
    for check in gate.checks(criteria, head):
        checked = check.within("eu")
        answers = gate.answers(checked)
        if checked.checkpoint.id == "2h":
            outcomes[checked.criterion.id] = judge(checked, answers).outcome
    assert outcomes == {"bad": outcome, "worse": "fail"}


def test_of_several_waivers_the_one_counts_that_holds_longest(gate):
    gate.data = [UP, series("bad", 99)]
    both = "".join(
        WAIVED.replace("OF", "").replace("2030", year).removeprefix("waivers:\n") for year in ("2001", "2030")
    )
    assert (
        gate.verdict("- {id: bad, query: bad, expect: '< 75'}", f"{HEAD}waivers:\n{both}").outcome
        is Outcome.WAIVED
    )
    old = WAIVED.replace("OF", "").replace("2030", "2001")
    assert gate.verdict("- {id: bad, query: bad, expect: '< 75'}", HEAD + old).outcome is Outcome.FAIL


# Regions


def test_a_region_that_failed_makes_what_is_combined_an_error(gate):
    (check,) = gate.checks("- {id: cpu, query: cpu, expect: '< 75', combine: any}")
    whole = dataclasses.replace(check, region=ALL_REGIONS, everywhere=("eu", "us"))
    gate.data = [UP, series("cpu", 1)]
    answers = {}
    for region in whole.everywhere:
        answers.update(gate.answers(whole.within(region)).answers)
    facts = {"eu": RegionFacts(gate.intervals), "us": RegionFacts(gate.intervals, failure="nobody there")}
    for decide in (judge, combine_regions):
        dossier = decide(whole, Answers(gate.now, answers, facts))
        assert dossier.outcome is Outcome.ERROR
        assert "nobody there" in dossier.verdict.reason


# Terms


@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        ("query: cpu", "needs `expect` or `tolerance`"),
        ("query: cpu, tolerance: 5%", "a tolerance needs a `baseline`"),
        (
            "query: cpu, expect: '< 1', floor: 2",
            "a size that replaces the tolerance where the baseline is zero",
        ),
        ("query: cpu, tolerance: 5%, baseline: 1, floor: -1", "a size that replaces the tolerance"),
        ("query: cpu, tolerance: 5%, baseline: {at: '2025-01-22T14:00:01-08:00'}", "is after rollout.start"),
    ],
)
def test_terms_that_could_not_fail_are_refused(gate, criterion, message):
    assert message in problem(gate, f"- {{id: cpu, {criterion}}}")


@pytest.mark.parametrize(
    "criterion",
    [
        "query: cpu, tolerance: 5%, baseline: 1, floor: 0",
        "query: cpu, tolerance: 5%, baseline: {at: '2025-01-22T14:00:00-08:00'}",
        "query: cpu, expect: '< 1', baseline: 1",
    ],
)
def test_terms_at_their_bounds_are_taken(gate, criterion):
    assert gate.checks(f"- {{id: cpu, {criterion}}}")


@pytest.mark.parametrize("levels", ["{info: 4%, warn: 3%}", "{warn: 6%, crit: 5%}", "{info: 6%, crit: 5%}"])
def test_levels_must_rise(gate, levels):
    head = HEAD.replace("{info: 3%, warn: 4%, crit: 6%}", levels)
    assert "levels must rise from info over warn to crit" in problem(
        gate, "- {id: c, query: c, expect: '< 1'}", head
    )


def test_levels_may_be_equal(gate):
    head = HEAD.replace("{info: 3%, warn: 4%, crit: 6%}", "{info: 4%, warn: 4%}")
    assert gate.checks("- {id: c, query: c, expect: '< 1'}", head)


# Shares


@pytest.mark.parametrize(
    ("members", "outcome", "first"),
    [
        (["pass", "pending"], "inconclusive", "c1"),
        (["pending", "inconclusive", "pass"], "inconclusive", "c1"),
        (["pending", "pass", "error"], "error", "c2"),
        (["inconclusive", "error", "pass"], "error", "c0"),
        (["pass", "pass"], "pass", ""),
        (["pass", "fail", "pending"], "fail", ""),
    ],
)
def test_a_member_that_is_pending_or_undecided_leaves_a_share_open(gate, members, outcome, first):
    (check,) = gate.checks("- {id: share, query: x, expect: '== 1'}")
    verdicts = [
        make_verdict(member, criterion=f"c{number}", reason=f"of c{number}")
        for number, member in enumerate(members)
    ]
    evidence = Evidence(Provenance(source="suite"))
    dossier = decide_share(check, verdicts, [Outcome.PASS], evidence, "checks")
    assert dossier.outcome == outcome
    assert dossier.verdict.reason.endswith(f"; {first}: of {first}" if first else "") or not first
