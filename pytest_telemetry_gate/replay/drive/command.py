"""Run a command that may hang, fork or print without end: bounded time and memory, no process left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.replay.drive.guard import MARK, kill_processes
from pytest_telemetry_gate.replay.drive.guarded import guarding

__all__ = ["Done", "run_command"]

_GRACE = 1.0  # seconds between asking a process group to end and killing it
_SHORT_GRACE = 0.3  # the same where the session ends, which waits for it
_LOOK = 0.05  # seconds between two looks whether the session ends
_BLOCK = 64 * 1024
_NEVER = threading.Event()


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended: its exit code, what it printed as far as that was kept, and how long it took in seconds."""

    exit: int
    output: str
    errors: str
    seconds: float
    timed_out: bool

    @property
    def last_line(self) -> str:
        """The last line that it printed: of errors, else of its output."""
        lines = self.errors.strip().splitlines() or self.output.strip().splitlines()
        return lines[-1] if lines else ""


def run_command(
    argv: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    stdin: bytes,
    timeout: float,
    max_output: int,
    stopped: threading.Event = _NEVER,
) -> Done:
    """Run a program without a shell in a process group of its own, which is gone when this returns.

    Of its output and of its errors the last ``max_output`` bytes are kept. It ends with this process, however that ends, and soon after
    ``stopped`` is set. Raises DriveError where it cannot be started, or was stopped.
    """
    mark = uuid.uuid4().hex
    with guarding(mark) as guard_process:
        started = time.monotonic()
        try:
            process = subprocess.Popen(  # noqa: S603 - running the suite's command is what this is for
                list(argv),
                cwd=cwd,
                env={**environ, MARK: mark},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            message = f"cannot run {argv[0]!r}: {getattr(error, 'strerror', None) or error}"
            raise DriveError(message) from None
        grace = 0.0
        try:
            guard_process(process.pid)
            output = _Output(process.stdout, max_output)  # type: ignore[arg-type]
            errors = _Output(process.stderr, max_output)  # type: ignore[arg-type]
            feeder = threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True)
            feeder.start()
            timed_out = not _wait(process, timeout, stopped)
            seconds = time.monotonic() - started
            if timed_out:
                grace = _SHORT_GRACE if stopped.is_set() else _GRACE
        finally:
            _end(process, mark, grace)
    if timed_out and stopped.is_set():
        message = f"{argv[0]!r} was ended with the session"
        raise DriveError(message)
    return Done(process.returncode, output.text(), errors.text(), seconds, timed_out)


def _wait(process: subprocess.Popen[bytes], timeout: float, stopped: threading.Event) -> bool:
    """Wait until a process ends or is to be ended; return whether it did so in time."""
    give_up = time.monotonic() + timeout
    while not stopped.is_set() and (left := give_up - time.monotonic()) > 0:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(min(_LOOK, left))
            return True
    return False


class _Output:
    """Reads a pipe to its end in a thread, and keeps the last bytes."""

    def __init__(self, pipe: IO[bytes], limit: int) -> None:
        self._pipe = pipe
        self._limit = limit
        self._kept = bytearray()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        # Closed here, since a process that escaped may hold the other end for longer than anybody waits.
        with contextlib.suppress(OSError, ValueError), self._pipe:
            while block := os.read(self._pipe.fileno(), _BLOCK):
                self._kept += block
                if len(self._kept) > 2 * self._limit:
                    del self._kept[: -self._limit]

    def text(self) -> str:
        """Return what was kept."""
        self._thread.join(_GRACE)
        return bytes(self._kept[-self._limit :]).decode("utf-8", "replace")


def _feed(pipe: IO[bytes], content: bytes) -> None:
    with contextlib.suppress(OSError):
        pipe.write(content)
    with contextlib.suppress(OSError):
        pipe.close()


def _end(process: subprocess.Popen[bytes], mark: str, grace: float) -> None:
    """Kill the process group and whatever has left it; asked to end first, it has ``grace`` seconds for that."""
    if sys.platform == "win32":
        process.kill()
        process.wait()
        return
    if grace:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    kill_processes({mark: process.pid})
    process.wait()
