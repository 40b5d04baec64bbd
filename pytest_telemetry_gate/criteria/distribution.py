"""``distribution:`` - how the shape of a histogram differs from its baseline's, which a mean does not show.

The buckets are those of `sum by (le) (increase(x_bucket[$__window]))`, at the checkpoint and at the moments of the baseline.
Which measure sees what, and why these: docs/explanation/shapes.md.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from pytest_telemetry_gate.criteria.baseline import (
    baseline_moments,
    baseline_questions,
    is_stated,
    read_moment,
)
from pytest_telemetry_gate.criteria.buckets import (
    HistogramParts,
    read_histogram,
    read_parts,
    say_difference,
)
from pytest_telemetry_gate.criteria.coverage import coverage_questions, measure_coverage
from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.evidence import (
    Evidence,
    Problem,
    collect_evidence,
    join_digests,
)
from pytest_telemetry_gate.criteria.intervals import part_questions
from pytest_telemetry_gate.criteria.moments import find_older_half
from pytest_telemetry_gate.criteria.no_data import explain_no_data
from pytest_telemetry_gate.criteria.queries import SELECTOR, VALUES, Allowed
from pytest_telemetry_gate.criteria.weigh import Precision, Reference, compute_variance
from pytest_telemetry_gate.model.baseline import Baseline
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.dossier import Dossier, Step
from pytest_telemetry_gate.model.facts import IntervalFacts
from pytest_telemetry_gate.model.fields import Model, NumberField
from pytest_telemetry_gate.model.questions import KnownQuestion
from pytest_telemetry_gate.model.verdict import Outcome, worsening
from pytest_telemetry_gate.stats.histograms import (
    Histogram,
    Move,
    chance_of_move,
    find_largest_move,
    pooled_error,
    share_error,
    sum_histograms,
)
from pytest_telemetry_gate.stats.intervals import sampling_interval
from pytest_telemetry_gate.stats.quantiles import normal
from pytest_telemetry_gate.support.numbers import format_number

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question
    from pytest_telemetry_gate.model.suite import Suite

__all__ = ["Distribution", "find_chance"]

_SURE = 0.95  # confidence of what chance alone may do, unless the check has one
_BEYOND = 0.01  # share of events beyond the last bound from which on it is said
_SPREADS = {"iqr": (0.25, 0.75), "p10-p90": (0.1, 0.9)}


class DistributionOf(Model):
    """Which histogram is looked at, and what of its shape."""

    buckets: str = Field(
        description="a selector of the buckets of a classic histogram: took_seconds_bucket{job=...}"
    )
    measure: Literal["distance", "tail", "iqr", "p10-p90"] = Field(
        description="the largest share of events that moved over a bound; the share `above` one; or between which quantiles they lie"
    )
    above: NumberField | None = Field(
        default=None, description="the bound of the tail, which a bucket has, in the unit of the bounds"
    )

    @model_validator(mode="after")
    def _bound_of_tail(self) -> DistributionOf:
        if (self.above is None) == (self.measure == "tail"):
            message = "`above` is the bound of `measure: tail`, and of no other"
            raise ValueError(message)
        return self


@dataclass(frozen=True, slots=True)
class _Shape:
    """What was measured of a histogram: the value in the criterion's unit, and its standard error."""

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class _Compared:
    """The histogram at the checkpoint, that of the baseline where there is one, and the parts of the windows of both."""

    now: Histogram
    before: Histogram | None = None
    reference: Reference | None = None
    parts: HistogramParts | None = None


