"""The engine: evaluates expressions at one time or over a range of times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql import ast
from pytest_telemetry_gate.promql.annotations import Notes
from pytest_telemetry_gate.promql.ast import Expr
from pytest_telemetry_gate.promql.evaluation import Evaluator, has_one_name
from pytest_telemetry_gate.promql.frame import Frame, Ints, merge
from pytest_telemetry_gate.promql.function_table import PROFILES
from pytest_telemetry_gate.promql.limits import Guard, Limits
from pytest_telemetry_gate.promql.parser import for_profile, parse
from pytest_telemetry_gate.promql.result import Matrix, Scalar, Vector, matrix_of_blocks, matrix_of_samples
from pytest_telemetry_gate.promql.storage import Storage

__all__ = ["Engine", "is_alike_over_time"]

# Aggregations and functions whose answer at one step depends on how many steps there are: by its order or its rounding.
_ONE_BY_ONE = frozenset({"topk", "bottomk", "limitk", "limit_ratio", "stddev", "stdvar", "count_values"})
_SORTING = frozenset({"sort", "sort_desc", "sort_by_label", "sort_by_label_desc"})
# Several times together may not take more memory than one of them should.
_TOGETHER = Limits(samples=2_000_000)


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

    def instant(self, promql: str | Expr, time: float) -> Scalar | Vector | Matrix | str:
        """Evaluate a text or a parsed expression at one time, in seconds; raises PromQLError.

        A range selector gives its raw samples.
        """
        expression = self._expression(promql)
        run = self._evaluator(expression, np.array([_milliseconds(time)]))
        with (
            _within_bounds(),
            np.errstate(all="ignore"),
        ):  # numbers follow IEEE 754 without warnings, as in Prometheus
            match expression.type:
                case "vector":
                    frame = run.vector(expression)
                    return _vector(frame, 0, time, run.notes.texts)
                case "scalar":
                    return Scalar(float(run.scalar(expression)[0]), time, run.notes.texts)
                case "matrix":
                    groups = list(run.samples(expression))
                    return replace(matrix_of_samples(groups, run.guard), warnings=run.notes.texts)
        return run.string(expression)

    def instants(self, promql: str | Expr, times: Sequence[float]) -> list[Vector] | None:
        """Evaluate at several times (seconds) at once: what ``instant`` gives at each of them, but far faster.

        Returns None where each time must be asked for itself: if the result is no vector or is ordered by its values,
        if it comes with warnings, since nobody could tell which time they belong to, and if one of the times fails.
        """
        try:
            expression = self._expression(promql)
            moments = np.array([_milliseconds(time) for time in times], dtype=np.int64)
            if expression.type != "vector" or not _goes_together(expression, moments):
                return None
            steps = np.unique(moments)
            run = self._evaluator(expression, steps, limits=_TOGETHER)
            with _within_bounds(), np.errstate(all="ignore"):
                frame = run.vector(expression)
        except PromQLError:
            return None
        if run.notes.texts:
            return None
        at = steps.searchsorted(moments).tolist()
        return [_vector(frame, step, time) for time, step in zip(times, at, strict=True)]

    def range(self, promql: str | Expr, start: float, end: float, step: float) -> Matrix:
        """Evaluate a text or a parsed expression at every step from start to end, all in seconds; raises PromQLError.

        Series are sorted by their labels.
        """
        expression = self._expression(promql)
        if expression.type not in {"vector", "scalar"}:
            kind = {"matrix": "range vector"}.get(expression.type, expression.type)
            message = f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector'
            raise PromQLError(message)
        first, last, width = _milliseconds(start), _milliseconds(end), _milliseconds(step)
        if width <= 0 or last < first:
            message = "a range needs a positive step and an end that is not before its start"
            raise PromQLError(message)
        Guard(self._limits).check_steps((last - first) // width + 1, "range")
        steps = np.arange(first, last + 1, width, dtype=np.int64)
        run = self._evaluator(expression, steps, last)
        with _within_bounds(), np.errstate(all="ignore"):
            blocks: Iterable[Frame]
            if expression.type == "scalar":
                blocks = [Frame.single(run.scalar(expression))]
            elif has_one_name(expression):
                blocks = run.blocks(expression)
            else:
                blocks = [merge(run.vector(expression))]
            return replace(matrix_of_blocks(blocks, steps, run.guard), warnings=run.notes.texts)

    def _expression(self, promql: str | Expr) -> Expr:
        """Return the expression as this engine's profile reads it."""
        if isinstance(promql, str):
            return parse(promql, self._semantics)
        return for_profile(promql, self._semantics)

    def _evaluator(
        self, expression: Expr, steps: Ints, end: int | None = None, limits: Limits | None = None
    ) -> Evaluator:
        guard = Guard(limits or self._limits)
        guard.check_depth(expression)
        start = int(steps[0])
        last = start if end is None else end
        notes = Notes(silent=self._semantics == "2")
        return Evaluator(
            storage=self._storage,
            semantics=self._semantics,
            lookback=self._lookback,
            start=start,
            end=last,
            steps=steps,
            guard=guard,
            notes=notes,
        )


@contextmanager
def _within_bounds() -> Iterator[None]:
    """Say in a line what the interpreter or the machine has no room for."""
    try:
        yield
    except RecursionError:
        message = "the expression is nested too deep"
        raise PromQLError(message) from None
    except MemoryError:
        message = "the expression needs more memory than there is"
        raise PromQLError(message) from None


def _vector(frame: Frame, step: int, time: float, warnings: tuple[str, ...] = ()) -> Vector:
    """Return the series that are present at one step."""
    columns = np.flatnonzero(frame.present[step]).tolist()
    labels = [frame.labels[column] for column in columns]
    return Vector(labels, frame.values[step, columns], time, warnings)


def _goes_together(expression: Expr, moments: Ints) -> bool:
    """Tell whether an expression can be evaluated at several times together.

    A subquery is also evaluated between its windows, and that time must not be much more than the windows themselves.
    """
    extent = int(moments.max() - moments.min())
    lengths = [node.range for node in ast.walk(expression) if isinstance(node, ast.Subquery)]
    return is_alike_over_time(expression) and not any(
        extent > 2 * len(moments) * length for length in lengths
    )


def is_alike_over_time(expression: Expr) -> bool:
    """Tell whether an expression gives the same at several times, evaluated together or one by one.

    ``@ start()`` and ``@ end()`` are the times of the whole query.
    """
    for node in ast.walk(expression):
        match node:
            case ast.Aggregate(op=op) if op in _ONE_BY_ONE:
                return False
            case ast.Call(func=func) if func in _SORTING:
                return False
            case ast.VectorSelector(at=str()) | ast.Subquery(at=str()):
                return False
    return True


def _milliseconds(seconds: float) -> int:
    if not abs(seconds) < 9e12:
        message = f"the time {seconds} is out of bounds"
        raise PromQLError(message)
    return round(seconds * 1000)
