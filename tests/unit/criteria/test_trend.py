"""What the line through a trend's points and its intervals decide, at hours and by checkpoints."""

from __future__ import annotations

import numpy as np
import pytest
from gates import HEAD, START, MemoryGate, grid, series

from pytest_telemetry_gate.model.questions import ArrivalsQuestion, Range
from pytest_telemetry_gate.model.verdict import Outcome

HOUR = 3600.0
SCRAPED = 60.0  # seconds
SUITE = """groups:
  Telemetry:
    - {id: variance, query: 'QUERY', window: 1h, tolerance: 5%, baseline: 100}
  Rollout:
    - {id: heading, trend: {of: variance, better: lower}, forecast: {at: 72h, expect: '<= 5%'}}
"""
MEAN = "avg_over_time(events[$__window])"
DAYS = grid(start=START - 8 * 86400, end=START + 49 * HOUR, step=SCRAPED)


def noise(size, *, seed=1):
    """Return what is different at every hour, about 1 % large."""
    return np.random.default_rng(seed).normal(0, 1, size)


def dossiers(tmp_path, percent, *, suite=SUITE, query=MEAN, checkpoints="12h, 24h, 36h, 48h", keep=None):
    """Judge a series that is so many percent above 100 at an hour after the start; ``keep`` leaves samples out."""
    hours = (DAYS - START) / HOUR
    kept = np.ones(len(DAYS), dtype=bool) if keep is None else keep(hours)
    up = ({"__name__": "up", "job": "parser", "instance": "a:1"}, DAYS, np.ones(len(DAYS)))
    values = 100.0 + np.asarray(percent(hours), dtype=np.float64) * np.ones(len(DAYS))
    events = ({"__name__": "events", "job": "parser", "instance": "a:1"}, DAYS[kept], values[kept])
    gate = MemoryGate(tmp_path, data=[up, events], now=START + 50 * HOUR, intervals={"parser": SCRAPED})
    head = HEAD.replace("checkpoints: [2h]", f"checkpoints: [{checkpoints}]")
    return gate.dossiers(suite.replace("QUERY", query), head)


def heading(tmp_path, percent, **more):
    """Judge the trend of such a series."""
    return [one for one in dossiers(tmp_path, percent, **more) if one.verdict.criterion == "heading"][-1]


def at_each_hour(size=200, *, seed=1):
    """Return noise as a function of the hour: one number for all samples of an hour."""
    drawn = noise(size, seed=seed)
    return lambda hours: drawn[np.clip(np.ceil(hours).astype(int), -100, 99)]


def test_a_falling_variance_passes_with_its_forecast(tmp_path):
    verdict = heading(tmp_path, lambda hours: 2.3 - hours / 120).verdict
    assert verdict.outcome is Outcome.PASS
    assert verdict.value == pytest.approx(1.7, abs=0.01)
    assert verdict.limit == "<= 5 %"
    assert verdict.reason.startswith("forecast +1.7 ±")
    assert verdict.reason.endswith("over 48 hourly points")


def test_a_surely_rising_variance_fails_though_the_forecast_holds(tmp_path):
    wiggle = at_each_hour()
    dossier = heading(tmp_path, lambda hours: hours / 48 + 0.2 * wiggle(hours))
    assert dossier.outcome is Outcome.FAIL
    assert dossier.verdict.reason.endswith("over 48 hourly points, surely not lower")
    assert dossier.facts["trend"].breach is None


def test_what_passes_now_and_will_not_says_when(tmp_path):
    dossier = heading(tmp_path, lambda hours: 5 * hours / 61)
    assert dossier.outcome is Outcome.FAIL
    assert dossier.verdict.reason.startswith("passes now, projected to breach <= 5 % at 61.5h: forecast +5.9")
    assert dossier.facts["trend"].breach == pytest.approx(START + 61.5 * HOUR, abs=1800)


def test_a_forecast_whose_interval_reaches_over_the_limit_is_inconclusive(tmp_path):
    wiggle = at_each_hour()
    dossier = heading(tmp_path, lambda hours: 4 + wiggle(hours))
    assert dossier.outcome is Outcome.INCONCLUSIVE
    assert dossier.verdict.reason.startswith("the interval reaches over <= 5 %: forecast +")


