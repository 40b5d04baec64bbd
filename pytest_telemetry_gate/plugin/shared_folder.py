"""The folder in which xdist's workers share answers; it imports little, since idle controllers load it."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Generator

import pytest

__all__ = ["SharedFolder", "remove_leftovers"]

_PLUGIN = "telemetry_gate_folder"
_PREFIX, _SUFFIX = "pytest-telemetry-gate-", ".answers"  # of its name


class SharedFolder:
    """Made by the controller for its user alone, and held locked while that lives; registered as a plugin.

    Whoever can lock it later knows that its controller has ended without removing it. It is removed here and not in the
    workers, which may be interrupted or die; workers that still judge when it is gone end themselves.
    """

    def __init__(self) -> None:
        self.path, self._lock = _make()

    @classmethod
    def of(cls, config: pytest.Config) -> SharedFolder:
        """Return the folder of a session, which is made when it is first asked for."""
        folder = config.pluginmanager.get_plugin(_PLUGIN)
        if not isinstance(folder, cls):
            folder = cls()
            config.pluginmanager.register(folder, _PLUGIN)
        return folder

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Remove it when the workers have ended, or when their controller was interrupted."""
        try:
            return (yield)
        finally:
            self._remove()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Remove it where no tests were run."""
        self._remove()

    def pytest_unconfigure(self) -> None:
        """Give up the lock."""
        self._remove()
        with contextlib.suppress(OSError):
            os.close(self._lock)

    def _remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def _make() -> tuple[str, int]:
    """Return the path of a new folder, and the descriptor that holds it locked."""
    while True:
        folder = tempfile.mkdtemp(_SUFFIX, _PREFIX)
        if sys.platform == "win32":
            return folder, -1
        import fcntl

        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue  # taken for a dead run's before it could be locked
        with contextlib.suppress(OSError):  # some network's folders cannot be locked
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.path.exists(folder):  # noqa: PTH110 - nothing is imported for it
            return folder, descriptor
        os.close(descriptor)


def remove_leftovers() -> None:
    """Remove the folders of answers that this user's killed runs have left: those that no process holds locked."""
    if sys.platform == "win32":
        return
    import fcntl

    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        names = [
            entry.path for entry in entries if entry.name.startswith(_PREFIX) and entry.name.endswith(_SUFFIX)
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
