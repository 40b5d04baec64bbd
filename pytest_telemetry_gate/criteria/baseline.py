"""What a value is compared with: a number, a baseline file, or the same query at another time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_telemetry_gate.criteria.baseline_file import find_measurement, read_stated
from pytest_telemetry_gate.criteria.coverage import coverage_questions, measure_coverage
from pytest_telemetry_gate.criteria.evidence import collect_evidence, join_digests, read_series
from pytest_telemetry_gate.criteria.last_run import read_last_run
from pytest_telemetry_gate.criteria.moments import find_late
from pytest_telemetry_gate.criteria.quantile import quantile_questions, read_quantiles
from pytest_telemetry_gate.criteria.weigh import Reference
from pytest_telemetry_gate.model.baseline import NUMBER, Baseline, reference_offsets
from pytest_telemetry_gate.model.questions import Query
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.promql.replacing import replace_labels
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.numbers import format_value

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answer, Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question

__all__ = [
    "Moment",
    "baseline_moments",
    "baseline_questions",
    "control_query",
    "find_reference",
    "find_stated_reference",
    "has_baseline",
    "is_of_all_regions",
    "is_stated",
    "read_moment",
    "written_moment",
]


@dataclass(frozen=True, slots=True)
class Moment:
    """A query and the time (seconds since the epoch) at which it gives a baseline, or one of those that are averaged.

    ``text`` is the query before it was expanded, ``window`` (seconds) that of ``$__window`` where it is not the check's, and
    ``control`` the labels of a control group.
    """

    query: Query
    time: float
    text: str
    window: float | None = None
    control: Mapping[str, str] | None = None

    def parted(self, check: Check, text: str, step: float) -> Query:
        """Return a query of the same series with a window of ``step`` seconds; ``text`` is what it is expanded from."""
        query = check.query("query", text, window=step)
        return query if self.control is None else control_query(query, self.control)


def baseline_questions(check: Check, text: str) -> Iterable[Question]:
    """Yield the questions that give the baseline; ``text`` is the criterion's query, not expanded yet."""
    for moment in baseline_moments(check, text):
        yield moment.query.at(check.place, moment.time)
        yield from quantile_questions(check, moment.query, moment.time)
        yield from coverage_questions(check, moment.query, moment.time)


def baseline_moments(check: Check, text: str) -> tuple[Moment, ...]:
    """Return the moments whose values, averaged, are the baseline; none where it is stated or there is none.

    ``text`` is the criterion's query, not expanded yet.
    """
    baseline = check.suite.baseline_of(check.criterion)
    if baseline is None or isinstance(baseline, float) or baseline.last is not None:
        return ()
    if baseline.file is not None:
        # A file has measured the values of queries; what else a kind asks about moments, it asks of a suite's own.
        is_measured = text == check.criterion.expressions().get("query", ("",))[0]
        measured = find_measurement(check, baseline.content) if is_measured else None
        offsets = () if measured is None else reference_offsets(measured.reference)
        return tuple(Moment(check.query("baseline", text), check.time - offset, text) for offset in offsets)
    text = baseline.query or text
    query = check.query("baseline", text, window=baseline.window)
    if baseline.control is not None:
        query = control_query(query, baseline.control)
        return (Moment(query, check.time, text, baseline.window, baseline.control),)
    if baseline.at is not None:
        return (Moment(query, baseline.at, text, baseline.window),)
    offsets = reference_offsets(f"{baseline.weeks}w") if baseline.weeks else (baseline.offset or 0.0,)
    return tuple(Moment(query, check.time - offset, text, baseline.window) for offset in offsets)


def written_moment(check: Check, text: str) -> Moment | None:
    """Return when and over which window the number in a file was measured, None where no such number is the baseline.

    ``text`` is the criterion's query, not expanded yet.
    """
    baseline = check.suite.baseline_of(check.criterion)
    content = baseline.content if isinstance(baseline, Baseline) else None
    measured = find_measurement(check, content)
    if content is None or measured is None or measured.reference != NUMBER:
        return None
    entry = content.values[check.criterion.id]
    time, window = entry.measured or content.measured, entry.window or content.window
    if time is None or window is None:
        return None
    return Moment(check.query("baseline", text, window=window), time, text, window)


def control_query(query: Query, labels: Mapping[str, str]) -> Query:
    """Return a query whose selectors want the labels of a control group."""
    expression = replace_labels(query.expr, labels)
    return Query(str(expression), expression)


def find_reference(check: Check, text: str, answers: Answers) -> Reference | None:
    """Return the baseline of a check, or None where the suite names none."""
    baseline = check.suite.baseline_of(check.criterion)
    if baseline is None:
        return None
    if isinstance(baseline, float):
        return Reference("baseline", baseline)
    if baseline.file is not None:
        reference = _from_file(check, baseline, text, answers)
    elif baseline.last is not None:
        reference = read_last_run(check, baseline.name, text)
    else:
        moments = baseline_moments(check, text)
        reference = _average([_read(check, moment, answers) for moment in moments])
        if baseline.weeks and not baseline.name:
            reference = dataclasses.replace(reference, name=f"{baseline.weeks} weeks")
    original = _original(check, baseline, answers.now)
    return reference if original is None else dataclasses.replace(reference, original=original)


