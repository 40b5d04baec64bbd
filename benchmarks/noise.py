"""What metrics do by themselves: series without any change, sampled every 15 seconds, for the simulation of verdicts.

A series is its mean, 1, times what moves slowly (days and hours), plus what moves fast (minutes). What is fast in one window is
independent of what is fast in another; what is slow is one path through all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["KINDS", "LENGTHS", "Kind", "Metric", "Windows"]

SCRAPE = 15.0  # seconds
HOUR = 3600.0
DAY = 24.0  # hours
LENGTHS = {"10m": 600.0, "1h": HOUR, "24h": 24 * HOUR}  # seconds
PARTS = {"10m": 10, "1h": 24, "24h": 24}  # of a window: 24, or as many as have four scrapes
POINTS = {
    "10m": 10,
    "1h": 60,
    "24h": 96,
}  # that a judge of single points gets: one a minute, or every 15 minutes
BLOCK = 150.0  # seconds in which what moves slowly stands still
_AT_ONCE = 60  # windows
_RESETS = 6 * HOUR  # between two restarts of a counter, on average

Floats = NDArray[np.float64]
Generator = np.random.Generator


@dataclass(frozen=True)
class Kind:
    """One kind of noise; deviations are shares of the mean, ``wander`` is (deviation, hours after which it has forgotten).

    ``memory`` is the correlation of neighbouring samples. A counter has ``rate`` events a second instead of a deviation.
    """

    name: str
    deviation: float = 0.0
    memory: float = 0.0
    heavy: bool = False
    season: float = 0.0
    day: float = 0.0
    wander: tuple[float, float] | None = None
    rate: float = 0.0


KINDS = (
    Kind("white 10 %", 0.10),
    Kind("heavy tail 10 %", 0.10, heavy=True),
    Kind("AR .5, 9 %", 0.09, 0.5),
    Kind("AR .9, 3.5 %", 0.035, 0.9),
    Kind("AR .9, 10 %", 0.10, 0.9),
    Kind("AR .97, 10 %", 0.10, 0.97),
    Kind("season 20 %", 0.05, season=0.20),
    Kind("season, day 3 %", 0.05, season=0.20, day=0.03),
    Kind("wander 6 h, 1 %", 0.05, wander=(0.01, 6.0)),
    Kind("wander 6 h, 3 %", 0.05, wander=(0.03, 6.0)),
    Kind("wander 24 h, 3 %", 0.05, wander=(0.03, 24.0)),
    Kind("day level 3 %", 0.05, day=0.03),
    Kind("counter 3/s", rate=3.0),
    Kind("counter 1/s", rate=1.0),
    Kind("counter 0.1/s", rate=0.1),
)


@dataclass(frozen=True)
class Windows:
    """Windows that end at several moments: means of ``parts`` and of ``points``, each (moments, rollouts, number)."""

    parts: Floats
    points: Floats
    places: dict[float, int]

    def part(self, moment: float) -> Floats:
        """Return the means of the parts of the window that ends at a moment (hours)."""
        return self.parts[self.places[moment]]

    def point(self, moment: float) -> Floats:
        """Return the means of its points."""
        return self.points[self.places[moment]]

    def mean(self, moment: float) -> Floats:
        """Return the mean of the whole window."""
        return self.part(moment).mean(axis=-1)


class Metric:
    """A metric of some kind in many rollouts at once; hours count from the start of the rollout."""

    def __init__(self, kind: Kind, rollouts: int, first: float, last: float, random: Generator) -> None:
        self._kind, self._rollouts, self._random = kind, rollouts, random
        self._slow = _slow(kind, rollouts, first - 2 * DAY, last, random)

    def windows(self, length: str, moments: Iterable[float]) -> Windows:
        """Return the windows of a length that end at some moments."""
        ends = sorted(set(moments))
        parts = np.empty((len(ends), self._rollouts, PARTS[length]))
        points = np.empty((len(ends), self._rollouts, POINTS[length]))
        for place, end in enumerate(ends):
            values = self._sample(length, np.array([end]))
            parts[place] = values.reshape(self._rollouts, PARTS[length], -1).mean(axis=2)
            points[place] = values.reshape(self._rollouts, POINTS[length], -1).mean(axis=2)
        return Windows(parts, points, {end: place for place, end in enumerate(ends)})

    def past(self, length: str, hours: int) -> Floats:
        """Return the means (rollouts, hours) of the windows that end at every full hour up to the start, the latest last.

        A window of 24 hours is the mean of 24 windows of one.
        """
        if length == "24h":
            hourly = self.past("1h", hours + 23)
            total = np.cumsum(np.pad(hourly, ((0, 0), (1, 0))), axis=1)
            return (total[:, 24:] - total[:, :-24]) / 24
        means = []
        for ends in np.array_split(np.arange(1 - hours, 1), max(1, hours // _AT_ONCE)):
            samples = self._sample(length, ends)
            means.append(samples.reshape(self._rollouts, len(ends), -1).mean(axis=2))
        return np.concatenate(means, axis=1)

    def _sample(self, length: str, ends: Floats) -> Floats:
        """Return the samples (rollouts, windows x samples) of windows; those of different ones do not know each other."""
        blocks = int(LENGTHS[length] / BLOCK)
        # The mean of many independent samples is drawn as such.
        each = 1 if length == "24h" and not self._kind.memory else int(BLOCK / SCRAPE)
        times = ends[:, None] + (np.arange(blocks) + 0.5 - blocks) * (BLOCK / HOUR)
        slow = np.repeat(self._slow(times.ravel()), each, axis=1)
        apart = slow.reshape(-1, blocks * each)
        return _sample(self._kind, apart, BLOCK / each, self._random).reshape(slow.shape)


def _slow(
    kind: Kind, rollouts: int, first: float, last: float, random: Generator
) -> Callable[[Floats], Floats]:
    """Return what gives the slow part (rollouts, times) of the series at times in hours."""
    phase = random.uniform(0, DAY, (rollouts, 1))
    days = random.standard_normal((rollouts, int((last - first) / DAY) + 3))
    grid = np.arange(first, last + BLOCK / HOUR, BLOCK / HOUR)
    path = None
    if kind.wander is not None:
        deviation, hours = kind.wander
        memory = float(np.exp(-BLOCK / HOUR / hours))
        path = deviation * _autoregression((rollouts, len(grid)), memory, random)

    def at(times: Floats) -> Floats:
        values = np.ones((rollouts, len(times)))
        if kind.season:
            values += kind.season * np.sin(2 * np.pi * (times + phase) / DAY)
        if kind.day:
            index = ((times - first + phase) // DAY).astype(int)
            values *= 1 + kind.day * np.take_along_axis(days, index, axis=1)
        if path is not None:
            values += path[:, ((times - first) / (BLOCK / HOUR)).astype(int)]
        return values

    return at


def _sample(kind: Kind, slow: Floats, step: float, random: Generator) -> Floats:
    """Return the means of steps of some seconds around a slow path; those of a counter are its increments a second."""
    if kind.rate:
        counts = random.poisson(kind.rate * step * slow).astype(float)
        restarted = random.random(counts.shape) < step / _RESETS
        # What was counted after the last scrape before a restart is lost.
        lost = random.poisson(kind.rate * SCRAPE * random.random(int(restarted.sum())))
        counts[restarted] = np.maximum(0, counts[restarted] - lost)
        return counts / (kind.rate * step)
    if kind.heavy and step == SCRAPE:
        return slow + kind.deviation * random.standard_t(3, slow.shape) / np.sqrt(3)
    deviation = kind.deviation / np.sqrt(step / SCRAPE)
    return slow + deviation * _autoregression(slow.shape, kind.memory, random)


def _autoregression(shape: tuple[int, ...], memory: float, random: Generator) -> Floats:
    """Return paths along the last axis with standard deviation 1, of which neighbours correlate by ``memory``."""
    from scipy.signal import lfilter

    shocks = random.standard_normal(shape, dtype=np.float32)
    if memory == 0:
        return shocks
    shocks[..., 1:] *= np.float32(np.sqrt(1 - memory * memory))
    return np.asarray(lfilter(np.float32([1.0]), np.float32([1.0, -memory]), shocks, axis=-1))
