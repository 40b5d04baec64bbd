"""The table of a suite, fitted to a width: columns without room are left out, and named below the table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import tabulate

from pytest_telemetry_gate.model.verdict import Outcome, Verdict
from pytest_telemetry_gate.reports.overview.cells import (
    MARKS,
    write_baseline,
    write_figure,
    write_margin,
    write_target,
    write_variance,
    write_word,
)
from pytest_telemetry_gate.reports.rows import Row, list_checkpoints, name_series
from pytest_telemetry_gate.support import text

__all__ = ["Table", "table"]

_ASCII_MARKS = {**MARKS, Outcome.FAIL: "*"}
_GAP = 2
_TITLE = 21  # columns that a title may ask for before other columns are left out
_TITLE_LINES = 2
_BREAKS = " _-./:,"
_NAME = 12  # columns that the name of a baseline may take in the header
_DIGITS = 4  # what follows a whole number, at most, to be aligned at the point: ".123"
_FIGURE = re.compile(r"([-+]?[\d,]+)(\.\d+)?(?![\w.,])(.*)")


@dataclass(frozen=True, slots=True)
class _Column:
    """A column with its cells, ``gap`` columns of the terminal right of the one before it."""

    name: str
    header: str
    cells: tuple[str, ...]
    left: bool = False
    gap: int = _GAP

    @property
    def width(self) -> int:
        """The columns of the terminal that it takes, the gap before it included."""
        return self.gap + max(map(text.width_of, (self.header, *self.cells)))


@dataclass(frozen=True, slots=True)
class Table:
    """A table as lines: its two header lines, one block of lines per row, and notes on what it leaves out."""

    header: tuple[str, ...]
    blocks: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def table(rows: Sequence[Row], *, width: int, unicode: bool = True, strict: bool = False) -> Table:
    """Return the table of some rows with no line wider than ``width`` columns.

    Where room is short, these are left out in this order: the series' column, the margin, the checkpoint in the
    verdict, the baseline, the variance, checkpoints from the first on, the target, the region. The verdict stays.
    """
    sheet = _Sheet(rows, unicode=unicode, strict=strict)
    columns = sheet.columns()
    title_width = min(_TITLE, max(map(text.width_of, sheet.titles)))
    left_out: list[str] = []
    for cut in sheet.cuts():
        if width - sum(column.width for column in columns) >= title_width:
            break
        columns, name = cut(columns)
        if name:
            left_out.append(name)
    lines = _draw(sheet, columns, width)
    return Table(lines[0], lines[1], tuple(sheet.notes(left_out, width)))


class _Sheet:
    """The cells of a table, column by column, as wide as they would like to be."""

    def __init__(self, rows: Sequence[Row], *, unicode: bool, strict: bool) -> None:
        self.rows = rows
        self.unicode = unicode
        self._strict = strict
        self._checkpoints = list_checkpoints(rows)
        self._series = name_series(rows)
        self.titles = self._titles()
        self._marks = MARKS if unicode else _ASCII_MARKS
        self._used: set[Outcome] = set()

    def columns(self) -> list[_Column]:
        """Return every column that says something about these rows, the title's excepted."""
        names = {row.last.baseline_name for row in self.rows if row.last.baseline_name}
        name = self._plain(names.pop()) if len(names) == 1 else ""
        columns = [
            self._column("region", "region", lambda row: row.region, left=True),
            self._column(
                "baseline", name if 0 < text.width_of(name) <= _NAME else "baseline", write_baseline
            ),
            *(self._column(f"at {point}", point or "value", self._at(point)) for point in self._checkpoints),
            self._column("series", self._series, self._fold),
            self._column("variance", "variance", write_variance),
            self._column(
                "target", "target", lambda row: write_target(row.last, unicode=self.unicode), left=True
            ),
            self._column("margin", "margin", write_margin),
            self._column("verdict", "verdict", self._verdict, left=True),
        ]
        regions = {row.region for row in self.rows}
        if len(regions) == 1:
            del columns[0]
        return [column for column in columns if any(column.cells)]

    def cuts(self) -> Iterator[Callable[[list[_Column]], tuple[list[_Column], str]]]:
        """Yield the ways to save room, the least loss first."""
        yield _without("series")
        yield _tighten
        yield _without("margin")
        yield self._short_verdicts
        yield _without("baseline")
        yield _without("variance")
        for point in self._checkpoints[:-1]:
            yield _without(f"at {point}")
        for name in ("target", "region", *(f"at {point}" for point in self._checkpoints[-1:])):
            yield _without(name)

    def notes(self, left_out: Sequence[str], width: int) -> Iterator[str]:
        """Yield what the marks mean, and the columns that had no room."""
        if self._used:
            yield ", ".join(
                f"{mark} {outcome}" for outcome, mark in self._marks.items() if outcome in self._used
            )
        if "series" in left_out:
            unnamed = [verdict for row in self.rows for verdict in row.unnamed]
            yield f"{self._series}: {self._count_open(unnamed)} checks let the gate through"
        names = [self._plain(name.removeprefix("at ")) for name in left_out if name != "series"]
        if names:
            yield f"left out at {width} columns: {', '.join(names)}"

    def _plain(self, content: str) -> str:
        return text.plain(content, unicode=self.unicode)

    def _column(self, name: str, header: str, cell: Callable[[Row], str], *, left: bool = False) -> _Column:
        cells = [self._plain(cell(row)) for row in self.rows]
        if not left:
            cells = _align_points(cells)
        return _Column(name, self._plain(header), tuple(cells), left)

    def _titles(self) -> list[str]:
        """Return the titles of the rows, once for all regions of a criterion."""
        titles, before = [], None
        for row in self.rows:
            first = row.verdicts[0]
            key = (first.path, first.suite, first.group, first.criterion)
            unit = row.last.unit if row.last.value is not None and not row.last.limit else ""
            titles.append("" if key == before else self._plain(row.title + (f" ({unit})" if unit else "")))
            before = key
        return titles

    def _at(self, checkpoint: str) -> Callable[[Row], str]:
        return lambda row: self._cell(row, row.at(checkpoint))

    def _cell(self, row: Row, verdict: Verdict | None) -> str:
        if verdict is None:
            return ""
        mark = self._marks.get(verdict.outcome, "")
        if mark:
            self._used.add(verdict.outcome)
        figure = write_figure(row, verdict)
        if figure is None or verdict.outcome in {Outcome.PENDING, Outcome.ERROR}:
            return mark or str(verdict.outcome)
        return figure + mark

    def _fold(self, row: Row) -> str:
        return self._count_open(row.unnamed) if row.unnamed else ""

    def _count_open(self, verdicts: Sequence[Verdict]) -> str:
        judged = [verdict for verdict in verdicts if verdict.outcome.judged]
        through = sum(verdict.keeps_gate_open(strict=self._strict) for verdict in judged)
        return f"{through}/{len(judged)}" if judged else str(Outcome.PENDING)

    def _verdict(self, row: Row) -> str:
        decided = row.worst
        word = write_word(decided)
        has_others = len(row.verdicts) > 1
        return f"{word} {decided.checkpoint}" if decided.outcome is not Outcome.PASS and has_others else word

    def _short_verdicts(self, columns: list[_Column]) -> tuple[list[_Column], str]:
        cells = tuple(write_word(row.worst) for row in self.rows)
        return [
            replace(column, cells=cells) if column.name == "verdict" else column for column in columns
        ], ""


