"""What stands in the way: one row for one fault, with the most exact onset that anything tells."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_parts import HOUR, START, check, criterion, moment, report, suite

from pytest_telemetry_gate.model.events import Episode
from pytest_telemetry_gate.model.facts import (
    ChangeFacts,
    CoverageFacts,
    EventFacts,
    Gap,
    Member,
    MemberFacts,
    SelectorFacts,
    TrendFacts,
)
from pytest_telemetry_gate.model.report import CaseReport, RegionReport, SeriesReport
from pytest_telemetry_gate.model.verdict import Level, Outcome
from pytest_telemetry_gate.reports.overview.faults import find_faults

ERROR, FAIL, INCONCLUSIVE, WARN = Outcome.ERROR, Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.WARN
LIMIT = {"expect": "<= 90", "unit": "ms"}


def bad(checkpoint, value=95.0, outcome=FAIL, **fields):
    return check(checkpoint, value, outcome, margin=90 - (value or 0), **fields)


def faults_of(*criteria, **fields):
    return find_faults(report(suite(*criteria, **fields)))


def with_series(one, series):
    return replace(
        one, regions={name: RegionReport(content.checks, series) for name, content in one.regions.items()}
    )


def told(fault):
    return fault.title, fault.found, fault.since, fault.state, fault.extent


def test_many_failed_checks_of_a_criterion_are_one_fault():
    (fault,) = faults_of(criterion("p95", check("12h"), bad("24h"), bad("36h", 97.0), **LIMIT)).faults
    assert told(fault) == (
        "p95",
        "97 ms, limit ≤ 90 ms",
        "between 12 h and 24 h",
        "still so at 36h",
        "2 of 3 checks, first at 24h",
    )
    assert fault.local == "Thu 23 Jan 02:00 – 14:00"


def test_what_became_good_again_is_over():
    (fault,) = faults_of(criterion("p95", check("1h"), bad("2h"), check("3h"), **LIMIT)).faults
    assert (fault.state, fault.onset.end) == ("over", moment("3h"))


def test_the_series_tells_when_the_limit_was_left():
    series = SeriesReport(START, 600.0, (80.0,) * 100 + (91.0,) * 100, (85.0,) * 100 + (93.0,) * 100)
    (fault,) = faults_of(with_series(criterion("p95", check("12h"), bad("24h"), **LIMIT), series)).faults
    assert fault.onset.start == START + 100 * 600
    assert fault.since == "since 16.7 h"


@pytest.mark.parametrize(
    ("values", "since"),
    [
        # A mean over an hour of what jumped at 16 h, and one that drifts through the limit.
        (lambda hour: 80 + 14 * min(1.0, max(0.0, hour - 16)), "since 16 h"),
        (lambda hour: 80 + 0.5 * hour, "since 20 h"),
    ],
)
def test_what_a_window_shows_began_where_its_series_jumped(values, since):
    shown = tuple(values((place + 0.5) / 6) for place in range(180))
    series = SeriesReport(START, 600.0, shown, shown)
    one = criterion("p95", check("12h", window=HOUR), bad("24h", window=HOUR), **LIMIT)
    (fault,) = faults_of(with_series(one, series)).faults
    assert fault.since == since


def test_a_drift_began_when_its_trend_says_and_will_breach():
    drift = ChangeFacts(START + 17.5 * HOUR, 0.2, 4.8, gradual=True)
    trend = TrendFacts(change=drift, breach=START + 61 * HOUR)
    (fault,) = faults_of(criterion("p95", bad("48h", trend=trend), **LIMIT)).faults
    assert (fault.since, fault.found) == (
        "since 17.5 h",
        "95 ms, limit ≤ 90 ms; passes now, breach projected at 61 h",
    )


@pytest.mark.parametrize("low", [(80.0,) * 200, (91.0,) * 200, (None,) * 200])
def test_a_series_that_says_otherwise_than_the_checks_tells_nothing(low):
    one = with_series(
        criterion("p95", check("12h"), bad("24h"), **LIMIT), SeriesReport(START, 600.0, low, low)
    )
    (fault,) = faults_of(one).faults
    assert fault.since == "between 12 h and 24 h"


def test_the_first_episode_tells_when_an_alert_fired():
    facts = EventFacts(
        episodes=(
            Episode("alert", "Backlog", START + 20 * HOUR, START + 20 * HOUR + 180, {"severity": "warn"}),
            Episode("alert", "Backlog", START + 22 * HOUR, START + 22 * HOUR + 60),
        )
    )
    one = criterion(
        "alerts", check("12h", 0.0), check("24h", 2.0, FAIL, events=facts), kind="alerts", expect="== 0"
    )
    (fault,) = faults_of(one).faults
    assert told(fault)[1:4] == ("Backlog (warn) fired for 3 min, and 1 more", "20 h – 22 h", "resolved")


def test_an_episode_without_an_end_goes_on():
    facts = EventFacts(episodes=(Episode("alert", "Down", START + HOUR, None),))
    one = criterion("alerts", check("2h", 1.0, FAIL, events=facts), kind="alerts", expect="== 0")
    (fault,) = faults_of(one).faults
    assert told(fault)[1:4] == ("Down fired and goes on", "since 1 h", "still so at 2h")


def test_a_gap_tells_since_when_nothing_came():
    def gap(start, end, **fields):
        return CoverageFacts(
            (SelectorFacts("m", start - HOUR, end, 0.2, samples=9, gaps=(Gap(start, end),)),)
        )

    low = {"coverage": 0.2, "value": None, "outcome": INCONCLUSIVE}
    one = criterion(
        "lag",
        check("17h"),
        check("18h", **low, samples=gap(moment("17.2h"), moment("18h"))),
        check("19h", **low, samples=CoverageFacts((SelectorFacts("m", moment("18h"), moment("19h"), 0.0),))),
        check("20h", **low, samples=gap(moment("19h"), moment("19.2h"))),
        check("21h"),
        **{**LIMIT, "coverage": 0.9},
    )
    (fault,) = faults_of(one).faults
    assert told(fault)[1:4] == (
        "no data for 2 h: coverage 20 % at the lowest, 90 % wanted",
        "17.2 h – 19.2 h",
        "over",
    )


def test_what_follows_from_a_fault_is_no_fault():
    members = MemberFacts(
        (Member("p95", "", "24h", FAIL, "x", counts=False), Member("cpu", "", "24h", Outcome.PASS, ""))
    )
    share = criterion("within", check("24h", 50.0, FAIL, members=members), kind="ratio", expect="== 100")
    found = faults_of(criterion("p95", bad("24h"), **LIMIT), share)
    assert [fault.criteria for fault in found.faults] == [("p95",)]
    assert [(one.criterion, one.found, one.checkpoints) for one in found.followers] == [
        ("within", "1 of 2 checks; not: p95 fail", ("24h",))
    ]


def test_what_follows_from_something_waived_is_a_fault_itself():
    members = MemberFacts((Member("p95", "", "24h", Outcome.WAIVED, "x", counts=False),))
    share = criterion("within", check("24h", 0.0, FAIL, members=members), kind="ratio", expect="== 100")
    found = faults_of(criterion("p95", check("24h", 95.0, Outcome.WAIVED), **LIMIT), share)
    assert [fault.criteria for fault in found.faults] == [("within",)]


def test_one_reason_of_many_criteria_is_one_fault():
    down = "https://prom: connection refused"
    criteria = [criterion(f"c{n}", bad("24h", None, ERROR, reason=down)) for n in range(9)]
    (fault,) = faults_of(*criteria).faults
    assert (fault.title, fault.found, len(fault.criteria), fault.closing) == ("9 criteria", down, 9, 9)


def test_regions_with_one_onset_share_a_row_and_others_do_not():
    late = (check("12h"), check("24h"), bad("36h"))
    early = (check("12h"), bad("24h"), bad("36h"))
    one = criterion(
        "p95",
        regions={"a": early, "b": early, "c": late, "d": (check("12h"), check("24h"), check("36h"))},
        **LIMIT,
    )
    found = faults_of(one)
    assert [(fault.regions, fault.closing, fault.judged) for fault in found.faults] == [
        (("a", "b"), 4, 6),
        (("c",), 1, 3),
    ]


def test_the_worst_comes_first():
    graver = {"severity": Level.CRIT, **LIMIT}
    found = faults_of(
        criterion("inconclusive", check("2h", None, INCONCLUSIVE)),
        criterion("over", check("1h"), bad("2h", 91.0), check("3h"), **LIMIT),
        criterion("late", check("1h"), check("2h"), bad("3h", 92.0), **LIMIT),
        criterion("early", check("1h"), bad("2h", 93.0), bad("3h", 93.0), **LIMIT),
        criterion("grave", check("1h"), check("2h"), bad("3h", 94.0), **graver),
        criterion("error", bad("3h", None, ERROR, reason="no answer")),
    )
    assert [fault.criteria[0] for fault in found.faults] == [
        "error",
        "grave",
        "early",
        "late",
        "over",
        "inconclusive",
    ]


def test_a_warning_stands_in_the_way_of_a_strict_gate_alone():
    warned = report(
        suite(criterion("v", check("24h", 4.5, WARN, variance=4.5, level=Level.WARN), tolerance=5.0))
    )
    assert find_faults(warned).faults == ()
    gate = replace(warned.content.gate, strict=True)
    (fault,) = find_faults(replace(warned, content=replace(warned.content, gate=gate))).faults
    assert fault.found == "+4.5 %, level warn"


def test_a_tolerance_that_was_left_is_said_with_the_change():
    one = criterion("v", check("24h", 1320.0, FAIL, variance=5.6, margin=-0.6), tolerance=5.0)
    (fault,) = faults_of(one).faults
    assert fault.found == "+5.6 %, tolerance ±5 %"


def test_cases_that_failed_for_one_reason_are_one_fault():
    cases = tuple(CaseReport("qa", f"parse-{n}", FAIL, checkpoint="48h", reason="no span") for n in range(3))
    good = CaseReport("qa", "cli", Outcome.PASS, checkpoint="48h")
    (fault,) = find_faults(report(replays=(*cases, good))).faults
    assert (fault.title, fault.found, fault.closing) == ("3 replays", "no span", 3)


def test_informational_verdicts_and_passes_stand_in_nobody_s_way():
    one = criterion("p95", bad("24h"), informational=True, **LIMIT)
    assert faults_of(one, criterion("cpu", check("24h"))).faults == ()
