"""One running service, driven in every way, and captured in three places: the verdicts are the same.

The service exports to a collector, which hands everything on to the suite's receiver and to stand-ins for Jaeger and
Tempo (see ``trace_backends``).
"""

from __future__ import annotations

import json
import os
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import servers
from trace_backends import TEMPO, FakeBackend, serving

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.replay.capture import LiveReplay
from pytest_telemetry_gate.replay.judge.cases import judge_case
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.support.secrets import Secrets

pytestmark = pytest.mark.integration

SUITE = """\
version: 1
suite: everywhere
variables: {service: "${SERVICE}", collector: "${COLLECTOR}", jaeger: "${JAEGER}", port: "${PORT}"}
checkpoints: {48h: {cases: %(number)s}}
capture:
  otlp: {http: "127.0.0.1:$port"}
  jaeger: {url: $jaeger, poll: 50ms}
  tempo: {url: $jaeger/tempo, poll: 50ms}
  from: %(place)s
  complete: {timeout: %(timeout)s, quiet: 100ms}
contracts:
  work:
    select: {name: POST /work, kind: server}
    count: 1
    quiet: 200ms
    parent: none
    resource: {service.name: {equals: worker}}
    attributes: {work.items: {type: int, required: true, min: 1}, user.email: {forbidden: true}}
    unknown_attributes: fail
  load: {select: {name: load}, quiet: 200ms, parent: {name: POST /work}, status: {not: error}}
cases:
  - id: %(first)s
    drive: {http: {url: $service/%(first)s}}
    expect: &whole {spans: [{contract: work}, {contract: load}]}
"""
CASES = """\
  - id: cli
    drive: {cli: {argv: ["%(python)s", client.py, $service/work]}}
    expect: *whole
  - id: python
    drive: {python: {call: "everywhere_client:call", arguments: {url: $service/work}}}
    expect: *whole
  - id: otlp
    drive: {otlp: {url: $collector, from: recorded.jsonl}}
    expect: *whole
  - id: steps
    drive:
      steps:
        - http: {url: $service/work, expect: {json: {/made: 3}}}
          outputs: {made: {json: /made}}
        - python: {call: "everywhere_client:call", arguments: {url: "$service/work?made=$made"}}
        - cli: {argv: ["%(python)s", client.py, "$service/work?made=$made"]}
    expect: {spans: [{contract: work, count: 3}, {contract: load, count: 3}]}
  - {id: mail, drive: {http: {url: $service/mail}}, expect: *whole}
  - {id: text, drive: {cli: {argv: ["%(python)s", client.py, $service/text]}}, expect: *whole}
  - {id: broken, drive: {python: {call: "everywhere_client:call", arguments: {url: $service/broken}}}, expect: *whole}
"""
CLIENT = """\
import os, sys, urllib.request
headers = {"traceparent": os.environ["TRACEPARENT"]}
urllib.request.urlopen(urllib.request.Request(sys.argv[1], b"", headers)).read()
"""
_SEEDS, _SPAN_IDS = count(1), count(1)
VERDICTS = {
    "work": "pass",
    "cli": "pass",
    "python": "pass",
    "otlp": "pass",
    "steps": "pass",
    "mail": "fail",
    "text": "fail",
    "broken": "fail",
}


def work(page: str, trace_id: str, parent_id: str) -> dict[str, Any]:
    """Return what the service exports for a page: all but ``work`` have a fault."""
    times = {"startTimeUnixNano": "1737583200000001000", "endTimeUnixNano": "1737583200250001000"}
    items = {"stringValue": "3"} if page == "text" else {"intValue": "3"}
    attributes = [{"key": "work.items", "value": items}]
    if page == "mail":
        attributes.append({"key": "user.email", "value": {"stringValue": "a@example.com"}})
    common = {"traceId": trace_id, **times}
    root_id, child_id = f"{next(_SPAN_IDS):016x}", f"{next(_SPAN_IDS):016x}"
    root = {**common, "spanId": root_id, "parentSpanId": parent_id, "name": "POST /work", "kind": 2}
    child = {**common, "spanId": child_id, "parentSpanId": root_id, "name": "load", "kind": 1}
    child["status"] = {"code": 2 if page == "broken" else 0}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "worker"}}]}
    scopes = [{"scope": {"name": "worker"}, "spans": [{**root, "attributes": attributes}, child]}]
    return {"resourceSpans": [{"resource": resource, "scopeSpans": scopes}]}


