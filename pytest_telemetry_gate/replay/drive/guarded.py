"""Have everything that is driven end with this process, however that ends."""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.replay.drive import guard
from pytest_telemetry_gate.replay.drive.guard import MARK, kill_processes

__all__ = ["guarding", "kill_started", "kill_started_alone", "marked_environment"]

_END = 1.0  # seconds that it has at the end of this process


class _Guard:
    """The process that kills what is driven when this one has ended; it is started when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0  # a forked process has a guard of its own
        self._ended = False

    def tell(self, line: str) -> None:
        """Send a line; raises DriveError where there can be no guard."""
        if sys.platform == "win32":
            return
        with self._lock:
            if self._ended:
                message = "nothing is driven any more, since this process ends"
                raise DriveError(message)
            try:
                self._send(line)
            except OSError:
                self._forget()  # somebody has killed it
                try:
                    self._send(line)
                except OSError as error:
                    message = f"cannot start the process that ends what is driven: {error.strerror or error}"
                    raise DriveError(message) from None

    def _send(self, line: str) -> None:
        if self._process is None or self._owner != os.getpid():
            self._process, self._owner = _start(), os.getpid()
            atexit.register(self.end)
        if self._process.stdin is not None:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()

    def _forget(self) -> None:
        if self._process is not None:
            self._process.kill()
            with contextlib.suppress(OSError):
                self._process.communicate()
            self._process = None

    def end(self) -> None:
        """Have it kill what is left, and wait a moment for that."""
        with self._lock:
            if self._process is None or self._owner != os.getpid():
                return
            self._ended = True
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                self._process.communicate(timeout=_END)


def _start() -> subprocess.Popen[bytes]:
    # With no variable of ours: nested in a driven command, it must not be found by that one's mark. It holds neither the
    # terminal's pipes nor a folder, and a signal to the group of pytest does not reach it.
    return subprocess.Popen(  # noqa: S603 - our own file
        [sys.executable, "-I", "-S", guard.__file__],
        cwd=Path(sys.executable).anchor or None,
        env={},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


_guard = _Guard()
_environment_lock = threading.Lock()
_started_mark = uuid.uuid4().hex  # of whatever Python functions start
_marking = 0


@contextlib.contextmanager
def guarding(mark: str) -> Iterator[Callable[[int], None]]:
    """Have whatever carries a mark killed if this process ends within the context; raises DriveError.

    Yields a function that names the process which leads it.
    """
    _guard.tell(f"+ {mark} 0")
    try:
        yield lambda leader: _guard.tell(f"+ {mark} {leader}")
    finally:
        with contextlib.suppress(DriveError):
            _guard.tell(f"- {mark}")


@contextlib.contextmanager
def marked_environment() -> Iterator[None]:
    """Have the processes that are started within the context killed when this process ends; raises DriveError."""
    global _marking  # noqa: PLW0603 - as the environment itself
    _guard.tell(f"+ {_started_mark} 0")
    with _environment_lock:
        _marking += 1
        os.environ[MARK] = _started_mark
    try:
        yield
    finally:
        with _environment_lock:
            _marking -= 1
            if not _marking:
                os.environ.pop(MARK, None)


def kill_started() -> None:
    """Kill what Python functions have started and not ended."""
    if _marking:
        kill_processes({_started_mark: 0})


def kill_started_alone() -> None:
    """Kill what the only Python function that runs has started; of several it cannot be told whose it is."""
    if _marking == 1:
        kill_processes({_started_mark: 0})
