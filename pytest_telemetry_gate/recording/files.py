"""Replace a file in one step: one writer at a time, and whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pytest_telemetry_gate.errors import RecordingError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["locked", "replacing"]

_PATIENCE = 300.0  # seconds that one writer waits for another: writing a large recording takes a minute
_POLL = 0.05  # seconds between two tries


@contextlib.contextmanager
def locked(path: Path, *, patience: float = _PATIENCE) -> Iterator[None]:
    """Hold the one right to write a file; another process that wants it waits, and a dead one holds nothing.

    Raises RecordingError where another process still writes after ``patience`` seconds, OSError where the folder
    cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    give_up = time.monotonic() + patience
    file = lock.open("ab")
    try:
        while not (_taken(file) and _in_place(file, lock)):
            if time.monotonic() > give_up:
                message = f"{path}: another process is writing it, and holds {lock.name}"
                raise RecordingError(message)
            time.sleep(_POLL)
            file.close()
            file = lock.open("ab")
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # Windows removes no file that is open
                lock.unlink()
    finally:
        file.close()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write that takes the place of ``path`` when the context ends well, and is gone otherwise.

    To be called under ``locked``: what dead processes have left under such names is then nobody's, and is removed.
    """
    for leftover in path.parent.glob(f".{_literal(path.name)}.*.tmp"):
        leftover.unlink(missing_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        _sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()


def _taken(file: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _in_place(file: IO[bytes], lock: Path) -> bool:
    """Tell whether the file is still the one of that name; whoever held the lock before has removed its own."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), lock.stat())
    except FileNotFoundError:
        return False


def _literal(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _sync_folder(folder: Path) -> None:
    """Force the rename itself to disk, where the system can open a folder for that (Windows cannot)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
