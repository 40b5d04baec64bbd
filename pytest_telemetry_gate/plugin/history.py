"""What changed since an earlier report: one that is named, or the latest of a folder of them, which is kept up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_telemetry_gate.errors import ConfigError, ReportError
from pytest_telemetry_gate.plugin.outputs import Written, refuse_unwritable, write_file

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.past_runs import PastRun
    from pytest_telemetry_gate.model.report import Changes, Report
    from pytest_telemetry_gate.plugin.options import ReportOptions

__all__ = ["History", "say_changes"]

_FIRST = "loosened"


class History:
    """Holds the earlier reports of a session; raises ConfigError for what cannot be read or kept."""

    def __init__(self, options: ReportOptions, folder: Path) -> None:
        self._folder = None if options.history is None else folder / options.history
        self._runs: list[PastRun] = []
        self._earlier: Report | None = None
        self._changes: Changes | None = None
        self.problems: list[str] = []
        if options.history is not None and self._folder is not None:
            self._read(self._folder, options.history, folder)
        if options.against is not None:
            from pytest_telemetry_gate.reports.document.stored import read_report

            try:
                self._earlier = read_report(folder / options.against, options.against)
            except ReportError as error:
                message = f"--telemetry-report-against: {error}"
                raise ConfigError(message) from None

    def _read(self, place: Path, shown: str, folder: Path) -> None:
        from pytest_telemetry_gate.reports.document.history import read_history

        if place.exists() and not place.is_dir():
            message = f"--telemetry-history: {shown} is no folder"
            raise ConfigError(message)
        refuse_unwritable(f"{shown}/report.json", folder, "--telemetry-history")
        if place.is_dir():
            self._runs, self._earlier, problems = read_history(place)
            self.problems = [f"{shown}: {problem}" for problem in problems]

    def complete(self, report: Report) -> Report:
        """Return a report with the earlier runs and with what changed."""
        from pytest_telemetry_gate.reports.document.changes import compare_reports

        self._changes = None if self._earlier is None else compare_reports(report, self._earlier)
        return replace(report, history=tuple(self._runs), changes=self._changes)

    def keep(self, report: Report) -> Iterator[Written]:
        """Keep a report in the folder, if there is one, and remove the oldest ones; yields what was written."""
        if self._folder is None:
            return
        from pytest_telemetry_gate.reports.document.history import (
            name_in_history,
            surplus_files,
            without_series,
        )
        from pytest_telemetry_gate.reports.document.stored import write_json

        path = self._folder / name_in_history(report)
        written = write_file(path.name, path, lambda: write_json(without_series(report)).encode())
        yield replace(written, tell=False)
        for old in surplus_files(self._folder):
            with suppress(OSError):
                old.unlink()

    @property
    def lines(self) -> list[tuple[str, bool]]:
        """A line on what changed, with whether it has to be read even where people want to read little."""
        return [] if self._changes is None else [say_changes(self._changes)]


def say_changes(changes: Changes) -> tuple[str, bool]:
    """Return what changed in one line, and whether something lets more through than before."""
    from pytest_telemetry_gate.reports.document.changes import KINDS

    since = f"since {changes.since[:19]}…"
    if not changes.changes:
        return f"{since}: nothing changed", False
    counts = Counter(change.kind for change in changes.changes)
    loosened = [f"{one.what} ({one.message})" for one in changes.changes if one.kind == _FIRST]
    parts = [f"{counts[kind]} {kind}" for kind in KINDS if counts[kind]]
    if loosened:
        parts[0] += f": {', '.join(loosened[:3])}{', ...' if len(loosened) > 3 else ''}"
    return f"{since}: {'; '.join(parts)}", bool(loosened)