def test_a_change_of_level_is_told_with_its_time_when_it_fails(tmp_path):
    wiggle = at_each_hour()
    dossier = heading(tmp_path, lambda hours: 1 + 0.1 * wiggle(hours) + 6 * (hours > 22.4))
    facts = dossier.facts["trend"]
    assert dossier.outcome is Outcome.FAIL
    assert "; since 22." in dossier.verdict.reason
    assert (facts.change.time - START) / HOUR == pytest.approx(22.4, abs=0.3)
    assert (facts.change.before, facts.change.after) == (pytest.approx(1, abs=0.1), pytest.approx(7, abs=0.1))
    drift = heading(tmp_path, lambda hours: hours / 8 + 0.1 * wiggle(hours))
    assert (drift.outcome, drift.facts["trend"].change) == (Outcome.FAIL, None)
    late = heading(tmp_path, lambda hours: np.maximum(0, hours - 20) / 7 + 0.1 * wiggle(hours))
    facts = late.facts["trend"]
    assert (late.outcome, facts.change.gradual) == (Outcome.FAIL, True)
    assert (facts.change.time - START) / HOUR == pytest.approx(20, abs=1)
    assert "; drifting since " in late.verdict.reason


def test_another_level_is_no_way_that_it_heads(tmp_path):
    """It is inside its tolerance; a line through a step would call it worse, and foresee that it goes on."""
    wiggle = at_each_hour()
    suite = SUITE.replace(", forecast: {at: 72h, expect: '<= 5%'}", "")
    dossier = heading(tmp_path, lambda hours: 1 + 0.4 * wiggle(hours) + (hours > 16), suite=suite)
    assert (dossier.outcome, dossier.findings[0].id) == (Outcome.WARN, "trend.level")
    assert dossier.verdict.reason.startswith("another level since 16h: from +1.0 to +1.9 %; slope +")


def test_an_hour_without_its_samples_is_left_out_and_too_many_of_them_decide_nothing(tmp_path):
    def line(hours):
        return 2.3 - hours / 120

    some = heading(tmp_path, line, keep=lambda hours: (hours < 17.2) | (hours > 19.2))
    assert (some.outcome, some.facts["trend"].variances.count(None)) == (Outcome.PASS, 3)
    assert "over 45 hourly points" in some.verdict.reason
    many = heading(tmp_path, line, keep=lambda hours: (hours < 13) | (hours > 19.2))
    assert many.outcome is Outcome.INCONCLUSIVE
    assert many.verdict.reason.startswith(
        "41 of 48 hourly points of variance, below 90 %; at 14h: no data: avg"
    )
    assert [finding.id for finding in many.findings] == ["trend.missing"]
    last = heading(tmp_path, line, keep=lambda hours: hours < 47)
    assert (last.outcome, last.findings[0].id) == (Outcome.INCONCLUSIVE, "trend.no_variance")


@pytest.mark.parametrize("query", [MEAN, "max(events + 0 * events)"])
def test_an_hour_is_what_a_checkpoint_at_that_hour_would_be(tmp_path, query):
    wiggle = at_each_hour()
    every = dossiers(
        tmp_path,
        lambda hours: 2 + wiggle(hours),
        suite=SUITE.replace("baseline: 100", "baseline: {offset: 50h}"),
        query=query,
        checkpoints="{every: 1h, until: 48h}",
        keep=lambda hours: (np.abs(hours - 8.5) > 1) & (np.abs(hours + 30) > 1) & (np.abs(hours - 30) > 0.05),
    )
    *checks, trend = every
    assert len(checks) == 48
    expected = [np.nan if one.outcome.undecided else one.verdict.variance for one in checks]
    found = [np.nan if one is None else one for one in trend.facts["trend"].variances]
    assert np.isnan(expected).any()
    assert found == pytest.approx(expected, rel=1e-8, nan_ok=True)


def test_what_one_variance_proves_is_nothing_to_the_line(tmp_path):
    """At the last checkpoint it is neither surely inside its tolerance nor surely outside."""
    hourly = at_each_hour()
    suite = SUITE.replace("tolerance: 5%", "tolerance: 5%, confidence: 95%").replace("<= 5%", "<= 9%")
    for query, level in ((MEAN, 4.9), ("avg_over_time(events[$__range])", 4.99)):

        def percent(hours, level=level):
            return level + 0.1 * hourly(hours) + np.sin(hours * 9)

        *checks, trend = dossiers(tmp_path, percent, suite=suite, query=query)
        assert (checks[-1].outcome, trend.outcome) == (Outcome.INCONCLUSIVE, Outcome.PASS)


def test_points_lie_a_window_apart_or_as_told(tmp_path):
    for told, count in (("every: 2h", "24 points every 2h"), ("every: 10m", "48 hourly points")):
        suite = SUITE.replace("better: lower}", f"better: lower, {told}}}")
        assert count in heading(tmp_path, lambda hours: 2 - hours / 100, suite=suite).verdict.reason


