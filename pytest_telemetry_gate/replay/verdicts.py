"""The verdict on each item of a replay suite, from the answers to what its cases captured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from pytest_telemetry_gate.errors import CorpusError, TelemetryGateError
from pytest_telemetry_gate.model.answers import Answer, Capture
from pytest_telemetry_gate.model.dossier import CASE, Dossier, Requirement, Step
from pytest_telemetry_gate.model.facts import OtherFacts
from pytest_telemetry_gate.model.questions import CaptureQuestion
from pytest_telemetry_gate.model.verdict import Outcome, Verdict
from pytest_telemetry_gate.replay.captured import CapturedCase
from pytest_telemetry_gate.replay.ci_logs import CiComparison, judge_ci
from pytest_telemetry_gate.replay.judge.cardinality import judge_cardinality
from pytest_telemetry_gate.replay.judge.cases import dossier_from, judge_capture, judge_case
from pytest_telemetry_gate.replay.suite.model import CARDINALITY, CI_LOGS, ReplayCase, ReplaySuite

__all__ = ["JudgedItem", "ReplayedItem", "replayed_at"]

Ask: TypeAlias = Callable[[CaptureQuestion], Answer]


@dataclass(frozen=True, slots=True)
class JudgedItem:
    """A dossier, and the fields of contracts that a case exercised; None where nothing was held against contracts."""

    dossier: Dossier
    exercised: Sequence[str] | None = None


def replayed_at(suite: ReplaySuite, checkpoint: str, *, path: str, region: str) -> list[ReplayedItem]:
    """Return what a suite judges at a checkpoint: its cases, what they are together, then the logs of the CI.

    ``path`` is the file's.
    """

    def question(name: str) -> CaptureQuestion:
        return CaptureQuestion(region, path, checkpoint, name)

    items: list[ReplayedItem] = [
        _ReplayedCase(suite, question(case.id), case) for case in suite.cases_at(checkpoint)
    ]
    if suite.cardinalities_at(checkpoint):
        items.append(_ReplayedCardinality(suite, question(CARDINALITY)))
    if checkpoint in suite.ci_checkpoints:
        items.append(_ReplayedCiLogs(suite, question(CI_LOGS)))
    return items


@dataclass(frozen=True, slots=True)
class ReplayedItem(ABC):
    """Something that has one verdict in one region at one checkpoint; ``name`` has the item's name in its place for a case."""

    suite: ReplaySuite
    name: CaptureQuestion

    @property
    @abstractmethod
    def line(self) -> int:
        """Its line in the suite's file, from 1."""

    @property
    def questions(self) -> Sequence[CaptureQuestion]:
        """What has to be known before it can be judged."""
        return (self.name,)

    def judge(self, ask: Ask, environment: str) -> JudgedItem:
        """Judge the answers to the questions; whatever is wrong with them is a verdict that says so."""
        judged = self._decide(ask, {"environment": environment})
        return JudgedItem(judged.dossier.revise(region=self.name.region), judged.exercised)

    @abstractmethod
    def _decide(self, ask: Ask, fields: dict[str, Any]) -> JudgedItem:
        """Judge the answers; ``fields`` are fields of the verdict."""

    def _plain(
        self, outcome: Outcome, reason: str, fields: Mapping[str, Any], *, group: str, title: str
    ) -> Dossier:
        """Return a verdict without a capture of telemetry."""
        verdict = Verdict(
            suite=self.suite.name,
            suite_title=self.suite.title,
            group=group,
            criterion=self.name.case,
            title=title,
            region=self.name.region,
            checkpoint=self.name.checkpoint,
            outcome=outcome,
            reason=reason,
            path=self.suite.path,
            line=self.line,
            **fields,
        )
        return Dossier(verdict, Requirement(kind=CASE))


