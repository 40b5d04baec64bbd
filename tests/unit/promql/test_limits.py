"""What would fill the memory or never end is refused: before it is evaluated where that can be told, else in time."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from pytest_telemetry_gate.promql import Engine, Limits, MemoryStorage, PromQLError


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


MANY = "query processing would load too many samples into memory in query execution: more than 1,000$"
TIMES = np.arange(0, 600_000, 15_000)


def limited(**limits):
    series = [({"__name__": "y", "n": str(n)}, TIMES, np.arange(40.0) + n / 8) for n in range(20)]
    return Engine(MemoryStorage(series), limits=Limits(**limits))


@pytest.mark.parametrize(
    "promql",
    [
        "y",
        "y + y",
        "rate(y[5m])",
        "sum by (n) (y)",
        "topk(1, y)",
        "histogram_quantile(0.5, y)",
        'count_values("value", y{n="1"} * 1)',
        'label_replace(y, "a", "b", "n", "1")',
        "sum(y) + on () group_right y",
    ],
)
def test_more_samples_at_once_than_there_is_room_for(promql):
    with pytest.raises(PromQLError, match=MANY):
        limited(samples=1000).range(promql, 0, 599, 1)


def test_raw_samples_count_as_well():
    with pytest.raises(PromQLError, match=MANY.replace("1,000", "100")):
        limited(samples=100).instant("y[10m]", 600)
    with pytest.raises(PromQLError, match=MANY):
        limited(samples=1000).instant("y[10m:1s]", 600)


def test_both_sides_of_an_operator_are_held_at_once():
    assert limited(samples=60).instant("y", 300).values.size == 20
    with pytest.raises(PromQLError, match=r"more than 60$"):
        limited(samples=60).instant("y + y", 300)


def test_series_are_held_block_by_block_where_they_are_summed_up():
    assert limited(samples=60_000).range("sum(y)", 0, 599, 1).values.shape == (1, 600)


def test_a_selector_of_too_many_series():
    for promql in ("y", "rate(y[5m])", "count(y)", "sum_over_time(y[1m:15s])"):
        assert limited(series=20).instant(promql, 300).labels
        with pytest.raises(PromQLError, match=r"selects more than 19 series$"):
            limited(series=19).instant(promql, 300)


def test_subqueries_one_in_another():
    nested = "y"
    for _ in range(5):
        nested = f"max_over_time({nested}[1m:30s])"
    assert limited().instant(nested, 300).labels
    with pytest.raises(PromQLError, match=r"subqueries are nested more than 5 deep$"):
        limited().instant(f"max_over_time({nested}[1m:30s])", 300)
    beside = " + ".join(["sum(max_over_time(y[1m:30s]))"] * 9)
    assert limited().instant(beside, 300).labels


@pytest.mark.parametrize(
    "promql",
    [
        "sum_over_time(sum_over_time(y[1d:1s])[1d:1s])",
        "quantile_over_time(0.5, y[12h:1s])",
        "stddev_over_time(y[1d:1s])",
        "double_exponential_smoothing(y[1d:1s], 0.5, 0.5)",
        "mad_over_time(y[12h:1s])",
        "deriv(y[1d:1s])",
    ],
)
def test_a_query_that_would_not_end_is_given_up_in_time(promql):
    begun = time.process_time()
    with pytest.raises(
        PromQLError, match=r"query timed out in expression evaluation: it took more than 0\.2 s$"
    ):
        limited(timeout=0.2).range(promql, 0, 86_400, 1)
    assert time.process_time() - begun < 10


def test_labels_that_double_each_other():
    promql = 'y{n="1"}'
    for _ in range(40):
        promql = f'label_join({promql}, "n", "", "n", "n")'
    with pytest.raises(PromQLError, match=r"the expression writes more than 100,000 bytes of labels$"):
        limited(labels=100_000).instant(promql, 300)


def test_a_template_that_repeats_a_label():
    promql = 'y{n="1"}'
    for _ in range(8):
        promql = f'label_replace({promql}, "n", "{"$1" * 100}", "n", "(.*)")'
    with pytest.raises(PromQLError, match=r"the expression writes more than 536,870,912 bytes of labels$"):
        limited().instant(promql, 300)


def test_labels_may_be_written_within_the_limit():
    joined = 'label_join(label_replace(y, "a", "$1", "n", "(.*)"), "b", "-", "n", "a")'
    assert limited(labels=20 * 10 * 64).instant(joined, 300).labels
    with pytest.raises(PromQLError, match="writes more than 1,000 bytes"):
        limited(labels=1000).instant(joined, 300)


@pytest.mark.parametrize(
    "promql",
    [
        "1 + (1 + (1 + (1 + (1 + 1))))",
        "clamp(clamp(clamp(vector(1), 0, 1), 0, 1), 0, 1)",
        "histogram_quantile(0.5, histogram_quantile(0.5, histogram_quantile(0.5, vector(1))))",
        "quantile_over_time(0.5, quantile_over_time(0.5, vector(1)[1m:10s])[1m:10s])",
        "vector(1) + (vector(1) + (vector(1) + vector(1)))",
    ],
)
def test_numbers_that_wait_for_each_other_are_held_as_well(promql):
    limited(samples=60_000).range(promql, 0, 599, 1)
    with pytest.raises(PromQLError, match=MANY):
        limited(samples=1000).range(promql, 0, 599, 1)


def test_a_group_may_be_by_any_number_of_labels():
    names = ", ".join(f"label_{number}" for number in range(50_000))
    grouped = limited().instant(f"sum by ({names}, n) (y)", 300)
    assert sorted(labels["n"] for labels in grouped.labels) == sorted(map(str, range(20)))
    assert limited().instant(f"sum by ({names}) (y)", 300).labels == [{}]


@pytest.mark.parametrize("error", [RecursionError, MemoryError])
def test_what_the_machine_has_no_room_for_is_an_error_of_one_line(engine, monkeypatch, error):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(engine._storage, "select", fail)
    for ask in (lambda: engine.instant("x", 0), lambda: engine.range("x", 0, 60, 60)):
        with pytest.raises(PromQLError, match=r"nested too deep|more memory than there is"):
            ask()
    assert engine.instants("x", [0, 60]) is None


@pytest.mark.parametrize(
    "promql",
    [
        'x{a=~"' + "(" * 250_000 + '"}',
        'x{a=~"' + "(" * 250_000 + ")" * 250_000 + '"}',
        'x{a=~"' + "a(?:" * 150_000 + "b" + ")" * 150_000 + '"}',
        'label_replace(x, "a", "b", "c", "' + "[" * 250_000 + '")',
        'label_replace(x, "' + "-" * 250_000 + '", "b", "c", "")',
        "x" * 250_000 + " + -/",
        "x @ 1" + "_" * 250_000,
        "x @" + " " * 250_000 + "-",
        "x[" + "1" * 250_000 + "]",
        "x offset" + " " * 250_000 + "+",
        '"' + "\\q" * 100_000 + '"',
        "1" * 250_000 + "e999999",
        "f" * 250_000 + "(x)",
    ],
)
def test_a_long_expression_is_refused_soon_and_in_few_words(engine, promql):
    begun = time.process_time()
    with pytest.raises(PromQLError) as caught:
        engine.instant(promql, 0)
    assert len(str(caught.value)) < 1200
    assert time.process_time() - begun < 10
