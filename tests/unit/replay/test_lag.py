"""Lags on a server that is played: what is proven, what is refused, and what nobody can conclude."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from pytest_telemetry_gate.promql import Matrix
from pytest_telemetry_gate.replay import lag
from pytest_telemetry_gate.replay.judge.lags import judge_counter_lag
from pytest_telemetry_gate.replay.lag import CounterWatch, poll_until_risen, why_unprovable
from pytest_telemetry_gate.replay.suite.expectations import CounterExpectation

EXPECTATION = CounterExpectation.model_validate(
    {"counter": "runs_total", "match": {"language": "go"}, "lag": "<= 2s"}
)
INTERVAL = 0.2


class Clock:
    """A clock that only sleeping moves; it stands where the module `time` stands."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now - 999_000.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Server:
    """Scrapes a counter every 200 ms; ``rises`` are pairs of seconds from now and increment."""

    scrape_intervals: Mapping[str, float] = {"": INTERVAL}

    def __init__(
        self, start: float | None, *rises: tuple[float, float], now: Callable[[], float] = time.time
    ) -> None:
        self._now = now
        self._began = now()
        self._start = start
        self._rises = rises
        self.lock = threading.Lock()

    def instant(self, promql: str, moment: float) -> Matrix:
        assert promql.startswith('runs_total{language="go"}[')
        times = np.arange(self._began - 5, self._now(), INTERVAL)
        values = np.full(len(times), -1.0 if self._start is None else self._start)
        for after, by in self._rises:
            values = np.where(times >= self._began + after, np.maximum(values, 0) + by, values)
        present = values >= 0
        return Matrix(
            labels=[{"__name__": "runs_total", "job": "p"}] if present.any() else [],
            times=times,
            values=values[None, :] if present.any() else np.empty((0, len(times))),
            present=present[None, :] if present.any() else np.empty((0, len(times)), dtype=bool),
        )


def judged(server: Server, clock: Clock, wanted: float = 1.0) -> tuple[str, str]:
    watch = CounterWatch(server, EXPECTATION, wanted)
    watch.begin()
    poll_until_risen([watch], clock.monotonic(), clock.sleep)
    outcome, told = judge_counter_lag(EXPECTATION, watch.lag, 1.0)
    return str(outcome), told


@pytest.mark.parametrize("start", [41.0, None], ids=["rising", "born at 1"])
def test_a_rise_is_bracketed(monkeypatch: pytest.MonkeyPatch, start: float | None) -> None:
    clock = Clock()
    monkeypatch.setattr(lag, "time", clock)
    server = Server(start, (0.5, 1.0), now=clock.time)
    watch = CounterWatch(server, EXPECTATION, 1.0)
    watch.begin()
    poll_until_risen([watch], clock.monotonic(), clock.sleep)
    assert watch.lag.low is not None
    assert watch.lag.high is not None
    assert 0.2 < watch.lag.low < watch.lag.high < 1.5
    assert watch.lag.seen == 1.0
    assert str(judge_counter_lag(EXPECTATION, watch.lag, 1.0)[0]) == "pass"


@pytest.mark.parametrize(
    ("rises", "wanted", "outcome", "told"),
    [
        ((41.0,), 1.0, "fail", "rose by 0, expected 1 within 2 s"),
        ((41.0, (2.6, 1.0)), 1.0, "fail", "+1 seen after 2."),
        ((41.0, (0.1, 14.0)), 15.0, "fail", "rose by 14, expected 15 (all cases driven together: +15)"),
        ((41.0, (0.1, 2.0)), 1.0, "fail", "rose by 2, expected exactly 1"),
        ((9.0, (0.1, -8.0)), 1.0, "inconclusive", "the counter restarted meanwhile"),
        ((9.0, (-0.3, 1.0)), 1.0, "inconclusive", "foreign traffic"),
    ],
    ids=["none", "late", "one lost of 15", "twice", "restart", "foreign"],
)  # fmt: skip
def test_what_must_not_pass(
    monkeypatch: pytest.MonkeyPatch, *, rises: tuple[Any, ...], wanted: float, outcome: str, told: str
) -> None:
    clock = Clock()
    monkeypatch.setattr(lag, "time", clock)
    found = judged(Server(*rises, now=clock.time), clock, wanted)
    assert found[0] == outcome
    assert told in found[1]


def test_what_cannot_be_proven_is_an_error_before_anything_is_driven() -> None:
    assert "cannot be proven" in why_unprovable(10.0, 15.0)
    assert not why_unprovable(10.0, 5.0)
    assert "does not report its scrape interval" in why_unprovable(10.0, None)
    server = Server(1.0)
    server.scrape_intervals = {"": 15.0}
    watch = CounterWatch(server, EXPECTATION, 1.0)
    watch.begin()
    assert str(judge_counter_lag(EXPECTATION, watch.lag, 1.0)[0]) == "error"
