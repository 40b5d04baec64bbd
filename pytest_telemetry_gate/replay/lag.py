"""How long a counter's rise takes to show: bracketed between two polls of raw samples of the environment's source.

A rise is counted series by series from raw samples: ``increase()`` says 0 for a counter that is born at 1. A sum over
replicas hides that one of them restarted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from pytest_telemetry_gate.errors import TelemetryGateError
from pytest_telemetry_gate.promql import Matrix
from pytest_telemetry_gate.replay.captured import CounterLag
from pytest_telemetry_gate.replay.suite.expectations import CounterExpectation
from pytest_telemetry_gate.support.durations import format_duration

__all__ = ["CounterWatch", "poll_until_risen", "why_unprovable"]

_FIRST_PAUSE = 0.02  # seconds between polls: at first, and growing by half each time up to the longest
_GROWTH = 1.5
_MAX_PAUSE = 0.25
_AHEAD = 60.0  # seconds by which the server's clock may be ahead of ours
_LOOK_BACK = 300.0  # seconds: a series that was absent for so long is new
_IDLE_SCRAPES = 3
_PATIENCE = 1.5  # budgets after which a rise is given up: more than one, to tell a late rise from none

Series = Mapping[tuple[tuple[str, str], ...], Sequence[tuple[float, float]]]


class Samples(Protocol):
    """The part of a source that a lag is measured on."""

    scrape_intervals: Mapping[str, float]

    def instant(self, promql: str, time: float) -> object:
        """Evaluate at one time."""
        ...


def why_unprovable(budget: float, interval: float | None) -> str:
    """Return why a budget (seconds) cannot be proven at a scrape interval, or nothing."""
    if interval is None:
        return "the server does not report its scrape interval; set scrape_interval in telemetry.yaml"
    worst = interval + _MAX_PAUSE
    if worst > budget:
        return (
            f"a lag of {budget:g} s cannot be proven: a rise shows only after up to {worst:g} s "
            f"(scrape interval {format_duration(interval)} and polls of {_MAX_PAUSE:g} s)"
        )
    return ""


@dataclass
class CounterWatch:
    """One counter before and after a drive; ``quiet_since`` is when our own last rise of it was seen (epoch)."""

    source: Samples
    expectation: CounterExpectation
    wanted: float
    quiet_since: float = 0.0
    lag: CounterLag = field(init=False)
    _before: dict[tuple[tuple[str, str], ...], tuple[float, float]] = field(default_factory=dict, init=False)
    _settled: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.lag = CounterLag(self.expectation.selector, self.wanted, delta=self.expectation.delta)

    @property
    def done(self) -> bool:
        """Whether nothing more can be learnt."""
        return bool(self.lag.error or self.lag.problem)

    def begin(self) -> None:
        """Read the baseline, and find out beforehand whether the budget can be proven at all."""
        try:
            series = self._read()
        except TelemetryGateError as error:
            self.lag.error = str(error)
            return
        self.lag.interval = self._interval(series)
        self.lag.error = why_unprovable(self.expectation.budget, self.lag.interval)
        if self.lag.error or self.lag.interval is None:
            return
        self._before = {key: samples[-1] for key, samples in series.items()}
        self.lag.baseline = sum(value for _, value in self._before.values())
        self.lag.baseline_at = max((moment for moment, _ in self._before.values()), default=None)
        since = max(self.quiet_since, time.time() - _IDLE_SCRAPES * self.lag.interval)
        for samples in series.values():
            recent = [value for moment, value in samples if moment >= since]
            if len(recent) > 1 and recent[0] != recent[-1] and self.expectation.isolation != "label":
                self.lag.problem = "foreign traffic: the counter moved before anything was driven"

    def poll(self, ended: float, previous: float) -> bool:
        """Look once; ``ended`` and ``previous`` are monotonic: when the drive ended and when the last poll was.

        Return whether it is over.
        """
        polled = time.monotonic()
        try:
            rise, newest = self._measure_rise(self._read())
        except TelemetryGateError as error:
            self.lag.error = str(error)
            return True
        if self.lag.problem:
            return True
        self.lag.seen, self.lag.seen_at = rise, newest or None
        if self.lag.high is None and rise >= self.wanted:
            self.lag.low, self.lag.high = previous - ended, polled - ended
            self._settled = newest
        if self._settled is not None:
            # One more scrape shows whether the value stays, or whether somebody else drives too.
            late = polled - ended > (self.lag.high or 0.0) + 2 * (self.lag.interval or 0.0) + 1.0
            return rise > self.wanted or newest > self._settled or late
        if polled - ended > self.expectation.budget * _PATIENCE + (self.lag.interval or 0.0):
            self.lag.low = polled - ended
            return True
        return False

    def _measure_rise(self, series: Series) -> tuple[float, float]:
        total, newest = 0.0, 0.0
        for key, samples in series.items():
            moment, value = self._before.get(key, (0.0, 0.0))
            later = [sample for at, sample in samples if at > moment]
            last = value
            for sample in later:
                if sample < last:
                    self.lag.problem = (
                        "the counter restarted meanwhile, so its rise is unknown; drive it again"
                    )
                last = sample
            total += last - value
            newest = max(newest, samples[-1][0])
        return total, newest

    def _read(self) -> Series:
        window = format_duration(_LOOK_BACK + _AHEAD)
        answer = self.source.instant(f"{self.expectation.selector}[{window}]", time.time() + _AHEAD)
        if not isinstance(answer, Matrix):
            return {}
        series = {}
        for number, labels in enumerate(answer.labels):
            present = answer.present[number]
            times = np.asarray(answer.times)[present].tolist()
            values = np.asarray(answer.values[number])[present].tolist()
            if times:
                series[tuple(sorted(labels.items()))] = list(zip(times, values, strict=True))
        return series

    def _interval(self, series: Series) -> float | None:
        """Return the longest scrape interval of the jobs that the counter's series come from."""
        intervals = self.source.scrape_intervals
        jobs = {dict(key).get("job", "") for key in series} or {str(self.expectation.match.get("job", ""))}
        if jobs == {""}:
            return max(intervals.values(), default=None)
        of_jobs = [intervals.get(job, intervals.get("")) for job in jobs]
        return None if None in of_jobs else max(seconds for seconds in of_jobs if seconds is not None)


def poll_until_risen(
    watches: Sequence[CounterWatch], ended: float, pause: Callable[[float], None] = time.sleep
) -> None:
    """Poll some counters until each has risen, gone wrong or been given up; ``ended`` is monotonic."""
    open_ = [watch for watch in watches if not watch.done]
    previous = dict.fromkeys(map(id, open_), ended)
    wait = _FIRST_PAUSE
    while open_:
        still_open = []
        for watch in open_:
            polled = time.monotonic()
            if not watch.poll(ended, previous[id(watch)]):
                still_open.append(watch)
            previous[id(watch)] = polled
        open_ = still_open
        if open_:
            pause(wait)
            wait = min(wait * _GROWTH, _MAX_PAUSE)