@pytest.mark.parametrize(
    ("baseline", "value"),
    [("{offset: 7d}", 1.7), ("{at: 2025-01-22T13:00:00-08:00}", 1.7), ("{query: 'vector(100)'}", 1.7)],
)
def test_each_hour_has_its_own_baseline(tmp_path, baseline, value):
    """Before the start it was 100 all the time."""
    suite = SUITE.replace("baseline: 100", f"baseline: {baseline}")
    dossier = heading(tmp_path, lambda hours: np.where(hours > 0, 2.3 - hours / 120, 0), suite=suite)
    assert dossier.outcome is Outcome.PASS, dossier.verdict.reason
    assert dossier.verdict.value == pytest.approx(value, abs=0.05)
    assert "over 48 hourly points" in dossier.verdict.reason


@pytest.mark.parametrize(
    "query", ["avg_over_time(events[$__range])", "events * on() group_left() (count(ALERTS) or vector(1))"]
)
def test_what_cannot_be_judged_at_every_hour_is_followed_by_checkpoints(tmp_path, query):
    dossier = heading(tmp_path, lambda hours: 2.3 - hours / 120, query=query)
    assert "over 4 points: by checkpoints" in dossier.verdict.reason or dossier.outcome.undecided
    assert len(dossier.facts["trend"].points) == 4


def test_few_checkpoints_are_no_trend(tmp_path):
    for checkpoints, reason in (
        ("12h, 24h", "2 points of variance: a trend needs 3"),
        ("2h", "1 points of variance"),
    ):
        dossier = heading(tmp_path, np.sin, query="avg_over_time(events[$__range])", checkpoints=checkpoints)
        assert (dossier.outcome, dossier.findings[0].id) == (Outcome.INCONCLUSIVE, "trend.few_points")
        assert dossier.verdict.reason.startswith(reason)


def test_hours_end_at_the_last_checkpoint_that_the_criterion_is_judged_at(tmp_path):
    """What happened later is nothing to it, and it foresees no more than half of what it saw."""
    suite = SUITE.replace("baseline: 100}", "baseline: 100, checkpoints: [12h, 24h, 36h]}").replace(
        "72h", "54h"
    )
    dossier = heading(tmp_path, lambda hours: 2 + 7 * (hours > 37), suite=suite)
    assert (dossier.outcome, "over 36 hourly points" in dossier.verdict.reason) == (Outcome.PASS, True)


def test_a_forecast_reaches_half_as_far_again(tmp_path):
    for at, outcome in (("72h", Outcome.PASS), ("73h", Outcome.INCONCLUSIVE)):
        dossier = heading(tmp_path, lambda hours: 2 - hours / 100, suite=SUITE.replace("72h", at))
        assert dossier.outcome is outcome
    assert dossier.verdict.reason.startswith(
        "no forecast for 73h: 48h of it reach to 72h, half as far again; slope"
    )
    assert [finding.id for finding in dossier.findings] == ["forecast.too_far"]


def test_points_that_hang_together_tell_no_interval(tmp_path):
    suite = SUITE.replace("forecast: {at: 72h, expect: '<= 5%'}", "checkpoints: [12h]").replace(
        ", checkpoints", ", checkpoints"
    )
    dossier = heading(tmp_path, lambda hours: np.sin(hours / 2.2), suite=suite)
    assert (dossier.outcome, dossier.findings[0].id) == (Outcome.INCONCLUSIVE, "trend.no_interval")
    assert "which hang together too much to say how sure it is" in dossier.verdict.reason


def test_all_hours_are_asked_at_once(tmp_path):
    gate = MemoryGate(tmp_path)
    head = HEAD.replace("checkpoints: [2h]", "checkpoints: [48h]")
    check = gate.checks(
        SUITE.replace("QUERY", MEAN).replace("baseline: 100", "baseline: {offset: 7d}"), head
    )[-1]
    ranges = [one for one in check.questions() if isinstance(one, Range) and "[1h]" in one.promql]
    assert [(one.promql, (one.end - one.start) / HOUR, one.step) for one in ranges] == [
        ("avg_over_time(events[1h])", 47, HOUR)
    ] * 2
    arrivals = {one.window / HOUR for one in check.questions() if isinstance(one, ArrivalsQuestion)}
    assert arrivals == {1, 48}


def test_an_answer_that_failed_is_an_error_of_the_trend(tmp_path):
    up = series("up", 1)
    two = [series("events", 100), series("other", 1), series("other", 1, instance="b:1")]
    gate = MemoryGate(tmp_path, data=[up, *two], now=START + 50 * HOUR)
    suite = SUITE.replace("QUERY", "events * on(job) other").replace("72h", "4h")
    verdict = gate.verdicts(suite, HEAD.replace("[2h]", "[3h]"))[-1]
    assert (verdict.outcome, "many-to-many" in verdict.reason or "duplicate" in verdict.reason) == (
        Outcome.ERROR,
        True,
    ), verdict.reason
