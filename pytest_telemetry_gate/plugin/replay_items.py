"""The pytest side of replays: suites as items, and what a run keeps and stores of what they captured."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_telemetry_gate.errors import TelemetryGateError
from pytest_telemetry_gate.gate import plan
from pytest_telemetry_gate.model.answers import Answer, Capture
from pytest_telemetry_gate.model.environment import Environment
from pytest_telemetry_gate.model.questions import CaptureQuestion
from pytest_telemetry_gate.model.verdict import Outcome, Verdict
from pytest_telemetry_gate.plugin.check_items import TelemetryFile
from pytest_telemetry_gate.plugin.session import ENVIRONMENT
from pytest_telemetry_gate.recording.captures import store_captures
from pytest_telemetry_gate.replay.captured import CapturedCase
from pytest_telemetry_gate.replay.ci_logs import CiComparison, judge_ci
from pytest_telemetry_gate.replay.judge.cases import concluded, coverage, decide, judge_case
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.replay.suite.model import CI_LOGS, ReplayCase, ReplaySuite

if TYPE_CHECKING:
    from pytest_telemetry_gate.plugin.session import GateRun

__all__ = ["ReplayFile", "ReplayItem", "ReplayRun"]

_WIRE = "telemetry_replayed"  # on test reports: builtins, so that they cross to xdist's controller
_FIELDS: pytest.StashKey[list[str]] = pytest.StashKey()


class ReplayRun:
    """What one process knows of replays: registered as a plugin when the first capture is wanted.

    A capture rides on the report of the item during which it was made, so that each is carried once.
    """

    def __init__(self, config: pytest.Config, run: GateRun) -> None:
        self._config = config
        self._run = run
        self._drove = False
        self._trouble = ""
        self._exercised: dict[Path, set[str]] = {}
        self.captures: list[dict[str, Any]] = []

    @classmethod
    def of(cls, config: pytest.Config, run: GateRun) -> ReplayRun:
        """Return the one of this session."""
        found = config.pluginmanager.get_plugin("telemetry_gate_replay")
        if found is None:
            found = cls(config, run)
            config.pluginmanager.register(found, "telemetry_gate_replay")
        return found

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put on a report which fields of contracts a case exercised, and what is to be recorded."""
        report = yield
        if call.when == "call":
            replays = [session.replays for session in self._run.sessions]
            captures = [wire for one in replays for wire in one.take()]
            carried = {
                "captures": captures if self._out() is not None else [],
                "drove": any(one.drove for one in replays),
                "path": str(item.path),
                "exercised": item.stash.get(_FIELDS, None),
            }
            setattr(report, _WIRE, carried)
        return report

    def take(self, report: pytest.TestReport) -> None:
        """Keep what a report carries, in the process that reports."""
        carried = getattr(report, _WIRE)
        self.captures += carried["captures"]
        self._drove |= carried["drove"]
        if carried["exercised"] is not None:
            self._exercised.setdefault(Path(carried["path"]), set()).update(carried["exercised"])

    def store(self, session: pytest.Session) -> None:
        """Store the captures, when everything else was recorded."""
        out = self._out()
        if out is not None and self.captures:
            clock = max((one["at"] for one in self.captures if one.get("at")), default=0.0)
            try:
                store_captures(out, self.captures, recorded_at=clock)
            except TelemetryGateError as error:
                self._trouble = str(error)
                session.testsfailed += 1

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say which fields of contracts no case exercised, what was stored, and the seed that ids were made from."""
        lines = list(self._lines())
        if self._trouble:
            terminalreporter.write_line(f"telemetry replay: not stored: {self._trouble}", red=True)
        if self._config.get_verbosity() >= 0:
            for line in lines:
                terminalreporter.write_line(f"telemetry replay: {line}")

    def _lines(self) -> Iterable[str]:
        for path, fields in self._exercised.items():
            suite = load_replay(path, self._run.shown(path))
            number, missing = coverage(suite, fields)
            if number:
                told = f"; by no case: {', '.join(missing)}" if missing else ""
                yield f"{suite.name}: {number - len(missing)} of {number} fields of contracts exercised{told}"
        if self._drove:
            yield f"seed {self._run.seed} (--telemetry-replay-seed repeats it)"
        out = self._out()
        if out is not None and self.captures and not self._trouble:
            yield f"{len(self.captures)} captures stored in {self._run.shown(out)}"

    def pytest_sessionfinish(self) -> None:
        """Stop whatever listens."""
        for session in self._run.sessions:
            session.close()

    def _out(self) -> Path | None:
        shown = self._config.getoption("--telemetry-record", None)
        return self._config.invocation_params.dir / shown if shown else None


class ReplayFile(TelemetryFile):
    """A ``*.replay.yaml`` file."""

    def items(self, environment: Environment) -> Iterable[ReplayItem]:
        """Yield one item for each case in each region at the chosen checkpoints: the last one where none is chosen."""
        regions = self.config.getoption("--telemetry-region")
        plan.known("--telemetry-region", regions, environment.regions)
        found: list[ReplayItem] = []
        for region, settings in environment.regions.items():
            if regions and region not in regions:
                continue
            suite = load_replay(self.path, self.run.shown(self.path), region=region, settings=settings.replay)
            for checkpoint in suite.driven(self.config.getoption("--telemetry-checkpoint")):
                cases: list[ReplayCase | None] = [*suite.at(checkpoint)]
                if checkpoint in suite.ci_checkpoints:
                    cases.append(None)
                for case in cases:
                    name = CI_LOGS if case is None else case.id
                    question = CaptureQuestion(region, str(self.path), checkpoint, name)
                    found.append(ReplayItem.of(self, suite, case, question, environment))
        self.run.count(self.path, len(found))
        return found


class ReplayItem(pytest.Function):
    """One case in one region at one checkpoint as a test case, or the CI logs; automatic fixtures apply to it."""

    run: GateRun
    suite: ReplaySuite
    case: ReplayCase | None
    question: CaptureQuestion
    _decided: Verdict | None = None

    @classmethod
    def of(
        cls,
        parent: ReplayFile,
        suite: ReplaySuite,
        case: ReplayCase | None,
        question: CaptureQuestion,
        environment: Environment,
    ) -> ReplayItem:
        """Return the item of a case, or of the CI logs where there is none."""
        several = len(environment.regions) > 1
        where = f"{question.region}-{question.checkpoint}" if several else question.checkpoint
        item: ReplayItem = cls.from_parent(parent, name=f"{question.case}[{where}]", callobj=replay)
        item.run, item.suite, item.case, item.question = parent.run, suite, case, question
        item.stash[ENVIRONMENT] = environment
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
    def id(self) -> Any:
        """Return the node id as pytest 9.2 and later read it back: what is in brackets apart."""
        return type(super().id).parse(self.nodeid)

    @property
    def line(self) -> int:
        """The line of the case in its file."""
        return self.suite.ci_line if self.case is None else self.case.line

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int, str]:
        """Point at the case's line in the suite file."""
        return self.path, self.line - 1, f"replay: {self.name}"

    def decide(self) -> Verdict:
        """Drive the case, or take what was recorded, and judge it.

        A case is driven once: what another plugin runs again has the same verdict, since a pass on a retry is none.
        """
        if self._decided is None:
            self._decided = self._judged()
        return self._decided

    def _judged(self) -> Verdict:
        environment = self.stash[ENVIRONMENT]
        answer = self.run.session(environment).answer(self.question)
        verdict = self._verdict(answer, {"environment": environment.name, "source": answer.source})
        scrub = environment.scrub
        return verdict.replaced(
            region=self.question.region,
            reason=scrub(verdict.reason),
            details=tuple(map(scrub, verdict.details)),
            warnings=tuple(map(scrub, verdict.warnings)),
        )

    def _verdict(self, answer: Answer, found: dict[str, Any]) -> Verdict:
        if answer.error:
            return self._plain(Outcome.ERROR, answer.error, found)
        captured = answer.value.content if isinstance(answer.value, Capture) else None
        try:
            if self.case is not None:
                if captured is None:
                    return judge_case(self.suite, self.case, None, missing=answer.extent, **found)
                known = CapturedCase.from_wire(captured)
                decision = decide(self.suite, self.case, known)
                self.stash[_FIELDS] = decision.fields
                return concluded(self.suite, self.case, known, decision, **found)
            settings = self.suite.file.ci_logs
            if captured is None or settings is None:
                return self._plain(Outcome.INCONCLUSIVE, answer.extent, found)
            logs = CiComparison.from_wire(captured)
            return self._plain(*judge_ci(settings, logs.before, logs.after), found)
        except TelemetryGateError as error:
            return self._plain(Outcome.ERROR, str(error), found)

    def _plain(self, outcome: Outcome, reason: str, found: dict[str, Any]) -> Verdict:
        """Return a verdict that no capture of telemetry is behind."""
        title = "skipped CI stages and retries" if self.case is None else self.case.title
        return Verdict(
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
            **found,
        )


def replay(request: pytest.FixtureRequest) -> None:
    """Run a case; this is the function that every case's item calls."""
    request.node.run.keep(request.node, request.node.decide())
