"""What rows mean: which column is the value, and which answers are none."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count

import pytest

from pytest_telemetry_gate.model.query_sources import Readings
from pytest_telemetry_gate.sources.sql.rows import MOST_ROWS, read_rows


@pytest.mark.parametrize(
    ("columns", "rows", "readings"),
    [
        (["count"], [(3,)], Readings(({},), (3.0,), note="the query has no column `coverage`")),
        (["count"], [(Decimal("0.1"),)], Readings(({},), (0.1,), note="the query has no column `coverage`")),
        (
            ["host", "Value", "zone", "UNIT", "coverage"],
            [("a", 1.5, 3, "ms", Decimal("0.95")), ("b", 2, None, "ms", 1)],
            Readings(
                ({"host": "a", "zone": "3"}, {"host": "b"}), (1.5, 2.0), 0.95, "ms",
                note="by the column `coverage` (host=a, zone=3)",
            ),
        ),
        (
            ["day", "at", "done", "n"],
            [(date(2025, 1, 22), datetime(2025, 1, 22, 22, tzinfo=UTC), True, 1)],
            Readings(
                ({"day": "2025-01-22", "at": "2025-01-22T22:00:00+00:00", "done": "true"},), (1.0,),
                note="the query has no column `coverage`",
            ),
        ),
        (["count"], [], Readings()),
        (["avg"], [(None,)], Readings(doubt="avg is NULL")),
        (["host", "avg"], [("a", 1.0), ("b", None)], Readings(doubt="avg is NULL (host=b)")),
        (["value", "coverage"], [(1.0, None)], Readings(doubt="coverage is NULL")),
    ],
)  # fmt: skip
def test_rows_are_readings(columns, rows, readings):
    assert read_rows(columns, rows) == readings


def test_a_value_that_is_not_a_number_is_left_to_the_judge():
    (value,) = read_rows(["n"], [(Decimal("NaN"),)]).values
    assert math.isnan(value)


@pytest.mark.parametrize(
    ("columns", "rows", "reason"),
    [
        (["a", "b"], [(1, 2)], "2 columns can be the value (a, b): call the one that is judged `value`"),
        (["a", "b"], [(None, None)], "2 columns can be the value (a, b)"),
        (["a", "b"], [("x", "y")], "no column holds numbers (columns: a, b)"),
        (["a"], [(True,)], "no column holds numbers (columns: a)"),
        (["value"], [(True,)], "column value holds true or false where a number has to be"),
        (["value"], [("1",)], "column value holds str where a number has to be"),
        (["value"], [(float("inf"),)], "column value holds a number that is not finite, or too large"),
        (["value"], [(10**400,)], "column value holds a number that is not finite, or too large"),
        (["value"], [(Decimal("1e400"),)], "column value holds a number that is not finite, or too large"),
        (["value", "coverage"], [(1, 95)], "column coverage holds 95: it is a share of the time, from 0 to 1"),
        (["value", "coverage"], [(1, float("nan"))], "column coverage holds nan"),
        (["value", "coverage"], [(1, True)], "column coverage holds true or false"),
        (["host", "value", "unit"], [("a", 1, "ms"), ("b", 2, "s")], "column unit: must be the same text in all rows"),
        (["value", "unit"], [(1, None)], "column unit: must be the same text in all rows"),
        (["host", "value"], [("a", 1), ("a", 2)], "2 rows have the same labels (host=a): a rollup has one row for each set of labels"),
        (["host", "value"], [(None, 1), ("", 2)], "2 rows have the same labels (none)"),
        (["a", "A"], [(1, 2)], "two columns are called a"),
        (["host", "value"], [(b"a", 1)], "column host holds bytes, which is no label"),
        (["host", "value"], [("a" * 1001, 1)], "column host holds a label of 1001 characters, more than 1000"),
    ],
)  # fmt: skip
def test_what_is_no_rollup_is_refused_in_one_line(columns, rows, reason):
    with pytest.raises(ValueError, match=r"\w") as error:
        read_rows(columns, rows)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_no_more_rows_are_read_than_are_needed_to_refuse_them():
    numbers = count()
    with pytest.raises(
        ValueError, match=f"^more than {MOST_ROWS} rows: a rollup has one for each set of labels$"
    ):
        read_rows(["n", "l"], ((number, str(number)) for number in numbers))
    assert next(numbers) == MOST_ROWS + 1
