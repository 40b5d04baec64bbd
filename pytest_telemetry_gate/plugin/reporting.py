"""The report of a session: gathered when everything has been judged, written when the outcome is settled."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy
import pytest

from pytest_telemetry_gate.errors import FOREIGN_ERRORS, TelemetryGateError
from pytest_telemetry_gate.model.dossier import APPROVALS, Dossier
from pytest_telemetry_gate.model.facts import OtherFacts
from pytest_telemetry_gate.plugin.history import History
from pytest_telemetry_gate.plugin.outputs import Written, refuse_unusable, refuse_unwritable, write_outputs
from pytest_telemetry_gate.plugin.run_facts import JudgedSuite, Suites, describe_tool, recordings_of
from pytest_telemetry_gate.plugin.sinks import SinkHooks
from pytest_telemetry_gate.plugin.step_summary import StepSummary
from pytest_telemetry_gate.support.text import visible

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.report import Report, SeriesReport
    from pytest_telemetry_gate.plugin.hooks import RunHooks
    from pytest_telemetry_gate.reports.document.build import SuiteKey

__all__ = ["ReportHooks"]

_TITLE = "telemetry report"
_HOOK = "pytest_telemetry_gate_report"


class ReportHooks:
    """Makes the report of a session in the process that reports, and hands it to whatever was asked for.

    Nothing here changes a verdict. Raises UsageError, before anything is judged, for an output that cannot be written.
    """

    def __init__(self, hooks: RunHooks) -> None:
        self._run = hooks.run
        self._summary = hooks.summary
        self._config = hooks.run.config
        self._folder = self._config.invocation_params.dir
        self._options = hooks.run.options.report
        # The digest of a report, by which signatures count, is over the evidence of passes too.
        signed = hooks.run.options.approvals is not None
        self._summary.wants_evidence = lambda: signed or self._is_asked_for()
        self._suites = Suites(
            self._run.environments, self._folder, clock_is_told=hooks.run.options.now is not None
        )
        self._series: dict[tuple[SuiteKey, str, str], SeriesReport] = {}
        self._written: list[Written] = []
        self._problems: list[str] = []
        self._step_summary = StepSummary.of_environment() if self._options.ci else None
        try:
            for shown in self._options.paths:
                refuse_unusable(shown, self._folder, "--telemetry-report")
            if self._options.bundle is not None:
                refuse_unwritable(self._options.bundle, self._folder, "--telemetry-bundle")
            self._history = History(self._options, self._folder)
        except TelemetryGateError as error:
            raise self._run.exits.usage_error(error) from None

    @property
    def _is_wanted(self) -> bool:
        """Whether anybody reads the report of this session."""
        if self._run.options.only_shows or not self._summary.is_gate:
            return False
        return self._is_asked_for()

    def _is_asked_for(self) -> bool:
        return bool(
            self._options.asks
            or self._step_summary
            or any(environment.reports for environment in self._run.environments.loaded)
            or any(not isinstance(impl.plugin, SinkHooks) for impl in self._hook.get_hookimpls())
        )

    @property
    def _hook(self) -> pluggy.HookCaller:
        caller: pluggy.HookCaller = getattr(self._config.hook, _HOOK)
        return caller

    @cached_property
    def _dossiers(self) -> Sequence[Dossier]:
        """The dossiers of the run, when all have been judged."""
        return self._suites.place(self._summary.dossiers_to_sign)

    @cached_property
    def _judged(self) -> dict[SuiteKey, JudgedSuite]:
        return self._suites.judged(self._dossiers)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self) -> None:
        """Refuse a bundle that will lack its samples, before anything is judged; the controller of xdist has collected nothing."""
        options = self._run.options
        live = [one.name for one in self._run.environments.loaded if not one.recorded]
        if options.report.bundle is not None and options.record is None and live and not options.only_shows:
            message = f"--telemetry-bundle: environment {live[0]!r} is live: --telemetry-record=FILE keeps what the bundle needs"
            raise pytest.UsageError(message)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Ask for the series of the plots, while sources can be asked and before a recording is written."""
        result = yield
        signed = self._signed_digests()
        if self._is_wanted or signed:
            try:
                self._ask_series()
            except FOREIGN_ERRORS as error:
                self._problems.append(f"no series: {self._run.exits.line(error)}")
        if signed:
            self._require_signed_report(signed)
        return result

    def _ask_series(self) -> None:
        from pytest_telemetry_gate.gate.series import ask_series
        from pytest_telemetry_gate.reports.document.build import key_of

        record = self._run.options.record is not None
        for key, judged in self._judged.items():
            gate = self._run.gates.of(judged.environment)
            own = [dossier for dossier in self._dossiers if key_of(dossier) == key]
            found = ask_series(gate, judged.suite, own, record=record)
            self._series |= {(key, *place): series for place, series in found.items()}

    def _signed_digests(self) -> set[str]:
        """Return the digests of the reports on whose signatures criteria of kind ``approvals`` passed."""
        return {
            str(fact.content.get("digest", ""))
            for dossier in self._summary.dossiers
            if dossier.requirement.kind == APPROVALS and dossier.outcome.good
            for fact in dossier.facts.values()
            if isinstance(fact, OtherFacts)
        }

    def _require_signed_report(self, signed: set[str]) -> None:
        """Close the gate where one of these is not the digest of this report, or where nobody can tell."""
        try:
            digest = self._make_report().digest
        except FOREIGN_ERRORS as error:
            message = (
                f"nobody can tell whether the approvals are of this report: {self._run.exits.line(error)}"
            )
            self._summary.signature_problems.append(message)
            return
        for other in sorted(signed - {digest}):
            message = f"the approvals are of the report {other[:19]}…, not of this one, {digest[:19]}…"
            self._summary.signature_problems.append(message)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the report and hand it on: the outcome is settled by now."""
        if not self._is_wanted:
            return
        try:
            report = self._history.complete(self._make_report())
            self._problems += self._history.problems
            self._written = write_outputs(report, self._options.paths, self._folder)
            self._written += self._history.keep(report)
            if self._options.bundle is not None:
                self._written.append(self._bundle(report, self._options.bundle))
        except FOREIGN_ERRORS as error:
            self._problems.append(f"not written: {self._run.exits.line(error)}")
            return
        if self._step_summary is not None:
            self._problems += self._step_summary.write(report, self._options.paths)
        files = [written.path for written in self._written if not written.problem]
        try:
            self._hook(report=report, files=files, config=self._config)
        except FOREIGN_ERRORS as error:
            self._problems.append(f"{_HOOK}: {self._run.exits.line(error)}")

    def _make_report(self) -> Report:
        """Return the report of the session, as others will read it, without what lies outside its content."""
        from pytest_telemetry_gate.plugin.report_sections import add_sections
        from pytest_telemetry_gate.reports.document.build import RunFacts, build_report
        from pytest_telemetry_gate.reports.document.stored import settle

        denominator, options = self._run.denominator, self._run.options
        left = len(self._summary.dossiers) - len(self._dossiers)
        facts = RunFacts(
            collected=denominator.collected - left,
            selected=denominator.selected - left,
            suites={
                key: self._suites.facts(key, judged, self._dossiers) for key, judged in self._judged.items()
            },
            series=self._series,
            evidence=tuple(self._suites.evidence(self._judged.values(), self._cases())),
            approvals=options.approvals or (),
            generated=describe_tool(time.time()),
        )
        report = build_report(self._dossiers, self._summary.outcome_to_sign, facts)
        changes = self._run.environments.changes.lines
        report, problems = add_sections(report, self._config, changes)
        self._problems += map(self._run.environments.scrub, problems)
        return settle(report, lambda text: visible(self._run.environments.scrub(text)))

    def _cases(self) -> Iterator[tuple[str, Path]]:
        """Yield the replay suites whose cases were tests of the run, and the recordings of what they captured."""
        for path, environment in self._suites.replayed(self._dossiers).items():
            yield "replay suite", self._folder / path
            yield from recordings_of(environment)

    def _bundle(self, report: Report, shown: str) -> Written:
        """Write the evidence bundle; live regions are in the recording that this session has written."""
        from pytest_telemetry_gate.bundle.gather import SuiteFile
        from pytest_telemetry_gate.bundle.make import make_bundle

        options = self._run.options
        settings = self._run.environments.settings
        approvals = options.approvals_file
        path = self._folder / shown
        try:
            judged = [(key.path, one.environment) for key, one in self._judged.items()]
            replayed = self._suites.replayed(self._dossiers).items()
            suites = [
                SuiteFile(self._folder / name, name, environment, settings(environment))
                for name, environment in (*judged, *replayed)
            ]
            sha256 = make_bundle(
                path,
                report,
                suites,
                self._run.registry.criteria,
                recorded=None if options.record is None else self._folder / options.record,
                approvals=None if approvals is None else approvals.path,
            )
        except (TelemetryGateError, OSError) as error:
            return Written(shown, path, problem=self._run.exits.line(error))
        return Written(shown, path, sha256)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what changed since an earlier report, what was written, and what was not."""
        quiet = self._config.get_verbosity() < 0
        scrub = self._run.environments.scrub
        for problem in self._problems:
            terminalreporter.write_line(f"{_TITLE}: {scrub(problem)}", red=True)
        for line, is_warning in self._history.lines:
            if is_warning or not quiet:
                terminalreporter.write_line(f"{_TITLE}: {scrub(line)}", yellow=is_warning)
        for written in self._written:
            if written.problem:
                terminalreporter.write_line(f"{_TITLE}: {scrub(written.line)}", red=True)
            elif not quiet and written.tell:
                terminalreporter.write_line(f"{_TITLE}: {written.line}")
        if self._step_summary is not None:
            self._step_summary.annotate()
