"""``trend:`` - where the variance of another criterion is heading, and where it will be.

A straight line through hourly variances, each what the criterion would have at that hour; where it cannot be judged at every
hour, through those of its checkpoints. Rules and figures: docs/explanation/trend.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pytest_telemetry_gate.criteria.derived import DerivedCriterion, from_members
from pytest_telemetry_gate.criteria.evidence import join_digests
from pytest_telemetry_gate.criteria.hours import plan_hours
from pytest_telemetry_gate.criteria.projection import (
    explain,
    find_shift,
    fit_line,
    furthest_forecast,
    limit_of_tolerance,
    say_hours,
    say_shift,
    trend_of,
)
from pytest_telemetry_gate.model.dossier import Dossier, Finding
from pytest_telemetry_gate.model.facts import ForecastFacts, Member, MemberFacts, TrendFacts, TrendPoint
from pytest_telemetry_gate.model.fields import DurationField, LimitField, Model, PositiveDurationField
from pytest_telemetry_gate.model.questions import MetricQuestion
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support.durations import format_short_duration
from pytest_telemetry_gate.support.numbers import (
    format_change,
    format_interval,
    format_percent,
    format_within,
)
from pytest_telemetry_gate.support.suggestions import suggest

if TYPE_CHECKING:
    from pytest_telemetry_gate.criteria.hours import Hours
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check, Criterion
    from pytest_telemetry_gate.model.questions import Question
    from pytest_telemetry_gate.model.suite import Suite
    from pytest_telemetry_gate.model.verdict import Verdict
    from pytest_telemetry_gate.stats.line import Line
    from pytest_telemetry_gate.support.units import Limit

__all__ = ["Trend"]

_UNITS = ("", "%", "pp")  # of a variance; `5%` means percentage points where that is its unit
_MIN_POINTS = 3  # points: with two the line is exact and its interval infinite
_HOUR = 3600.0
_NEAR = 1e-9  # relative: what is still half of a span


class TrendOf(Model):
    """Which criterion's variance is followed, how closely, and which way is better."""

    of: str = Field(description="the criterion whose variance is followed")
    better: Literal["lower", "higher"] | None = Field(
        default=None,
        description="which way is an improvement, if the criterion itself does not tell: a slope that is surely the other way fails",
    )
    every: PositiveDurationField = Field(
        default=_HOUR,
        description="how far the points of a query lie apart, no less than its window; 1h unless told",
    )


class Forecast(Model):
    """A moment after the rollout and the limit that the variance must keep then."""

    at: DurationField = Field(description="the moment, after rollout.start")
    expect: LimitField = Field(description="the limit on the forecast variance")


