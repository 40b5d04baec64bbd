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
checkpoints: {48h: {cases: %d}}
cases:
  - id: run
    matrix: [%s]
    drive: {http: {url: $target/run/$n}}
    expect: {metrics: [{counter: %s, lag: "<= %s", isolation: %s}]}
"""


class Service(ThreadingHTTPServer):
    """Counts its requests, except those that it loses."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.registry = prometheus_client.CollectorRegistry()
        self.counter = prometheus_client.Counter("lag_runs", "runs", registry=self.registry)
        self.slots = prometheus_client.Counter("lag_slots", "runs", ["slot"], registry=self.registry)
        self.lost = ""
        self.foreign = ""  # a slot in which somebody else runs each time too


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        if self.path != self.server.lost:
            self.server.counter.inc()
            self.server.slots.labels(self.path.rsplit("/", 1)[1]).inc()
        if self.server.foreign:
            self.server.slots.labels(self.server.foreign).inc()
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


ALL = "lag_runs_total, match: {job: parser}"
SLOT = "lag_slots_total, match: {job: parser, slot: $n}"


def verdicts(
    folder: Path,
    service: Service,
    source: Any,
    *,
    numbers: range = range(15),
    counter: str = ALL,
    lag: str = "10s",
    isolation: str = "batch",
) -> tuple[list[Verdict], float]:
    path = folder / "lag.replay.yaml"
    rows = ", ".join(f"{{n: {number}}}" for number in numbers)
    port = service.server_address[1]
    path.write_text(SUITE % (port, len(numbers), rows, counter, lag, isolation), encoding="utf-8")
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
    found, _ = verdicts(tmp_path, service, source, lag="2s")
    assert {str(one.outcome) for one in found} == {"fail"}
    assert "rose by 14, expected 15 (all cases driven together: +15) within 2 s" in found[0].reason
    found, _ = verdicts(tmp_path, service, source, lag="1s")
    assert {str(one.outcome) for one in found} == {"error"}
    assert "cannot be proven" in found[0].reason


def test_with_labels_of_its_own_a_case_is_not_disturbed_by_others(
    service: Service, source: Any, tmp_path: Path
) -> None:
    service.foreign = "somebody"
    found, _ = verdicts(
        tmp_path, service, source, numbers=range(3), counter=SLOT, lag="4s", isolation="label"
    )
    assert [str(one.outcome) for one in found] == ["pass"] * 3, found
    service.foreign = "1"
    found, _ = verdicts(
        tmp_path, service, source, numbers=range(3), counter=SLOT, lag="4s", isolation="label"
    )
    assert [str(one.outcome) for one in found] == ["pass", "fail", "pass"], found
    assert 'slot="1"}: rose by 4, expected exactly 1: counted twice, or foreign traffic' in found[1].reason
    service.foreign, service.lost = "somebody", "/run/2"
    found, _ = verdicts(
        tmp_path, service, source, numbers=range(3), counter=SLOT, lag="2s", isolation="label"
    )
    assert [str(one.outcome) for one in found] == ["pass", "pass", "fail"], found


def test_serial_cases_count_one_after_the_other(service: Service, source: Any, tmp_path: Path) -> None:
    service.lost = "/run/1"
    found, _ = verdicts(tmp_path, service, source, numbers=range(3), lag="2s", isolation="serial")
    assert [str(one.outcome) for one in found] == ["pass", "fail", "pass"], found
    assert "rose by 0, expected 1 within 2 s" in found[1].reason