class Distribution(Criterion):
    """A measure of the shape of a histogram over the window, against that of its baseline."""

    key: ClassVar[str] = "distribution"
    asks_source: ClassVar[bool] = True
    has_interval: ClassVar[bool] = True

    distribution: DistributionOf = Field(description="which histogram is looked at, and what of its shape")

    def expressions(self) -> Mapping[str, tuple[str, Allowed]]:
        """Return the selector, and what gives the events by bucket."""
        return {"buckets": (self.distribution.buckets, SELECTOR), "histogram": (self._histogram, VALUES)}

    @property
    def _histogram(self) -> str:
        return f"sum by (le) (increase({self.distribution.buckets}[$__window]))"

    @property
    def yielded_unit(self) -> str:
        """Percent of the events, or the unit of the bounds where it is between quantiles."""
        return self.unit if self.distribution.measure in _SPREADS else "%"

    def problems(self, suite: Suite) -> Iterable[tuple[str, str]]:
        """Yield what is wrong with any criterion, and what cannot be held against the shape of a histogram."""
        yield from super().problems(suite)
        measure = self.distribution.measure
        baseline = suite.baseline_of(self)
        if "_bucket" not in self.distribution.buckets:
            yield (
                self.key,
                f"{self.distribution.buckets!r} has no buckets: is a metric meant whose name ends in _bucket?",
            )
        if self.unit and measure not in _SPREADS:
            yield (
                "unit",
                f"a {measure} is in % of the events: `unit` is that of the bounds, for iqr and p10-p90",
            )
        if self.reduce is not None:
            yield "reduce", "the buckets of all series are summed: there is no `reduce`"
        if self.combine == "sum":
            yield "combine", "a sum of shapes says nothing: `all`, `any` or `max`"
        needs_moment = self.tolerance is not None or measure == "distance"
        if needs_moment and not _has_moments(baseline):
            wanted = "needs a baseline at another time, such as {offset: 7d}: a number has no buckets"
            yield "baseline" if self.baseline is not None else self.key, wanted
        if measure == "distance" and (self.tolerance is not None or self.expect is None):
            yield (
                self.key,
                'a distance is from the baseline already: it has no `tolerance`, its limit is `expect: "<= 5%"`',
            )
        elif measure == "distance" and self.limit is not None and self.limit.op not in {"<", "<="}:
            yield "expect", "a distance needs an upper limit, such as '<= 5%'"

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield the buckets at the checkpoint and at the moments of the baseline, with their coverage."""
        query = check.query("histogram")
        yield query.at(check.place, check.time)
        yield from coverage_questions(check, query, check.time)
        yield from baseline_questions(check, self._histogram)
        if baseline_moments(check, self._histogram):
            yield from part_questions(check, self._histogram)
        yield KnownQuestion(check.place)

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Decide about the measure; inconclusive where chance alone could do what is not allowed."""
        query = check.query("histogram")
        answer = answers[query.at(check.place, check.time)]
        coverage = measure_coverage(check, query, check.time, answers)
        evidence = collect_evidence(
            check, answer, query=query.text, coverage=coverage, doubt=find_older_half(check, query)
        )
        evidence = explain_no_data(check, query, evidence, coverage, answers, values=())
        histogram, reason = read_histogram(answer)
        if evidence.problem is not None or histogram is None:
            return _undecided(check, evidence, reason)
        compared = _compare(check, self._histogram, answers, histogram)
        if self.distribution.measure == "distance":
            return self._judge_distance(check, compared, evidence)
        return self._judge_shape(check, compared, evidence)

    def _judge_distance(self, check: Check, compared: _Compared, evidence: Evidence) -> Dossier:
        """Decide about the largest share of events that moved over a bound."""
        histogram, before, reference = compared.now, compared.before, compared.reference
        if before is None or reference is None or self.limit is None:
            return _undecided(check, evidence, reference.problem if reference else "no baseline", reference)
        move = find_largest_move(histogram, before)
        moved = abs(move.share)
        chance, independent = find_chance(histogram, before, move, compared.parts)
        allowed = dataclasses.replace(self.limit, unit=self.shown_unit).converted("%").value / 100
        counts = f"{_count(histogram)} and {_count(before)} events ({reference.name})"
        taken = ", taken as independent" if independent else ""
        by_chance = f"chance alone moves up to {_percent(chance)} of {counts}{taken}"
        where = "above" if move.share > 0 else "below"
        said = f"{_percent(moved)} more of the events lie {where} {format_number(move.bound)}"
        if chance > allowed and moved - chance <= allowed:
            return _undecided(
                check, evidence, f"not enough to tell {self.limit.shown()}: {by_chance}; {said}"
            )
        same = ", so that it is not told apart from no change" if moved <= chance else ""
        parts = [f"{said}; {by_chance}{same}", *_say_beyond(histogram)]
        dossier = decide(check, (moved * 100,), evidence)
        reasons = [dossier.verdict.reason, *parts, *([reference.remark] if reference.remark else [])]
        return dossier.revise(
            reason="; ".join(reasons),
            steps=[Step("distribution", part) for part in parts],
            baseline_name=reference.name,
            baseline_digest=reference.digest,
        )

    def _judge_shape(self, check: Check, compared: _Compared, evidence: Evidence) -> Dossier:
        """Decide about a share or a spread, against a limit, the baseline's, or both."""
        histogram, before, reference = compared.now, compared.before, compared.reference
        own, reason = self._measure(histogram)
        if own is None:
            return _undecided(check, evidence, reason)
        said = f"of {_count(histogram)} events"
        if before is None or reference is None:
            return _tell(decide(check, (own.value,), evidence, reference), [said, *_say_beyond(histogram)])
        other, reason = self._measure(before)
        if other is None:
            reference = dataclasses.replace(reference, problem=f"baseline: {reason}")
            return decide(check, (own.value,), evidence, reference)
        said = f"of {_count(histogram)} events against {_count(before)}"
        precision, facts = self._find_precision(check, own, other, compared.parts)
        reference = dataclasses.replace(reference, value=other.value)
        if precision.half is None and self.tolerance is not None and other.value:
            return _undecided(check, evidence, f"{precision.basis}, {said}")
        if precision.half is not None and check.confidence is None and self.tolerance is not None:
            worse = worsening(compute_variance(self, own.value, other.value) or 0.0, self.better or "")
            if precision.half > self.tolerance * 100 >= worse - precision.half:
                chance = f"chance alone changes it by {format_number(precision.half)} {self.variance_unit}"
                return _undecided(check, evidence, f"not enough to tell {self.limit_text}: {chance}, {said}")
        dossier = decide(check, (own.value,), evidence, reference, precision=precision).revise(facts=facts)
        return _tell(dossier, [said, *_say_beyond(histogram)])

    def _find_precision(
        self, check: Check, own: _Shape, other: _Shape, parts: HistogramParts | None
    ) -> tuple[Precision, list[IntervalFacts]]:
        """Return how far the variance may be off, in its unit, by counting and by what the parts of the windows say."""
        confidence, counted = check.confidence or _SURE, _counting_error(check, own, other)
        if not math.isfinite(counted):
            zero = (
                "the baseline is zero" if not other.value else "too near to the last bucket for an interval"
            )
            return Precision(basis=zero), []
        if parts is not None and parts.problem:
            return Precision(basis=f"no interval: {parts.problem}"), []

        def differ(one: Histogram, two: Histogram) -> float:
            this, that = self._measure(one)[0], self._measure(two)[0]
            if this is None or that is None:
                return math.nan
            if self.variance_unit == "pp":
                return this.value - that.value
            return (this.value - that.value * own.value / other.value) / abs(other.value) * 100

        differences = np.empty(0) if parts is None else parts.compare(differ)
        interval = sampling_interval(differences, confidence=confidence, floor=counted)
        if parts is None or interval is None:
            basis = "counting error of independent events only"
            return Precision(normal(confidence) * counted, basis), []
        facts = IntervalFacts(
            confidence=confidence,
            sampling=interval.half,
            windows=interval.count,
            length=parts.length,
            correlation=interval.correlation,
        )
        return Precision(interval.half, "sampling error only"), [facts]

    def _measure(self, histogram: Histogram) -> tuple[_Shape | None, str]:
        """Return the measure of a histogram, or why it cannot be told."""
        own = self.distribution
        if own.above is not None:
            share = histogram.share_above(own.above)
            if share is None:
                ends = " and ".join(format_number(bound) for bound in histogram.around(own.above))
                return None, f"no bucket ends at {format_number(own.above)}: it lies between {ends}"
            return _Shape(share * 100, share_error(share, histogram.events) * 100), ""
        low, high = _SPREADS[own.measure]
        if math.isinf(histogram.quantile(high)):
            beyond = f"the last bound {format_number(histogram.last_bound)}"
            return None, f"the {high:.0%} quantile lies beyond {beyond}: nobody knows how far"
        halves = [histogram.quantile_half(q, confidence=_SURE) for q in (low, high)]
        error = math.hypot(*halves) / normal(_SURE)
        return _Shape(histogram.quantile(high) - histogram.quantile(low), error), ""


