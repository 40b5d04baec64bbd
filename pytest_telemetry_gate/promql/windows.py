"""The windows of range functions: the samples that each step sees, in blocks of series."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from pytest_telemetry_gate.promql.frame import (
    MAX_BLOCK,
    MIN_BLOCK,
    Bools,
    Floats,
    Frame,
    Ints,
    common_presence,
    for_all,
)
from pytest_telemetry_gate.promql.labels import Labels
from pytest_telemetry_gate.promql.limits import Guard
from pytest_telemetry_gate.promql.storage import SeriesGroup, is_stale, may_be_nan

__all__ = ["Grid", "Windows", "crop", "rows_of", "samples_of_frame", "split_wide", "windows_of"]

_Array = TypeVar("_Array", Floats, Ints)


@dataclass(frozen=True, slots=True)
class Grid:
    """The windows' bounds and the steps' own times, int64[steps] ms; ``closed`` counts a sample at the left bound."""

    starts: Ints
    ends: Ints
    moments: Ints
    closed: bool

    def bounds(self, times: Ints) -> tuple[Ints, Ints]:
        """Return the first row of each window and the one after its last."""
        lo = times.searchsorted(self.starts, "left" if self.closed else "right")
        return lo, np.maximum(lo, times.searchsorted(self.ends, "right"))


@dataclass(frozen=True, slots=True)
class Windows:
    """The samples ``lo[i]`` to ``hi[i]`` (excluded) of some series are the window of step i.

    ``times`` int64[n, 1] ms, or [n, series] where series were scraped at other times; ``values`` float64[n, series]
    without stale markers.
    """

    labels: Sequence[Labels]
    times: Ints
    values: Floats
    lo: Ints
    hi: Ints
    grid: Grid
    guard: Guard

    @property
    def counts(self) -> Ints:
        """The number of samples in each window."""
        return self.hi - self.lo

    @property
    def shape(self) -> tuple[int, int]:
        """Steps and series."""
        return len(self.lo), self.values.shape[1]

    def present_with(self, least: int) -> Bools:
        """Tell which windows have at least ``least`` samples, [steps, series]."""
        return for_all(self.counts >= least, self.values.shape[1])

    def edges(self, least: int) -> tuple[Ints, Ints]:
        """Return the rows of each window's first and last sample; undefined where it has fewer than ``least``."""
        enough = self.counts >= least
        return np.where(enough, self.lo, 0), np.where(enough, self.hi - 1, min(least, len(self.values)) - 1)

    def each(self, function: Callable[[int, Ints, Floats], Floats], least: int = 1) -> Floats:
        """Call a function with the step, the times and the values of every window that has enough samples."""
        result = np.full(self.shape, np.nan)
        for step in np.flatnonzero(self.counts >= least).tolist():
            self.guard.check_time()
            window = slice(self.lo[step], self.hi[step])
            result[step] = function(step, self.times[window], self.values[window])
        return result

    def sample_rounds(self, first: int = 0) -> Iterator[tuple[Ints | slice, Ints]]:
        """Yield the first sample of all windows, then the second and so on: the steps that have one, and its row."""
        counts = self.counts
        for place in range(first, int(counts.max(initial=0))):
            self.guard.check_time()
            inside = counts > place
            if inside.all():
                yield slice(None), self.lo + place
            else:
                where = np.flatnonzero(inside)
                yield where, self.lo[where] + place

    @property
    def prefer_loop(self) -> bool:
        """Whether to loop over windows: their number is small beside the samples of one."""
        return len(self.lo) * 8 < int(self.counts.max(initial=0))


def rows_of(array: _Array, index: Ints) -> _Array:
    """Return rows of an array; a view where their distances are equal."""
    if len(index) > 1:
        step = int(index[1] - index[0])
        if step > 0 and (np.diff(index) == step).all():
            return array[index[0] : index[-1] + 1 : step]
    return array[index]