def _from_file(check: Check, baseline: Baseline, text: str, answers: Answers) -> Reference:
    """Return what a file says, or what the query gives at the moments that the file names."""
    stated = read_stated(check, baseline.name, baseline.content, answers.now)
    moments = () if stated.problem else baseline_moments(check, text)
    if not moments:
        return stated
    measured = find_measurement(check, baseline.content)
    named = "" if measured is None else f", {measured.reference} before"
    late = next((late for one in moments if (late := find_late(check, one.query, one.time))), "")
    if late:
        problem = f"{late}: what is judged would be compared with itself; write the baseline anew"
        return Reference(stated.name, problem=problem)
    reference = _average([_read(check, moment, answers) for moment in moments])
    return dataclasses.replace(reference, name=f"{stated.name}{named}", placebos=stated.placebos)


def _original(check: Check, baseline: Baseline, now: float) -> Reference | None:
    """Return the stated baseline that a value is held against as well, None where there is none."""
    if baseline.original is None:
        return None
    if isinstance(baseline.original, str):
        stated = read_stated(check, "", baseline.original_content, now)
        return dataclasses.replace(stated, placebos=())
    return Reference("original", baseline.original)


def _average(references: Sequence[Reference]) -> Reference:
    """Return one baseline of those of several moments: their mean, or the first that has none."""
    if len(references) == 1:
        return references[0]
    values = [reference.value for reference in references if reference.value is not None]
    if len(values) < len(references):
        return next(reference for reference in references if reference.value is None)
    return dataclasses.replace(
        references[0],
        value=math.fsum(values) / len(values),
        remark="; ".join(dict.fromkeys(reference.remark for reference in references if reference.remark)),
        digest=join_digests(reference.digest for reference in references),
    )


def read_moment(check: Check, moment: Moment, answers: Answers) -> tuple[Answer, Reference]:
    """Return the answer at one moment, and a reference without a value: its name, its remark, or why it cannot be used."""
    baseline, query, time = check.suite.baseline_of(check.criterion), moment.query, moment.time
    if not isinstance(baseline, Baseline):
        raise TypeError(baseline)
    name = baseline.name or f"at {format_time(time)}"
    beside = baseline.query is not None or baseline.control is not None
    late = "" if beside else find_late(check, query, time)
    answer = answers[query.at(check.place, time)]
    if late and baseline.at is not None:
        return answer, Reference(name, problem=f"{late}: what is judged would be compared with itself")
    coverage = measure_coverage(check, query, time, answers)
    evidence = collect_evidence(check, answer, query=query.text, coverage=coverage)
    if evidence.problem is not None:
        failed = evidence.problem.outcome is Outcome.ERROR
        return answer, Reference(name, problem=f"baseline: {evidence.problem.reason}", error=failed)
    return answer, Reference(name, remark=late, digest=answer.digest)


def _read(check: Check, moment: Moment, answers: Answers) -> Reference:
    """Return the value at one moment in the criterion's unit, or why it has none."""
    answer, reference = read_moment(check, moment, answers)
    if reference.problem:
        return reference
    name, query, time = reference.name, moment.query, moment.time
    _, values = read_series(answer)
    if len(values) != 1:
        return Reference(name, problem=f"baseline: {query.text} gave {len(values)} series, not one")
    if not math.isfinite(values[0]):
        return Reference(name, problem=f"baseline: {query.text} is {format_value(values[0])}")
    problem, readings = read_quantiles(check, query, time, answer, answers)
    if problem is not None:
        return Reference(name, problem=f"baseline: {problem.reason}", error=problem.outcome is Outcome.ERROR)
    if readings[0].is_open:
        known = readings[0].say(values[0], check.criterion.yielded_unit)
        return Reference(name, problem=f"baseline: {known}: {query.text}")
    return dataclasses.replace(reference, value=values[0])


def find_stated_reference(check: Check, answers: Answers) -> Reference | None:
    """Return the baseline if it is a number or in a file: for criteria that cannot be asked again at another time."""
    return find_reference(check, "", answers) if is_stated(check) else None


def has_baseline(check: Check) -> bool:
    """Tell whether the suite names a baseline for a check."""
    return check.suite.baseline_of(check.criterion) is not None


def is_stated(check: Check) -> bool:
    """Tell whether the baseline is a written number, so that no question is needed."""
    baseline = check.suite.baseline_of(check.criterion)
    if not isinstance(baseline, Baseline):
        return baseline is not None
    measured = find_measurement(check, baseline.content)
    return baseline.file is not None and (measured is None or measured.reference == NUMBER)


def is_of_all_regions(check: Check) -> bool:
    """Tell whether the baseline is one written number for all regions together."""
    baseline = check.suite.baseline_of(check.criterion)
    if not isinstance(baseline, Baseline):
        return baseline is not None
    entry = None if baseline.content is None else baseline.content.values.get(check.criterion.id)
    return entry is not None and not entry.regions and entry.reference == NUMBER
