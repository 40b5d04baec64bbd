"""The rate family: what is said of a window by its first and its last samples.

Formulas are those of Prometheus' ``promql/functions.go``; the function's name there stands with each.
"""

from __future__ import annotations

import numpy as np

from pytest_telemetry_gate.promql.frame import Bools, Floats, Ints
from pytest_telemetry_gate.promql.windows import Windows, rows_of

__all__ = ["extrapolated", "instantaneous"]


def extrapolated(windows: Windows, *, counter: bool, rate: bool) -> tuple[Floats, Bools]:
    """``extrapolatedRate``: the change between first and last sample, extended to the window's ends.

    The factor of the extension is one number a step, but for counters that would have been 0 in the window.
    """
    first, last = windows.edges(2)
    grid = windows.grid
    begin = rows_of(windows.values, first)
    change = rows_of(windows.values, last) - begin
    if counter:
        _add_resets(windows, change)
    begun, ended = windows.times[first], windows.times[last]
    to_start = (begun - grid.starts[:, None]) / 1000
    to_end = (grid.ends[:, None] - ended) / 1000
    sampled = (ended - begun) / 1000
    average = sampled / np.maximum(windows.counts - 1, 1)[:, None]
    to_end = np.where(to_end >= average * 1.1, average / 2, to_end)
    seconds = (grid.ends - grid.starts)[:, None] / 1000 if rate else None
    clamp_first = grid.closed  # Prometheus 2.4x compares with the threshold what is left after the clamp
    reach = to_start if clamp_first else _up_to(to_start, average)
    result = change * _factor(_up_to(to_start, average), to_end, sampled, seconds)
    if counter:
        # whether the clamp can matter is asked with a margin, which one multiplication answers
        near = begin < change * (reach / sampled * (1 + 1e-9))
        if near.any():
            step, series = _where(near)
            at = step, series if begun.shape[1] > 1 else np.zeros_like(series)
            rise, base = change[step, series], begin[step, series]
            to_zero = np.where((rise > 0) & (base >= 0), sampled[at] * (base / rise), np.inf)
            start = np.minimum(reach[at], to_zero)
            if clamp_first:
                start = _up_to(start, average[at])
            per = None if seconds is None else seconds[step, 0]
            result[step, series] = rise * _factor(start, to_end[at], sampled[at], per)
    return result, windows.having(2)


def _up_to(gap: Floats, average: Floats) -> Floats:
    """Extend by the whole gap if it is no longer than usual, else by half the mean interval."""
    return np.where(gap >= average * 1.1, average / 2, gap)


def _factor(to_start: Floats, to_end: Floats, sampled: Floats, seconds: Floats | None) -> Floats:
    factor = (sampled + to_start + to_end) / sampled
    return factor if seconds is None else factor / seconds


def _where(marks: Bools) -> tuple[Ints, Ints]:
    """Return rows and columns of what is marked, in order of rows; faster than ``nonzero`` of two dimensions."""
    rows, columns = np.divmod(np.flatnonzero(marks), marks.shape[1])
    return rows, columns


def _add_resets(windows: Windows, change: Floats) -> None:
    """Add what a counter had reached before each fall to the changes of the windows that see it, in order of time."""
    fallen = windows.values[1:] < windows.values[:-1]
    if not fallen.any():
        return
    before, series = _where(fallen)
    if 32 * len(before) > fallen.size:  # no counter falls that often
        drops = np.where(fallen, windows.values[:-1], 0.0)
        if windows.few:
            for step in range(len(change)):
                seen = drops[windows.lo[step] : max(windows.lo[step], windows.hi[step] - 1)]
                # one after the other, as below: a reduction would add them in pairs
                change[step] = np.add.accumulate(np.vstack([change[step], seen]), axis=0)[-1]
            return
        for where, row in windows.places(1):
            change[where] += drops[row - 1]
        return
    first = windows.hi.searchsorted(before + 2, "left")
    last = windows.lo.searchsorted(before, "right")
    lost = windows.values[before, series]
    for begin, end, column, drop in zip(
        first.tolist(), last.tolist(), series.tolist(), lost.tolist(), strict=True
    ):
        change[begin:end, column] += drop


def instantaneous(windows: Windows, *, rate: bool) -> tuple[Floats, Bools]:
    """``instantValue``: between the last two samples."""
    _, last = windows.edges(2)
    before = np.maximum(last - 1, 0)
    new = rows_of(windows.values, last)
    change = new - rows_of(windows.values, before)
    if rate:
        apart: Ints = windows.times[last] - windows.times[before]
        fell = new < rows_of(windows.values, before)
        change = np.where(fell, new, change) / np.maximum(apart / 1000, 1e-3)
    return change, windows.having(2)