def _compare(check: Check, text: str, answers: Answers, histogram: Histogram) -> _Compared:
    """Return the histogram beside that of all moments of the baseline, or beside what says why there is none.

    ``text`` is the query of the buckets, not expanded yet.
    """
    moments = () if is_stated(check) else baseline_moments(check, text)
    found, references = [], []
    for moment in moments:
        answer, reference = read_moment(check, moment, answers)
        other, reason = read_histogram(answer)
        if not reference.problem and other is not None:
            reason = say_difference(histogram, other)
        if not reference.problem and reason:
            reference = dataclasses.replace(reference, problem=f"baseline: {reason}")
        references.append(reference)
        found += [] if other is None else [other]
    if not references:
        return _Compared(histogram)
    unusable = next((reference for reference in references if reference.problem), None)
    if unusable is not None:
        return _Compared(histogram, reference=unusable)
    digest = join_digests(reference.digest for reference in references)
    parts = read_parts(check, text, answers, histogram)
    reference = dataclasses.replace(references[0], digest=digest)
    return _Compared(histogram, sum_histograms(found), reference, parts)


def _counting_error(check: Check, own: _Shape, other: _Shape) -> float:
    """Return the standard error of the variance by counting alone, in its unit; NaN where it has none."""
    if check.criterion.variance_unit == "pp":
        return math.hypot(own.error, other.error)
    if not other.value:
        return math.nan
    return math.hypot(own.error, other.error * own.value / other.value) / abs(other.value) * 100


