"""What is known against a region's value is known against the sum over the regions."""

from __future__ import annotations

import dataclasses

import pytest
from gates import START, STEP, UP, Guess, MemoryGate, grid, series

from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.model.answers import Answers, RegionFacts
from pytest_telemetry_gate.model.check import ALL_REGIONS
from pytest_telemetry_gate.model.dossier import Finding
from pytest_telemetry_gate.model.events import Episode, Events, Rule, Silence
from pytest_telemetry_gate.model.verdict import Outcome

AT = START + 7200
GROUP = "rules.yml;telemetry"
RULE = Rule("Slow", GROUP, STEP, {"team": "telemetry"})
HISTORY = Events(START - 3600, AT + 3600, complete=True, rules=(RULE,))
SILENCED = dataclasses.replace(
    HISTORY, silences=(Silence(START, AT, (("team", "=", "telemetry"),), "ann", "noisy"),)
)
PROOF = [
    series(name, value, job="prometheus", rule_group=GROUP)
    for name, value in (
        ("prometheus_rule_group_last_evaluation_timestamp_seconds", lambda times: times - 1.0),
        ("prometheus_rule_evaluation_failures_total", 0.0),
    )
]


@pytest.fixture
def gate(tmp_path):
    return MemoryGate(tmp_path)


def over_regions(gate, criterion, regions):
    """Judge one criterion over regions: what each of them has of series and events, by their names."""
    (check,) = gate.checks(f"- {criterion}")
    whole = dataclasses.replace(check, region=ALL_REGIONS, everywhere=tuple(regions))
    answers = {}
    for region, (data, events) in regions.items():
        gate.data, gate.events = [UP, *data], events
        answers.update(gate.answers(whole.within(region)).answers)
    facts = {region: RegionFacts(gate.intervals) for region in regions}
    return judge(whole, Answers(gate.now, answers, facts))


def alerts(gate, combine, us, expect="== 0"):
    criterion = (
        f"{{id: none, alerts: {{match: {{team: telemetry}}}}, expect: '{expect}', combine: {combine}}}"
    )
    return over_regions(gate, criterion, {"eu": (PROOF, {"alerts": HISTORY}), "us": us})


@pytest.mark.parametrize("combine", ["all", "sum"])
def test_a_silence_in_one_region_is_a_warning_of_all(gate, combine):
    assert alerts(gate, combine, (PROOF, {"alerts": HISTORY})).outcome is Outcome.PASS
    dossier = alerts(gate, combine, (PROOF, {"alerts": SILENCED}))
    assert dossier.outcome is Outcome.WARN
    assert "silenced by ann (noisy)" in dossier.verdict.reason
    assert [(finding.id, finding.level) for finding in dossier.findings] == [
        ("alerts.silenced", Outcome.WARN)
    ]


def test_a_sum_names_the_region_of_a_silence(gate):
    dossier = alerts(gate, "sum", (PROOF, {"alerts": SILENCED}))
    assert dossier.verdict.reason.startswith(
        "0 is inside == 0; sum of eu 0, us 0; region us: silenced by ann"
    )
    assert dossier.findings[0].message.startswith("region us: silenced by ann")


def test_a_silence_does_not_excuse_a_sum_outside_its_limit(gate):
    dossier = alerts(gate, "sum", (PROOF, {"alerts": SILENCED}), "> 0")
    assert dossier.outcome is Outcome.FAIL
    assert [finding.id for finding in dossier.findings] == ["limit.outside", "alerts.silenced"]


def incidents(number, *, complete):
    episodes = tuple(Episode("incident", f"i{one}", START + 60 + one, None) for one in range(number))
    return [], {"incidents": Events(START, AT, complete=complete, episodes=episodes, reason="retention")}


@pytest.mark.parametrize("number", [1, 3])
def test_a_doubt_about_a_region_is_one_about_the_sum_wherever_its_own_value_stands(gate, number):
    criterion = "{id: few, incidents: {}, expect: '>= 2', combine: sum}"
    whole = {"eu": incidents(3, complete=True), "us": incidents(number, complete=True)}
    assert over_regions(gate, criterion, whole).outcome is Outcome.PASS
    dossier = over_regions(gate, criterion, {**whole, "us": incidents(number, complete=False)})
    assert dossier.outcome is Outcome.INCONCLUSIVE
    assert "region us: the history is incomplete: retention" in dossier.verdict.reason


def test_a_value_that_is_outside_alone_is_no_doubt_about_the_sum(gate):
    criterion = "{id: load, query: load, expect: '>= 100', combine: sum}"
    regions = {"eu": ([series("load", 60)], {}), "us": ([series("load", 50)], {})}
    dossier = over_regions(gate, criterion, regions)
    assert (dossier.outcome, dossier.findings) == (Outcome.PASS, ())


