"""Questions that would fill the memory are refused before they are evaluated."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_telemetry_gate.promql import Engine, MemoryStorage, PromQLError


@pytest.fixture
def engine():
    return Engine(MemoryStorage([({"__name__": "x"}, np.array([0, 60_000]), np.array([1.0, 2.0]))]))


def test_a_subquery_of_too_many_steps(engine):
    with pytest.raises(PromQLError, match="the subquery has more than 11,000,000 steps"):
        engine.instant("sum_over_time(x[10y:1ms])", 0)


def test_a_range_of_too_many_steps(engine):
    with pytest.raises(PromQLError, match="the range has more than 11,000,000 steps"):
        engine.range("x", 0, 1e9, 0.001)


@pytest.mark.parametrize(("start", "end", "step"), [(0, 60, 0), (0, 60, -1), (60, 0, 1), (0, 60, 0.0001)])
def test_a_grid_that_is_none(engine, start, end, step):
    with pytest.raises(PromQLError, match="a range needs a positive step"):
        engine.range("x", start, end, step)


@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf, 1e18])
def test_a_time_that_is_none(engine, time):
    with pytest.raises(PromQLError, match="out of bounds"):
        engine.instant("x", time)
    with pytest.raises(PromQLError, match="out of bounds"):
        engine.range("x", 0, time, 1)


@pytest.mark.parametrize(("promql", "kind"), [("x[5m]", "range vector"), ('"text"', "string")])
def test_a_range_of_neither_scalar_nor_vector(engine, promql, kind):
    with pytest.raises(PromQLError, match=f'invalid expression type "{kind}" for range query'):
        engine.range(promql, 0, 60, 60)


def test_answers_of_every_type(engine):
    assert engine.instant('("text")', 0) == "text"
    assert engine.instant("1 + 1", 0).value == 2
    assert engine.instant("x", 0).labels == [{"__name__": "x"}]
    assert engine.instant("x[2m]", 60).values.tolist() == [[1, 2]]
    assert engine.instant("y[2m]", 60).values.shape == (0, 0)
    assert engine.range("time()", 0, 2, 1).values.tolist() == [[0, 1, 2]]
    assert engine.range("y", 0, 2, 1).values.shape == (0, 3)


def test_the_same_series_twice_is_no_world():
    one = ({"a": "1", "b": ""}, np.array([0]), np.array([1.0]))
    with pytest.raises(PromQLError, match="the same series twice"):
        MemoryStorage([one, ({"a": "1"}, np.array([5]), np.array([1.0]))])
