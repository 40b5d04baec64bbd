"""What a dashboard exports: rows with a time and a column for each series, as CSV or as a list of JSON objects.

Nothing is guessed: a time without an offset needs a zone, and a cell that is no number is refused with its line.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import pairwise
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.support.json_text import JsonTextError, read_json
from pytest_telemetry_gate.support.text import clip

__all__ = ["Export", "read_export"]

_MOST = 16 * 2**20  # bytes: dashboards export some thousand rows
_NO_DATA = frozenset({"", "null", "nan", "none", "undefined"})
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_FIRST_SECOND, _FIRST_MILLISECOND, _TOO_LATE = 1e9, 1e11, 1e14  # since the epoch: 2001, and 1973 to 5138

Row = tuple[int, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Export:
    """The content of a file: ``times`` in milliseconds since the epoch, ascending, each once, and the values of each column."""

    times: Sequence[int]
    columns: Mapping[str, Sequence[float | None]]

    @property
    def interval(self) -> int | None:
        """The milliseconds between the two closest times; None where there are fewer than two."""
        return min((after - before for before, after in pairwise(self.times)), default=None)


def read_export(path: Path, zone: tzinfo | None, time_column: str | None) -> Export:
    """Return what a file holds; raises SourceError with the file's name and line.

    ``zone`` is that of times without an offset, None where there is none. Times are in ``time_column``, else in the first one.
    """
    try:
        if path.stat().st_size > _MOST:
            message = f"{path.name}: larger than {_MOST // 2**20} MiB, which no dashboard exports"
            raise SourceError(message)
        content = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        message = f"{path.name} cannot be read: {error.strerror}"
        raise SourceError(message) from None
    except UnicodeDecodeError as error:
        message = f"{path.name}: not UTF-8 at byte {error.start + 1}"
        raise SourceError(message) from None
    names, rows = _read_rows(path, content)
    if time_column is None:
        time_column = names[0]
    elif time_column not in names:
        message = (
            f"{path.name}: no column {time_column!r}, which is to hold the times; columns: {', '.join(names)}"
        )
        raise SourceError(message)
    return _make_export(path, (name for name in names if name != time_column), rows, time_column, zone)


def _read_rows(path: Path, content: str) -> tuple[Sequence[str], Iterator[Row]]:
    is_json = path.suffix.lower() == ".json" or content.lstrip()[:1] in {"[", "{"}
    return _read_json(path, content) if is_json else _read_csv(path, content)


def _read_csv(path: Path, content: str) -> tuple[Sequence[str], Iterator[Row]]:
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)

    def lines() -> Iterator[list[str]]:
        try:
            yield from reader
        except csv.Error as error:
            message = f"{path.name}:{reader.line_num}: not CSV: {error}"
            raise SourceError(message) from None

    def rows() -> Iterator[Row]:
        for cells in filter(None, rest):
            if len(cells) != len(names):
                message = f"{path.name}:{reader.line_num}: {len(cells)} cells, and {len(names)} columns: is the file cut off?"
                raise SourceError(message)
            yield reader.line_num, dict(zip(names, cells, strict=True))

    rest = lines()
    names = [name.strip() for name in next(rest, [])]
    _check_names(path, names)
    return names, rows()


def _check_names(path: Path, names: Sequence[str]) -> None:
    if len(names) < 2:
        message = (
            f"{path.name}:1: needs a column of times and a column for each series, with commas between them"
        )
        raise SourceError(message)
    for number, name in enumerate(names):
        if name in names[:number]:
            message = f"{path.name}:1: two columns are called {name!r}"
            raise SourceError(message)


def _read_json(path: Path, content: str) -> tuple[Sequence[str], Iterator[Row]]:
    try:
        rows = read_json(content)
    except JsonTextError as error:
        message = f"{path.name}:{error.line}: {error}"
        raise SourceError(message) from None
    if isinstance(rows, dict) and "widgets" in rows:
        message = (
            f"{path.name}: the definition of a dashboard, which holds no data: export the data of its widgets"
        )
        raise SourceError(message)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        message = f"{path.name}: not a list of objects, each with a time and a value for each series"
        raise SourceError(message)
    names = [str(name) for name in dict.fromkeys(name for row in rows for name in row)]
    _check_names(path, names)
    return names, ((number, row) for number, row in enumerate(rows, 1))


def _make_export(
    path: Path, names: Iterator[str], rows: Iterator[Row], time_column: str, zone: tzinfo | None
) -> Export:
    noun = "row " if path.suffix.lower() == ".json" else ""
    columns: dict[str, list[float | None]] = {name: [] for name in names}
    lines: dict[int, int] = {}
    for line, row in rows:
        where = f"{path.name}:{noun}{line}"
        try:
            time = _milliseconds(row.get(time_column), zone)
            for name, values in columns.items():
                values.append(_number(row.get(name), name))
        except ValueError as error:
            raise SourceError(f"{where}: {error}") from None
        if time in lines:
            message = f"{where}: the time {_shown(row[time_column])} is there already, in {noun or 'line '}{lines[time]}"
            raise SourceError(message)
        lines[time] = line
    if not lines:
        message = f"{path.name}: has no rows"
        raise SourceError(message)
    times = list(lines)
    order = sorted(range(len(times)), key=times.__getitem__)
    return Export(
        [times[row] for row in order],
        {name: [values[row] for row in order] for name, values in columns.items()},
    )


def _number(cell: object, name: str) -> float | None:
    if cell is None or (isinstance(cell, str) and cell.strip().lower() in _NO_DATA):
        return None
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return float(cell)
    if isinstance(cell, str) and _NUMBER.fullmatch(cell.strip()):
        return float(cell)
    message = f"column {name!r}: {_shown(cell)} is not a number: export the values as they are, without format and unit"
    raise ValueError(message)


def _milliseconds(cell: Any, zone: tzinfo | None) -> int:
    if isinstance(cell, int | float) or (isinstance(cell, str) and _NUMBER.fullmatch(cell.strip())):
        return _since_epoch(float(cell), cell)
    try:
        moment = datetime.fromisoformat(cell.strip())
    except (ValueError, AttributeError):
        message = f"{_shown(cell)} is not a time such as '2025-01-22T14:00:00-08:00' or '2025-01-22 14:00:00'"
        raise ValueError(message) from None
    if moment.tzinfo is not None:
        return round(moment.timestamp() * 1000)
    if zone is None:
        message = f"the time {_shown(cell)} has no offset: set `timezone:` to the zone in which it was exported, such as America/Los_Angeles or UTC"
        raise ValueError(message)
    local, later = moment.replace(tzinfo=zone), moment.replace(tzinfo=zone, fold=1)
    if local.utcoffset() != later.utcoffset():
        message = f"the time {_shown(cell)} is there twice or never in {zone}, where clocks were changed: export in UTC"
        raise ValueError(message)
    return round(local.timestamp() * 1000)


def _since_epoch(number: float, cell: object) -> int:
    if not _FIRST_SECOND <= number < _TOO_LATE:
        message = f"{_shown(cell)} is not a time: neither seconds nor milliseconds since the epoch"
        raise ValueError(message)
    return round(number if number >= _FIRST_MILLISECOND else number * 1000)


def _shown(cell: object) -> str:
    return clip(repr(cell), 80)
