"""``trend:`` - where the variance of another criterion is heading over the checkpoints, and where it will be.

An ordinary least squares line through the variances, with the 95 % confidence interval of its slope and the 95 %
prediction interval of the forecast (Draper and Smith, Applied Regression Analysis, 3rd ed., sections 1.4 and 3.1).
The variances come from windows of their own, so their errors are taken as independent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.fields import DurationField, LimitField, Model
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.stats.line import Line, fit
from pytest_telemetry_gate.support.numbers import format_change, format_number
from pytest_telemetry_gate.support.suggestions import suggestion

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question
    from pytest_telemetry_gate.model.suite import Suite
    from pytest_telemetry_gate.model.verdict import Verdict

__all__ = ["Trend"]

_UNITS = ("", "%", "pp")  # of a variance; `5%` of a ratio means percentage points
_LEAST = 3  # points: with two the line is exact and its interval infinite


class TrendOf(Model):
    """Which criterion's variance is followed, and which way is better."""

    of: str = Field(description="the criterion whose variance is followed")
    better: Literal["lower", "higher"] | None = Field(
        default=None, description="which way is an improvement: a slope that is surely the other way fails"
    )


class Forecast(Model):
    """A moment after the rollout and the limit that the variance must keep then."""

    at: DurationField = Field(description="the moment, after rollout.start")
    expect: LimitField = Field(description="the limit on the forecast variance")


class Trend(Criterion):
    """The slope of a criterion's variance over the checkpoints so far, with a forecast."""

    key: ClassVar[str] = "trend"
    last_checkpoint_only: ClassVar[bool] = True

    trend: TrendOf = Field(description="whose variance is followed")
    forecast: Forecast | None = Field(
        default=None, description="where the variance must be at a later moment"
    )

    def problems(self, suite: Suite) -> Iterable[tuple[str, str]]:
        """Yield what is wrong where the followed criterion does not exist, or nothing says what would fail."""
        if self.forecast is None and self.trend.better is None:
            yield "trend", "needs `better` or a `forecast`: without either it could not fail"
        for key in ("expect", "tolerance"):
            if getattr(self, key) is not None:
                yield key, f"a trend has no `{key}`: its limit is that of the forecast"
        if self.forecast is not None:
            yield from self._forecast_problems(suite, self.forecast)
        ids = [
            criterion.id
            for criteria in suite.groups.values()
            for criterion in criteria
            if criterion is not self
        ]
        if self.trend.of not in ids:
            yield "trend", f"unknown criterion {self.trend.of!r}{suggestion(self.trend.of, ids)}"

    def _forecast_problems(self, suite: Suite, forecast: Forecast) -> Iterable[tuple[str, str]]:
        if forecast.expect.unit not in _UNITS:
            yield "forecast", f"{forecast.expect.shown()!r} is no limit on a variance: write it in %"
        last = max(point.at for point in suite.points if suite.applies(self, point))
        if suite.rollout.start + forecast.at <= last:
            yield "forecast", f"{_hours(forecast.at)} is not after the checkpoint that it is forecast from"

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield whatever the followed criterion asks at every checkpoint so far."""
        for member in self.members(check):
            yield from member.questions()

    def members(self, check: Check) -> list[Check]:
        """Return the followed criterion's checks up to this checkpoint."""
        group, criterion = check.suite.find(self.trend.of)
        return [
            check.sibling(group, criterion, checkpoint)
            for checkpoint in check.suite.points
            if checkpoint.at <= check.time and check.suite.applies(criterion, checkpoint)
        ]

    def judge(self, check: Check, answers: Answers) -> Verdict:
        """Fail on a slope that surely goes the wrong way or a forecast outside its limit.

        Inconclusive with fewer than three points, a point without a variance, or a forecast whose interval
        reaches over the limit.
        """
        verdicts = [judge(member, answers) for member in self.members(check)]
        blank = next((one for one in verdicts if one.variance is None), None)
        if blank is not None:
            outcome = Outcome.ERROR if blank.outcome is Outcome.ERROR else Outcome.INCONCLUSIVE
            return check.verdict(
                outcome, f"no variance of {self.trend.of} at {blank.checkpoint}: {blank.reason}"
            )
        if len(verdicts) < _LEAST:
            return check.verdict(
                Outcome.INCONCLUSIVE, f"{len(verdicts)} points of {self.trend.of}: a trend needs {_LEAST}"
            )
        unit = verdicts[-1].variance_unit
        line = fit([one.time or 0.0 for one in verdicts], [one.variance or 0.0 for one in verdicts])
        told = f"slope {_pair(line.slope, line.slope_half)} {unit}/day over {len(verdicts)} points"
        outcome = Outcome.FAIL if self._wrong_way(line) else Outcome.PASS
        if outcome is Outcome.FAIL:
            told += f", surely not {self.trend.better}"
        if self.forecast is None:
            return check.verdict(outcome, told, value=line.slope, unit=f"{unit}/day", source="suite")
        return self._forecast(check, self.forecast, line, unit, (outcome, told))

    def _wrong_way(self, line: Line) -> bool:
        if self.trend.better == "lower":
            return line.slope - line.slope_half > 0
        return self.trend.better == "higher" and line.slope + line.slope_half < 0

    def _forecast(
        self, check: Check, forecast: Forecast, line: Line, unit: str, so_far: tuple[Outcome, str]
    ) -> Verdict:
        value, half = line.at(check.suite.rollout.start + forecast.at)
        limit = forecast.expect
        outcome, told = so_far
        told = f"forecast {_pair(value, half)} {unit} at {_hours(forecast.at)}; {told}"
        if not limit.holds(value):
            outcome = Outcome.FAIL
        elif not (limit.holds(value - half) and limit.holds(value + half)) and outcome is Outcome.PASS:
            outcome, told = Outcome.INCONCLUSIVE, f"the interval reaches over {limit.shown(unit)}: {told}"
        return check.verdict(
            outcome,
            told,
            value=value,
            unit=unit,
            limit=limit.shown(unit),
            margin=limit.margin(value),
            source="suite",
        )


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:g}h"


def _pair(value: float, half: float) -> str:
    return f"{format_change(value)} ± {format_number(half)}"
