"""Wait for a checkpoint, and say how long that will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from pytest_telemetry_gate.support.durations import format_short_duration, format_time

__all__ = ["countdown", "wait_until"]

_MAX_NAMED = 3  # checkpoints


def wait_until(
    moment: float,
    show: Callable[[float], None],
    *,
    every: float,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when the wall clock has come to a moment (seconds since the epoch).

    ``show`` is called with the time at once and then every ``every`` seconds. The clock is read again and again, so
    that a machine which slept meanwhile does not wait too long.
    """
    shown_at = float("-inf")
    while (now := clock()) < moment:
        if now - shown_at >= every:
            show(now)
            shown_at = now
        sleep(min(1.0, moment - now))


def countdown(moment: float, now: float, checkpoints: Sequence[str]) -> str:
    """Return the line about the wait: ``waiting for 24h, due 2025-01-23T22:00:30Z: 1h 5m``."""
    named = ", ".join(checkpoints[:_MAX_NAMED]) + (", ..." if len(checkpoints) > _MAX_NAMED else "")
    return f"waiting for {named}, due {format_time(moment)}: {format_short_duration(max(0.0, moment - now))}"
