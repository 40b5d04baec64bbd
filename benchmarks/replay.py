"""``python -m benchmarks replay``: how fast captures are judged, what receivers sustain and hold, how long cases take.

Each figure stands beside its limit, and as a share of it.
"""

from __future__ import annotations

import re
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import servers
from counting import ALL, counting, source_of, suite_of
from otlp_requests import encode_request

from pytest_telemetry_gate.replay.capture import LiveReplay
from pytest_telemetry_gate.replay.captured import ExportRequest
from pytest_telemetry_gate.replay.judge.contracts import judge_contract
from pytest_telemetry_gate.replay.otlp.protobuf import parse_message
from pytest_telemetry_gate.replay.otlp.telemetry import read_document
from pytest_telemetry_gate.replay.receive.receiver import Receiver
from pytest_telemetry_gate.replay.receive.shared_traffic import CaseTraffic, SharedTraffic
from pytest_telemetry_gate.replay.suite.contracts import SpanContract
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.support.secrets import Secrets

ROUNDS = 7
SPANS, PER_REQUEST, REQUESTS = 1000, 500, 200
CONTRACT = {
    "select": {"name": "parser.parse", "kind": "internal"},
    "count": {"max": SPANS},
    "parent": {"name": {"regex": "(POST|cli) .*"}},
    "status": {"not": "error"},
    "resource": {"service.name": {"type": "string", "equals": "parser"}},
    "attributes": {
        "parser.language": {"type": "string", "required": True, "enum": ["python", "go"]},
        "parser.file_count": {"type": "int", "required": True, "min": 1},
        "parser.ratio": {"type": "number", "required": True, "min": 0, "max": 1},
        "parser.version": {"type": "string", "required": True, "regex": r"\d+\.\d+\.\d+"},
        "user.email": {"forbidden": True},
    },
    "unknown_attributes": "fail",
}
CASES, HTTP_CASES = 15, 200
FLOOD = 500  # requests
MANY = """\
version: 1
suite: many
checkpoints: {{1h: {{cases: {cases}}}}}
capture: {{otlp: {{http: "{endpoint}"}}}}
contracts:
  get: {{select: {{name: GET /x}}, attributes: {{number: {{type: int, required: true}}}}}}
cases:
  - id: get
    matrix: [{rows}]
    drive: {{http: {{url: "http://127.0.0.1:{port}/$n"}}}}
    expect: {{spans: [{{contract: get, attributes: {{number: {{equals: $n}}}}}}]}}
"""
# A service that takes 50 ms for each request, and exports every second.
SERVICE = """
import json, sys, threading, time, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
spans, lock = [], threading.Lock()
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        time.sleep(0.05)
        _, trace, above, _ = self.headers["traceparent"].split("-")
        number = {"key": "number", "value": {"intValue": self.path[1:]}}
        span = {"traceId": trace, "spanId": above[::-1], "parentSpanId": above, "name": "GET /x", "kind": 2}
        with lock:
            spans.append({**span, "startTimeUnixNano": "1", "endTimeUnixNano": "2", "attributes": [number]})
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
class Server(ThreadingHTTPServer):
    request_queue_size = 64
server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
while True:
    time.sleep(1)
    with lock:
        batch, spans[:] = list(spans), []
    if batch:
        body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": batch}]}]}).encode()
        request = urllib.request.Request(sys.argv[1] + "/v1/traces", body, {"Content-Type": "application/json"})
        urllib.request.urlopen(request).read()
"""
SENDER = """
import http.client, sys
port, requests = int(sys.argv[1]), int(sys.argv[2])
body = open(sys.argv[3], "rb").read()
connection = http.client.HTTPConnection("127.0.0.1", port)
for _ in range(requests):
    connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
    response = connection.getresponse()
    response.read()
    assert response.status == 200, response.status
"""


def document(number: int) -> dict[str, Any]:
    """Return a trace of a root and so many spans of five attributes below it."""
    attributes = [
        {"key": "parser.language", "value": {"stringValue": "go"}},
        {"key": "parser.file_count", "value": {"intValue": "4"}},
        {"key": "parser.ratio", "value": {"doubleValue": 0.5}},
        {"key": "parser.version", "value": {"stringValue": "1.2.3"}},
    ]
    spans = [
        {
            "traceId": f"{1:032x}",
            "spanId": f"{one + 1:016x}",
            "parentSpanId": f"{1:016x}" if one else "",
            "name": "parser.parse" if one else "POST /parse",
            "kind": 1 if one else 2,
            "startTimeUnixNano": "1737583200000000000",
            "endTimeUnixNano": "1737583200250000000",
            "attributes": attributes if one else [],
        }
        for one in range(number + 1)
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "parser"}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}


def judging() -> float:
    """Return milliseconds for judging captured spans, reading their documents included."""
    contract, content = SpanContract.model_validate(CONTRACT), document(SPANS)
    found = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        judgement = judge_contract(contract, read_document(content), name="c")
        found.append((time.perf_counter() - begin) * 1000)
        if judgement.findings or judgement.judged != SPANS:
            sys.exit(f"the benchmark's contract does not hold: {judgement.findings[:1]}")
    return statistics.median(found)


