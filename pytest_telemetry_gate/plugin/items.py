"""What all tests of suite files have in common: files that are judged in an environment, and items with a verdict."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from pytest_telemetry_gate.errors import FOREIGN_ERRORS, ConfigError, TelemetryGateError
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.environment import Environment
from pytest_telemetry_gate.model.questions import Question
from pytest_telemetry_gate.plugin.carried import carried_by
from pytest_telemetry_gate.plugin.session import GateRun
from pytest_telemetry_gate.support.text import harmless

__all__ = ["TelemetryFile", "TelemetryItem", "is_telemetric", "run_item", "uses_telemetry"]

_RELATIVE_PATHS: pytest.StashKey[dict[Path, str]] = pytest.StashKey()


class TelemetryFile(pytest.File):
    """A file whose items are judged in an environment; ``items`` yields what the file holds there."""

    run: GateRun

    @classmethod
    def make(cls, parent: pytest.Collector, path: Path, run: GateRun) -> Self:
        """Return the collector of a file."""
        # A file may be called anything; pytest would make its node id of the name as it is.
        root = parent.config.rootpath
        named = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
        shown = harmless(named.replace("\n", "\\n"))
        options: dict[str, Any] = {} if shown == named else {"nodeid": shown}
        file = cls.from_parent(parent, path=path, **options)
        file.run = run
        return file

    def count_once(self) -> None:
        """Count the file's items in the denominator, unless it was collected already."""
        if not self.run.denominator.has_file(self.path):
            for _ in self.collect():
                pass

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Yield what the file holds; an error in it becomes one line of a collection error."""
        exits = self.run.exits
        self.run.role.check_folder()
        try:
            environment = self.run.environments.near(self.path.parent)
        except ConfigError as error:
            # Without an environment there is nothing to collect: no file of the session could be judged.
            self.run.role.refuse(exits.line(error))
            return
        try:
            yield from self.items(environment)
        except TelemetryGateError as error:
            raise exits.collect_error(error) from None
        except FOREIGN_ERRORS as error:
            # A criterion of a third party may raise anything when it is read.
            raise exits.collect_error(error, self.run.environments.display_path(self.path)) from error

    def items(self, environment: Environment) -> Iterable[pytest.Item | pytest.Collector]:
        """Yield what the file holds; raises TelemetryGateError."""
        raise TypeError(type(self))


class TelemetryItem(pytest.Function):
    """A test that has one verdict; automatic fixtures apply to it as to a function."""

    run: GateRun
    environment: Environment

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Set here, since attributes that are added later cost each item a dictionary of its own.
        self._parsed_id: Any = None
        self._location: tuple[str, int, str] | None = None

    @abstractmethod
    def questions(self) -> Sequence[Question]:
        """Return what has to be asked before it can be judged."""

    @abstractmethod
    def judge(self) -> Dossier:
        """Return its verdict with the evidence; if a question fails, the verdict says so."""

    @property
    @abstractmethod
    def line(self) -> int:
        """Its line in the suite file, from 1."""

    @property
    def id(self) -> Any:
        """Return the node id as pytest 9.2 and later read it back from ``--lf``'s cache, its brackets parsed.

        It is one object for all reports of the item, which keep it.
        """
        if self._parsed_id is None or str(self._parsed_id) != self.nodeid:
            self._parsed_id = type(super().id).parse(self.nodeid)
        return self._parsed_id

    @property
    def location(self) -> tuple[str, int | None, str]:
        """Return the file relative to the rootdir, the line from 0, and the name.

        The file is the same for many items, and pytest's own cache of it would cost a dictionary for each.
        """
        if self._location is None:
            paths = self.config.stash.setdefault(_RELATIVE_PATHS, {})
            if self.path not in paths:
                paths[self.path] = harmless(super().location[0])
            _, line, name = self.reportinfo()
            self._location = paths[self.path], line, name
        return self._location

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int, str]:
        """Point at the item's line in the suite file."""
        return self.path, self.line - 1, f"{self.noun}: {self.name}"

    noun = "test"  # in front of the name, which pytest would otherwise read as a path


def run_item(request: pytest.FixtureRequest) -> None:
    """Judge an item: this is the function that every item of a suite file calls."""
    item = request.node
    carried = carried_by(item)
    carried.asked = True
    carried.dossiers.append(item.judge())


def uses_telemetry(item: pytest.Item) -> bool:
    """Return whether an item is a hand-written test with the ``telemetry`` fixture."""
    return "telemetry_point" in getattr(item, "fixturenames", ())


def is_telemetric(item: pytest.Item) -> bool:
    """Return whether an item is judged by the gate: a check, a case of a replay, or a hand-written test."""
    return isinstance(item, TelemetryItem) or uses_telemetry(item)
