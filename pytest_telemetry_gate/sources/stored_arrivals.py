"""When samples arrived, read from stored timestamps: exact, without a query."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from pytest_telemetry_gate.model.arrivals import NO_TIMES, REACH, Arrivals, Target, Track, join_tracks
from pytest_telemetry_gate.promql import Matcher
from pytest_telemetry_gate.promql.storage import Storage, is_stale, may_be_nan
from pytest_telemetry_gate.sources.series_selectors import (
    find_up,
    matchers_of,
    name_target,
    stands_alone,
    target_of,
)

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
        tracks = _read(storage, matchers, start - round(REACH * 1000), stop)
        up = find_up(selector, {job for job, _ in tracks})
        scrapes = _count_scrapes(storage, up, matchers, start, stop) if up else {}
    targets = tuple(
        Target(
            labels=name_target(key),
            samples=samples,
            times=times,
            scrapes=scrapes[key][0] if key in scrapes else None,
            successes=scrapes[key][1] if key in scrapes else None,
        )
        for key in sorted({*tracks, *scrapes})
        for times, samples in join_tracks(tracks.get(key, ()), keep_ended=stands_alone(selector, key))
        or [(NO_TIMES, sum(samples for _, samples in tracks.get(key, ())))]
    )
    return Arrivals(targets, reads=(up,) if up else ())


def _read(
    storage: Storage, matchers: tuple[Matcher, ...], first: int, end: int
) -> Mapping[_Key, Sequence[Track]]:
    """Return the tracks of each target's series, as many as there are vectors of timestamps."""
    tracks: dict[_Key, list[Track]] = defaultdict(list)
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
            if not holes:
                tracks[key].append((moments, len(moments)))
                continue
            # Counted as a server counts, to which NaN is a sample and a staleness marker is none.
            counted = int((~is_stale(values[:, own])).sum(axis=0).max())
            if counted:
                present = ~np.isnan(values[:, own]).all(axis=1)
                tracks[key].append((moments[present], counted))
    return tracks


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
            real = own[~is_stale(own)]
            tried, good = counts.get(target_of(labels), (0, 0))
            if len(real) and not np.isnan(real).any():  # else `up` says nothing
                counts[target_of(labels)] = tried + len(real), good + round(float(real.sum()))
    return counts
