"""One row, one value: what the columns of an answer mean, the same for everything that is asked in SQL.

The value is in the column ``value``, or in the only one that holds numbers. ``coverage`` is the share of the time that has data,
``unit`` the unit of the values, and all others are labels.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from itertools import islice
from typing import Any

from pytest_telemetry_gate.model.query_sources import Readings

__all__ = ["MOST_ROWS", "read_rows"]

MOST_ROWS = 10_000
_LONGEST = 1000  # characters of a label
_VALUE, _COVERAGE, _UNIT = "value", "coverage", "unit"
_NUMBERS = (int, float, Decimal)

Row = Sequence[Any]


def read_rows(columns: Sequence[str], rows: Iterable[Row]) -> Readings:
    """Return the readings that rows hold, of which no more than ``MOST_ROWS`` and one are read.

    A value or coverage that is NULL is a doubt, so that nothing is decided. Raises ValueError in one line where the answer is none
    of a rollup: too many rows, no column or several that can be the value, text or truth for a number, the same labels twice.
    """
    held = list(islice(rows, MOST_ROWS + 1))
    if len(held) > MOST_ROWS:
        message = f"more than {MOST_ROWS} rows: a rollup has one for each set of labels"
        raise ValueError(message)
    known = [name.lower() for name in columns]
    if twice := [name for name, count in Counter(known).items() if count > 1]:
        message = f"two columns are called {twice[0]}"
        raise ValueError(message)
    if not held:
        return Readings()
    place = {name: known.index(name) for name in (_COVERAGE, _UNIT) if name in known}
    value_at = _find_value(columns, held, set(place.values()))
    label_names = {
        at: columns[at] for at in range(len(columns)) if at != value_at and at not in place.values()
    }
    labels = tuple(_labels(row, label_names) for row in held)
    _refuse_repeated(labels)
    values: list[float] = []
    shares: list[float] = []
    for row, of_row in zip(held, labels, strict=True):
        for name, at, found in (
            (columns[value_at], value_at, values),
            (_COVERAGE, place.get(_COVERAGE), shares),
        ):
            if at is None:
                continue
            if row[at] is None:
                return Readings(doubt=f"{name} is NULL{_say(of_row)}")
            found.append(_number(name, row[at]))
    units = {row[place[_UNIT]] for row in held} if _UNIT in place else {""}
    if len(units) > 1 or not all(isinstance(unit, str) for unit in units):
        message = "column unit: must be the same text in all rows"
        raise ValueError(message)
    coverage, note = _worst(shares, labels)
    return Readings(labels, tuple(values), coverage, str(units.pop()), note=note)


def _find_value(columns: Sequence[str], rows: Sequence[Row], taken: set[int]) -> int:
    """Return the place of the column with the values."""
    for at, name in enumerate(columns):
        if name.lower() == _VALUE:
            return at
    free = [at for at in range(len(columns)) if at not in taken]
    numbers = [at for at in free if any(_is_number(row[at]) for row in rows)]
    found = numbers or [at for at in free if all(row[at] is None for row in rows)]
    if len(found) == 1:
        return found[0]
    if found:
        named = ", ".join(columns[at] for at in found[:5])
        message = f"{len(found)} columns can be the value ({named}): call the one that is judged `value`"
    else:
        message = f"no column holds numbers (columns: {', '.join(columns[:5])})"
    raise ValueError(message)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, _NUMBERS) and not isinstance(cell, bool)


def _number(name: str, cell: Any) -> float:
    if not _is_number(cell):
        held = "true or false" if isinstance(cell, bool) else type(cell).__name__
        message = f"column {name} holds {held} where a number has to be"
        raise ValueError(message)
    number = math.inf if isinstance(cell, int) and cell.bit_length() > 1023 else float(cell)
    if math.isinf(number):
        message = f"column {name} holds a number that is not finite, or too large"
        raise ValueError(message)
    return number


def _labels(row: Row, names: Mapping[int, str]) -> dict[str, str]:
    """Return the labels of a row; NULL is a label that is not there, as an empty one is in Prometheus."""
    found = {name: _label(name, row[at]) for at, name in names.items() if row[at] is not None}
    return {name: text for name, text in found.items() if text}


def _label(name: str, cell: Any) -> str:
    if isinstance(cell, date | time):
        text = cell.isoformat()
    elif isinstance(cell, bool):
        text = str(cell).lower()
    elif isinstance(cell, bytes | bytearray | memoryview | list | tuple | dict | set):
        message = f"column {name} holds {type(cell).__name__}, which is no label"
        raise ValueError(message)  # noqa: TRY004 - of the answer, as everything else that is wrong with it
    else:
        text = str(cell)
    if len(text) > _LONGEST:
        message = f"column {name} holds a label of {len(text)} characters, more than {_LONGEST}"
        raise ValueError(message)
    return text


def _refuse_repeated(labels: Sequence[Mapping[str, str]]) -> None:
    counted = Counter(frozenset(of_row.items()) for of_row in labels)
    (most, count) = counted.most_common(1)[0]
    if count > 1:
        named = _say(dict(sorted(most))).strip() or "(none)"
        message = f"{count} rows have the same labels {named}: a rollup has one row for each set of labels"
        raise ValueError(message)


def _worst(shares: Sequence[float], labels: Sequence[Mapping[str, str]]) -> tuple[float | None, str]:
    """Return the least coverage, and whose it is."""
    if not shares:
        return None, "the query has no column `coverage`"
    for share in shares:
        if not 0 <= share <= 1:
            message = f"column coverage holds {share:g}: it is a share of the time, from 0 to 1"
            raise ValueError(message)
    at = min(range(len(shares)), key=shares.__getitem__)
    return shares[at], f"by the column `coverage`{_say(labels[at])}"


def _say(labels: Mapping[str, str]) -> str:
    named = ", ".join(f"{name}={text}" for name, text in list(labels.items())[:5])
    return f" ({named})" if named else ""