class Trend(DerivedCriterion):
    """The slope of a criterion's variance since the rollout, with a forecast."""

    key: ClassVar[str] = "trend"
    last_checkpoint_only: ClassVar[bool] = True

    trend: TrendOf = Field(description="whose variance is followed")
    forecast: Forecast | None = Field(
        default=None, description="where the variance must be at a later moment"
    )

    def followed(self, suite: Suite) -> Iterable[Criterion]:
        """Return the criterion whose variance it looks at."""
        other = self.others(suite).get(self.trend.of)
        return () if other is None else (other,)

    def problems(self, suite: Suite) -> Iterable[tuple[str, str]]:
        """Yield a problem if the followed criterion does not exist, or if nothing could make the trend fail."""
        if self.forecast is None and not self._better(suite):
            yield "trend", "needs `better` or a `forecast`: without either it could not fail"
        for key in ("expect", "tolerance"):
            if getattr(self, key) is not None:
                yield key, f"a trend has no `{key}`: its limit is that of the forecast"
        if self.forecast is not None:
            yield from self._forecast_problems(suite, self.forecast)
        ids = self.others(suite)
        if self.trend.of not in ids:
            yield "trend", f"unknown criterion {self.trend.of!r}{suggest(self.trend.of, ids)}"
        for one in self.followed(suite):
            if "query" in one.expressions() and one.baseline is None and suite.baseline is None:
                yield "trend", f"{one.id!r} has no `baseline`, and so no variance that could be followed"
        yield from self.circles(suite)

    def _forecast_problems(self, suite: Suite, forecast: Forecast) -> Iterable[tuple[str, str]]:
        limit = forecast.expect
        if limit.unit not in _UNITS:
            yield "forecast", f"{limit.shown()!r} is no limit on a variance: write it in %"
        last = max(point.at for point in suite.points if suite.applies(self, point))
        if suite.rollout.start + forecast.at <= last:
            yield "forecast", f"{say_hours(forecast.at)} is not after the checkpoint that it is forecast from"
        two_sided = any(one.tolerance is not None for one in self.followed(suite)) and not self._better(suite)
        if two_sided and limit.upper is None and limit.op in {"<", "<=", ">", ">="}:
            unit, size = limit.unit or "%", abs(limit.value)
            other = f"-{size:g}" if limit.op in {"<", "<="} else f"+{size:g}"
            allowed = f"-{size:g}{unit} .. {size:g}{unit}"
            passing = f"a change of {other} {unit} and any larger one"
            problem = f"{limit.shown()!r} would pass {passing}, and {self.trend.of!r} tolerates neither way"
            yield "forecast", f"{problem}: write `{allowed}`, or say which way is `better`"

    def members(self, check: Check) -> list[Check]:
        """Return the followed criterion's checks up to this checkpoint, or the last alone where it is judged at every hour."""
        checks = self._checkpoints(check)
        return checks if self._hours(checks) is None else checks[-1:]

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield the questions of the members, and those about all hours at once."""
        yield from super().questions(check)
        hours = self._hours(self._checkpoints(check))
        if hours is not None:
            yield from hours.questions

    def _checkpoints(self, check: Check) -> list[Check]:
        group, criterion = check.suite.find(self.trend.of)
        # The line knows its own error: what one variance proves is nothing to it.
        followed = criterion.model_copy(update={"confidence": "none"})
        return [
            check.sibling(group, followed, checkpoint)
            for checkpoint in check.suite.points
            if checkpoint.at <= check.time and check.suite.applies(criterion, checkpoint)
        ]

    def _hours(self, checks: Sequence[Check]) -> Hours | None:
        return plan_hours(checks[-1], self.trend.every) if checks else None

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Fail on a slope that surely goes the wrong way or a forecast outside its limit.

        Inconclusive with fewer than three points, with too many of them missing, where the criterion is undecided at the
        last checkpoint, where the points tell no interval, and where the forecast's interval reaches over the limit or its
        moment lies too far ahead.
        """
        verdicts = self.judge_members(check, answers, waivers=False)  # no waiver makes a variance known
        hours = self._hours(self._checkpoints(check))
        hourly = [] if hours is None else hours.judge(answers)
        facts = _collect(self.trend.of, verdicts, hours, hourly)
        members = MemberFacts(tuple(map(Member.from_verdict, verdicts)))
        problem = self.find_unusable(verdicts, "checkpoint") or _find_missing(
            self.trend.of, self.coverage, facts, hourly
        )
        if problem is not None:
            problem = dataclasses.replace(problem, where=self.trend.of)
            return check.dossier(problem.level, problem.message, findings=[problem], facts=[facts, members])
        line = fit_line(facts)
        provenance = from_members(verdicts)
        if hours is not None:
            asked = (answers[one].digest for one in hours.questions if isinstance(one, MetricQuestion))
            provenance = dataclasses.replace(provenance, digest=join_digests([provenance.digest, *asked]))
        window = 0.0 if hours is None else hours.window
        dossier = self._slope(check, line, facts, window).revise(facts=[members], **provenance.fields())
        last = verdicts[-1]
        if self.forecast is not None:
            dossier = self._judge_forecast(dossier, self.forecast, check, line, last)
        if dossier.outcome is Outcome.FAIL or last.outcome is Outcome.FAIL:
            ahead = None if self.forecast is None else check.suite.rollout.start + self.forecast.at
            limits = self._limits(check.suite) if last.outcome.good else []
            dossier = explain(dossier, line, last.time or check.time, limits, window=window, ahead=ahead)
        return dossier

    def _slope(self, check: Check, line: Line, facts: TrendFacts, window: float) -> Dossier:
        """Decide about the slope alone."""
        unit = f"{facts.unit}/day"
        over = f"over {_say_points(facts)}"
        outcome, findings, better = Outcome.PASS, [], self._better(check.suite)
        if not line.is_known:
            reason = f"slope {format_change(line.slope)} {unit} {over}, which hang together too much to say how sure it is"
            outcome = Outcome.INCONCLUSIVE
            findings = [Finding("trend.no_interval", outcome, self.trend.of, reason)]
        else:
            facts = dataclasses.replace(facts, slope_low=line.slope_low, slope_high=line.slope_high)
            slope = format_within(line.slope, line.slope_low, line.slope_high)
            reason = f"slope {slope} {unit} {over}"
            if (better == "lower" and line.slope_low > 0) or (better == "higher" and line.slope_high < 0):
                change = find_shift(facts, window)
                if change is None or change.gradual:
                    outcome, reason = Outcome.FAIL, f"{reason}, surely not {better}"
                    findings = [Finding("trend.wrong_way", outcome, self.trend.of, reason)]
                else:
                    told = say_shift(change, check.suite.rollout.start, facts.unit)
                    outcome, reason = Outcome.WARN, f"another level {told}; {reason}"
                    findings = [Finding("trend.level", outcome, self.trend.of, reason)]
                    facts = dataclasses.replace(facts, change=change)
        facts = dataclasses.replace(facts, slope=line.slope)
        return check.dossier(outcome, reason, findings=findings, facts=[facts], value=line.slope, unit=unit)

    def _better(self, suite: Suite) -> str:
        """Return which way is better: as the trend says, else as the criterion that it follows does."""
        followed = [criterion.better for criterion in self.followed(suite)]
        return next(filter(None, (self.trend.better, self.better, *followed)), "")

    def _judge_forecast(
        self, slope: Dossier, forecast: Forecast, check: Check, line: Line, last: Verdict
    ) -> Dossier:
        """Decide about the forecast, in the place of a decision about the slope that did not fail."""
        start, now = check.suite.rollout.start, check.time if last.time is None else last.time
        limit, time, outcome = forecast.expect, start + forecast.at, slope.outcome
        facts, findings = trend_of(slope), []
        furthest = furthest_forecast(start, now)
        if time - furthest > _NEAR * (time - start):
            seen = f"{say_hours(now - start)} of it reach to {say_hours(furthest - start)}, half as far again"
            reason = f"no forecast for {say_hours(forecast.at)}: {seen}; {slope.verdict.reason}"
            if outcome is Outcome.FAIL:
                return slope.revise(reason=reason, limit=limit.shown(facts.unit))
            finding = Finding("forecast.too_far", Outcome.INCONCLUSIVE, self.trend.of, reason)
            return slope.revise(
                findings=[finding], outcome=finding.level, reason=reason, limit=limit.shown(facts.unit)
            )
        if not line.is_known:
            return slope.revise(limit=limit.shown(facts.unit))
        value, half = line.at(time)
        reason = f"forecast {format_interval(value, half, facts.unit)} at {say_hours(forecast.at)}; {slope.verdict.reason}"
        if not limit.holds(value):
            outcome = Outcome.FAIL
            findings = [Finding("forecast.outside", outcome, self.trend.of, reason)]
        elif not (limit.holds(value - half) and limit.holds(value + half)) and outcome.good:
            outcome, reason = (
                Outcome.INCONCLUSIVE,
                f"the interval reaches over {limit.shown(facts.unit)}: {reason}",
            )
            findings = [Finding("forecast.uncertain", outcome, self.trend.of, reason)]
        dossier = slope.revise(
            findings=findings,
            facts=[dataclasses.replace(facts, forecast=ForecastFacts(time, value, half))],
            outcome=outcome,
            reason=reason,
            value=value,
            unit=facts.unit,
            limit=limit.shown(facts.unit),
            margin=limit.margin(value),
        )
        return dataclasses.replace(dossier, requirement=dataclasses.replace(slope.requirement, limit=limit))

    def _limits(self, suite: Suite) -> list[Limit]:
        """Return what the variance must keep: the limit of the forecast, and the tolerance of what is followed."""
        tolerances = (limit_of_tolerance(one, self._better(suite)) for one in self.followed(suite))
        own = [] if self.forecast is None else [self.forecast.expect]
        return [*own, *(limit for limit in tolerances if limit is not None)]


