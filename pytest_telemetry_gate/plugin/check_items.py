"""``*.gate.yaml`` files as pytest items: a file holds groups, a group holds one item for each check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.gate.gate import questions_of
from pytest_telemetry_gate.gate.plan import choose_checks, plan_checks
from pytest_telemetry_gate.gate.told_apart import require_told_apart
from pytest_telemetry_gate.gate.usable_settings import require_answerable, require_usable
from pytest_telemetry_gate.model.check import ALL_REGIONS, Check
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.environment import Environment
from pytest_telemetry_gate.model.questions import Question
from pytest_telemetry_gate.plugin.items import TelemetryFile, TelemetryItem, run_item
from pytest_telemetry_gate.support.text import harmless

__all__ = ["CheckItem", "GateFile", "order_by_region"]


class GateFile(TelemetryFile):
    """A ``*.gate.yaml`` file."""

    def items(self, environment: Environment) -> Iterable[Group]:
        """Yield the suite's groups."""
        environments, options = self.run.environments, self.run.options
        suite = environments.suite(self.path, environment)
        planned = plan_checks(suite, environment, options.approvals, lambda: self.run.past)
        if options.variables:
            for check in planned:
                environments.know_variables(variables_of(check))
        chosen = choose_checks(planned, checkpoints=options.checkpoints, regions=options.regions)
        try:
            read = dict.fromkeys(name for check in chosen for name in check.regions)
            require_usable([environment.regions[name] for name in read], self.run.registry)
            require_answerable(chosen, environment, self.run.registry)
            require_told_apart(planned, environment)
        except ConfigError as error:
            # What is wrong is the environment, in which no file of the session can be judged.
            self.run.role.refuse(self.run.exits.line(error))
            return
        self.run.denominator.count_file(self.path, len(chosen))
        self.run.denominator.leave_out_criteria(_left_out(planned, chosen))
        checks: dict[str, list[Check]] = {name: [] for name in suite.groups}
        for check in chosen:
            checks[check.group].append(check)
        for name, of_group in checks.items():
            yield Group.make(self, name, of_group, environment)


def _left_out(planned: Sequence[Check], chosen: Sequence[Check]) -> Iterable[str]:
    """Return the criteria over all regions of which the choice of regions left nothing."""
    judged = {check.criterion.id for check in chosen}
    return (
        check.criterion.id
        for check in planned
        if check.region == ALL_REGIONS and check.criterion.id not in judged
    )


def variables_of(check: Check) -> Sequence[str]:
    """Return the variables of the replay suite that a check is about, if it is about one."""
    from pytest_telemetry_gate.replay.criterion import Replay

    return check.criterion.variables(check) if isinstance(check.criterion, Replay) else ()


class Group(pytest.Collector):
    """A group of criteria in a suite."""

    checks: list[Check]
    environment: Environment

    @classmethod
    def make(cls, parent: GateFile, name: str, checks: list[Check], environment: Environment) -> Group:
        """Return the collector of a group."""
        group: Group = cls.from_parent(parent, name=harmless(name))
        group.checks, group.environment = checks, environment
        return group

    def collect(self) -> Iterable[CheckItem]:
        """Yield one item for each check."""
        file = self.getparent(GateFile)
        if file is None:
            return
        names_region = len(self.environment.regions) > 1
        shared = None
        for check in self.checks:
            suffix = f"{check.region}-{check.checkpoint.id}" if names_region else check.checkpoint.id
            name = f"{check.criterion.id}[{suffix}]"
            item: CheckItem = CheckItem.from_parent(self, name=name, callobj=run_item, fixtureinfo=shared)
            # All items of a group call the same function, so what pytest finds out about its fixtures is the same.
            # Finding it out takes a third of the time of collecting an item, so it is done once.
            shared = getattr(item, "_fixtureinfo", None)
            item.run, item.environment, item.check = file.run, self.environment, check
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


class CheckItem(TelemetryItem):
    """One check as a test case."""

    check: Check
    noun = "criterion"

    @property
    def line(self) -> int:
        """The criterion's line in the suite file, from 1."""
        return self.check.criterion.line

    def questions(self) -> Sequence[Question]:
        """Return the check's questions; none if its criterion raises, since judging it will raise the same."""
        return questions_of(self.check)

    def judge(self) -> Dossier:
        """Judge the check."""
        with self.run.progress.waiting(self.environment, self.nodeid):
            return self.run.gates.of(self.environment).judge(self.check)


def order_by_region(items: list[pytest.Item]) -> None:
    """Put the checks of each suite in the order of its regions: one region's data is read, used and forgotten.

    Checks that judge all regions come last; other items keep their places.
    """
    places = [place for place, item in enumerate(items) if isinstance(item, CheckItem)]
    checks = [item for item in items if isinstance(item, CheckItem)]
    suites = {path: number for number, path in enumerate(dict.fromkeys(item.path for item in checks))}
    regions = {
        id(item.environment): {name: number for number, name in enumerate(item.environment.regions)}
        for item in checks
    }

    def rank(item: CheckItem) -> tuple[int, int]:
        order = regions[id(item.environment)]
        return suites[item.path], order.get(item.check.region, len(order))

    for place, item in zip(places, sorted(checks, key=rank), strict=True):
        items[place] = item
