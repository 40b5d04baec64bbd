"""Collect what reports carry, in the process that reports, and write the summary of the session from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_telemetry_gate.errors import FOREIGN_ERRORS, TelemetryGateError, raised_at
from pytest_telemetry_gate.model.dossier import APPROVALS, Dossier
from pytest_telemetry_gate.model.environment import ReplaySettings
from pytest_telemetry_gate.model.gate_outcome import GateOutcome, decide_gate
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.plugin.carried import Carried, read_report
from pytest_telemetry_gate.plugin.folding import runs_in_ci
from pytest_telemetry_gate.plugin.left_out import describe_left_out
from pytest_telemetry_gate.reports import terminal

if TYPE_CHECKING:
    from pytest_telemetry_gate.plugin.session import GateRun

__all__ = ["OUTCOMES", "Summary"]

OUTCOMES = frozenset({"passed", "failed", "skipped"})  # pytest's own; plugins that rerun tests add theirs


class Summary:
    """Collects verdicts and captures from reports, decides for the gate as a whole, and writes the tables.

    ``written`` is set as soon as the summary is being written.
    """

    def __init__(self, run: GateRun) -> None:
        self._run = run
        self._config = run.config
        self._drove = False
        self._exercised: dict[Path, set[str]] = {}
        self.seed = (
            run.options.seed
        )  # with which replays were driven; that of xdist's workers is one of their own
        self.dossiers: list[Dossier] = []
        self.captures: list[Mapping[str, Any]] = []
        self.stored: str = ""  # where captures were stored, as the user writes it
        self.not_stored: str = ""  # why they were not
        self.written = False
        self.wants_evidence: Callable[[], bool] = lambda: False  # whether somebody reads that of passes too
        self.signature_problems: list[str] = []  # why signatures do not count for this run
        self._failed: dict[str, Outcome] = {}  # tests that failed though their verdicts let them through
        self._hook_failures: dict[str, str] = {}  # the first verdict that each line was about

    def take(self, report: pytest.TestReport) -> list[Dossier]:
        """Keep what a report carries, call the hook for verdicts, and return them.

        A test that was skipped without a verdict is taken as one that was not selected; attempts that another
        plugin runs again, recognised by an outcome of its own, decide nothing.
        """
        carried = read_report(report)
        if carried is None:
            return []
        self._take_replays(carried)
        if report.outcome not in OUTCOMES:
            return []
        self._count(report, carried)
        for dossier in carried.dossiers:
            self._call_hook(dossier)
        # What the report carries is kept by pytest's terminal to the end.
        carried.dossiers[:] = map(self._without_needless_evidence, carried.dossiers)
        self.dossiers += carried.dossiers
        return carried.dossiers

    def _count(self, report: pytest.TestReport, carried: Carried) -> None:
        denominator = self._run.denominator
        if carried.dossiers or report.failed or (carried.asked and report.passed):
            denominator.hear(report.nodeid)
        elif report.skipped:
            denominator.skip(report.nodeid)
        strict = self._run.options.strict
        if report.failed and all(
            dossier.verdict.keeps_gate_open(strict=strict) for dossier in carried.dossiers
        ):
            self._failed[report.nodeid] = Outcome.FAIL if report.when == "call" else Outcome.ERROR

    def _without_needless_evidence(self, dossier: Dossier) -> Dossier:
        """Return what the end of the session needs: of a pass the verdict alone, unless a report has the rest."""
        if dossier.requirement.kind == APPROVALS:
            return dossier
        if dossier.outcome is not Outcome.PASS or self._run.options.explain or self.wants_evidence():
            return dossier
        return Dossier(dossier.verdict)

    def _call_hook(self, dossier: Dossier) -> None:
        """Call the hook for verdicts; a plugin that fails there fails the session, in one line without secrets."""
        try:
            self._config.hook.pytest_telemetry_gate_verdict(
                verdict=dossier.verdict, dossier=dossier, config=self._config
            )
        except FOREIGN_ERRORS as error:
            # xdist's controller has read no telemetry.yaml yet, and would know no secret of it.
            with suppress(TelemetryGateError):
                self._run.environments.near(
                    (self._config.invocation_params.dir / dossier.verdict.path).parent
                )
            line = f"{self._run.exits.line(error)} ({raised_at(error)})"
            self._hook_failures.setdefault(line, dossier.verdict.name)

    def _take_replays(self, carried: Carried) -> None:
        self.captures += carried.captures
        self._drove |= carried.drove
        if carried.exercised is not None:
            self._exercised.setdefault(Path(carried.path), set()).update(carried.exercised)

    @property
    def outcome(self) -> GateOutcome:
        """The outcome of the gate from the verdicts so far."""
        return self._decide(self.dossiers, [*self._problems, *self.signature_problems])

    @property
    def outcome_to_sign(self) -> GateOutcome:
        """The outcome that people sign: without that of their signatures, which come later."""
        return self._decide(self.dossiers_to_sign, self._problems)

    @property
    def dossiers_to_sign(self) -> list[Dossier]:
        """What the report is about: all but who signed it."""
        return [dossier for dossier in self.dossiers if dossier.requirement.kind != APPROVALS]

    def _decide(self, dossiers: Sequence[Dossier], problems: Sequence[str]) -> GateOutcome:
        options = self._run.options
        denominator = self._run.denominator
        left = len(self.dossiers) - len(dossiers)
        return decide_gate(
            [dossier.verdict for dossier in dossiers],
            selected=denominator.selected - left,
            collected=denominator.collected - left,
            unheard=denominator.unheard,
            failed=self._failed,
            problems=problems,
            left_out=list(denominator.left_out),
            strict=options.strict,
            partial=options.partial,
            asked=options.checkpoints,
        )

    @property
    def _problems(self) -> list[str]:
        hook = "pytest_telemetry_gate_verdict"
        failures = [
            f"the hook {hook} failed for {name}: {line}" for line, name in self._hook_failures.items()
        ]
        refused = [self._run.role.problem] if self._run.role.problem else []
        return [*dict.fromkeys([*refused, *self._run.problems, *failures, *self._left_out])]

    @cached_property
    def _left_out(self) -> list[str]:
        """What collection left out; it is looked for once, when the tests are over."""
        return list(describe_left_out(self._config, skipped=not self._run.options.partial))

    @property
    def is_gate(self) -> bool:
        """Whether this session is a gate: there is something telemetric, or an option asks for it.

        Where everything telemetric was left out beside other tests, --telemetry-partial says that just this is meant.
        """
        options, denominator = self._run.options, self._run.denominator
        if options.only_shows:
            return False
        if denominator.anything_selected or self.dossiers or self._problems or self.signature_problems:
            return True
        if not denominator.collected:
            return bool(options.asked_by)
        session: Any = self._config.pluginmanager.get_plugin("session")
        meant = options.partial and set(options.asked_by) <= {"--telemetry-partial"}
        return not meant or session.testscollected == 0

    @property
    def is_closed(self) -> bool:
        """Whether the session must not end with exit code 0."""
        return self.is_gate and not self.outcome.opens

    def write(self, reporter: pytest.TerminalReporter) -> None:
        """Write the lines about replays, explanations and the tables."""
        self.written = True
        self._write_replays(reporter)
        if not self.is_gate:
            return
        for line in self._run.gates.warnings:
            reporter.write_line(f"telemetry gate: {line}", yellow=True)
        if self._run.options.explain:
            terminal.write_explained(reporter, self.dossiers)
        if self._run.options.report.summary == "none":
            return
        terminal.write(
            reporter,
            self.dossiers,
            self.outcome,
            verbosity=self._config.get_verbosity(),
            once=runs_in_ci(),
            tables=self._run.options.report.summary == "full",
        )

    def write_outcome(self, reporter: pytest.TerminalReporter) -> None:
        """Write the line with the gate's outcome."""
        if self.is_gate:
            terminal.write_outcome(
                reporter,
                self.dossiers,
                self.outcome,
                verbosity=self._config.get_verbosity(),
                now=self._run.gates.clock,
                starts=self._run.gates.starts,
                remarks=list(self._remarks()),
            )

    def _remarks(self) -> Iterable[str]:
        """Yield what has to be said beside the outcome."""
        gates, asked_by = self._run.gates, self._run.options.asked_by
        if asked_by and not self.dossiers and not self._run.denominator.anything_selected:
            yield f"{' and '.join(asked_by)} {'ask' if len(asked_by) > 1 else 'asks'} for a gate"
        all_pending = self.dossiers and all(one.outcome is Outcome.PENDING for one in self.dossiers)
        if all_pending and self._run.options.wait is None:
            yield from gates.advice
        names = ", ".join(map(repr, gates.default_recordings))
        if names and runs_in_ci():
            yield f"judged the recording of the default environment {names}, --telemetry-env names another"

    def _write_replays(self, reporter: pytest.TerminalReporter) -> None:
        lines = list(self._replay_lines())
        if self.not_stored:
            reporter.write_line(f"telemetry replay: not stored: {self.not_stored}", red=True)
        if self._config.get_verbosity() >= 0:
            for line in lines:
                reporter.write_line(f"telemetry replay: {line}")

    def _replay_lines(self) -> Iterable[str]:
        """Yield the fields of contracts that no case exercised, the seed of the ids, and what was stored."""
        for path, fields in self._exercised.items():
            from pytest_telemetry_gate.replay.judge.cases import contract_coverage
            from pytest_telemetry_gate.replay.suite.loader import load_replay

            drivers = ReplaySettings(find_drivers=lambda: self._run.registry.drivers)
            suite = load_replay(path, self._run.environments.display_path(path), settings=drivers)
            number, missing = contract_coverage(suite, fields)
            if number:
                none = f"; by no case: {', '.join(missing)}" if missing else ""
                yield f"{suite.name}: {number - len(missing)} of {number} fields of contracts exercised{none}"
        if self._drove:
            yield f"seed {self.seed} (--telemetry-replay-seed repeats it)"
        if self.stored:
            yield f"{len(self.captures)} captures stored in {self.stored}"
