"""How long after a case's own drive its last export request arrives, held against a limit."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import servers
from children import PATIENCE
from test_corpus import document
from test_lag import Server

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.promql import Matrix
from pytest_telemetry_gate.replay.capture import LiveReplay
from pytest_telemetry_gate.replay.captured import CapturedCase, DriveResult, ExportRequest
from pytest_telemetry_gate.replay.judge.cases import judge_case
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.replay.suite.model import ReplaySuite
from pytest_telemetry_gate.reports.failures import describe_evidence
from pytest_telemetry_gate.support.secrets import Secrets

SUITE = """\
version: 1
suite: s
checkpoints: {48h: {cases: 1}}
capture: {complete: {timeout: 10s, quiet: 100ms}}
contracts: {parse: {select: {name: parser.parse}, count: 1}, never: {select: {name: never}}}
cases: [{id: one, drive: {python: {call: "export_lag_calls:late"}}, expect: {%s}}]
"""


def suite(folder: Path, expect: str) -> ReplaySuite:
    path = folder / "s.replay.yaml"
    path.write_text(SUITE % expect, encoding="utf-8")
    return load_replay(path)


def judged(folder: Path, expect: str, *requests: ExportRequest, complete: bool = True) -> Dossier:
    found = suite(folder, expect)
    captured = CapturedCase(
        "s", "one", "48h", DriveResult("cli"), list(requests), complete=complete, waited=3.0
    )
    return judge_case(
        found, found.cases[0], CapturedCase.from_wire(json.loads(json.dumps(captured.to_wire())))
    )


def spans(arrival: float | None) -> ExportRequest:
    return ExportRequest("traces", 10, 10, "json", document(parentSpanId=""), arrival=arrival)


METRIC = {"name": "m", "gauge": {"dataPoints": [{}]}}
METRICS = ExportRequest("metrics", 1, 1, "json", {"resourceMetrics": [{"scopeMetrics": [{"metrics": [METRIC]}]}]}, arrival=9.0)  # fmt: skip
BOTH = 'spans: [{contract: parse}], lag: "<= 5s"'


@pytest.mark.parametrize(
    ("expect", "taken", "complete", "outcome", "told"),
    [
        ('lag: "<= 5s"', [spans(-0.01), spans(4.9)], True, "pass", "lag: the last export request arrived 4.9 s after the drive, limit <= 5 s"),
        ('lag: "<= 5s"', [spans(-0.01)], True, "pass", "lag: the last export request arrived 0.01 s before the drive ended, limit <= 5 s"),
        ('lag: "< 5000ms"', [spans(5.0)], True, "fail", "x lag: the last export request arrived 5 s after the drive, outside < 5,000 ms"),
        (BOTH, [spans(0.2), METRICS], True, "pass", "lag: the last export request arrived 0.2 s after the drive, limit <= 5 s"),
        (BOTH, [spans(6.2)], False, "fail", "x lag: the last export request arrived 6.2 s after the drive, outside <= 5 s"),
        ('spans: [{contract: never}], lag: "<= 5s"', [spans(0.2)], False, "fail", "x lag: the last export request arrived 0.2 s after the drive, but not yet all of never"),
        ('spans: [{contract: never, count: {max: 0}}], lag: "<= 5s"', [spans(0.2)], False, "pass", "lag: the last export request arrived 0.2 s after the drive, limit <= 5 s"),
        ('lag: "<= 5s"', [METRICS], True, "inconclusive", "x lag: only metrics were captured, which are exported again and again"),
        ('lag: "<= 5s"', [spans(None)], True, "inconclusive", "x lag: the capture does not say when its requests arrived"),
        ('lag: "<= 5s"', [], False, "fail", "x captured no telemetry in 3.0 s"),
        ('spans: [{contract: never, count: {max: 0}}], lag: "<= 5s"', [], False, "fail", "x captured no telemetry in 3.0 s"),
    ],
)  # fmt: skip
def test_every_end(
    tmp_path: Path, *, expect: str, taken: list[ExportRequest], complete: bool, outcome: str, told: str
) -> None:
    found = judged(tmp_path, expect, *taken, complete=complete)
    assert str(found.outcome) == outcome, found
    assert told in list(describe_evidence(found))
    if "no telemetry" in told:
        assert not any("lag" in line for line in list(describe_evidence(found)))


@pytest.mark.parametrize(
    ("expect", "told"),
    [
        ('lag: ">= 5s"', "expect.lag: '>= 5 s' sets no upper limit"),
        ('lag: "<= 5"', "expect.lag: '<= 5' needs a unit such as 10s"),
        ("", "nothing else could fail"),
    ],
)
def test_a_limit_that_is_none_is_refused(tmp_path: Path, expect: str, told: str) -> None:
    with pytest.raises(SuiteError, match=told):
        suite(tmp_path, expect)


CALLS = """\
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

