"""Cases that are driven at once where trace ids keep them apart, and those that are not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from test_corpus import document

from pytest_telemetry_gate.replay.capture import LiveReplay
from pytest_telemetry_gate.replay.judge.cases import judge_case
from pytest_telemetry_gate.replay.receive.receiver import Receiver
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.replay.suite.model import ReplaySuite
from pytest_telemetry_gate.support.secrets import Secrets

SUITE = """\
version: 1
suite: parallel
checkpoints: {{1h: {{cases: {count}}}}}
parallel: {parallel}
capture: {{otlp: {{http: "{listen}"}}, complete: {{timeout: 10s, quiet: 300ms}}}}
contracts:
  parse: {{select: {{name: parser.parse}}}}
  number: {{select: {{name: parser.parse}}, attributes: {{case: {{required: true}}}}}}
cases:
  - id: case
    matrix: [{rows}]
    drive: {{http: {{url: "{service}/$n"}}}}
    expect: {{spans: [{{contract: number, attributes: {{case: {{equals: $n}}}}}}]}}
"""


class Service(ThreadingHTTPServer):
    """Answers after a moment, and exports all spans of that moment in one request, as a batch processor does."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.paths: list[str] = []
        self.most = self.now = 0
        self.lock = threading.Lock()
        self.pool = ThreadPoolExecutor(1)
        self.endpoint = ""
        self._spans: list[dict[str, object]] = []

    def handled(self, path: str, trace: str) -> None:
        with self.lock:
            self.paths.append(path)
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.1)
        number = {"key": "case", "value": {"intValue": path.strip("/")}}
        span = document(traceId=trace, parentSpanId="", links=[], attributes=[number])["resourceSpans"][0]  # type: ignore[index]
        with self.lock:
            self.now -= 1
            self._spans.append(span)
        self.pool.submit(self._export)

    def _export(self) -> None:
        time.sleep(0.02)
        with self.lock:
            spans, self._spans = self._spans, []
        if spans:
            requests.post(f"{self.endpoint}/v1/traces", json={"resourceSpans": spans}, timeout=5)


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        self.server.handled(self.path, self.headers["traceparent"].split("-")[1])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def suite(folder: Path, service: Service, count: int, parallel: int) -> ReplaySuite:
    with Receiver() as free:
        service.endpoint = free.endpoint
    path = folder / "p.replay.yaml"
    text = SUITE.format(
        count=count,
        parallel=parallel,
        listen=service.endpoint.removeprefix("http://"),
        service=f"http://127.0.0.1:{service.server_address[1]}",
        rows=", ".join(f"{{n: {number}}}" for number in range(count)),
    )
    path.write_text(text, encoding="utf-8")
    return load_replay(path)


@pytest.mark.parametrize(("count", "parallel"), [(40, 8), (4, 1)])
def test_cases_that_trace_ids_keep_apart(tmp_path: Path, service: Service, count: int, parallel: int) -> None:
    found = suite(tmp_path, service, count, parallel)
    live = LiveReplay(found, lambda: None, 1, found.cases, secrets=Secrets())
    try:
        captures = [live.capture(case) for case in found.cases]
    finally:
        live.close()
    for case, captured in zip(found.cases, captures, strict=True):
        dossier = judge_case(found, case, captured)
        assert str(dossier.outcome) == "pass", dossier.verdict.reason
        assert len(captured.telemetry().spans) == 1
        assert captured.foreign is not None
        assert captured.foreign.traces == 0  # what the others brought about is nobody else's
    assert len(service.paths) == count  # each once
    assert 1 < service.most <= 8 if parallel > 1 else service.most == 1
    if parallel == 1:
        assert service.paths == [f"/{number}" for number in range(count)]


@pytest.mark.parametrize(
    ("drive", "expect", "is_apart"),
    [
        ('http: {url: "http://x"}', "spans: [{contract: parse}]", True),
        ('http: {url: "http://x"}', 'spans: [{contract: parse}], lag: "<= 1s"', True),
        ('http: {url: "http://x"}', 'payload: {total: "< 1 KB"}', False),
        ('http: {url: "http://x"}', "metrics: [{contract: load}]", False),
        ('http: {url: "http://x"}', 'metrics: [{counter: runs_total, lag: "<= 1s"}]', False),
        ('otlp: {url: "http://x", from: t.jsonl}', "spans: [{contract: parse}]", False),
        ("cli: {argv: [x]}", "spans: [{contract: parse}]", False),
        ("python: {call: 'm:f'}", "spans: [{contract: parse}]", False),
        ('steps: [{http: {url: "http://x"}}, {wait: 1s}]', "spans: [{contract: parse}]", True),
        ('steps: [{http: {url: "http://x"}}, {cli: {argv: [x]}}]', "spans: [{contract: parse}]", False),
    ],
)
def test_which_cases_trace_ids_keep_apart(tmp_path: Path, drive: str, expect: str, *, is_apart: bool) -> None:
    path = tmp_path / "p.replay.yaml"
    path.write_text(
        f"""\
version: 1
suite: parallel
checkpoints: {{1h: {{cases: 1}}}}
capture: {{otlp: {{http: "127.0.0.1:0"}}}}
contracts:
  parse: {{select: {{name: parser.parse}}}}
  load: {{signal: metrics, select: {{name: load}}}}
cases:
  - {{id: one, drive: {{{drive}}}, expect: {{{expect}}}}}
""",
        encoding="utf-8",
    )
    (tmp_path / "t.jsonl").write_text("{}")
    found = load_replay(path)
    assert found.is_kept_apart(found.cases[0]) is is_apart


def test_cases_that_share_a_file_are_driven_one_after_the_other(tmp_path: Path, service: Service) -> None:
    found = suite(tmp_path, service, 3, 8)
    path = tmp_path / "p.replay.yaml"
    path.write_text(
        path.read_text("utf-8").replace("otlp: {", "otlp_file: spans.jsonl, otlp: {"), encoding="utf-8"
    )
    found = load_replay(path)
    assert found.file.capture.otlp_file == "spans.jsonl"
    assert not any(map(found.is_kept_apart, found.cases))
