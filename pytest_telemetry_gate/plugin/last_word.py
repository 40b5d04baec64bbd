"""The gate's word on the session as a whole: its exit code, a test case that says why it fails, and the last line."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_telemetry_gate.plugin.summary import Summary
from pytest_telemetry_gate.plugin.wire_names import LEFT_OUT
from pytest_telemetry_gate.support import text

__all__ = ["LastWord"]

_NAME = "telemetry_gate::outcome"  # of the test case; JUnit makes a class name and a name of it


class LastWord:
    """Has a session fail whose gate stays closed, whatever else happened in it."""

    def __init__(self, config: pytest.Config, summary: Summary) -> None:
        self._config = config
        self._summary = summary
        self._usage_error = False
        self.failure_told = False  # whether a test's report was failed when all had seen it
        # Of the test case; empty where the tests themselves say why.
        self.reports: list[pytest.TestReport] = []

    def fail_session(self, session: pytest.Session) -> None:
        """Fail a session where the gate stays closed: with a test case of its own, unless another's says that it failed."""
        told = self.failure_told or any(report.failed for report in self._config.stash.get(LEFT_OUT, ()))
        if told or self.reports or not self._summary.is_closed:
            return
        outcome = self._summary.outcome
        reason = text.plain(text.strip_passwords(outcome.reason))
        self.reports = _test_case(f"{outcome.outcome.upper()} telemetry gate: {reason}")
        # pytest's terminal tells it at the end, and its session would count it as a reason to stop.
        silent = [
            plugin
            for name in ("terminalreporter", "session")
            if (plugin := self._config.pluginmanager.get_plugin(name)) is not None
        ]
        log = self._config.pluginmanager.subset_hook_caller("pytest_runtest_logreport", remove_plugins=silent)
        for report in self.reports:
            log(report=report)
        # The exit code follows testsfailed.
        session.testsfailed += 1

    def settle(self, session: pytest.Session) -> None:
        """Fail a session at its end, however it came to it."""
        self.fail_session(session)
        self._usage_error = session.exitstatus == pytest.ExitCode.USAGE_ERROR
        if self._summary.is_closed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def write(self) -> None:
        """Write the outcome of the gate below everything else; of a usage error pytest itself says why."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and not self._usage_error:
            self._summary.write_outcome(reporter)

    def correct(self, code: int | pytest.ExitCode) -> int | pytest.ExitCode:
        """Return the exit code of the session: never 0 where the gate stays closed."""
        return pytest.ExitCode.TESTS_FAILED if code == 0 and self._summary.is_closed else code


def _test_case(message: str) -> list[pytest.TestReport]:
    """Return the reports of a test that failed with a message."""
    location = (_NAME.partition("::")[0], 0, _NAME.rpartition("::")[2])
    phases: Sequence[tuple[str, str, str | None]] = (
        ("setup", "passed", None),
        ("call", "failed", message),
        ("teardown", "passed", None),
    )
    return [
        pytest.TestReport(
            nodeid=_NAME,
            location=location,
            keywords={},
            outcome=outcome,  # type: ignore[arg-type]
            longrepr=longrepr,
            when=when,  # type: ignore[arg-type]
        )
        for when, outcome, longrepr in phases
    ]
