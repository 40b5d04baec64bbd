"""What was measured: the metrics of each group at every named checkpoint, and all success criteria in one table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.overview.cells import write_baseline, write_margin, write_variance
from pytest_telemetry_gate.reports.overview.tables.sheet import (
    EVENTS,
    REPLAYS,
    Entry,
    Sheet,
    say_figure,
    say_result,
    say_status,
    say_target,
    say_title,
)
from pytest_telemetry_gate.reports.overview.tables.table import (
    Cell,
    Table,
    figure_cell,
    make_table,
    text_cell,
)
from pytest_telemetry_gate.reports.rows import list_checkpoints
from pytest_telemetry_gate.support.numbers import format_compact

__all__ = ["tabulate_checkpoints", "tabulate_criteria", "tabulate_metrics"]

_CHECKPOINTS = 12  # columns that people can still read beside each other
# Told in tables of their own, or in that of all criteria alone: they follow from others.
_NO_METRICS = {*EVENTS, *REPLAYS, "duration", "ratio", "trend", "approvals"}


def tabulate_metrics(sheet: Sheet) -> list[Table]:
    """Return a table for each group with metrics: baseline, every named checkpoint, change, target and status.

    The title is the group. Variances, events and replays are told elsewhere.
    """
    groups: dict[str, list[Entry]] = {}
    for entry in sheet.entries:
        if entry.criterion.kind not in _NO_METRICS and not entry.row.by_tolerance:
            groups.setdefault(entry.criterion.group, []).append(entry)
    return [_tabulate_group(sheet, group, entries) for group, entries in groups.items()]


def _tabulate_group(sheet: Sheet, group: str, entries: list[Entry]) -> Table:
    names = {entry.row.last.baseline_name for entry in entries if write_baseline(entry.row)} - {""}
    checkpoints = list_checkpoints(entry.row for entry in entries)

    def draw(entry: Entry) -> Iterator[list[Cell]]:
        row = entry.row
        yield [
            say_title(entry),
            figure_cell(write_baseline(row)),
            *(say_figure(row, row.at(checkpoint)) for checkpoint in checkpoints),
            figure_cell(_write_delta(entry)),
            text_cell(say_target(row.last)),
            say_status(row),
        ]

    return make_table(
        group,
        (
            "Metric",
            "Region",
            names.pop() if len(names) == 1 else "Baseline",
            *(checkpoint or "Value" for checkpoint in checkpoints),
            "Delta",
            "Target",
            "Status",
        ),
        sheet.draw(entries, draw),
        _say_between(entries),
    )


def _write_delta(entry: Entry) -> str:
    """Return the change since the baseline: relative, or in units where the baseline is zero."""
    last = entry.row.last
    if last.variance is not None or last.baseline is None or last.value is None:
        return write_variance(entry.row)
    change = last.value - last.baseline
    return "0" if change == 0 else f"{'+' if change > 0 else ''}{format_compact(change)}"


def _say_between(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield how often a criterion did not pass between the named checkpoints, where the columns do not show it."""
    for entry in entries:
        judged = [verdict for verdict in entry.row.unnamed if verdict.outcome.judged]
        bad = [verdict for verdict in judged if not verdict.outcome.good]
        if bad:
            region = f" in {entry.region}" if entry.region else ""
            words = ", ".join(dict.fromkeys(str(verdict.outcome) for verdict in bad))
            first, last = bad[0].checkpoint, bad[-1].checkpoint
            span = first if first == last else f"{first} to {last}"
            yield (
                f"{entry.row.title}{region}: {words} at {len(bad)} of {len(judged)} checkpoints between these, {span}"
            )


def tabulate_criteria(sheet: Sheet) -> Table:
    """Return all success criteria: target, result at the last judged checkpoint, what room is left, status."""

    def draw(entry: Entry) -> Iterator[list[Cell]]:
        yield [
            say_title(entry),
            text_cell(say_target(entry.row.last)),
            _say_results(entry),
            figure_cell(_write_room(entry)),
            say_status(entry.row),
        ]

    columns = ("Criterion", "Region", "Target", "Result", "Room", "Status")
    return make_table("Success criteria", columns, sheet.draw(sheet.entries, draw))


def _say_results(entry: Entry) -> Cell:
    """Return the last result, with the members it is made of, and the deciding one where that was another."""
    row, last = entry.row, entry.row.last
    parts = [say_result(row, last)]
    if entry.last.members is not None and entry.criterion.kind in {"ratio", "replay"}:
        members = entry.last.members.members
        noun = "cases" if entry.criterion.kind == "replay" else "checks"
        parts.append(f"{sum(member.counts for member in members)} of {len(members)} {noun}")
    worst = row.worst
    if worst.outcome is Outcome.FAIL and last.outcome.good:
        parts.append(f"{say_result(row, worst)} at {worst.checkpoint}")
    return text_cell(", ".join(parts), note=last.reason)


def _write_room(entry: Entry) -> str:
    last, room = entry.row.last, write_margin(entry.row)
    unit = last.variance_unit if entry.row.by_tolerance else last.unit
    if not room or not unit:
        return room
    return f"{room} {'pp' if unit == '%' else unit}"  # between two percentages there are points


def tabulate_checkpoints(sheet: Sheet) -> Table:
    """Return all criteria at every named checkpoint, the last twelve where there are more."""
    checkpoints = list_checkpoints(entry.row for entry in sheet.entries)
    shown = checkpoints[-_CHECKPOINTS:]

    def draw(entry: Entry) -> Iterator[list[Cell]]:
        row = entry.row
        unit = row.last.variance_unit if row.by_tolerance else ""  # others have the unit of the target
        yield [
            say_title(entry),
            text_cell(say_target(row.last)),
            *(say_figure(row, row.at(checkpoint), unit) for checkpoint in shown),
            say_status(row),
        ]

    columns = ("Criterion", "Region", "Target", *(checkpoint or "Value" for checkpoint in shown), "Status")
    left_out = len(checkpoints) - len(shown)
    notes = [f"{left_out} earlier checkpoints are left out"] if left_out else []
    return make_table("All criteria", columns, sheet.draw(sheet.entries, draw), notes)
