"""``frozen:`` - how long a gauge kept one value, against a limit or against the longest time that it did so in the baseline.

An exporter that hangs goes on answering with the last value it had. Neither its mean nor its coverage shows it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pytest_telemetry_gate.criteria.baseline import (
    baseline_moments,
    baseline_questions,
    find_stated_reference,
    read_moment,
)
from pytest_telemetry_gate.criteria.coverage import coverage_questions, measure_coverage
from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.evidence import Evidence, Problem, collect_evidence, join_digests
from pytest_telemetry_gate.criteria.moments import find_older_half
from pytest_telemetry_gate.criteria.no_data import explain_no_data
from pytest_telemetry_gate.criteria.queries import SAMPLES, SELECTOR, Allowed
from pytest_telemetry_gate.criteria.weigh import Decision, Reference, weigh
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.dossier import Dossier, Step
from pytest_telemetry_gate.model.questions import KnownQuestion
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.promql import Matrix
from pytest_telemetry_gate.promql.labels import format_series
from pytest_telemetry_gate.stats.runs import Run, longest_run
from pytest_telemetry_gate.support.durations import format_short_duration, format_time
from pytest_telemetry_gate.support.numbers import format_value

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answer, Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question
    from pytest_telemetry_gate.model.suite import Suite

__all__ = ["Frozen"]

_Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Baseline:
    """What series are compared with: their own ``runs`` in the baseline by labels, or what is stated for all of them."""

    reference: Reference | None
    runs: Mapping[_Labels, Sequence[Run]] = dataclasses.field(default_factory=dict)
    is_stated: bool = False

    def of(self, labels: _Labels) -> Reference | None:
        """Return the longest time without change of a series in the baseline, in seconds.

        One that was not there, such as a new pod, is held against the longest of all that changed.
        """
        if self.is_stated or self.reference is None:
            return self.reference
        own = self.runs.get(labels)
        if own is not None and all(run.is_all for run in own):
            constant = f"{_say(labels)} was {format_value(own[0].value)} all the time in the baseline too: nothing to compare"
            return dataclasses.replace(self.reference, problem=constant)
        others = [run for runs in self.runs.values() for run in runs if not run.is_all]
        if own is None and not others:
            return dataclasses.replace(self.reference, problem="baseline: no series of it ever changed")
        name = self.reference.name if own is not None else f"{self.reference.name}, the longest of all series"
        longest = max(run.length for run in own or others)
        return dataclasses.replace(self.reference, name=name, value=longest)


@dataclass(frozen=True, slots=True)
class _Series:
    """The longest run of a series and what it is compared with; ``name`` is the series for people."""

    name: str
    run: Run
    reference: Reference | None


class Frozen(Criterion):
    """The longest time, in seconds, in which a gauge did not change within the window; of several series the worst counts."""

    key: ClassVar[str] = "frozen"
    asks_source: ClassVar[bool] = True
    natural_unit: ClassVar[str] = "s"

    frozen: str = Field(description="a selector of gauges, whose raw samples in `window` are looked at")
    better: Literal["lower"] = Field(
        default="lower", description="a gauge that changes more often is no harm"
    )

    def expressions(self) -> Mapping[str, tuple[str, Allowed]]:
        """Return the selector, and what gives its samples."""
        return {"frozen": (self.frozen, SELECTOR), "samples": (self._samples, SAMPLES)}

    @property
    def _samples(self) -> str:
        return f"{self.frozen}[$__window]"

    def problems(self, suite: Suite) -> Iterable[tuple[str, str]]:
        """Yield what is wrong with any criterion, and what would keep this kind from ever failing."""
        yield from super().problems(suite)
        if self.unit:
            yield "unit", "a time without change is in seconds: only `expect` may be in another unit"
        if self.reduce is not None:
            yield "reduce", "of several series the one that is worst counts: there is no `reduce`"
        if self.combine == "sum":
            yield "combine", "a sum of times without change says nothing: `all`, `any` or `max`"
        baseline = suite.baseline_of(self)
        keys = [key for key in ("query", "control", "original") if getattr(baseline, key, None) is not None]
        if keys:
            yield (
                self.key,
                f"its baseline is the same series at another time, such as {{offset: 7d}}, without `{keys[0]}`",
            )
        is_told = self.window is not None and all(point.window is None for point in suite.points)
        if is_told and self.tolerance is None and self.limit is not None:
            window = self.shown(self.window or 0.0)
            if self.limit.holds(window):
                told = (
                    f"one that never changes in the window {format_value(window, self.shown_unit)} would pass"
                )
                yield "expect", f"{told}: a longer `window`, or a shorter time"

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield the raw samples at the checkpoint and at the moments of the baseline, with their coverage."""
        query = check.query("samples")
        yield query.at(check.place, check.time)
        yield from coverage_questions(check, query, check.time)
        yield from baseline_questions(check, self._samples)
        yield KnownQuestion(check.place)

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Decide about the series that is worst against its own baseline.

        Inconclusive where a series was constant in its baseline as well, and where not even one that never changes would fail.
        """
        query = check.query("samples")
        answer = answers[query.at(check.place, check.time)]
        coverage = measure_coverage(check, query, check.time, answers)
        evidence = collect_evidence(
            check, answer, query=query.text, coverage=coverage, doubt=find_older_half(check, query)
        )
        evidence = explain_no_data(check, query, evidence, coverage, answers, values=())
        runs = _find_runs(answer)
        if not runs or evidence.problem is not None:
            return decide(check, [run.length for run in list(runs.values())[:1]], evidence)
        baseline = self._baseline(check, answers)
        series = [_Series(_say(labels), run, baseline.of(labels)) for labels, run in runs.items()]
        worst = max(series, key=lambda one: _stand(check, one))
        return self._decide(check, worst, series, evidence)

    def _decide(self, check: Check, worst: _Series, series: Sequence[_Series], evidence: Evidence) -> Dossier:
        run = worst.run
        dossier = decide(check, (run.length,), evidence, worst.reference)
        if dossier.outcome.good and not any(_could_fail(check, one) for one in series):
            seen = format_short_duration(max(one.run.observed for one in series))
            reason = (
                f"{seen} were seen, and one that never changed in them would pass as well: a longer `window`"
            )
            problem = Problem(Outcome.INCONCLUSIVE, reason, "window.short")
            return decide(check, (run.length,), dataclasses.replace(evidence, problem=problem))
        stayed = (
            f"{worst.name} stayed at {format_value(run.value)} "
            f"from {format_time(run.first)} to {format_time(run.last)}"
        )
        count = len(series)
        several = f", the longest of {count} series" if count > 1 else ""
        reason = f"{dossier.verdict.reason}; {stayed}{several}"
        return dossier.revise(reason=reason, steps=[Step("frozen", stayed + several)])

    def _baseline(self, check: Check, answers: Answers) -> _Baseline:
        """Return what each series is compared with."""
        moments = baseline_moments(check, self._samples)
        if not moments:
            return _Baseline(find_stated_reference(check, answers), is_stated=True)
        runs: dict[_Labels, list[Run]] = {}
        references = []
        for moment in moments:
            answer, reference = read_moment(check, moment, answers)
            references.append(reference)
            for labels, run in _find_runs(answer).items():
                runs.setdefault(labels, []).append(run)
        unusable = next((reference for reference in references if reference.problem), None)
        digest = join_digests(reference.digest for reference in references)
        return _Baseline(
            unusable or dataclasses.replace(references[0], digest=digest),
            runs,
            is_stated=unusable is not None,
        )


def _find_runs(answer: Answer) -> dict[_Labels, Run]:
    """Return the longest run of each series in an answer of raw samples, by its labels."""
    matrix = answer.value
    if not isinstance(matrix, Matrix):
        return {}
    rows = zip(matrix.labels, matrix.values, matrix.present, strict=True)
    return {
        frozenset(labels.items()): longest_run(matrix.times[present], values[present])
        for labels, values, present in rows
    }


def _weigh(check: Check, length: float, reference: Reference | None) -> Decision:
    """Decide about a time without change, in seconds as its reference."""
    terms = check.criterion
    if reference is not None and reference.value is not None:
        reference = dataclasses.replace(reference, value=terms.shown(reference.value))
    return weigh(terms, check.suite.levels, terms.shown(length), reference)[1]


def _stand(check: Check, series: _Series) -> tuple[bool, int, float, float]:
    """Order series from best to worst; a failure is worse than whatever is undecided."""
    decision = _weigh(check, series.run.length, series.reference)
    fails = decision.outcome is Outcome.FAIL
    return fails, decision.outcome.rank, -decision.room, series.run.length


def _could_fail(check: Check, series: _Series) -> bool:
    """Tell whether a series would have failed if none of its samples had differed."""
    return _weigh(check, series.run.observed, series.reference).outcome is Outcome.FAIL


def _say(labels: _Labels) -> str:
    return format_series(dict(labels))