def test_a_sum_has_one_origin_of_all_its_regions(gate):
    criterion = "{id: load, query: 'avg_over_time(load[1h])', expect: '>= 100', combine: sum}"
    half = series("load", 60, grid(start=START + 3900))
    dossier = over_regions(gate, criterion, {"eu": ([series("load", 60)], {}), "us": ([half], {})})
    alone = over_regions(gate, criterion, {"us": ([half], {})})
    verdict = dossier.verdict
    assert (verdict.query, verdict.source) == ("avg_over_time(load[1h])", "memory")
    assert verdict.coverage == alone.verdict.coverage < 1
    assert verdict.digest != alone.verdict.digest


class HalfKnown(Guess):
    """It has a value in one region and none in the other."""

    def judge(self, check, answers):
        if check.region == "eu":
            return check.dossier(Outcome.PASS, "seen", value=1.0)
        finding = Finding("guess.refused", self.guess, check.region, "refused")
        return check.dossier(self.guess, "refused", findings=[finding])


@pytest.mark.parametrize("combine", ["sum", "max"])
@pytest.mark.parametrize(
    ("outcome", "found", "reason"),
    [
        (Outcome.FAIL, Outcome.FAIL, "region us: refused"),
        (Outcome.PASS, Outcome.INCONCLUSIVE, "region us has no value: refused"),
    ],
)
def test_a_region_without_a_value_is_not_left_out(gate, combine, outcome, found, reason):
    gate.criteria = [HalfKnown]
    criterion = f"{{id: seen, guess: {outcome}, expect: '<= 9', combine: {combine}}}"
    dossier = over_regions(gate, criterion, {"eu": ([], {}), "us": ([], {})})
    assert (dossier.outcome, dossier.verdict.reason) == (found, reason)
    assert dossier.findings[-1].level is found


class Judged(Guess):
    """It has a value and the outcome that the suite names in one region, for a reason of its own."""

    def judge(self, check, answers):
        if check.region == "eu":
            return check.dossier(Outcome.PASS, "seen", value=1.0)
        finding = Finding("guess.odd", self.guess, check.region, "odd")
        return check.dossier(self.guess, "odd", value=1.0, findings=[finding])


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.WARN])
def test_a_region_that_is_judged_by_more_than_its_value_is_so_in_the_sum(gate, outcome):
    gate.criteria = [Judged]
    dossier = over_regions(
        gate, f"{{id: x, guess: {outcome}, expect: '<= 9', combine: sum}}", {"eu": ([], {}), "us": ([], {})}
    )
    assert dossier.outcome is outcome
    assert dossier.verdict.reason.endswith("region us: odd")


@pytest.mark.parametrize(
    ("baseline", "outcome", "against"),
    [
        ("{offset: 2h10m}", Outcome.PASS, 100.0),
        ("100", Outcome.PASS, 100.0),
        ("50", Outcome.FAIL, 50.0),
        ("{file: base.yaml}", Outcome.PASS, 99.0),
    ],
)
def test_a_sum_is_held_against_the_sum_of_the_baselines_or_the_one_that_is_stated(
    gate, baseline, outcome, against
):
    (gate.folder / "base.yaml").write_text("version: 1\nname: old\nvalues: {load: 99}\n", encoding="utf-8")
    criterion = f"{{id: load, query: load, tolerance: 5%, baseline: {baseline}, combine: sum}}"
    regions = {"eu": ([series("load", 60)], {}), "us": ([series("load", 40)], {})}
    verdict = over_regions(gate, criterion, regions).verdict
    assert (verdict.outcome, verdict.baseline) == (outcome, against)
    young = series("load", 40, grid(start=START))
    missing = over_regions(gate, criterion, {**regions, "us": ([young], {})}).outcome
    assert missing is (Outcome.INCONCLUSIVE if "offset" in baseline else outcome)


@pytest.mark.parametrize(
    ("combine", "us", "outcome", "value"),
    [
        ("any", 99, Outcome.PASS, 50), ("any", 10, Outcome.PASS, 10), ("any", 60, Outcome.PASS, 50),
        ("all", 99, Outcome.FAIL, 99), ("all", 10, Outcome.PASS, 50), ("max", 99, Outcome.FAIL, 99),
        ("max", 60, Outcome.PASS, 60), ("max", 10, Outcome.PASS, 50), ("sum", 20, Outcome.PASS, 70),
        ("sum", 30, Outcome.FAIL, 80),
    ],
)  # fmt: skip
def test_the_region_that_decides_is_the_best_the_worst_or_the_largest(gate, combine, us, outcome, value):
    criterion = f"{{id: cpu, query: cpu, expect: '< 75', combine: {combine}}}"
    regions = {"eu": ([series("cpu", 50)], {}), "us": ([series("cpu", us)], {})}
    for order in (regions, dict(reversed(regions.items()))):
        verdict = over_regions(gate, criterion, order).verdict
        assert (verdict.outcome, verdict.value) == (outcome, value)