def windows_of(groups: Iterable[SeriesGroup], grid: Grid, guard: Guard) -> Iterator[Windows]:
    """Yield the windows of groups in blocks, without series that have no sample in any window."""
    return _join_small(
        Windows(piece.labels, piece.times[:, None], piece.values, *grid.bounds(piece.times), grid, guard)
        for group in crop(groups, grid)
        for piece in split_wide(group, len(grid.ends))
    )


def crop(groups: Iterable[SeriesGroup], grid: Grid) -> Iterator[SeriesGroup]:
    """Yield the samples of groups within the extent of all windows, without stale markers."""
    for group in groups:
        first = int(group.times.searchsorted(grid.starts[0], "left" if grid.closed else "right"))
        last = int(group.times.searchsorted(grid.ends[-1], "right"))
        if first < last:
            yield from _without_stale(
                SeriesGroup(group.labels, group.times[first:last], group.values[first:last])
            )


def samples_of_frame(frame: Frame, grid: Ints) -> Iterator[SeriesGroup]:
    """Yield the steps of a subquery as samples."""
    common = common_presence(frame.present)
    if common is not None:
        if common.all():
            yield SeriesGroup(tuple(frame.labels), grid, frame.values)
        elif common.any():
            yield SeriesGroup(tuple(frame.labels), grid[common], frame.values[common])
    elif frame.labels:
        yield from _split_by_presence(SeriesGroup(tuple(frame.labels), grid, frame.values), frame.present)


def _without_stale(group: SeriesGroup) -> Iterator[SeriesGroup]:
    if may_be_nan(group.values) and (stale := is_stale(group.values)).any():
        yield from _split_by_presence(group, ~stale)
    else:
        yield group


def _split_by_presence(group: SeriesGroup, present: Bools) -> Iterator[SeriesGroup]:
    """Split series by the rows in which they have samples, without those that have none."""
    columns: dict[bytes, list[int]] = defaultdict(list)
    for column, bits in enumerate(np.packbits(present, axis=0).T):
        columns[bits.tobytes()].append(column)
    for group_columns in columns.values():
        rows = present[:, group_columns[0]]
        if rows.any():
            labels = tuple(group.labels[column] for column in group_columns)
            yield SeriesGroup(labels, group.times[rows], group.values[rows][:, group_columns])


def split_wide(group: SeriesGroup, steps: int) -> Iterator[SeriesGroup]:
    """Split a wide group into blocks of series."""
    width = max(1, MAX_BLOCK // max(steps, len(group.times)))
    if width >= len(group.labels):
        yield group
        return
    for first in range(0, len(group.labels), width):
        block = slice(first, first + width)
        yield SeriesGroup(group.labels[block], group.times, group.values[:, block])


def _join_small(pieces: Iterable[Windows]) -> Iterator[Windows]:
    """Join small groups whose windows have the same rows, whatever their times."""
    waiting: dict[tuple[int, bytes, bytes], list[Windows]] = defaultdict(list)
    waiting_size = 0
    for piece in pieces:
        size = max(piece.values.size, len(piece.lo) * len(piece.labels))
        piece.guard.check_memory(size)
        if size >= MIN_BLOCK:
            yield piece
            continue
        alike = waiting[len(piece.values), piece.lo.tobytes(), piece.hi.tobytes()]
        alike.append(piece)
        waiting_size += size
        if waiting_size >= MIN_BLOCK:
            yield from map(_stack, waiting.values())
            waiting.clear()
            waiting_size = 0
    yield from map(_stack, waiting.values())


def _stack(pieces: list[Windows]) -> Windows:
    first = pieces[0]
    if len(pieces) == 1:
        return first
    times = first.times
    if any(piece.times.tobytes() != times.tobytes() for piece in pieces):
        times = np.hstack([np.broadcast_to(piece.times, piece.values.shape) for piece in pieces])
    return Windows(
        [labels for piece in pieces for labels in piece.labels],
        times,
        np.hstack([piece.values for piece in pieces]),
        first.lo,
        first.hi,
        first.grid,
        first.guard,
    )
