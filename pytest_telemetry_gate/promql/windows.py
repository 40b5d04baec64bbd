"""Functions over the samples of a window, one window a step, for all series of a group at once.

Formulas are those of Prometheus' ``promql/functions.go``; the function's name there stands with each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pytest_telemetry_gate.promql.frame import Bools, Floats, Ints
from pytest_telemetry_gate.promql.labels import Labels
from pytest_telemetry_gate.promql.quantile import quantile

__all__ = ["KEEPS_NAME", "WINDOW_FUNCTIONS", "Windows", "exact_mean", "exact_sum", "kahan_added", "variance"]

KEEPS_NAME = frozenset({"last_over_time"})


@dataclass(slots=True)
class Windows:
    """The samples ``lo[i]`` to ``hi[i]`` (excluded) of a group are the window of step i; there is at least one sample.

    ``times`` int64[n] ms, ``values`` float64[n, series] without stale markers; ``starts`` and ``ends`` are the bounds
    of the windows and ``moments`` the steps' own times, int64[steps] ms.
    """

    labels: Sequence[Labels]
    times: Ints
    values: Floats
    lo: Ints
    hi: Ints
    starts: Ints
    ends: Ints
    moments: Ints
    semantics: str

    @property
    def counts(self) -> Ints:
        """The number of samples in each window."""
        return self.hi - self.lo

    def each(self, function: Callable[[Ints, Floats], Floats], least: int = 1) -> tuple[Floats, Bools]:
        """Call a function with the times and values of every window that has enough samples."""
        values = np.full((len(self.lo), self.values.shape[1]), np.nan)
        enough = self.counts >= least
        for step in np.flatnonzero(enough).tolist():
            window = slice(self.lo[step], self.hi[step])
            values[step] = function(self.times[window], self.values[window])
        return values, _for_all(enough, self.values.shape[1])


def _for_all(present: Bools, series: int) -> Bools:
    return np.repeat(present[:, None], series, axis=1)


def _extrapolated(
    windows: Windows, parameters: Sequence[float], *, counter: bool, rate: bool
) -> tuple[Floats, Bools]:
    """``extrapolatedRate``: the change between first and last sample, extended to the window's ends."""
    enough = windows.counts >= 2
    first, last = np.where(enough, windows.lo, 0), np.where(enough, windows.hi - 1, 0)
    begin = windows.values[first]
    change = windows.values[last] - begin
    if counter:
        fallen = windows.values[1:] < windows.values[:-1]
        if fallen.any():
            # summed in each window for itself: a sum over all samples would carry infinities and rounding along
            drops = np.where(fallen, windows.values[:-1], 0.0)
            change = change + np.where(
                enough[:, None], _segments(np.add, drops, windows.lo, windows.hi - 1), 0.0
            )
    to_start = ((windows.times[first] - windows.starts) / 1000)[:, None]
    to_end = ((windows.ends - windows.times[last]) / 1000)[:, None]
    sampled = ((windows.times[last] - windows.times[first]) / 1000)[:, None]
    average = sampled / np.maximum(windows.counts - 1, 1)[:, None]
    threshold = average * 1.1
    if counter:
        to_zero = np.where((change > 0) & (begin >= 0), sampled * (begin / change), np.inf)
    if windows.semantics == "2":
        if counter:
            to_start = np.minimum(to_start, to_zero)
        to_start = np.where(to_start < threshold, to_start, average / 2)
    else:
        to_start = np.where(to_start >= threshold, average / 2, to_start)
        if counter:
            to_start = np.minimum(to_start, to_zero)
    to_end = np.where(to_end >= threshold, average / 2, to_end)
    factor = (sampled + to_start + to_end) / sampled
    if rate:
        factor = factor / ((windows.ends - windows.starts) / 1000)[:, None]
    return change * factor, _for_all(enough, change.shape[1])


def _instantaneous(windows: Windows, *, rate: bool) -> tuple[Floats, Bools]:
    """``instantValue``: between the last two samples."""
    enough = windows.counts >= 2
    last = np.where(enough, windows.hi - 1, 1 if len(windows.times) > 1 else 0)
    before = np.maximum(last - 1, 0)
    new, old = windows.values[last], windows.values[before]
    change = new - old
    if rate:
        seconds = np.maximum((windows.times[last] - windows.times[before]) / 1000, 1e-3)[:, None]
        change = np.where(new < old, new, change) / seconds
    return change, _for_all(enough, change.shape[1])


def _at_last(windows: Windows) -> tuple[Floats, Bools]:
    enough = windows.counts >= 1
    values = windows.values[np.where(enough, windows.hi - 1, 0)]
    return values, _for_all(enough, values.shape[1])


def _counted(windows: Windows) -> tuple[Floats, Bools]:
    counts = windows.counts
    series = windows.values.shape[1]
    return np.repeat(counts[:, None].astype(np.float64), series, axis=1), _for_all(counts > 0, series)


