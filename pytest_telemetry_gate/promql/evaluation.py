"""One evaluation of an expression over a storage: every node for all steps at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql import ast
from pytest_telemetry_gate.promql.aggregate import aggregate, count_values, quantiles, topmost
from pytest_telemetry_gate.promql.annotations import Notes
from pytest_telemetry_gate.promql.binary import calculate, set_operation, with_scalar, with_vector
from pytest_telemetry_gate.promql.calls import CALLS
from pytest_telemetry_gate.promql.frame import Floats, Frame, Ints, dropped, joined
from pytest_telemetry_gate.promql.groups import from_frame, without_stale
from pytest_telemetry_gate.promql.labels import is_label_name, quoted
from pytest_telemetry_gate.promql.result import Matrix
from pytest_telemetry_gate.promql.storage import Group, Storage, is_stale
from pytest_telemetry_gate.promql.windows import WINDOW_FUNCTIONS, Windows

__all__ = ["Evaluation"]

_MAX_POINTS = 11_000_000  # of one subquery's grid
_SUBQUERY_STEP = 60_000  # ms; Prometheus' default of global.evaluation_interval


@dataclass(slots=True)
class Evaluation:
    """``start`` and ``end`` are the outermost query's, ``steps`` those evaluated here; all int64 ms."""

    storage: Storage
    semantics: str
    lookback: int
    start: int
    end: int
    steps: Ints
    notes: Notes

    def scalar(self, node: ast.Expr) -> Floats:
        """Evaluate an expression of type scalar: one number a step."""
        match node:
            case ast.NumberLiteral():
                return np.full(len(self.steps), node.value)
            case ast.Paren():
                return self.scalar(node.expr)
            case ast.Unary():
                return -self.scalar(node.expr)
            case ast.Binary():
                return calculate(node.op, self.scalar(node.lhs), self.scalar(node.rhs))
            case ast.Call(func="time"):
                return self.steps / 1000
            case ast.Call(func="pi"):
                return np.full(len(self.steps), np.pi)
            case ast.Call(func="scalar"):
                frame = self.vector(node.args[0])
                if not frame.labels:
                    return np.full(len(self.steps), np.nan)
                row = np.arange(len(self.steps))
                first = frame.values[row, frame.present.argmax(axis=1)]
                return np.where(frame.present.sum(axis=1) == 1, first, np.nan)
        raise _unexpected(node, "scalar")

    def string(self, node: ast.Expr) -> str:
        """Return the text of a string literal."""
        inner = ast.unwrapped(node)
        if not isinstance(inner, ast.StringLiteral):
            raise _unexpected(node, "string")
        return inner.value

    def vector(self, node: ast.Expr) -> Frame:
        """Evaluate an expression of type vector."""
        match node:
            case ast.VectorSelector():
                return self.selected(node)
            case ast.Call():
                return CALLS[node.func](self, node)
            case ast.Aggregate():
                return self._aggregated(node)
            case ast.Binary():
                return self._binary(node)
            case ast.Paren():
                return self.vector(node.expr)
            case ast.Unary():
                frame = self.vector(node.expr)
                return dropped(frame, -frame.values, apart=self.semantics == "2")
        raise _unexpected(node, "vector")

    def samples(self, node: ast.Expr) -> Matrix:
        """Evaluate a range selector or subquery at the only step: its samples."""
        found = [(window.labels, window.times, window.values) for window in self._windows(node)]
        series = sum(len(labels) for labels, _, _ in found)
        distinct = {times.tobytes(): times for _, times, _ in found}
        if len(distinct) == 1:
            (union,) = distinct.values()
        else:
            union = np.sort(
                np.concatenate([_NEVER, *distinct.values()]), kind="stable"
            )  # runs: merged, not hashed
            union = union[np.diff(union, prepend=union[:1] - 1) > 0]
        matrix = np.full((series, len(union)), np.nan)
        present = np.zeros(matrix.shape, dtype=np.bool_)
        row = 0
        for labels, times, values in found:
            rows, at = slice(row, row + len(labels)), union.searchsorted(times)
            matrix[rows, at] = values.T
            present[rows, at] = True
            row += len(labels)
        every = [own for labels, _, _ in found for own in labels]
        return Matrix(every, union / 1000, matrix, present, self.notes.texts)

    def selected(self, node: ast.VectorSelector, *, times: bool = False) -> Frame:
        """Take each series' newest sample in the lookback; with ``times`` the sample's time is the value."""
        moments = self._moments(node.offset, node.at)
        groups = self.storage.select(node.matchers, int(moments[0]) - self.lookback, int(moments[-1]))
        oldest = moments - self.lookback
        frames = []
        for group in groups:
            if not len(group.times):
                continue
            at = group.times.searchsorted(moments, side="right") - 1
            index = np.maximum(at, 0)
            taken = group.times[index]
            fresh = taken >= oldest if self.semantics == "2" else taken > oldest
            values = group.values[index]
            present = ((at >= 0) & fresh)[:, None] & ~is_stale(values)
            if times:
                values = np.repeat((taken / 1000)[:, None], len(group.labels), axis=1)
            if present.any():
                frames.append(Frame(list(group.labels), values, present))
        return joined(frames, len(self.steps))

    def over_time(self, node: ast.Call) -> Frame:
        """Apply a function of samples to every window; metric names stay."""
        (matrix,) = (argument for argument in node.args if argument.type == "matrix")
        parameters = [self.scalar(argument).tolist() for argument in node.args if argument.type == "scalar"]
        if node.func in {"holt_winters", "double_exponential_smoothing"}:
            _check_factors(parameters)
        kernel = WINDOW_FUNCTIONS[node.func]
        frames = []
        for window in self._windows(matrix):
            values, present = kernel(window, parameters)
            frames.append(Frame(list(window.labels), values, present))
        frame = joined(frames, len(self.steps))
        if node.func == "quantile_over_time" and frame.present.any():
            self.notes.invalid_quantiles(parameters[0])
        elif node.func in {"rate", "increase"}:
            for column, labels in enumerate(frame.labels):
                if frame.present[:, column].any():
                    self.notes.possible_non_counter(labels.get("__name__", ""))
        return frame

    def _moments(self, offset: int, at: ast.At) -> Ints:
        """Return the times that a selector looks at: the steps, or the one of ``@``, less the offset."""
        if at is None:
            return self.steps - offset if offset else self.steps
        fixed = {"start": self.start, "end": self.end}[at] if isinstance(at, str) else at
        return np.full(len(self.steps), fixed - offset, dtype=np.int64)

    def _windows(self, node: ast.Expr) -> list[Windows]:
        """Return what a range selector or subquery reads, leaving out groups without a sample in any window."""
        inner = ast.unwrapped(node)
        if isinstance(inner, ast.MatrixSelector):
            ends = self._moments(inner.selector.offset, inner.selector.at)
            starts = ends - inner.range
            groups = self.storage.select(inner.selector.matchers, int(starts[0]), int(ends[-1]))
        elif isinstance(inner, ast.Subquery):
            ends = self._moments(inner.offset, inner.at)
            starts = ends - inner.range
            groups = self._subquery(inner, int(starts[0]), int(ends[-1]))
        else:
            raise _unexpected(node, "matrix")
        open_left: Literal["left", "right"] = "left" if self.semantics == "2" else "right"
        found = []
        for group in groups:
            first = int(group.times.searchsorted(starts[0], open_left))
            last = int(group.times.searchsorted(ends[-1], "right"))
            if first >= last:
                continue
            rows = Group(group.labels, group.times[first:last], group.values[first:last])
            for clean in without_stale(rows):
                if len(ends) == 1:
                    lo, hi = _ZERO, np.array([len(clean.times)])
                else:
                    lo = clean.times.searchsorted(starts, open_left)
                    hi = np.maximum(lo, clean.times.searchsorted(ends, "right"))
                found.append(
                    Windows(
                        clean.labels,
                        clean.times,
                        clean.values,
                        lo,
                        hi,
                        starts,
                        ends,
                        self.steps,
                        self.semantics,
                    )
                )
        return found

    def _subquery(self, node: ast.Subquery, start: int, end: int) -> Sequence[Group]:
        """Evaluate a subquery on its grid: the multiples of its step, whatever the time of the query."""
        step = node.step or _SUBQUERY_STEP
        first = -(-start // step) * step
        if (end - first) // step >= _MAX_POINTS:
            message = f"the subquery has more than {_MAX_POINTS:,} steps"
            raise PromQLError(message)
        grid = np.arange(first, end + 1, step, dtype=np.int64)
        return from_frame(replace(self, steps=grid).vector(node.expr), grid) if len(grid) else []

    def _aggregated(self, node: ast.Aggregate) -> Frame:
        frame = self.vector(node.expr)
        if node.param is None:
            return aggregate(node.op, frame, node.labels, without=node.without, semantics=self.semantics)
        if node.op == "count_values":
            label = self.string(node.param)
            if not is_label_name(label, self.semantics):
                message = f"invalid label name {quoted(label)}"
                raise PromQLError(message)
            return count_values(frame, label, node.labels, without=node.without)
        parameter = self.scalar(node.param)
        if node.op == "quantile":
            self.notes.invalid_quantiles(parameter.tolist())
            return quantiles(frame, parameter, node.labels, without=node.without)
        if node.op == "limit_ratio":
            self.notes.invalid_ratios(parameter.tolist())
        return topmost(node.op, frame, parameter, node.labels, without=node.without)

    def _binary(self, node: ast.Binary) -> Frame:
        keeps_name = node.op == "atan2" and self.semantics == "2"
        if node.lhs.type == "scalar":
            return with_scalar(
                node, self.vector(node.rhs), self.scalar(node.lhs), swapped=True, keeps_name=keeps_name
            )
        if node.rhs.type == "scalar":
            return with_scalar(
                node, self.vector(node.lhs), self.scalar(node.rhs), swapped=False, keeps_name=keeps_name
            )
        lhs, rhs = self.vector(node.lhs), self.vector(node.rhs)
        if node.card == "n:m":
            return set_operation(node, lhs, rhs)
        return with_vector(node, lhs, rhs, keeps_name=keeps_name)


_ZERO = np.zeros(1, dtype=np.int64)
_NEVER = np.empty(0, dtype=np.int64)


def _check_factors(parameters: Sequence[Sequence[float]]) -> None:
    for name, factors in zip(("smoothing", "trend"), parameters, strict=True):
        for factor in factors:
            if not 0 < factor < 1:
                message = f"invalid {name} factor. Expected: 0 < {name[0]}f < 1, got: {factor:f}"
                raise PromQLError(message)


def _unexpected(node: ast.Expr, kind: str) -> PromQLError:
    return PromQLError(f"{node} is not a {kind}")
