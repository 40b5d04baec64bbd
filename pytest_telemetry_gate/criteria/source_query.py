"""``query:`` in another language than PromQL: what is asked of its source, and what its readings say.

A value counts where its coverage is proven, as everywhere; ``coverage: none`` is the suite's author's word that nothing
proves it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_telemetry_gate.criteria.baseline import find_stated_reference, is_stated
from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.evidence import Evidence, Problem, collect_evidence, join_digests
from pytest_telemetry_gate.criteria.moments import say_late, say_older_half
from pytest_telemetry_gate.criteria.weigh import Reference
from pytest_telemetry_gate.model.baseline import Baseline, reference_offsets
from pytest_telemetry_gate.model.query_sources import Readings
from pytest_telemetry_gate.model.questions import SourceQuestion
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.numbers import format_percent, format_value
from pytest_telemetry_gate.support.units import dimension

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.dossier import Dossier
    from pytest_telemetry_gate.model.query_sources import Dialect
    from pytest_telemetry_gate.model.questions import Question

__all__ = ["check_source_query", "judge_source_query", "source_questions"]

_UNPROVEN = "nothing proves that its data are whole"


@dataclass(frozen=True, slots=True)
class _Moment:
    """A query, before it is expanded, and the time (seconds since the epoch) and window (seconds) of a baseline."""

    text: str
    time: float
    window: float | None = None


def check_source_query(check: Check, dialect: Dialect) -> None:
    """Raise SuiteError at the criterion where what it asks of its source cannot work, or could never be decided."""
    terms = check.criterion
    subject = f"source {terms.source!r}" if terms.source else "the source"
    if not terms.speaks_dialects:
        raise check.error(
            f"{subject} is asked in {dialect.name}, and `{terms.key}` is about PromQL: write a `query`"
        )
    if terms.up is not None:
        raise check.error(f"up: {subject} is asked in {dialect.name} and has no targets")
    if dialect.needs_coverage_none and terms.coverage:
        told = f"{subject} ({dialect.name}) cannot prove its coverage: {dialect.needs_coverage_none}"
        raise check.error(f"{told}; write `coverage: none` where that is good enough")
    if check.confidence is not None:
        told = f"the variance of a query in {dialect.name} has no interval"
        raise check.error(f"confidence: {told}: write `confidence: none` here")
    baseline = check.suite.baseline_of(terms)
    if isinstance(baseline, Baseline) and baseline.control is not None:
        raise check.error(
            f"baseline.control: a query in {dialect.name} has no selectors: write the other query as `baseline: {{query: ...}}`"
        )
    text, _ = terms.expressions()[terms.key]
    for question in (_question(check, text, check.time, None), *_baseline_questions(check, text)):
        problem = dialect.check(question.asked)
        if problem:
            raise check.error(f"{terms.key}: {problem}")


def source_questions(check: Check, text: str) -> Iterable[Question]:
    """Yield the query over its window, and over those of its baseline; ``text`` is not expanded yet."""
    yield _question(check, text, check.time, None)
    yield from _baseline_questions(check, text)


def judge_source_query(check: Check, text: str, answers: Answers) -> Dossier:
    """Decide about what a query yields; a broken limit is broken, and what nothing proves does not pass."""
    question = _question(check, text, check.time, None)
    evidence, readings = _collect(check, question, answers)
    values = () if readings is None else readings.values
    labels = () if readings is None else readings.labels
    older = say_older_half(check, question.start, question.end, check.criterion.id)
    evidence = dataclasses.replace(evidence, doubt=evidence.doubt or older)
    dossier = decide(check, values, evidence, _find_reference(check, text, answers), labels)
    if check.criterion.coverage or readings is None or dossier.verdict.value is None:
        return dossier
    return dossier.revise(reason=f"{dossier.verdict.reason}; coverage: none, {_UNPROVEN}")


def _question(check: Check, text: str, time: float, window: float | None) -> SourceQuestion:
    """Return a query over the window up to a time: the one given, the check's, or as long as the rollout at the checkpoint."""
    dialect = check.dialect
    length = window or check.window or check.range
    variables: tuple[tuple[str, str], ...] = ()
    if dialect is not None and dialect.binds_variables:
        bound = {**check.suite.variables, "region": check.region}
        variables = tuple(sorted((name, str(value)) for name, value in bound.items()))
    else:
        text = check.expand(text, window=window)
    return SourceQuestion(check.place, text, time - length, time, variables)


def _baseline_questions(check: Check, text: str) -> Iterable[SourceQuestion]:
    for moment in _moments(check, text):
        yield _question(check, moment.text, moment.time, moment.window)