def _pairs(windows: Windows, differs: Callable[[Floats, Floats], Bools]) -> tuple[Floats, Bools]:
    """Count neighbouring samples within each window that differ in some way."""
    marks = np.zeros(windows.values.shape, dtype=np.int64)
    marks[1:] = differs(windows.values[:-1], windows.values[1:])
    before: Ints = np.cumsum(marks, axis=0)
    enough = windows.counts >= 1
    first, last = np.where(enough, windows.lo, 0), np.where(enough, windows.hi - 1, 0)
    found = np.asarray(before[last] - before[first], dtype=np.float64)
    return found, _for_all(enough, windows.values.shape[1])


def exact_sum(values: Sequence[float]) -> float:
    """Return the correctly rounded sum, which Kahan's summation (``kahanSumInc``) approximates; infinities as in Go."""
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return float(np.sum(values))


def exact_mean(values: Sequence[float]) -> float:
    """Return the mean; values whose sum would overflow are divided first (``funcAvgOverTime``)."""
    total = exact_sum(values)
    if math.isinf(total) and all(map(math.isfinite, values)):
        return exact_sum([value / len(values) for value in values])
    return total / len(values)


def _by_column(function: Callable[[Sequence[float]], float]) -> Callable[[Ints, Floats], Floats]:
    def by_column(times: Ints, values: Floats) -> Floats:
        return np.array([function(column) for column in values.T.tolist()])

    return by_column


def variance(values: Sequence[float]) -> float:
    """Return the population variance by Welford's method (``varianceOverTime``): exactly 0 for equal values."""
    mean = spread = 0.0
    for count, value in enumerate(values, 1):
        delta = value - mean
        mean += delta / count
        spread += delta * (value - mean)
    return spread / len(values)


def variance_from_first(values: Sequence[float]) -> float:
    """Return the variance as Prometheus 2.42 aggregates it: the first value is the mean, whatever it is."""
    mean, spread = values[0], 0.0
    for count, value in enumerate(values[1:], 2):
        delta = value - mean
        mean += delta / count
        spread += delta * (value - mean)
    return spread / len(values)


def regression(times: Ints, values: Floats, origin: int) -> tuple[Floats, Floats]:
    """``linearRegression``: slope per second and intercept at ``origin`` (ms), by series."""
    seconds = ((times - origin) / 1000).tolist()
    count = len(seconds)
    slopes, intercepts = [], []
    sum_x, sum_x2 = exact_sum(seconds), exact_sum([x * x for x in seconds])
    for column in values.T.tolist():
        if all(value == column[0] for value in column):
            flat = math.nan if math.isinf(column[0]) else 0.0
            slopes.append(flat)
            intercepts.append(flat + column[0])
            continue
        sum_y = exact_sum(column)
        sum_xy = exact_sum([x * y for x, y in zip(seconds, column, strict=True)])
        covariance = sum_xy - sum_x * sum_y / count
        spread = sum_x2 - sum_x * sum_x / count
        slope = covariance / spread if spread else math.nan
        slopes.append(slope)
        intercepts.append(sum_y / count - slope * sum_x / count)
    return np.array(slopes), np.array(intercepts)


def _predicted(windows: Windows, ahead: Sequence[float]) -> tuple[Floats, Bools]:
    values = np.full((len(windows.lo), windows.values.shape[1]), np.nan)
    enough = windows.counts >= 2
    for step in np.flatnonzero(enough).tolist():
        window = slice(windows.lo[step], windows.hi[step])
        slope, intercept = regression(
            windows.times[window], windows.values[window], int(windows.moments[step])
        )
        values[step] = slope * ahead[step] + intercept
    return values, _for_all(enough, values.shape[1])


def _deriv(times: Ints, values: Floats) -> Floats:
    return regression(times, values, int(times[0]))[0]


def _quantiles(windows: Windows, q: Sequence[float]) -> tuple[Floats, Bools]:
    values = np.full((len(windows.lo), windows.values.shape[1]), np.nan)
    enough = windows.counts >= 1
    for step in np.flatnonzero(enough).tolist():
        window = windows.values[windows.lo[step] : windows.hi[step]]
        values[step] = [quantile(q[step], column) for column in window.T.tolist()]
    return values, _for_all(enough, values.shape[1])


def _median_deviation(column: Sequence[float]) -> float:
    middle = quantile(0.5, column)
    return quantile(0.5, [abs(value - middle) for value in column])


