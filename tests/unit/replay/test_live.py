"""Cases driven and captured through a shared receiver, a tailed file, gRPC and a callable."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import servers
from arrivals import requests_in
from otlp_requests import encode_request
from test_corpus import document

from pytest_telemetry_gate.errors import CorpusError, DriveError
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.verdict import Verdict
from pytest_telemetry_gate.replay.capture import LiveReplay
from pytest_telemetry_gate.replay.ci_logs import CiRates, judge_ci, read_ci_logs
from pytest_telemetry_gate.replay.drive.context import DriveContext
from pytest_telemetry_gate.replay.judge.cases import judge_case
from pytest_telemetry_gate.replay.otlp.protobuf import response_document
from pytest_telemetry_gate.replay.otlp.telemetry import read_document
from pytest_telemetry_gate.replay.receive.grpc import GrpcReceiver
from pytest_telemetry_gate.replay.receive.mailbox import Mailbox
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.replay.suite.model import CiLogSettings
from pytest_telemetry_gate.reports.failures import describe_evidence
from pytest_telemetry_gate.support.secrets import Secrets

SUITE = """\
version: 1
suite: live
variables: {port: "${REPLAY_PORT}"}
checkpoints: {48h: {cases: 1}}
capture: {otlp: {http: "127.0.0.1:${REPLAY_PORT}"}, complete: {timeout: 2s, quiet: 50ms}}
contracts: {parse: {select: {name: parser.parse}, status: error}}
cases:
  - id: one
    drive: %s
    expect: {spans: [{contract: parse}]}
