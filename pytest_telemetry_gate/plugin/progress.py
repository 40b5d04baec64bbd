"""The line that says which server a gate waits for, and how far it is; nothing is said where answers come soon.

A thread writes it, and only while the main one waits or, under xdist, between two reports, so that pytest's own progress is
never written at the same time.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from typing import Any

import pytest

from pytest_telemetry_gate.model.environment import Environment
from pytest_telemetry_gate.plugin.heads import sources_of

__all__ = ["Progress"]

_TICK = 0.5  # seconds
_TERMINAL = (3.0, 1.0)  # seconds before the first line and between two, where the line can be rewritten
_LOG = (30.0, 60.0)


class Progress:
    """Shows how many of ``total`` checks are over while the gate waits; where there is no ``reporter`` it writes nothing.

    ``environments`` gives those that are judged. In xdist's controller ``watch()`` makes it a plugin of pytest.
    """

    def __init__(
        self,
        config: pytest.Config,
        reporter: Callable[[], Any],
        environments: Callable[[], list[Environment]],
    ) -> None:
        self._config = config
        self._find_reporter = reporter
        self._environments = environments
        self._lock = threading.RLock()  # reports may be written while one is being written
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._since: float | None = None  # when the waiting began, by the monotonic clock
        self._written_at: float | None = None
        self._over: set[str] = set()
        self._watched: frozenset[str] = frozenset()
        self.total = 0

    @cached_property
    def _reporter(self) -> Any:
        """pytest's reporter, which is registered after the first options were read; None where nothing is shown."""
        return self._find_reporter() if self._config.get_verbosity() >= 0 else None

    @cached_property
    def _pauses(self) -> tuple[float, float]:
        return _TERMINAL if self._reporter.isatty else _LOG

    @contextmanager
    def waiting(self, environment: Environment, name: str = "") -> Iterator[None]:
        """Show the line while the body waits for a live environment; ``name`` is the check that is over afterwards."""
        if not _is_live(environment) or self._reporter is None:
            yield
            return
        self._begin()
        try:
            yield
        finally:
            with self._lock:
                self._since = None
                self._erase()
            if name:
                self._over.add(name)

    def watch(self, checks: Iterable[str]) -> None:
        """Show the line whenever no report of these node ids has come for a while, where xdist's workers report to."""
        self._watched = frozenset(checks)
        self.total = len(self._watched)
        if self._reporter is not None and any(map(_is_live, self._environments())):
            self._config.pluginmanager.register(self, "telemetry_gate_progress")
            self._begin()

    def end(self) -> None:
        """Show nothing any more."""
        self._ended.set()
        with self._lock:
            self._since = None
            self._erase()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        """Wait from this report on, if it is waited between reports; it is written without the line in between."""
        if report.nodeid in self._watched:
            self._over.add(report.nodeid)
        with self._lock:
            self._erase()
            yield
            if self._since is not None:
                self._since = time.monotonic() if len(self._over) < self.total else None

    def _begin(self) -> None:
        self._since = time.monotonic()
        if self._thread is None:
            self._thread = threading.Thread(target=self._tick, name="telemetry-gate-progress", daemon=True)
            self._thread.start()

    def _tick(self) -> None:
        while not self._ended.wait(_TICK):
            if self._since is None:
                continue  # without the lock, which a process that is forked meanwhile would find locked
            with self._lock:
                if self._since is not None and self._is_due(time.monotonic(), self._since):
                    self._write()

    def _is_due(self, now: float, since: float) -> bool:
        (first, interval), last = self._pauses, self._written_at
        return now - since >= first and (last is None or now - last >= interval)

    def _write(self) -> None:
        reporter = self._reporter
        with self._uncaptured():
            if not reporter.isatty:
                reporter.ensure_newline()
                reporter.write_line(self._line())
            else:
                if self._written_at is None:
                    reporter.ensure_newline()
                width = shutil.get_terminal_size().columns - 1  # a longer line could not be rewritten
                reporter.rewrite(self._line()[:width], erase=True)
            reporter.flush()
        self._written_at = time.monotonic()

    def _erase(self) -> None:
        """Take a line off the terminal; the caller holds the lock."""
        if self._written_at is None or not self._reporter.isatty:
            return
        with self._uncaptured():
            self._reporter.rewrite("", erase=True)
            self._reporter.rewrite("")  # back to the beginning of the line
            self._reporter.flush()
        self._written_at = None

    def _uncaptured(self) -> AbstractContextManager[None]:
        """Let through what is written: the output of a test is captured meanwhile, and this is none."""
        capture = self._config.pluginmanager.get_plugin("capturemanager")
        return nullcontext() if capture is None else capture.global_and_fixture_disabled()

    def _line(self) -> str:
        named = [
            f"{environment.name} ({environment.scrub(sources_of(environment))})"
            for environment in self._environments()
            if _is_live(environment)
        ]
        waits = self._watched and self._config.getoption("--telemetry-wait") is not None
        due = "checkpoints to be due, then for " if waits and not self._over else ""
        return f"waiting for {due}answers of {', '.join(named)}: {len(self._over)} of {self.total} checks"


def _is_live(environment: Environment) -> bool:
    return any(settings.source != "recording" for settings in environment.regions.values())
