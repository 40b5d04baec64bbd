"""Which code answers a call of a function whose result is a vector: one entry for each name of the registry.

``PER_SERIES`` are functions of each series for itself, which take them block by block; ``WHOLE_VECTOR`` see all series at once.
``WINDOW_FUNCTIONS`` are those of samples over time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql import ast, functions
from pytest_telemetry_gate.promql.frame import Floats, Frame
from pytest_telemetry_gate.promql.histogram import histogram_fraction, histogram_quantile
from pytest_telemetry_gate.promql.labels import is_label_name

if TYPE_CHECKING:
    from pytest_telemetry_gate.promql.evaluation import Evaluator

__all__ = ["PER_SERIES", "WHOLE_VECTOR"]

_Call: TypeAlias = "Callable[[Evaluator, ast.Call], Frame]"
# what is done with each series for itself: the argument with the series, and the change of a block of them
_Each: TypeAlias = "Callable[[Evaluator, ast.Call], tuple[ast.Expr, Callable[[Frame], Frame]]]"


def _of_values(function: Callable[[Floats], Floats]) -> _Each:
    return lambda run, node: (node.args[0], lambda frame: replace(frame, values=function(frame.values)))


def _clamp(run: Evaluator, node: ast.Call) -> tuple[ast.Expr, Callable[[Frame], Frame]]:
    bounds = [run.scalar(argument) for argument in node.args[1:]]
    low = None if node.func == "clamp_max" else bounds[0]
    high = None if node.func == "clamp_min" else bounds[-1]
    return node.args[0], lambda frame: functions.clamp(frame, low, high)


def _round(run: Evaluator, node: ast.Call) -> tuple[ast.Expr, Callable[[Frame], Frame]]:
    to = run.scalar(node.args[1]) if len(node.args) > 1 else np.ones(len(run.steps))
    return node.args[0], lambda frame: functions.round_to(frame, to)


def _timestamp(run: Evaluator, node: ast.Call) -> tuple[ast.Expr, Callable[[Frame], Frame]]:
    moments = (run.steps / 1000)[:, None]
    return node.args[0], lambda frame: replace(frame, values=np.broadcast_to(moments, frame.values.shape))


def _absent(run: Evaluator, node: ast.Call) -> Frame:
    (argument,) = node.args
    if node.func == "absent_over_time":
        argument = ast.Call("last_over_time", node.args, "vector")  # names stay, so none coincide
    there = np.zeros(len(run.steps), dtype=np.bool_)
    for frame in run.blocks(argument):
        there |= frame.present.any(axis=1)
    return Frame.single(np.ones(len(there)), ~there, functions.absent_labels(node.args[0]))


def _histogram_quantile(run: Evaluator, node: ast.Call) -> Frame:
    q = run.scalar(node.args[0])
    run.notes.invalid_quantiles(q.tolist())
    return histogram_quantile(run.vector(node.args[1]), q, run.notes, small_deltas=run.semantics != "2")


def _histogram_fraction(run: Evaluator, node: ast.Call) -> Frame:
    lower, upper = run.scalar(node.args[0]), run.scalar(node.args[1])
    return histogram_fraction(run.vector(node.args[2]), lower, upper, run.notes, run.guard)


def _label_replace(run: Evaluator, node: ast.Call) -> Frame:
    target, replacement, source, pattern = map(run.string, node.args[1:])
    frame, newlines = run.vector(node.args[0]), run.semantics != "2"
    return functions.label_replace(frame, target, replacement, source, pattern, newlines=newlines)


def _label_join(run: Evaluator, node: ast.Call) -> Frame:
    target, separator, *sources = map(run.string, node.args[1:])
    for kind, name in (*(("source", source) for source in sources), ("destination", target)):
        if not is_label_name(name, run.semantics):
            message = f"invalid {kind} label name in label_join(): {name}"
            raise PromQLError(message)
    return functions.label_join(run.vector(node.args[0]), target, separator, sources)


def _sort(run: Evaluator, node: ast.Call) -> Frame:
    return functions.sort(run.vector(node.args[0]), descending=node.func == "sort_desc")


def _sort_by_label(run: Evaluator, node: ast.Call) -> Frame:
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
