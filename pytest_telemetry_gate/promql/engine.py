"""The engine: expressions asked at one time or over a range of times."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql.annotations import Notes
from pytest_telemetry_gate.promql.ast import Expr
from pytest_telemetry_gate.promql.evaluation import Evaluation, has_one_name
from pytest_telemetry_gate.promql.frame import Frame, Ints, merged
from pytest_telemetry_gate.promql.function_table import PROFILES
from pytest_telemetry_gate.promql.limits import Guard, Limits
from pytest_telemetry_gate.promql.parser import parse
from pytest_telemetry_gate.promql.result import Matrix, Scalar, Vector, of_blocks, of_samples
from pytest_telemetry_gate.promql.storage import Storage

__all__ = ["Engine"]


class Engine:
    """Evaluates PromQL as Prometheus does.

    ``semantics`` is ``"3"`` (left-open windows) or ``"2"`` (Prometheus 2.4x: closed windows); ``lookback`` is in seconds;
    a query that would pass one of the ``limits`` is refused.
    """

    def __init__(
        self, storage: Storage, semantics: str = "3", lookback: float = 300.0, limits: Limits | None = None
    ) -> None:
        if semantics not in PROFILES:
            message = f"unknown semantics {semantics!r}; known: {', '.join(map(repr, PROFILES))}"
            raise PromQLError(message)
        self._storage = storage
        self._semantics = semantics
        self._lookback = round(lookback * 1000)
        self._limits = limits or Limits()

    def instant(self, promql: str, time: float) -> Scalar | Vector | Matrix | str:
        """Evaluate at one time, in seconds; a range selector gives its raw samples. Raises PromQLError."""
        expression = parse(promql, self._semantics)
        run = self._evaluation(expression, np.array([_milliseconds(time)]))
        with np.errstate(all="ignore"):  # numbers follow IEEE 754 without a word, as in Prometheus
            match expression.type:
                case "vector":
                    frame = run.vector(expression)
                    there = np.flatnonzero(frame.present[0]).tolist()
                    labels = [frame.labels[column] for column in there]
                    return Vector(labels, frame.values[0, there], time, run.notes.texts)
                case "scalar":
                    return Scalar(float(run.scalar(expression)[0]), time, run.notes.texts)
                case "matrix":
                    groups = list(run.samples(expression))
                    return replace(of_samples(groups, run.guard), warnings=run.notes.texts)
        return run.string(expression)

    def range(self, promql: str, start: float, end: float, step: float) -> Matrix:
        """Evaluate at every step from start to end, all in seconds; series are sorted by labels. Raises PromQLError."""
        expression = parse(promql, self._semantics)
        if expression.type not in {"vector", "scalar"}:
            kind = {"matrix": "range vector"}.get(expression.type, expression.type)
            message = f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector'
            raise PromQLError(message)
        first, last, width = _milliseconds(start), _milliseconds(end), _milliseconds(step)
        if width <= 0 or last < first:
            message = "a range needs a positive step and an end that is not before its start"
            raise PromQLError(message)
        Guard(self._limits).steps((last - first) // width + 1, "range")
        steps = np.arange(first, last + 1, width, dtype=np.int64)
        run = self._evaluation(expression, steps, last)
        with np.errstate(all="ignore"):
            blocks: Iterable[Frame]
            if expression.type == "scalar":
                blocks = [Frame.single(run.scalar(expression))]
            elif has_one_name(expression):
                blocks = run.blocks(expression)
            else:
                blocks = [merged(run.vector(expression))]
            return replace(of_blocks(blocks, steps, run.guard), warnings=run.notes.texts)

    def _evaluation(self, expression: Expr, steps: Ints, end: int | None = None) -> Evaluation:
        guard = Guard(self._limits)
        guard.depth(expression)
        start = int(steps[0])
        last = start if end is None else end
        notes = Notes(silent=self._semantics == "2")
        return Evaluation(self._storage, self._semantics, self._lookback, start, last, steps, notes, guard)


def _milliseconds(seconds: float) -> int:
    if not abs(seconds) < 9e12:
        message = f"the time {seconds} is out of bounds"
        raise PromQLError(message)
    return round(seconds * 1000)
