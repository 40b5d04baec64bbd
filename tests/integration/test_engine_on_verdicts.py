"""What the engine says beside an answer stands on the verdict, and so does the profile that it answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gates
import numpy as np

from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.gate.gate import Gate
from pytest_telemetry_gate.gate.plan import plan_checks
from pytest_telemetry_gate.gate.registry import Registry
from pytest_telemetry_gate.model.verdict import Outcome, Verdict
from pytest_telemetry_gate.plugin import builtin_hooks
from pytest_telemetry_gate.promql import MemoryStorage
from pytest_telemetry_gate.recording import RecordingWriter

if TYPE_CHECKING:
    from pathlib import Path

KINDS = {kind.key: kind for kind in builtin_hooks.pytest_telemetry_gate_criteria()}
SUITE = (
    gates.HEAD
    + """\
groups:
  Parser:
    - {id: depth, query: 'rate(queue_depth[5m])', expect: ">= 0"}
    - {id: size, query: 'histogram_quantile(2, sum by (le) (rate(size_bucket[5m])))', expect: "> 0"}
    - {id: failures, query: 'rate(failures_total[5m])', expect: ">= 0"}
    - {id: endless, query: 'sum_over_time(queue_depth[9000d:1s])', expect: ">= 0"}
  All:
    - {id: all, ratio: {of: [Parser], verdict: [pass, warn]}, expect: "> 0 %"}
"""
)
SERIES = (
    gates.UP,
    gates.series("queue_depth", lambda at: at % 7),
    gates.series("failures_total", 3),
    gates.series("size_bucket", lambda at: at, le="1"),
    gates.series("size_bucket", lambda at: 2 * at, le="+Inf"),
)


def judged(folder: Path, semantics: str) -> dict[str, Verdict]:
    """Judge the suite over a recording that was made under a profile; verdicts by criterion."""
    writer = RecordingWriter(recorded_at=gates.START + 5 * 3600, semantics=semantics)
    storage = MemoryStorage(
        (labels, np.round(at * 1000).astype(np.int64), values) for labels, at, values in SERIES
    )
    for group in storage.select([], 0, 2**62):
        writer.add(group)
    writer.interval("parser", gates.STEP)
    writer.write(folder / "small.telemetry.zip")
    (folder / "telemetry.yaml").write_text(
        "default: recorded\nenvironments: {recorded: {source: recording, path: small.telemetry.zip}}\n"
    )
    (folder / "small.gate.yaml").write_text(SUITE)
    environment = load_environment(folder / "telemetry.yaml")
    sources, events = (
        builtin_hooks.pytest_telemetry_gate_sources(),
        builtin_hooks.pytest_telemetry_gate_event_sources(),
    )
    session = Gate(environment, Registry(sources, events, KINDS))
    suite = load_suite(folder / "small.gate.yaml", KINDS, display_path="small.gate.yaml")
    verdicts = [judge(check, session.answers(check)).verdict for check in plan_checks(suite, environment)]
    return {verdict.criterion: verdict for verdict in verdicts}


def test_warnings_of_profile_3_stand_on_the_verdict(tmp_path: Path) -> None:
    verdicts = judged(tmp_path, "3")
    assert {verdict.semantics for verdict in verdicts.values()} == {"3"}
    (told,) = verdicts["depth"].warnings
    assert told.startswith("PromQL info: metric might not be a counter, name does not end in _total/_sum/")
    assert told.endswith(': "queue_depth"')
    assert verdicts["size"].warnings == ("PromQL warning: quantile value should be between 0 and 1, got 2",)
    assert verdicts["failures"].warnings == ()
    assert verdicts["failures"].outcome is Outcome.PASS


def test_profile_2_has_no_warnings_as_its_server_had_none(tmp_path: Path) -> None:
    verdicts = judged(tmp_path, "2")
    assert {(verdict.semantics, verdict.warnings) for verdict in verdicts.values()} == {("2", ())}


def test_a_query_beyond_the_limits_is_an_error_of_one_line(tmp_path: Path) -> None:
    verdict = judged(tmp_path, "3")["endless"]
    assert verdict.outcome is Outcome.ERROR
    assert "the subquery has more than 11,000,000 steps" in verdict.reason
    assert "\n" not in verdict.reason
