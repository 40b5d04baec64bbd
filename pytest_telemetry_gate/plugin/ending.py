"""However a session ends: signals that end it in order, workers that outlive it, and what killed runs have left."""

from __future__ import annotations

import _thread
import contextlib
import os
import shutil
import signal
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any

import pytest

from pytest_telemetry_gate.plugin.roles import Role
from pytest_telemetry_gate.plugin.wire_names import FOLDER_PREFIX, FOLDER_SUFFIX

__all__ = ["EndHooks", "remove_leftovers"]

_POLL = 0.1  # seconds between two looks whether the run is over
_GRACE = 5.0  # seconds in which the end of a session is not interrupted again


class EndHooks:
    """Registered once in each process of a session with telemetry items.

    SIGTERM and SIGHUP become what Ctrl-C is, where nobody else handles them: pytest ends what runs and writes its
    reports. While it does so, further signals wait. A worker ends when its controller has ended.
    """

    def __init__(self, role: Role) -> None:
        self._role = role
        self._process = os.getpid()
        self._replaced: dict[int, Any] = {}
        self._ending_since = -_GRACE
        self._missed = False
        self._watch_ended = threading.Event()

    def pytest_configure(self) -> None:
        """Begin; pytest calls this as soon as the plugin is registered, however late that is."""
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                self._handle(getattr(signal, name), instead_of=signal.SIG_DFL)
        if self._role.reports:
            remove_leftovers()
        else:
            _watch(self._role.is_over, self._watch_ended)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """End with pytest where a plugin runs each test in a process that it forks."""
        if os.getpid() != self._process:
            parent = os.getppid()
            _watch(lambda: os.getppid() != parent, threading.Event())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Let no signal keep reports from being written."""
        self._watch_ended.set()
        self._handle(signal.SIGINT, instead_of=signal.default_int_handler)
        self._ending_since = time.monotonic()
        result = yield
        if self._missed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.INTERRUPTED
        return result

    def pytest_unconfigure(self) -> None:
        """Put the handlers back that were there before, unless somebody has replaced them since."""
        self._watch_ended.set()
        for number, before in self._replaced.items():
            if signal.getsignal(number) == self._interrupt:
                signal.signal(number, before)
        self._replaced.clear()

    def _handle(self, number: signal.Signals, *, instead_of: object) -> None:
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(number) == instead_of:
            self._replaced[number] = signal.signal(number, self._interrupt)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            # A process that a test has forked ends as it would have without us.
            signal.signal(number, self._replaced.get(number, signal.SIG_DFL))
            os.kill(os.getpid(), number)
            return
        now = time.monotonic()
        if now - self._ending_since < _GRACE:
            self._missed = True
            return
        self._ending_since = now
        message = f"{signal.Signals(number).name} has ended the session"
        raise KeyboardInterrupt(message)


def _watch(is_over: Callable[[], bool], ended: threading.Event) -> None:
    """Interrupt this process when the run is over, unless it has ended by itself."""

    def watch() -> None:
        while not ended.wait(_POLL):
            if is_over():
                if sys.platform == "win32":
                    _thread.interrupt_main()
                else:
                    os.kill(os.getpid(), signal.SIGTERM)  # wakes a main thread that waits, too
                return

    threading.Thread(target=watch, name="telemetry-gate-watch", daemon=True).start()


def remove_leftovers() -> None:
    """Remove the folders of answers that this user's killed runs have left: those that no process holds locked."""
    if sys.platform == "win32":
        return
    import fcntl

    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        names = [
            entry.path
            for entry in entries
            if entry.name.startswith(FOLDER_PREFIX) and entry.name.endswith(FOLDER_SUFFIX)
        ]
        for path in names:
            with contextlib.suppress(OSError):
                folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                try:
                    found = os.fstat(folder)
                    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) == stat.S_IRWXU:
                        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        shutil.rmtree(path, ignore_errors=True)
                finally:
                    os.close(folder)
