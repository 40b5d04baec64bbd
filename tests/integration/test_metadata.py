"""What metric families a real Prometheus knows, those without samples included, is known to a recording of it as well."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import servers
from children import until

from pytest_telemetry_gate.model.environment import Origin, RegionSettings
from pytest_telemetry_gate.model.questions import Instant
from pytest_telemetry_gate.recorder.recorder import RegionRequest, record
from pytest_telemetry_gate.recording import Recording
from pytest_telemetry_gate.sources.prometheus import PrometheusSource
from pytest_telemetry_gate.sources.recording import RecordingSource

pytestmark = pytest.mark.integration

METRICS = b"""\
# HELP failures_total Counted by kind, and nothing has failed yet.
# TYPE failures_total counter
# TYPE cpu gauge
cpu 70
"""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(METRICS)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def target() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_counter_without_series_is_known_live_and_from_the_recording(
    prometheus_server: Callable[..., servers.Server], target: str, tmp_path: Path
) -> None:
    server = prometheus_server(
        scrape=[{"job_name": "target", "static_configs": [{"targets": [target]}]}], interval="250ms"
    )
    settings = RegionSettings("", "prometheus", {"url": server.url}, {}, Origin("telemetry.yaml"), tmp_path)
    source = PrometheusSource(settings)
    until(lambda: "cpu" in source.metric_names())
    assert "failures_total" not in source.metric_names()
    assert source.metadata() == {"cpu": "gauge", "failures_total": "counter"}

    path = tmp_path / "a.telemetry.zip"
    request = RegionRequest(source, [Instant("", query, time.time()) for query in ("cpu", "failures_total")])
    assert record(path, {"": request}, recorded_at=time.time()).failures == {}
    recorded = RecordingSource(Recording.open(path), "")
    assert recorded.metadata() == source.metadata()
    assert recorded.metric_names() == ["cpu"]
