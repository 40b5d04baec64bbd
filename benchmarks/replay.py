"""``python -m benchmarks replay``: how fast captures are judged, what the receiver sustains, how long a batch takes."""

from __future__ import annotations

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
from pytest_telemetry_gate.replay.judge.contracts import judge_contract
from pytest_telemetry_gate.replay.otlp.telemetry import read_document
from pytest_telemetry_gate.replay.receive.receiver import Receiver
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
CASES = 15
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
    """Print all three."""
    print(f"{'1,000 captured spans judged against a contract':<62} {judging():.1f} ms{'':<26} under 100 ms")
    print(
        f"{'protobuf spans received from another process':<62} {receiving():,.0f} spans/s{'':<20} at least 20,000"
    )
    took, lag = batch()
    print(
        f"{'15 cases in batch isolation, and their slowest lag':<62} {took:.2f} s, {lag:.2f} s{'':<20} lag and at most 5 s"
    )
