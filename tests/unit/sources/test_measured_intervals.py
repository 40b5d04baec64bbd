"""Scrape intervals that are measured on ``up``: those that were configured, however early or late the scrapes are."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_telemetry_gate.model.environment import Origin, RegionSettings
from pytest_telemetry_gate.sources.http.session import Reply
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.sources.prometheus import PrometheusSource


def measured(monkeypatch: pytest.MonkeyPatch, *series: tuple[str, list[float]]) -> dict[str, float]:
    """Return the intervals of a server that holds these spacings of each job's samples of ``up``."""
    result = [
        {"metric": {"__name__": "up", "job": job}, "values": [[time, "1"] for time in times(spacings)]}
        for job, spacings in series
    ]

    def request(self: Transport, method: str, url: str, params: Any = None) -> Reply:
        assert (method, url, params["query"]) == ("GET", "http://server/api/v1/query", "up[10m]")
        body = {"status": "success", "data": {"resultType": "matrix", "result": result}}
        return Reply(200, json.dumps(body).encode(), {"Content-Type": "application/json"}, url)

    monkeypatch.setattr(Transport, "request", request)
    settings = RegionSettings(
        "", "prometheus", {"url": "http://server"}, {}, Origin("telemetry.yaml"), Path()
    )
    return PrometheusSource(settings)._lookups.measure_intervals()


def times(spacings: list[float]) -> list[float]:
    return [round(time, 3) for time in itertools.accumulate(spacings, initial=1_700_000_000.0)]


@pytest.mark.parametrize(
    ("spacings", "interval"),
    [
        ([15.0, 15.0], 15.0),
        ([15.003, 14.998, 15.001], 15.0),
        ([1.001, 1.001, 0.998], 1.0),
        ([0.991, 1.2, 0.992], 1.0),
        ([59.6, 59.7], 60.0),
        ([0.25, 0.252, 0.249], 0.25),
        ([0.98, 0.98], 0.98),
        ([1.5, 1.5], 1.5),
        ([0.004, 0.004], 0.004),
    ],
)
def test_jitter_does_not_change_a_whole_number_of_seconds(monkeypatch, spacings, interval):
    assert measured(monkeypatch, ("a", spacings)) == {"a": interval}


def test_the_shortest_interval_of_a_job_counts(monkeypatch):
    found = measured(monkeypatch, ("a", [30.002, 30.0]), ("a", [14.999, 15.0]), ("b", [10.0]), ("c", []))
    assert found == {"a": 15.0, "b": 10.0}
