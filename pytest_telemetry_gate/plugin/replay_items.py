"""``*.replay.yaml`` files as pytest items: one for each case in each region at the chosen checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from pytest_telemetry_gate.gate.plan import require_known
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.environment import Environment
from pytest_telemetry_gate.model.questions import Question
from pytest_telemetry_gate.plugin.carried import carried_by
from pytest_telemetry_gate.plugin.items import TelemetryFile, TelemetryItem, run_item
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.replay.verdicts import ReplayedItem, replayed_at
from pytest_telemetry_gate.support.secrets import scrub_texts

__all__ = ["ReplayFile", "ReplayItem"]


class ReplayFile(TelemetryFile):
    """A ``*.replay.yaml`` file."""

    def items(self, environment: Environment) -> Iterable[ReplayItem]:
        """Yield one item for each case in each region at the chosen checkpoints: the last one where none is chosen."""
        options = self.run.options
        require_known("--telemetry-region", options.regions, environment.regions)
        shown = self.run.environments.display_path(self.path)
        items: list[ReplayItem] = []
        for region, settings in environment.regions.items():
            if options.regions and region not in options.regions:
                continue
            suite = load_replay(self.path, shown, region=region, settings=settings.replay)
            self.run.environments.know_variables(suite.own_variables)
            for checkpoint in suite.driven_checkpoints(options.checkpoints):
                replayed = replayed_at(suite, checkpoint, path=str(self.path), region=region)
                items += [ReplayItem.make(self, one, environment) for one in replayed]
        self.run.denominator.count_file(self.path, len(items))
        return items


class ReplayItem(TelemetryItem):
    """One case in one region at one checkpoint as a test case, or what is judged of all cases, or the CI logs."""

    replayed: ReplayedItem
    noun = "replay"
    _dossier: Dossier | None = None

    @classmethod
    def make(cls, parent: ReplayFile, replayed: ReplayedItem, environment: Environment) -> ReplayItem:
        """Return the item of what is judged."""
        suite, question = replayed.suite, replayed.name
        names_region = len(environment.regions) > 1
        suffix = f"{question.region}-{question.checkpoint}" if names_region else question.checkpoint
        item: ReplayItem = cls.from_parent(parent, name=f"{question.case}[{suffix}]", callobj=run_item)
        item.run, item.environment, item.replayed = parent.run, environment, replayed
        item.add_marker(
            pytest.mark.telemetry(
                env=environment.name,
                suite=suite.name,
                criterion=question.case,
                region=question.region,
                checkpoint=question.checkpoint,
            )
        )
        # One process drives a suite, so that it is best given all of its items.
        if parent.config.pluginmanager.hasplugin("xdist"):  # whose marker nobody else knows
            item.add_marker(pytest.mark.xdist_group(name=f"telemetry-replay-{suite.name}"))
        return item

    @property
    def line(self) -> int:
        """The line of the case in its file, from 1."""
        return self.replayed.line

    def questions(self) -> Sequence[Question]:
        """Return what its cases captured."""
        return self.replayed.questions

    def judge(self) -> Dossier:
        """Drive the case, or take what was recorded, and judge it.

        A case is driven once. If another plugin runs the item again, the verdict stays: a pass on a retry is no pass.
        """
        if self._dossier is None:
            self._dossier = self._judge_answer()
        return self._dossier

    def _judge_answer(self) -> Dossier:
        gate = self.run.gates.of(self.environment)
        judged = self.replayed.judge(gate.answer, self.environment.name)
        if judged.exercised is not None:
            carried_by(self).exercised = list(judged.exercised)
        # The suite's own texts may hold secrets of telemetry.yaml, through its variables.
        return Dossier.from_wire(scrub_texts(judged.dossier.to_wire(), self.environment.scrub))
