"""``trend:`` - where the variance of another criterion is heading over the checkpoints, and where it will be.

An ordinary least squares line through the variances, with the 95 % confidence interval of its slope and the 95 %
prediction interval of the forecast (Draper and Smith, Applied Regression Analysis, 3rd ed., sections 1.4 and 3.1).
Each variance comes from a window of its own, so their errors are taken as independent.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pytest_telemetry_gate.criteria.derived import DerivedCriterion
from pytest_telemetry_gate.model.dossier import Dossier, Finding
from pytest_telemetry_gate.model.facts import ForecastFacts, TrendFacts, TrendPoint
from pytest_telemetry_gate.model.fields import DurationField, LimitField, Model
from pytest_telemetry_gate.model.verdict import Outcome, worsening
from pytest_telemetry_gate.stats.line import Line, fit
from pytest_telemetry_gate.support.numbers import format_change, format_number
from pytest_telemetry_gate.support.suggestions import suggest

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check, Criterion
    from pytest_telemetry_gate.model.suite import Suite

__all__ = ["Trend"]

_UNITS = ("", "%", "pp")  # of a variance; `5%` of a ratio means percentage points
_MIN_POINTS = 3  # points: with two the line is exact and its interval infinite


class TrendOf(Model):
    """Which criterion's variance is followed, and which way is better."""

    of: str = Field(description="the criterion whose variance is followed")
    better: Literal["lower", "higher"] | None = Field(
        default=None,
        description="which way is an improvement, if the criterion itself does not tell: a slope that is surely the other way fails",
    )


class Forecast(Model):
    """A moment after the rollout and the limit that the variance must keep then."""

    at: DurationField = Field(description="the moment, after rollout.start")
    expect: LimitField = Field(description="the limit on the forecast variance")


class Trend(DerivedCriterion):
    """The slope of a criterion's variance over the checkpoints so far, with a forecast."""

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
        yield from self.circles(suite)

    def _forecast_problems(self, suite: Suite, forecast: Forecast) -> Iterable[tuple[str, str]]:
        if forecast.expect.unit not in _UNITS:
            yield "forecast", f"{forecast.expect.shown()!r} is no limit on a variance: write it in %"
        last = max(point.at for point in suite.points if suite.applies(self, point))
        if suite.rollout.start + forecast.at <= last:
            yield "forecast", f"{_hours(forecast.at)} is not after the checkpoint that it is forecast from"

    def members(self, check: Check) -> list[Check]:
        """Return the followed criterion's checks up to this checkpoint."""
        group, criterion = check.suite.find(self.trend.of)
        return [
            check.sibling(group, criterion, checkpoint)
            for checkpoint in check.suite.points
            if checkpoint.at <= check.time and check.suite.applies(criterion, checkpoint)
        ]

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Fail on a slope that surely goes the wrong way or a forecast outside its limit.

        Inconclusive with fewer than three points, a point without a variance or undecided, or a forecast whose interval
        reaches over the limit.
        """
        verdicts = self.judge_members(check, answers, waivers=False)  # no waiver makes a variance known
        unit = verdicts[-1].variance_unit if verdicts else "%"
        points = tuple(
            TrendPoint(verdict.checkpoint, verdict.time or 0.0, verdict.variance)
            for verdict in verdicts
            if verdict.variance is not None
        )
        facts = TrendFacts(points, unit=unit)
        unusable = self.find_unusable(verdicts, "checkpoint")
        if unusable is not None:
            unusable = dataclasses.replace(unusable, where=self.trend.of)
            return check.dossier(unusable.level, unusable.message, findings=[unusable], facts=[facts])
        if len(points) < _MIN_POINTS:
            reason = f"{len(points)} points of {self.trend.of}: a trend needs {_MIN_POINTS}"
            finding = Finding("trend.few_points", Outcome.INCONCLUSIVE, self.trend.of, reason)
            return check.dossier(finding.level, reason, findings=[finding], facts=[facts])
        line = fit([point.time for point in points], [point.variance for point in points])
        facts = dataclasses.replace(
            facts, slope=line.slope, slope_half=line.slope_half, forecast=self._predict(check, line)
        )
        dossier = self._slope(check, line, facts)
        if self.forecast is None or facts.forecast is None:
            return dossier
        return self._judge_forecast(dossier, self.forecast, facts.forecast, facts.unit)

    def _slope(self, check: Check, line: Line, facts: TrendFacts) -> Dossier:
        """Decide about the slope alone."""
        unit = f"{facts.unit}/day"
        reason = f"slope {_pair(line.slope, line.slope_half)} {unit} over {len(facts.points)} points"
        outcome, findings = Outcome.PASS, []
        better = self._better(check.suite)
        if worsening(line.slope, better) - line.slope_half > 0 and better:
            outcome, reason = Outcome.FAIL, f"{reason}, surely not {better}"
            findings = [Finding("trend.wrong_way", outcome, self.trend.of, reason)]
        return check.dossier(
            outcome, reason, findings=findings, facts=[facts], value=line.slope, unit=unit, source="suite"
        )

    def _better(self, suite: Suite) -> str:
        """Return which way is better: as the trend says, else as the criterion that it follows does."""
        followed = [criterion.better for criterion in self.followed(suite)]
        return next(filter(None, (self.trend.better, self.better, *followed)), "")

    def _predict(self, check: Check, line: Line) -> ForecastFacts | None:
        if self.forecast is None:
            return None
        time = check.suite.rollout.start + self.forecast.at
        return ForecastFacts(time, *line.at(time))

    def _judge_forecast(
        self, slope: Dossier, forecast: Forecast, predicted: ForecastFacts, unit: str
    ) -> Dossier:
        """Decide about the forecast, in the place of a decision about the slope that did not fail."""
        limit, value, half = forecast.expect, predicted.value, predicted.half
        outcome, findings = slope.outcome, []
        reason = f"forecast {_pair(value, half)} {unit} at {_hours(forecast.at)}; {slope.verdict.reason}"
        if not limit.holds(value):
            outcome = Outcome.FAIL
            findings = [Finding("forecast.outside", outcome, self.trend.of, reason)]
        elif not (limit.holds(value - half) and limit.holds(value + half)) and outcome is Outcome.PASS:
            outcome, reason = Outcome.INCONCLUSIVE, f"the interval reaches over {limit.shown(unit)}: {reason}"
            findings = [Finding("forecast.uncertain", outcome, self.trend.of, reason)]
        dossier = slope.revise(
            findings=findings,
            outcome=outcome,
            reason=reason,
            value=value,
            unit=unit,
            limit=limit.shown(unit),
            margin=limit.margin(value),
        )
        return dataclasses.replace(dossier, requirement=dataclasses.replace(slope.requirement, limit=limit))


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:g}h"


def _pair(value: float, half: float) -> str:
    return f"{format_change(value)} ± {format_number(half)}"
