"""Try until something holds: as long as somebody has patience, the gate has time, and anything can still change."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pytest_telemetry_gate.errors import ConfigError, WaitError
from pytest_telemetry_gate.model.environment import Deadline
from pytest_telemetry_gate.support.durations import format_short_duration, parse_duration

__all__ = ["Attempt", "Patience", "read_patience"]

_GRACE = 1.0  # seconds at least that the last try may take


@dataclass(frozen=True, slots=True)
class Attempt:
    """Whether something holds and what it gives, or the one line why not.

    ``stuck`` says why nothing will change, where nothing can.
    """

    holds: bool
    result: Any = None
    reason: str = ""
    stuck: str = ""


@dataclass(frozen=True, slots=True)
class Patience:
    """For how long something is waited for, and how long is paused between two tries, in seconds.

    ``deadline`` is that of the gate. ``clock`` (seconds, only rising) and ``pause`` are the machine's.
    """

    timeout: float
    every: float
    deadline: Deadline
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    pause: Callable[[float], None] = field(default=time.sleep, repr=False)

    def wait(self, what: str, attempt: Callable[[Callable[[], float]], Attempt]) -> Any:
        """Return the result of the first attempt that holds; raises WaitError with the last one's reason.

        At least one is made, and the last when the time is over. Each is given what tells how many seconds are left for it:
        until the time is over, and a moment for the answers to what is asked then.
        """
        __tracebackhide__ = True
        self.deadline.start()
        end, tries = self.clock() + self.timeout, 0
        grace = max(self.every, _GRACE)

        def left() -> float:
            return min(end + grace - self.clock(), self.deadline.remaining())

        while True:
            is_last = tries > 0 and end <= self.clock()
            tried = attempt(left)
            tries += 1
            if tried.holds:
                return tried.result
            if tried.stuck:
                message = f"{what} does not hold: {tried.reason}; {tried.stuck}"
                raise WaitError(message)
            if is_last or self.deadline.remaining() <= 0:
                times = "once" if tries == 1 else f"{tries} times"
                message = f"{what} did not hold {self._limit()}, tried {times}; last: {tried.reason}"
                raise WaitError(message)
            self.pause(max(0.0, min(self.every, end - self.clock(), self.deadline.remaining())))

    def _limit(self) -> str:
        if self.deadline.remaining() <= 0:
            return f"before the gate's deadline of {format_short_duration(self.deadline.seconds)}"
        return f"within {format_short_duration(self.timeout)}"


def read_patience(timeout: float | str, every: float | str, deadline: Deadline) -> Patience:
    """Return what ``timeout`` and ``every`` mean, in seconds or as texts such as 2m; raises ConfigError."""
    return Patience(_seconds("timeout", timeout), _seconds("every", every), deadline)


def _seconds(name: str, value: float | str) -> float:
    try:
        seconds = parse_duration(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        message = (
            f"wait_until: {name} {value!r} is neither a number of seconds above 0 nor a duration such as 30s"
        )
        raise ConfigError(message)
    return seconds
