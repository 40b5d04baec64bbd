"""Cases of replay suites in hand-written tests: ``telemetry.replay``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.model.answers import Answer, Capture
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.questions import CaptureQuestion
from pytest_telemetry_gate.model.verdict import Verdict
from pytest_telemetry_gate.replay.captured import CapturedCase
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.replay.suite.model import ReplaySuite
from pytest_telemetry_gate.replay.verdicts import ReplayedItem, replayed_at
from pytest_telemetry_gate.support.secrets import scrub_texts
from pytest_telemetry_gate.support.suggestions import suggest

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.gate import Gate
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.plugin.session import GateRun

__all__ = ["ReplayedCase", "replay_case"]

_KIND = "replay"  # of the requirement, as of a criterion about a replay suite


@dataclass(frozen=True, slots=True)
class ReplayedCase:
    """A case as it was judged, and what it exported: ``.spans``, ``.metrics`` and ``.logs`` of its traces.

    ``telemetry`` is empty where nothing was captured, of which the verdict says why.
    """

    dossier: Dossier
    telemetry: TelemetryData

    @property
    def verdict(self) -> Verdict:
        """The verdict on the case."""
        return self.dossier.verdict


def replay_case(
    run: GateRun, gate: Gate, check: Check, path: Path, case: str, *, checkpoint: str | None = None
) -> ReplayedCase:
    """Judge a case of the replay suite at ``path``, for the test that ``check`` is about; raises SuiteError or ConfigError."""
    settings = gate.environment.regions[check.region].replay
    suite = load_replay(path, run.environments.display_path(path), region=check.region, settings=settings)
    item = _find(suite, case, _checkpoint(run, check, suite, checkpoint), check, path)
    answers: list[Answer] = []

    def ask(question: CaptureQuestion) -> Answer:
        answers.append(gate.answer(question))
        return answers[-1]

    dossier = item.judge(ask, gate.environment.name).dossier
    # It stands where the test does, beside whatever else that checks; the suite's own item is another one.
    verdict = replace(
        dossier.verdict,
        suite=check.suite.suite,
        suite_title=check.suite.title,
        group=check.group,
        path=check.path,
        line=check.criterion.line,
        sequence=check.sequence,
    )
    placed = replace(dossier, verdict=verdict, requirement=replace(dossier.requirement, kind=_KIND))
    scrubbed = scrub_texts(placed.to_wire(), gate.environment.scrub)
    return ReplayedCase(Dossier.from_wire(scrubbed), _telemetry(answers))


def _checkpoint(run: GateRun, check: Check, suite: ReplaySuite, told: str | None) -> str:
    """Return at which checkpoint a case is driven: as told, the test's own, the chosen one, or the last."""
    if told is not None:
        if told not in suite.checkpoints:
            message = f"replay: {suite.path} has no checkpoint {told!r}{suggest(told, suite.checkpoints)}"
            raise check.error(message)
        return told
    if check.checkpoint.id in suite.checkpoints:
        return check.checkpoint.id
    return (suite.driven_checkpoints(run.options.checkpoints) or suite.checkpoints)[-1]


def _find(suite: ReplaySuite, case: str, checkpoint: str, check: Check, path: Path) -> ReplayedItem:
    items = replayed_at(suite, checkpoint, path=str(path), region=check.region)
    named = {item.name.case: item for item in items}
    if case not in named:
        message = f"replay: {suite.path} has no case {case!r} at {checkpoint}{suggest(case, named)}"
        raise check.error(message)
    return named[case]


def _telemetry(answers: list[Answer]) -> TelemetryData:
    """Return what was captured; nothing of what is no capture, or cannot be read, of which the verdict tells."""
    telemetry = TelemetryData()
    for answer in answers:
        if not isinstance(answer.value, Capture):
            continue
        try:
            captured = CapturedCase.from_wire(answer.value.content).telemetry()
        except CorpusError:
            continue
        telemetry.spans += captured.spans
        telemetry.metrics += captured.metrics
        telemetry.logs += captured.logs
    return telemetry
