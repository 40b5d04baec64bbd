"""Raw samples as Prometheus stores them, made up so that chosen windows give chosen figures.

A window's totals are fixed first and chance decides only when within the window things happen: a scrape is as noisy
as a real one, an hour adds up. Every draw is made of ``Generator.random()``, since numpy may change the streams of
its other distributions between releases.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.promql import SeriesGroup

SEED = 20250122
STALE = np.uint64(0x7FF0000000000002).view(np.float64)

# Time is cut into slots of one scrape interval: slot i holds one sample of each target. The rollout starts half an
# hour after the recording does.
INTERVAL = 15.0
START = datetime.fromisoformat("2025-01-22T14:00:00-08:00").timestamp()
BEGIN = START - 1800
HOUR = 240
SLOTS = 49 * HOUR
AGE = 9 * 86400.0  # how long the processes had been running before the rollout, in seconds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Series = tuple[str, Mapping[str, str], Floats]  # name, labels, a value for each slot; NaN is no sample


class Stretch(NamedTuple):
    """Slots over which the totals are fixed; ``hour`` is None where the figures are those before the rollout."""

    begin: int
    end: int
    hour: float | None


class Part(NamedTuple):
    """What is left to fill of a stretch: the whole window, its slots that are still free, and its hour."""

    window: Ints
    free: Ints
    hour: float | None


def slot(seconds: float) -> int:
    """Return the slot in which a moment lies, given in seconds after the start of the rollout."""
    return math.ceil((START - BEGIN + seconds) / INTERVAL) - 1


FIRST_METRICS = slot(8 * 60) + 1

# Before the first metrics of the new instrumentation (14:08), the five minutes of the first checkpoint, and every
# hour; the first two lie in the first hour, which gets what they leave of its total.
STRETCHES = (
    Stretch(0, FIRST_METRICS, None),
    Stretch(slot(600) + 1, slot(900) + 1, 0.25),
    *(Stretch(slot(3600 * (hour - 1)) + 1, slot(3600 * hour) + 1, float(hour)) for hour in range(1, 49)),
    Stretch(slot(48 * 3600) + 1, SLOTS, 48.0),
)


def parts(*, differences: bool, hold: int = 1) -> Iterator[Part]:
    """Yield what is to be filled, in order, in units of ``hold`` slots.

    With ``differences`` a stretch is without its first slot, as `rate` takes the last sample of a window less the
    first one; the slots that lie between such stretches come last, one by one.
    """
    filled = np.zeros(SLOTS // hold, dtype=bool)
    for begin, end, hour in STRETCHES:
        window = np.arange(begin // hold + differences, end // hold)
        yield Part(window, window[~filled[window]], hour)
        filled[window] = True
    for index in np.flatnonzero(~filled):
        hour = (index * hold - slot(0)) / HOUR if index * hold >= FIRST_METRICS else None
        yield Part(np.array([index]), np.array([index]), hour)


def draws(*key: str | int) -> np.random.Generator:
    """Return the random numbers of one purpose, which no other purpose shifts."""
    return np.random.default_rng([SEED, *(zlib.crc32(str(part).encode()) for part in key)])


def normal(random: np.random.Generator, size: int) -> Floats:
    """Return numbers of about the standard normal distribution: twelve uniform ones added up."""
    return np.asarray(random.random((12, size)).sum(axis=0) - 6.0, dtype=np.float64)


def settle(values: Floats, total: float, random: np.random.Generator) -> Ints:
    """Round to whole numbers and move as many as needed by one, so that they add up to ``total``."""
    whole = np.rint(values).astype(np.int64)
    each, rest = divmod(round(total) - int(whole.sum()), len(whole))
    whole += each
    whole[np.argsort(random.random(len(whole)))[:rest]] += 1
    return whole


def apportion(total: int, shares: Floats) -> Ints:
    """Divide a whole number by shares, to whole numbers that add up to it."""
    edges = np.rint(total * np.cumsum(shares) / shares.sum()).astype(np.int64)
    whole: Ints = np.diff(edges, prepend=0)
    return whole


def gauge(
    key: str,
    level: Callable[[float | None], float],
    quantum: float,
    noise: float,
    *,
    hold: int = 1,
    lost: Sequence[int] = (),
) -> Floats:
    """Return a gauge whose mean over each stretch is ``level(hour)``, to the nearest that its smallest step allows.

    ``quantum`` is that step, ``noise`` the standard deviation; the value changes every ``hold`` slots.
    """
    steps = np.zeros(SLOTS // hold)
    up = np.ones(SLOTS // hold, dtype=bool)
    up[list(lost)] = False
    for window, every, hour in parts(differences=False, hold=hold):
        random = draws(key, int(window[0]))
        free = every[up[every]]
        wanted = level(hour) / quantum
        # A moving average, since what a gauge shows does not jump from scrape to scrape.
        drift = np.convolve(normal(random, len(free) + 7), np.ones(8) / math.sqrt(8), "valid")
        total = round(wanted * up[window].sum()) - steps[window].sum()
        steps[free] = settle(wanted + noise / quantum * drift, total, random)
    values = np.round(np.repeat(steps, hold) * quantum, round(-math.log10(quantum)))
    values[list(lost)] = math.nan
    return values


def counter(increments: NDArray[Any], before: NDArray[Any] | float, lost: Sequence[int] = ()) -> Floats:
    """Add up the increments of the slots; a process that restarts loses a scrape and begins at 0."""
    total = before + np.cumsum(increments, axis=0, dtype=np.float64)
    for where in lost:
        total[where + 1 :] -= total[where]
        total[where] = math.nan
    return total


def target(
    job: str, instance: str, offset: float, series: Sequence[Series], restarts: Sequence[float] = ()
) -> list[SeriesGroup]:
    """Return the samples of one process, scraped ``offset`` seconds into each slot.

    ``restarts`` are the times at which it was up again, in seconds after the start of the rollout; it was down when
    it should have been scraped in that slot.
    """
    lost = [slot(time) for time in restarts]
    up = np.ones(SLOTS)
    up[lost] = 0
    started = np.full(SLOTS, START - AGE)
    for time in restarts:
        started[slot(time) :] = START + time
    started[lost] = math.nan
    exposed: list[Series] = [("up", {}, up), ("process_start_time_seconds", {}, started), *series]
    labelled = [
        (name, {**labels, "job": job, "instance": instance}, values) for name, labels, values in exposed
    ]
    return groups(labelled, offset)


def groups(
    series: Sequence[Series], offset: float, *, begin: float = BEGIN, interval: float = INTERVAL
) -> list[SeriesGroup]:
    """Group series by the times at which they have samples, ``offset`` seconds into the slots.

    Where a series ends or pauses, its first missing sample is a stale marker, as Prometheus writes it.
    """
    times = np.rint((begin + interval * np.arange(len(series[0][2])) + offset) * 1000).astype(np.int64)
    by_times: dict[bytes, list[tuple[dict[str, str], Floats]]] = {}
    for name, labels, values in series:
        absent = np.isnan(values)
        ends = absent & ~np.concatenate(([True], absent[:-1]))
        column = np.where(ends, STALE, values)
        by_times.setdefault((~absent | ends).tobytes(), []).append(({"__name__": name, **labels}, column))
    found = []
    for key, members in by_times.items():
        kept = np.frombuffer(key, dtype=bool)
        columns = np.stack([column[kept] for _, column in members], axis=1)
        found.append(SeriesGroup(tuple(labels for labels, _ in members), times[kept], columns))
    return found