@contextmanager
def answering(answer: Callable[[str, Any, bytes], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer(self.path, self.headers, self.rfile.read(int(self.headers["Content-Length"] or 0)))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"made": 3}')

        def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002 - the name of the base class

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def post(url: str, body: bytes, **headers: str) -> None:
    headers["Content-Type"] = "application/json"
    urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10).read()


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBackend]:
    """The whole system: service, collector, and what stores traces."""
    documents: list[dict[str, Any]] = []

    def collect(path: str, _: Any, body: bytes) -> None:
        documents.append(json.loads(body))
        with suppress(OSError):  # where cases read their trace back, nobody listens
            post(f"http://127.0.0.1:{os.environ['PORT']}{path}", body)

    def serve(path: str, headers: Any, _: bytes) -> None:
        _, trace_id, parent_id, _ = headers["traceparent"].split("-")
        page = path.partition("?")[0].strip("/")
        if page != "silent":
            endpoint = headers["X-Export-To"] or collector
            post(f"{endpoint}/v1/traces", json.dumps(work(page, trace_id, parent_id)).encode())

    client = ModuleType("everywhere_client")
    client.call = lambda context, url: post(url, b"", traceparent=context.traceparent)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "everywhere_client", client)
    with ExitStack() as stack:
        collector = stack.enter_context(answering(collect))
        service = stack.enter_context(answering(serve))
        server = stack.enter_context(serving(documents=lambda: documents))
        monkeypatch.setenv("PORT", str(servers.free_port()))
        for name, url in (("SERVICE", service), ("COLLECTOR", collector), ("JAEGER", server.url)):
            monkeypatch.setenv(name, url)
        yield server


def judge(folder: Path, place: str, first: str = "work", timeout: str = "30s") -> dict[str, Dossier]:
    """Drive and judge every case, or the first alone where it is another one."""
    (folder / "client.py").write_text(CLIENT)
    (folder / "recorded.jsonl").write_text(json.dumps(work("work", "ab" * 16, "")) + "\n")
    number = len(VERDICTS) if first in VERDICTS else 1
    text = SUITE + (CASES if number > 1 else "")
    values = {"place": place, "first": first, "timeout": timeout, "number": number, "python": sys.executable}
    path = folder / "everywhere.replay.yaml"
    path.write_text(text % values)
    suite = load_replay(path)
    # Each run has trace ids of its own, as the backends keep what they have.
    live = LiveReplay(suite, lambda: None, next(_SEEDS), suite.cases, secrets=Secrets())
    live.open()
    try:
        return {case.id: judge_case(suite, case, live.capture(case)) for case in suite.cases}
    finally:
        live.close()


PLACES = """\
version: 1
suite: places
variables: {service: "${SERVICE}", port: "${PORT}"}
checkpoints: {48h: {cases: 2}}
capture: {otlp: {http: "127.0.0.1:$port"}, complete: {timeout: 30s, quiet: 50ms}}
contracts: {work: {select: {name: POST /work}, parent: none}}
cases:
  - id: http
    capture: own
    drive: {http: {url: $service/work, headers: {X-Export-To: $endpoint}}}
    expect: {spans: [{contract: work}]}
  - id: cli
    capture: shared
    drive: {cli: {argv: ["PYTHON", exporter.py]}}
    expect: {spans: [{contract: work}]}
"""
EXPORTER = """\
import json, os, urllib.request
_, trace_id, parent_id, _ = os.environ["TRACEPARENT"].split("-")
span = {"traceId": trace_id, "spanId": "5" * 16, "parentSpanId": parent_id, "name": "POST /work"}
span |= {"startTimeUnixNano": "1737583200000001000", "endTimeUnixNano": "1737583200250001000"}
body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
url = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/traces"
urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"})).read()
"""


def test_every_drive_captures_where_its_case_says(tmp_path: Path, backend: FakeBackend) -> None:
    (tmp_path / "exporter.py").write_text(EXPORTER)
    path = tmp_path / "places.replay.yaml"
    path.write_text(PLACES.replace("PYTHON", sys.executable))
    assert judged_places(path) == {"http": ("pass", "own"), "cli": ("pass", "shared")}


def judged_places(path: Path) -> dict[str, tuple[str, str]]:
    """Return the outcome of each case, and where it was captured."""
    suite = load_replay(path)
    live = LiveReplay(suite, lambda: None, next(_SEEDS), suite.cases, secrets=Secrets())
    live.open()
    try:
        captures = [(case, live.capture(case)) for case in suite.cases]
    finally:
        live.close()
    return {case.id: (str(judge_case(suite, case, one).outcome), one.place) for case, one in captures}


def findings(dossier: Dossier) -> list[str]:
    return [finding.message for finding in dossier.findings]


def test_the_verdicts_are_the_same_wherever_a_case_captures_from(
    tmp_path: Path, backend: FakeBackend
) -> None:
    shared = judge(tmp_path, "shared")
    assert {name: str(dossier.outcome) for name, dossier in shared.items()} == VERDICTS
    for place in ("jaeger", "tempo"):
        stored = judge(tmp_path, place)
        assert stored.keys() == shared.keys()
        for name, dossier in stored.items():
            assert dossier.outcome == shared[name].outcome, (place, name, findings(dossier))
            assert findings(dossier) == findings(shared[name]), (place, name)
    assert all(findings(shared[name]) for name in ("mail", "text", "broken"))


def test_a_service_that_exports_nothing_fails_everywhere(tmp_path: Path, backend: FakeBackend) -> None:
    for place in ("shared", "jaeger", "tempo"):
        dossier = judge(tmp_path, place, "silent", "300ms")["silent"]
        assert dossier.outcome == "fail"
        assert "captured no telemetry" in dossier.verdict.reason
        path = TEMPO if place == "tempo" else ""
        told = f"at {backend.url}{path} has no such trace"
        assert (told in dossier.verdict.reason) == (place != "shared")