def late(context):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(context.endpoint + "/v1/traces")))
    with provider.get_tracer("t").start_as_current_span("parser.parse"):
        pass
"""


@pytest.mark.parametrize(("limit", "outcome"), [("<= 800ms", "fail"), ("<= 60s", "pass")])
def test_a_batch_processor_exports_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, outcome: str
) -> None:
    """What the SDK calls a schedule's delay is the lag of its spans."""
    (tmp_path / "export_lag_calls.py").write_text(CALLS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1200")
    found = suite(tmp_path, f'spans: [{{contract: parse}}], lag: "{limit}"')
    captured = LiveReplay(found, lambda: None, 1, found.cases, secrets=Secrets()).capture(found.cases[0])
    (request,) = captured.requests
    assert request.arrival is not None
    assert 0.9 < request.arrival < PATIENCE
    assert captured.waited == request.arrival
    assert str(judge_case(found, found.cases[0], captured).outcome) == outcome


class Service(BaseHTTPRequestHandler):
    """Exports a second after it has answered, or answers after a second and has exported before; then others' spans."""

    def do_POST(self) -> None:
        trace = self.headers["traceparent"].split("-")[1]
        if self.path == "/late":
            self._answer()
            time.sleep(1)
            self._export(trace)
        else:
            self._export(trace)
            time.sleep(1)
            self._answer()

    def _answer(self) -> None:
        self.server.answered.append(time.time())  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _export(self, trace: str) -> None:
        endpoint = os.environ["EXPORT_LAG_ENDPOINT"]
        for one in (trace, "f" * 32):
            requests.post(
                f"{endpoint}/v1/traces", json=document(traceId=one, parentSpanId=""), timeout=PATIENCE
            )

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Counting(Server):
    """Counts two cases when the second of them has been answered."""

    def __init__(self, answered: list[float]) -> None:
        super().__init__(41.0)
        self._answered = answered

    def instant(self, promql: str, moment: float) -> Matrix:
        self._rises = tuple((at - self._began, 2.0) for at in self._answered[1:])
        return super().instant(promql, moment)


@pytest.fixture
def service() -> Iterator[SimpleNamespace]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.answered = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_address[1]}", answered=server.answered)  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def test_each_case_of_a_batch_counts_from_the_end_of_its_own_drive(
    tmp_path: Path, service: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = f"http://127.0.0.1:{servers.free_port()}"
    monkeypatch.setenv("EXPORT_LAG_ENDPOINT", endpoint)
    path = tmp_path / "s.replay.yaml"
    counter = '{counter: runs_total, match: {language: go}, lag: "<= 60s", isolation: batch}'
    path.write_text(
        f"""\
version: 1
suite: s
checkpoints: {{48h: {{cases: 2}}}}
capture: {{otlp: {{http: "{endpoint.removeprefix("http://")}"}}, complete: {{timeout: 10s, quiet: 300ms}}}}
cases:
  - id: case
    matrix: [{{path: late}}, {{path: early}}]
    drive: {{http: {{url: "{service.url}/$path"}}}}
    expect: {{lag: "<= 500ms", metrics: [{counter}]}}
""",
        encoding="utf-8",
    )
    found = load_replay(path)
    source: Any = Counting(service.answered)
    live = LiveReplay(found, lambda: source, 1, found.cases, secrets=Secrets())
    try:
        late, early = (live.capture(case) for case in found.cases)
    finally:
        live.close()
    (own,) = late.requests
    assert own.arrival is not None
    assert 0.8 < own.arrival < PATIENCE
    assert str(judge_case(found, found.cases[0], late).outcome) == "fail"
    (own,) = early.requests
    assert own.arrival is not None
    assert -PATIENCE < own.arrival < -0.8
    assert early.waited == 0
    assert str(judge_case(found, found.cases[1], early).outcome) == "pass"