def find_chance(
    histogram: Histogram, before: Histogram, move: Move, parts: HistogramParts | None
) -> tuple[float, bool]:
    """Return what chance alone may move, and whether that takes events as independent.

    Where the parts of the windows vary more than counting explains, chance is larger by as much.
    """
    chance = chance_of_move(histogram.events, before.events, confidence=_SURE)
    place = int(np.searchsorted(histogram.bounds, move.bound))
    counted = pooled_error(
        float(histogram.shares[place]), histogram.events, float(before.shares[place]), before.events
    )
    interval = None
    if parts is not None and counted > 0:
        differences = parts.compare(lambda one, other: float(other.shares[place] - one.shares[place]))
        interval = sampling_interval(differences, confidence=_SURE)
    if interval is None:
        return chance, True
    return chance * max(1.0, interval.half / (normal(_SURE) * counted)), False


def _has_moments(baseline: Baseline | float | None) -> bool:
    """Tell whether a baseline is the same histogram elsewhere, whose buckets can be asked for."""
    if not isinstance(baseline, Baseline):
        return False
    return baseline.file is None and baseline.query is None and baseline.original is None


def _undecided(check: Check, evidence: Evidence, reason: str, reference: Reference | None = None) -> Dossier:
    """Return that nothing is decided, for the reason that the evidence has or for this one."""
    outcome = Outcome.ERROR if reference is not None and reference.error else Outcome.INCONCLUSIVE
    problem = evidence.problem or Problem(outcome, reason, "distribution.unknown")
    return decide(check, (), dataclasses.replace(evidence, problem=problem))


def _tell(dossier: Dossier, parts: Sequence[str]) -> Dossier:
    """Return a dossier whose reason also says something of the events."""
    reason = "; ".join((dossier.verdict.reason, *parts))
    return dossier.revise(reason=reason, steps=[Step("distribution", part) for part in parts])


def _say_beyond(histogram: Histogram) -> list[str]:
    if histogram.share_beyond < _BEYOND:
        return []
    bound = format_number(histogram.last_bound)
    return [f"{_percent(histogram.share_beyond)} lie beyond the last bound {bound}, nobody knows how far"]


def _count(histogram: Histogram) -> str:
    return format_number(round(histogram.events))


def _percent(share: float) -> str:
    return f"{format_number(share * 100)} %"
