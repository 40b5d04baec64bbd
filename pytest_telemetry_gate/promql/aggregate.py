"""Aggregations over series, step by step, by the rules of ``aggregation`` in Prometheus' ``promql/engine.go``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql.annotations import go_number
from pytest_telemetry_gate.promql.frame import Bools, Floats, Frame
from pytest_telemetry_gate.promql.hashing import labels_hash
from pytest_telemetry_gate.promql.labels import Labels
from pytest_telemetry_gate.promql.quantile import quantile
from pytest_telemetry_gate.promql.windows import (
    exact_mean,
    exact_sum,
    kahan_added,
    variance,
    variance_from_first,
)

__all__ = ["aggregate", "count_values", "quantiles", "topmost"]

Groups = list[tuple[Labels, list[int]]]
_HASHES = float(2**64 - 1)


def groups_of(frame: Frame, labels: Sequence[str], *, without: bool) -> Groups:
    """Return the label set of each group with the columns in it."""
    if not labels and not without:
        return [({}, list(range(len(frame.labels))))] if frame.labels else []
    found: dict[frozenset[tuple[str, str]], list[int]] = {}
    dropped = {*labels, "__name__"}
    for column, own in enumerate(frame.labels):
        kept = (
            ((name, value) for name, value in own.items() if name not in dropped)
            if without
            else ((name, own[name]) for name in labels if name in own)
        )
        found.setdefault(frozenset(kept), []).append(column)
    return [(dict(sorted(key)), columns) for key, columns in found.items()]


def aggregate(op: str, frame: Frame, labels: Sequence[str], *, without: bool, semantics: str) -> Frame:
    """Aggregate without a parameter: sum, avg, min, max, count, group, stddev, stdvar."""
    reducer = _REDUCERS_2.get(op) if semantics == "2" else None
    return _combined(frame, groups_of(frame, labels, without=without), reducer or _REDUCERS[op])


def quantiles(frame: Frame, q: Floats, labels: Sequence[str], *, without: bool) -> Frame:
    """``quantile``: of the values present at each step."""

    def reduced(values: Floats, present: Bools) -> Floats:
        return _rows(values, present, [partial(quantile, at) for at in q.tolist()])

    return _combined(frame, groups_of(frame, labels, without=without), reduced)


def count_values(frame: Frame, label: str, labels: Sequence[str], *, without: bool) -> Frame:
    """``count_values``: how many series have each value, which becomes a label."""
    counts: dict[frozenset[tuple[str, str]], Floats] = {}
    hidden = without and label in labels
    for own, columns in groups_of(frame, labels, without=without):
        for column in columns:
            for step in np.flatnonzero(frame.present[:, column]).tolist():
                text = value_text(float(frame.values[step, column]))
                key = frozenset((own if hidden else {**own, label: text}).items())
                counts.setdefault(key, np.zeros(len(frame.values)))[step] += 1
    if not counts:
        return Frame.empty(len(frame.values))
    values = np.column_stack(list(counts.values()))
    return Frame([dict(key) for key in counts], values, values > 0)


def value_text(value: float) -> str:
    """Write a number as Go's ``FormatFloat(v, 'f', -1, 64)``: the shortest digits, never an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return np.format_float_positional(value, trim="-")


def topmost(op: str, frame: Frame, k: Floats, labels: Sequence[str], *, without: bool) -> Frame:
    """``topk``, ``bottomk``, ``limitk``, ``limit_ratio``: keep series themselves, at each step those that are in."""
    if op == "limit_ratio":
        return _sampled(frame, k)
    for wanted in k.tolist():
        if not abs(wanted) < 2**63:
            message = f"Scalar value {go_number(wanted)} overflows int64"
            raise PromQLError(message)
    kept = np.zeros_like(frame.present)
    order: list[int] = []
    rows, presence = frame.values.tolist(), frame.present.tolist()
    for _, columns in groups_of(frame, labels, without=without):
        for step, wanted in enumerate(k.tolist()):
            row, present = rows[step], presence[step]
            there = [column for column in columns if present[column]]
            if op != "limitk":
                sign = -1 if op == "topk" else 1
                ranks = {column: _rank(sign, row[column]) for column in there}
                there.sort(key=ranks.__getitem__)
            chosen = there[: max(0, int(wanted))]
            kept[step, chosen] = True
            if len(k) == 1:
                order.extend(chosen)
    if len(k) == 1:
        return Frame(frame.labels, frame.values, kept).columns(order)
    columns = np.flatnonzero(kept.any(axis=0)).tolist()
    return Frame(frame.labels, frame.values, kept).columns(columns)