def _collect(
    of: str, verdicts: Sequence[Verdict], hours: Hours | None, hourly: Sequence[Verdict]
) -> TrendFacts:
    """Return the points of a trend: of the hours where there are any, else of the checkpoints."""
    unit = verdicts[-1].variance_unit if verdicts else "%"
    if hours is None:
        points = tuple(
            TrendPoint(verdict.checkpoint, verdict.time or 0.0, verdict.variance)
            for verdict in verdicts
            if verdict.variance is not None
        )
        return TrendFacts(points, unit=unit, of=of)
    variances = tuple(
        None if verdict.variance is None or verdict.outcome.undecided else float(f"{verdict.variance:.9g}")
        for verdict in hourly
    )
    return TrendFacts(unit=unit, of=of, start=hours.checks[0].time, step=hours.step, variances=variances)


def _find_missing(of: str, coverage: float, facts: TrendFacts, hourly: Sequence[Verdict]) -> Finding | None:
    """Return why there are not enough points, or why one is an error."""
    known = len(facts.known)
    left_out = [verdict for verdict in hourly if verdict.variance is None or verdict.outcome.undecided]
    error = next((verdict for verdict in left_out if verdict.outcome is Outcome.ERROR), None)
    if error is not None:
        return Finding("trend.error", Outcome.ERROR, of, f"{of} at {error.checkpoint}: {error.reason}")
    if known < _MIN_POINTS:
        reason = f"{_say_points(facts, of)}: a trend needs {_MIN_POINTS}"
        return Finding("trend.few_points", Outcome.INCONCLUSIVE, of, reason)
    if hourly and known < coverage * len(hourly):
        first = left_out[0]
        reason = (
            f"{known} of {len(hourly)} {_say_kind(facts)} of {of}, below {format_percent(coverage)}; "
            f"at {first.checkpoint}: {first.reason}"
        )
        return Finding("trend.missing", Outcome.INCONCLUSIVE, of, reason)
    return None


def _say_points(facts: TrendFacts, of: str = "") -> str:
    """Count the points for people, and say of what they are where they are not those of every hour."""
    said = f"{len(facts.known)} {_say_kind(facts)}{f' of {of}' if of else ''}"
    return said if facts.step else f"{said}: by checkpoints" if not of else said


def _say_kind(facts: TrendFacts) -> str:
    if facts.step is None or facts.step == _HOUR:
        return "hourly points" if facts.step else "points"
    return f"points every {format_short_duration(facts.step)}"
