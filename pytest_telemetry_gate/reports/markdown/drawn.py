"""Tables of the report as tables of Markdown (GitHub's dialect, which most readers know)."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_telemetry_gate.reports.markdown.words import MARKS, write_code, write_line, write_words
from pytest_telemetry_gate.reports.overview.tables import Cell, Table

__all__ = ["write_cell", "write_rows", "write_table", "write_titled"]


def write_table(table: Table) -> str:
    """Return a table with its notes as paragraphs below it, empty where it has no rows; its title is the caller's."""
    if not table.rows:
        return ""
    return "\n\n".join(["\n".join(write_rows(table)), *map(write_line, table.notes)])


def write_titled(table: Table) -> Iterator[str]:
    """Yield a table below its title, or nothing."""
    if table.rows:
        yield f"### {write_words(table.title)}"
        yield write_table(table)


def write_rows(table: Table) -> Iterator[str]:
    """Yield the lines of a table: header, rule, then one for each row."""
    yield _join([write_words(column) for column in table.columns])
    yield f"|{'|'.join('---:' if _is_right(table, place) else '---' for place in range(len(table.columns)))}|"
    for row in table.rows:
        yield _join([write_cell(cell) for cell in row])


def write_cell(cell: Cell) -> str:
    """Return a cell: the mark of its outcome in front of words, behind figures."""
    written = write_code(cell.text) if cell.code else write_words(cell.text)
    if cell.outcome is None:
        return written
    mark = MARKS[cell.outcome]
    return " ".join(filter(None, (written, mark) if cell.align == "right" else (mark, written)))


def _join(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _is_right(table: Table, place: int) -> bool:
    said = [row[place] for row in table.rows if row[place].text]
    return bool(said) and all(cell.align == "right" for cell in said)
