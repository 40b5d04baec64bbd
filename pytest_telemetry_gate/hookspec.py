"""Hooks by which plugins and ``conftest.py`` extend the gate; what is built in is registered through them too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.check import Criterion
    from pytest_telemetry_gate.model.dossier import Dossier
    from pytest_telemetry_gate.model.environment import RegionSettings
    from pytest_telemetry_gate.model.query_sources import QuerySource
    from pytest_telemetry_gate.model.report import Report
    from pytest_telemetry_gate.model.sections import Section
    from pytest_telemetry_gate.model.sources import EventSource, Source
    from pytest_telemetry_gate.model.verdict import Verdict


@pytest.hookspec
def pytest_telemetry_gate_sources() -> Mapping[str, Callable[[RegionSettings], Source | QuerySource]]:  # type: ignore[empty-body]
    """Return factories of metric sources by the name that ``source:`` in telemetry.yaml gives them.

    A factory gets the settings of one region and returns a ``pytest_telemetry_gate.Source``, or a ``LiveSource`` where
    it is behind a network; it raises ``SourceError`` where the region cannot be used. A source that is asked in another
    language than PromQL is a class derived from ``QuerySource``, whose ``dialect`` is known before it is made.
    """


@pytest.hookspec
def pytest_telemetry_gate_event_sources() -> Mapping[  # type: ignore[empty-body]
    str, Callable[[RegionSettings, Source], EventSource]
]:
    """Return factories of event sources by the name that ``events: {alerts: {source: NAME}}`` gives them.

    A factory gets that mapping as settings and the region's metric source, and returns a
    ``pytest_telemetry_gate.EventSource``.
    """


@pytest.hookspec
def pytest_telemetry_gate_criteria() -> Iterable[type[Criterion]]:  # type: ignore[empty-body]
    """Return kinds of criteria: subclasses of ``pytest_telemetry_gate.Criterion``.

    The class attribute ``key`` is the key that makes a criterion one of this kind in a suite file.
    """


@pytest.hookspec
def pytest_telemetry_gate_reducers() -> Mapping[str, Callable[[Sequence[float]], float]]:  # type: ignore[empty-body]
    """Return functions that make one value of several series, by the name that ``reduce:`` gives them.

    A function gets the values of all series, each finite and at least two, in no particular order, and returns a number.
    """


@pytest.hookspec
def pytest_telemetry_gate_drivers() -> Mapping[str, str]:  # type: ignore[empty-body]
    """Return drivers of replay suites, as ``MODULE:FUNCTION`` by the name that stands below ``drive:``.

    The function is called as that of ``python`` is: with a ``DriveContext``, and what stands below the name as keyword arguments.
    """


@pytest.hookspec
def pytest_telemetry_gate_suite(content: dict[str, Any], path: Path, config: pytest.Config) -> None:
    """Change what a suite file says before it is checked: ``content`` is the file as plain values, changed in place.

    What is added is checked as if it stood in the file. Every change is told, and a criterion cannot be taken away. It is called in
    every process that collects, and has to do the same in each.
    """


@pytest.hookspec
def pytest_telemetry_gate_report_sections(report: Report, config: pytest.Config) -> Iterable[Section]:  # type: ignore[empty-body]
    """Return further sections of the report: ``pytest_telemetry_gate.Section``, a title, a text and a table.

    Called once in the process that reports, when all verdicts are there and before the report is written. Nothing that happens
    here changes a verdict or the exit code; whatever is raised is a line in the terminal.
    """


@pytest.hookspec
def pytest_telemetry_gate_verdict(verdict: Verdict, dossier: Dossier, config: pytest.Config) -> None:
    """Called with every verdict in the process that reports, once, in the order in which they arrive.

    ``dossier`` is the verdict with what was demanded, the steps, the findings and the facts behind it.
    """


@pytest.hookspec
def pytest_telemetry_gate_report(report: Report, files: Sequence[Path], config: pytest.Config) -> None:
    """Called once in the process that reports, when the outcome of the gate is settled, with the report of the session.

    ``files`` are those that were written of it, each of them whole. Nothing that happens here changes a verdict or the exit
    code; whatever is raised is a line in the terminal.
    """
