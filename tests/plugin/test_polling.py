"""How often something is tried, until when, and what is said in the end: by a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.errors import WaitError
from pytest_telemetry_gate.model.environment import Deadline
from pytest_telemetry_gate.plugin.polling import Attempt, Patience


@dataclass
class Clock:
    """A clock that pauses move; ``tries`` are the times of attempts, each of which takes ``slow`` seconds."""

    slow: float = 0.0
    now: float = 100.0
    tries: list[float] = field(default_factory=list)
    left: list[float] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds

    def wait(
        self, timeout: float, every: float, *, holds_at: float = float("inf"), stuck: str = ""
    ) -> object:
        def attempt(left: Callable[[], float]) -> Attempt:
            self.tries.append(self.now - 100)
            self.left.append(left())
            self.now += self.slow
            return Attempt(self.tries[-1] >= holds_at, "found", "not yet", stuck)

        return Patience(timeout, every, Deadline(), lambda: self.now, self.pause).wait("it", attempt)


def test_it_is_tried_at_once_then_every_while_and_when_the_time_is_over() -> None:
    clock = Clock()
    with pytest.raises(WaitError, match=r"^it did not hold within 10s, tried 4 times; last: not yet$"):
        clock.wait(10, 4)
    assert clock.tries == [0, 4, 8, 10]
    assert clock.left == [14, 10, 6, 4], "the time that is left, and a moment for the last answer"


def test_what_holds_ends_the_wait() -> None:
    clock = Clock()
    assert clock.wait(10, 4, holds_at=8) == "found"
    assert clock.tries == [0, 4, 8]
    assert Clock().wait(10, 4, holds_at=9) == "found", "the last try, when the time is over, counts"
    assert Clock().wait(10, 4, holds_at=0) == "found"


def test_what_cannot_change_is_tried_once() -> None:
    clock = Clock()
    with pytest.raises(WaitError, match=r"^it does not hold: not yet; nothing will change: a recording$"):
        clock.wait(10, 4, stuck="nothing will change: a recording")
    assert clock.tries == [0]


def test_a_try_that_takes_all_the_time_is_followed_by_a_last_one() -> None:
    clock = Clock(slow=60)
    with pytest.raises(WaitError, match="within 10s, tried 2 times"):
        clock.wait(10, 4)
    assert clock.tries == [0, 60]


def test_the_gates_deadline_ends_the_wait() -> None:
    deadline = Deadline(0.0)
    tries = []

    def attempt(left: Callable[[], float]) -> Attempt:
        tries.append(left())
        return Attempt(holds=False, reason="not yet")

    with pytest.raises(
        WaitError, match="it did not hold before the gate's deadline of 0s, tried once; last: not yet"
    ):
        Patience(3600, 60, deadline, pause=lambda _: pytest.fail("paused")).wait("it", attempt)
    assert tries[0] <= 0


@given(timeout=st.floats(0.01, 1e4), every=st.floats(0.1, 1e3), slow=st.floats(0, 50))
def test_no_wait_is_longer_than_it_may_be(timeout: float, every: float, slow: float) -> None:
    clock = Clock(slow)
    with pytest.raises(WaitError):
        clock.wait(timeout, every)
    assert 2 <= len(clock.tries) <= timeout / every + 3
    assert clock.now - 100 <= timeout + 2 * slow + 1e-6
    assert max(clock.tries) >= timeout - 1e-6 or slow > 0
