"""``objective:`` - how much of the error budget of a service level objective is used, and how fast it burns.

The budget is the share of events that may be bad, ``1 - target``. The burn rate is the share that was bad over it: at 1 the
budget lasts exactly for its window (Google, The Site Reliability Workbook, chapter 5, "Alerting on SLOs").

Events are counted as ``count:`` does, from the raw samples of two counters: ``increase()`` is 0 for a counter of errors
that begins with its first errors, which is how most of them begin.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from pytest_telemetry_gate.criteria.counters import Counted, Counter
from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.evidence import Evidence, Problem, join_digests
from pytest_telemetry_gate.criteria.queries import SELECTOR, Allowed
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.dossier import Dossier, Finding, Step
from pytest_telemetry_gate.model.facts import CoverageFacts
from pytest_telemetry_gate.model.fields import (
    LimitField,
    Model,
    NumberField,
    PositiveDurationField,
    ShareField,
)
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support.durations import format_short_duration, format_time
from pytest_telemetry_gate.support.numbers import format_distinct, format_number, is_same

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question
    from pytest_telemetry_gate.model.suite import Suite

__all__ = ["Objective"]


class Burn(Model):
    """A window up to the checkpoint, and the burn rate that it may have."""

    over: PositiveDurationField = Field(description="the length of the window")
    at_most: NumberField = Field(
        gt=0, description="the burn rate that is allowed: 1 uses the budget up in its window"
    )
    short: PositiveDurationField | None = Field(
        default=None,
        description="a shorter window, whose burn rate must be higher as well to fail: what is over is not held against it",
    )

    @model_validator(mode="after")
    def _shorter(self) -> Burn:
        if self.short is not None and self.short >= self.over:
            message = "`short` must be shorter than `over`"
            raise ValueError(message)
        return self


class ObjectiveOf(Model):
    """Which events are counted, and how many of them must be good."""

    good: str | None = Field(default=None, description="a selector of counters of good events; this or `bad`")
    bad: str | None = Field(default=None, description="a selector of counters of bad events; this or `good`")
    total: str = Field(description="a selector of counters of all events")
    target: ShareField = Field(description="the share of events that must be good, such as 99.9%")
    window: PositiveDurationField | None = Field(
        default=None,
        description="for how long the budget is, at most since the rollout began; without it, for as long as that",
    )
    burn: tuple[Burn, ...] = Field(default=(), description="burn rates over windows of their own")
    absent: Literal["zero"] | None = Field(
        default=None,
        description="`zero`: the counters of `good` or `bad` may never have been seen, and count as 0 then",
    )

    @model_validator(mode="after")
    def _one_share(self) -> ObjectiveOf:
        if (self.good is None) == (self.bad is None):
            message = f"needs exactly one of good and bad, has {'none' if self.good is None else 'both'}"
            raise ValueError(message)
        if not 0 < self.target < 1:
            message = "target must be between 0% and 100%: without any budget nothing can be left of it, use `count`"
            raise ValueError(message)
        return self

    @property
    def budget(self) -> float:
        """The share of events that may be bad, from 0 to 1."""
        return float(f"{1 - self.target:.12g}")  # 1 - 0.999 is not 0.001


@dataclass(frozen=True, slots=True)
class _Events:
    """The events of one window: how many there were and how many of them bad, and what stands behind that.

    ``start`` is in seconds since the epoch. ``burn`` is the burn rate, NaN where the evidence has a problem.
    """

    start: float
    bad: float
    total: float
    burn: float
    evidence: Evidence
    absent: str = ""


class Objective(Criterion):
    """The share of the error budget that was used since the rollout began, and burn rates over windows up to the checkpoint."""

    key: ClassVar[str] = "objective"
    natural_unit: ClassVar[str] = "ratio"

    objective: ObjectiveOf = Field(description="which events are counted, and how many of them must be good")
    expect: LimitField | None = Field(
        default="<= 100%",
        validate_default=True,
        description="the limit on the share of the budget that is used",
    )

    def expressions(self) -> Mapping[str, tuple[str, Allowed]]:
        """Return the selectors."""
        own = {"good": self.objective.good, "bad": self.objective.bad, "total": self.objective.total}
        return {key: (text, SELECTOR) for key, text in own.items() if text is not None}

    def problems(self, suite: Suite) -> Iterable[tuple[str, str]]:
        """Yield what is wrong with any criterion, keys that mean nothing here, and windows that no checkpoint can fill."""
        yield from super().problems(suite)
        meant = {
            "tolerance": "the budget is the tolerance",
            "unit": "the value is the share of the budget that is used",
            "window": "the length of the budget is `window` inside of `objective`",
            "reduce": "the growth of all counters is summed",
        }
        for key, why in meant.items():
            if getattr(self, key):
                yield key, f"an objective has no `{key}`: {why}"
        if self.combine == "sum":
            yield "combine", "a sum of shares says nothing: `all`, `any` or `max`"
        start = suite.rollout.finish if self.since == "rollout_end" else suite.rollout.start
        last = max((point.at for point in suite.points if suite.applies(self, point)), default=start)
        for burn in self.objective.burn:
            if burn.over > last - start:
                longest = format_short_duration(max(0.0, last - start))
                told = f"a burn rate over {format_short_duration(burn.over)} is never known"
                yield self.key, f"{told}: the last checkpoint is {longest} after the start"

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield the questions of both counters over each window."""
        for start in self._starts(check):
            for counter in self._counters(check, start):
                yield from counter.questions()

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Decide about the share of the budget that is used, and about each burn rate whose window has begun by now."""
        own, start = self.objective, self._start(check)
        events = self._read(check, start, answers)
        length = own.window or check.time - start
        used = events.burn * (check.time - start) / length
        dossier = decide(check, (used,), events.evidence)
        if events.evidence.problem is None:
            said = self._say(check, events, used, length)
            dossier = dossier.revise(
                reason=f"{said}; {dossier.verdict.reason}",
                steps=[Step("budget", said)],
                absent=bool(events.absent),
            )
        facts = [events.evidence]
        for burn in own.burn:
            dossier = self._judge_burn(check, burn, dossier, answers, facts)
        return dossier.revise(facts=_join_facts(facts))

    def _start(self, check: Check) -> float:
        """Return from when on the budget is used: never before the rollout."""
        length = self.objective.window
        return check.start if length is None else max(check.start, check.time - length)

    def _starts(self, check: Check) -> Iterable[float]:
        """Yield the start of every window that is looked at, each once."""
        lengths = [burn.over for burn in self.objective.burn if burn.over <= check.range]
        lengths += [burn.short for burn in self.objective.burn if burn.short and burn.over <= check.range]
        return dict.fromkeys((self._start(check), *(check.time - length for length in lengths)))

    def _counters(self, check: Check, start: float) -> tuple[Counter, Counter]:
        key = "bad" if self.objective.good is None else "good"
        part = Counter.of(check, key, start, is_zero_unless_seen=self.objective.absent == "zero")
        return part, Counter.of(check, "total", start)

    def _read(self, check: Check, start: float, answers: Answers) -> _Events:
        """Count the events after ``start``, and find out why the counts cannot be what they are called."""
        part, total = (counter.read(answers) for counter in self._counters(check, start))
        bad = part.growth if self.objective.good is None else total.growth - part.growth
        evidence = _join(part, total)
        name = "bad" if self.objective.good is None else "good"
        if evidence.problem is None and total.growth == 0:
            reason = f"no events since {format_time(start)}: {self.objective.total} did not grow"
            evidence = dataclasses.replace(evidence, problem=_undecided("objective.no_events", reason))
        elif (
            evidence.problem is None and part.growth > total.growth and not is_same(part.growth, total.growth)
        ):
            counts = f"{format_distinct(part.growth, total.growth)} of {format_number(total.growth)}"
            reason = f"more {name} events than events, {counts} since {format_time(start)}: are both of the same events?"
            evidence = dataclasses.replace(evidence, problem=_undecided("objective.contradiction", reason))
        known = evidence.problem is None
        burn = max(0.0, bad) / total.growth / self.objective.budget if known else math.nan
        return _Events(start, bad, total.growth, burn, evidence, part.absent)

    def _say(self, check: Check, events: _Events, used: float, length: float) -> str:
        """Say how much of the budget is used, how fast, and of how many events."""
        whole = f" of {format_short_duration(length)}" if self.objective.window else ""
        counts = f"{format_number(max(0.0, events.bad))} of {format_number(events.total)} events bad"
        absent = f"; {events.absent}" if events.absent else ""
        return (
            f"used {format_number(used * 100)} % of the budget{whole}, burn rate {_rate(events.burn)} "
            f"({counts} in {format_short_duration(check.time - events.start)}){absent}"
        )

    def _judge_burn(
        self, check: Check, burn: Burn, dossier: Dossier, answers: Answers, facts: list[Evidence]
    ) -> Dossier:
        """Return the dossier with what one burn rate says; a failure counts more than what is undecided."""
        over, where = format_short_duration(burn.over), check.criterion.id
        if burn.over > check.range:
            said = f"not judged yet: the burn rate over {over}, which is longer than since the rollout"
            return dossier.revise(reason=f"{dossier.verdict.reason}; {said}", steps=[Step("burn", said)])
        windows = [burn.over, *([] if burn.short is None else [burn.short])]
        events = [self._read(check, check.time - length, answers) for length in windows]
        facts += [one.evidence for one in events]
        problem = next((one.evidence.problem for one in events if one.evidence.problem is not None), None)
        doubt = next((one.evidence.doubt for one in events if one.evidence.doubt), "")
        high = [one.burn > burn.at_most and not is_same(one.burn, burn.at_most) for one in events]
        rates = " and ".join(
            f"{_rate(one.burn, burn.at_most)} over {format_short_duration(length)}"
            for one, length in zip(events, windows, strict=True)
        )
        said = f"burn rate {rates}, at most {_rate(burn.at_most)}"
        if problem is not None:
            outcome, name, said = problem.outcome, problem.id, f"burn rate over {over}: {problem.reason}"
        elif all(high):
            outcome, name = Outcome.FAIL, "objective.burn"
        elif doubt:
            outcome, name, said = Outcome.INCONCLUSIVE, "evidence.doubtful", f"burn rate over {over}: {doubt}"
        else:
            outcome, name = Outcome.PASS, ""
        step = Step("burn", said)
        reason = f"{dossier.verdict.reason}; {said}"
        if outcome is Outcome.PASS:
            return dossier.revise(reason=reason, steps=[step])
        worst = max(dossier.outcome, outcome, key=lambda one: (one is Outcome.FAIL, one.rank))
        if dossier.outcome.good:
            reason = f"{said}; {dossier.verdict.reason}"  # what closes the gate comes first
        finding = Finding(name, outcome, where, said)
        return dossier.revise(outcome=worst, reason=reason, steps=[step], findings=[finding])


def _undecided(name: str, reason: str) -> Problem:
    return Problem(Outcome.INCONCLUSIVE, reason, name)


def _rate(burn: float, limit: float | None = None) -> str:
    return f"{format_number(burn) if limit is None else format_distinct(burn, limit)}x"


def _join(part: Counted, total: Counted) -> Evidence:
    """Return the evidence of both counts: what speaks against one speaks against both."""
    first, second = total.evidence, part.evidence
    shares = [one.provenance.coverage for one in (first, second) if one.provenance.coverage is not None]
    return Evidence(
        dataclasses.replace(
            first.provenance,
            query=f"{second.provenance.query} / {first.provenance.query}",
            digest=join_digests((first.provenance.digest, second.provenance.digest)),
            warnings=tuple(dict.fromkeys((*first.provenance.warnings, *second.provenance.warnings))),
            coverage=min(shares, default=None),
        ),
        first.problem or second.problem,
        first.doubt or second.doubt,
        tuple(_join_facts([first, second])),
    )


def _join_facts(evidences: Sequence[Evidence]) -> list[CoverageFacts]:
    """Return what is known of the samples of several counts as one."""
    selectors = [
        selector
        for evidence in evidences
        for facts in evidence.facts
        if isinstance(facts, CoverageFacts)
        for selector in facts.selectors
    ]
    return [CoverageFacts(tuple(dict.fromkeys(selectors)))] if selectors else []
