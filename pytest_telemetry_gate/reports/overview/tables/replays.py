"""Replays: how many cases passed at each checkpoint, and the figures that were taken of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_telemetry_gate.model.report import CaseReport
from pytest_telemetry_gate.reports.overview.moments import write_length
from pytest_telemetry_gate.reports.overview.tables.sheet import (
    Entry,
    Sheet,
    say_figure,
    say_status,
    say_target,
    say_title,
)
from pytest_telemetry_gate.reports.overview.tables.table import (
    EMPTY,
    Cell,
    Table,
    make_table,
    text_cell,
)
from pytest_telemetry_gate.reports.rows import list_checkpoints

__all__ = ["tabulate_cases", "tabulate_replay_figures", "tabulate_replays"]

_NAMED = 5  # cases that are named where they did not pass
_AT_ONCE = 60.0  # seconds
_KINDS = 4  # kinds of cases that are told apart


@dataclass(frozen=True, slots=True)
class _Replayed:
    """The cases of one checkpoint: their names, those that did not pass, and when they were captured."""

    names: tuple[str, ...]
    passed: int
    failed: tuple[str, ...]
    captured: tuple[float, ...] = ()


def tabulate_replays(sheet: Sheet) -> Table:
    """Return how many cases passed at each checkpoint, by the suite's criteria about replays."""

    def draw(entry: Entry) -> Iterator[list[Cell]]:
        for verdict, check in zip(entry.row.verdicts, entry.checks, strict=True):
            if check.members is not None:
                members = check.members.members
                replayed = _Replayed(
                    tuple(member.criterion for member in members),
                    sum(member.counts for member in members),
                    tuple(member.criterion for member in members if not member.counts),
                    tuple(member.at for member in members if member.at is not None),
                )
                yield [
                    say_title(entry),
                    text_cell(check.checkpoint),
                    *_draw_cells(sheet, replayed, check.at),
                    text_cell(str(verdict.outcome), verdict.outcome, note=verdict.reason),
                ]

    wanted = [entry for entry in sheet.entries if entry.criterion.kind == "replay"]
    rows = sheet.draw(wanted, draw)
    titled = len({row[0].text for row in rows}) > 1
    shown = rows if titled else [(EMPTY, *row[1:]) for row in rows]
    columns = ("Replays", "Region", "Checkpoint", "Replayed", "Passed", "Not passed", "Captured", "Status")
    return make_table("Replays", columns, shown)


def _draw_cells(sheet: Sheet, replayed: _Replayed, at: float | None) -> list[Cell]:
    total = len(replayed.names)
    failed = list(replayed.failed[:_NAMED])
    if len(replayed.failed) > _NAMED:
        failed.append(f"and {len(replayed.failed) - _NAMED} more")
    return [
        text_cell(_count_kinds(replayed.names)),
        text_cell(f"{replayed.passed} of {total}"),
        text_cell(", ".join(failed), note=", ".join(replayed.failed)),
        text_cell(_say_captured(sheet, replayed.captured, at)),
    ]


def _count_kinds(names: Sequence[str]) -> str:
    """Return how many cases there are of each kind, which is what their names begin with: ``9 parse, 5 cli``."""
    kinds = Counter(name.partition("-")[0] for name in names)
    if len(kinds) > _KINDS or len(kinds) == len(names):
        return f"{len(names)} cases"
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())


def _say_captured(sheet: Sheet, captured: Sequence[float], at: float | None) -> str:
    """Return when cases were captured, and how far from their checkpoint."""
    if not captured:
        return ""
    first, last = min(captured), max(captured)
    moment = sheet.clock.day_time(first) if last - first < _AT_ONCE else sheet.clock.span(first, last)
    if at is None or abs(last - at) < _AT_ONCE:
        return moment
    return f"{moment}, {write_length(abs(last - at))} {'after' if last > at else 'before'} the checkpoint"


def tabulate_cases(sheet: Sheet, cases: Iterable[CaseReport]) -> list[Table]:
    """Return how many cases of each replay suite passed at each checkpoint; ``sheet`` has the clock."""
    suites: dict[str, dict[tuple[str, str], list[CaseReport]]] = {}
    for case in cases:
        suites.setdefault(case.suite, {}).setdefault((case.checkpoint, case.region), []).append(case)
    columns = ("Checkpoint", "Region", "Replayed", "Passed", "Not passed", "Captured", "Status")
    return [
        make_table(suite, columns, [_draw_cases(sheet, *place, found) for place, found in places.items()])
        for suite, places in suites.items()
    ]


def _draw_cases(sheet: Sheet, checkpoint: str, region: str, cases: Sequence[CaseReport]) -> list[Cell]:
    replayed = _Replayed(
        tuple(case.case for case in cases),
        sum(case.outcome.good for case in cases),
        tuple(case.case for case in cases if not case.outcome.good),
        tuple(case.captured_at for case in cases if case.captured_at is not None),
    )
    worst = max((case.outcome for case in cases), key=lambda outcome: outcome.rank)
    return [
        text_cell(checkpoint),
        text_cell(region),
        *_draw_cells(sheet, replayed, None),
        text_cell(str(worst), worst),
    ]


def tabulate_replay_figures(sheet: Sheet) -> Table:
    """Return the figures that were taken of replays, at each checkpoint."""
    entries = [entry for entry in sheet.entries if entry.criterion.kind == "replay"]
    checkpoints = list_checkpoints(entry.row for entry in entries)

    def draw(entry: Entry) -> Iterator[list[Cell]]:
        row = entry.row
        yield [
            say_title(entry),
            *(say_figure(row, row.at(checkpoint), row.last.unit) for checkpoint in checkpoints),
            text_cell(say_target(row.last)),
            say_status(row),
        ]

    columns = ("Figure", "Region", *(checkpoint or "Value" for checkpoint in checkpoints), "Target", "Status")
    return make_table("Replay figures", columns, sheet.draw(entries, draw))
