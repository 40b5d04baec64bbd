"""What goes into a spill comes out by series, to the bit, and the newer sample wins."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.promql import Matrix
from pytest_telemetry_gate.promql.storage import STALE
from pytest_telemetry_gate.recording.spill import Spill


@pytest.fixture
def spill(tmp_path):
    with contextlib.closing(Spill(tmp_path)) as one:
        yield one


samples = st.dictionaries(st.integers(0, 30), st.integers(0, 2**64 - 1), max_size=12)


def arrays(found: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
    times = np.array(sorted(found), dtype=np.int64)
    return times, np.array([found[time] for time in sorted(found)], dtype=np.uint64).view(np.float64)[None]


@given(st.lists(st.tuples(st.sampled_from("ab"), samples, st.booleans()), max_size=6))
def test_no_sample_is_lost(tmp_path_factory, pieces):
    spill = Spill(tmp_path_factory.mktemp("spill"))
    expected: dict[str, dict[int, int]] = {}
    for name, found, yields in pieces:
        times, values = arrays(found)
        spill.add([{"name": name}], times, values, yields=yields)
        known = expected.setdefault(name, {})
        expected[name] = {**found, **known} if yields else {**known, **found}
    for name, known in expected.items():
        times, values = spill.series(spill.number({"name": name}))
        assert dict(zip(times.tolist(), values.view(np.uint64).tolist(), strict=True)) == known
        assert times.tolist() == sorted(known) == spill.times(spill.number({"name": name})).tolist()
    spill.close()


def test_series_with_the_same_times_are_one_group_whatever_pieces_they_came_in(tmp_path, spill):
    times = np.arange(10, dtype=np.int64)
    for first, last in ((0, 4), (4, 10)):
        labels = [{"n": str(number)} for number in range(3)]
        spill.add(labels, times[first:last], np.arange(30.0).reshape(3, 10)[:, first:last])
    spill.add([{"n": "late"}], times, np.full((1, 10), STALE))
    spill.add([{"n": "short"}], times[:3], np.ones((1, 3)))
    whole, short = spill.groups()
    assert [one["n"] for one in whole.labels] == ["0", "1", "2", "late"]
    assert whole.times.tolist() == times.tolist()
    assert whole.rows([2, 0], 3, 5).tolist() == [[23.0, 3.0], [24.0, 4.0]]
    assert whole.rows([3], 0, 1).view(np.uint64).tolist() == [[0x7FF0000000000002]]
    assert (short.labels, short.times.tolist()) == ([{"n": "short"}], [0, 1, 2])
    assert (
        list(tmp_path.iterdir()) == []
    )  # the file has no name, so nothing is left whatever ends the process


def test_a_matrix_is_taken_without_its_absent_cells(spill):
    present = np.array([[True, True, False], [True, True, False], [False, False, False], [False, True, True]])
    labels = [{"n": str(number)} for number in range(4)]
    numbers = spill.add_matrix(
        Matrix(labels, np.array([1.0, 2.5, 4.0]), np.arange(12.0).reshape(4, 3), present)
    )
    assert len(numbers) == 3
    assert spill.number({"n": "2"}) is None
    assert [part.tolist() for part in spill.series(spill.number({"n": "3"}))] == [[2500, 4000], [10.0, 11.0]]
