"""``count:`` - the exact growth of counters since the rollout.

``increase()`` extrapolates to the edges of the window and gives 0 for a counter whose first sample is 1. Here the raw
samples are subtracted and the value before each reset is added (``extrapolatedRate`` in Prometheus' ``functions.go``
corrects resets the same way). A counter that first appears in the window counts from 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from pytest_telemetry_gate.criteria.baseline import find_stated_reference
from pytest_telemetry_gate.criteria.coverage import (
    Coverage,
    coverage_questions,
    measure_coverage,
    measure_up,
    up_questions,
    up_selector,
)
from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.evidence import collect_evidence
from pytest_telemetry_gate.criteria.queries import SELECTOR, Allowed
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.questions import Query
from pytest_telemetry_gate.promql import Matrix
from pytest_telemetry_gate.support.durations import format_duration

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question

__all__ = ["Count", "growth"]

_BEFORE = 300.0  # seconds before the window that may hold the sample to start from: Prometheus' lookback


class Count(Criterion):
    """The exact growth of all counters that a selector names, from the start of the rollout to the checkpoint."""

    key: ClassVar[str] = "count"

    count: str = Field(description="a selector of counters; their growth is summed")

    def expressions(self) -> Mapping[str, tuple[str, Allowed]]:
        """Return the selector."""
        return {"count": (self.count, SELECTOR)}

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield the raw samples, their coverage, and that of the targets' ``up``."""
        window = self._window(check)
        yield self._samples(check).at(check.region, check.time)
        yield from coverage_questions(check, window, check.time)
        yield from up_questions(check, up_selector(check, window), check.range, check.time)

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Decide about the growth; absent counters count as 0 only where their targets were up."""
        samples, window = self._samples(check), self._window(check)
        answer = answers[samples.at(check.region, check.time)]
        coverage = measure_coverage(check, window, check.time, answers)
        if coverage.share is None or coverage.share < self.coverage:
            coverage = self._of_targets(check, window, coverage, answers)
        evidence = collect_evidence(check, answer, query=samples.text, coverage=coverage)
        grown = growth(answer.value, check.start) if isinstance(answer.value, Matrix) else math.nan
        return decide(check, (grown,), evidence, find_stated_reference(check, answers))

    def _samples(self, check: Check) -> Query:
        return check.query("samples", f"{self.count}[{format_duration(check.range + _BEFORE)}]")

    def _window(self, check: Check) -> Query:
        return check.query("range", f"{self.count}[{format_duration(check.range)}]")

    def _of_targets(self, check: Check, window: Query, measured: Coverage, answers: Answers) -> Coverage:
        up = up_selector(check, window)
        stand_in = measure_up(check, up, check.range, check.time, answers)
        if stand_in.share is None or stand_in.share < self.coverage:
            return Coverage(
                stand_in.share, f"{measured.reason}; {stand_in.reason}", stand_in.error or measured.error
            )
        return stand_in


def growth(matrix: Matrix, start: float) -> float:
    """Return the summed growth after ``start`` (seconds) of the counters in a matrix of raw samples.

    A series without a sample at or before ``start`` is new and counts from 0. A sample that is lower than the one
    before it is a reset and counts whole.
    """
    growths = []
    for values, present in zip(matrix.values, matrix.present, strict=True):
        times, samples = matrix.times[present], values[present]
        before = int(np.searchsorted(times, start, side="right"))
        base = [samples[before - 1]] if before else [0.0]
        steps = np.diff(np.concatenate((base, samples[before:])))
        rises = np.where(steps < 0, samples[before:], steps)
        growths.append(math.fsum(rises[rises != 0].tolist()))  # most counters stand still most of the time
    return math.fsum(growths)
