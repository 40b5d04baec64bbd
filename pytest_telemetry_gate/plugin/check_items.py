"""Suite files as pytest items: a file holds groups, a group holds one item for each check."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import pytest

from pytest_telemetry_gate.errors import ConfigError, TelemetryGateError
from pytest_telemetry_gate.gate import plan
from pytest_telemetry_gate.model.check import Check
from pytest_telemetry_gate.model.environment import Environment
from pytest_telemetry_gate.plugin.session import CHECK, ENVIRONMENT, GateRun

__all__ = ["CheckItem", "GateFile", "TelemetryFile"]


class TelemetryFile(pytest.File):
    """A file whose items are judged in an environment; ``items`` yields what the file holds there."""

    run: GateRun

    @classmethod
    def of(cls, parent: pytest.Collector, path: Path, run: GateRun) -> Self:
        """Return the collector of a file."""
        file = cls.from_parent(parent, path=path)
        file.run = run
        return file

    def count(self) -> None:
        """Take the file's items into the denominator although they are not collected."""
        for _ in self.collect():
            pass

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Yield what the file holds; whatever is wrong with it is one line of a collection error."""
        try:
            environment = self.run.environment(self.path.parent)
        except ConfigError as error:
            # Without an environment there is nothing to collect: the session stops with a usage error after
            # collection, which a worker cannot raise without looking like a crash.
            if self.run.worker is not None:
                raise self.CollectError(str(error)) from None
            self.run.problem = self.run.problem or error
            return
        try:
            yield from self.items(environment)
        except TelemetryGateError as error:
            raise self.CollectError(str(error)) from None

    def items(self, environment: Environment) -> Iterable[pytest.Item | pytest.Collector]:
        """Yield what the file holds; raises TelemetryGateError."""
        raise TypeError(type(self))


class GateFile(TelemetryFile):
    """A ``*.gate.yaml`` file."""

    def items(self, environment: Environment) -> Iterable[Group]:
        """Yield the suite's groups."""
        suite = self.run.suite(self.path)
        chosen = plan.chosen(
            plan.checks(suite, environment),
            checkpoints=self.config.getoption("--telemetry-checkpoint"),
            regions=self.config.getoption("--telemetry-region"),
        )
        self.run.count(self.path, len(chosen))
        for name in suite.groups:
            yield Group.of(self, name, [check for check in chosen if check.group == name], environment)


class Group(pytest.Collector):
    """A group of criteria in a suite."""

    checks: list[Check]
    environment: Environment

    @classmethod
    def of(cls, parent: GateFile, name: str, checks: list[Check], environment: Environment) -> Group:
        """Return the collector of a group."""
        group: Group = cls.from_parent(parent, name=name)
        group.checks, group.environment = checks, environment
        return group

    def collect(self) -> Iterable[CheckItem]:
        """Yield one item for each check."""
        file = self.getparent(GateFile)
        if file is None:
            return
        several = len(self.environment.regions) > 1
        shared = None
        for check in self.checks:
            where = f"{check.region}-{check.checkpoint.id}" if several else check.checkpoint.id
            name = f"{check.criterion.id}[{where}]"
            item: CheckItem = CheckItem.from_parent(self, name=name, callobj=criterion, fixtureinfo=shared)
            # All items of a group call the same function at the same place, so what pytest finds out about its
            # fixtures is the same; finding it out again takes a third of the time of collecting an item.
            shared = getattr(item, "_fixtureinfo", None)
            item.run = file.run
            item.stash[CHECK], item.stash[ENVIRONMENT] = check, self.environment
            item.add_marker(
                pytest.mark.telemetry(
                    env=self.environment.name,
                    suite=check.suite.suite,
                    group=check.group,
                    criterion=check.criterion.id,
                    region=check.region,
                    checkpoint=check.checkpoint.id,
                    level=check.criterion.level,
                )
            )
            yield item


class CheckItem(pytest.Function):
    """One check as a test case; fixtures that are used automatically apply to it."""

    run: GateRun

    @property
    def id(self) -> Any:
        """Return the node id as pytest 9.2 and later read it back from ``--lf``'s cache: what is in brackets apart."""
        return type(super().id).parse(self.nodeid)

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int, str]:
        """Point at the criterion's line in the suite file."""
        return self.path, self.stash[CHECK].criterion.line - 1, f"criterion: {self.name}"

    def decide(self) -> None:
        """Judge the check; the run concludes from the verdict whether the item passes."""
        self.run.judge(self, self.stash[CHECK], self.stash[ENVIRONMENT])


def criterion(request: pytest.FixtureRequest) -> None:
    """Run a check; this is the function that every check's item calls."""
    request.node.decide()
