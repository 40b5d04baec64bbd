"""The parser as a service: ``POST /parse/LANGUAGE`` with a source, ``GET /metrics`` for Prometheus.

``python -m demo_parser.service PORT``; where spans go, ``OTEL_EXPORTER_OTLP_ENDPOINT`` says, and how long they wait
for each other ``OTEL_BSP_SCHEDULE_DELAY``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import prometheus_client
from opentelemetry.trace import SpanKind

from demo_parser.languages import LANGUAGES, SourceError
from demo_parser.telemetry import FAULT, begin, parse_files, provider

PARSED = prometheus_client.Counter("parse", "sources parsed", ["language"])
REJECTED = prometheus_client.Counter("parse_rejected", "sources that are none of their language")
FAILED = prometheus_client.Counter("parser_failure", "requests that the parser itself failed to serve")
DURATION = prometheus_client.Histogram(
    "parse_duration_ms", "milliseconds that parsing took", buckets=(1, 5, 10, 25, 50, 90, 250, 1000)
)
_MAX_BODY = 2**20
_RESTART_AFTER = 2.0  # seconds after the last replayed request, with the fault "restart"
_replayed = threading.Condition()
_restarting = threading.Event()  # nothing is scraped between the first replayed request and the restart
_lost = threading.Lock()  # taken by the one request that the fault "lost increment" does not count


class Handler(BaseHTTPRequestHandler):
    """Serves one connection."""

    def do_GET(self) -> None:
        """Answer with the metrics."""
        if self.path != "/metrics" or _restarting.is_set():
            self._answer(404 if self.path != "/metrics" else 503, b"")
            return
        self._answer(200, prometheus_client.generate_latest(), prometheus_client.CONTENT_TYPE_LATEST)

    def do_POST(self) -> None:
        """Parse the body."""
        language = self.path.removeprefix("/parse/")
        stated = self.headers.get("Content-Length", "")
        length = int(stated) if stated.isascii() and stated.isdigit() else None
        refused = {language not in LANGUAGES: 404, length is None: 411, (length or 0) > _MAX_BODY: 413}.get(
            True
        )
        if refused is not None or length is None:
            self._answer(refused or 411, b"")
            return
        source = self.rfile.read(length).decode("utf-8", "replace")
        replayed = self.headers.get("traceparent", "").endswith("-01")
        if FAULT == "restart" and replayed:
            _restarting.set()
        with begin(f"POST /parse/{language}", dict(self.headers), kind=SpanKind.SERVER):
            status, answer = self._parsed(language, source, replayed=replayed)
        self._answer(status, json.dumps(answer).encode(), "application/json")
        if _restarting.is_set():
            with _replayed:
                _replayed.notify()

    def _parsed(self, language: str, source: str, *, replayed: bool) -> tuple[int, object]:
        started = time.perf_counter()
        try:
            (found,) = parse_files(language, [source])
        except SourceError as error:
            REJECTED.inc()
            return 422, {"error": str(error), "kind": error.kind}
        except Exception as error:  # noqa: BLE001 - a service answers, whatever happens
            FAILED.inc()
            return 500, {"error": repr(error)}
        DURATION.observe((time.perf_counter() - started) * 1000)
        lost = FAULT == "lost increment" and replayed and language == "go" and _lost.acquire(blocking=False)
        if not lost:
            PARSED.labels(language).inc()
        return 200, asdict(found)

    def _answer(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def restart() -> None:
    """Begin anew in the same process when all replayed requests are answered: what was counted is forgotten."""
    with _replayed:
        _replayed.wait()
        while _replayed.wait(_RESTART_AFTER):
            pass
    TRACING.force_flush()
    os.environ.pop("QA_FAULT")
    os.execv(sys.executable, [sys.executable, "-m", "demo_parser.service", *sys.argv[1:]])


def main() -> None:
    """Serve until SIGTERM."""
    for language in LANGUAGES:
        PARSED.labels(language)
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    if FAULT == "restart":
        threading.Thread(target=restart, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    TRACING.shutdown()


if __name__ == "__main__":
    TRACING = provider()
    main()
