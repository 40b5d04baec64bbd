"""Functions over all samples of a window, for every step and all series of a block at once.

Formulas are those of Prometheus' ``promql/functions.go``; the function's name there stands with each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pytest_telemetry_gate.promql.frame import Bools, Floats, Ints
from pytest_telemetry_gate.promql.quantile import quantiles
from pytest_telemetry_gate.promql.rates import change_of_last_two, extrapolate
from pytest_telemetry_gate.promql.sums import SCALE, RunningSum, tree_sum
from pytest_telemetry_gate.promql.windows import Windows, rows_of

__all__ = ["KEEPS_NAME", "WINDOW_FUNCTIONS"]

KEEPS_NAME = frozenset({"last_over_time"})
_MAX_SPREAD = 1 << 20  # samples that windows are spread out to at once

# the term that is summed over a window, from the steps, the times and the values of its samples
_Term = Callable[[Ints | slice, Ints, Floats], Floats]


def _last(windows: Windows) -> tuple[Floats, Bools]:
    _, last = windows.edges(1)
    return rows_of(windows.values, last), windows.present_with(1)


def _count(windows: Windows) -> tuple[Floats, Bools]:
    counts = windows.counts.astype(np.float64)
    return np.repeat(counts[:, None], windows.shape[1], axis=1), windows.present_with(1)


def _count_pairs(windows: Windows, differs: Callable[[Floats, Floats], Bools]) -> tuple[Floats, Bools]:
    """Count the pairs of neighbouring samples within each window that differ."""
    marks = np.zeros(windows.values.shape, dtype=np.int64)
    marks[1:] = differs(windows.values[:-1], windows.values[1:])
    before: Ints = np.cumsum(marks, axis=0)
    first, last = windows.edges(1)
    counts = np.asarray(before[last] - before[first], dtype=np.float64)
    return counts, windows.present_with(1)


def _sums(windows: Windows, term: _Term, series: int | None = None) -> Floats:
    """Return the Kahan sum of a term over each window, [steps, series].

    ``series`` is the number of columns of the terms, where it is not that of the values.
    """
    if windows.prefer_loop:
        return windows.each(
            lambda step, times, values: tree_sum(np.array(term(slice(step, step + 1), times, values)))
        )
    sums = RunningSum((windows.shape[0], series or windows.shape[1]))
    for where, row in windows.sample_rounds():
        sums.add(term(where, rows_of(windows.times, row), rows_of(windows.values, row)), where)
    return sums.result()


def _sum(windows: Windows) -> tuple[Floats, Bools]:
    """``funcSumOverTime``."""
    return _sums(windows, lambda where, times, values: values), windows.present_with(1)


def _average(windows: Windows) -> tuple[Floats, Bools]:
    """``funcAvgOverTime``: a sum that is too large is taken of smaller values."""
    counts = np.maximum(windows.counts, 1)[:, None]
    total = _sums(windows, lambda where, times, values: values)
    mean = total / counts
    if np.isinf(total).any():
        scaled = _sums(windows, lambda where, times, values: values * SCALE)
        mean = np.where(np.isinf(total), scaled / counts / SCALE, mean)
    return mean, windows.present_with(1)


def _extremes(windows: Windows, ufunc: np.ufunc) -> tuple[Floats, Bools]:
    """Reduce by fmin or fmax; for many windows from the extremes of 1, 2, 4 ... samples, two of which fill a window."""
    counts, present = windows.counts, windows.present_with(1)
    if windows.prefer_loop:
        return windows.each(lambda step, times, values: ufunc.reduce(values, axis=0)), present
    result = np.full(windows.shape, np.nan)
    powers = np.frexp(counts)[1] - 1
    table = windows.values
    for power in range(int(powers.max(initial=0)) + 1):
        if power:
            half = 1 << power - 1
            table = ufunc(table[:-half], table[half:])
            windows.guard.check_time()
        where = np.flatnonzero((powers == power) & (counts > 0))
        if len(where):
            lo, hi = windows.lo[where], windows.hi[where]
            at = slice(None) if len(where) == len(counts) else where
            result[at] = ufunc(rows_of(table, lo), rows_of(table, hi - (1 << power)))
    return result, present


def _variances(windows: Windows) -> tuple[Floats, Bools]:
    """``varianceOverTime``: Welford's method, exactly 0 for equal values."""
    mean, spread = RunningSum(windows.shape), RunningSum(windows.shape)
    count = np.zeros((windows.shape[0], 1))
    for where, row in windows.sample_rounds():
        values = rows_of(windows.values, row)
        count[where] += 1
        delta = values - mean.at(where)
        mean.add(delta / count[where], where)
        spread.add(delta * (values - mean.at(where)), where)
    return spread.result() / np.maximum(count, 1), windows.present_with(1)


def _deviations(windows: Windows) -> tuple[Floats, Bools]:
    variances, present = _variances(windows)
    return np.sqrt(variances), present


