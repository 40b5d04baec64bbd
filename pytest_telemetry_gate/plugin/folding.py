"""pytest's own sections about failures, with many failures of one kind told once.

The reports themselves stay as they are: JUnit and other plugins read each of them. Only what the terminal's summary is
made of is exchanged while it is written.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Generator, Sequence

import pytest

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.verdict import worst_verdict
from pytest_telemetry_gate.plugin.carried import read_report
from pytest_telemetry_gate.reports.failures import describe_failure, fold
from pytest_telemetry_gate.reports.status import format_figures
from pytest_telemetry_gate.reports.terminal import FIRST

__all__ = ["FoldedFailures", "runs_in_ci"]

_CI = ("CI", "BUILD_NUMBER")  # by which pytest itself knows a CI system


def runs_in_ci() -> bool:
    """Return whether the session runs in a CI system, whose log is read afterwards and from its end."""
    return any(os.environ.get(name, "") not in {"", "false", "0"} for name in _CI)


class FoldedFailures:
    """Exchanges the failed tests of the terminal's summary: first for its blocks, then for its lines, then back.

    In a CI each failure is told once, in the list of the gate, so that pytest's own sections leave verdicts out.
    ``dossiers`` gives all verdicts of the session.
    """

    def __init__(self, config: pytest.Config, dossiers: Callable[[], Sequence[Dossier]]) -> None:
        self._config = config
        self._dossiers = dossiers
        self._once = runs_in_ci()
        self.own: list[pytest.TestReport] = []  # what the footer counts beside the failed tests

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> Generator[None, object, object]:
        """Write the blocks of failures folded; ``shorten`` goes on from there."""
        failed = terminalreporter.stats.get("failed", [])
        self._reports = failed
        self._exchange(terminalreporter, FIRST, _block)
        try:
            return (yield)
        finally:
            if failed or self.own:
                terminalreporter.stats["failed"] = [*failed, *self.own]

    def shorten(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Have the short summary, which comes next, tell each criterion once."""
        self._exchange(terminalreporter, 1, _line)

    def _exchange(
        self,
        reporter: pytest.TerminalReporter,
        first: int,
        tell: Callable[[pytest.TestReport, Dossier, str], pytest.TestReport],
    ) -> None:
        by_verdicts = {id(dossier): report for report in self._reports if (dossier := _decisive(report))}
        if not by_verdicts or (self._config.get_verbosity() > 1 and not self._once):
            return
        others = [report for report in self._reports if not _decisive(report)]
        if not self._once:
            dossiers = [dossier for report in self._reports if (dossier := _decisive(report))]
            among = [dossier.verdict for dossier in self._dossiers()]
            told = fold(dossiers, among, first=first)
            others += [tell(by_verdicts[id(dossier)], dossier, rest) for dossier, rest in told]
        reporter.stats["failed"] = others


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


def _with_text(report: pytest.TestReport, text: str) -> pytest.TestReport:
    told = copy.copy(report)
    told.longrepr = text
    return told
