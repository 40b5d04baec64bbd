"""``--telemetry-wait``: wait until the next selected checkpoint is due, and show how long that will take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pytest_telemetry_gate.gate.gate import Gate
from pytest_telemetry_gate.model.check import Check
from pytest_telemetry_gate.support.durations import format_short_duration, format_time

__all__ = ["Due", "countdown", "next_due", "wait_for_checkpoint", "wait_until"]

_PIPED_COUNTDOWN = 300.0  # seconds between the lines of a countdown that cannot be rewritten
_MAX_NAMED = 3  # checkpoints


class Due(NamedTuple):
    """When checkpoints are due (seconds since the epoch), and which."""

    moment: float
    checkpoints: Sequence[str]


def wait_for_checkpoint(
    checks: Mapping[Gate, Sequence[Check]],
    *,
    at_most: float,
    reporter: Any,
    verbosity: int,
    every: bool = False,
) -> None:
    """Wait until all checks at the next checkpoint are due, unless that is longer than ``at_most`` seconds.

    With ``every`` it waits for the checks at all checkpoints. ``reporter`` is pytest's terminal reporter, or None where
    nothing must be written.
    """
    due = next_due(checks, at_most=at_most, every=every)
    if due is None or due.moment <= time.time():
        return
    display = _Countdown(None if verbosity < 0 else reporter, due)
    if due.moment - time.time() > at_most:
        display.refuse()
        return
    wait_until(due.moment, display, every=display.interval)
    display.end()
    for gate in checks:
        gate.read_clock()
        gate.environment.deadline.reset()


def next_due(
    checks: Mapping[Gate, Sequence[Check]], *, at_most: float = math.inf, every: bool = False
) -> Due | None:
    """Return when the wall clock will have made all checks at the next checkpoint due; None where there is none.

    Regions and jobs are scraped at intervals of their own, so the slowest of them counts. With ``every`` the checks at
    all checkpoints do. ``at_most`` is how many seconds the caller would wait.
    """
    for gate, gate_checks in checks.items():
        gate.open_for(gate_checks)
    waiting = [
        (check.time, moment, check.checkpoint.id)
        for gate, gate_checks in checks.items()
        for check in gate_checks
        if (moment := gate.waits_for(check, at_most=at_most)) is not None
    ]
    if not waiting:
        return None
    until = max(waiting)[0] if every else min(waiting)[0]
    chosen = [(moment, name) for time, moment, name in sorted(waiting) if time <= until]
    return Due(max(moment for moment, _ in chosen), [*dict.fromkeys(name for _, name in chosen)])


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


class _Countdown:
    """Writes one changing line on a terminal, a line now and then into a pipe, nothing without a reporter."""

    def __init__(self, reporter: Any, due: Due) -> None:
        self._reporter = reporter
        self._due = due
        self._rewritten = reporter is not None and reporter.isatty
        self.interval = 1.0 if self._rewritten else _PIPED_COUNTDOWN

    def __call__(self, now: float) -> None:
        if self._rewritten:
            self._reporter.rewrite(self._line(now), erase=True)
        elif self._reporter is not None:
            self._reporter.write_line(self._line(now))

    def refuse(self) -> None:
        """Say that it would take too long."""
        if self._reporter is not None:
            line = f"not {self._line(time.time())}, longer than --telemetry-wait allows"
            self._reporter.write_line(line, yellow=True)

    def end(self) -> None:
        """End the line that changed."""
        if self._rewritten:
            self._reporter.write_line("")

    def _line(self, now: float) -> str:
        return countdown(self._due.moment, now, self._due.checkpoints)
