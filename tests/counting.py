"""A service whose requests a real Prometheus counts, and the source that tells a replay's lags from it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import prometheus_client
from children import until
from servers import Server

from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.promql import Vector
from pytest_telemetry_gate.sources.prometheus import PrometheusSource

JOB = "parser"
SUITE = """\
version: 1
suite: lag
variables: {target: "http://%s"}
checkpoints: {48h: {cases: %d}}
cases:
  - id: run
    matrix: [%s]
    drive: {http: {url: $target/run/$n}}
    expect: {metrics: [{counter: %s, lag: "<= %s", isolation: %s}]}
"""
ALL = "lag_runs_total, match: {job: parser}"
SLOT = "lag_slots_total, match: {job: parser, slot: $n}"


class Service(ThreadingHTTPServer):
    """Counts its requests, except those that it loses."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a Prometheus that ends goes away in the middle of a scrape."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"127.0.0.1:{self.server_address[1]}"
        self.registry = prometheus_client.CollectorRegistry()
        self.counter = prometheus_client.Counter("lag_runs", "runs", registry=self.registry)
        self.slots = prometheus_client.Counter("lag_slots", "runs", ["slot"], registry=self.registry)
        self.lost = ""
        self.foreign = ""  # a slot in which somebody else runs each time too

    @property
    def scrape(self) -> list[dict[str, object]]:
        """What Prometheus has to be told to scrape it."""
        return [{"job_name": JOB, "static_configs": [{"targets": [self.address]}]}]


class _Handler(BaseHTTPRequestHandler):
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


@contextlib.contextmanager
def counting() -> Iterator[Service]:
    """Run the service until the context ends."""
    with Service() as service:
        threading.Thread(target=service.serve_forever, args=(0.05,), daemon=True).start()
        yield service
        service.shutdown()


def source_of(server: Server, folder: Path) -> PrometheusSource:
    """Return the source of a Prometheus when it has scraped the service a few times."""
    path = folder / "telemetry.yaml"
    path.write_text(
        f"default: a\nenvironments: {{a: {{source: prometheus, url: '{server.url}'}}}}\n", "utf-8"
    )
    found = PrometheusSource(load_environment(path).regions[""])

    def interval() -> object:
        found.restore_probe(found.probe())
        return found.scrape_intervals.get(JOB)

    until(interval)
    wait_for_scrapes(found, 3)
    return found


def wait_for_scrapes(source: PrometheusSource, number: int) -> None:
    """Return when the service has been scraped so many times more."""

    def scrapes() -> float:
        answer = source.instant(f'count_over_time(up{{job="{JOB}"}}[1h])', time.time())
        assert isinstance(answer, Vector)
        return float(answer.values[0]) if len(answer.values) else 0.0

    before = scrapes()
    until(lambda: scrapes() >= before + number)


def suite_of(
    folder: Path, service: Service, numbers: range, *, counter: str, lag: str, isolation: str
) -> Path:
    """Write a replay suite with a case for each number, which POSTs to ``/run/NUMBER``."""
    path = folder / "lag.replay.yaml"
    rows = ", ".join(f"{{n: {number}}}" for number in numbers)
    path.write_text(SUITE % (service.address, len(numbers), rows, counter, lag, isolation), encoding="utf-8")
    return path