@dataclass(frozen=True, slots=True)
class _ReplayedCase(ReplayedItem):
    """A case."""

    case: ReplayCase

    @property
    def line(self) -> int:
        return self.case.line

    def _decide(self, ask: Ask, fields: dict[str, Any]) -> JudgedItem:
        answer = ask(self.name)
        fields["source"] = answer.source
        if answer.error:
            return self._undecided(answer.error, fields)
        if not isinstance(answer.value, Capture):
            return JudgedItem(judge_case(self.suite, self.case, None, missing=answer.extent, **fields))
        try:
            capture = CapturedCase.from_wire(answer.value.content)
            judgement = judge_capture(self.suite, self.case, capture)
        except TelemetryGateError as error:
            return self._undecided(str(error), fields)
        dossier = dossier_from(self.suite, self.case, capture, judgement, **fields)
        return JudgedItem(dossier, list(judgement.exercised))

    def _undecided(self, reason: str, fields: Mapping[str, Any]) -> JudgedItem:
        title = self.case.title
        return JudgedItem(self._plain(Outcome.ERROR, reason, fields, group="Cases", title=title))


@dataclass(frozen=True, slots=True)
class _ReplayedCardinality(ReplayedItem):
    """The cardinality of metrics in all cases together."""

    @property
    def line(self) -> int:
        first = self.suite.cardinalities_at(self.name.checkpoint)[0]
        return self.suite.contract_lines[first.name]

    @property
    def questions(self) -> Sequence[CaptureQuestion]:
        limits = self.suite.cardinalities_at(self.name.checkpoint)
        names = dict.fromkeys(case.id for limit in limits for case in limit.cases)
        return [replace(self.name, case=name) for name in names]

    def _decide(self, ask: Ask, fields: dict[str, Any]) -> JudgedItem:
        answers = {question.case: ask(question) for question in self.questions}
        fields["source"] = ", ".join(dict.fromkeys(answer.source for answer in answers.values()))
        captured = {case: _read(answer) for case, answer in answers.items()}
        findings = [*judge_cardinality(self.suite, self.name.checkpoint, captured)]
        worst_first = sorted(findings, key=lambda finding: -finding.level.rank)
        wrong = [finding for finding in worst_first if finding.level is not Outcome.PASS]
        told = wrong or worst_first
        more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
        outcome = told[0].level if told else Outcome.INCONCLUSIVE
        reason = f"{told[0].message}{more}" if told else "nothing was captured"
        dossier = self._plain(
            outcome, reason, fields, group="Contracts", title="cardinality of all cases together"
        )
        steps = [Step(finding.id, finding.message) for finding in findings if finding.level is Outcome.PASS]
        return JudgedItem(replace(dossier, steps=tuple(steps), findings=tuple(wrong)))


@dataclass(frozen=True, slots=True)
class _ReplayedCiLogs(ReplayedItem):
    """The logs of the CI."""

    @property
    def line(self) -> int:
        return self.suite.ci_line

    def _decide(self, ask: Ask, fields: dict[str, Any]) -> JudgedItem:
        answer, settings = ask(self.name), self.suite.file.ci_logs
        fields["source"] = answer.source
        if answer.error:
            return JudgedItem(self._of_ci(Outcome.ERROR, answer.error, fields))
        if not isinstance(answer.value, Capture) or settings is None:
            return JudgedItem(self._of_ci(Outcome.INCONCLUSIVE, answer.extent, fields))
        try:
            logs = CiComparison.from_wire(answer.value.content)
            dossier = self._of_ci(*judge_ci(settings, logs.before, logs.after), fields)
        except TelemetryGateError as error:
            return JudgedItem(self._of_ci(Outcome.ERROR, str(error), fields))
        return JudgedItem(dossier.revise(facts=[OtherFacts("replay", {"ci_logs": logs.to_wire()})]))

    def _of_ci(self, outcome: Outcome, reason: str, fields: Mapping[str, Any]) -> Dossier:
        return self._plain(outcome, reason, fields, group="CI", title="skipped CI stages and retries")


def _read(answer: Answer) -> CapturedCase | str:
    """Return what a case captured, or why that is not known."""
    if not isinstance(answer.value, Capture):
        return answer.error or answer.extent or "nothing was captured"
    try:
        return CapturedCase.from_wire(answer.value.content)
    except CorpusError as error:
        return str(error)
