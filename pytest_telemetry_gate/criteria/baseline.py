"""What a value is compared with: a number, a baseline file, or the same query at another time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pytest_telemetry_gate.criteria.coverage import coverage_questions, measure_coverage
from pytest_telemetry_gate.criteria.evidence import collect_evidence, read_series
from pytest_telemetry_gate.criteria.moments import find_late, say_late
from pytest_telemetry_gate.criteria.quantile import quantile_questions, read_quantiles
from pytest_telemetry_gate.criteria.weigh import Reference
from pytest_telemetry_gate.model.questions import Query
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.numbers import format_value
from pytest_telemetry_gate.support.units import convert, dimension

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question
    from pytest_telemetry_gate.model.terms import Baseline

__all__ = ["baseline_questions", "find_reference", "find_stated_reference", "is_stated"]


def baseline_questions(check: Check, text: str) -> Iterable[Question]:
    """Yield the questions that give the baseline; ``text`` is the criterion's query, not expanded yet."""
    other = _query(check, text)
    if other is not None:
        query, time = other
        yield query.at(check.region, time)
        yield from quantile_questions(check, query, time)
        yield from coverage_questions(check, query, time)


def find_reference(check: Check, text: str, answers: Answers) -> Reference | None:
    """Return the baseline of a check, or None where the suite names none."""
    baseline = _baseline(check)
    if baseline is None:
        return None
    if isinstance(baseline, float):
        return Reference("baseline", baseline)
    other = _query(check, text)
    if other is None:
        return _from_file(check, baseline, answers.now)
    query, time = other
    name = baseline.name or f"at {format_time(time)}"
    late = "" if baseline.query is not None else find_late(check, query, time)
    if late and baseline.at is not None:
        return Reference(name, problem=f"{late}: what is judged would be compared with itself")
    answer = answers[query.at(check.region, time)]
    coverage = measure_coverage(check, query, time, answers)
    evidence = collect_evidence(check, answer, query=query.text, coverage=coverage)
    if evidence.problem is not None:
        failed = evidence.problem.outcome is Outcome.ERROR
        return Reference(name, problem=f"baseline: {evidence.problem.reason}", error=failed)
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
    return Reference(name, values[0], remark=late)


def find_stated_reference(check: Check, answers: Answers) -> Reference | None:
    """Return the baseline if it is a number or in a file: for criteria that cannot be asked again at another time."""
    return find_reference(check, "", answers) if is_stated(check) else None


def is_stated(check: Check) -> bool:
    """Tell whether the baseline is a written number, so that no question is needed."""
    baseline = _baseline(check)
    return isinstance(baseline, float) or (baseline is not None and baseline.file is not None)


def _baseline(check: Check) -> Baseline | float | None:
    baseline = check.criterion.baseline
    return check.suite.baseline if baseline is None else baseline


def _query(check: Check, text: str) -> tuple[Query, float] | None:
    """Return the query and the moment that give the baseline, or None where nothing needs asking."""
    baseline = _baseline(check)
    if baseline is None or isinstance(baseline, float) or baseline.file is not None:
        return None
    query = check.query("baseline", baseline.query or text, window=baseline.window)
    if baseline.at is not None:
        return query, baseline.at
    return query, check.time - (baseline.offset or 0.0)


def _from_file(check: Check, baseline: Baseline, now: float) -> Reference:
    content = baseline.content
    if content is None:
        return Reference(baseline.name or "baseline", problem="baseline: the file was not loaded")
    name = baseline.name or content.name
    entry = content.values.get(check.criterion.id)
    if entry is None:
        return Reference(name, problem=f"baseline {name!r} has no value for {check.criterion.id!r}")
    if content.expires is not None and content.expires <= now:
        return Reference(name, problem=f"baseline {name!r} expired {format_time(content.expires)}")
    start = check.suite.rollout.start
    if content.measured is not None and content.measured > start:
        return Reference(name, problem=f"{say_late(content.measured, start)}, says {name!r}")
    value = entry.value
    if entry.unit:
        if dimension(entry.unit) != dimension(check.criterion.yielded_unit):
            units = (
                f"{entry.unit!r} and {check.criterion.yielded_unit!r} of the query do not measure the same"
            )
            return Reference(name, problem=f"baseline {name!r}: the units {units}")
        value = convert(value, entry.unit, check.criterion.yielded_unit)
    return Reference(name, value)
