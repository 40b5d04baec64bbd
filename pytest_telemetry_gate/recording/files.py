"""Replace a file in one step: one writer at a time, and whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pytest_telemetry_gate.errors import RecordingError

__all__ = ["hold_lock", "replace_file"]

_PATIENCE = 300.0  # seconds that one writer waits for another: writing a large recording takes a minute
_POLL = 0.05  # seconds between two tries


@contextlib.contextmanager
def hold_lock(path: Path, *, patience: float = _PATIENCE) -> Iterator[None]:
    """Hold the lock for writing a file; another process that needs it waits, and a dead process holds none.

    Raises RecordingError where another process still writes after ``patience`` seconds, OSError where the folder
    cannot be written.
    """
    from filelock import FileLock, Timeout  # late: gates that record nothing need no lock

    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.with_name(f".{path.name}.lock")
    file.touch()  # raises at once in a folder that takes no files; filelock would retry until its timeout
    lock = FileLock(file, timeout=patience)
    try:
        lock.acquire(poll_interval=_POLL)
    except Timeout:
        message = f"{path}: another process is writing it, and holds {file.name}"
        raise RecordingError(message) from None
    try:
        yield
    finally:
        # Before the release, since afterwards the file may be another process's. A process that waits for the
        # removed file tries again. Windows removes no open file: there filelock removes it.
        with contextlib.suppress(OSError):
            file.unlink()
        lock.release()


@contextlib.contextmanager
def replace_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file to write, which replaces ``path`` if the context ends well and is removed otherwise.

    To be called under ``hold_lock``, so that it can remove unfinished files that dead processes have left.
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
