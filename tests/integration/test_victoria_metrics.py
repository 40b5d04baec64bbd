"""A VictoriaMetrics as it is installed: it moves times to where it has answers, unless it is told not to."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import servers
from regions import LiveProject

from pytest_telemetry_gate.model.environment import Origin, RegionSettings
from pytest_telemetry_gate.promql import Vector
from pytest_telemetry_gate.sources.prometheus import PrometheusSource

pytestmark = pytest.mark.integration

CRITERIA = """\
- {id: rate, query: 'sum(rate(hits_total{job="edge"}[5m]))', expect: '>= 0.9', baseline: {offset: 15m}, tolerance: 5%}
- {id: load, query: load, expect: '== 5'}
- {id: failed, count: 'failed_total{job="edge"}', expect: '== 0'}
"""


def iso(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def test_times_are_those_that_were_asked_for_and_a_healthy_rollout_passes(
    pytester: pytest.Pytester, tmp_path: Path
):
    project = LiveProject(pytester)
    now = int(time.time())
    first = now - 4000
    series = {
        "up": lambda at: 1,
        "hits_total": lambda at: at - first,
        "failed_total": lambda at: 0,
        "load": lambda at: 5,
    }
    lines = [
        f'{name}{{job="edge",instance="a"}} {value(at)} {at}000'
        for at in range(first, now, 15)
        for name, value in series.items()
    ]  # fmt: skip
    with servers.victoria_metrics(tmp_path / "server", as_installed=True) as server:
        servers.victoria_import(server, lines)
        source = PrometheusSource(
            RegionSettings("", "prometheus", {"url": server.url}, {}, Origin("telemetry.yaml"), Path())
        )
        matrix = source.range("load", now - 3000.5, now - 2000.5, 7.0)
        assert matrix.present.all()
        np.testing.assert_allclose(np.diff(matrix.times), 7.0)
        newest = source.instant("vector(time())", now)
        assert isinstance(newest, Vector)
        assert newest.values.tolist() == [now], "not half a minute before"
        start = iso(now - 640)
        head = f"version: 1\nsuite: s\nrollout: {{start: {start}, end: {start}}}\ncheckpoints: [10m]\n"
        project.suite(CRITERIA, head)
        project.regions({"eu": server.url}, scrape_interval="15s")
        found = project.verdicts()
        assert {outcome for outcome, _ in found.values()} == {"pass"}, found
