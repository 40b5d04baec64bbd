"""How a verdict came about: what was asked, what was answered to the last digit, and the steps from there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_telemetry_gate.model.answers import Answer, Answers, Capture
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.model.questions import CaptureQuestion, Instant, Question, Range
from pytest_telemetry_gate.model.verdict import Verdict
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector
from pytest_telemetry_gate.support import text
from pytest_telemetry_gate.support.durations import format_duration, format_short_duration, format_time
from pytest_telemetry_gate.support.numbers import format_change, format_percent, format_value

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.check import Check

__all__ = ["explanation"]

_SHOWN = 10  # series of an answer, and episodes
_QUESTIONS = 12  # of a check that judges others


def explanation(check: Check, answers: Answers, verdict: Verdict) -> list[str]:
    """Return the lines that explain one verdict, each of printable characters only."""
    head = f"{verdict.name}: {verdict.outcome.upper()} ({verdict.path}:{verdict.line})"
    return [
        text.plain(head),
        *(f"  {label:<7}{text.plain(told)}" for label, told in _lines(check, answers, verdict)),
        "",
    ]


def _lines(check: Check, answers: Answers, verdict: Verdict) -> Iterator[tuple[str, str]]:
    after = format_duration(check.time - check.suite.rollout.start)
    due = format_time(check.due(answers.longest_interval(check.regions)))
    moments = f"{after} after rollout.start; due {due}, clock {format_time(answers.now)}"
    yield "time", f"{format_time(check.time)}, {moments}"
    if check.window is not None:
        yield "", f"$__window = {format_duration(check.window)}"
    questions = [one for one in check.questions() if one in answers.answers]
    for question in questions[:_QUESTIONS]:
        yield from _asked(question, answers[question])
    if len(questions) > _QUESTIONS:
        yield "asked", f"and {len(questions) - _QUESTIONS} more questions"
    for step in _steps(check, verdict):
        yield "step", step
    if verdict.link:
        yield "graph", text.without_password(verdict.link)


def _asked(question: Question, answer: Answer) -> Iterator[tuple[str, str]]:
    where = f" of {answer.source}" if answer.source else ""
    profile = f", semantics {answer.semantics}" if answer.semantics else ""
    yield "asked", _shown(question)
    yield "", f"{_when(question)}{where}{profile}"
    for line in _captured(answer) if isinstance(question, CaptureQuestion) else _value(answer):
        yield "", f"= {text.without_password(line)}"
    for warning in answer.warnings:
        yield "", f"warning: {warning}"


def _shown(question: Question) -> str:
    if isinstance(question, Instant | Range):
        return question.promql
    if isinstance(question, CaptureQuestion):
        return f"replay {Path(question.suite).name}::{question.case}[{question.checkpoint}]"
    return getattr(question, "kind", "the source itself")


def _when(question: Question) -> str:
    region = f"region {question.region}, " if question.region else ""
    if isinstance(question, Instant):
        return f"{region}at {format_time(question.time)}"
    start, end = getattr(question, "start", None), getattr(question, "end", None)
    span = "" if start is None or end is None else f"{format_time(start)} to {format_time(end)}"
    return f"{region}{span}"


def _value(answer: Answer) -> Iterator[str]:
    value = answer.value
    if answer.error:
        yield f"error: {answer.error}"
    elif isinstance(value, Scalar):
        yield repr(float(value.value))
    elif isinstance(value, Vector):
        yield from _capped(
            [
                f"{_labels(one)} {number!r}"
                for one, number in zip(value.labels, value.values.tolist(), strict=True)
            ]
        )
    elif isinstance(value, Matrix):
        yield from _capped([_series(value, row) for row in range(len(value.labels))])
    elif isinstance(value, Events):
        yield from _capped(
            [f"{one.name} {_labels(one.labels)} from {format_time(one.start)}" for one in value.episodes],
            "episodes",
        )
        proofs = (
            f"{one.group} evaluated, longest gap {format_short_duration(one.longest_gap)}"
            for one in value.evaluations
        )
        known = f"{len(value.rules)} rule{'' if len(value.rules) == 1 else 's'} known"
        yield f"{known}; {'; '.join(proofs) or 'no proof of evaluation'}"


def _captured(answer: Answer) -> Iterator[str]:
    """Yield what a case did and how much came of it: its spans would fill pages."""
    if not isinstance(answer.value, Capture):
        yield f"error: {answer.error}" if answer.error else answer.extent
        return
    wire = answer.value.content
    if "driven" not in wire:
        yield f"before {wire.get('before')}, after {wire.get('after')}"
        return
    requests = wire["requests"]
    size = sum(one["body"] for one in requests)
    yield f"{wire['driven']['error'] or wire['driven']['summary']}; {len(requests)} export requests, {size:,} bytes"
    for lag in wire["lags"]:
        yield f"{lag['selector']} +{lag['seen']:g} of +{lag['wanted']:g}, at most {lag['high']} s after the drive"


def _capped(lines: list[str], noun: str = "series") -> Iterator[str]:
    if not lines:
        yield f"no {noun}"
    yield from lines[:_SHOWN]
    if len(lines) > _SHOWN:
        yield f"and {len(lines) - _SHOWN} more {noun}"


def _series(matrix: Matrix, row: int) -> str:
    there = matrix.present[row]
    times, values = matrix.times[there].tolist(), matrix.values[row][there].tolist()
    if not times:
        return f"{_labels(matrix.labels[row])} no samples"
    ends = f"{values[0]!r} at {format_time(times[0])} to {values[-1]!r} at {format_time(times[-1])}"
    return f"{_labels(matrix.labels[row])} {len(times)} samples, {ends}"


def _labels(labels: Mapping[str, str]) -> str:
    inside = ", ".join(f'{key}="{value}"' for key, value in sorted(labels.items()) if key != "__name__")
    return f"{labels.get('__name__', '')}{{{inside}}}"


def _steps(check: Check, verdict: Verdict) -> Iterator[str]:
    criterion = check.criterion
    if verdict.coverage is not None:
        yield f"coverage {format_percent(verdict.coverage)} of the window, at least {format_percent(criterion.coverage)} wanted"
    if verdict.value is not None:
        made = f" ({criterion.reduce} of the series)" if criterion.reduce else ""
        if criterion.yielded_unit != verdict.unit and criterion.yielded_unit:
            made += f", from {criterion.yielded_unit}"
        yield f"value {verdict.value!r} {verdict.unit}{made}".rstrip()
    if verdict.baseline is not None and verdict.value is not None:
        name = f" ({verdict.baseline_name})" if verdict.baseline_name else ""
        yield f"baseline {verdict.baseline!r} {verdict.unit}{name}"
        if verdict.variance is not None:
            formula = (
                "value - baseline" if verdict.variance_unit == "pp" else "(value - baseline) / |baseline|"
            )
            yield f"variance {formula} = {format_change(verdict.variance, verdict.variance_unit)}"
    if verdict.level is not None:
        yield f"level {verdict.level}"
    if verdict.limit:
        margin = "" if verdict.margin is None else f", margin {format_value(verdict.margin)}"
        yield f"limit {verdict.limit}{margin}"
    yield f"verdict {verdict.outcome.upper()}: {text.without_password(verdict.reason)}"
