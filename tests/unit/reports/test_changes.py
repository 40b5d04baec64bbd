"""What changed between two reports: what lets more through is told first, whatever else changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_parts import check, criterion, report, suite

from pytest_telemetry_gate.model.report import RollbackReport, WaiverReport
from pytest_telemetry_gate.model.verdict import Level, Outcome
from pytest_telemetry_gate.reports.document.changes import compare_reports
from pytest_telemetry_gate.support.units import Limit

FAIL, PASS = Outcome.FAIL, Outcome.PASS


def changes(now, before):
    return [(one.kind, one.what, one.message) for one in compare_reports(now, before).changes]


def of(*checks, **fields):
    return report(
        suite(criterion("p95", *(checks or (check(),)), **{"expect": "<= 90", "unit": "ms", **fields}))
    )


def test_equal_reports_have_no_changes():
    assert changes(of(), of()) == []


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"expect": "<= 90"}, {"expect": "<= 95"}),
        ({"expect": ">= 90"}, {"expect": ">= 80"}),
        ({"expect": "60 .. 90"}, {"expect": "50 .. 90"}),
        ({"expect": "60 .. 90"}, {"expect": "65 .. 91"}),
        ({"expect": "== 0"}, {"expect": "<= 0"}),
        ({"expect": "< 90"}, {"expect": "<= 90"}),
        ({"expect": "<= 90"}, {"expect": ">= 90"}),
        ({"expect": "<= 90"}, {"expect": ""}),
        ({"tolerance": 5.0}, {"tolerance": 6.0}),
        ({"tolerance": 5.0}, {"tolerance": None}),
        ({"tolerance": 5.0}, {"tolerance": 5.0, "better": "lower"}),
        ({"tolerance": 5.0, "better": "higher"}, {"tolerance": 5.0, "better": "lower"}),
        ({"severity": Level.CRIT}, {"severity": Level.WARN}),
        ({"coverage": 0.9}, {"coverage": 0.5}),
        ({"floor": None}, {"floor": 3.0}),
        ({"informational": False}, {"informational": True}),
        ({"reduce": "all"}, {"reduce": "any"}),
        ({"expect": "<= 90", "unit": "ms"}, {"expect": "<= 90", "unit": "s"}),
    ],
)
def test_what_lets_more_through_is_loosened_and_its_reverse_is_not(before, now):
    assert [kind for kind, _, _ in changes(of(**now), of(**before))] == ["loosened"]
    back = {kind for kind, _, _ in changes(of(**before), of(**now))}
    either = before == {"expect": "<= 90"} or "60 .. 90" in before.values() or before.get("better")
    if not either and before.get("unit") is None:
        assert "loosened" not in back


def test_the_same_limit_in_another_unit_is_not_loosened():
    seconds = of(expect="<= 0.09", unit="s")
    assert [kind for kind, _, _ in changes(seconds, of(expect="<= 90", unit="ms"))] == ["changed"]


@given(
    old=st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    new=st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    limits=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    value=st.one_of(st.integers(-1, 6), st.floats(-1, 6)),
)
def test_a_limit_that_lets_any_value_through_that_was_refused_is_loosened(old, new, limits, value):
    before, now = Limit(old, float(limits[0])), Limit(new, float(limits[1]))
    kinds = [
        kind for kind, _, _ in changes(of(expect=now.shown(), unit=""), of(expect=before.shown(), unit=""))
    ]
    if now.holds(value) and not before.holds(value):
        assert kinds == ["loosened"]


def test_loosened_comes_before_everything_else_and_names_before_and_after():
    before = report(
        suite(
            criterion("a", check(value=50.0, margin=40.0)),
            criterion("b", check(), expect="<= 90"),
            criterion("old", check()),
        )
    )
    now = report(
        suite(
            criterion("a", check(value=60.0, margin=30.0)),
            criterion("b", check(), expect="<= 95"),
            criterion("c", check(outcome=FAIL)),
        )
    )
    assert changes(now, before) == [
        ("loosened", "b", "limit <= 90 → <= 95"),
        ("new", "c", "the criterion is new"),
        ("gone", "old", "the criterion is gone"),
        ("moved", "a", "50 → 60"),
    ]


def test_regressed_and_fixed_by_the_worst_verdict():
    good, bad = of(check("12h"), check("24h")), of(check("12h"), check("24h", outcome=FAIL))
    assert changes(bad, good) == [("regressed", "p95", "pass → fail at 24h")]
    assert changes(good, bad) == [("fixed", "p95", "fail → pass")]


def test_a_later_checkpoint_is_no_change_and_a_lost_one_is():
    early, late = of(check("12h")), of(check("12h"), check("24h"))
    assert changes(late, early) == []
    assert changes(early, late) == [("gone", "p95", "1 of its checks is gone")]


def test_waivers_levels_and_strictness_count_as_limits():
    waiver = WaiverReport("p95", "known", "ops", 100.0)
    plain = report(suite(criterion("p95", check()), levels={"warn": 4.0}))
    waived = report(suite(criterion("p95", check()), levels={"warn": 5.0}, waivers=(waiver,)))
    assert {what for kind, what, _ in changes(waived, plain) if kind == "loosened"} == {"level warn", "p95"}
    longer = report(
        suite(criterion("p95", check()), levels={"warn": 5.0}, waivers=(replace(waiver, until=3700.0),))
    )
    assert changes(longer, waived) == [("loosened", "p95", "waived for 1h longer")]
    gate = replace(plain.content.gate, strict=True)
    strict = replace(plain, content=replace(plain.content, gate=gate))
    assert changes(plain, strict) == [("loosened", "gate", "warnings let it open now")]


def test_another_query_is_told():
    now, before = of(check(query="b")), of(check(query="a"))
    assert changes(now, before) == [("changed", "p95", "its query changed")]


def test_what_a_suite_demands_no_more_is_loosened():
    before = suite(
        criterion("p95", check("12h"), check("24h")),
        criterion("p50", check("24h")),
        sha256="a",
        roles=("QA lead", "DevOps lead"),
        rollback=RollbackReport(("fail at crit", "incident")),
    )
    now = suite(
        criterion("p95", check("24h")),
        sha256="b",
        roles=("QA lead",),
        rollback=RollbackReport(("incident",)),
    )
    assert changes(report(now), report(before)) == [
        ("loosened", "approvals", "nobody has to sign as DevOps lead any more"),
        ("loosened", "checkpoint 12h", "it is judged no more"),
        ("loosened", "rollback", "fail at crit triggers it no more"),
        ("loosened", "p95", "1 of its checks is gone"),
        ("loosened", "p50", "the criterion is gone"),
    ]
    assert {kind for kind, _, _ in changes(report(before), report(now))} == {"new"}
    # The same suite, less of which was selected.
    part = replace(before, criteria=(criterion("p95", check("24h")),))
    assert {kind for kind, _, _ in changes(report(part), report(before))} == {"gone"}


def test_another_window_and_another_group_are_changes():
    told = changes(of(check(window=300.0), group="Other"), of(check(window=3600.0)))
    assert told == [
        ("changed", "p95", "moved from Parser to Other, of which ratios count the criteria"),
        ("changed", "p95", "window 1h → 5m"),
    ]


def test_another_baseline_at_the_same_checkpoint_is_told():
    before, now = of(check(baseline=64.0)), of(check(baseline=70.0))
    assert changes(now, before) == [("changed", "p95", "baseline 64 ms → 70 ms at 24h")]
    assert changes(of(check("48h", baseline=70.0)), of(check("24h", baseline=64.0)))[0][0] != "changed"