def _regressions(windows: Windows, origins: Ints) -> tuple[Floats, Floats]:
    """``linearRegression``: slope per second and intercept at ``origins`` (ms, [steps, 1 or series])."""

    def seconds(where: Ints | slice, times: Ints) -> Floats:
        return (times - origins[where]) / 1000

    count, alike = windows.counts[:, None], windows.times.shape[1]
    sum_y = _sums(windows, lambda where, times, values: values)
    sum_x = _sums(windows, lambda where, times, values: seconds(where, times), alike)
    sum_xy = _sums(windows, lambda where, times, values: seconds(where, times) * values)
    sum_x2 = _sums(windows, lambda where, times, values: seconds(where, times) ** 2, alike)
    covariance = sum_xy - sum_x * sum_y / count
    spread = sum_x2 - sum_x * sum_x / count
    slope = np.where(spread == 0, np.nan, covariance / spread)
    intercept = sum_y / count - slope * sum_x / count
    first, _ = windows.edges(1)
    initial = rows_of(windows.values, first)
    constant = _count_pairs(windows, np.not_equal)[0] == 0
    flat = np.where(np.isinf(initial), np.nan, 0.0)
    return np.where(constant, flat, slope), np.where(constant, flat + initial, intercept)


def _deriv(windows: Windows) -> tuple[Floats, Bools]:
    first, _ = windows.edges(2)
    return _regressions(windows, windows.times[first])[0], windows.present_with(2)


def _predict(windows: Windows, ahead: Sequence[float]) -> tuple[Floats, Bools]:
    slope, intercept = _regressions(windows, windows.grid.moments[:, None])
    return slope * np.array(ahead)[:, None] + intercept, windows.present_with(2)


def _spread_out(windows: Windows, function: Callable[[Ints, Floats], Floats]) -> tuple[Floats, Bools]:
    """Call a function with steps whose windows have equally many samples, and these as [steps, series, samples]."""
    result = np.full(windows.shape, np.nan)
    counts, columns = windows.counts, np.ascontiguousarray(windows.values.T)
    for count in np.unique(counts[counts > 0]).tolist():
        same_length = np.flatnonzero(counts == count)
        for some_steps in np.array_split(
            same_length, 1 + len(same_length) * windows.shape[1] * count // _MAX_SPREAD
        ):
            windows.guard.check_time()
            index = windows.lo[some_steps][:, None] + np.arange(count)
            result[some_steps] = function(some_steps, np.swapaxes(columns[:, index], 0, 1))
    return result, windows.present_with(1)


def _quantiles(windows: Windows, q: Sequence[float]) -> tuple[Floats, Bools]:
    ranks = np.array(q)[:, None]
    return _spread_out(windows, lambda steps, samples: quantiles(ranks[steps], samples, samples.shape[-1]))


def _median_deviations(windows: Windows) -> tuple[Floats, Bools]:
    """``funcMadOverTime``."""
    half = np.array([[0.5]])

    def deviations(steps: Ints, samples: Floats) -> Floats:
        middle = quantiles(half, samples, samples.shape[-1])
        return quantiles(half, np.abs(samples - middle[..., None]), samples.shape[-1])

    return _spread_out(windows, deviations)


def _smooth(windows: Windows, factors: Sequence[float], trends: Sequence[float]) -> tuple[Floats, Bools]:
    """``funcDoubleExponentialSmoothing``: level and trend, each smoothed by its factor."""
    first, _ = windows.edges(2)
    second = np.minimum(first + 1, len(windows.values) - 1)
    before, level = windows.values[first], windows.values[second]
    trend = level - before
    smoothing, trending = np.array(factors)[:, None], np.array(trends)[:, None]
    level = smoothing * level + (1 - smoothing) * (
        before + trend
    )  # not the sample itself, beside an infinity
    for where, row in windows.sample_rounds(2):
        old, now, by = before[where], level[where], trending[where]
        rising = by * (now - old) + (1 - by) * trend[where]
        trend[where], before[where] = rising, now
        share = smoothing[where]
        level[where] = share * rows_of(windows.values, row) + (1 - share) * (now + rising)
    return level, windows.present_with(2)


Kernel = Callable[[Windows, Sequence[Sequence[float]]], tuple[Floats, Bools]]

WINDOW_FUNCTIONS: dict[str, Kernel] = {
    "rate": lambda w, p: extrapolate(w, counter=True, rate=True),
    "increase": lambda w, p: extrapolate(w, counter=True, rate=False),
    "delta": lambda w, p: extrapolate(w, counter=False, rate=False),
    "irate": lambda w, p: change_of_last_two(w, rate=True),
    "idelta": lambda w, p: change_of_last_two(w, rate=False),
    "last_over_time": lambda w, p: _last(w),
    "count_over_time": lambda w, p: _count(w),
    "present_over_time": lambda w, p: (np.ones(w.shape), w.present_with(1)),
    "changes": lambda w, p: _count_pairs(w, lambda a, b: (a != b) & ~(np.isnan(a) & np.isnan(b))),
    "resets": lambda w, p: _count_pairs(w, lambda a, b: b < a),
    "sum_over_time": lambda w, p: _sum(w),
    "avg_over_time": lambda w, p: _average(w),
    "min_over_time": lambda w, p: _extremes(w, np.fmin),
    "max_over_time": lambda w, p: _extremes(w, np.fmax),
    "stdvar_over_time": lambda w, p: _variances(w),
    "stddev_over_time": lambda w, p: _deviations(w),
    "mad_over_time": lambda w, p: _median_deviations(w),
    "deriv": lambda w, p: _deriv(w),
    "quantile_over_time": lambda w, p: _quantiles(w, p[0]),
    "predict_linear": lambda w, p: _predict(w, p[0]),
    "holt_winters": lambda w, p: _smooth(w, p[0], p[1]),
    "double_exponential_smoothing": lambda w, p: _smooth(w, p[0], p[1]),
}
