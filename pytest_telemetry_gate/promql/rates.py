"""The rate family: functions of a window's first and last samples.

Formulas are those of Prometheus' ``promql/functions.go``; the function's name there stands with each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pytest_telemetry_gate.promql.frame import Bools, Floats, Ints
from pytest_telemetry_gate.promql.windows import Windows, rows_of

__all__ = ["change_of_last_two", "extrapolate"]


def extrapolate(windows: Windows, *, counter: bool, rate: bool) -> tuple[Floats, Bools]:
    """``extrapolatedRate``: the change between first and last sample, extended to the window's ends.

    Per second with ``rate``. Returns values and presence, [steps, series].
    """
    first, last = windows.edges(2)
    grid = windows.grid
    start_values = rows_of(windows.values, first)
    change = rows_of(windows.values, last) - start_values
    if counter:
        _add_resets(windows, change)
    gaps = _Gaps.of_windows(windows, first, last)
    seconds = (grid.ends - grid.starts)[:, None] / 1000 if rate else None
    result = change * _factor(gaps, _extended(gaps.to_start, gaps.mean), seconds)
    if counter:
        clamp = _PROMETHEUS_2 if grid.closed else _PROMETHEUS_3
        _clamp_to_zero(result, change, start_values, gaps, seconds, clamp=clamp)
    return result, windows.present_with(2)


@dataclass(frozen=True, slots=True)
class _Gaps:
    """Seconds of each window, [steps, 1], or [steps, series] where series have times of their own.

    ``to_start`` and ``to_end`` lie before the first and after the last sample, ``to_end`` as far as it is extended;
    ``sampled`` lies between these two samples, ``mean`` between neighbours.
    """

    to_start: Floats
    to_end: Floats
    sampled: Floats
    mean: Floats

    @classmethod
    def of_windows(cls, windows: Windows, first: Ints, last: Ints) -> _Gaps:
        """Measure windows whose first and last samples are these rows."""
        grid = windows.grid
        begin, end = windows.times[first], windows.times[last]
        sampled = (end - begin) / 1000
        mean = sampled / np.maximum(windows.counts - 1, 1)[:, None]
        to_start = (begin - grid.starts[:, None]) / 1000
        to_end = (grid.ends[:, None] - end) / 1000
        return cls(to_start, _extended(to_end, mean), sampled, mean)

    def at(self, steps: Ints, series: Ints) -> _Gaps:
        """Return the gaps of some steps and series, float64[n] each."""
        columns = series if self.sampled.shape[1] > 1 else np.zeros_like(series)
        at = steps, columns
        return _Gaps(self.to_start[at], self.to_end[at], self.sampled[at], self.mean[at])


def _extended(gap: Floats, mean: Floats) -> Floats:
    """Return the whole gap if it is no longer than usual, else half the mean interval."""
    return np.where(gap >= mean * 1.1, mean / 2, gap)


def _factor(gaps: _Gaps, to_start: Floats, seconds: Floats | None) -> Floats:
    """Return the factor of a change that is extended ``to_start`` seconds to the left; per second with ``seconds``."""
    factor = (gaps.sampled + to_start + gaps.to_end) / gaps.sampled
    return factor if seconds is None else factor / seconds


@dataclass(frozen=True, slots=True)
class _ZeroClamp:
    """How a counter's extension to the left stops where the counter would have been zero, ``to_zero`` seconds away.

    ``reach`` is how far the clamp matters, for a gap and the mean interval; ``extension`` is the extension with it.
    """

    reach: Callable[[Floats, Floats], Floats]
    extension: Callable[[Floats, Floats, Floats], Floats]


# Prometheus 2.4x cuts the gap at zero before it compares it with the mean interval, Prometheus 3 the extension after that.
_PROMETHEUS_2 = _ZeroClamp(
    reach=lambda gap, mean: gap,
    extension=lambda gap, mean, to_zero: _extended(np.minimum(gap, to_zero), mean),
)
_PROMETHEUS_3 = _ZeroClamp(
    reach=_extended,
    extension=lambda gap, mean, to_zero: np.minimum(_extended(gap, mean), to_zero),
)


def _clamp_to_zero(
    result: Floats,
    change: Floats,
    start_values: Floats,
    gaps: _Gaps,
    seconds: Floats | None,
    *,
    clamp: _ZeroClamp,
) -> None:
    """Compute ``result`` anew where the counter would have been zero within the extension to the left.

    The margin of 1e-9 finds all such places by one multiplication for each value.
    """
    near = start_values < change * (clamp.reach(gaps.to_start, gaps.mean) / gaps.sampled * (1 + 1e-9))
    if not near.any():
        return
    steps, series = _where(near)
    near_gaps = gaps.at(steps, series)
    rise, base = change[steps, series], start_values[steps, series]
    to_zero = np.where((rise > 0) & (base >= 0), near_gaps.sampled * (base / rise), np.inf)
    to_start = clamp.extension(near_gaps.to_start, near_gaps.mean, to_zero)
    per_second = None if seconds is None else seconds[steps, 0]
    result[steps, series] = rise * _factor(near_gaps, to_start, per_second)


def _where(marks: Bools) -> tuple[Ints, Ints]:
    """Return rows and columns of the marks, in order of rows; faster than ``nonzero`` of two dimensions."""
    rows, columns = np.divmod(np.flatnonzero(marks), marks.shape[1])
    return rows, columns


def _add_resets(windows: Windows, change: Floats) -> None:
    """Add the value before each fall of a counter to the change of every window that holds the fall, in order of time."""
    fallen = windows.values[1:] < windows.values[:-1]
    if not fallen.any():
        return
    before, series = _where(fallen)
    if 32 * len(before) > fallen.size:  # no counter falls that often
        drops = np.where(fallen, windows.values[:-1], 0.0)
        if windows.prefer_loop:
            for step in range(len(change)):
                window_drops = drops[windows.lo[step] : max(windows.lo[step], windows.hi[step] - 1)]
                # one after the other, as below: a reduction would add them in pairs
                change[step] = np.add.accumulate(np.vstack([change[step], window_drops]), axis=0)[-1]
            return
        for where, row in windows.sample_rounds(1):
            change[where] += drops[row - 1]
        return
    first = windows.hi.searchsorted(before + 2, "left")
    last = windows.lo.searchsorted(before, "right")
    lost = windows.values[before, series]
    for begin, end, column, drop in zip(
        first.tolist(), last.tolist(), series.tolist(), lost.tolist(), strict=True
    ):
        change[begin:end, column] += drop


def change_of_last_two(windows: Windows, *, rate: bool) -> tuple[Floats, Bools]:
    """``instantValue``: between the last two samples."""
    _, last = windows.edges(2)
    before = np.maximum(last - 1, 0)
    new = rows_of(windows.values, last)
    change = new - rows_of(windows.values, before)
    if rate:
        gap: Ints = windows.times[last] - windows.times[before]
        fell = new < rows_of(windows.values, before)
        change = np.where(fell, new, change) / np.maximum(gap / 1000, 1e-3)
    return change, windows.present_with(2)
