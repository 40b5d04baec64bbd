"""How a verdict came about: the questions, the answers to the last digit, and the steps from there."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_telemetry_gate.model.dossier import Asked, Dossier
from pytest_telemetry_gate.support import text
from pytest_telemetry_gate.support.durations import format_duration, format_time

__all__ = ["explain"]

_MAX_QUESTIONS = 12  # of a check that judges others


def explain(dossier: Dossier) -> list[str]:
    """Return the lines that explain one verdict, each of printable characters only."""
    verdict = dossier.verdict
    head = f"{verdict.name}: {verdict.outcome.upper()} ({verdict.path}:{verdict.line})"
    return [
        text.plain(head),
        *(f"  {label:<7}{text.plain(content)}" for label, content in _lines(dossier)),
        "",
    ]


def _lines(dossier: Dossier) -> Iterator[tuple[str, str]]:
    time, timing, window = dossier.verdict.time, dossier.timing, dossier.requirement.window
    if time is not None and timing is not None:
        after = format_duration(time - timing.rollout_start)
        clock = f"due {format_time(timing.due)}, clock {format_time(timing.now)}"
        yield "time", f"{format_time(time)}, {after} after rollout.start; {clock}"
    if window is not None:
        yield "", f"$__window = {format_duration(window)}"
    for asked in dossier.asked[:_MAX_QUESTIONS]:
        yield from _question(asked)
    if len(dossier.asked) > _MAX_QUESTIONS:
        yield "asked", f"and {len(dossier.asked) - _MAX_QUESTIONS} more questions"
    for step in dossier.steps:
        yield "step", text.strip_passwords(step.message)
    if dossier.verdict.link:
        yield "graph", text.strip_passwords(dossier.verdict.link)


def _question(asked: Asked) -> Iterator[tuple[str, str]]:
    source = f" of {asked.source}" if asked.source else ""
    profile = f", semantics {asked.semantics}" if asked.semantics else ""
    yield "asked", asked.text
    yield "", f"{_when(asked)}{source}{profile}".lstrip(" ,")
    for line in asked.result:
        yield "", f"= {text.strip_passwords(line)}"
    for warning in asked.warnings:
        yield "", f"warning: {warning}"


def _when(asked: Asked) -> str:
    region = f"region {asked.region}, " if asked.region else ""
    if asked.end is None:
        return region
    if asked.start is None:
        return f"{region}at {format_time(asked.end)}"
    return f"{region}{format_time(asked.start)} to {format_time(asked.end)}"
