"""Signals that would end a process at once become interrupts, and wait while the session is ending."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType
from typing import Any

__all__ = ["SignalHandlers"]

_GRACE = 5.0  # seconds in which the end of a session is not interrupted again
_NAMES = ("SIGTERM", "SIGHUP")  # Windows has no other


class SignalHandlers:
    """Handles signals for this process, from ``begin`` to ``end``; those that others handle stay theirs.

    SIGTERM and SIGHUP raise KeyboardInterrupt in the main thread. After ``wait`` these two and SIGINT are only noted,
    in ``missed``, for as long as the end of a session should take.
    """

    def __init__(self) -> None:
        self.missed = False
        self._replaced: dict[int, Any] = {}
        self._waits_since = -_GRACE

    def begin(self) -> None:
        """Turn signals into interrupts."""
        for name in _NAMES:
            if hasattr(signal, name):
                self._handle(getattr(signal, name), instead_of=signal.SIG_DFL)
        if self._replaced:
            _in_charge.append(self)

    def wait(self) -> None:
        """Let signals wait, since the session is ending."""
        self._handle(signal.SIGINT, instead_of=signal.default_int_handler)
        self._waits_since = time.monotonic()

    def end(self) -> None:
        """Put back the handlers that were there before, unless somebody has replaced them since."""
        for number, before in self._replaced.items():
            if signal.getsignal(number) == self._interrupt:
                signal.signal(number, before)
        self._replaced.clear()
        if self in _in_charge:
            _in_charge.remove(self)

    def _handle(self, number: signal.Signals, *, instead_of: object) -> None:
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(number) == instead_of:
            self._replaced[number] = signal.signal(number, self._interrupt)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._waits_since < _GRACE:
            self.missed = True
            return
        self._waits_since = now
        message = f"{signal.Signals(number).name} has ended the session"
        raise KeyboardInterrupt(message)


_in_charge: list[SignalHandlers] = []
_masks = threading.local()


def _before_fork() -> None:
    # A signal that comes before the child has its handlers back must wait: Python would lose it.
    if _in_charge:
        _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, [getattr(signal, name) for name in _NAMES])


def _after_fork() -> None:
    if (before := getattr(_masks, "before", None)) is not None:
        _masks.before = None
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _after_fork_in_child() -> None:
    # A process that a test forks ends as it would without us.
    for handlers in [*_in_charge]:
        handlers.end()
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
