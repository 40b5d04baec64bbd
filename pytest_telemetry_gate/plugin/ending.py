"""However a session ends: signals end it in order, and no worker outlives it."""

from __future__ import annotations

import _thread
import contextlib
import mmap
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Generator

import pytest

from pytest_telemetry_gate.plugin.session import GateRun
from pytest_telemetry_gate.plugin.shared_folder import remove_leftovers
from pytest_telemetry_gate.plugin.signal_handlers import SignalHandlers

__all__ = ["EndHooks"]

_POLL = 0.1  # seconds between two looks whether the run is over


class EndHooks:
    """Registered once in each process of a session with telemetry items.

    SIGTERM and SIGHUP become what Ctrl-C is: pytest ends what runs and writes its reports. While it does so, further
    signals wait. A worker ends when its controller has ended, a process that was forked for a test when its parent has.
    """

    def __init__(self, run: GateRun) -> None:
        self._run = run
        self._process = os.getpid()
        self._handlers = SignalHandlers()
        self._watch_ended = threading.Event()
        # A byte that forked processes share: whether this session has ended.
        self._is_over = mmap.mmap(-1, 1)

    def pytest_configure(self) -> None:
        """Begin; pytest calls this as soon as the plugin is registered, however late that is."""
        self._handlers.begin()
        if self._run.role.reports:
            remove_leftovers()
        else:
            _watch(self._run.role.is_over, self._watch_ended)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """End with pytest where a plugin runs each test in a process that it forks."""
        if os.getpid() != self._process:
            parent = os.getppid()
            _watch(lambda: os.getppid() != parent or self._is_over[0] != 0, threading.Event())

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Let no signal keep the session from ending in order, and the gate closed."""
        self._handlers.wait()
        if (
            excinfo.type is KeyboardInterrupt
        ):  # pytest's own kinds, as after errors of collection, say more themselves
            self._run.problems["the session was interrupted"] = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Let no signal keep reports from being written; one that came is told by the exit code."""
        self._watch_ended.set()
        self._is_over[0] = 1
        self._handlers.wait()
        if session.exitstatus == pytest.ExitCode.INTERRUPTED:
            _report_what_came(session.config)
        result = yield
        if self._handlers.missed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.INTERRUPTED
        return result

    def pytest_unconfigure(self) -> None:
        """Leave the process as it was."""
        self._watch_ended.set()
        self._handlers.end()


def _report_what_came(config: pytest.Config) -> None:
    """Report the tests that xdist's workers have reported and its interrupted controller has not read any more."""
    unread = getattr(config.pluginmanager.getplugin("dsession"), "queue", None)
    with contextlib.suppress(queue.Empty):
        while unread is not None:
            event, arguments = unread.get_nowait()
            if event == "testreport":
                report = arguments["rep"]
                report.node = arguments["node"]
                config.hook.pytest_runtest_logreport(report=report)


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