def _sampled(frame: Frame, ratio: Floats) -> Frame:
    """``limit_ratio``: the series whose hash is below the ratio, or, if that is negative, those which that leaves."""
    if np.isnan(ratio).any():
        message = "Ratio value NaN is NaN"
        raise PromQLError(message)
    place = np.array([labels_hash(labels) / _HASHES for labels in frame.labels])[None, :]
    limit = np.clip(ratio, -1, 1)[:, None]
    chosen = np.where(limit >= 0, place < limit, place >= 1 + limit)
    return Frame(frame.labels, frame.values, frame.present & chosen)


def _rank(sign: int, value: float) -> tuple[bool, float]:
    return (True, 0.0) if math.isnan(value) else (False, sign * value)


def _combined(frame: Frame, groups: Groups, reducer: Callable[[Floats, Bools], Floats]) -> Frame:
    if not groups:
        return Frame.empty(len(frame.values))
    if len(groups) == 1 and len(groups[0][1]) == len(frame.labels):
        anything = np.asarray(frame.present.any(axis=1))
        return Frame.single(reducer(frame.values, frame.present), anything, groups[0][0])
    values = [reducer(frame.values[:, columns], frame.present[:, columns]) for _, columns in groups]
    present = [frame.present[:, columns].any(axis=1) for _, columns in groups]
    return Frame([labels for labels, _ in groups], np.column_stack(values), np.column_stack(present))


def _rows(values: Floats, present: Bools, functions: Sequence[Callable[[list[float]], float]]) -> Floats:
    rows = zip(values, present, functions, strict=True)
    return np.array([f(row[there].tolist()) if there.any() else math.nan for row, there, f in rows])


def _exactly(function: Callable[[Sequence[float]], float]) -> Callable[[Floats, Bools], Floats]:
    return lambda values, present: _rows(values, present, [function] * len(values))


def _sum(values: Floats, present: Bools) -> Floats:
    """Sum by Neumaier's variant of Kahan's summation (``kahanSumInc``), all steps at once."""
    if values.shape[0] < values.shape[1]:
        return _rows(values, present, [exact_sum] * len(values))
    total, lost = np.zeros(len(values)), np.zeros(len(values))
    for column in np.where(present, values, 0.0).T:
        total, lost = kahan_added(column, total, lost)
    return np.where(np.isinf(total), total, total + lost)


def _avg(values: Floats, present: Bools) -> Floats:
    total = _sum(values, present)
    if np.isfinite(total).all():
        mean: Floats = total / present.sum(axis=1)
        return mean
    return _rows(values, present, [exact_mean] * len(values))


def _extreme(ufunc: np.ufunc) -> Callable[[Floats, Bools], Floats]:
    """Ignore NaN unless there is nothing else; an absent sample is as good as a NaN for that."""

    def extreme(values: Floats, present: Bools) -> Floats:
        reduced: Floats = ufunc.reduce(np.where(present, values, np.nan), axis=1)
        return reduced

    return extreme


_REDUCERS: dict[str, Callable[[Floats, Bools], Floats]] = {
    "sum": _sum,
    "avg": _avg,
    "min": _extreme(np.fmin),
    "max": _extreme(np.fmax),
    "count": lambda values, present: present.sum(axis=1).astype(np.float64),
    "group": lambda values, present: np.ones(len(values)),
    "stdvar": _exactly(variance),
    "stddev": _exactly(lambda row: math.sqrt(variance(row))),
}
_REDUCERS_2: dict[str, Callable[[Floats, Bools], Floats]] = {
    "stdvar": _exactly(variance_from_first),
    "stddev": _exactly(lambda row: math.sqrt(variance_from_first(row))),
}
