"""A gate written by hand over a real capture: its values are those that a real Prometheus gives on the same samples."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import servers
from promql.server_engine import ServerEngine

from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.gate.gate import Gate
from pytest_telemetry_gate.gate.plan import plan_checks
from pytest_telemetry_gate.gate.registry import Registry
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.plugin import builtin_hooks
from pytest_telemetry_gate.recording import import_openmetrics

pytestmark = [pytest.mark.integration, pytest.mark.slow]

CAPTURE = Path(__file__).parents[3] / "shared" / "data" / "host-prometheus-90min-5s.om.gz"
KINDS = {kind.key: kind for kind in builtin_hooks.pytest_telemetry_gate_criteria()}
SUITE = """\
version: 1
suite: host
rollout: {start: 2026-11-23T09:41:10Z, end: 2026-11-23T09:45:00Z}
checkpoints: [30m, 1h, 90m]
groups:
  Host:
    - id: cpu
      query: 100 * (1 - avg(rate(node_cpu_seconds_total{mode="idle"}[$__window])))
      window: 10m
      unit: "%"
      expect: "<= 100"
    - id: memory
      query: 100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)
      unit: "%"
      expect: "< 95"
    - id: latency
      query: histogram_quantile(0.95, sum by (le) (rate(prometheus_http_request_duration_seconds_bucket[$__window])))
      window: 10m
      unit: s
      expect: "< 5 s"
    - {id: scrapes, query: 'sum(count_over_time(up[$__range]))', expect: "> 0"}
  Alerts:
    - id: alerts
      alerts: {match: {alertname: HighCPU}, proof: 'min_over_time(up{job="prometheus"}[$__range])'}
      expect: "< 100"
"""


def test_the_gate_has_the_values_of_a_real_prometheus(
    prometheus_server: Callable[..., servers.Server], tmp_path: Path
) -> None:
    if not CAPTURE.is_file():
        pytest.skip(f"the capture {CAPTURE.name} is not beside the checkout")
    import_openmetrics(CAPTURE, tmp_path / "host.telemetry.zip")
    with gzip.open(CAPTURE) as source, (tmp_path / "host.om").open("wb") as target:
        shutil.copyfileobj(source, target)
    server = ServerEngine(prometheus_server(openmetrics=tmp_path / "host.om", interval="1m"))
    (tmp_path / "telemetry.yaml").write_text(
        "default: r\nenvironments: {r: {source: recording, path: host.telemetry.zip}}\n"
    )
    (tmp_path / "host.gate.yaml").write_text(SUITE)
    environment = load_environment(tmp_path / "telemetry.yaml")
    registry = Registry(
        builtin_hooks.pytest_telemetry_gate_sources(),
        builtin_hooks.pytest_telemetry_gate_event_sources(),
        KINDS,
    )
    session = Gate(environment, registry)
    suite = load_suite(tmp_path / "host.gate.yaml", KINDS)
    verdicts = [judge(check, session.answers(check)).verdict for check in plan_checks(suite, environment)]
    assert [one.name for one in verdicts if one.outcome is not Outcome.PASS] == []
    fired = 0.0
    for verdict in verdicts:
        if verdict.criterion == "alerts":
            length = round(verdict.time - suite.rollout.start)
            raw = server.instant(
                f'ALERTS{{alertname="HighCPU",alertstate="firing"}}[{length}s]', verdict.time
            )
            episodes = sum(1 + int((np.diff(raw.times[there]) > 30).sum()) for there in raw.present)
            assert verdict.value == episodes
            fired = max(fired, verdict.value)
        else:
            expected = server.instant(verdict.query, verdict.time)
            assert verdict.value == pytest.approx(float(expected.values[0]), rel=1e-9), verdict.name
    assert fired >= 1
