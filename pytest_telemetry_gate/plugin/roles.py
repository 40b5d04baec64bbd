"""What one pytest process does in a run: alone, as the controller of xdist's workers, or as one of them."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_telemetry_gate.plugin.wire_names import COUNTS, FOLDER, MOMENT, REFUSED

__all__ = ["Alone", "Controller", "Role", "Worker", "role_of"]


class Role:
    """What differs between the processes of a run.

    ``moment`` is when the run began, in whole seconds since the epoch, the same in all of its processes.
    ``reports`` is whether it collects all verdicts, prints, records and fails the session; ``processes`` is how many
    processes judge the run, ``run_id`` xdist's id of it, ``folder`` where those of one machine share answers, which a
    process alone does not need.
    """

    reports = True
    processes = 1
    run_id: str | None = None
    folder: Path | None = None

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.problem = ""  # why the configuration cannot be used, empty where it can
        self.moment = float(int(time.time()))

    def refuse(self, message: str) -> None:
        """Take note that the configuration cannot be used; the session stops after collection."""
        self.problem = self.problem or message

    def check_folder(self) -> None:
        """Refuse a folder of shared answers that cannot be trusted."""

    def check_usable(self) -> None:
        """Raise UsageError where the configuration cannot be used."""
        if self.problem:
            raise pytest.UsageError(self.problem)

    def is_over(self) -> bool:
        """Return whether the run has ended, so that this process has nobody to judge for."""
        return False

    def send(self, counts: Mapping[str, Any]) -> None:
        """Send to the process that reports what this one counted, as builtins."""

    def terminal(self) -> Any:
        """Return pytest's terminal reporter, or None where this process must not write."""
        return self._config.pluginmanager.get_plugin("terminalreporter")


class Alone(Role):
    """The only process: it collects, judges and reports."""


class Controller(Role):
    """The process that distributes the tests: it judges nothing, and reports what its workers send."""


class Worker(Role):
    """One of several processes that judge: its verdicts and counts cross to the controller."""

    reports = False

    def __init__(self, config: pytest.Config) -> None:
        super().__init__(config)
        sent: Mapping[str, Any] = config.workerinput  # type: ignore[attr-defined]
        self.run_id = sent["testrunuid"]
        self.processes = int(sent["workercount"])
        self.moment = float(sent.get(MOMENT, self.moment))
        self.folder = Path(sent[FOLDER]) if FOLDER in sent else None
        self._controller = os.getppid()

    def check_folder(self) -> None:
        """Refuse a shared folder that is another user's, open to others, a link, or none at all."""
        if self.folder is None or sys.platform == "win32":
            return
        problem = ""
        try:
            found = self.folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
                problem = "is not this user's alone"
        except OSError as error:
            problem = f"cannot be used: {error.strerror}"
        if problem:
            self.refuse(f"{self.folder}: the folder of the answers that workers share {problem}")
            self.folder = None

    def is_over(self) -> bool:
        """Return whether the controller has died, or has removed the shared folder as it does at the end."""
        died = os.getppid() != self._controller
        if died and self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        return died or not (self.folder is None or self.folder.is_dir())

    def refuse(self, message: str) -> None:
        """Report it to xdist's controller, which ends the session; a usage error of a worker would look like a crash."""
        if not self.problem:
            report = pytest.CollectReport(nodeid="", outcome="failed", longrepr=message, result=[])
            setattr(report, REFUSED, message)
            self._config.hook.pytest_collectreport(report=report)
        super().refuse(message)

    def check_usable(self) -> None:
        """Leave it to the controller."""

    def send(self, counts: Mapping[str, Any]) -> None:
        """Put the counts where xdist carries them to the controller when this process ends."""
        self._config.workeroutput[COUNTS] = counts  # type: ignore[attr-defined]

    def terminal(self) -> Any:
        """Return None: only the controller writes."""
        return


def role_of(config: pytest.Config) -> Role:
    """Return the role of this process."""
    if hasattr(config, "workerinput"):
        return Worker(config)
    distributed = config.getoption("dist", "no") != "no" and not config.getoption("collectonly")
    return Controller(config) if distributed else Alone(config)
