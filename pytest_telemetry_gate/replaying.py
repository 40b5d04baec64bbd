"""The pytest side of replays: suites as items, what a run drives and keeps of it, and what it stores."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from pytest_telemetry_gate.collect import TelemetryFile
from pytest_telemetry_gate.config import Environment
from pytest_telemetry_gate.errors import TelemetryGateError
from pytest_telemetry_gate.recording.captures import Captures, store_captures
from pytest_telemetry_gate.replay.captured import Captured
from pytest_telemetry_gate.replay.ci_logs import Rates, judge_ci, rates_of, read_ci
from pytest_telemetry_gate.replay.live import LiveReplay
from pytest_telemetry_gate.replay.loader import load_replay
from pytest_telemetry_gate.replay.model import ReplayCase, ReplaySuite
from pytest_telemetry_gate.replay.redaction import redacted
from pytest_telemetry_gate.replay.verdicts import coverage, exercised, judge_case
from pytest_telemetry_gate.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from pytest_telemetry_gate.run import GateRun

__all__ = ["ReplayFile", "ReplayItem", "ReplayRun"]

CI = "ci_logs"
_WIRE = "telemetry_captures"  # on test reports: builtins, so that they cross to xdist's controller
_EXERCISED = "telemetry_exercised"  # on test reports too: the suite's path, and fields of contracts
_CAPTURE: pytest.StashKey[dict[str, Any]] = pytest.StashKey()
_FIELDS: pytest.StashKey[list[str]] = pytest.StashKey()
_MAX_SEED = 2**32


class ReplayRun:
    """What one process knows of replays: registered as a plugin when the first replay suite is collected."""

    def __init__(self, config: pytest.Config, run: GateRun) -> None:
        self._config = config
        self._run = run
        self._live: dict[Path, LiveReplay] = {}
        self._recorded: dict[Path, Captures] = {}
        self._selected: list[ReplayItem] = []
        self.captures: list[dict[str, Any]] = []
        self._trouble = ""
        self._exercised: dict[Path, set[str]] = {}
        self.seed = self._chosen_seed()

    @classmethod
    def of(cls, config: pytest.Config, run: GateRun) -> ReplayRun:
        """Return the one of this session."""
        found = config.pluginmanager.get_plugin("telemetry_gate_replay")
        if found is None:
            found = cls(config, run)
            config.pluginmanager.register(found, "telemetry_gate_replay")
        return found

    def _chosen_seed(self) -> int:
        text = self._config.getoption("--telemetry-replay-seed")
        if text is None:
            worker = self._run.worker
            # All workers of a run have one seed, since one of them may have to be reproduced.
            return (
                secrets.randbelow(_MAX_SEED) if worker is None else int(worker["testrunuid"], 16) % _MAX_SEED
            )
        if not text.isascii() or not text.isdigit():
            message = f"--telemetry-replay-seed: {text!r} is not a whole number"
            raise pytest.UsageError(message)
        return int(text)

    def captured(self, item: ReplayItem) -> tuple[dict[str, Any] | None, str]:
        """Return what a case captured, live or as it was recorded, and why there is nothing otherwise."""
        path = recording_of(item.environment)
        if path is not None:
            if path not in self._recorded:
                self._recorded[path] = Captures(path)
            name = CI if item.case is None else item.case.id
            found = self._recorded[path].get(item.suite.name, item.checkpoint, name)
            known = ", ".join(self._recorded[path].checkpoints(item.suite.name)) or "none"
            return (
                found,
                f"{path.name} holds no capture of it at {item.checkpoint}; recorded checkpoints: {known}",
            )
        if item.case is None:
            return self._ci(item), ""
        captured = self._replay(item).capture(item.case)
        return captured.to_wire(), ""

    def _ci(self, item: ReplayItem) -> dict[str, Any]:
        settings = item.suite.file.ci_logs
        if settings is None:
            raise TypeError(item)
        before, after = (read_ci(one, item.suite.folder) for one in (settings.before, settings.after))
        return {
            "suite": item.suite.name,
            "checkpoint": item.checkpoint,
            "case": CI,
            "before": before.to_wire(),
            "after": after.to_wire(),
        }

    def _replay(self, item: ReplayItem) -> LiveReplay:
        if item.path not in self._live:
            cases = [one.case for one in self._selected if one.path == item.path and one.case is not None]
            session = self._run.session(item.environment)
            region = next(iter(item.environment.regions))
            replay = LiveReplay(item.suite, lambda: session.source(region), self.seed, cases)
            self._live[item.path] = replay
            replay.open()
        return self._live[item.path]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Take which cases were selected, since a batch is driven as a whole."""
        self._selected = [item for item in session.items if isinstance(item, ReplayItem)]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put a case's capture on its report where it is to be recorded."""
        report = yield
        if not isinstance(item, ReplayItem) or call.when != "call" or _CAPTURE not in item.stash:
            return report
        captured = item.stash[_CAPTURE]
        if self._out() is not None:
            setattr(report, _WIRE, redacted(captured, item.suite))
        setattr(report, _EXERCISED, [str(item.path), *item.stash.get(_FIELDS, [])])
        return report

    def take(self, report: pytest.TestReport) -> None:
        """Keep what a report carries, in the process that reports: captures to record, and exercised fields."""
        captured = getattr(report, _WIRE, None)
        if captured is not None:
            self.captures.append(captured)
        path, *fields = getattr(report, _EXERCISED, [""])
        if path:
            self._exercised.setdefault(Path(path), set()).update(fields)

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
        for path, fields in self._exercised.items():
            suite = load_replay(path, self._run.shown(path))
            number, missing = coverage(suite, fields)
            if number and self._config.get_verbosity() >= 0:
                told = f"; by no case: {', '.join(missing)}" if missing else ""
                terminalreporter.write_line(
                    f"telemetry replay: {suite.name}: {number - len(missing)} of {number} fields of contracts exercised{told}"
                )
        if self._live and self._config.get_verbosity() >= 0:
            terminalreporter.write_line(
                f"telemetry replay: seed {self.seed} (--telemetry-replay-seed repeats it)"
            )
        out = self._out()
        if self._trouble:
            terminalreporter.write_line(f"telemetry replay: not stored: {self._trouble}", red=True)
        elif out is not None and self.captures and self._run.worker is None:
            told = f"telemetry replay: {len(self.captures)} captures stored in {self._run.shown(out)}"
            terminalreporter.write_line(told, green=True)

    def pytest_sessionfinish(self) -> None:
        """Stop whatever listens."""
        for replay in self._live.values():
            replay.close()

    def _out(self) -> Path | None:
        shown = self._config.getoption("--telemetry-record", None)
        return self._config.invocation_params.dir / shown if shown else None


