"""A recording holds what kinds beside `query` read, so that they decide from it what they decided live."""

from __future__ import annotations

import numpy as np
from gates import HEAD, START, MemoryGate, grid, series

from pytest_telemetry_gate.promql import Matcher
from pytest_telemetry_gate.recorder.recorder import RegionRequest, record
from pytest_telemetry_gate.recording import Recording
from pytest_telemetry_gate.testing import MemorySource

TIMES = grid(START - 86400, START + 3 * 3600)
KINDS = """\
- {id: frozen, frozen: 'cpu{job="parser"}', window: 1h, tolerance: 100%, baseline: {offset: 6h, window: 3h}}
- {id: moved, window: 1h, baseline: {offset: 6h}, expect: '<= 5%', distribution: {buckets: 'took_bucket{job="parser"}', measure: distance}}
- {id: tail, window: 1h, baseline: {weeks: 1}, tolerance: 5%, distribution: {buckets: 'took_bucket{job="parser"}', measure: tail, above: 1}}
- id: slo
  objective: {bad: 'failed_total{job="parser"}', total: 'took_bucket{job="parser", le="+Inf"}', target: 99.9%, burn: [{over: 1h, at_most: 1}]}
"""


def test_kinds_decide_from_a_recording_as_they_did_live(tmp_path):
    gauge = series("cpu", lambda at: np.where(at > START + 5400, 7.0, np.sin(at)), TIMES)
    counters = [
        series("up", 1, TIMES),
        series("failed_total", lambda at: (at > START + 5000) * 90.0, TIMES),
        *(
            series(
                "took_bucket",
                lambda at, slow=slow: np.floor(at * 3 - np.maximum(at - START, 0) * slow),
                TIMES,
                le=le,
            )
            for le, slow in (("1", 0.5), ("2", 0.2), ("+Inf", 0.0))
        ),
    ]
    live = MemoryGate(tmp_path, [gauge, *counters])
    checks = live.checks(KINDS, HEAD)
    source = MemorySource(
        [(labels, np.round(at * 1000).astype(np.int64), values) for labels, at, values in live.data]
    )
    questions = [question for check in checks for question in check.questions() if question.recorded]
    path = tmp_path / "run.telemetry.zip"
    assert record(path, {"": RegionRequest(source, questions)}, recorded_at=live.now).failures == {}
    recorded = [
        (dict(labels), group.times / 1000, np.ascontiguousarray(group.values[:, column]))
        for group in Recording.open(path).storage("").select((Matcher("__name__", "=~", ".+"),), 0, 0)
        for column, labels in enumerate(group.labels)
    ]
    again = [
        (one.outcome, one.value, one.reason) for one in MemoryGate(tmp_path, recorded).verdicts(KINDS, HEAD)
    ]
    assert again == [(one.outcome, one.value, one.reason) for one in live.verdicts(KINDS, HEAD)]
    assert [outcome for outcome, _, _ in again] == ["fail", "fail", "inconclusive", "fail"]
