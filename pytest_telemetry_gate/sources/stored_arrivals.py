"""When samples arrived, read from stored timestamps: exact, without a query."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.model.arrivals import NO_TIMES, Arrivals, Target, reach_before
from pytest_telemetry_gate.promql import Matcher
from pytest_telemetry_gate.promql.storage import Storage, is_stale, may_be_nan
from pytest_telemetry_gate.sources.series_selectors import find_up, matchers_of, name_target, target_of

__all__ = ["read_stored"]

_Key = tuple[str, str]


def read_stored(
    storage: Storage, selector: str, end: float, window: float, *, semantics: str = "3"
) -> Arrivals:
    """Return what arrived in the ``window`` seconds up to ``end``, as a source that is asked as PromQL gives it.

    ``semantics`` decides whether a sample at the left edge of a window counts, as it does in Prometheus 2.

    Raises PromQLError for what is no selector, and what the storage raises.
    """
    matchers = matchers_of(selector)
    start, stop = round((end - window) * 1000), round(end * 1000)
    start -= semantics == "2"
    with np.errstate(invalid="ignore"):  # a staleness marker is a NaN that sums complain of
        times, samples = _read(storage, matchers, start - round(reach_before(window) * 1000), stop)
        up = find_up(selector, {job for job, _ in times})
        scrapes = _count_scrapes(storage, up, matchers, start, stop) if up else {}
    targets = tuple(
        Target(
            labels=name_target(key),
            samples=samples.get(key, 0),
            times=times.get(key, NO_TIMES),
            scrapes=scrapes[key][0] if key in scrapes else None,
            successes=scrapes[key][1] if key in scrapes else None,
        )
        for key in sorted({*times, *scrapes})
    )
    return Arrivals(targets, reads=(up,) if up else ())


def _read(
    storage: Storage, matchers: tuple[Matcher, ...], first: int, end: int
) -> tuple[dict[_Key, NDArray[np.int64]], Mapping[_Key, int]]:
    """Return the times (ms) of each target's samples, and how many the longest of its series has."""
    parts: dict[_Key, list[NDArray[np.int64]]] = defaultdict(list)
    samples: dict[_Key, int] = defaultdict(int)
    for group in storage.select(matchers, first, end):
        begin, stop = group.times.searchsorted((first + 1, end + 1))
        if begin == stop:
            continue
        moments, values = group.times[begin:stop], group.values[begin:stop]
        holes = may_be_nan(values)
        columns: dict[_Key, list[int]] = defaultdict(list)
        for column, labels in enumerate(group.labels):
            columns[target_of(labels)].append(column)
        for key, own in columns.items():
            if holes:
                # Counted as a server counts, to which NaN is a sample and a staleness marker is none.
                counted = ~is_stale(values[:, own])
                present = ~np.isnan(values[:, own]).all(axis=1)
                parts[key].append(moments[present])
                samples[key] = max(samples[key], int(counted.sum(axis=0).max()))
            else:
                parts[key].append(moments)
                samples[key] = max(samples[key], len(moments))
    times = {key: own[0] if len(own) == 1 else np.unique(np.concatenate(own)) for key, own in parts.items()}
    return {key: own for key, own in times.items() if samples[key]}, samples


def _count_scrapes(
    storage: Storage, up: str, wanted: tuple[Matcher, ...], start: int, end: int
) -> Mapping[_Key, tuple[int, int]]:
    """Return how many scrapes each target's ``up`` tells of, and how many of them were good."""
    counts: dict[_Key, tuple[int, int]] = {}
    for group in storage.select(matchers_of(up), start, end):
        begin, stop = group.times.searchsorted((start + 1, end + 1))
        if begin == stop:
            continue
        values = group.values[begin:stop]
        for column, labels in enumerate(group.labels):
            others = (one for one in wanted if one.name in labels and one.name != "__name__")
            if not all(matcher.matches(labels[matcher.name]) for matcher in others):
                continue
            own = values[:, column]
            real = own[~np.isnan(own)]
            tried, good = counts.get(target_of(labels), (0, 0))
            if len(real):
                counts[target_of(labels)] = tried + len(real), good + round(float(real.sum()))
    return counts
