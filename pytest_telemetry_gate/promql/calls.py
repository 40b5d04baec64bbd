"""Which code answers a call of a function whose result is a vector: one entry for each name of the registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql import ast, functions
from pytest_telemetry_gate.promql.frame import Floats, Frame, dropped, merged
from pytest_telemetry_gate.promql.histogram import histogram_fraction, histogram_quantile
from pytest_telemetry_gate.promql.labels import is_label_name
from pytest_telemetry_gate.promql.windows import KEEPS_NAME, WINDOW_FUNCTIONS

if TYPE_CHECKING:
    from pytest_telemetry_gate.promql.evaluation import Evaluation

__all__ = ["CALLS"]

_Call: TypeAlias = "Callable[[Evaluation, ast.Call], Frame]"


def _of_values(function: Callable[[Floats], Floats]) -> _Call:
    def call(run: Evaluation, node: ast.Call) -> Frame:
        frame = run.vector(node.args[0])
        return dropped(frame, function(frame.values))

    return call


def _of_times(function: Callable[[Floats], Floats]) -> _Call:
    def call(run: Evaluation, node: ast.Call) -> Frame:
        frame = run.vector(node.args[0]) if node.args else Frame.single(run.steps / 1000)
        return dropped(frame, function(frame.values))

    return call


def _over_time(run: Evaluation, node: ast.Call) -> Frame:
    frame, apart = run.over_time(node), run.semantics == "2"
    return merged(frame, apart=apart) if node.func in KEEPS_NAME else dropped(frame, apart=apart)


def _absent(run: Evaluation, node: ast.Call) -> Frame:
    (argument,) = node.args
    if node.func == "absent":
        frame = run.vector(argument)
    else:
        frame = run.over_time(ast.Call("present_over_time", node.args, "vector"))
    there = np.asarray(frame.present.any(axis=1))
    return Frame.single(np.ones(len(there)), ~there, functions.absent_labels(argument))


def _clamp(run: Evaluation, node: ast.Call) -> Frame:
    frame, *bounds = run.vector(node.args[0]), *map(run.scalar, node.args[1:])
    low = None if node.func == "clamp_max" else bounds[0]
    high = None if node.func == "clamp_min" else bounds[-1]
    return dropped(functions.clamped(frame, low, high))


def _histogram_quantile(run: Evaluation, node: ast.Call) -> Frame:
    q = run.scalar(node.args[0])
    run.notes.invalid_quantiles(q.tolist())
    return histogram_quantile(run.vector(node.args[1]), q, run.notes, small_deltas=run.semantics != "2")


def _histogram_fraction(run: Evaluation, node: ast.Call) -> Frame:
    lower, upper = run.scalar(node.args[0]), run.scalar(node.args[1])
    return histogram_fraction(run.vector(node.args[2]), lower, upper, run.notes)


def _label_replace(run: Evaluation, node: ast.Call) -> Frame:
    target, replacement, source, pattern = map(run.string, node.args[1:])
    frame, newlines = run.vector(node.args[0]), run.semantics != "2"
    return functions.label_replace(frame, target, replacement, source, pattern, newlines=newlines)


def _label_join(run: Evaluation, node: ast.Call) -> Frame:
    target, separator, *sources = map(run.string, node.args[1:])
    for kind, name in (*(("source", source) for source in sources), ("destination", target)):
        if not is_label_name(name, run.semantics):
            message = f"invalid {kind} label name in label_join(): {name}"
            raise PromQLError(message)
    return functions.label_join(run.vector(node.args[0]), target, separator, sources)


def _round(run: Evaluation, node: ast.Call) -> Frame:
    to = run.scalar(node.args[1]) if len(node.args) > 1 else np.ones(len(run.steps))
    return dropped(functions.rounded(run.vector(node.args[0]), to))


def _sort(run: Evaluation, node: ast.Call) -> Frame:
    return functions.sorted_frame(run.vector(node.args[0]), descending=node.func == "sort_desc")


def _sort_by_label(run: Evaluation, node: ast.Call) -> Frame:
    names = [run.string(argument) for argument in node.args[1:]]
    frame = run.vector(node.args[0])
    return functions.sorted_by_label(frame, names, descending=node.func == "sort_by_label_desc")


def _timestamp(run: Evaluation, node: ast.Call) -> Frame:
    inner = ast.unwrapped(node.args[0])
    if isinstance(inner, ast.VectorSelector):
        return dropped(run.selected(inner, times=True))
    frame = run.vector(node.args[0])
    return dropped(frame, np.repeat((run.steps / 1000)[:, None], len(frame.labels), axis=1))


CALLS: dict[str, _Call] = {
    **dict.fromkeys(WINDOW_FUNCTIONS, _over_time),
    **{name: _of_values(function) for name, function in functions.MATHS.items()},
    **{name: _of_times(function) for name, function in functions.CALENDAR.items()},
    "absent": _absent,
    "absent_over_time": _absent,
    "clamp": _clamp,
    "clamp_max": _clamp,
    "clamp_min": _clamp,
    "histogram_fraction": _histogram_fraction,
    "histogram_quantile": _histogram_quantile,
    "label_join": _label_join,
    "label_replace": _label_replace,
    "round": _round,
    "sort": _sort,
    "sort_by_label": _sort_by_label,
    "sort_by_label_desc": _sort_by_label,
    "sort_desc": _sort,
    "timestamp": _timestamp,
    "vector": lambda run, node: Frame.single(run.scalar(node.args[0])),
}
