"""Earlier reports in a folder: one file each, the newest few, so that a report can say how its figures went."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

from pytest_telemetry_gate.errors import ReportError
from pytest_telemetry_gate.model.past_runs import PastMeasure, PastRun, name_in_past
from pytest_telemetry_gate.model.report import RegionReport, Report
from pytest_telemetry_gate.reports.document.stored import read_report, sign

__all__ = ["name_in_history", "past_run", "read_history", "surplus_files", "without_series"]

_KEPT = 20
_NAME = re.compile(r"(\d+)_.+_[0-9a-f]{8}\.json")
_UNSAFE = re.compile(r"[^\w.-]+")


def name_in_history(report: Report) -> str:
    """Return the name of a report's file: its clock, its first suite, the beginning of its digest."""
    suite = next((suite.id for suite in report.content.suites), "gate")
    digest = report.digest.removeprefix("sha256:")[:8]
    return f"{int(report.clock):010}_{_UNSAFE.sub('-', suite)}_{digest}.json"


def without_series(report: Report) -> Report:
    """Return a report without its series, which nobody compares and which are most of it; its digest is its own."""
    suites = tuple(
        dataclasses.replace(
            suite,
            criteria=tuple(
                dataclasses.replace(
                    criterion,
                    regions={name: RegionReport(region.checks) for name, region in criterion.regions.items()},
                )
                for criterion in suite.criteria
            ),
        )
        for suite in report.content.suites
    )
    content = dataclasses.replace(report.content, suites=suites)
    return sign(dataclasses.replace(report, content=content, history=(past_run(report),), changes=None))


def read_history(folder: Path) -> tuple[list[PastRun], Report | None, list[str]]:
    """Return the runs of a folder from the oldest on, the latest report, and why some files could not be read."""
    runs: list[PastRun] = []
    latest: Report | None = None
    problems: list[str] = []
    for path in _files(folder)[-_KEPT:]:
        try:
            report = read_report(path, path.name)
        except ReportError as error:
            problems.append(str(error))
            continue
        runs += report.history[-1:]
        latest = report
    return runs, latest, problems


def surplus_files(folder: Path) -> list[Path]:
    """Return the oldest files of a folder, beyond those that are read."""
    return _files(folder)[:-_KEPT]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.json") if _NAME.fullmatch(path.name))


def past_run(report: Report) -> PastRun:
    """Return a report in a few figures."""
    return PastRun(
        at=report.clock,
        digest=report.digest,
        outcome=report.content.gate.outcome,
        counts=report.content.gate.counts,
        values={name: value for name, value, _ in _values(report)},
        measures={name: measure for name, _, measure in _values(report)},
    )


def _values(report: Report) -> Iterator[tuple[str, float, PastMeasure]]:
    for suite in report.content.suites:
        query, last = "", ("", "")
        for criterion, region, check in suite.checks():
            if (criterion.id, region) != last:
                query, last = "", (criterion.id, region)
            query = query if check.query is None else check.query
            if check.value is not None:
                name = name_in_past(suite.id, criterion.id, region)
                yield name, check.value, PastMeasure(query, check.window, criterion.unit, suite.environment)