def _without(name: str) -> Callable[[list[_Column]], tuple[list[_Column], str]]:
    def cut(columns: list[_Column]) -> tuple[list[_Column], str]:
        remaining = [column for column in columns if column.name != name]
        return remaining, name if len(remaining) < len(columns) else ""

    return cut


def _tighten(columns: list[_Column]) -> tuple[list[_Column], str]:
    """Move columns of figures closer; beside words, one blank would read as part of them."""
    return [column if column.left else replace(column, gap=1) for column in columns], ""


def _align_points(cells: Sequence[str]) -> list[str]:
    """Pad figures so that their points stand below each other when the cells are aligned on the right."""
    parts = [_FIGURE.fullmatch(cell) for cell in cells]
    fits = [part if part is not None and len(part[2] or "") <= _DIGITS else None for part in parts]
    point = max((len(part[2] or "") for part in fits if part), default=0)
    rest = max((text.width_of(part[3]) for part in fits if part), default=0)
    tail_widths = (None if part is None else text.width_of((part[2] or "") + part[3]) for part in fits)
    return [
        cell if tail_width is None else cell + " " * (point + rest - tail_width)
        for cell, tail_width in zip(cells, tail_widths, strict=True)
    ]


def _draw(
    sheet: _Sheet, columns: Sequence[_Column], width: int
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    room = max(width - sum(column.width for column in columns), len("metric"))
    titles = _spread(_title(title, room, "…" if sheet.unicode else "...") for title in sheet.titles)
    headers = ["metric", *(column.header for column in columns)]
    longest = max(map(text.width_of, ("metric", *(line for title in titles for line in title))))
    rules = ["-" * longest, *("-" * (column.width - column.gap) for column in columns)]
    # A column's gap goes in front of its cells, less the one blank that the format puts between columns.
    gaps = ["", *(" " * (column.gap - 1) for column in columns)]
    body = (
        [line, *("" if further else column.cells[place] for column in columns)]
        for place, title in enumerate(titles)
        for further, line in enumerate(title)
    )
    # The header goes in as a row, since tabulate would make it two columns wider than it is.
    drawn = tabulate.tabulate(
        [[gap + cell for gap, cell in zip(gaps, row, strict=True)] for row in (headers, rules, *body)],
        tablefmt=tabulate.simple_separated_format(" "),
        colalign=["left", *("left" if column.left else "right" for column in columns)],
        disable_numparse=True,
        preserve_whitespace=True,
    )
    lines = [text.clip(line.rstrip(), width) for line in drawn.split("\n")]
    blocks, place = [], 2
    for title in titles:
        blocks.append(tuple(lines[place : place + len(title)]))
        place += len(title)
    return tuple(lines[:2]), tuple(blocks)


def _title(title: str, room: int, ellipsis: str) -> list[str]:
    """Break a title into at most two lines; a longer one keeps its end, where titles tend to differ."""
    lines = text.wrap(title, room, indent="  ", breaks=_BREAKS)
    if len(lines) <= _TITLE_LINES:
        return _even(title, lines, room)
    tail = ""
    for grapheme in reversed(text.graphemes(title)):
        if text.width_of(f"  {ellipsis}{grapheme}{tail}") > room:
            break
        tail = grapheme + tail
    return [lines[0], f"  {ellipsis}{tail}"]


def _even(title: str, lines: list[str], room: int) -> list[str]:
    """Break a title into as many lines as before, but of about one length: no last letter alone on its line."""
    while len(lines) > 1 and room > _NAME:
        room -= 1
        narrower = text.wrap(title, room, indent="  ", breaks=_BREAKS)
        if len(narrower) > len(lines):
            break
        lines = narrower
    return lines


def _spread(titles: Iterable[list[str]]) -> list[list[str]]:
    """Move the further lines of a title to the rows of the criterion's further regions, which have no title."""
    spread: list[list[str]] = []
    rest: list[str] = []
    for title in titles:
        if title == [""]:
            spread.append([rest.pop(0) if rest else ""])
        else:
            if rest:
                spread[-1] += rest
            spread.append(title[:1])
            rest = title[1:]
    spread[-1] += rest
    return spread
