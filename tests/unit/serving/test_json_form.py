"""Numbers as Prometheus writes them, and its forms of results."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.promql import Matrix, Scalar, Vector
from pytest_telemetry_gate.serving.json_form import result_to_json, write_number


@given(st.floats())
def test_a_number_is_read_back_as_it_was_and_has_no_exponent(value: float) -> None:
    text = write_number(value)
    assert "e" not in text.lower()
    assert math.isnan(float(text)) if math.isnan(value) else float(text) == value
    assert not text.endswith(".")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-0.0, "-0"), (70.0, "70"), (1e21, "1000000000000000000000"), (1e-7, "0.0000001"), (0.1, "0.1"), (-2.5e-10, "-0.00000000025"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN")],
)  # fmt: skip
def test_numbers_are_written_as_go_does(value: float, text: str) -> None:
    assert write_number(value) == text


def test_results_have_prometheus_forms() -> None:
    assert result_to_json("text", 1.5) == {"resultType": "string", "result": [1.5, "text"]}
    assert json.dumps(result_to_json(Scalar(2.0, 60.0), 60.0)["result"]) == '[60, "2"]'
    vector = Vector([{"job": "a"}], np.array([3.5]), 60.0)
    assert result_to_json(vector, 60.0)["result"] == [{"metric": {"job": "a"}, "value": [60, "3.5"]}]
    present = np.array([[True, False, True]])
    matrix = Matrix([{}], np.array([0.0, 0.5, 1.0]), np.array([[1.0, np.nan, 2.0]]), present)
    assert result_to_json(matrix, 1.0)["result"] == [{"metric": {}, "values": [[0, "1"], [1, "2"]]}]
