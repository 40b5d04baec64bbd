"""Wait for a checkpoint, and say for how long yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from pytest_telemetry_gate.support.durations import format_short_duration, format_time

__all__ = ["countdown", "wait_until"]

_SHOWN = 3  # checkpoints named


def wait_until(
    moment: float,
    tell: Callable[[float], None],
    *,
    every: float,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when the wall clock has come to a moment (seconds since the epoch).

    ``tell`` is called with the time at the beginning and ``every`` so many seconds after that. The clock is read
    again and again, so that a machine which slept meanwhile does not wait too long.
    """
    told = float("-inf")
    while (now := clock()) < moment:
        if now - told >= every:
            tell(now)
            told = now
        sleep(min(1.0, moment - now))


def countdown(moment: float, now: float, checkpoints: Sequence[str]) -> str:
    """Return the line that says what is waited for: ``waiting for 24h, due 2025-01-23T22:00:30Z: 1h 5m``."""
    named = ", ".join(checkpoints[:_SHOWN]) + (", ..." if len(checkpoints) > _SHOWN else "")
    return f"waiting for {named}, due {format_time(moment)}: {format_short_duration(max(0.0, moment - now))}"
