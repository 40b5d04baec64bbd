"""The properties of verdicts on reports, for pytest's JUnit XML and other readers of ``user_properties``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.reports import junit

__all__ = ["ReportProperties"]

MANY_TESTS = 5_000  # with so many, a file states once what its tests share: GitLab refuses files above 30 MB


class ReportProperties:
    """Makes properties of verdicts in the process that reports, so that workers need not send them.

    pytest writes the properties on the report of a test's teardown; other readers may take those of its body. In a
    session of very many tests the testsuite states what they share, and reports that passed lose their properties
    after everybody has read them, since pytest's terminal keeps all reports to the end.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._stated: junit.Stated | None = None
        self._begun = False
        self._open: dict[tuple[str, object], tuple[pytest.TestReport, list[tuple[str, str]]]] = {}

    def put(self, report: pytest.TestReport, dossiers: Sequence[Dossier]) -> None:
        """Put the properties of verdicts on the report of a test's body."""
        if not dossiers:
            return
        if not self._begun:
            self._begin(report)
        properties = junit.list_properties(dossiers, self._stated, report.nodeid)
        report.user_properties.extend(properties)
        self._open[_key(report)] = report, properties

    def close(self, report: pytest.TestReport) -> Callable[[], None]:
        """Put them on the report of its teardown as well; returns a function that takes them off both afterwards."""
        body, properties = self._open.pop(_key(report), (None, []))
        if body is None:
            return _nothing
        report.user_properties.extend(properties)

        if self._stated is None:
            return _nothing

        def take_off() -> None:
            for phase_report in (body, report):
                if phase_report.passed:
                    del phase_report.user_properties[-len(properties) :]

        return take_off

    def _begin(self, report: pytest.TestReport) -> None:
        """State the format: on the testsuite where a file is written, on the first test where others read reports."""
        self._begun = True
        manager = self._config.pluginmanager
        add = next(filter(None, map(_adds_to_testsuite, manager.get_plugins())), None)
        if add is None:
            report.user_properties.append(junit.FORMAT_PROPERTY)
            return
        add(*junit.FORMAT_PROPERTY)
        session: Any = manager.get_plugin("session")
        if session.testscollected >= MANY_TESTS:
            self._stated = junit.Stated(add)


def _adds_to_testsuite(plugin: Any) -> Callable[[str, str], None] | None:
    """Return what the fixture ``record_testsuite_property`` calls, if this is pytest's plugin that writes JUnit XML."""
    return getattr(plugin, "add_global_property", None)


def _key(report: pytest.TestReport) -> tuple[str, object]:
    """Tell a test on one of xdist's workers from the same test on others."""
    return report.nodeid, getattr(report, "node", None)


def _nothing() -> None:
    """Take nothing off."""
