"""A table of the report as data: what every renderer draws in its own way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support import text

__all__ = ["EMPTY", "Cell", "Table", "code_cell", "figure_cell", "make_table", "text_cell"]

_CELL = 120  # columns of a label; the report's JSON has it whole
_NOTE = 2000


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: a text on one line that prints as itself, with its inline code in backticks, as titles are written.

    ``outcome`` is the one that the cell is marked with: in front of a word, behind a figure. ``code`` says that the text
    is code as a whole. ``note`` explains it or has the whole of what was cut, where there is room for it.
    """

    text: str = ""
    align: Literal["left", "right"] = "left"
    outcome: Outcome | None = None
    code: bool = False
    note: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Table:
    """A table: every row has as many cells as there are ``columns``; ``notes`` are lines below it. No rows: no table."""

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    notes: tuple[str, ...] = ()


EMPTY = Cell()


def text_cell(content: str, outcome: Outcome | None = None, *, note: str = "") -> Cell:
    """Return a cell of words, which may come from outside."""
    return Cell(_fit(content), outcome=outcome, note=_tell(content, note))


def code_cell(content: str, *, note: str = "") -> Cell:
    """Return a cell that is code: a path, a digest, the name of a rule."""
    return Cell(_fit(content), code=True, note=_tell(content, note))


def figure_cell(content: str, outcome: Outcome | None = None, *, note: str = "") -> Cell:
    """Return a cell with a figure, marked unless it is a pass."""
    marked = None if outcome is Outcome.PASS else outcome
    return Cell(_fit(content), "right", marked, note=_tell(content, note))


def make_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    notes: Iterable[str] = (),
    *,
    whole: bool = False,
) -> Table:
    """Return a table without the columns in which nothing is said, unless it is to be ``whole``."""
    drawn = [tuple(row) for row in rows]
    kept = [place for place in range(len(columns)) if whole or any(row[place].text for row in drawn)]
    return Table(
        title=_fit(title),
        columns=tuple(_fit(columns[place]) for place in kept),
        rows=tuple(tuple(row[place] for place in kept) for row in drawn),
        notes=tuple(text.clip(_clean(note), _NOTE, "…") for note in notes),
    )


@lru_cache(maxsize=4096)  # targets, outcomes and titles recur in every table
def _clean(content: str) -> str:
    return text.one_line(text.strip_passwords(content))


def _fit(content: str) -> str:
    return text.clip(_clean(content), _CELL, "…")


def _tell(content: str, note: str) -> str:
    """Return the note of a cell; of a text that had to be cut, its whole."""
    if not note and text.width_of(whole := _clean(content)) > _CELL:
        note = whole
    return text.clip(_clean(note), _NOTE, "…")
