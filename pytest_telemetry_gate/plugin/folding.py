"""pytest's own sections about failures, with many failures of one kind told once.

The reports themselves stay as they are: JUnit and other plugins read each of them. Only what the terminal's summary is
made of is exchanged while it is written.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any

import pytest

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.verdict import worst_verdict
from pytest_telemetry_gate.plugin.carried import read_report
from pytest_telemetry_gate.plugin.wire_names import is_suite
from pytest_telemetry_gate.reports.failures import describe_failure, fold
from pytest_telemetry_gate.reports.status import format_figures
from pytest_telemetry_gate.reports.terminal import FIRST

__all__ = ["FoldedFailures", "runs_in_ci"]

_NAMED = 3  # tests that are named where one stands for many
_CI = ("CI", "BUILD_NUMBER")  # by which pytest itself knows a CI system


def runs_in_ci() -> bool:
    """Return whether the session runs in a CI system, whose log is read afterwards and from its end."""
    return any(os.environ.get(name, "") not in {"", "false", "0"} for name in _CI)


class FoldedFailures:
    """Exchanges the failed tests of the terminal's summary: first for its blocks, then for its lines, then back.

    In a CI each failure is told once: verdicts in the list of the gate, so that pytest's own sections leave them out, and
    tests that could not begin in pytest's section of errors. ``dossiers`` gives all verdicts of the session.
    """

    def __init__(self, config: pytest.Config, dossiers: Callable[[], Sequence[Dossier]]) -> None:
        self._config = config
        self._dossiers = dossiers
        self._once = runs_in_ci()
        self._failed: list[pytest.TestReport] = []
        self._errors: list[pytest.TestReport] = []
        self.own: list[pytest.TestReport] = []  # what the footer counts beside the failed tests

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> Generator[None, object, object]:
        """Write the blocks of failures folded; ``shorten`` goes on from there."""
        stats = terminalreporter.stats
        self._failed, self._errors = stats.get("failed", []), stats.get("error", [])
        if self._folds:
            self._exchange(stats, self._tell_verdicts(FIRST, _block), self._tell_errors(_error_block))
        try:
            return (yield)
        finally:
            self._exchange(stats, [*self._failed, *self.own], self._errors)

    def shorten(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Have the short summary, which comes next, tell each criterion once."""
        if self._folds:
            errors = self._tell_errors(_error_line) if not self._once else filter(_is_foreign, self._errors)
            own = [] if self._once else self.own
            self._exchange(terminalreporter.stats, [*self._tell_verdicts(1, _line), *own], errors)

    @property
    def _folds(self) -> bool:
        return self._once or self._config.get_verbosity() < 2

    @staticmethod
    def _exchange(
        stats: dict[str, Any], failed: Iterable[pytest.TestReport], errors: Iterable[pytest.TestReport]
    ) -> None:
        for name, reports in (("failed", [*failed]), ("error", [*errors])):
            if reports or name in stats:
                stats[name] = reports

    def _tell_verdicts(
        self, first: int, tell: Callable[[pytest.TestReport, Dossier, str], pytest.TestReport]
    ) -> Iterator[pytest.TestReport]:
        """Yield what stands for the failed tests: other people's as they are, verdicts folded, or left out in a CI."""
        decisive = [(report, _decisive(report)) for report in self._failed]
        yield from (report for report, dossier in decisive if dossier is None)
        by_verdicts = {id(dossier): report for report, dossier in decisive if dossier is not None}
        if by_verdicts and not self._once:
            dossiers = [dossier for _, dossier in decisive if dossier is not None]
            among = [dossier.verdict for dossier in self._dossiers()]
            for dossier, others in fold(dossiers, among, first=first):
                yield tell(by_verdicts[id(dossier)], dossier, others)

    def _tell_errors(
        self, tell: Callable[[pytest.TestReport, str], pytest.TestReport]
    ) -> Iterator[pytest.TestReport]:
        """Yield what stands for the tests that could not begin or end: one of ours for each reason."""
        by_reason: dict[str, list[pytest.TestReport]] = {}
        for report in self._errors:
            if _is_foreign(report):
                yield report
            else:
                by_reason.setdefault(report.longreprtext, []).append(report)
        for first, *others in by_reason.values():
            names = ", ".join(report.nodeid for report in others[:_NAMED])
            more = ", ..." if len(others) > _NAMED else ""
            noun = "test" if len(others) == 1 else "tests"
            yield tell(
                first, f"and {len(others)} more {noun}, for the same reason: {names}{more}" if others else ""
            )


def _is_foreign(report: pytest.TestReport | pytest.CollectReport) -> bool:
    return read_report(report) is None and not is_suite(report.nodeid)


def _decisive(report: pytest.TestReport) -> Dossier | None:
    """Return the dossier for which a test failed; None where something else may have failed it."""
    carried = read_report(report)
    if carried is None or not carried.failed_by_verdicts:
        return None
    worst = worst_verdict([dossier.verdict for dossier in carried.dossiers])
    return next(dossier for dossier in carried.dossiers if dossier.verdict is worst)


def _block(report: pytest.TestReport, dossier: Dossier, others: str) -> pytest.TestReport:
    return _with_text(report, f"{describe_failure([dossier])}\n  {others}") if others else report


def _line(report: pytest.TestReport, dossier: Dossier, others: str) -> pytest.TestReport:
    return _with_text(report, "; ".join(filter(None, (format_figures(dossier.verdict), others))))


def _error_block(report: pytest.TestReport, others: str) -> pytest.TestReport:
    return _with_text(report, f"{report.longreprtext}\n  {others}") if others else report


def _error_line(report: pytest.TestReport, others: str) -> pytest.TestReport:
    last = (report.longreprtext.splitlines() or [""])[-1]
    return _with_text(report, f"{last}; {others}") if others else report


def _with_text(report: pytest.TestReport, text: str) -> pytest.TestReport:
    told = copy.copy(report)
    told.longrepr = text
    return told
