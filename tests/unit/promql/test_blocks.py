"""Series are evaluated in blocks: how large those are changes nothing but the memory that is needed."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_telemetry_gate.promql import Engine, MemoryStorage, PromQLError, frame, over_time, windows
from pytest_telemetry_gate.promql.storage import STALE

EXPRESSIONS = [
    "m",
    "timestamp(m)",
    "abs(-m)",
    "rate(m[1m])",
    "increase(m[50s])",
    "irate(m[1m])",
    "changes(m[1m])",
    "sum_over_time(m[2m])",
    "avg_over_time(m[2m])",
    "stddev_over_time(m[1m])",
    "max_over_time(m[90s])",
    "quantile_over_time(0.3, m[1m])",
    "mad_over_time(m[1m])",
    "deriv(m[1m])",
    "predict_linear(m[1m], 30)",
    "double_exponential_smoothing(m[1m], 0.3, 0.6)",
    "max_over_time(rate(m[30s])[1m:15s])",
    "sum by (a) (m)",
    "avg without (b) (m)",
    "stdvar by (a) (m)",
    "max(m)",
    "count by (b) (m > 3)",
    "quantile by (a) (0.4, m)",
    'last_over_time({__name__=~"m|n"}[1m])',
    'sum by (a) ({__name__=~"m|n"} + 1)',
    "m + on (a, b) n",
    "topk by (a) (1, m)",
    "absent_over_time(m[20s])",
]
VALUES = st.sampled_from([0.0, 1.0, 2.5, 7.0, -3.0, 1e9, float("nan"), float("inf"), STALE])


@st.composite
def storages(draw):
    series = []
    for name in ("m", "n"):
        for number in range(draw(st.integers(1, 7))):
            start = draw(st.sampled_from([0, 0, 0, 3000, 61_000]))
            count = draw(st.sampled_from([1, 5, 12, 12]))
            times = start + np.arange(count) * draw(st.sampled_from([15_000, 15_000, 14_900]))
            values = np.array(draw(st.lists(VALUES, min_size=count, max_size=count)))
            series.append(({"__name__": name, "a": str(number % 2), "b": str(number)}, times, values))
    return MemoryStorage(series)


@settings(max_examples=40, deadline=None)
@given(storages(), st.sampled_from(EXPRESSIONS), st.sampled_from(["2", "3"]), st.sampled_from([1, 15, 60]))
def test_small_blocks_and_large_ones_have_the_same_answer(storage, promql, semantics, step):
    answers = []
    for size in (1, 64, 1 << 16):
        with pytest.MonkeyPatch.context() as patch:
            for module in (frame, windows):
                patch.setattr(module, "MIN_BLOCK", size)
            patch.setattr(windows, "MAX_BLOCK", 2 * size)
            patch.setattr(over_time, "_MAX_SPREAD", 4 * size)
            answers.append(answer(Engine(storage, semantics), promql, step))
    assert answers[0] == answers[1] == answers[2]


def answer(engine, promql, step):
    try:
        matrix = engine.range(promql, 0, 240, step)
    except PromQLError as error:
        return str(error)
    # sums in other blocks differ in the last bits
    rounded = [
        [f"{value:.12e}" for value in row] for row in np.where(matrix.present, matrix.values, 0.0) + 0.0
    ]
    return matrix.labels, rounded, matrix.present.tolist()


PROGRAM = """
import json, sys, tracemalloc
import numpy as np
from pytest_telemetry_gate.promql import Engine, SeriesGroup
from pytest_telemetry_gate.recording import Recording

path, promql = sys.argv[1:]
tracemalloc.start()
storage = Recording.open(path := __import__("pathlib").Path(path)).storage()
answer = Engine(storage).range(promql, 600, 14_400, 15)
peak = tracemalloc.get_traced_memory()[1]
print(json.dumps([peak, len(answer.labels)]))
"""


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    from pytest_telemetry_gate.promql import SeriesGroup
    from pytest_telemetry_gate.recording import RecordingWriter

    writer = RecordingWriter(recorded_at=14_400.0)
    for instance in range(10):
        chance = np.random.default_rng(instance)
        times = np.arange(0, 14_400_000, 15_000) + instance
        labels = tuple(
            {"__name__": "m_total", "a": str(n % 4), "n": str(n), "i": str(instance)} for n in range(200)
        )
        writer.add(
            SeriesGroup(
                labels, times, np.cumsum(chance.integers(0, 9, (len(times), 200)), axis=0).astype(float)
            )
        )
    path = tmp_path_factory.mktemp("memory") / "m.telemetry.zip"
    writer.write(path)
    return path, 2000 * 960 * 8


@pytest.mark.parametrize(
    "promql",
    [
        "m_total",
        "rate(m_total[5m])",
        "sum by (a) (rate(m_total[5m]))",
        "avg(avg_over_time(m_total[2m]))",
        "max by (n) (m_total)",
        "sum(max_over_time(rate(m_total[1m])[5m:15s]))",
        'sum(rate(m_total{a="1"}[5m])) / sum(rate(m_total[5m]))',
    ],
)
def test_the_peak_is_below_three_times_the_samples_touched(recording, promql):
    path, decoded = recording
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), promql], capture_output=True, text=True, check=True
    )
    peak, series = json.loads(done.stdout)
    assert series
    # From 2.5 on numpy tells tracemalloc of an array that grows in place as if the old one were still there.
    counted_twice = decoded if np.lib.NumpyVersion(np.__version__) >= "2.5.0" else 0
    assert decoded < peak < 3 * decoded + counted_twice
