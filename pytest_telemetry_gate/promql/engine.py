"""The engine: expressions asked at one time or over a range of times."""

from __future__ import annotations

import numpy as np

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql.annotations import Notes
from pytest_telemetry_gate.promql.evaluation import Evaluation
from pytest_telemetry_gate.promql.frame import Frame, merged
from pytest_telemetry_gate.promql.parser import parse
from pytest_telemetry_gate.promql.registry import PROFILES
from pytest_telemetry_gate.promql.result import Matrix, Scalar, Vector
from pytest_telemetry_gate.promql.storage import Storage

__all__ = ["Engine"]

_MAX_STEPS = 11_000_000


class Engine:
    """Evaluates PromQL as Prometheus does.

    ``semantics`` is ``"3"`` (left-open windows) or ``"2"`` (Prometheus 2.4x: closed windows); ``lookback`` is in seconds.
    """

    def __init__(self, storage: Storage, semantics: str = "3", lookback: float = 300.0) -> None:
        if semantics not in PROFILES:
            message = f"unknown semantics {semantics!r}; known: {', '.join(map(repr, PROFILES))}"
            raise PromQLError(message)
        self._storage = storage
        self._semantics = semantics
        self._lookback = round(lookback * 1000)

    def instant(self, promql: str, time: float) -> Scalar | Vector | Matrix | str:
        """Evaluate at one time, in seconds; a range selector gives its raw samples. Raises PromQLError."""
        expression = parse(promql, self._semantics)
        moment = _milliseconds(time)
        run = self._evaluation(np.array([moment]))
        kind = expression.type
        with np.errstate(all="ignore"):  # numbers follow IEEE 754 without a word, as in Prometheus
            if kind == "vector":
                frame = run.vector(expression)
                there = np.flatnonzero(frame.present[0]).tolist()
                labels = [frame.labels[column] for column in there]
                return Vector(labels, frame.values[0, there], time, run.notes.texts)
            if kind == "scalar":
                return Scalar(float(run.scalar(expression)[0]), time, run.notes.texts)
            if kind == "matrix":
                return run.samples(expression)
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
        if (last - first) // width >= _MAX_STEPS:
            message = f"the range has more than {_MAX_STEPS:,} steps"
            raise PromQLError(message)
        steps = np.arange(first, last + 1, width, dtype=np.int64)
        run = self._evaluation(steps, last)
        with np.errstate(all="ignore"):
            if expression.type == "scalar":
                frame = Frame.single(run.scalar(expression))
            else:
                frame = merged(run.vector(expression))
        there = np.flatnonzero(frame.present.any(axis=0)).tolist()
        there.sort(key=lambda column: sorted(frame.labels[column].items()))
        kept = frame.columns(there)
        return Matrix(
            kept.labels,
            steps / 1000,
            np.ascontiguousarray(kept.values.T),
            np.ascontiguousarray(kept.present.T),
            run.notes.texts,
        )

    def _evaluation(
        self, steps: np.ndarray[tuple[int], np.dtype[np.int64]], end: int | None = None
    ) -> Evaluation:
        start = int(steps[0])
        notes = Notes(silent=self._semantics == "2")
        last = start if end is None else end
        return Evaluation(self._storage, self._semantics, self._lookback, start, last, steps, notes)


def _milliseconds(seconds: float) -> int:
    if not abs(seconds) < 9e12:
        message = f"the time {seconds} is out of bounds"
        raise PromQLError(message)
    return round(seconds * 1000)