def recording_of(environment: Environment) -> Path | None:
    """Return the recording that an environment is judged from, or None where it is live."""
    region = next(iter(environment.regions.values()))
    if region.source != "recording":
        return None
    path = region.options.get("path")
    if not isinstance(path, str):
        raise region.error(("path",), "source recording needs path: FILE.telemetry.zip")
    return region.resolve(path)


class ReplayFile(TelemetryFile):
    """A ``*.replay.yaml`` file."""

    @classmethod
    def of(cls, parent: pytest.Collector, path: Path, run: GateRun) -> Self:
        """Return the collector of a replay suite."""
        ReplayRun.of(parent.config, run)
        return super().of(parent, path, run)

    def items(self, environment: Environment) -> Iterable[ReplayItem]:
        """Yield one item for each case at the chosen checkpoints: the last one where none is chosen."""
        suite = load_replay(self.path, self.run.shown(self.path))
        wanted = self.config.getoption("--telemetry-checkpoint") or suite.checkpoints[-1:]
        pairs: list[tuple[ReplayCase | None, str]] = [
            (case, case.checkpoint) for case in suite.cases if case.checkpoint in wanted
        ]
        if suite.file.ci_logs is not None:
            own = suite.file.ci_logs.checkpoints or suite.checkpoints[-1:]
            pairs += [(None, checkpoint) for checkpoint in own if checkpoint in wanted]
        self.run.count(self.path, len(pairs))
        for case, checkpoint in pairs:
            yield ReplayItem.of(self, suite, case, checkpoint, environment)


