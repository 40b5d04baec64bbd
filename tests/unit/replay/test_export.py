"""Export requests are sent again as OTLP says, and what a collector rejects is a failure."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from test_corpus import document
from websites import Asked, serving

from pytest_telemetry_gate.errors import CorpusError, DriveError
from pytest_telemetry_gate.replay.captured import DriveResult
from pytest_telemetry_gate.replay.drive.client import NotConnectedError
from pytest_telemetry_gate.replay.drive.context import DriveContext
from pytest_telemetry_gate.replay.drive.drivers import drive
from pytest_telemetry_gate.replay.drive.export import PartialSuccess, export, partial_success
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.sources.http.session import Reply
from pytest_telemetry_gate.support.secrets import Secrets

JSON = {"Content-Type": "application/json"}


def reply(status: int, body: bytes = b"", headers: Mapping[str, str] = JSON) -> Reply:
    return Reply(status, body, headers, "http://collector")


class Collector:
    """Answers one after the other, and notes how long it was waited for between them."""

    def __init__(self, *answers: Reply | Exception) -> None:
        self.answers = list(answers)
        self.waits: list[float] = []

    def ask(self, _: float) -> Reply:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def export(self, seconds: float = 60.0):
        return export(self.ask, give_up=time.monotonic() + seconds, wait=self.waits.append)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_help_is_sent_again_after_the_time_that_is_asked_for(status: int) -> None:
    collector = Collector(reply(status, headers={"Retry-After": "7"}), reply(status), reply(200))
    done = collector.export()
    assert (done.reply.status_code, done.attempts) == (200, 3)
    assert collector.waits[0] == 7.0
    assert 0.5 < collector.waits[1] < 1.5  # the second of the growing pauses


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500, 501, 302, 202])
def test_no_other_status_is_sent_again(status: int) -> None:
    collector = Collector(reply(status, headers={"Retry-After": "0"}))
    assert collector.export().reply.status_code == status
    assert collector.waits == []


def test_a_connection_that_fails_is_tried_again_and_nothing_else_is() -> None:
    collector = Collector(NotConnectedError("refused"), NotConnectedError("reset"), reply(200))
    assert collector.export().attempts == 3
    with pytest.raises(DriveError, match=r"^TLS: no$"):
        Collector(DriveError("TLS: no")).export()


def test_no_attempt_is_made_after_the_timeout() -> None:
    done = Collector(reply(503, headers={"Retry-After": "120"})).export(60)
    assert (done.reply.status_code, done.next_pause) == (503, 120.0)
    with pytest.raises(DriveError, match=r"^refused$"):
        Collector(NotConnectedError("refused")).export(0.1)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", PartialSuccess()),
        (b"{}", PartialSuccess()),
        (b"ok", PartialSuccess()),
        (b"[1]", PartialSuccess()),
        (b'{"partialSuccess": null}', PartialSuccess()),
        (b'{"partialSuccess": {"rejectedSpans": "3", "errorMessage": "full\\nup"}}', PartialSuccess(3, "full up")),
        (b'{"partialSuccess": {"rejectedDataPoints": 2}}', PartialSuccess(2)),
        (b'{"partial_success": {"rejected_log_records": 1, "error_message": "no"}}', PartialSuccess(1, "no")),
        (b'{"partialSuccess": {"errorMessage": "use gzip"}}', PartialSuccess(0, "use gzip")),
    ],
)  # fmt: skip
def test_what_was_not_taken(body: bytes, expected: PartialSuccess) -> None:
    assert partial_success("traces", reply(200, body)) == expected


def test_an_answer_in_protobuf_is_read_too() -> None:
    message = ExportLogsServiceResponse()
    message.partial_success.rejected_log_records = 4
    protobuf = {"Content-Type": "application/x-protobuf"}
    assert partial_success("logs", reply(200, message.SerializeToString(), protobuf)) == PartialSuccess(4)
    with pytest.raises(CorpusError, match="the body is not an ExportLogsServiceResponse"):
        partial_success("logs", reply(200, b"\xff\xff", protobuf))


def test_a_number_that_is_none_is_not_taken_for_nothing() -> None:
    with pytest.raises(CorpusError, match="its partial success says that 'some' were rejected"):
        partial_success("traces", reply(200, b'{"partialSuccess": {"rejectedSpans": "some"}}'))


SUITE = """\
version: 1
suite: pipe
checkpoints: {24h: {cases: 2}}
contracts: {root: {select: {name: x}}}
cases:
  - {id: pipe, drive: {otlp: {url: %s, from: c.jsonl, timeout: 50s}}, expect: {spans: [{contract: root}]}}
  - {id: again, drive: {otlp: {url: %s, from: c.jsonl, timeout: 50s}}, expect: {spans: [{contract: root}]}}
