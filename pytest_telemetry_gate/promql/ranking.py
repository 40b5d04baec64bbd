"""Aggregations of single series and values: topk, bottomk, limitk, limit_ratio, quantile, count_values."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql.aggregate import Grouping
from pytest_telemetry_gate.promql.annotations import go_number
from pytest_telemetry_gate.promql.frame import MAX_BLOCK, Bools, Floats, Frame, Ints
from pytest_telemetry_gate.promql.hashing import hash_labels
from pytest_telemetry_gate.promql.labels import Labels
from pytest_telemetry_gate.promql.limits import Guard
from pytest_telemetry_gate.promql.quantile import quantiles

__all__ = ["count_values", "quantile", "select_series"]

_MAX_HASH = float(2**64 - 1)


def _groups(frame: Frame, grouping: Grouping) -> Iterator[tuple[Labels, list[int]]]:
    """Yield the labels of each group with the columns in it."""
    owners = grouping.of(frame.labels)
    order = np.argsort(owners, kind="stable")
    if len(order):
        parts = np.split(order, np.flatnonzero(np.diff(owners[order])) + 1)
        for labels, columns in zip(grouping.labels, parts, strict=True):
            yield labels, columns.tolist()


def quantile(frame: Frame, q: Floats, grouping: Grouping, guard: Guard) -> Frame:
    """``quantile``: of the values present at each step."""
    labels, values, presences = [], [], []
    for group_labels, columns in _groups(frame, grouping):
        guard.check_time()
        present = frame.present[:, columns]
        labels.append(group_labels)
        values.append(quantiles(q, np.where(present, frame.values[:, columns], np.nan), present.sum(axis=1)))
        presences.append(present.any(axis=1))
    if not labels:
        return Frame.empty(len(q))
    return Frame(labels, np.column_stack(values), np.column_stack(presences))


def count_values(frame: Frame, label: str, grouping: Grouping, guard: Guard, *, hidden: bool) -> Frame:
    """``count_values``: how many series have each value, which becomes a label, unless ``hidden``."""
    steps = len(frame.values)
    counts: dict[frozenset[tuple[str, str]], Floats] = {}
    for group_labels, columns in _groups(frame, grouping):
        for column in columns:
            for step in np.flatnonzero(frame.present[:, column]).tolist():
                guard.check_time()
                text = go_decimal(float(frame.values[step, column]))
                key = frozenset((group_labels if hidden else {**group_labels, label: text}).items())
                if key not in counts:
                    guard.check_memory(steps * (len(counts) + 1))
                    counts[key] = np.zeros(steps)
                counts[key][step] += 1
    if not counts:
        return Frame.empty(steps)
    values = np.column_stack(list(counts.values()))
    return Frame([dict(key) for key in counts], values, values > 0)


def go_decimal(value: float) -> str:
    """Write a number as Go's ``FormatFloat(v, 'f', -1, 64)``: the shortest digits, never an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return np.format_float_positional(value, trim="-")


def select_series(op: str, frame: Frame, k: Floats, grouping: Grouping, guard: Guard) -> Frame:
    """``topk``, ``bottomk``, ``limitk``, ``limit_ratio``: select series at each step."""
    if op == "limit_ratio":
        return _limit_ratio(frame, k)
    for count in k.tolist():
        if not abs(count) < 2**63:
            message = f"Scalar value {go_number(count)} overflows int64"
            raise PromQLError(message)
    limit = np.clip(np.trunc(k), 0, len(frame.labels)).astype(np.int64)
    selected = np.zeros(frame.present.shape, dtype=np.bool_)
    order: list[int] = []
    for _, columns in _groups(frame, grouping):
        guard.check_time()
        present = frame.present[:, columns]
        if op == "limitk":
            ranks = np.zeros(present.shape)
        else:
            ranks = frame.values[:, columns] * (-1.0 if op == "topk" else 1.0)
        chosen = _lowest(ranks, present, limit, guard)
        selected[:, columns] = chosen
        if len(k) == 1:  # an instant query's answer is in the order of the values
            places = np.flatnonzero(chosen[0])
            order += [columns[place] for place in places[np.argsort(ranks[0, places], kind="stable")]]
    columns = order if len(k) == 1 else np.flatnonzero(selected.any(axis=0)).tolist()
    return Frame(frame.labels, frame.values, selected).columns(columns)


def _lowest(ranks: Floats, present: Bools, limit: Ints, guard: Guard) -> Bools:
    """Mark the lowest present values of each row, as many as its limit; NaN comes last."""
    chosen = np.zeros(present.shape, dtype=np.bool_)
    for rows in np.array_split(np.arange(len(ranks)), 1 + ranks.size // (MAX_BLOCK)):
        guard.check_time()
        order = np.lexsort((ranks[rows], np.isnan(ranks[rows]), ~present[rows]), axis=1)
        place = np.empty_like(order)
        np.put_along_axis(place, order, np.arange(ranks.shape[1])[None, :], axis=1)
        chosen[rows] = present[rows] & (place < limit[rows, None])
    return chosen


def _limit_ratio(frame: Frame, ratio: Floats) -> Frame:
    """``limit_ratio``: the series whose hash is below the ratio; for ``-r`` those that ``1 - r`` leaves out."""
    if np.isnan(ratio).any():
        message = "Ratio value NaN is NaN"
        raise PromQLError(message)
    place = np.array([hash_labels(labels) / _MAX_HASH for labels in frame.labels])[None, :]
    limit = np.clip(ratio, -1, 1)[:, None]
    chosen = np.where(limit >= 0, place < limit, place >= 1 + limit)
    return Frame(frame.labels, frame.values, frame.present & chosen)