class ReplayItem(pytest.Function):
    """One case at one checkpoint as a test case, or the CI logs; fixtures that are used automatically apply to it."""

    run: GateRun
    suite: ReplaySuite
    case: ReplayCase | None
    checkpoint: str
    environment: Environment
    _decided: Verdict | None = None

    @classmethod
    def of(
        cls,
        parent: ReplayFile,
        suite: ReplaySuite,
        case: ReplayCase | None,
        checkpoint: str,
        environment: Environment,
    ) -> ReplayItem:
        """Return the item of a case."""
        name = CI if case is None else case.id
        item: ReplayItem = cls.from_parent(parent, name=f"{name}[{checkpoint}]", callobj=replay)
        item.run, item.suite, item.case = parent.run, suite, case
        item.checkpoint, item.environment = checkpoint, environment
        item.add_marker(
            pytest.mark.telemetry(
                env=environment.name, suite=suite.name, criterion=name, checkpoint=checkpoint
            )
        )
        # One receiver and one baseline serve a suite, so that one worker has to drive all of it.
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
        found: dict[str, Any] = {"environment": self.environment.name, "source": "replay"}
        missing, captured = "", None
        try:
            path = recording_of(self.environment)
            if path is not None:
                found["source"] = f"recording {path.name}"
            captured, missing = ReplayRun.of(self.config, self.run).captured(self)
            if captured is not None:
                self.stash[_CAPTURE] = captured
            verdict = self._verdict(captured, missing, found)
        except TelemetryGateError as error:
            verdict = self._plain(Outcome.ERROR, str(error), found)
        scrub = self.environment.scrub
        return verdict.replaced(
            reason=scrub(verdict.reason),
            details=tuple(map(scrub, verdict.details)),
            warnings=tuple(map(scrub, verdict.warnings)),
        )

    def _verdict(self, captured: dict[str, Any] | None, missing: str, found: dict[str, Any]) -> Verdict:
        if self.case is not None:
            known = None if captured is None else Captured.from_wire(captured)
            if known is not None:
                self.stash[_FIELDS] = exercised(self.suite, self.case, known)
            return judge_case(self.suite, self.case, known, missing=missing, **found)
        settings = self.suite.file.ci_logs
        if captured is None or settings is None:
            return self._plain(Outcome.INCONCLUSIVE, missing, found)
        before, after = (self._rates(captured, side) for side in ("before", "after"))
        return self._plain(*judge_ci(settings, before, after), found)

    def _rates(self, captured: dict[str, Any], side: str) -> Rates:
        return rates_of(captured.get(side) or {})

    def _plain(self, outcome: Outcome, reason: str, found: dict[str, Any]) -> Verdict:
        """Return a verdict that no capture of telemetry is behind."""
        name = CI if self.case is None else self.case.id
        title = "skipped CI stages and retries" if self.case is None else self.case.title
        return Verdict(
            suite=self.suite.name,
            suite_title=self.suite.title,
            group="CI" if self.case is None else "Cases",
            criterion=name,
            title=title,
            region="",
            checkpoint=self.checkpoint,
            outcome=outcome,
            reason=reason,
            path=self.suite.path,
            line=self.line,
            **found,
        )


def replay(request: pytest.FixtureRequest) -> None:
    """Run a case; this is the function that every case's item calls."""
    request.node.run.keep(request.node, request.node.decide())
