"""The questions of a check and their answers, for people: the first series of an answer, to the last digit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_telemetry_gate.model.answers import Answer, Answers, Capture
from pytest_telemetry_gate.model.arrivals import Arrivals, Known, Target
from pytest_telemetry_gate.model.check import Check
from pytest_telemetry_gate.model.dossier import Asked
from pytest_telemetry_gate.model.events import Evaluation, Events, Rule
from pytest_telemetry_gate.model.query_sources import Readings
from pytest_telemetry_gate.model.questions import (
    ArrivalsQuestion,
    CaptureQuestion,
    EventsQuestion,
    Instant,
    Question,
    Range,
    SourceQuestion,
)
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector
from pytest_telemetry_gate.promql.labels import format_series
from pytest_telemetry_gate.support.durations import format_short_duration, format_time
from pytest_telemetry_gate.support.numbers import format_percent

__all__ = ["describe_questions"]

_MAX_LISTED = 10  # series of an answer, and episodes


def describe_questions(check: Check, answers: Answers) -> tuple[Asked, ...]:
    """Return every question of a check whose answer was looked at, with that answer."""
    received = answers.received
    return tuple(
        _describe(question, received[question]) for question in check.questions() if question in received
    )


def _describe(question: Question, answer: Answer) -> Asked:
    start, end = _moments(question)
    lines = _describe_capture(answer) if isinstance(question, CaptureQuestion) else _describe_value(answer)
    return Asked(
        text=question.text,
        region=question.region,
        start=start,
        end=end,
        source=answer.source,
        semantics=answer.semantics,
        result=tuple(lines),
        warnings=answer.warnings,
    )


def _moments(question: Question) -> tuple[float | None, float | None]:
    match question:
        case Instant():
            return None, question.time
        case Range() | EventsQuestion() | ArrivalsQuestion() | SourceQuestion():
            return question.start, question.end
    return None, None


def _describe_value(answer: Answer) -> Iterator[str]:
    value = answer.value
    if answer.error:
        yield f"error: {answer.error}"
    elif isinstance(value, Scalar):
        yield repr(float(value.value))
    elif isinstance(value, Vector):
        pairs = zip(value.labels, value.values.tolist(), strict=True)
        yield from _first([f"{format_series(labels)} {number!r}" for labels, number in pairs], "series")
    elif isinstance(value, Matrix):
        yield from _first([_samples(value, row) for row in range(len(value.labels))], "series")
    elif isinstance(value, Arrivals):
        yield from _first([_describe_target(target) for target in value.targets], "targets")
    elif isinstance(value, Readings):
        told = zip(value.labels, value.values, strict=True)
        yield from _first([f"{format_series(dict(labels))} {number!r}" for labels, number in told], "series")
        share = (
            "no proof of coverage" if value.coverage is None else f"coverage {format_percent(value.coverage)}"
        )
        yield "; ".join(filter(None, (share, value.note, value.doubt)))
    elif isinstance(value, Known):
        yield f"{len(value.names)} names of metrics, {len(value.types)} families in the metadata"
    elif isinstance(value, Events):
        yield from _describe_events(value)


def _describe_target(target: Target) -> str:
    scrapes = "" if target.scrapes is None else f", {target.successes} of {target.scrapes} scrapes succeeded"
    if not len(target.times):
        return f"{format_series(target.labels)} {target.samples or 'no'} samples{scrapes}"
    first, last = (format_time(float(moment) / 1000) for moment in (target.times[0], target.times[-1]))
    return f"{format_series(target.labels)} {len(target.times)} samples, {first} to {last}{scrapes}"


def _describe_events(events: Events) -> Iterator[str]:
    episodes = [
        f"{episode.name} {format_series(episode.labels)} from {format_time(episode.start)}"
        for episode in events.episodes
    ]
    yield from _first(episodes, "episodes")
    rules = f"{len(events.rules)} rule{'' if len(events.rules) == 1 else 's'} known"
    proofs = [_describe_evaluation(evaluation) for evaluation in events.evaluations]
    yield f"{rules}; {'; '.join(proofs) or 'no proof of evaluation'}"
    looked_at = [rule for rule in events.rules if rule.trouble or rule.blind is not None or rule.series]
    if looked_at:
        yield from _first([_describe_rule(rule) for rule in looked_at], "rules")


def _describe_evaluation(evaluation: Evaluation) -> str:
    parts = [f"{evaluation.group} evaluated, longest gap {format_short_duration(evaluation.longest_gap)}"]
    if evaluation.failures is None:
        parts.append("failures not counted")
    elif evaluation.failures:
        parts.append(f"{evaluation.failures:g} failures")
    if evaluation.changed is not None:
        parts.append(f"its rules changed at {format_time(evaluation.changed)}")
    return ", ".join(parts)


def _describe_rule(rule: Rule) -> str:
    seen = {"": "sees what it reads", None: "nobody looked at what it reads"}.get(rule.blind, rule.blind)
    parts = [*([rule.trouble] if rule.trouble else ()), str(seen)]
    if rule.series:
        more = f" and {len(rule.series) - 1} more" if len(rule.series) > 1 else ""
        parts.append(f"its series have {format_series(rule.series[0])}{more}")
    return f"rule {rule.alert}: {'; '.join(parts)}"


def _describe_capture(answer: Answer) -> Iterator[str]:
    """Yield what a case did and how much it exported; its spans would fill pages."""
    if not isinstance(answer.value, Capture):
        yield f"error: {answer.error}" if answer.error else answer.extent
        return
    content = answer.value.content
    if "driven" not in content:
        yield f"before {content.get('before')}, after {content.get('after')}"
        return
    requests, driven = content["requests"], content["driven"]
    size = sum(request["body"] for request in requests)
    yield f"{driven['error'] or driven['summary']}; {len(requests)} export requests, {size:,} bytes"
    for lag in content["lags"]:
        seen, expected = lag["seen"], lag["wanted"]
        yield f"{lag['selector']} +{seen:g} of +{expected:g}, at most {lag['high']} s after the drive"


def _first(lines: Sequence[str], noun: str) -> Iterator[str]:
    if not lines:
        yield f"no {noun}"
    yield from lines[:_MAX_LISTED]
    if len(lines) > _MAX_LISTED:
        yield f"and {len(lines) - _MAX_LISTED} more {noun}"


def _samples(matrix: Matrix, row: int) -> str:
    present, selector = matrix.present[row], format_series(matrix.labels[row])
    times, values = matrix.times[present].tolist(), matrix.values[row][present].tolist()
    if not times:
        return f"{selector} no samples"
    first, last = f"{values[0]!r} at {format_time(times[0])}", f"{values[-1]!r} at {format_time(times[-1])}"
    return f"{selector} {len(times)} samples, {first} to {last}"
