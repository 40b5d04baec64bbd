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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pytest_telemetry_gate.errors import DriveError

__all__ = ["Done", "run_command"]

_GRACE = 1.0  # seconds between asking a process group to end and killing it
_HUNT = 10.0  # seconds to look for children that fork as fast as they are killed
_LOOKS = 3  # in a row that must find none: a single one may miss a child that forks meanwhile
_BLOCK = 64 * 1024
_MARK = "PYTEST_TELEMETRY_COMMAND"  # marks children, to find those that have left the process group


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended: its exit code, its output as far as it was kept, and how long it took in seconds."""

    exit: int
    output: str
    seconds: float
    timed_out: bool


def run_command(
    argv: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    stdin: bytes,
    timeout: float,
    max_output: int,
) -> Done:
    """Run a program without a shell in a process group of its own, which is gone when this returns.

    Of its output the last ``max_output`` bytes are kept. Raises DriveError where it cannot be started.
    """
    mark = uuid.uuid4().hex
    started = time.monotonic()
    try:
        process = subprocess.Popen(  # noqa: S603 - running the suite's command is what this is for
            list(argv),
            cwd=cwd,
            env={**environ, _MARK: mark},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        message = f"cannot run {argv[0]!r}: {getattr(error, 'strerror', None) or error}"
        raise DriveError(message) from None
    output = _Output(process.stdout, max_output)  # type: ignore[arg-type]
    feeder = threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True)
    feeder.start()
    timed_out = False
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        timed_out = True
    finally:
        seconds = time.monotonic() - started
        _end(process, mark, gently=timed_out)
    return Done(process.returncode, output.text(), seconds, timed_out)


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


def _end(process: subprocess.Popen[bytes], mark: str, *, gently: bool) -> None:
    """Kill the process group, and whatever has left it."""
    if sys.platform == "win32":
        process.kill()
        process.wait()
        return
    if gently:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    give_up = time.monotonic() + _HUNT
    empty = 0
    while empty < _LOOKS and time.monotonic() < give_up:
        empty += 1
        for stray in _strays(mark):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(stray, signal.SIGKILL)
            empty = 0
    process.wait()


def _strays(mark: str) -> Iterator[int]:
    """Yield processes that have the command's mark in their environment, where there is a /proc.

    The youngest come first: a process that forks all the time would be gone before the rest of /proc is read.
    """
    marked = f"{_MARK}={mark}".encode()
    with contextlib.suppress(FileNotFoundError):
        numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        for number in sorted(numbers, reverse=True):
            with contextlib.suppress(OSError):
                if marked in Path(f"/proc/{number}/environ").read_bytes().split(b"\0"):
                    yield number
