"""``count:`` - by how much counters have grown since the rollout, exactly.

``increase()`` extrapolates to the edges of the window and says 0 for a counter that was born at 1; here the raw
samples are subtracted, the value before each reset added (``extrapolatedRate`` in Prometheus' ``functions.go``
corrects resets the same way), and a counter that was born in the window is counted from 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from pytest_telemetry_gate.criteria.baseline import stated_reference
from pytest_telemetry_gate.criteria.coverage import (
    Coverage,
    coverage_of,
    coverage_questions,
    up_coverage,
    up_questions,
    up_selector,
)
from pytest_telemetry_gate.criteria.decide import weigh
from pytest_telemetry_gate.criteria.evidence import evidence_of
from pytest_telemetry_gate.criteria.queries import SELECTOR, Wanted
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.questions import Instant
from pytest_telemetry_gate.promql import Matrix
from pytest_telemetry_gate.support.durations import format_duration

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question
    from pytest_telemetry_gate.model.verdict import Verdict

__all__ = ["Count", "growth"]

_BEFORE = 300.0  # seconds in which the sample before the window is looked for: Prometheus' lookback


class Count(Criterion):
    """The exact growth of all counters that a selector names, from the start of the rollout to the checkpoint."""

    key: ClassVar[str] = "count"

    count: str = Field(description="a selector of counters; their growth is summed")

    def expressions(self) -> Mapping[str, tuple[str, Wanted]]:
        """Return the selector."""
        return {"count": (self.count, SELECTOR)}

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield the raw samples, their coverage, and that of the targets' ``up``."""
        selector = check.expand(self.count)
        window = f"{selector}[{format_duration(check.range)}]"
        yield self._samples(check, selector)
        yield from coverage_questions(check, window, check.time)
        yield from up_questions(check, up_selector(check, selector), check.range)

    def judge(self, check: Check, answers: Answers) -> Verdict:
        """Weigh the growth; absent counters count as 0 only where their targets were up."""
        selector = check.expand(self.count)
        question = self._samples(check, selector)
        answer = answers[question]
        coverage = coverage_of(check, f"{selector}[{format_duration(check.range)}]", check.time, answers)
        if coverage.share is None or coverage.share < self.coverage:
            coverage = self._of_targets(check, selector, coverage, answers)
        evidence = evidence_of(check, answer, query=question.promql, coverage=coverage)
        grown = growth(answer.value, check.start) if isinstance(answer.value, Matrix) else math.nan
        return weigh(check, (grown,), evidence, stated_reference(check, answers))

    def _samples(self, check: Check, selector: str) -> Instant:
        return Instant(check.region, f"{selector}[{format_duration(check.range + _BEFORE)}]", check.time)

    def _of_targets(self, check: Check, selector: str, own: Coverage, answers: Answers) -> Coverage:
        up = up_selector(check, selector)
        stand_in = up_coverage(check, up, check.range, answers)
        if stand_in.share is None or stand_in.share < self.coverage:
            return Coverage(stand_in.share, f"{own.reason}; {stand_in.reason}", stand_in.error or own.error)
        return stand_in


def growth(matrix: Matrix, start: float) -> float:
    """Return by how much the counters of a matrix of raw samples grew after ``start`` (seconds), summed.

    A series without a sample at or before ``start`` was born in the window and counts from 0; a sample lower than
    the one before it is a reset and counts whole.
    """
    total = []
    for values, present in zip(matrix.values, matrix.present, strict=True):
        times, samples = matrix.times[present], values[present]
        before = int(np.searchsorted(times, start, side="right"))
        base = [samples[before - 1]] if before else [0.0]
        steps = np.diff(np.concatenate((base, samples[before:])))
        total.append(math.fsum(np.where(steps < 0, samples[before:], steps).tolist()))
    return math.fsum(total)
