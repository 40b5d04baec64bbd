"""When samples arrived, read from stored timestamps: exact, without a query."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial

import numpy as np

from pytest_telemetry_gate.model.arrivals import (
    NO_TIMES,
    REACH,
    Arrivals,
    Target,
    Track,
    join_tracks,
    name_target,
    target_of,
)
from pytest_telemetry_gate.promql import Matcher
from pytest_telemetry_gate.promql.storage import Storage, is_stale, may_be_nan
from pytest_telemetry_gate.sources.series_selectors import (
    Labels,
    find_up,
    matchers_of,
    stands_alone,
    sum_scrapes,
)

__all__ = ["StoredArrivals"]

_KEPT = 256  # windows of `up`

_Key = tuple[str, str]


class StoredArrivals:
    """Reads what arrived from a storage, and gives what ``ArrivalsReader`` gives of a source that is asked as PromQL.

    ``semantics`` decides whether a sample at the left edge of a window counts, as it does in Prometheus 2. The newest
    answers of ``up`` are kept, as most selectors of a suite need the same of it.
    """

    def __init__(self, storage: Storage, semantics: str = "3") -> None:
        self._storage = storage
        self._is_closed = semantics == "2"
        self._read_up = lru_cache(maxsize=_KEPT)(partial(_read_up, storage))

    def read(self, selector: str, end: float, window: float) -> Arrivals:
        """Return what arrived in the ``window`` seconds up to ``end``.

        Raises PromQLError for what is no selector, and what the storage raises.
        """
        start, stop = round((end - window) * 1000) - self._is_closed, round(end * 1000)
        with np.errstate(invalid="ignore"):  # a staleness marker is a NaN that sums complain of
            tracks = _read(self._storage, matchers_of(selector), start - round(REACH * 1000), stop)
            up = find_up(selector, {job for job, _ in tracks})
            scrapes = sum_scrapes(self._read_up(up, start, stop) if up else (), selector)
        targets = tuple(
            Target(
                labels=name_target(key),
                samples=samples,
                times=times,
                scrapes=tried,
                successes=good,
            )
            for key in sorted({*tracks, *scrapes})
            for tried, good in [scrapes.get(key, (None, None))]
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


def _read_up(storage: Storage, up: str, start: int, end: int) -> Sequence[tuple[Labels, int, float]]:
    """Return the labels of each ``up``, the number of its samples between two moments (ms), and the sum of them."""
    found: list[tuple[Labels, int, float]] = []
    for group in storage.select(matchers_of(up), start, end):
        begin, stop = group.times.searchsorted((start + 1, end + 1))
        for column, labels in enumerate(group.labels):
            own = group.values[begin:stop, column]
            real = own[~is_stale(own)]
            if len(real) and not np.isnan(real).any():  # else `up` says nothing
                found.append((labels, len(real), float(real.sum())))
    return found
