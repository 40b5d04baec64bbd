"""The engine: expressions asked at one time or over a range of times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql.annotations import Notes
from pytest_telemetry_gate.promql.ast import Expr
from pytest_telemetry_gate.promql.evaluation import Evaluation, has_one_name
from pytest_telemetry_gate.promql.frame import Frame, Ints, merged
from pytest_telemetry_gate.promql.limits import Guard, Limits
from pytest_telemetry_gate.promql.parser import parse
from pytest_telemetry_gate.promql.registry import PROFILES
from pytest_telemetry_gate.promql.result import Matrix, Scalar, Vector
from pytest_telemetry_gate.promql.storage import Group, Storage

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
                    return _matrix_of_samples(groups, run)
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
            if expression.type == "scalar":
                return _matrix([Frame.single(run.scalar(expression))], run)
            if not has_one_name(expression):
                return _matrix([merged(run.vector(expression))], run)
            return _matrix(run.blocks(expression), run)

    def _evaluation(self, expression: Expr, steps: Ints, end: int | None = None) -> Evaluation:
        guard = Guard(self._limits)
        guard.depth(expression)
        start = int(steps[0])
        last = start if end is None else end
        notes = Notes(silent=self._semantics == "2")
        return Evaluation(self._storage, self._semantics, self._lookback, start, last, steps, notes, guard)


def _matrix(blocks: Iterable[Frame], run: Evaluation) -> Matrix:
    """Put blocks together in the order of their labels, leaving out series that are never there."""
    frames: list[Frame] = []
    places: list[tuple[list[tuple[str, str]], int, int]] = []
    for number, frame in enumerate(blocks):
        there = np.flatnonzero(frame.present.any(axis=0)).tolist()
        places += [(sorted(frame.labels[column].items()), number, column) for column in there]
        run.guard.room(2 * len(places) * len(run.steps))
        frames.append(frame)
    places.sort()
    shape = len(places), len(run.steps)
    values, present = np.empty(shape), np.empty(shape, dtype=np.bool_)
    columns: list[list[tuple[int, int]]] = [[] for _ in frames]
    for row, (_, number, column) in enumerate(places):
        columns[number].append((row, column))
    for pairs in reversed(columns):
        frame = frames.pop()  # so that little is held twice
        rows, taken = [row for row, _ in pairs], [column for _, column in pairs]
        values[rows] = frame.values.T[taken]
        present[rows] = frame.present.T[taken]
    labels = [dict(pairs) for pairs, _, _ in places]
    return Matrix(labels, run.steps / 1000, values, present, run.notes.texts)


def _matrix_of_samples(groups: Sequence[Group], run: Evaluation) -> Matrix:
    series = sum(len(group.labels) for group in groups)
    distinct = {group.times.tobytes(): group.times for group in groups}
    if len(distinct) == 1:
        (union,) = distinct.values()
    else:
        every = np.concatenate([np.empty(0, dtype=np.int64), *distinct.values()])
        union = np.sort(every, kind="stable")  # of runs: merged, not hashed
        union = union[np.diff(union, prepend=union[:1] - 1) > 0]
    run.guard.room(series * len(union))
    matrix = np.full((series, len(union)), np.nan)
    present = np.zeros(matrix.shape, dtype=np.bool_)
    row = 0
    for group in groups:
        rows, at = slice(row, row + len(group.labels)), union.searchsorted(group.times)
        matrix[rows, at] = group.values.T
        present[rows, at] = True
        row += len(group.labels)
    labels = [own for group in groups for own in group.labels]
    return Matrix(labels, union / 1000, matrix, present, run.notes.texts)


def _milliseconds(seconds: float) -> int:
    if not abs(seconds) < 9e12:
        message = f"the time {seconds} is out of bounds"
        raise PromQLError(message)
    return round(seconds * 1000)
