"""The comparison with a server must see every kind of difference."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from promql.differential import difference
from promql.questions import question
from promql.server_engine import openmetrics

from pytest_telemetry_gate.promql import Matrix, PromQLError, Scalar, Vector, parse


def vector(*series: tuple[str, float]) -> Vector:
    return Vector([{"a": label} for label, _ in series], np.array([value for _, value in series], float), 0.0)


def matrix(rows: dict[str, list[float | None]]) -> Matrix:
    width = max(len(points) for points in rows.values())
    values = np.array(
        [[np.nan if value is None else value for value in points] for points in rows.values()], float
    )
    present = np.array([[value is not None for value in points] for points in rows.values()], np.bool_)
    return Matrix([{"a": label} for label in rows], np.arange(float(width)), values, present)


ONE = vector(("x", 1.0), ("y", np.nan))


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        (ONE, vector(("x", 1.0)), "only ours"),
        (vector(("x", 1.0)), ONE, "only theirs"),
        (ONE, vector(("x", 1.0 + 1e-8), ("y", np.nan)), "at 0 ms"),
        (ONE, vector(("x", 1.0), ("y", 2.0)), "at 0 ms"),
        (vector(("x", np.inf)), vector(("x", -np.inf)), "at 0 ms"),
        (ONE, Scalar(1.0, 0.0), "ours is"),
        (Scalar(1.0, 0.0), Scalar(2.0, 0.0), "ours 1.0, theirs 2.0"),
        (matrix({"x": [1, None, 3]}), matrix({"x": [1, 2, 3]}), "present on one side only at [1000]"),
        (matrix({"x": [1, 2, 3]}), matrix({"x": [1, 2, 4]}), "at 2000 ms"),
        ("a", "b", "ours 'a', theirs 'b'"),
    ],
)
def test_differences_are_told(ours: object, theirs: object, told: str) -> None:
    assert told in difference(ours, theirs, ordered=False)


def test_equal_answers_have_no_difference() -> None:
    assert difference(ONE, vector(("y", np.nan), ("x", 1.0 + 1e-12)), ordered=False) == ""
    rows = matrix({"x": [1, None, np.nan]})
    assert difference(rows, rows, ordered=False) == ""
    with_nothing = matrix({"x": [1, None, np.nan], "gone": [None, None, None]})
    assert difference(rows, with_nothing, ordered=False) == ""


def test_order_counts_where_it_is_asked_for() -> None:
    up, down = vector(("x", 1.0), ("y", 2.0)), vector(("y", 2.0), ("x", 1.0))
    assert "order" in difference(up, down, ordered=True)
    assert difference(up, up, ordered=True) == ""


def test_openmetrics_refuses_what_promtool_would_shift() -> None:
    assert (
        openmetrics([({"__name__": "m", "a": 'q"\n'}, 1125, np.inf)]) == 'm{a="q\\"\\n"} +Inf 1.125\n# EOF\n'
    )
    with pytest.raises(ValueError, match="1001 ms"):
        openmetrics([({"__name__": "m"}, 1001, 1.0)])


def test_generated_questions_are_reproducible_and_parse() -> None:
    drawn = [question(Random(number), 5) for number in range(300)]
    assert drawn == [question(Random(number), 5) for number in range(300)]
    assert len({one.promql for one in drawn}) > 250
    refused = []
    for one in drawn:
        try:
            parse(one.promql)
        except PromQLError as error:
            refused.append(f"{one.promql}: {error}")
    assert refused == []
