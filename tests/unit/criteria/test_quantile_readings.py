"""How well each value of a query with quantiles is known, by its buckets: in a bucket, from one value to another, or not."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from gates import START, UP, MemoryGate, series
from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.criteria.evidence import read_series
from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.criteria.quantile import read_quantiles
from pytest_telemetry_gate.criteria.reading import KNOWN, Reading
from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.promql import Vector

AT = START + 7200
INF = math.inf
ANYWHERE = Reading(-INF, INF)
LOW = {"0.1": 5, "0.5": 10, "+Inf": 10}
FAR = {"0.1": 5, "0.5": 6, "+Inf": 10}
BELOW = {"-1": 5, "0.5": 10, "+Inf": 10}
ZERO = {"0": 5, "0.5": 10, "+Inf": 10}


def buckets(counts, name="waits_bucket", **labels):
    return [series(name, count, le=bound, **labels) for bound, count in counts.items()]


def readings(folder, query, *data):
    """Return the values of a query, and what is known of each."""
    gate = MemoryGate(folder, data=[UP, *data])
    (check,) = gate.checks(f"- {{id: x, query: '{query}', expect: '< 1', reduce: max}}")
    answers = gate.answers(check)
    asked = check.query("query")
    answer = answers[asked.at(check.region, AT)]
    problem, found = read_quantiles(check, asked, AT, answer, answers)
    assert problem is None
    return read_series(answer)[1], found


def hq(q, selector="waits_bucket"):
    return f"histogram_quantile({q}, {selector})"


def inside(low, high):
    return Reading(bucket=(pytest.approx(low), pytest.approx(high)))


def between(least, most):
    return Reading(pytest.approx(least), pytest.approx(most))


@pytest.mark.parametrize(
    ("query", "counts", "value", "expected"),
    [
        (hq(0.9), LOW, 0.42, inside(0.1, 0.5)),
        (hq(0.5), LOW, 0.1, inside(0, 0.1)),  # a rank at the end of a bucket is in it
        (hq(0.50001), LOW, 0.1, inside(0.1, 0.5)),
        (hq(0), LOW, 0, inside(0, 0.1)),
        (hq(1), LOW, 0.5, inside(0.1, 0.5)),
        (hq(2), LOW, INF, KNOWN),
        (hq(-1), LOW, -INF, KNOWN),
        (hq(0.9), FAR, 0.5, between(0.5, INF)),
        (hq(0.55), FAR, 0.3, inside(0.1, 0.5)),
        (hq(0.3), BELOW, -1, between(-INF, -1)),
        (hq(0.9), BELOW, 0.2, inside(-1, 0.5)),
        (hq(0.3), ZERO, 0, between(-INF, 0)),
        (hq(0.9), ZERO, 0.4, inside(0, 0.5)),
        # A bucket that holds less than the one before it holds as much.
        (hq(0.9), {"0.1": 5, "0.2": 4, "0.5": 10, "+Inf": 10}, 0.44, inside(0.2, 0.5)),
        # Around a quantile
        (f"2 * {hq(0.9)}", LOW, 0.84, inside(0.2, 1)),
        (f"-{hq(0.9)}", LOW, -0.42, inside(-0.5, -0.1)),
        (f"clamp_max({hq(0.9)}, 0.3)", LOW, 0.3, inside(0.1, 0.3)),
        (f"clamp_max({hq(0.9)}, 0.05)", LOW, 0.05, KNOWN),
        (f"{hq(0.9)} or on() vector(0)", LOW, 0.42, inside(0.1, 0.5)),
        (f"topk(1, {hq(0.9)})", LOW, 0.42, inside(0.1, 0.5)),
        (f"1 + {hq(0.9)}", FAR, 1.5, between(1.5, INF)),
        (f"1 - {hq(0.9)}", FAR, 0.5, between(-INF, 0.5)),
        (f"1 / {hq(0.9)}", FAR, 2, between(0, 2)),
        (f"clamp_max({hq(0.9)}, 2)", FAR, 0.5, between(0.5, 2)),
        (f"clamp_max({hq(0.9)}, 0.4)", FAR, 0.4, KNOWN),
        (f"{hq(0.9)} < 1", FAR, 0.5, ANYWHERE),
        (f"{hq(0.9)} > bool 1", FAR, 0, between(0, 1)),
        (f"{hq(0.9)} * 0 / 0", FAR, math.nan, KNOWN),
        (f"({hq(0.9)} ^ 9) * 0", FAR, 0, ANYWHERE),
        (f"({hq(0.9)} ^ 9) * 0", LOW, 0, KNOWN),
        # Several quantiles, which rise together or not
        (f"{hq(0.9)} + {hq(0.8)}", LOW, 0.76, KNOWN),
        (f"{hq(0.9)} + {hq(0.8)}", FAR, 1, between(1, INF)),
        (f"{hq(0.9)} + {hq(0.1)}", FAR, 0.52, between(0.52, INF)),
        (f"{hq(0.2)} + {hq(0.1)}", FAR, 0.06, KNOWN),
        (f"abs({hq(0.9)}) + {hq(0.1)}", FAR, 0.52, between(0.52, INF)),
        (f"{hq(0.9)} - {hq(0.8)}", LOW, 0.08, KNOWN),
        (f"{hq(0.9)} - {hq(0.8)}", FAR, 0, ANYWHERE),
        (f"{hq(0.9)} / {hq(0.1)}", FAR, 25, ANYWHERE),
        (f"{hq(0.2)} / {hq(0.1)}", FAR, 2, KNOWN),
        (f"({hq(0.9)} > bool 1) + {hq(0.1)}", FAR, 0.02, ANYWHERE),
        (f"({hq(0.9)} % 1) + {hq(0.1)}", FAR, 0.52, ANYWHERE),
        (f"exp({hq(0.9)}) + {hq(0.1)}", FAR, 1.6687, ANYWHERE),
        (f"stddev({hq(0.9)}) + on() {hq(0.1)}", FAR, 0.02, ANYWHERE),
        (f"2 - ({hq(0.9)} + {hq(0.8)})", FAR, 1, between(-INF, 1)),
        (f"max_over_time(({hq(0.9)})[10m:1m])", FAR, 0.5, between(0.5, INF)),
        (f"max_over_time(({hq(0.9)})[10m:1m])", LOW, 0.42, KNOWN),
        (f"stddev_over_time(({hq(0.9)})[10m:1m])", FAR, 0, ANYWHERE),
        (f"stddev_over_time(({hq(0.9)})[10m:1m])", LOW, 0, KNOWN),
        # Something else beside it
        (f"{hq(0.9)} * on() group_left up", LOW, 0.42, KNOWN),
        (f"{hq(0.9)} * on() group_left up", FAR, 0.5, between(0.5, INF)),
        (f"{hq(0.9)} - on() group_left up", FAR, -0.5, between(-0.5, INF)),
        (f"{hq(0.9)} % on() group_left up", FAR, 0.5, ANYWHERE),
        (f"topk(scalar(up), {hq(0.9)})", FAR, 0.5, between(0.5, INF)),
    ],
)
def test_what_is_known_of_a_value(tmp_path, query, counts, value, expected):
    (found,), (reading,) = readings(tmp_path, query, *buckets(counts))
    assert found == pytest.approx(value, abs=1e-3, nan_ok=True)
    assert reading == expected


@pytest.mark.parametrize("counts", [{"+Inf": 10}, {"0.1": 5, "0.5": 10}, {"0.1": 0, "0.5": 0, "+Inf": 0}])
@pytest.mark.parametrize("q", [0.5, 0, 1])
def test_buckets_that_make_no_quantile_are_told_where_there_is_a_value(tmp_path, counts, q):
    """Prometheus answers NaN for them, of which nothing is known but that."""
    (value,), (reading,) = readings(tmp_path, hq(q), *buckets(counts))
    assert math.isnan(value)
    assert reading == KNOWN


def test_each_series_has_its_own_buckets_in_the_order_of_the_answer(tmp_path):
    data = [*buckets(FAR, pod="a"), *buckets(LOW, pod="b"), *buckets(BELOW, pod="c", zone="")]
    values, found = readings(tmp_path, hq(0.3), *data)
    told = {round(value, 6): reading for value, reading in zip(values, found, strict=True)}
    assert told == {0.06: inside(0, 0.1), -1.0: between(-INF, -1)}
    _, found = readings(tmp_path, f"2 * {hq(0.9)}", *data)
    assert sorted(reading.is_open for reading in found) == [False, False, True]
    (_,), (known,) = readings(tmp_path, f"min({hq(0.9)})", *data)
    assert known == inside(-1, 0.5)
    (_,), (known,) = readings(tmp_path, f"max({hq(0.9)})", *data)
    assert known == between(0.5, INF)


@given(
    st.lists(st.integers(0, 9), min_size=3, max_size=6),
    st.sampled_from([0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 1]),
)
def test_a_value_is_in_the_bucket_that_is_told_or_at_the_end_of_the_last(tmp_path_factory, grown, q):
    bounds = ["-0.5", "0.1", "0.25", "0.5", "1"][: len(grown) - 1]
    total, counts = 0, {}
    for bound, more in zip([*bounds, "+Inf"], grown, strict=True):
        total += more
        counts[bound] = total
    (value,), (reading,) = readings(tmp_path_factory.mktemp("one"), hq(q), *buckets(counts))
    if reading.is_open:
        assert (reading.least, reading.most) in {(value, INF), (-INF, value)}
        assert value in {-0.5, float(bounds[-1])}
    elif reading.bucket is not None:
        low, high = reading.bucket
        assert low <= value <= high
        assert high in map(float, bounds)
    else:
        assert math.isnan(value)


class Broken:
    """An engine that cannot evaluate anything."""

    def __init__(self, *_):
        pass

    def instant(self, *_):
        raise PromQLError("too much")


def test_what_cannot_be_evaluated_here_is_an_error(tmp_path, monkeypatch):
    gate = MemoryGate(tmp_path, data=[UP, *buckets(LOW)])
    (check,) = gate.checks(f"- {{id: x, query: '1 + {hq(0.9)}', expect: '< 2'}}")
    answers = gate.answers(check)
    assert judge(check, answers).outcome is Outcome.PASS
    monkeypatch.setattr("pytest_telemetry_gate.criteria.quantile.Engine", Broken)
    dossier = judge(check, answers)
    assert dossier.outcome is Outcome.ERROR
    assert dossier.verdict.reason.endswith("too much")


@pytest.mark.parametrize(
    ("query", "data", "outcome"),
    [
        (f"1 + {hq(0.9)}", LOW, Outcome.INCONCLUSIVE),
        (f"{hq(0.9)} or on() vector(0)", LOW, Outcome.PASS),
        (f"({hq(0.9)} or on() vector(0)) + 0", {}, Outcome.PASS),
        ('cpu{a="histogram_quantile"}', LOW, Outcome.PASS),
    ],
)
def test_a_value_without_the_buckets_it_is_made_of_is_not_known_but_for_what_stands_in(
    tmp_path, query, data, outcome
):
    gate = MemoryGate(tmp_path, data=[UP, *buckets(data), series("cpu", 1.0, a="histogram_quantile")])
    (check,) = gate.checks(f"- {{id: x, query: '{query}', expect: '< 2', up: up}}")
    answers = gate.answers(check)
    empty = {
        question: dataclasses.replace(answer, value=Vector([], np.array([]), AT))
        for question, answer in answers.answers.items()
        if question.text == "waits_bucket"
    }
    assert judge(check, dataclasses.replace(answers, answers={**answers.answers, **empty})).outcome is outcome
