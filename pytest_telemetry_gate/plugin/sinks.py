"""Tell those of a report whom telemetry.yaml names; that somebody could not be told is a line, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_telemetry_gate.errors import TelemetryGateError

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import Environment
    from pytest_telemetry_gate.model.report import Report
    from pytest_telemetry_gate.plugin.session import GateRun

__all__ = ["SinkHooks"]


class SinkHooks:
    """The package's own implementation of the hook for reports."""

    def __init__(self, run: GateRun) -> None:
        self._run = run
        self._told: list[str] = []
        self._problems: list[str] = []

    @pytest.hookimpl
    def pytest_telemetry_gate_report(self, report: Report, files: Sequence[Path]) -> None:
        """Tell everybody whom the environments of the report name."""
        for environment in self._environments(report):
            from pytest_telemetry_gate.sinks.send import send

            problems = send(report, files, environment)
            self._problems += problems
            failed = {problem.partition(":")[0] for problem in problems}
            self._told += [name for name in environment.reports if name not in failed]

    def _environments(self, report: Report) -> list[Environment]:
        """Return the environments that a report is about and that name somebody to tell, each once."""
        environments = self._run.environments
        paths = [suite.path for suite in report.content.suites] + [
            case.path for case in report.content.replays
        ]
        for path in dict.fromkeys(paths):
            # Under xdist the process that reports may have read none yet; what cannot be read was said.
            with suppress(TelemetryGateError):
                environments.near((self._run.config.invocation_params.dir / path).parent)
        names = {suite.environment for suite in report.content.suites}
        return [one for one in environments.loaded if one.reports and (not names or one.name in names)]

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say who was told, and who could not be."""
        for problem in self._problems:
            terminalreporter.write_line(f"telemetry report: {problem}", red=True)
        if self._told and self._run.config.get_verbosity() >= 0:
            terminalreporter.write_line(f"telemetry report: told {', '.join(dict.fromkeys(self._told))}")