def _smoothed(windows: Windows, factors: Sequence[float], trends: Sequence[float]) -> tuple[Floats, Bools]:
    """``funcDoubleExponentialSmoothing``: level and trend, each smoothed by its factor."""
    values = np.full((len(windows.lo), windows.values.shape[1]), np.nan)
    enough = windows.counts >= 2
    for step in np.flatnonzero(enough).tolist():
        window = windows.values[windows.lo[step] : windows.hi[step]]
        factor, trend_factor = factors[step], trends[step]
        before, level = window[0], window[1]
        trend = window[1] - window[0]
        for sample in window[2:]:
            trend = trend_factor * (level - before) + (1 - trend_factor) * trend
            before, level = level, factor * sample + (1 - factor) * (level + trend)
        values[step] = level
    return values, _for_all(enough, values.shape[1])


def _reduced(windows: Windows, ufunc: np.ufunc) -> tuple[Floats, Bools]:
    series = windows.values.shape[1]
    values = _segments(ufunc, windows.values, windows.lo, windows.hi)
    return values, _for_all(windows.counts >= 1, series)


def _segments(ufunc: np.ufunc, values: Floats, lo: Ints, hi: Ints) -> Floats:
    """Reduce the rows from ``lo`` to ``hi`` (excluded); where there are none the result means nothing."""
    bounds = np.empty(2 * len(lo), dtype=np.int64)
    # every other segment is a window, the rest is between two
    bounds[::2] = np.minimum(lo, len(values))
    bounds[1::2] = np.clip(hi, bounds[::2], len(values))
    padded = np.concatenate([values, np.full((1, values.shape[1]), np.nan)])
    reduced: Floats = ufunc.reduceat(padded, bounds, axis=0)[::2]
    return reduced


def kahan_added(more: Floats, total: Floats, lost: Floats) -> tuple[Floats, Floats]:
    """``kahanSumInc``: add to a total, and what the addition rounds off to ``lost`` (Neumaier)."""
    after = total + more
    bigger = np.abs(total) >= np.abs(more)
    rounded = np.where(bigger, (total - after) + more, (more - after) + total)
    return after, lost + np.where(np.isinf(after), 0.0, rounded)


def _summed(windows: Windows) -> tuple[Floats, Bools]:
    """``funcSumOverTime``: window by window, or, where there are many, all windows sample by sample."""
    counts = windows.counts
    longest = int(counts.max())
    if len(counts) * windows.values.shape[1] < 8 * longest:
        return windows.each(_by_column(exact_sum))
    total, lost = np.zeros((2, len(counts), windows.values.shape[1]))
    for place in range(longest):
        inside = np.flatnonzero(counts > place)
        more = windows.values[windows.lo[inside] + place]
        total[inside], lost[inside] = kahan_added(more, total[inside], lost[inside])
    return np.where(np.isinf(total), total, total + lost), _for_all(counts >= 1, total.shape[1])


def _averaged(windows: Windows) -> tuple[Floats, Bools]:
    total, present = _summed(windows)
    if np.isfinite(total[present]).all():
        return total / np.maximum(windows.counts, 1)[:, None], present
    return windows.each(_by_column(exact_mean))


Kernel = Callable[[Windows, Sequence[Sequence[float]]], tuple[Floats, Bools]]

WINDOW_FUNCTIONS: dict[str, Kernel] = {
    "rate": lambda w, p: _extrapolated(w, (), counter=True, rate=True),
    "increase": lambda w, p: _extrapolated(w, (), counter=True, rate=False),
    "delta": lambda w, p: _extrapolated(w, (), counter=False, rate=False),
    "irate": lambda w, p: _instantaneous(w, rate=True),
    "idelta": lambda w, p: _instantaneous(w, rate=False),
    "last_over_time": lambda w, p: _at_last(w),
    "count_over_time": lambda w, p: _counted(w),
    "present_over_time": lambda w, p: (np.ones((len(w.lo), w.values.shape[1])), _counted(w)[1]),
    "changes": lambda w, p: _pairs(w, lambda a, b: (a != b) & ~(np.isnan(a) & np.isnan(b))),
    "resets": lambda w, p: _pairs(w, lambda a, b: b < a),
    "sum_over_time": lambda w, p: _summed(w),
    "avg_over_time": lambda w, p: _averaged(w),
    "min_over_time": lambda w, p: _reduced(w, np.fmin),
    "max_over_time": lambda w, p: _reduced(w, np.fmax),
    "stdvar_over_time": lambda w, p: w.each(_by_column(variance)),
    "stddev_over_time": lambda w, p: w.each(_by_column(lambda column: math.sqrt(variance(column)))),
    "mad_over_time": lambda w, p: w.each(_by_column(_median_deviation)),
    "deriv": lambda w, p: w.each(_deriv, least=2),
    "quantile_over_time": lambda w, p: _quantiles(w, p[0]),
    "predict_linear": lambda w, p: _predicted(w, p[0]),
    "holt_winters": lambda w, p: _smoothed(w, p[0], p[1]),
    "double_exponential_smoothing": lambda w, p: _smoothed(w, p[0], p[1]),
}