def _moments(check: Check, text: str) -> Sequence[_Moment]:
    """Return what gives the baseline, averaged; nothing where it is stated or there is none."""
    baseline = check.suite.baseline_of(check.criterion)
    if not isinstance(baseline, Baseline) or baseline.last is not None or baseline.file is not None:
        return ()
    text = baseline.query or text
    if baseline.at is not None:
        return (_Moment(text, baseline.at, baseline.window),)
    if baseline.weeks or baseline.offset:
        offsets = reference_offsets(f"{baseline.weeks}w") if baseline.weeks else (baseline.offset or 0.0,)
        return tuple(_Moment(text, check.time - offset, baseline.window) for offset in offsets)
    return (_Moment(text, check.time, baseline.window),)


def _find_reference(check: Check, text: str, answers: Answers) -> Reference | None:
    baseline = check.suite.baseline_of(check.criterion)
    if not isinstance(baseline, Baseline) or is_stated(check) or baseline.last is not None:
        return find_stated_reference(check, answers)
    found = [_read(check, baseline, moment, answers) for moment in _moments(check, text)]
    if not found:
        return Reference(
            baseline.name or "baseline",
            problem="baseline: the file holds no number of it: state one, or name a time",
        )
    values = [reference.value for reference in found if reference.value is not None]
    if len(values) < len(found):
        return next(reference for reference in found if reference.value is None)
    digest = found[0].digest if len(found) == 1 else join_digests(reference.digest for reference in found)
    return dataclasses.replace(found[0], value=math.fsum(values) / len(values), digest=digest)


def _read(check: Check, baseline: Baseline, moment: _Moment, answers: Answers) -> Reference:
    """Return the value at one moment in the criterion's unit, or why it has none."""
    name = baseline.name or f"at {format_time(moment.time)}"
    start = check.suite.rollout.start
    if moment.time > start and baseline.query is None:
        return Reference(
            name, problem=f"{say_late(moment.time, start)}: what is judged would be compared with itself"
        )
    question = _question(check, moment.text, moment.time, moment.window)
    evidence, readings = _collect(check, question, answers)
    problem = evidence.problem
    if problem is None and evidence.doubt:
        problem = Problem(Outcome.INCONCLUSIVE, evidence.doubt)
    if problem is not None or readings is None:
        reason = "no answer" if problem is None else problem.reason
        failed = problem is None or problem.outcome is Outcome.ERROR
        return Reference(name, problem=f"baseline: {reason}", error=failed)
    if len(readings.values) != 1:
        return Reference(
            name, problem=f"baseline: {question.query} gave {len(readings.values)} series, not one"
        )
    (value,) = readings.values
    if not math.isfinite(value):
        return Reference(name, problem=f"baseline: {question.query} is {format_value(value)}")
    return Reference(name, value, digest=answers[question].digest)


def _collect(check: Check, question: SourceQuestion, answers: Answers) -> tuple[Evidence, Readings | None]:
    answer = answers[question]
    evidence = collect_evidence(check, answer, query=question.query)
    readings = answer.value if isinstance(answer.value, Readings) else None
    if readings is None:
        missing = Problem(Outcome.ERROR, f"no readings of {question.query}", "answer.error")
        return dataclasses.replace(evidence, problem=evidence.problem or missing), None
    provenance = dataclasses.replace(evidence.provenance, coverage=readings.coverage)
    problem = evidence.problem or _find_problem(check, question, readings)
    return dataclasses.replace(evidence, provenance=provenance, problem=problem), readings


def _find_problem(check: Check, question: SourceQuestion, readings: Readings) -> Problem | None:
    terms = check.criterion
    unit, wanted = readings.unit, terms.yielded_unit
    if readings.doubt:
        return Problem(Outcome.INCONCLUSIVE, readings.doubt, "answer.partial")
    if not readings.values:
        span = f"{format_time(question.start)} to {format_time(question.end)}"
        return Problem(
            Outcome.INCONCLUSIVE, f"no data: {question.query} has no value from {span}", "data.none"
        )
    if unit and wanted and unit != wanted:
        same = dimension(unit) == dimension(wanted)
        remedy = f"write `unit: {unit}`" if same else "they do not measure the same"
        reason = f"the source says that the values are in {unit}, the suite says {wanted}: {remedy}"
        return Problem(Outcome.INCONCLUSIVE, reason, "data.unit")
    if not terms.coverage:
        return None
    if readings.coverage is None:
        why = f": {readings.note}" if readings.note else ""
        reason = f"nothing proves the coverage of {question.query}{why}; `coverage: none` does without"
        return Problem(Outcome.INCONCLUSIVE, reason, "coverage.unknown")
    if readings.coverage < terms.coverage:
        found, required = format_percent(readings.coverage), format_percent(terms.coverage)
        note = f": {readings.note}" if readings.note else f": {question.query}"
        return Problem(Outcome.INCONCLUSIVE, f"coverage {found}, below {required}{note}", "coverage.low")
    return None