"""


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    number = servers.free_port()
    monkeypatch.setenv("REPLAY_PORT", str(number))
    return number


def evidence(dossier: Dossier) -> list[str]:
    return list(describe_evidence(dossier))


def verdict(folder: Path, drive: str) -> Verdict:
    path = folder / "live.replay.yaml"
    # `$` of the environment is written in variables alone, but the receiver's address is no part of a case.
    path.write_text(SUITE.replace("127.0.0.1:${REPLAY_PORT}", "127.0.0.1:$port") % drive, encoding="utf-8")
    suite = load_replay(path)
    live = LiveReplay(suite, lambda: None, 8127, suite.cases, secrets=Secrets())
    try:
        live.open()
        return judge_case(suite, suite.cases[0], live.capture(suite.cases[0]))
    finally:
        live.close()


def test_recorded_telemetry_is_sent_with_fresh_ids(tmp_path: Path, port: int) -> None:
    (tmp_path / "old.jsonl").write_text(json.dumps(document(parentSpanId="", links=[])) + "\n")
    found = verdict(tmp_path, '{otlp: {url: "http://127.0.0.1:$port", from: old.jsonl}}')
    assert str(found.outcome) == "pass", found
    assert "tests the pipeline, not the instrumentation" in evidence(found)[0]
    assert evidence(found)[-2].startswith("trace ")
    assert evidence(found)[-2].endswith(", seed 8127")
    assert "0af7651916cd43dd" not in evidence(found)[-2]


def test_a_target_that_is_not_there_is_one_line(tmp_path: Path, port: int) -> None:
    found = verdict(tmp_path, '{http: {url: "http://127.0.0.1:9/parse"}}')
    assert str(found.outcome) == "error"
    assert found.verdict.reason == "drive POST http://127.0.0.1:9/parse: connection refused"


def test_a_callable_is_driven(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "replay_callables.py").write_text(
        "import requests\n"
        "def export(context, spans):\n"
        "    requests.post(context.endpoint + '/v1/traces', json=spans).raise_for_status()\n"
        "def broken(context):\n    raise ValueError('no file')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    spans = json.dumps(document(parentSpanId=""))
    call = "{python: {call: 'replay_callables:export', arguments: {spans: %s}}}" % spans  # noqa: UP031 - braces
    assert str(verdict(tmp_path, call).outcome) == "pass"
    found = verdict(tmp_path, "{python: {call: 'replay_callables:broken'}}")
    assert found.verdict.reason.startswith("drive ValueError: no file")
    found = verdict(tmp_path, "{python: {call: 'replay_callables:absent'}}")
    assert str(found.outcome) == "error"
    sys.modules.pop("replay_callables")


def test_grpc_is_received() -> None:
    grpc = pytest.importorskip("grpc")
    mailbox = Mailbox()
    with GrpcReceiver("127.0.0.1", 0, max_body=10_000, mailbox=mailbox) as receiver:
        with grpc.insecure_channel(receiver.endpoint) as channel:
            export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
            assert export(encode_request("traces", document()), timeout=60) == b""
            for body, code in ((b"\xff\xff", "INVALID_ARGUMENT"), (b"x" * 20_000, "RESOURCE_EXHAUSTED")):
                with pytest.raises(grpc.RpcError) as error:
                    export(body, timeout=60)
                assert error.value.code().name == code
        with pytest.raises(DriveError, match="cannot listen at"):
            GrpcReceiver("127.0.0.1", int(receiver.endpoint.split(":")[1]), max_body=1, mailbox=mailbox)
    request, broken = requests_in(mailbox)
    assert read_document(request.document).spans == read_document(document()).spans
    assert broken.trouble.startswith("INVALID_ARGUMENT: the body is not an Export")


def test_grpc_takes_what_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    grpc = pytest.importorskip("grpc")
    mailbox = Mailbox()
    wrong = document(spanId="22")
    wrong["resourceSpans"] += document()["resourceSpans"]  # type: ignore[operator]
    with (
        GrpcReceiver("127.0.0.1", 0, max_body=10_000, mailbox=mailbox) as receiver,
        grpc.insecure_channel(receiver.endpoint) as channel,
    ):
        export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        told = response_document("traces", export(encode_request("traces", wrong), timeout=5))
        assert told["partialSuccess"]["rejectedSpans"] == "1"
        assert "1 of 2 spans rejected" in requests_in(mailbox)[1].trouble
        monkeypatch.setattr("pytest_telemetry_gate.replay.receive.mailbox._MAX_HELD", 10)
        with pytest.raises(grpc.RpcError) as error:
            export(encode_request("traces", document()), timeout=5)
        assert error.value.code().name == "UNAVAILABLE"  # which exporters try again


def test_ids_come_from_the_seed(tmp_path: Path) -> None:
    def context(seed: int, case: str = "a") -> DriveContext:
        return DriveContext("s", case, "48h", tmp_path, seed)

    assert context(1).traceparent == context(1).traceparent
    assert context(1).traceparent != context(2).traceparent
    assert context(1).traceparent != context(1, "b").traceparent
    assert context(1).traceparent.endswith("-01")


SETTINGS = CiLogSettings(before="b", after="a", min_runs=2)


def test_ci_logs_of_both_shapes(tmp_path: Path) -> None:
    lines = [
        {"run": 1, "stage": "build", "result": "success", "attempt": 1},
        {"run": 1, "stage": "test", "result": "failure", "attempt": 1},
        {"run": 1, "stage": "test", "result": "success", "attempt": 2},
        {"run": 2, "stage": "build", "result": "skipped"},
    ]
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, lines)))
    jobs = [
        {"run_id": one["run"], "name": one["stage"], "conclusion": one["result"], "run_attempt": one.get("attempt", 1)}
        for one in lines
    ]  # fmt: skip
    (tmp_path / "github.json").write_text(json.dumps({"total_count": 4, "jobs": jobs}, indent=1))
    expected = CiRates(runs=2, executed=2, skipped=1, retries=1)
    assert (
        read_ci_logs("lines.jsonl", tmp_path, Secrets())
        == read_ci_logs("github.json", tmp_path, Secrets())
        == expected
    )
    (tmp_path / "bad.jsonl").write_text('{"run": 1, "stage": "a"}\n')
    with pytest.raises(
        CorpusError, match=r"^bad.jsonl:1: needs result; an entry has run, stage, result, attempt"
    ):
        read_ci_logs("bad.jsonl", tmp_path, Secrets())


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        (CiRates(10, 100, 2, 1), "pass"),
        (CiRates(20, 200, 4, 2), "pass"),
        (CiRates(10, 100, 3, 1), "fail"),
        (CiRates(10, 100, 2, 2), "fail"),
        (CiRates(1, 100, 0, 0), "inconclusive"),
        (CiRates(10, 0, 0, 0), "inconclusive"),
    ],
)
def test_rates_are_per_executed_stage(after: CiRates, outcome: str) -> None:
    assert str(judge_ci(SETTINGS, CiRates(10, 100, 2, 1), after)[0]) == outcome
