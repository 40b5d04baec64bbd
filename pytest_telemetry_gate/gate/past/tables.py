"""Tables of plain text: columns that stand below each other, as wide as they need to be."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from pytest_telemetry_gate.support.text import width_of

__all__ = ["GAP", "align", "widths_of"]

GAP = 2  # blanks between two columns


def widths_of(rows: Sequence[Sequence[str]]) -> list[int]:
    """Return how many columns of a terminal each column of a table takes."""
    return [max(map(width_of, cells)) for cells in zip(*rows, strict=True)]


def align(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> Iterator[str]:
    """Yield the lines of a table; the columns ``right`` end below each other, the others begin so."""
    widths = widths_of(rows)
    for row in rows:
        cells = []
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            room = " " * (width - width_of(cell))
            cells.append(room + cell if place in right else cell + room)
        yield (" " * GAP).join(cells).rstrip()
