"""``count:`` - the exact growth of counters since the rollout.

``increase()`` extrapolates to the edges of the window and gives 0 for a counter whose first sample is 1. Here the raw
samples are subtracted and the value before each reset is added (``extrapolatedRate`` in Prometheus' ``functions.go``
corrects resets the same way), from the last sample before the rollout on. A counter that first appears in the window
counts from 0.

A counter without samples is 0 only where somebody knows of it: another series of the same metric, the server's metadata,
or the suite itself by ``absent: zero``; and where its targets were up. One that was there and is gone is no 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from pytest_telemetry_gate.criteria.baseline import find_stated_reference
from pytest_telemetry_gate.criteria.coverage import (
    Coverage,
    find_fresh,
    measure_arrivals,
    up_question,
)
from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.evidence import Problem, collect_evidence
from pytest_telemetry_gate.criteria.known import describe_unknown
from pytest_telemetry_gate.criteria.queries import SELECTOR, Allowed
from pytest_telemetry_gate.model.answers import Answers
from pytest_telemetry_gate.model.arrivals import Arrivals, Known, target_of
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.dossier import Dossier, Step
from pytest_telemetry_gate.model.questions import ArrivalsQuestion, Instant, KnownQuestion
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.promql import Matrix, Vector, ast
from pytest_telemetry_gate.promql.labels import format_series
from pytest_telemetry_gate.support.durations import format_duration, format_time
from pytest_telemetry_gate.support.numbers import format_value

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question

__all__ = ["Count", "growth"]

_REACH = 86_400.0  # seconds before the rollout in which the sample to count from is searched
_NAME_THE_JOB = "which targets would have it is unknown: name their job in the selector, or give `up:`"
_TARGET = frozenset({"__name__", "job", "instance"})

Series = frozenset[tuple[str, str]]


class Count(Criterion):
    """The exact growth of all counters that a selector names, from the start of the rollout to the checkpoint."""

    key: ClassVar[str] = "count"

    count: str = Field(description="a selector of counters; their growth is summed")
    absent: Literal["zero"] | None = Field(
        default=None, description="`zero`: the counter may never have been seen, and counts as 0 then"
    )

    def expressions(self) -> Mapping[str, tuple[str, Allowed]]:
        """Return the selector."""
        return {"count": (self.count, SELECTOR)}

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield the raw samples, the last ones before them, and when those of the series, the metric and ``up`` arrived."""
        asked = _Asked.of(check, self.count)
        yield from (asked.samples, asked.before, asked.series, asked.family, asked.known)
        if asked.up is not None:
            yield asked.up

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Decide about the growth; without samples it is known only where absence is known to mean 0."""
        asked = _Asked.of(check, self.count)
        answer, before = answers[asked.samples], answers[asked.before]
        own = measure_arrivals(asked.series, answers)
        coverage = self._of_targets(asked, own, answers)
        evidence = collect_evidence(check, answer, query=asked.samples.promql, coverage=coverage)
        base = _base(before.value)
        problem = collect_evidence(check, before, query=asked.before.promql).problem
        if evidence.problem is None and problem is not None and problem.id != "data.none":
            evidence = replace(evidence, problem=problem)
        absent = ""
        if evidence.problem is None:
            gone = _find_gone(asked, base, answers)
            if gone:
                evidence = replace(evidence, doubt=gone)  # what it counted before is counted all the same
            elif not own.samples:
                absent, unknown = self._explain_absence(check, asked, answers)
                if unknown:
                    finding = Problem(Outcome.INCONCLUSIVE, unknown, "counter.unknown")
                    evidence = replace(evidence, problem=finding)
        grown = math.nan
        if isinstance(answer.value, Matrix):
            odd = _find_odd(answer.value)
            if odd and evidence.problem is None:
                evidence = replace(evidence, problem=Problem(Outcome.INCONCLUSIVE, odd, "data.not_finite"))
            grown = math.nan if odd else growth(answer.value, check.start, base)
        dossier = decide(check, (grown,), evidence, find_stated_reference(check, answers))
        if not absent or evidence.problem is not None:
            return dossier
        reason = f"{dossier.verdict.reason}; {absent}"
        return dossier.revise(reason=reason, absent=True, steps=[Step("absent", absent)])

    def _of_targets(self, asked: _Asked, own: Coverage, answers: Answers) -> Coverage:
        """Return the coverage of a counter: a series may be born in the window, if its target was scraped all the time.

        While the series are there, their own gaps count too. Where nothing tells of the targets the series speak for
        themselves; where there are no series either, nothing is known.
        """
        if own.error or own.doubt:
            return own
        if asked.up is None:
            if own.samples or asked.family == asked.series:
                return own if own.samples else replace(own, reason=f"{own.reason}; {_NAME_THE_JOB}")
            return measure_arrivals(asked.family, answers)
        series = answers[asked.series].value
        jobs = (
            {target.job for target in series.targets}
            if isinstance(series, Arrivals) and own.samples
            else None
        )
        if self.up is not None:
            jobs = None
        up = measure_arrivals(asked.up, answers, of_up=True, jobs=jobs)
        facts = own.facts + up.facts
        if own.samples and not up.samples and not up.error and self.up is None:
            return own
        if up.error or not own.samples or not up.samples:
            reason = up.reason if up.samples else f"{own.reason}; {up.reason}"
            return replace(up, reason=reason, facts=facts)
        if up.share is not None and own.living is not None and own.living < up.share:
            return replace(own, share=own.living, stale="", facts=facts)
        return replace(up, facts=facts)

    def _explain_absence(self, check: Check, asked: _Asked, answers: Answers) -> tuple[str, str]:
        """Return why a counter without samples is 0, or else why nobody can tell."""
        selector = asked.series.selector
        family = find_fresh(asked.family, answers)
        if asked.family != asked.series and family.fresh:
            return f"absent: {asked.family.selector} has samples, none of them with these labels", ""
        if family.stale:
            last = format_time(max(family.last.values()))
            return "", f"{asked.family.selector} was there until {last} and is gone: renamed or dropped?"
        known = answers[asked.known]
        if isinstance(known.value, Known) and known.value.has_family(asked.metric):
            return f"absent: no series of {selector}, which the metadata know", ""
        if self.absent == "zero":
            return f"absent: no series of {selector}, which the suite takes for 0", ""
        unknown = describe_unknown(check, [selector], answers) or f"nobody knows of {selector}"
        return "", f"{unknown}; `absent: zero` says that a counter may never have been seen"


@dataclass(frozen=True, slots=True)
class _Asked:
    """All questions of a count."""

    samples: Instant
    before: Instant
    series: ArrivalsQuestion
    family: ArrivalsQuestion
    up: ArrivalsQuestion | None  # where the suite says which targets have the counter
    known: Question
    metric: str

    @classmethod
    def of(cls, check: Check, selector: str) -> _Asked:
        samples = check.query("samples", f"{selector}[{format_duration(check.range)}]")
        before = check.query("before", f"last_over_time({selector}[{format_duration(_REACH)}])")
        plain = check.query("count")
        parsed = plain.expr
        if not isinstance(parsed, ast.VectorSelector):
            raise TypeError(selector)
        names_target = check.criterion.up is not None or any(m.name == "job" for m in parsed.matchers)
        family = ast.VectorSelector(
            parsed.name, tuple(matcher for matcher in parsed.matchers if matcher.name in _TARGET)
        )
        return cls(
            samples=samples.at(check.region, check.time),
            before=before.at(check.region, check.start),
            series=ArrivalsQuestion(check.region, parsed.selector, check.time, check.range),
            family=ArrivalsQuestion(check.region, family.selector, check.time, check.range),
            up=up_question(check, plain, check.time, check.range) if names_target else None,
            known=KnownQuestion(check.region),
            metric=parsed.name,
        )


def growth(matrix: Matrix, start: float, base: Mapping[Series, float] | None = None) -> float:
    """Return the summed growth after ``start`` (seconds) of the counters in a matrix of raw samples.

    ``base`` has the last values before ``start`` by the labels of series, without their names. A series without one, and
    without a sample at or before ``start``, is new and counts from 0. A sample that is lower than the one before it is a
    reset and counts whole.
    """
    growths = []
    for labels, values, present in zip(matrix.labels, matrix.values, matrix.present, strict=True):
        times, samples = matrix.times[present], values[present]
        before = int(np.searchsorted(times, start, side="right"))
        first = samples[before - 1] if before else (base or {}).get(_identify(labels), 0.0)
        steps = np.diff(np.concatenate(([first], samples[before:])))
        rises = np.where(steps < 0, samples[before:], steps)
        growths.append(math.fsum(rises[rises != 0].tolist()))  # most counters stand still most of the time
    return math.fsum(growths)


def _identify(labels: Mapping[str, str]) -> Series:
    return frozenset((name, text) for name, text in labels.items() if name != "__name__")


def _base(value: object) -> Mapping[Series, float]:
    if not isinstance(value, Vector):
        return {}
    return dict(zip(map(_identify, value.labels), value.values.tolist(), strict=True))


def _find_odd(matrix: Matrix) -> str:
    """Return that a sample of a counter is NaN or infinite, or nothing."""
    odd = matrix.present & ~np.isfinite(matrix.values)
    if not odd.any():
        return ""
    row, column = (int(place[0]) for place in np.nonzero(odd))
    value = format_value(float(matrix.values[row, column]))
    selector, when = format_series(matrix.labels[row]), format_time(float(matrix.times[column]))
    return f"a sample of {selector} is {value} at {when}: no counter"


def _find_gone(asked: _Asked, base: Mapping[Series, float], answers: Answers) -> str:
    """Return that a counter was there and is gone, or nothing.

    It may go with its target, where other targets have the metric; its target then is not scraped any more.
    """
    series = find_fresh(asked.series, answers)
    scraped = set() if asked.up is None else find_fresh(asked.up, answers).fresh
    had = {target_of(dict(labels)) for labels in base}
    lost = sorted((series.stale | had) & scraped - series.fresh)
    if lost:
        last = series.last.get(lost[0])
        when = f"until {format_time(last)}" if last else f"before {format_time(asked.before.time)}"
        return f"{asked.series.selector} was there {when} and is gone, though its target is still there: renamed, dropped, or down?"
    if (series.stale or had) and not series.fresh and not find_fresh(asked.family, answers).fresh:
        when = format_time(asked.before.time)
        return f"{asked.series.selector} was there {'before' if had else 'after'} {when} and is gone: renamed or dropped?"
    return ""
