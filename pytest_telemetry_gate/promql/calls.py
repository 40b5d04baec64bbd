"""The code of each function that yields a vector, by the function's name in ``function_table``.

``PER_SERIES`` change each series by itself, block by block. ``WHOLE_VECTOR`` see all series at once. Functions of samples
over time are ``WINDOW_FUNCTIONS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol, TypeAlias

import numpy as np

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql import ast, functions
from pytest_telemetry_gate.promql.annotations import Notes
from pytest_telemetry_gate.promql.frame import Floats, Frame, Ints
from pytest_telemetry_gate.promql.histogram import histogram_fraction, histogram_quantile
from pytest_telemetry_gate.promql.labels import is_label_name
from pytest_telemetry_gate.promql.limits import Guard

__all__ = ["PER_SERIES", "WHOLE_VECTOR"]


class _Run(Protocol):
    """What a function needs of the evaluation that calls it: the times (ms), and the values of its arguments."""

    @property
    def steps(self) -> Ints: ...

    @property
    def semantics(self) -> str: ...

    @property
    def guard(self) -> Guard: ...

    @property
    def notes(self) -> Notes: ...

    def scalar(self, node: ast.Expr) -> Floats:
        """Return a scalar at each step."""
        ...

    def string(self, node: ast.Expr) -> str:
        """Return a string."""
        ...

    def vector(self, node: ast.Expr) -> Frame:
        """Return a vector, whole."""
        ...

    def blocks(self, node: ast.Expr) -> Iterator[Frame]:
        """Yield a vector in blocks of series."""
        ...


_Call: TypeAlias = "Callable[[_Run, ast.Call], Frame]"
# the argument with the series, and the change of a block of them
_Each: TypeAlias = "Callable[[_Run, ast.Call], tuple[ast.Expr, Callable[[Frame], Frame]]]"


def _of_values(function: Callable[[Floats], Floats]) -> _Each:
    return lambda run, node: (node.args[0], lambda frame: replace(frame, values=function(frame.values)))


def _clamp(run: _Run, node: ast.Call) -> tuple[ast.Expr, Callable[[Frame], Frame]]:
    bounds = [run.scalar(argument) for argument in node.args[1:]]
    low = None if node.func == "clamp_max" else bounds[0]
    high = None if node.func == "clamp_min" else bounds[-1]
    return node.args[0], lambda frame: functions.clamp(frame, low, high)


def _round(run: _Run, node: ast.Call) -> tuple[ast.Expr, Callable[[Frame], Frame]]:
    to = run.scalar(node.args[1]) if len(node.args) > 1 else np.ones(len(run.steps))
    return node.args[0], lambda frame: functions.round_to(frame, to)


def _timestamp(run: _Run, node: ast.Call) -> tuple[ast.Expr, Callable[[Frame], Frame]]:
    moments = (run.steps / 1000)[:, None]
    return node.args[0], lambda frame: replace(frame, values=np.broadcast_to(moments, frame.values.shape))


def _absent(run: _Run, node: ast.Call) -> Frame:
    (argument,) = node.args
    if node.func == "absent_over_time":
        argument = ast.Call("last_over_time", node.args, "vector")  # names stay, so none coincide
    present = np.zeros(len(run.steps), dtype=np.bool_)
    for frame in run.blocks(argument):
        present |= frame.present.any(axis=1)
    return Frame.single(np.ones(len(present)), ~present, functions.absent_labels(node.args[0]))


def _histogram_quantile(run: _Run, node: ast.Call) -> Frame:
    q = run.scalar(node.args[0])
    run.notes.invalid_quantiles(q.tolist())
    with run.guard.hold(len(q)):
        frame = run.vector(node.args[1])
    return histogram_quantile(frame, q, run.notes, small_deltas=run.semantics != "2")


def _histogram_fraction(run: _Run, node: ast.Call) -> Frame:
    lower, upper = run.scalar(node.args[0]), run.scalar(node.args[1])
    with run.guard.hold(2 * len(lower)):
        frame = run.vector(node.args[2])
    return histogram_fraction(frame, lower, upper, run.notes, run.guard)


def _label_replace(run: _Run, node: ast.Call) -> Frame:
    target, replacement, source, pattern = map(run.string, node.args[1:])
    frame, newlines = run.vector(node.args[0]), run.semantics != "2"
    return functions.label_replace(
        frame, target, replacement, source, pattern, newlines=newlines, count=run.guard.count_label
    )


def _label_join(run: _Run, node: ast.Call) -> Frame:
    target, separator, *sources = map(run.string, node.args[1:])
    for kind, name in (*(("source", source) for source in sources), ("destination", target)):
        if not is_label_name(name, run.semantics):
            message = f"invalid {kind} label name in label_join(): {name}"
            raise PromQLError(message)
    return functions.label_join(
        run.vector(node.args[0]), target, separator, sources, count=run.guard.count_label
    )


def _sort(run: _Run, node: ast.Call) -> Frame:
    return functions.sort(run.vector(node.args[0]), descending=node.func == "sort_desc")


def _sort_by_label(run: _Run, node: ast.Call) -> Frame:
    names = [run.string(argument) for argument in node.args[1:]]
    frame = run.vector(node.args[0])
    return functions.sort_by_label(frame, names, descending=node.func == "sort_by_label_desc")


PER_SERIES: dict[str, _Each] = {
    **{name: _of_values(function) for name, function in functions.MATHS.items()},
    **{name: _of_values(function) for name, function in functions.CALENDAR.items()},
    "clamp": _clamp,
    "clamp_max": _clamp,
    "clamp_min": _clamp,
    "round": _round,
    "timestamp": _timestamp,
}
WHOLE_VECTOR: dict[str, _Call] = {
    "absent": _absent,
    "absent_over_time": _absent,
    "histogram_fraction": _histogram_fraction,
    "histogram_quantile": _histogram_quantile,
    "label_join": _label_join,
    "label_replace": _label_replace,
    "sort": _sort,
    "sort_by_label": _sort_by_label,
    "sort_by_label_desc": _sort_by_label,
    "sort_desc": _sort,
    "vector": lambda run, node: Frame.single(run.scalar(node.args[0])),
}
