"""Write reports from reports: the command ``report`` of the console script, which renders one and merges several."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.plugin.history import say_changes
from pytest_telemetry_gate.plugin.outputs import refuse_unusable, write_outputs
from pytest_telemetry_gate.support.text import one_line

__all__ = ["render_reports", "split_paths"]

_DIFFERING = 5  # lines about what differs between merged reports; the report has all of them


def split_paths(paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the reports to read, which come first, and the files to write, from the first that is no ``.json`` on."""
    place = next((index for index, path in enumerate(paths) if not path.endswith(".json")), len(paths))
    return [*paths[:place]], [*paths[place:]]


def render_reports(
    sources: Sequence[str],
    outputs: Sequence[str],
    folder: Path,
    *,
    against: str | None = None,
    approvals: str | None = None,
) -> int:
    """Write files from one report, or from several that are merged, and print what was written.

    Paths are as the user wrote them, relative to ``folder``. Returns 0, and 1 where a file could not be written or where
    the reports together keep a gate closed that each of them opened. Raises ReportError and ConfigError.
    """
    from pytest_telemetry_gate.files.approvals import read_approvals
    from pytest_telemetry_gate.reports.document.changes import compare_reports
    from pytest_telemetry_gate.reports.document.merge import merge_reports
    from pytest_telemetry_gate.reports.document.stored import read_report

    if not sources:
        message = "no report to read: their JSON comes first, what to write after it"
        raise ConfigError(message)
    if not outputs:
        message = "nothing to write: name .html, .md or .txt files after the reports, or --out FILE for JSON"
        raise ConfigError(message)
    for shown in outputs:
        refuse_unusable(shown, folder, "report")
    reports = [read_report(folder / source, source) for source in sources]
    report = merge_reports(reports, sources)
    if approvals is not None:
        roles = {role for suite in report.content.suites for role in suite.roles}
        entries = read_approvals(folder / approvals, approvals, roles)
        report = replace(report, approvals=tuple(dict.fromkeys((*report.approvals, *entries))))
    if against is not None:
        report = replace(report, changes=compare_reports(report, read_report(folder / against, against)))
    written = write_outputs(report, outputs, folder)
    lines = [*report.differing[:_DIFFERING]]
    if len(report.differing) > _DIFFERING:
        lines.append(
            f"and {len(report.differing) - _DIFFERING} more checks of which the reports say different things"
        )
    if report.changes is not None:
        lines.append(say_changes(report.changes)[0])
    lines += [one.line for one in written]
    gate = report.content.gate
    lines.append(f"telemetry gate: {gate.outcome.upper()}  {sum(gate.counts.values())} checks: {gate.reason}")
    sys.stdout.write("".join(f"{one_line(line)}\n" for line in lines))
    closed_together = not gate.opens and all(one.content.gate.opens for one in reports)
    return int(closed_together or any(one.problem for one in written))
