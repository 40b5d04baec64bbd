"""Evaluates an expression over a storage: each node for all steps at once, in blocks of series."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeGuard

import numpy as np

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql import ast
from pytest_telemetry_gate.promql.aggregate import Grouping, aggregate
from pytest_telemetry_gate.promql.annotations import Notes
from pytest_telemetry_gate.promql.binary import (
    COMPARISONS,
    calculate,
    combine_vectors,
    combine_with_scalar,
    set_operation,
)
from pytest_telemetry_gate.promql.calls import PER_SERIES, WHOLE_VECTOR
from pytest_telemetry_gate.promql.frame import (
    Floats,
    Frame,
    coalesce,
    drop_name,
    join,
    merge,
)
from pytest_telemetry_gate.promql.functions import CALENDAR
from pytest_telemetry_gate.promql.labels import is_label_name, quote
from pytest_telemetry_gate.promql.over_time import KEEPS_NAME, WINDOW_FUNCTIONS
from pytest_telemetry_gate.promql.ranking import count_values, quantile, select_series
from pytest_telemetry_gate.promql.selecting import SampleReader
from pytest_telemetry_gate.promql.storage import SeriesGroup
from pytest_telemetry_gate.promql.windows import (
    Grid,
    Windows,
    crop,
    samples_of_frame,
    windows_of,
)

__all__ = ["Evaluator", "has_one_name"]

_SUBQUERY_STEP = 60_000  # ms; Prometheus' default of global.evaluation_interval


@dataclass(slots=True)
class Evaluator(SampleReader):
    """Evaluates nodes at ``steps``; ``notes`` collects warnings and infos."""

    notes: Notes

    def scalar(self, node: ast.Expr) -> Floats:
        """Evaluate an expression of type scalar: one number a step."""
        self.guard.check_memory(len(self.steps))
        match node:
            case ast.NumberLiteral():
                return np.full(len(self.steps), node.value)
            case ast.Paren():
                return self.scalar(node.expr)
            case ast.Unary():
                return -self.scalar(node.expr)
            case ast.Binary():
                lhs = self.scalar(node.lhs)
                with self.guard.hold(len(lhs)):
                    return calculate(node.op, lhs, self.scalar(node.rhs))
            case ast.Call(func="time"):
                return self.steps / 1000
            case ast.Call(func="pi"):
                return np.full(len(self.steps), np.pi)
            case ast.Call(func="scalar"):
                return self._scalar_of_vector(node.args[0])
        raise _unexpected(node, "scalar")

    def string(self, node: ast.Expr) -> str:
        """Return the text of a string literal."""
        inner = ast.unwrapped(node)
        if not isinstance(inner, ast.StringLiteral):
            raise _unexpected(node, "string")
        return inner.value

    def vector(self, node: ast.Expr) -> Frame:
        """Evaluate an expression of type vector."""
        while isinstance(node, ast.Paren):
            node = node.expr
        if _joins_vectors(node):
            return self._binary_of_vectors(node)
        return self._join_blocks(self.blocks(node))

    def blocks(self, node: ast.Expr) -> Iterator[Frame]:
        """Evaluate an expression of type vector; in blocks where no series depends on another."""
        match node:
            case ast.Paren():
                yield from self.blocks(node.expr)
            case ast.VectorSelector():
                yield from coalesce(self.newest(node), len(self.steps))
            case ast.Call(func="timestamp") if (selector := _selector(node.args[0])) is not None:
                times = coalesce(self.newest(selector, times=True), len(self.steps))
                yield from self._drop_names(times, selector)
            case ast.Call() if node.func in WINDOW_FUNCTIONS:
                yield from self._call_over_time(node)
            case ast.Call() if node.func in WHOLE_VECTOR:
                yield WHOLE_VECTOR[node.func](self, node)
            case ast.Call(args=()):
                yield self._calendar_of_now(node)
            case ast.Aggregate():
                yield self._aggregate(node)
            case ast.Binary() if _joins_vectors(node):
                yield self._binary_of_vectors(node)
            case ast.Call() | ast.Unary() | ast.Binary():
                yield from self._change_each(node)
            case _:
                raise _unexpected(node, "vector")

    def _change_each(self, node: ast.Call | ast.Unary | ast.Binary) -> Iterator[Frame]:
        """Change each series by itself, block by block."""
        scalars = sum(child.type == "scalar" for child in ast.children(node))
        with self.guard.hold(len(self.steps) * scalars):
            change = self._series_change(node)
            frames: Iterable[Frame] = map(change.function, self.blocks(change.argument))
            if change.drops_name and not has_one_name(change.argument):
                frames = [self._join_blocks(frames)]
            for frame in frames:
                yield drop_name(frame, strict=change.strict) if change.drops_name else frame

    def _calendar_of_now(self, node: ast.Call) -> Frame:
        """Evaluate ``hour()``, ``month()`` and their like without an argument: of each step's own time."""
        return Frame.single(CALENDAR[node.func](self.steps / 1000))

    def _join_blocks(self, blocks: Iterable[Frame]) -> Frame:
        """Return all series of the blocks in one frame."""
        frames: list[Frame] = []
        size = 0
        for frame in blocks:
            size += frame.values.size
            self.guard.check_memory(size)
            frames.append(frame)
        return join(frames, len(self.steps))

    def samples(self, node: ast.Expr) -> Iterator[SeriesGroup]:
        """Evaluate a range selector or subquery at the only step: its samples."""
        groups, grid = self._ranged(node)
        size = 0
        for group in crop(groups, grid):
            size += group.values.size
            self.guard.check_memory(size)
            yield group

    def _scalar_of_vector(self, node: ast.Expr) -> Floats:
        """``scalar()``: the value of the only series, NaN where there is none or several."""
        frame = self.vector(node)
        if not frame.labels:
            return np.full(len(self.steps), np.nan)
        row = np.arange(len(self.steps))
        first = frame.values[row, frame.present.argmax(axis=1)]
        return np.where(frame.present.sum(axis=1) == 1, first, np.nan)

    def _series_change(self, node: ast.Call | ast.Unary | ast.Binary) -> _SeriesChange:
        """Return how a node changes each series by itself."""
        match node:
            case ast.Unary():
                return _SeriesChange(node.expr, _negated, strict=True)
            case ast.Call():
                return _SeriesChange(*PER_SERIES[node.func](self, node))
        swapped = node.lhs.type == "scalar"
        vector, other = (node.rhs, node.lhs) if swapped else (node.lhs, node.rhs)
        keeps_name = not node.returns_bool and (node.op in COMPARISONS or self._keeps_name(node))
        function = partial(combine_with_scalar, node, self.scalar(other), swapped=swapped)
        return _SeriesChange(vector, function, drops_name=not keeps_name)

    def _keeps_name(self, node: ast.Binary) -> bool:
        return node.op == "atan2" and self.semantics == "2"

    def _drop_names(
        self, frames: Iterable[Frame], argument: ast.Expr, *, strict: bool = False
    ) -> Iterator[Frame]:
        """Drop the metric names from frames that were made of an argument."""
        for frame in frames if has_one_name(argument) else [self._join_blocks(frames)]:
            yield drop_name(frame, strict=strict)

    def _call_over_time(self, node: ast.Call) -> Iterator[Frame]:
        """Apply a function of samples to every window."""
        (matrix,) = (argument for argument in node.args if argument.type == "matrix")
        parameters = [self.scalar(argument).tolist() for argument in node.args if argument.type == "scalar"]
        # Python's own numbers take four times the room.
        with self.guard.hold(4 * len(self.steps) * len(parameters)):
            yield from self._named_over_time(node, matrix, parameters)

    def _named_over_time(
        self, node: ast.Call, matrix: ast.Expr, parameters: Sequence[Sequence[float]]
    ) -> Iterator[Frame]:
        """Apply a function of samples to every window, and keep or drop the names of the metrics."""
        frames = self._apply_to_windows(node.func, matrix, parameters)
        if node.func not in KEEPS_NAME:
            yield from self._drop_names(frames, matrix, strict=True)
        elif has_one_name(matrix):
            yield from frames
        else:
            yield merge(self._join_blocks(frames), strict=True)

    def _apply_to_windows(
        self, func: str, matrix: ast.Expr, parameters: Sequence[Sequence[float]]
    ) -> Iterator[Frame]:
        kernel = WINDOW_FUNCTIONS[func]
        for windows in self._windows(matrix):
            if func in {"holt_winters", "double_exponential_smoothing"}:
                _check_factors(parameters, np.flatnonzero(windows.counts > 0).tolist())
            values, present = kernel(windows, parameters)
            if func == "quantile_over_time" and (windows.counts > 0).any():
                self.notes.invalid_quantiles(parameters[0])
            if func in {"rate", "increase"} and present[:, 0].any():
                for labels in windows.labels:
                    self.notes.possible_non_counter(labels.get("__name__", ""))
            yield Frame(list(windows.labels), values, present)

    def _windows(self, node: ast.Expr) -> Iterator[Windows]:
        """Return what a range selector or subquery reads at each step."""
        groups, grid = self._ranged(node)
        return windows_of(groups, grid, self.guard)

    def _ranged(self, node: ast.Expr) -> tuple[Iterable[SeriesGroup], Grid]:
        """Return the samples of a range selector or subquery, and the windows of the steps."""
        inner = ast.unwrapped(node)
        match inner:
            case ast.MatrixSelector():
                return self.in_windows(inner)
            case ast.Subquery():
                grid = self.grid(inner.range, inner.offset, inner.at)
                return self._subquery(inner, int(grid.starts[0]), int(grid.ends[-1])), grid
        raise _unexpected(node, "matrix")

    def _subquery(self, node: ast.Subquery, start: int, end: int) -> Iterator[SeriesGroup]:
        """Evaluate a subquery on its grid: the multiples of its step, whatever the time of the query."""
        step = node.step or _SUBQUERY_STEP
        first = -(-start // step) * step
        self.guard.check_steps((end - first) // step + 1, "subquery")
        grid = np.arange(first, end + 1, step, dtype=np.int64)
        if len(grid):
            for frame in replace(self, steps=grid).blocks(node.expr):
                with self.guard.hold(frame.values.size):
                    yield from samples_of_frame(frame, grid)

    def _aggregate(self, node: ast.Aggregate) -> Frame:
        grouping = Grouping(node.labels, without=node.without)
        if node.param is None:
            return aggregate(
                node.op,
                lambda: self.blocks(node.expr),
                grouping,
                len(self.steps),
                self.guard,
                semantics=self.semantics,
            )
        frame = self.vector(node.expr)
        if node.op == "count_values":
            label = self.string(node.param)
            if not is_label_name(label, self.semantics):
                message = f"invalid label name {quote(label)}"
                raise PromQLError(message)
            hidden = node.without and label in {*node.labels, "__name__"}
            return count_values(frame, label, grouping, self.guard, hidden=hidden)
        with self.guard.hold(frame.values.size):
            param = self.scalar(node.param)
        if node.op == "quantile":
            self.notes.invalid_quantiles(param.tolist())
            return quantile(frame, param, grouping, self.guard)
        if node.op == "limit_ratio":
            self.notes.invalid_ratios(param.tolist())
        return select_series(node.op, frame, param, grouping, self.guard)

    def _binary_of_vectors(self, node: ast.Binary) -> Frame:
        """Evaluate an operator between two vectors."""
        lhs = self.vector(node.lhs)
        with self.guard.hold(lhs.values.size):
            rhs = self.vector(node.rhs)
        self.guard.check_memory(2 * (lhs.values.size + rhs.values.size))
        if node.card == "n:m":
            return set_operation(node, lhs, rhs)
        return combine_vectors(node, lhs, rhs, keeps_name=self._keeps_name(node))


@dataclass(frozen=True, slots=True)
class _SeriesChange:
    """A change of each series of an argument; ``strict`` is as in ``frame.merge``."""

    argument: ast.Expr
    function: Callable[[Frame], Frame]
    drops_name: bool = True
    strict: bool = False


def _selector(node: ast.Expr) -> ast.VectorSelector | None:
    inner = ast.unwrapped(node)
    return inner if isinstance(inner, ast.VectorSelector) else None


def _joins_vectors(node: ast.Expr) -> TypeGuard[ast.Binary]:
    return isinstance(node, ast.Binary) and node.lhs.type == node.rhs.type == "vector"


def _negated(frame: Frame) -> Frame:
    return replace(frame, values=-frame.values)


def has_one_name(node: ast.Expr) -> bool:
    """Tell whether all series surely have one name or none, so that dropping it makes no two labels equal."""
    match node:
        case ast.VectorSelector():
            return any(matcher.name == "__name__" and matcher.op == "=" for matcher in node.matchers)
        case ast.MatrixSelector():
            return has_one_name(node.selector)
        case ast.Subquery() | ast.Paren() | ast.Unary():
            return has_one_name(node.expr)
        case ast.Aggregate(op="topk" | "bottomk" | "limitk" | "limit_ratio"):
            return has_one_name(node.expr)
        case ast.Aggregate():
            return node.without or "__name__" not in node.labels
        case ast.Call():
            return (node.func in WINDOW_FUNCTIONS or node.func in PER_SERIES) and all(
                has_one_name(argument) for argument in node.args if argument.type in {"vector", "matrix"}
            )
        case ast.Binary():
            sides = [side for side in (node.lhs, node.rhs) if side.type == "vector"]
            return len(sides) == 1 and has_one_name(sides[0])
    return False


def _check_factors(parameters: Sequence[Sequence[float]], steps: Sequence[int]) -> None:
    """Refuse a factor at a step with samples; nobody looks at it where there is none."""
    for name, factors in zip(("smoothing", "trend"), parameters, strict=True):
        for factor in (factors[step] for step in steps):
            if factor <= 0 or factor >= 1:  # NaN may pass
                message = f"invalid {name} factor. Expected: 0 < {name[0]}f < 1, got: {factor:f}"
                raise PromQLError(message)


def _unexpected(node: ast.Expr, kind: str) -> PromQLError:
    return PromQLError(f"{node} is not a {kind}")
