"""Replace a file in one step: one writer at a time, and whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pytest_telemetry_gate.errors import RecordingError

__all__ = ["hold_lock", "remove_leftovers", "replace_file"]

_PATIENCE = 300.0  # seconds that one writer waits for another: writing a large recording takes a minute
_POLL = 0.05  # seconds between two tries
_DESCRIPTORS = Path("/proc/self/fd")  # where an open file without a name can be named from


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

    To be called under ``hold_lock``, so that it can remove unfinished files that dead processes have left. Where the
    system has files without a name, it has none until it is whole: a killed process leaves nothing.
    """
    _remove_unfinished(path)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    unnamed = _open_unnamed(path.parent)
    try:
        with unfinished.open("xb") if unnamed is None else unnamed as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if unnamed is not None:
                _give_name(file, unfinished)
        unfinished.replace(path)
        _sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()


def remove_leftovers(path: Path) -> None:
    """Remove what killed processes have left beside a file that they were writing; never raises."""
    if any(path.parent.glob(f".{_literal(path.name)}.*")):
        with contextlib.suppress(OSError, RecordingError), hold_lock(path, patience=0):
            _remove_unfinished(path)


def _remove_unfinished(path: Path) -> None:
    for leftover in path.parent.glob(f".{_literal(path.name)}.*.tmp"):
        leftover.unlink(missing_ok=True)


def _open_unnamed(folder: Path) -> IO[bytes] | None:
    """Open a file without a name for writing; None where the system or the folder has none."""
    if sys.platform != "linux" or not _DESCRIPTORS.is_dir():
        return None
    try:
        return os.fdopen(os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666), "w+b")
    except OSError:
        return None  # the reason comes from opening one with a name


def _give_name(file: IO[bytes], path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        # With a folder's descriptor the system call is the one that can follow the link, to the file itself.
        os.link(_DESCRIPTORS / str(file.fileno()), path.name, dst_dir_fd=folder, follow_symlinks=True)
    except OSError:
        # Some systems give such files and no name to them.
        file.seek(0)
        with path.open("xb") as copy:
            shutil.copyfileobj(file, copy)
            copy.flush()
            os.fsync(copy.fileno())
    finally:
        os.close(folder)


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
