"""JSON of Prometheus' query API as the engine's results; whatever has another form is refused."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_telemetry_gate.promql import Matrix, Scalar, Vector, parse
from pytest_telemetry_gate.sources.prometheus_json import (
    ODD_JSON,
    NativeHistogramError,
    OtherTimeError,
    grid,
    join_matrices,
    read_instant,
    read_range,
)


def content(kind: str, result: object, **beside: object) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": result}, **beside}


def test_scalars_strings_and_vectors_are_read():
    assert read_instant(content("scalar", [7, "2.5"]), 7.0) == Scalar(2.5, 7.0)
    assert read_instant(content("string", [7, "text"]), 7.0) == "text"
    rows = [{"metric": {"a": "1"}, "value": [7, "NaN"]}, {"metric": {}, "value": [7, "+Inf"]}]
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


@pytest.mark.parametrize("moment", [-10, 40, 5, 9.99, 10.002, 1e12])
def test_a_sample_outside_the_steps_of_a_range_is_refused(moment: float):
    rows = [{"metric": {}, "values": [[moment, "1"]]}]
    with pytest.raises(
        OtherTimeError, match=r"^answered for another time: asked every 10s from 1970-01-01T00:00:00Z to "
    ):
        read_range(content("matrix", rows), 0.0, 4, 10.0)


def test_a_range_tells_rounded_times_from_others():
    rows = [{"metric": {}, "values": [[10.001, "1"], [19.999, "2"]]}]
    assert read_range(content("matrix", rows), 0.0, 4, 10.0).present.tolist() == [[False, True, True, False]]


@pytest.mark.parametrize("moments", [(10, 10), (20, 10)])
def test_a_range_with_two_samples_at_a_step_or_out_of_order_is_refused(moments: tuple[float, float]):
    rows = [{"metric": {"a": "1"}, "values": [[moment, "1"] for moment in moments]}]
    with pytest.raises(
        OtherTimeError, match=r"out of order, or with two values at one time, for \{'a': '1'\}$"
    ):
        read_range(content("matrix", rows), 0.0, 4, 10.0)


ASKED = 1741082700.0


@pytest.mark.parametrize("moment", [ASKED, ASKED + 0.0004, ASKED - 0.5, ASKED + 0.999, int(ASKED)])
def test_the_time_of_an_instant_answer_may_be_cut_off(moment: float):
    assert read_instant(content("scalar", [moment, "1"]), ASKED) == Scalar(1.0, ASKED)
    vector = read_instant(content("vector", [{"metric": {}, "value": [moment, "1"]}]), ASKED)
    assert isinstance(vector, Vector)
    assert vector.time == ASKED


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (ASKED * 1000, "1.74108e+12 s"),
        (ASKED - 3600, "2025-03-04T09:05:00Z"),
        (ASKED + 1, "2025-03-04T10:05:01Z"),
        (float("nan"), "nan s"),
    ],
)
def test_an_instant_answer_for_another_time_is_refused(moment: float, shown: str):
    told = f"answered for another time: asked 2025-03-04T10:05:00Z, answered {shown}"
    one_of_two = [{"metric": {"a": "1"}, "value": [ASKED, "1"]}, {"metric": {}, "value": [moment, "1"]}]
    for answer in (
        content("scalar", [moment, "1"]),
        content("string", [moment, "x"]),
        content("vector", one_of_two),
    ):
        with pytest.raises(OtherTimeError) as error:
            read_instant(answer, ASKED)
        assert str(error.value) == told


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ("cpu[5m]", -300, 0),
        ("((cpu[5m]))", -300, 0),
        ("cpu[5m] offset 1h", -3900, -3600),
        ("cpu[5m] offset -1h", 3300, 3600),
        ("cpu[5m] @ 1741079100", -3900, -3600),
        ("cpu[5m] @ start() offset 1m", -360, -60),
        ("cpu[5m:15s] @ end()", -300, 0),
        ("avg_over_time(cpu[1m])[5m:] offset 1m", -360, -60),
    ],
)
def test_raw_samples_lie_in_the_window_that_was_asked_for(query: str, first: float, last: float):
    def read(*offsets: float) -> object:
        values = [[ASKED + offset, "1"] for offset in offsets]
        return read_instant(
            content("matrix", [{"metric": {}, "values": values}]), ASKED, lambda: parse(query)
        )

    assert isinstance(read(first, last - 1, last), Matrix)
    for outside in (first - 1, last + 1, ASKED * 999, -ASKED):
        with pytest.raises(OtherTimeError, match=r"^answered for another time: asked from "):
            read(outside)


def test_raw_samples_of_what_only_the_server_can_read_are_taken():
    answer = content("matrix", [{"metric": {}, "values": [[5, "1"]]}])
    assert isinstance(read_instant(answer, ASKED, lambda: None), Matrix)


@pytest.mark.parametrize("values", [[[3, "1"], [2, "1"]], [[2, "1"], [2, "5"]]])
def test_raw_samples_that_contradict_each_other_are_refused(values: list[list[object]]):
    with pytest.raises(OtherTimeError, match="out of order, or with two values at one time"):
        read_instant(content("matrix", [{"metric": {}, "values": values}]), 3.0)


def test_a_raw_sample_that_was_stored_twice_is_one():
    values = [[1, "1"], [2, "5"], [2, "5"], [3, "NaN"], [3, "NaN"]]
    matrix = read_instant(content("matrix", [{"metric": {}, "values": values}]), 3.0)
    assert isinstance(matrix, Matrix)
    assert (matrix.times.tolist(), matrix.values[0, :2].tolist()) == ([1, 2, 3], [1, 5])


def test_native_histograms_are_refused_by_name():
    with pytest.raises(NativeHistogramError):
        read_instant(content("vector", [{"metric": {}, "histogram": [5, {}]}]), 0.0)
    with pytest.raises(NativeHistogramError):
        read_range(content("matrix", [{"metric": {}, "histograms": []}]), 0.0, 4, 10.0)