"""
LOG = {
    "resourceLogs": [{"scopeLogs": [{"logRecords": [{"severityNumber": 9, "traceId": "a" * 32}, {}]}]}]
}  # fmt: skip


def driven(folder: Path, answer, case: int = 0) -> tuple[DriveResult, list[Asked]]:
    (folder / "c.jsonl").write_text(f"{json.dumps(document())}\n{json.dumps(LOG)}\n")
    with serving(answer) as site:
        (folder / "pipe.replay.yaml").write_text(SUITE % (site.url, site.url))
        suite = load_replay(folder / "pipe.replay.yaml")
        case_ = suite.cases[case]
        context = DriveContext(suite.name, case_.id, "24h", folder, 1)
        return drive(case_, context, Secrets()), site.asked


def test_a_collector_that_comes_back_is_no_failure(tmp_path: Path) -> None:
    answers = iter([None, (503, {"Retry-After": "0"}, b""), (200, {}, b"{}"), (200, {}, b"")])
    result, asked = driven(tmp_path, lambda _: next(answers))
    assert (result.failure, result.error, result.code) == ("", "", 200)
    assert result.notes == ["traces were sent 3 times until 200 was answered"]
    assert len({one.body for one in asked[:3]}) == 1  # the same request


def test_what_a_collector_rejects_is_counted_over_all_requests(tmp_path: Path) -> None:
    def answer(asked: Asked):
        key = "rejectedSpans" if "traces" in asked.path else "rejectedLogRecords"
        return (
            200,
            JSON,
            json.dumps({"partialSuccess": {key: "1", "errorMessage": "limit exceeded"}}).encode(),
        )

    result, _ = driven(tmp_path, answer)
    assert (
        result.failure
        == "the collector rejected 1 span, 1 log record of what it answered 200 to: limit exceeded"
    )
    warned = b'{"partialSuccess": {"errorMessage": "use gzip"}}'
    result, _ = driven(tmp_path, lambda _: (200, JSON, warned))
    assert (result.failure, result.warnings) == ("", ["the collector says: use gzip"])


def test_a_collector_that_stays_busy_is_a_failure_that_says_so(tmp_path: Path) -> None:
    result, asked = driven(tmp_path, lambda _: (429, {"Retry-After": "60"}, b""))
    assert (
        result.failure
        == "the collector answered 429 to traces (and another attempt in 1m would be after the timeout)"
    )
    assert len(asked) == 1


def test_a_collector_that_stays_busy_keeps_no_session_from_ending(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text(f"{json.dumps(document())}\n")
    stopped = threading.Event()
    with serving(lambda _: (503, {"Retry-After": "30"}, b"")) as site:
        (tmp_path / "pipe.replay.yaml").write_text((SUITE % (site.url, site.url)).replace("3s", "60s"))
        case = load_replay(tmp_path / "pipe.replay.yaml").cases[0]
        threading.Timer(0.3, stopped.set).start()
        result = drive(case, DriveContext("pipe", case.id, "24h", tmp_path, 1), Secrets(), stopped)
    assert result.error == "the session ended while there was a pause"
    assert len(site.asked) == 1


def test_two_cases_of_one_corpus_have_no_ids_in_common(tmp_path: Path) -> None:
    """The second would pass by what the first has sent."""
    first, _ = driven(tmp_path, lambda _: (200, {}, b""))
    second, _ = driven(tmp_path, lambda _: (200, {}, b""), case=1)
    assert len(first.trace_ids) == len(second.trace_ids) == 2  # that of the spans and that of the log record
    assert set(first.trace_ids).isdisjoint(second.trace_ids)
    again, _ = driven(tmp_path, lambda _: (200, {}, b""))
    assert again.trace_ids == first.trace_ids
