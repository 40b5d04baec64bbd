"""A suite of the report laid out for its tables: rows of verdicts beside what was kept of their checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_telemetry_gate.model.dossier import CASE
from pytest_telemetry_gate.model.report import CheckReport, CriterionReport, SuiteReport
from pytest_telemetry_gate.model.verdict import Outcome, Verdict
from pytest_telemetry_gate.reports.document.dossiers import expand
from pytest_telemetry_gate.reports.overview.cells import write_figure, write_target, write_word
from pytest_telemetry_gate.reports.overview.moments import Clock
from pytest_telemetry_gate.reports.overview.tables.table import Cell, figure_cell, text_cell
from pytest_telemetry_gate.reports.rows import Row
from pytest_telemetry_gate.support.numbers import format_half

__all__ = [
    "EVENTS",
    "REPLAYS",
    "Entry",
    "Sheet",
    "by_criterion",
    "lay_out",
    "say_figure",
    "say_result",
    "say_status",
    "say_target",
    "say_title",
]

EVENTS = {"alerts", "incidents"}
REPLAYS = {"replay", CASE}


@dataclass(frozen=True, slots=True)
class Entry:
    """A criterion in one region: its row of verdicts, and its checks in the same order."""

    criterion: CriterionReport
    region: str
    row: Row
    checks: tuple[CheckReport, ...]

    @property
    def last(self) -> CheckReport:
        """The last judged check, or the last of all where none is judged: the one of ``row.last``."""
        judged = [check for check in self.checks if check.outcome.judged]
        return (judged or self.checks)[-1]


class Sheet:
    """A suite, laid out once and read by every table of it; ``clock`` writes its times."""

    def __init__(self, suite: SuiteReport) -> None:
        self.suite = suite
        self.clock = Clock(suite)
        self.entries = tuple(_read_entries(suite))

    def draw(
        self, wanted: Iterable[Entry], draw: Callable[[Entry], Iterable[Sequence[Cell]]]
    ) -> list[tuple[Cell, ...]]:
        """Return the lines of some criteria, those of regions that read alike once; the second cell names the regions."""
        found = [
            (regions, line)
            for entries in by_criterion(wanted)
            for regions, lines in _merge(entries, draw)
            for line in lines
        ]
        everywhere = all(self._has_all(regions) for regions, _ in found)
        return [
            (line[0], Cell("" if everywhere else self._name(regions)), *line[1:]) for regions, line in found
        ]

    def _has_all(self, regions: Sequence[str]) -> bool:
        return len(self.suite.regions) < 2 or {"", *regions} >= set(self.suite.regions) or regions == [""]

    def _name(self, regions: Sequence[str]) -> str:
        return "all" if self._has_all(regions) else text_cell(", ".join(regions)).text


def lay_out(suite: SuiteReport) -> Sheet:
    """Return a suite as its tables need it; raises ValueError for a time zone that is unknown here."""
    return Sheet(suite)


def _read_entries(suite: SuiteReport) -> Iterator[Entry]:
    for criterion in suite.criteria:
        for region in suite.regions_of(criterion):
            if checks := criterion.regions[region].checks:
                verdicts = tuple(dossier.verdict for dossier in expand(suite, criterion, region))
                yield Entry(criterion, region, Row(verdicts), checks)


def by_criterion(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Return entries by criterion, each with its regions, in their order; an id may be used again in another group."""
    found: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        found.setdefault((entry.criterion.group, entry.criterion.id), []).append(entry)
    return list(found.values())


def _merge(
    entries: Sequence[Entry], draw: Callable[[Entry], Iterable[Sequence[Cell]]]
) -> list[tuple[list[str], tuple[tuple[Cell, ...], ...]]]:
    """Return what is drawn of each region, with all regions of which the same is drawn."""
    merged: dict[tuple[tuple[Cell, ...], ...], list[str]] = {}
    for entry in entries:
        merged.setdefault(tuple(tuple(line) for line in draw(entry)), []).append(entry.region)
    return [(regions, lines) for lines, regions in merged.items()]


def say_title(entry: Entry) -> Cell:
    """Return the title of a criterion, with the unit that no limit of it names."""
    criterion, last = entry.criterion, entry.row.last
    unit = f" ({last.unit})" if last.unit and last.value is not None and not last.limit else ""
    return text_cell((criterion.title or criterion.id) + unit, note=last.query)


def say_target(verdict: Verdict) -> str:
    """Return the limit and the tolerance of a verdict as people who sign read them, ``= 0``."""
    return write_target(verdict).replace("== ", "= ").replace("!= ", "≠ ")


def say_status(row: Row) -> Cell:
    """Return the outcome that decides a row, with the first checkpoint that had it, where it is no pass."""
    worst = row.worst
    word = write_word(worst).lower()
    if worst.outcome is Outcome.PASS or len(row.verdicts) < 2:
        return text_cell(word, worst.outcome, note=worst.reason)
    judged = row.judged or row.verdicts
    first = next(place for place, verdict in enumerate(judged) if verdict.outcome is worst.outcome)
    after = judged[first:]
    lasting = len(after) > 1 and all(verdict.outcome is worst.outcome for verdict in after)
    where = f" {'since' if lasting else 'at'} {judged[first].checkpoint}" if judged[first].checkpoint else ""
    return text_cell(word + where, worst.outcome, note=worst.reason)


def say_figure(row: Row, verdict: Verdict | None, unit: str = "") -> Cell:
    """Return the figure of a checkpoint, or the outcome where it has none."""
    if verdict is None:
        return figure_cell("")
    figure = None if verdict.outcome in {Outcome.PENDING, Outcome.ERROR} else write_figure(row, verdict)
    if figure is None:
        return figure_cell(str(verdict.outcome), verdict.outcome, note=verdict.reason)
    shown = f"{figure} {unit}" if unit and figure != "absent" else figure
    return figure_cell(shown, verdict.outcome, note="" if verdict.outcome.good else verdict.reason)


def say_result(row: Row, verdict: Verdict) -> str:
    """Return the figure of a verdict with its unit, or its outcome where it has no figure."""
    if not row.by_tolerance:
        return say_figure(row, verdict, verdict.unit).text
    known = "" if verdict.variance_half is None else f"± {format_half(verdict.variance_half)} "
    return say_figure(row, verdict, f"{known}{verdict.variance_unit}").text
