"""Lags on a real Prometheus: cases that are driven together, each by an HTTP request, and one that is not counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import prometheus_client
import pytest

from pytest_telemetry_gate.replay.live import LiveReplay
from pytest_telemetry_gate.replay.loader import load_replay
from pytest_telemetry_gate.replay.verdicts import judge_case
from pytest_telemetry_gate.sources.prometheus import PrometheusSource
from pytest_telemetry_gate.verdict import Verdict

pytestmark = pytest.mark.integration

SUITE = """\
version: 1
suite: lag
variables: {target: "http://127.0.0.1:%d"}
checkpoints: {48h: {cases: 15}}
cases:
  - id: run
    matrix: [%s]
    drive: {http: {url: $target/run/$n}}
    expect: {metrics: [{counter: lag_runs_total, match: {job: parser}, lag: "<= %s", isolation: batch}]}
"""


class Service(ThreadingHTTPServer):
    """Counts its requests, except those that it loses."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.registry = prometheus_client.CollectorRegistry()
        self.counter = prometheus_client.Counter("lag_runs", "runs", registry=self.registry)
        self.lost = ""


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        if self.path != self.server.lost:
            self.server.counter.inc()
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(prometheus_client.generate_latest(self.server.registry))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    started = Service()
    threading.Thread(target=started.serve_forever, daemon=True).start()
    yield started
    started.shutdown()
    started.server_close()


def verdicts(folder: Path, service: Service, source: Any, lag: str = "10s") -> tuple[list[Verdict], float]:
    path = folder / "lag.replay.yaml"
    rows = ", ".join(f"{{n: {number}}}" for number in range(15))
    path.write_text(SUITE % (service.server_address[1], rows, lag), encoding="utf-8")
    suite = load_replay(path)
    live = LiveReplay(suite, lambda: source, 1, suite.cases)
    started = time.monotonic()
    found = [judge_case(suite, case, live.capture(case)) for case in suite.cases]
    return found, time.monotonic() - started


@pytest.fixture
def source(service: Service, prometheus_server: Any, tmp_path: Path) -> Any:
    from pytest_telemetry_gate.config import load_environment

    server = prometheus_server(
        scrape=[
            {
                "job_name": "parser",
                "static_configs": [{"targets": [f"127.0.0.1:{service.server_address[1]}"]}],
            }
        ]
    )
    path = tmp_path / "telemetry.yaml"
    path.write_text(f"default: a\nenvironments: {{a: {{source: prometheus, url: '{server.url}'}}}}\n")
    found = PrometheusSource(load_environment(path).regions[""])
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found.know(found.probe())
        if found.scrape_intervals.get("parser"):
            break
        time.sleep(0.2)
    time.sleep(3)
    return found


def test_a_batch_counts_exactly(service: Service, source: Any, tmp_path: Path) -> None:
    found, seconds = verdicts(tmp_path, service, source)
    assert [str(one.outcome) for one in found] == ["pass"] * 15, found[0].reason
    assert seconds < 1.5 + 5  # the slowest lag at a scrape interval of 1 s, and 5 s
    service.lost = "/run/7"
    time.sleep(4)
    found, _ = verdicts(tmp_path, service, source, "2s")
    assert {str(one.outcome) for one in found} == {"fail"}
    assert "rose by 14, expected 15 (all cases driven together: +15) within 2 s" in found[0].reason
    found, _ = verdicts(tmp_path, service, source, "1s")
    assert {str(one.outcome) for one in found} == {"error"}
    assert "cannot be proven" in found[0].reason
