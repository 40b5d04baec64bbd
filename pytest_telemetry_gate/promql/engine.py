"""Evaluate expressions over a storage: every node for all steps at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql import ast, functions
from pytest_telemetry_gate.promql.aggregate import aggregate, count_values, quantiles, topmost
from pytest_telemetry_gate.promql.binary import calculate, set_operation, with_scalar, with_vector
from pytest_telemetry_gate.promql.frame import Floats, Frame, Ints, joined, merged, without_name
from pytest_telemetry_gate.promql.parser import parse
from pytest_telemetry_gate.promql.registry import FUNCTIONS
from pytest_telemetry_gate.promql.result import Matrix, Scalar, Vector
from pytest_telemetry_gate.promql.storage import Group, Storage, is_stale
from pytest_telemetry_gate.promql.windows import KEEPS_NAME, WINDOW_FUNCTIONS, Windows

__all__ = ["Engine"]

_MAX_POINTS = 11_000 * 1000  # of one query's steps and of one subquery's grid
_MAX_STEPS = 11_000_000
_SUBQUERY_STEP = 60_000  # ms; Prometheus' default of global.evaluation_interval


class Engine:
    """Evaluates PromQL as Prometheus does.

    ``semantics`` is ``"3"`` (left-open windows) or ``"2"`` (Prometheus 2.4x: closed windows); ``lookback`` is in seconds.
    """

    def __init__(self, storage: Storage, semantics: str = "3", lookback: float = 300.0) -> None:
        if semantics not in {"2", "3"}:
            message = f"unknown semantics {semantics!r}; known: '2', '3'"
            raise PromQLError(message)
        self._storage = storage
        self._semantics = semantics
        self._lookback = round(lookback * 1000)

    def instant(self, promql: str, time: float) -> Scalar | Vector | Matrix | str:
        """Evaluate at one time, in seconds; a range selector gives its raw samples. Raises PromQLError."""
        expression = self._parsed(promql)
        moment = _milliseconds(time)
        run = _Run(self._storage, self._semantics, self._lookback, moment, moment, np.array([moment]))
        match expression.type:
            case "string":
                return run.string(expression)
            case "matrix":
                return run.samples(expression)
            case "scalar":
                return Scalar(float(run.scalar(expression)[0]), time)
        frame = run.vector(expression)
        there = np.flatnonzero(frame.present[0]).tolist()
        return Vector([frame.labels[column] for column in there], frame.values[0, there], time)

    def range(self, promql: str, start: float, end: float, step: float) -> Matrix:
        """Evaluate at every step from start to end, all in seconds. Raises PromQLError."""
        expression = self._parsed(promql)
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
        run = _Run(self._storage, self._semantics, self._lookback, first, last, steps)
        if expression.type == "scalar":
            frame = Frame.single(run.scalar(expression))
        else:
            frame = merged(run.vector(expression))
        there = np.flatnonzero(frame.present.any(axis=0)).tolist()
        kept = frame.columns(there)
        return Matrix(
            kept.labels,
            steps / 1000,
            np.ascontiguousarray(kept.values.T),
            np.ascontiguousarray(kept.present.T),
        )

    def _parsed(self, promql: str) -> ast.Expr:
        expression = parse(promql)
        for node in ast.walk(expression):
            if isinstance(node, ast.Call) and self._semantics not in FUNCTIONS[node.func].profiles:
                message = f"function {node.func!r} does not exist in Prometheus {self._semantics}"
                raise PromQLError(message)
        return expression


@dataclass(frozen=True, slots=True)
class _Run:
    """One evaluation: ``start`` and ``end`` are the outermost query's, ``steps`` those evaluated here, int64 ms."""

    storage: Storage
    semantics: str
    lookback: int
    start: int
    end: int
    steps: Ints

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
                return self._selected(node, times=False)
            case ast.Paren():
                return self.vector(node.expr)
            case ast.Unary():
                frame = self.vector(node.expr)
                labels = [without_name(own) for own in frame.labels]
                return merged(Frame(labels, -frame.values, frame.present))
            case ast.Binary():
                return self._binary(node)
            case ast.Aggregate():
                return self._aggregated(node)
            case ast.Call():
                return self._called(node)
        raise _unexpected(node, "vector")

    def samples(self, node: ast.Expr) -> Matrix:
        """Evaluate a range selector or subquery at the only step: its samples."""
        found: list[tuple[dict[str, str], Ints, Floats]] = []
        for group, starts, ends in self._windows(node):
            lo, hi = self._bounds(group.times, starts, ends)
            times, values = group.times[lo[0] : hi[0]], group.values[lo[0] : hi[0]]
            found.extend(
                (own, times, values[:, column]) for column, own in enumerate(group.labels) if len(times)
            )
        union = (
            np.unique(np.concatenate([times for _, times, _ in found]))
            if found
            else np.empty(0, dtype=np.int64)
        )
        matrix = np.full((len(found), len(union)), np.nan)
        present = np.zeros(matrix.shape, dtype=np.bool_)
        for row, (_, times, values) in enumerate(found):
            at = np.searchsorted(union, times)
            matrix[row, at] = values
            present[row, at] = True
        return Matrix([own for own, _, _ in found], union / 1000, matrix, present)

    def _selected(self, node: ast.VectorSelector, *, times: bool) -> Frame:
        """Take each series' newest sample in the lookback; with ``times`` the sample's time is the value."""
        moments = self._moments(node.offset, node.at)
        groups = self.storage.select(node.matchers, int(moments.min()) - self.lookback, int(moments.max()))
        frames = []
        for group in groups:
            at = np.searchsorted(group.times, moments, side="right") - 1
            index = np.maximum(at, 0)
            if not len(group.times):
                continue
            oldest = moments - self.lookback
            fresh = group.times[index] > oldest if self.semantics == "3" else group.times[index] >= oldest
            values = group.values[index]
            present = ((at >= 0) & fresh)[:, None] & ~is_stale(values)
            if times:
                values = np.repeat((group.times[index] / 1000)[:, None], len(group.labels), axis=1)
            if present.any():
                frames.append(Frame(list(group.labels), values, present))
        return joined(frames, len(self.steps))

    def _moments(self, offset: int, at: ast.At) -> Ints:
        """Return the times that a selector looks at: the steps, or the one of ``@``, less the offset."""
        if at is None:
            return self.steps - offset
        fixed = {"start": self.start, "end": self.end}[at] if isinstance(at, str) else at
        return np.full(len(self.steps), fixed - offset, dtype=np.int64)

    def _windows(self, node: ast.Expr) -> list[tuple[Group, Ints, Ints]]:
        """Return the groups that a range selector or subquery reads, with the bounds of every step's window."""
        inner = ast.unwrapped(node)
        if isinstance(inner, ast.MatrixSelector):
            ends = self._moments(inner.selector.offset, inner.selector.at)
            starts = ends - inner.range
            groups = self.storage.select(inner.selector.matchers, int(starts.min()), int(ends.max()))
            return [
                (clean, starts, ends)
                for group in groups
                for clean in _without_stale(_between(group, int(starts.min()), int(ends.max())))
            ]
        if not isinstance(inner, ast.Subquery):
            raise _unexpected(node, "matrix")
        ends = self._moments(inner.offset, inner.at)
        starts = ends - inner.range
        step = inner.step or _SUBQUERY_STEP
        first = -(-int(starts.min()) // step) * step
        if (int(ends.max()) - first) // step >= _MAX_POINTS:
            message = f"the subquery has more than {_MAX_POINTS:,} steps"
            raise PromQLError(message)
        grid = np.arange(first, int(ends.max()) + 1, step, dtype=np.int64)
        if not len(grid):
            return []
        frame = replace(self, steps=grid).vector(inner.expr)
        return [(group, starts, ends) for group in _as_groups(frame, grid)]

    def _bounds(self, times: Ints, starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
        lo = np.searchsorted(times, starts, side="right" if self.semantics == "3" else "left")
        hi = np.searchsorted(times, ends, side="right")
        return lo, np.maximum(lo, hi)

    def _called(self, node: ast.Call) -> Frame:
        name, args = node.func, node.args
        if name in WINDOW_FUNCTIONS:
            return self._over_time(node)
        if name in functions.MATHS:
            frame = self.vector(args[0])
            with np.errstate(all="ignore"):
                return functions.dropped(replace(frame, values=functions.MATHS[name](frame.values)))
        if name in functions.CALENDAR:
            frame = self.vector(args[0]) if args else Frame.single(self.steps / 1000)
            return functions.dropped(replace(frame, values=functions.CALENDAR[name](frame.values)))
        match name:
            case "absent":
                there = np.asarray(self.vector(args[0]).present.any(axis=1))
                return Frame.single(np.ones(len(there)), ~there, functions.absent_labels(args[0]))
            case "absent_over_time":
                there = np.asarray(
                    self._over_time(ast.Call("present_over_time", args, "vector")).present.any(axis=1)
                )
                return Frame.single(np.ones(len(there)), ~there, functions.absent_labels(args[0]))
            case "clamp":
                return functions.dropped(
                    functions.clamped(self.vector(args[0]), self.scalar(args[1]), self.scalar(args[2]))
                )
            case "clamp_min":
                return functions.dropped(functions.clamped(self.vector(args[0]), self.scalar(args[1]), None))
            case "clamp_max":
                return functions.dropped(functions.clamped(self.vector(args[0]), None, self.scalar(args[1])))
            case "histogram_quantile":
                small = self.semantics == "3"
                return functions.histogram_quantile(
                    self.vector(args[1]), self.scalar(args[0]), small_deltas=small
                )
            case "label_replace":
                return functions.label_replace(
                    self.vector(args[0]), *(self.string(argument) for argument in args[1:])
                )
            case "label_join":
                target, separator, *sources = (self.string(argument) for argument in args[1:])
                return functions.label_join(self.vector(args[0]), target, separator, sources)
            case "round":
                to = self.scalar(args[1]) if len(args) > 1 else np.ones(len(self.steps))
                return functions.dropped(functions.rounded(self.vector(args[0]), to))
            case "sort" | "sort_desc":
                return functions.sorted_frame(self.vector(args[0]), descending=name == "sort_desc")
            case "sort_by_label" | "sort_by_label_desc":
                return self._sorted_by_label(node)
            case "timestamp":
                inner = ast.unwrapped(args[0])
                if isinstance(inner, ast.VectorSelector):
                    return functions.dropped(self._selected(inner, times=True))
                frame = self.vector(args[0])
                moments = np.repeat((self.steps / 1000)[:, None], len(frame.labels), axis=1)
                return functions.dropped(replace(frame, values=moments))
            case "vector":
                return Frame.single(self.scalar(args[0]))
        message = f"function {name!r} is not supported"
        raise PromQLError(message)

    def _sorted_by_label(self, node: ast.Call) -> Frame:
        frame = self.vector(node.args[0])
        names = [self.string(argument) for argument in node.args[1:]]
        order = sorted(
            range(len(frame.labels)),
            key=lambda column: [_natural(frame.labels[column].get(name, "")) for name in names],
            reverse=node.func.endswith("_desc"),
        )
        return frame.columns(order) if len(self.steps) == 1 else frame

    def _over_time(self, node: ast.Call) -> Frame:
        (matrix,) = (argument for argument in node.args if argument.type == "matrix")
        parameters = [self.scalar(argument).tolist() for argument in node.args if argument.type == "scalar"]
        if "smoothing" in node.func or node.func == "holt_winters":
            _check_factors(parameters)
        frames = []
        for group, starts, ends in self._windows(matrix):
            lo, hi = self._bounds(group.times, starts, ends)
            windows = Windows(group.times, group.values, lo, hi, starts, ends, self.steps, self.semantics)
            values, present = WINDOW_FUNCTIONS[node.func](windows, parameters)
            frames.append(Frame(list(group.labels), values, present))
        frame = joined(frames, len(self.steps))
        return merged(frame) if node.func in KEEPS_NAME else functions.dropped(frame)

    def _aggregated(self, node: ast.Aggregate) -> Frame:
        frame = self.vector(node.expr)
        if node.param is None:
            return aggregate(node.op, frame, node.labels, without=node.without)
        if node.op == "count_values":
            return count_values(frame, self.string(node.param), node.labels, without=node.without)
        if node.op == "quantile":
            return quantiles(frame, self.scalar(node.param), node.labels, without=node.without)
        return topmost(node.op, frame, self.scalar(node.param), node.labels, without=node.without)

    def _binary(self, node: ast.Binary) -> Frame:
        if node.lhs.type == "scalar":
            return with_scalar(node, self.vector(node.rhs), self.scalar(node.lhs), swapped=True)
        if node.rhs.type == "scalar":
            return with_scalar(node, self.vector(node.lhs), self.scalar(node.rhs), swapped=False)
        lhs, rhs = self.vector(node.lhs), self.vector(node.rhs)
        return set_operation(node, lhs, rhs) if node.card == "n:m" else with_vector(node, lhs, rhs)


def _between(group: Group, start: int, end: int) -> Group:
    """Return the samples of a group from start to end (ms), both included, without copying them."""
    rows = slice(
        np.searchsorted(group.times, start, side="left"), np.searchsorted(group.times, end, side="right")
    )
    return Group(group.labels, group.times[rows], group.values[rows])


def _without_stale(group: Group) -> list[Group]:
    """Take stale markers out; series that had any become groups of their own."""
    stale = is_stale(group.values)
    if not stale.any():
        return [group]
    touched = stale.any(axis=0)
    groups = []
    if not touched.all():
        kept = np.flatnonzero(~touched).tolist()
        groups.append(Group(tuple(group.labels[c] for c in kept), group.times, group.values[:, kept]))
    for column in np.flatnonzero(touched).tolist():
        rows = ~stale[:, column]
        groups.append(
            Group((group.labels[column],), group.times[rows], group.values[rows, column : column + 1])
        )
    return groups


def _as_groups(frame: Frame, grid: Ints) -> list[Group]:
    """Turn the steps of a subquery into samples."""
    whole = frame.present.all(axis=0)
    groups = []
    if whole.any():
        kept = np.flatnonzero(whole).tolist()
        groups.append(Group(tuple(frame.labels[c] for c in kept), grid, frame.values[:, kept]))
    for column in np.flatnonzero(~whole).tolist():
        rows = frame.present[:, column]
        if rows.any():
            groups.append(Group((frame.labels[column],), grid[rows], frame.values[rows, column : column + 1]))
    return groups


def _check_factors(parameters: Sequence[Sequence[float]]) -> None:
    for name, factors in zip(("smoothing", "trend"), parameters, strict=True):
        for factor in factors:
            if not 0 < factor < 1:
                message = f"invalid {name} factor. Expected: 0 < {name[0]}f < 1, got: {factor:f}"
                raise PromQLError(message)


def _natural(text: str) -> list[tuple[bool, int, str]]:
    """Order digits in text by their number, as natsort does."""
    parts: list[tuple[bool, int, str]] = []
    digits = ""
    for character in f"{text}\0":
        if character.isascii() and character.isdigit():
            digits += character
            continue
        if digits:
            parts.append((False, int(digits), ""))
            digits = ""
        if character != "\0":
            parts.append((True, 0, character))
    return parts


def _milliseconds(seconds: float) -> int:
    if not abs(seconds) < 9e12:
        message = f"the time {seconds} is out of bounds"
        raise PromQLError(message)
    return round(seconds * 1000)


def _unexpected(node: ast.Expr, kind: str) -> PromQLError:
    return PromQLError(f"{node} is not a {kind}")
