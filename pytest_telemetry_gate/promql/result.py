"""Prometheus' result types as numpy arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.promql.frame import Frame, Ints
from pytest_telemetry_gate.promql.labels import Labels
from pytest_telemetry_gate.promql.limits import Guard
from pytest_telemetry_gate.promql.storage import SeriesGroup

__all__ = ["Matrix", "Scalar", "Vector", "matrix_of_blocks", "matrix_of_samples"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """One number at one time (seconds)."""

    value: float
    time: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vector:
    """One value for each label set at one time: ``values`` is float64[series], ``time`` in seconds."""

    labels: list[Labels]
    values: NDArray[np.float64]
    time: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Matrix:
    """Values over time: ``times`` is float64[steps] in seconds, ``values`` and ``present`` are [series, steps].

    Where ``present`` is False the series has no sample and its value means nothing.
    """

    labels: list[Labels]
    times: NDArray[np.float64]
    values: NDArray[np.float64]
    present: NDArray[np.bool_]
    warnings: tuple[str, ...] = ()


def matrix_of_blocks(blocks: Iterable[Frame], steps: Ints, guard: Guard) -> Matrix:
    """Return all series of the blocks, sorted by labels, without those that are never present.

    Rows are appended block by block and then sorted in place, so that nothing is held twice.
    """
    values, present = np.empty((0, len(steps))), np.empty((0, len(steps)), dtype=np.bool_)
    labels: list[Labels] = []
    for frame in blocks:
        present_columns = np.flatnonzero(frame.present.any(axis=0))
        shape = len(labels) + len(present_columns), len(steps)
        guard.check_memory(shape[0] * shape[1])
        for rows, columns in ((values, frame.values), (present, frame.present)):
            rows.resize(shape, refcheck=False)
            rows[len(labels) :] = columns.T[present_columns]
        labels += [frame.labels[column] for column in present_columns.tolist()]
    order = sorted(range(len(labels)), key=lambda row: sorted(labels[row].items()))
    _reorder(values, order)
    _reorder(present, order)
    return Matrix([labels[row] for row in order], steps / 1000, values, present)


def _reorder(rows: NDArray[np.float64] | NDArray[np.bool_], order: Sequence[int]) -> None:
    """Move row ``order[n]`` to place n, in place, cycle by cycle of the permutation."""
    placed = [row == source for row, source in enumerate(order)]
    for start in range(len(order)):
        if placed[start]:
            continue
        first, place = rows[start].copy(), start
        while order[place] != start:
            rows[place] = rows[order[place]]
            placed[place] = True
            place = order[place]
        rows[place] = first
        placed[place] = True


def matrix_of_samples(groups: Sequence[SeriesGroup], guard: Guard) -> Matrix:
    """Return raw samples over the union of their times."""
    series = sum(len(group.labels) for group in groups)
    distinct = {group.times.tobytes(): group.times for group in groups}
    if len(distinct) == 1:
        (union,) = distinct.values()
    else:
        all_times = np.concatenate([np.empty(0, dtype=np.int64), *distinct.values()])
        union = np.sort(all_times, kind="stable")  # of runs: merged, not hashed
        union = union[np.diff(union, prepend=union[:1] - 1) > 0]
    guard.check_memory(series * len(union))
    matrix = np.full((series, len(union)), np.nan)
    present = np.zeros(matrix.shape, dtype=np.bool_)
    row = 0
    for group in groups:
        rows, at = slice(row, row + len(group.labels)), union.searchsorted(group.times)
        matrix[rows, at] = group.values.T
        present[rows, at] = True
        row += len(group.labels)
    labels = [series_labels for group in groups for series_labels in group.labels]
    return Matrix(labels, union / 1000, matrix, present)
