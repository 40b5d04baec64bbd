"""The tables of docs/explanation/verdicts.md."""

from __future__ import annotations

from pathlib import Path

__all__ = ["table"]

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "verdicts.md"


def table(first_column: str) -> list[dict[str, str]]:
    """Return the rows of the page's table that begins with a column of this name."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows: list[dict[str, str]] = []
    for number, line in enumerate(lines):
        if not line.startswith(f"| {first_column} |"):
            continue
        names = cells(line)
        for row in lines[number + 2 :]:
            if not row.startswith("|"):
                break
            rows.append(dict(zip(names, cells(row), strict=True)))
    assert rows, first_column
    return rows


def cells(line: str) -> list[str]:
    return [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
