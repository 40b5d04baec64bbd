"""The wait for a checkpoint: by the wall clock, told now and then."""

from __future__ import annotations

import pytest

from pytest_telemetry_gate.plugin.waiting import countdown, wait_until


class Clock:
    """A clock that only sleeping moves, and a machine's own sleep."""

    def __init__(self, jumps: float = 0.0) -> None:
        self.now = 1000.0
        self.jumps = jumps

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds + self.jumps


@pytest.mark.parametrize(("every", "told"), [(5.0, [1000.0, 1005.0, 1010.0]), (60.0, [1000.0])])
def test_it_waits_exactly_and_tells_now_and_then(every, told):
    clock, heard = Clock(), []
    wait_until(1012.5, heard.append, every=every, clock=clock, sleep=clock.sleep)
    assert clock.now == 1012.5
    assert heard == told


def test_a_moment_that_is_over_is_not_waited_for():
    clock, heard = Clock(), []
    wait_until(1000.0, heard.append, every=1.0, clock=clock, sleep=clock.sleep)
    assert (clock.now, heard) == (1000.0, [])


def test_a_machine_that_slept_does_not_wait_again():
    clock, heard = Clock(jumps=3600.0), []
    wait_until(5000.0, heard.append, every=1.0, clock=clock, sleep=clock.sleep)
    assert clock.now == 1000 + 2 * 3601


def test_the_line_of_a_countdown():
    due = 1_737_669_630.0
    assert countdown(due, due - 3900, ["24h"]) == "waiting for 24h, due 2025-01-23T22:00:30Z: 1h 5m"
    assert countdown(due, due + 1, list("abcd")) == "waiting for a, b, c, ..., due 2025-01-23T22:00:30Z: 0s"
