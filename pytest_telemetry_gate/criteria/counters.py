"""The exact growth of the counters that a selector names, and whether it can be believed.

``increase()`` extrapolates to the edges of the window and gives 0 for a counter whose first sample is 1. Here the raw
samples are subtracted and the value before each reset is added (``extrapolatedRate`` in Prometheus' ``functions.go``
corrects resets the same way), from the last sample before the start on. A counter that first appears after it
counts from 0.

A counter without samples is 0 only where somebody knows of it: another series of the same metric, the server's metadata,
or the suite itself by ``absent: zero``; and where its targets were up. One that was there and is gone is no 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_telemetry_gate.criteria.coverage import (
    Coverage,
    find_fresh,
    measure_arrivals,
    up_question,
)
from pytest_telemetry_gate.criteria.evidence import Evidence, Problem, collect_evidence
from pytest_telemetry_gate.criteria.known import describe_unknown
from pytest_telemetry_gate.model.arrivals import Arrivals, Known, target_of
from pytest_telemetry_gate.model.questions import ArrivalsQuestion, Instant, KnownQuestion
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.promql import Matrix, Vector, ast
from pytest_telemetry_gate.promql.labels import format_series
from pytest_telemetry_gate.support.durations import format_duration, format_time
from pytest_telemetry_gate.support.numbers import format_value

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question

__all__ = ["Counted", "Counter", "growth"]

_REACH = 86_400.0  # seconds before the start in which the sample to count from is searched
_NAME_THE_JOB = "which targets would have it is unknown: name their job in the selector, or give `up:`"
_TARGET = frozenset({"__name__", "job", "instance"})

Series = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Counted:
    """How much counters grew, NaN where that is unknown; ``absent`` says why no samples mean 0, where there are none."""

    growth: float
    evidence: Evidence
    absent: str = ""


@dataclass(frozen=True, slots=True)
class Counter:
    """The counters of a selector from ``start`` (seconds since the epoch) to a check's time: what is asked, and what it says.

    ``is_zero_unless_seen`` says that they may never have been seen, and count as 0 then.
    """

    check: Check
    start: float
    is_zero_unless_seen: bool
    samples: Instant
    before: Instant
    series: ArrivalsQuestion
    family: ArrivalsQuestion
    up: ArrivalsQuestion | None  # where the suite says which targets have the counter
    known: Question
    metric: str

    @classmethod
    def of(cls, check: Check, key: str, start: float, *, is_zero_unless_seen: bool = False) -> Counter:
        """Return the counters of the selector that a check's criterion has under a key."""
        plain = check.query(key)
        selector, length = plain.text, check.time - start
        samples = check.query(key, f"{selector}[{format_duration(length)}]")
        before = check.query(key, f"last_over_time({selector}[{format_duration(_REACH)}])")
        parsed = plain.expr
        if not isinstance(parsed, ast.VectorSelector):
            raise TypeError(selector)
        names_target = check.criterion.up is not None or any(m.name == "job" for m in parsed.matchers)
        family = ast.VectorSelector(
            parsed.name, tuple(matcher for matcher in parsed.matchers if matcher.name in _TARGET)
        )
        return cls(
            check=check,
            start=start,
            is_zero_unless_seen=is_zero_unless_seen,
            samples=samples.at(check.place, check.time),
            before=before.at(check.place, start),
            series=ArrivalsQuestion(check.place, parsed.selector, check.time, length),
            family=ArrivalsQuestion(check.place, family.selector, check.time, length),
            up=up_question(check, plain, check.time, length) if names_target else None,
            known=KnownQuestion(check.place),
            metric=parsed.name,
        )

    def questions(self) -> Iterable[Question]:
        """Yield the raw samples, the last ones before them, and when those of the series, the metric and ``up`` arrived."""
        yield from (self.samples, self.before, self.series, self.family, self.known)
        if self.up is not None:
            yield self.up

    def read(self, answers: Answers) -> Counted:
        """Return the growth and what speaks against it; without samples it is known only where absence means 0."""
        check = self.check
        answer, before = answers[self.samples], answers[self.before]
        own = measure_arrivals(self.series, answers)
        coverage = self._of_targets(own, answers)
        evidence = collect_evidence(check, answer, query=self.samples.promql, coverage=coverage)
        base = _base(before.value)
        problem = collect_evidence(check, before, query=self.before.promql).problem
        if evidence.problem is None and problem is not None and problem.id != "data.none":
            evidence = replace(evidence, problem=problem)
        absent = ""
        if evidence.problem is None:
            gone = self._find_gone(base, answers)
            if gone:
                evidence = replace(evidence, doubt=gone)  # what it counted before is counted all the same
            elif not own.samples:
                absent, unknown = self._explain_absence(answers)
                if unknown:
                    finding = Problem(Outcome.INCONCLUSIVE, unknown, "counter.unknown")
                    evidence = replace(evidence, problem=finding)
        grown = math.nan
        if isinstance(answer.value, Matrix):
            odd = _find_odd(answer.value)
            if odd and evidence.problem is None:
                evidence = replace(evidence, problem=Problem(Outcome.INCONCLUSIVE, odd, "data.not_finite"))
            grown = math.nan if odd else growth(answer.value, self.start, base)
        return Counted(grown, evidence, absent if evidence.problem is None else "")

    def _of_targets(self, own: Coverage, answers: Answers) -> Coverage:
        """Return the coverage of a counter: a series may be born in the window, if its target was scraped all the time.

        While the series are there, their own gaps count too. Where nothing tells of the targets the series speak for
        themselves; where there are no series either, nothing is known.
        """
        if own.error or own.doubt:
            return own
        if self.up is None:
            if own.samples or self.family == self.series:
                return own if own.samples else replace(own, reason=f"{own.reason}; {_NAME_THE_JOB}")
            return measure_arrivals(self.family, answers)
        series = answers[self.series].value
        jobs = (
            {target.job for target in series.targets}
            if isinstance(series, Arrivals) and own.samples
            else None
        )
        is_told = self.check.criterion.up is not None
        if is_told:
            jobs = None
        up = measure_arrivals(self.up, answers, of_up=True, jobs=jobs)
        facts = own.facts + up.facts
        if own.samples and not up.samples and not up.error and not is_told:
            return own
        if up.error or not own.samples or not up.samples:
            reason = up.reason if up.samples else f"{own.reason}; {up.reason}"
            return replace(up, reason=reason, facts=facts)
        if up.share is not None and own.living is not None and own.living < up.share:
            return replace(own, share=own.living, stale="", facts=facts)
        return replace(up, facts=facts)

    def _explain_absence(self, answers: Answers) -> tuple[str, str]:
        """Return why a counter without samples is 0, or else why nobody can tell."""
        selector = self.series.selector
        family = find_fresh(self.family, answers)
        if self.family != self.series and family.fresh:
            return f"absent: {self.family.selector} has samples, none of them with these labels", ""
        if family.stale:
            last = format_time(max(family.last.values()))
            return "", f"{self.family.selector} was there until {last} and is gone: renamed or dropped?"
        known = answers[self.known]
        if isinstance(known.value, Known) and known.value.has_family(self.metric):
            return f"absent: no series of {selector}, which the metadata know", ""
        if self.is_zero_unless_seen:
            return f"absent: no series of {selector}, which the suite takes for 0", ""
        unknown = describe_unknown(self.check, [selector], answers) or f"nobody knows of {selector}"
        return "", f"{unknown}; `absent: zero` says that a counter may never have been seen"

    def _find_gone(self, base: Mapping[Series, float], answers: Answers) -> str:
        """Return that a counter was there and is gone, or nothing.

        It may go with its target, where other targets have the metric; its target then is not scraped any more.
        """
        series = find_fresh(self.series, answers)
        scraped = set() if self.up is None else find_fresh(self.up, answers).fresh
        had = {target_of(dict(labels)) for labels in base}
        lost = sorted((series.stale | had) & scraped - series.fresh)
        if lost:
            last = series.last.get(lost[0])
            when = f"until {format_time(last)}" if last else f"before {format_time(self.before.time)}"
            return f"{self.series.selector} was there {when} and is gone, though its target is still there: renamed, dropped, or down?"
        if (series.stale or had) and not series.fresh and not find_fresh(self.family, answers).fresh:
            when = format_time(self.before.time)
            return f"{self.series.selector} was there {'before' if had else 'after'} {when} and is gone: renamed or dropped?"
        return ""


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