def receiving() -> float:
    """Return spans per second that come from another process as encoded requests."""
    with Receiver() as receiver, tempfile.NamedTemporaryFile() as file:
        file.write(encode_request("traces", document(PER_REQUEST - 1)))
        file.flush()
        port = receiver.endpoint.rpartition(":")[2]
        command = [sys.executable, "-c", SENDER, port]
        subprocess.run([*command, "5", file.name], check=True)  # starting a process is not what is measured
        begin = time.perf_counter()
        subprocess.run([*command, str(REQUESTS), file.name], check=True)
        took = time.perf_counter() - begin
        if len(receiver.mailbox) != REQUESTS + 5:
            sys.exit(f"{len(receiver.mailbox)} requests arrived")
        return REQUESTS * PER_REQUEST / took


def flood() -> float:
    """Return by how many MiB this process grew at most while a shared receiver got as much of others as is told."""
    traffic = SharedTraffic()
    case = CaseTraffic(selects_metric=None, wants_logs=True)
    traffic.begin(case)
    traffic.expect(case, ["f" * 32])
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark becomes what is resident now
    before = _highest()
    template = encode_request("traces", document(PER_REQUEST - 1))
    number = 0
    for _ in range(FLOOD):
        message = parse_message("traces", template)  # one that is changed again and again only grows
        for span in message.resource_spans[0].scope_spans[0].spans:
            number += 1
            span.trace_id = number.to_bytes(16, "big")
            span.trace_state = secrets.token_hex(1000)
        body = message.SerializeToString()
        traffic.put(ExportRequest("traces", len(body), len(body), "protobuf"), parse_message("traces", body))
    traffic.end(case)
    if case.others != number:
        sys.exit(f"{case.others} of {number} traces were counted")
    return (_highest() - before) / 2**20


def _highest() -> int:
    """Return the most bytes that were resident since the mark was set."""
    match = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(match[1]) * 1024 if match else 0


def parallel() -> float:
    """Return the seconds that a whole run of 200 HTTP cases takes, everything at its default."""
    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        folder = Path(name)
        free.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{free.getsockname()[1]}"
        free.close()
        service = subprocess.Popen(
            [sys.executable, "-c", SERVICE, f"http://{endpoint}"], stdout=subprocess.PIPE, text=True
        )
        try:
            port = service.stdout.readline().strip() if service.stdout else ""
            (folder / "telemetry.yaml").write_text(
                'default: live\nenvironments: {live: {source: prometheus, url: "http://127.0.0.1:9"}}\n'
            )
            (folder / "many.replay.yaml").write_text(
                MANY.format(
                    cases=HTTP_CASES,
                    endpoint=endpoint,
                    rows=", ".join(f"{{n: {number}}}" for number in range(HTTP_CASES)),
                    port=port,
                )
            )
            begin = time.perf_counter()
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            took = time.perf_counter() - begin
        finally:
            service.kill()
            service.wait()
    if done.returncode != 0:
        sys.exit(f"the cases did not pass:\n{done.stdout}\n{done.stderr}")
    return took


def batch() -> tuple[float, float]:
    """Return the seconds that 15 cases take together on a real Prometheus at 1 s, and their slowest lag."""
    with tempfile.TemporaryDirectory() as name, counting() as service:
        folder = Path(name)
        with servers.prometheus(folder / "prometheus", scrape=service.scrape) as server:
            source = source_of(server, folder)
            suite = load_replay(
                suite_of(folder, service, range(CASES), counter=ALL, lag="10s", isolation="batch")
            )
            live = LiveReplay(suite, lambda: source, 1, suite.cases, secrets=Secrets())
            begin = time.perf_counter()
            lags = [live.capture(case).lags[0] for case in suite.cases]
            took = time.perf_counter() - begin
    slowest = [lag.high for lag in lags if lag.high is not None and lag.seen == CASES]
    if len(slowest) != CASES:
        sys.exit(f"the batch was not counted: {lags[0]}")
    return took, max(slowest)


def main() -> None:
    """Print all of them."""
    _tell("1,000 captured spans judged against a contract", judging(), "ms", 60)
    rate = receiving()
    print(
        f"{'protobuf spans received from another process':<62} {rate:,.0f} spans/s, {rate / 20_000:.2f} of the 20,000 needed"
    )
    told = f"memory while {FLOOD * PER_REQUEST:,} foreign spans of 2 KB arrive"
    _tell(told, flood(), "MiB", 512)
    _tell(f"{HTTP_CASES} HTTP cases that trace ids keep apart, a whole run", parallel(), "s", 30)
    took, lag = batch()
    _tell("the slowest lag of 15 cases in batch isolation", lag, "s", 5)
    _tell("all of these 15 cases", took, "s", lag + 5)


def _tell(what: str, figure: float, unit: str, limit: float) -> None:
    print(f"{what:<62} {figure:.1f} {unit}, {figure / limit:.2f} of the {limit:g} {unit} allowed")
