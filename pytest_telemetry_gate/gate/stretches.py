"""Range queries whose grids follow one another, asked as one and cut apart again.

The parts of the windows of hourly checks make one long grid; whatever a query gives at a step does not depend on the
other steps, unless it says ``@ start()`` or ``@ end()``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from pytest_telemetry_gate.model.questions import Range
from pytest_telemetry_gate.promql import Matrix

__all__ = ["Stretch", "cut", "find_stretches"]

_MAX_STEPS = 5_000  # Prometheus refuses more than 11,000
_CLOSE = 0.001  # seconds: times have milliseconds


@dataclass(frozen=True, slots=True)
class Stretch:
    """Questions about one query, and the one question whose answer has theirs."""

    whole: Range
    questions: tuple[Range, ...]


def find_stretches(questions: Iterable[Range]) -> list[Stretch]:
    """Group questions of one region, query and step whose grids touch or overlap, in order of time within each."""
    alike: dict[tuple[str, str, float], list[Range]] = {}
    for question in questions:
        alike.setdefault((question.region, question.promql, question.step), []).append(question)
    return [stretch for group in alike.values() for stretch in _group(group)]


def _group(questions: list[Range]) -> Iterable[Stretch]:
    ordered = sorted(questions, key=lambda question: (question.start, question.end))
    whole, members = ordered[0], [ordered[0]]
    for question in ordered[1:]:
        if _follows(question, whole):
            whole = replace(whole, end=max(whole.end, question.end))
            members.append(question)
        else:
            yield Stretch(whole, tuple(members))
            whole, members = question, [question]
    yield Stretch(whole, tuple(members))


def _follows(question: Range, whole: Range) -> bool:
    steps = (question.start - whole.start) / whole.step
    on_grid = abs(steps - round(steps)) * whole.step < _CLOSE
    close = question.start <= whole.end + whole.step + _CLOSE
    short = question.end - whole.start <= _MAX_STEPS * whole.step
    return on_grid and close and short and "@" not in whole.promql


def cut(values: Matrix, question: Range) -> Matrix:
    """Return what a question would have been answered, from the answer to one that covers it."""
    inside = (values.times > question.start - _CLOSE) & (values.times < question.end + _CLOSE)
    present = values.present[:, inside]
    rows = np.flatnonzero(present.any(axis=1))
    return Matrix(
        [values.labels[row] for row in rows.tolist()],
        values.times[inside],
        values.values[:, inside][rows],
        present[rows],
        values.warnings,
    )
