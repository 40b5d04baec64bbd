"""pytest's hooks of a session with telemetry items: count, wait, conclude, report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from pytest_telemetry_gate.errors import ConfigError, SuiteError, TelemetryGateError
from pytest_telemetry_gate.gate.gate import Gate
from pytest_telemetry_gate.model.questions import CaptureQuestion
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.plugin.carried import (
    Carried,
    carried_by,
    forget_attempt,
    is_forked,
    pack_report,
    put_on_report,
    read_report,
)
from pytest_telemetry_gate.plugin.check_items import CheckItem, order_by_region
from pytest_telemetry_gate.plugin.fixtures import is_not_chosen
from pytest_telemetry_gate.plugin.folding import FoldedFailures
from pytest_telemetry_gate.plugin.heads import heads_of
from pytest_telemetry_gate.plugin.items import TelemetryFile, TelemetryItem, is_telemetric
from pytest_telemetry_gate.plugin.last_word import LastWord
from pytest_telemetry_gate.plugin.left_out import describe_left_out
from pytest_telemetry_gate.plugin.report_properties import ReportProperties
from pytest_telemetry_gate.plugin.summary import OUTCOMES, Summary
from pytest_telemetry_gate.plugin.waiting import wait_for_checkpoint
from pytest_telemetry_gate.reports.failures import describe_failure
from pytest_telemetry_gate.reports.status import report_status

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.plugin.session import GateRun

__all__ = ["RunHooks", "conclude"]


class RunHooks:
    """Registered once per session with telemetry items, in every process of the run."""

    def __init__(self, run: GateRun) -> None:
        self.run = run
        self.summary = Summary(run)
        self.last_word = LastWord(run.config, self.summary)
        self._config = run.config
        self.folded = FoldedFailures(run.config, lambda: self.summary.dossiers)
        self._properties = ReportProperties(run.config)

    def take(self, report: pytest.TestReport) -> None:
        """Take what a report carries, in the process that reports."""
        dossiers = self.summary.take(report)
        if self.run.options.junit_properties:
            self._properties.put(report, dossiers)

    def take_counts(self, counts: Mapping[str, Any]) -> None:
        """Take over what a worker counted."""
        self.run.denominator.add(counts)
        self.run.gates.add(counts)
        self.run.problems.update(dict.fromkeys(counts["problems"]))
        self.summary.seed = counts["seed"]

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Count the checks of a suite file that ``--lf`` or another plugin reports as collected without collecting it."""
        report = yield
        if isinstance(collector, TelemetryFile) and report.passed:
            collector.count_once()
        return report

    def count_test(self, item: pytest.Item) -> None:
        """Count a hand-written test, unless it belongs to other checkpoints."""
        if not isinstance(item, TelemetryItem) and not is_not_chosen(item):
            self.run.denominator.count_test(item.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Deselect the tests that belong to other checkpoints, and put checks in the order of their regions.

        That is done first, so that a plugin that orders items has the last word.
        """
        self.run.role.check_usable()
        elsewhere = [item for item in items if is_not_chosen(item)]
        if elsewhere:
            items[:] = [item for item in items if not is_not_chosen(item)]
            self._config.hook.pytest_deselected(items=elsewhere)
        order_by_region(items)
        if not session.testsfailed:
            try:
                self.run.environments.require_known_variables()
                self.run.environments.require_known_roles()
            except (ConfigError, SuiteError) as error:
                self.run.role.refuse(self.run.exits.line(error))
                self.run.role.check_usable()

    def pytest_report_collectionfinish(self, items: Sequence[pytest.Item]) -> list[str]:
        """Say which environments are judged, how they were chosen, and who answers."""
        return self._heads() if any(map(is_telemetric, items)) else []

    def _heads(self) -> list[str]:
        environments = self.run.environments
        quiet = self._config.get_verbosity() < 0
        changed = [f"telemetry: {line}" for lines in environments.changes.lines.values() for line in lines]
        return [*([] if quiet else heads_of(environments.loaded, environments.display_path)), *changed]

    def write_heads(self, suites: Iterable[str]) -> None:
        """Say the same where xdist's workers have collected; ``suites`` are paths of their files from the rootdir."""
        for suite in suites:
            # What cannot be read is an error of the workers.
            with suppress(TelemetryGateError):
                self.run.environments.near((self._config.rootpath / suite).parent)
        reporter = self.run.role.terminal()
        for line in self._heads() if reporter is not None else ():
            reporter.write_line(line)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count what was left by deselection, and start asking live sources about it while pytest goes on."""
        self.run.denominator.select(item.nodeid for item in session.items if is_telemetric(item))
        if self.run.options.only_shows or session.testsfailed:
            return
        checks: dict[Gate, list[Check]] = defaultdict(list)
        ahead: dict[Gate, list[Check]] = defaultdict(list)
        captures: dict[Gate, list[CaptureQuestion]] = defaultdict(list)
        for item in session.items:
            if not isinstance(item, TelemetryItem):
                continue
            gate = self.run.gates.of(item.environment)
            if isinstance(item, CheckItem):
                checks[gate].append(item.check)
                if not is_forked(item):  # which threads that ask ahead do not survive
                    ahead[gate].append(item.check)
            captures[gate] += [
                question for question in item.questions() if isinstance(question, CaptureQuestion)
            ]
        for gate, questions in captures.items():
            if questions:
                gate.replays.expect(questions)
        self._wait(checks)
        self.run.progress.total = sum(map(len, checks.values()))
        for gate, gate_checks in ahead.items():
            with self.run.progress.waiting(gate.environment):
                gate.prefetch(gate_checks)

    def _wait(self, checks: Mapping[Gate, Sequence[Check]]) -> None:
        at_most = self.run.options.wait
        if at_most is not None:
            reporter, verbosity = self.run.role.terminal(), self._config.get_verbosity()
            wait_for_checkpoint(
                checks,
                at_most=at_most,
                reporter=reporter,
                verbosity=verbosity,
                every=bool(self.run.options.checkpoints),
            )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Forget what an earlier attempt at the same item has decided, as plugins that rerun tests expect."""
        forget_attempt(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Conclude a test from its verdicts after its body has run, so that checks in it are soft."""
        carried = carried_by(item)
        try:
            yield
        finally:
            carried.concluded = True
        conclude(carried, strict=self.run.options.strict)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put a telemetry test's verdicts on its report; reports of subtests, which come earlier, carry nothing."""
        report = yield
        carried = carried_by(item)
        if not (carried.asked or is_telemetric(item)):
            return report
        # The three reports of a test share equal keywords: pytest's terminal keeps all reports to the end.
        if report.keywords == carried.keywords:
            report.keywords = carried.keywords
        else:
            carried.keywords = report.keywords
        if call.when == "call" and carried.concluded:
            self._take_captures(item)
            put_on_report(report, carried, item)
            if report.skipped and carried.dossiers:
                path, line, _ = item.reportinfo()
                report.longrepr = (str(path), (line or 0) + 1, carried.dossiers[-1].verdict.reason)
        elif not report.passed:
            # A test may have checked in a fixture before it was skipped there.
            told = carried.dossiers if call.when == "setup" else []
            put_on_report(report, Carried(carried.path, told), item)
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        """Put the properties of a test's verdicts on the report of its teardown, until that has been read."""
        take_off = self._properties.close(report) if report.when == "teardown" else None
        yield
        self.last_word.failure_told |= report.failed
        if take_off is not None:
            take_off()

    @pytest.hookimpl(wrapper=True)
    def pytest_report_to_serializable(self) -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
        """Make a report ready for xdist's controller, or for plugins that write reports to files."""
        data = yield
        counts = None if self.run.role.reports else self.run.denominator.to_wire()
        return None if data is None else pack_report(data, counts=counts)

    def _take_captures(self, item: pytest.Item) -> None:
        """Let the item carry what replays captured meanwhile; each capture is carried once."""
        carried = carried_by(item)
        for gate in self.run.gates.all:
            if gate.opened_replays is not None:
                captures = gate.opened_replays.take_captures()
                if self.run.options.record is not None:
                    carried.captures += captures
                carried.drove |= gate.opened_replays.drove

    def pytest_report_teststatus(
        self, report: pytest.CollectReport | pytest.TestReport
    ) -> tuple[str, str, str | tuple[str, Mapping[str, bool]]] | None:
        """Say the verdict and its figures where pytest would say PASSED or FAILED."""
        if not self.run.role.reports:
            return None  # nobody sees a worker's terminal
        carried = read_report(report)
        if carried is None or not carried.dossiers or report.outcome not in OUTCOMES:
            return None
        if report.failed and not carried.failed_by_verdicts:
            return None  # something else failed the test, which must not read as a pass
        # After the summary comes pytest's own short one, where the figures would only repeat the table's.
        return report_status(carried.dossiers, strict=self.run.options.strict, brief=self.summary.written)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the tables, between pytest's own sections."""
        self.summary.write(terminalreporter)
        self.folded.own = [report for report in self.last_word.reports if report.failed]
        self.folded.shorten(terminalreporter)

    def pytest_sessionfinish(self) -> None:
        """Stop whatever listens, and send to xdist's controller what this process counted and noticed."""
        self.run.progress.end()
        self.run.gates.close()
        noticed = {
            "problems": [*self.run.problems, *describe_left_out(self._config)],
            "seed": self.run.options.seed,
        }
        self.run.role.send({**self.run.denominator.to_wire(), **self.run.gates.to_wire(), **noticed})


def conclude(carried: Carried, *, strict: bool) -> None:
    """Fail or skip the running test where its verdicts ask for that."""
    __tracebackhide__ = True
    dossiers = carried.dossiers
    if carried.unawaited:
        calls = "a call" if carried.unawaited == 1 else f"{carried.unawaited} calls"
        pytest.fail(
            f"{calls} of telemetry.aio not awaited to the end: write `await telemetry.aio...`", pytrace=False
        )
    closed = [dossier for dossier in dossiers if not dossier.verdict.keeps_gate_open(strict=strict)]
    if closed:
        carried.failed_by_verdicts = True
        pytest.fail(describe_failure(closed), pytrace=False)
    if dossiers and all(dossier.outcome in {Outcome.PENDING, Outcome.WAIVED} for dossier in dossiers):
        pytest.skip("; ".join(dict.fromkeys(dossier.verdict.reason for dossier in dossiers)))
