"""``*.replay.yaml`` files as pytest items: one for each case in each region at the chosen checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from pytest_telemetry_gate.errors import TelemetryGateError
from pytest_telemetry_gate.gate.plan import require_known
from pytest_telemetry_gate.model.answers import Answer, Capture
from pytest_telemetry_gate.model.dossier import CASE, Dossier, Requirement
from pytest_telemetry_gate.model.environment import Environment
from pytest_telemetry_gate.model.facts import OtherFacts
from pytest_telemetry_gate.model.questions import CaptureQuestion, Question
from pytest_telemetry_gate.model.verdict import Outcome, Verdict
from pytest_telemetry_gate.plugin.carried import carried_by
from pytest_telemetry_gate.plugin.items import TelemetryFile, TelemetryItem, run_item
from pytest_telemetry_gate.replay.captured import CapturedCase
from pytest_telemetry_gate.replay.ci_logs import CiComparison, judge_ci
from pytest_telemetry_gate.replay.judge.cases import dossier_from, judge_capture, judge_case
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.replay.suite.model import CI_LOGS, ReplayCase, ReplaySuite
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
                cases: list[ReplayCase | None] = [*suite.cases_at(checkpoint)]
                if checkpoint in suite.ci_checkpoints:
                    cases.append(None)
                for case in cases:
                    name = CI_LOGS if case is None else case.id
                    question = CaptureQuestion(region, str(self.path), checkpoint, name)
                    items.append(ReplayItem.make(self, suite, case, question, environment))
        self.run.denominator.count_file(self.path, len(items))
        return items


class ReplayItem(TelemetryItem):
    """One case in one region at one checkpoint as a test case, or the CI logs where there is no case."""

    suite: ReplaySuite
    case: ReplayCase | None
    question: CaptureQuestion
    noun = "replay"
    _dossier: Dossier | None = None

    @classmethod
    def make(
        cls,
        parent: ReplayFile,
        suite: ReplaySuite,
        case: ReplayCase | None,
        question: CaptureQuestion,
        environment: Environment,
    ) -> ReplayItem:
        """Return the item of a case, or of the CI logs where there is none."""
        names_region = len(environment.regions) > 1
        suffix = f"{question.region}-{question.checkpoint}" if names_region else question.checkpoint
        item: ReplayItem = cls.from_parent(parent, name=f"{question.case}[{suffix}]", callobj=run_item)
        item.run, item.environment = parent.run, environment
        item.suite, item.case, item.question = suite, case, question
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
        return self.suite.ci_line if self.case is None else self.case.line

    def questions(self) -> Sequence[Question]:
        """Return the one question: what the case captured."""
        return (self.question,)

    def judge(self) -> Dossier:
        """Drive the case, or take what was recorded, and judge it.

        A case is driven once. If another plugin runs the item again, the verdict stays: a pass on a retry is no pass.
        """
        if self._dossier is None:
            self._dossier = self._judge_answer()
        return self._dossier

    def _judge_answer(self) -> Dossier:
        answer = self.run.gates.of(self.environment).answer(self.question)
        dossier = self._decide(answer, {"environment": self.environment.name, "source": answer.source})
        dossier = dossier.revise(region=self.question.region)
        # The suite's own texts may hold secrets of telemetry.yaml, through its variables.
        return Dossier.from_wire(scrub_texts(dossier.to_wire(), self.environment.scrub))

    def _decide(self, answer: Answer, fields: dict[str, Any]) -> Dossier:
        if answer.error:
            return self._plain(Outcome.ERROR, answer.error, fields)
        captured = answer.value.content if isinstance(answer.value, Capture) else None
        try:
            if self.case is not None:
                if captured is None:
                    return judge_case(self.suite, self.case, None, missing=answer.extent, **fields)
                capture = CapturedCase.from_wire(captured)
                judgement = judge_capture(self.suite, self.case, capture)
                carried_by(self).exercised = list(judgement.exercised)
                return dossier_from(self.suite, self.case, capture, judgement, **fields)
            settings = self.suite.file.ci_logs
            if captured is None or settings is None:
                return self._plain(Outcome.INCONCLUSIVE, answer.extent, fields)
            logs = CiComparison.from_wire(captured)
            dossier = self._plain(*judge_ci(settings, logs.before, logs.after), fields)
            return dossier.revise(facts=[OtherFacts("replay", {"ci_logs": logs.to_wire()})])
        except TelemetryGateError as error:
            return self._plain(Outcome.ERROR, str(error), fields)

    def _plain(self, outcome: Outcome, reason: str, fields: dict[str, Any]) -> Dossier:
        """Return a verdict without a capture of telemetry."""
        title = "skipped CI stages and retries" if self.case is None else self.case.title
        verdict = Verdict(
            suite=self.suite.name,
            suite_title=self.suite.title,
            group="CI" if self.case is None else "Cases",
            criterion=self.question.case,
            title=title,
            region=self.question.region,
            checkpoint=self.question.checkpoint,
            outcome=outcome,
            reason=reason,
            path=self.suite.path,
            line=self.line,
            **fields,
        )
        return Dossier(verdict, Requirement(kind=CASE))
