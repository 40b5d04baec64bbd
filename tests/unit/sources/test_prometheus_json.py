"""JSON of Prometheus' query API as the engine's results; whatever has another form is refused."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_telemetry_gate.promql import Matrix, Scalar, Vector
from pytest_telemetry_gate.sources.prometheus_json import (
    ODD_JSON,
    NativeHistogramError,
    grid,
    join_matrices,
    read_instant,
    read_range,
)


def content(kind: str, result: object, **beside: object) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": result}, **beside}


def test_scalars_strings_and_vectors_are_read():
    assert read_instant(content("scalar", [5, "2.5"]), 7.0) == Scalar(2.5, 7.0)
    assert read_instant(content("string", [5, "text"]), 7.0) == "text"
    rows = [{"metric": {"a": "1"}, "value": [5, "NaN"]}, {"metric": {}, "value": [5, "+Inf"]}]
    vector = read_instant(content("vector", rows, warnings=["w"], infos=["i"], isPartial=True), 7.0)
    assert isinstance(vector, Vector)
    assert (vector.labels, vector.time) == ([{"a": "1"}, {}], 7.0)
    assert [repr(value) for value in vector.values.tolist()] == ["nan", "inf"]
    assert vector.warnings == ("w", "i", "isPartial: not every storage node has answered")


def test_raw_samples_lie_over_the_union_of_their_times():
    rows = [
        {"metric": {"a": "1"}, "values": [[1, "10"], [3, "30"]]},
        {"metric": {"a": "2"}, "values": [[2.5, "25"]]},
    ]
    matrix = read_instant(content("matrix", rows), 3.0)
    assert isinstance(matrix, Matrix)
    assert matrix.times.tolist() == [1, 2.5, 3]
    assert matrix.present.tolist() == [[True, False, True], [False, True, False]]
    assert matrix.values[matrix.present].tolist() == [10, 30, 25]


def test_a_range_has_the_steps_at_which_a_series_is_there():
    rows = [{"metric": {"a": "1"}, "values": [[100, "1"], [120, "3"]]}]
    matrix = read_range(content("matrix", rows), 100.0, 4, 10.0)
    assert matrix.times.tolist() == [100, 110, 120, 130]
    assert matrix.present.tolist() == [[True, False, True, False]]


def test_the_parts_of_a_range_are_one_with_each_series_once():
    first = read_range(
        content("matrix", [{"metric": {"a": "2"}, "values": [[0, "1"]]}], warnings=["w"]), 0.0, 2, 10.0
    )
    rows = [{"metric": {"a": "1"}, "values": [[20, "5"]]}, {"metric": {"a": "2"}, "values": [[30, "6"]]}]
    matrix = join_matrices(
        [first, read_range(content("matrix", rows, warnings=["w"]), 20.0, 2, 10.0)], grid(0.0, 4, 10.0)
    )
    assert matrix.labels == [{"a": "1"}, {"a": "2"}]
    assert matrix.present.tolist() == [[False, False, True, False], [True, False, False, True]]
    assert matrix.values[matrix.present].tolist() == [5, 1, 6]
    assert matrix.warnings == ("w",)


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        {"data": None},
        {"data": {"resultType": "vector"}},
        content("cube", []),
        content("vector", {}),
        content("vector", [None]),
        content("vector", [{"metric": {}}]),
        content("vector", [{"metric": {"a": 1}, "value": [5, "1"]}]),
        content("vector", [{"metric": {}, "value": [5, 1]}]),
        content("vector", [{"metric": {}, "value": [5, "1_0"]}]),
        content("vector", [{"metric": {}, "value": [5, " 1"]}]),
        content("vector", [{"metric": {}, "value": [True, "1"]}]),
        content("vector", [{"metric": {}, "value": ["5", "1"]}]),
        content("scalar", [5]),
        content("string", [5, 5]),
    ],
)
def test_another_form_is_refused(odd: object):
    with pytest.raises(ODD_JSON):
        read_instant(odd, 0.0)


def test_a_sample_outside_the_range_is_refused():
    for moment in (-10, 40):
        rows = [{"metric": {}, "values": [[moment, "1"]]}]
        with pytest.raises(IndexError):
            read_range(content("matrix", rows), 0.0, 4, 10.0)


def test_native_histograms_are_refused_by_name():
    with pytest.raises(NativeHistogramError):
        read_instant(content("vector", [{"metric": {}, "histogram": [5, {}]}]), 0.0)
    with pytest.raises(NativeHistogramError):
        read_range(content("matrix", [{"metric": {}, "histograms": []}]), 0.0, 4, 10.0)
