"""One expression at several times at once: the same answers, bit by bit, as at each of them alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.promql.test_blocks import EXPRESSIONS, storages

from pytest_telemetry_gate.promql import Engine, MemoryStorage, PromQLError

MORE = [
    "histogram_quantile(0.9, sum by (le) (rate(m[1m])))",
    "count_over_time((count by (a) (count_over_time(m[15s])))[1m:15s])",
    "m offset 30s",
    "sum(rate(m[1m])) / sum(rate(n[1m]))",
    "changes(m[2m]) + resets(m[2m])",
    "m > bool 2",
]


def series(answer):
    """Return the series of a vector in an order of their own, values as their bits."""
    pairs = zip(answer.labels, answer.values.tolist(), strict=True)
    return answer.time, sorted((sorted(labels.items()), value.hex()) for labels, value in pairs)


@settings(max_examples=150, deadline=None)
@given(
    storages(),
    st.sampled_from(EXPRESSIONS + MORE),
    st.sampled_from(["2", "3"]),
    st.lists(st.sampled_from([0.0, 15.0, 30.0, 61.0, 120.0, 200.0, 240.0, 400.0]), min_size=1, max_size=6),
)
def test_several_times_have_the_answers_of_each(storage, promql, semantics, times):
    engine = Engine(storage, semantics)
    together = engine.instants(promql, times)
    if together is not None:
        assert [series(one) for one in together] == [series(engine.instant(promql, time)) for time in times]


@pytest.fixture
def engine():
    times = np.arange(0, 600_000, 15_000)
    return Engine(
        MemoryStorage(
            [
                ({"__name__": "m_total", "a": str(number)}, times, np.arange(len(times)) * (number + 1.0))
                for number in range(3)
            ]
        )
    )


@pytest.mark.parametrize(
    "promql",
    [
        "sum(rate(m_total[5m]))",
        "m_total",
        "max by (a) (m_total)",
        "count_over_time((count(count_over_time(m_total[30s])))[5m:30s])",
    ],
)
def test_what_vectors_yield_goes_together(engine, promql):
    assert engine.instants(promql, [300.0, 600.0]) is not None


@pytest.mark.parametrize(
    "promql",
    [
        "1 + 1",
        '"text"',
        "m_total[5m]",
        "topk(1, m_total)",
        "sort_desc(m_total)",
        "stddev(m_total)",
        "m_total @ end()",
        "sum_over_time(m_total[5m] @ start())",
        "m_total{",
        "sum(m_total) + on () m_total",
        "rate(m[5m]) or quantile(2, m_total)",
        "max_over_time(sum(m_total)[10s:1s])",
    ],
)
def test_what_must_be_asked_one_by_one(engine, promql):
    assert engine.instants(promql, [300.0, 600.0]) is None


def test_an_error_at_one_of_the_times_is_that_ones_alone():
    times, later = np.array([0, 15_000]), np.array([300_000, 315_000])
    storage = MemoryStorage(
        [
            ({"__name__": "m", "a": "1"}, times, np.ones(2)),
            ({"__name__": "m", "a": "1", "b": "1"}, later, np.ones(2)),
            ({"__name__": "m", "a": "2", "b": "1"}, later, np.ones(2)),
        ]
    )
    engine = Engine(storage)
    promql = "m * on (b) m"
    assert engine.instants(promql, [10.0, 310.0]) is None
    assert len(engine.instant(promql, 10.0).labels) == 1
    with pytest.raises(PromQLError):
        engine.instant(promql, 310.0)
