"""The embedded receiver: what it takes, what it refuses, and that neither costs more than it may."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse

import pytest
from arrivals import requests_in
from memory import within
from otlp_requests import encode_request
from test_corpus import document

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.replay.otlp.protobuf import response_document
from pytest_telemetry_gate.replay.otlp.telemetry import read_document
from pytest_telemetry_gate.replay.receive import bodies
from pytest_telemetry_gate.replay.receive.receiver import Receiver, address

BODY = json.dumps(document()).encode()
PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
LIMIT = 100_000


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(max_body=LIMIT) as started:
        yield started


def post(
    receiver: Receiver,
    body: object,
    headers: dict[str, str],
    path: str = "/v1/traces",
    *,
    chunked: bool = False,
) -> tuple[int, bytes]:
    host, port = receiver.endpoint.removeprefix("http://").split(":")
    with contextlib.closing(HTTPConnection(host, int(port), timeout=60)) as connection:
        connection.request("POST", path, body, headers, encode_chunked=chunked)
        response = connection.getresponse()
        return response.status, response.read()


def exchange(
    receiver: Receiver, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> HTTPResponse:
    """Send a request and return the answer, read."""
    host, port = receiver.endpoint.removeprefix("http://").split(":")
    with contextlib.closing(HTTPConnection(host, int(port), timeout=10)) as connection:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.read()
        return response


def test_every_encoding_gives_the_same_spans(receiver: Receiver) -> None:
    binary = encode_request("traces", document())
    assert post(receiver, BODY, JSON) == (200, b"{}")
    assert post(receiver, binary, PROTOBUF) == (200, b"")
    assert post(receiver, gzip.compress(binary), {**PROTOBUF, "Content-Encoding": "gzip"})[0] == 200
    chunks = iter([BODY[:10], BODY[10:]])
    assert post(receiver, chunks, {**JSON, "Transfer-Encoding": "chunked"}, chunked=True)[0] == 200
    requests = requests_in(receiver.mailbox)
    assert len(requests) == 4
    assert all(read_document(one.document).spans == read_document(document()).spans for one in requests)
    assert [one.body for one in requests] == [len(BODY), len(binary), len(binary), len(BODY)]
    assert requests[2].wire == len(gzip.compress(binary))


def test_what_the_javascript_sdk_sends_is_taken(receiver: Receiver) -> None:
    """Its bodies come in chunks, compressed or not, the first one being gzip's header; its ints are numbers."""
    attributes = [{"key": "ratio", "value": {"intValue": 2}}, {"key": "share", "value": {"doubleValue": 0.5}}]
    body = json.dumps(document(attributes=attributes)).encode()
    chunked = {**JSON, "Transfer-Encoding": "chunked"}
    assert post(receiver, iter([body]), chunked, chunked=True) == (200, b"{}")
    packed = gzip.compress(body)
    parts = iter([packed[:10], packed[10:]])
    assert post(receiver, parts, {**chunked, "Content-Encoding": "gzip"}, chunked=True) == (200, b"{}")
    plain, compressed = requests_in(receiver.mailbox)
    assert (plain.wire, plain.body) == (len(body), len(body))
    assert (compressed.wire, compressed.body) == (len(packed), len(body))
    for request in (plain, compressed):
        (span,) = read_document(request.document).spans
        assert span.attributes == {"ratio": ("int", 2), "share": ("double", 0.5)}


BOMB = gzip.compress(b"\0" * (200 * LIMIT), mtime=0)


@pytest.mark.parametrize(
    ("body", "headers", "path", "status"),
    [
        (b"garbage", PROTOBUF, "/v1/traces", 400),
        (b"garbage", JSON, "/v1/traces", 400),
        (b"{}", JSON, "/v1/spans", 404),
        (b"x", {"Content-Type": "text/plain"}, "/v1/traces", 415),
        (b"x", {**JSON, "Content-Encoding": "br"}, "/v1/traces", 415),
        (b"x", {**JSON, "Content-Encoding": "zstd"}, "/v1/traces", 400),
        (b"[" * 300 + b"]" * 300, JSON, "/v1/traces", 400),
        (json.dumps(document(traceId="abc")).encode(), JSON, "/v1/traces", 400),
        (b"no gzip", {**JSON, "Content-Encoding": "gzip"}, "/v1/traces", 400),
        (gzip.compress(BODY, mtime=0)[:-12], {**JSON, "Content-Encoding": "gzip"}, "/v1/traces", 400),
        (BOMB, {**JSON, "Content-Encoding": "gzip"}, "/v1/traces", 413),
        (b"", {**JSON, "Content-Length": "1000000000"}, "/v1/traces", 413),
    ],
)  # fmt: skip
def test_what_is_refused_is_remembered(
    receiver: Receiver, body: bytes, headers: dict[str, str], path: str, status: int
) -> None:
    assert post(receiver, body, headers, path)[0] == status
    (request,) = requests_in(receiver.mailbox)
    assert request.trouble.startswith(f"{status}: ")
    assert post(receiver, BODY, JSON)[0] == 200


def test_a_chunked_body_without_end_is_cut(receiver: Receiver) -> None:
    endless = (b"x" * 10_000 for _ in range(10_000))
    try:
        status, _ = post(receiver, endless, {**JSON, "Transfer-Encoding": "chunked"}, chunked=True)
    except OSError:  # cut while it was still sending
        status = 413
    assert status == 413
    assert len(receiver.mailbox.since(0)) == 1


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_compressed_bodies_are_taken(receiver: Receiver, encoding: str) -> None:
    zstandard = pytest.importorskip("zstandard")
    packed = {
        "gzip": gzip.compress(BODY[:50]) + gzip.compress(BODY[50:]),  # in two parts, as a proxy may join them
        "deflate": zlib.compress(BODY),
        "zstd": zstandard.ZstdCompressor().compress(BODY),
    }[encoding]
    assert post(receiver, packed, {**JSON, "Content-Encoding": encoding})[0] == 200
    (request,) = requests_in(receiver.mailbox)
    assert (request.wire, request.body) == (len(packed), len(BODY))


def test_zstd_without_its_package_is_refused_by_name(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    status, told = post(receiver, b"\x28\xb5\x2f\xfd", {**JSON, "Content-Encoding": "zstd"})
    assert status == 415
    assert told.endswith(b"needs zstandard: pip install pytest-telemetry-gate[zstd]")


def spans(*ids: str) -> dict[str, object]:
    first, *others = [document(spanId=one) for one in ids]
    for other in others:
        first["resourceSpans"] += other["resourceSpans"]  # type: ignore[operator]
    return first


@pytest.mark.parametrize("binary", [False, True], ids=["JSON", "protobuf"])
def test_what_can_be_read_of_a_request_is_taken(receiver: Receiver, *, binary: bool) -> None:
    content = spans("1" * 16, "22", "3" * 16)
    body = encode_request("traces", content) if binary else json.dumps(content).encode()
    status, answer = post(receiver, body, PROTOBUF if binary else JSON)
    told = response_document("traces", answer) if binary else json.loads(answer)
    assert status == 200
    assert told["partialSuccess"]["rejectedSpans"] == "1"
    assert told["partialSuccess"]["errorMessage"].startswith("spanId '22' is not 16 hex digits")
    taken, rejected = requests_in(receiver.mailbox)
    assert [span.span_id for span in read_document(taken.document).spans] == ["1" * 16, "3" * 16]
    assert rejected.trouble.startswith("200: 1 of 3 spans rejected: spanId '22' is not")


def test_rejected_points_and_log_records_are_counted(receiver: Receiver) -> None:
    exemplar = {"traceId": "1234", "spanId": "5" * 16}
    metric = {"name": "m", "gauge": {"dataPoints": [{"asInt": 1, "exemplars": [exemplar]}, {"asInt": 2}]}}
    metrics = {
        "resourceMetrics": [
            {"scopeMetrics": [{"metrics": [metric, {**metric, "gauge": {"dataPoints": [{}]}}]}]}
        ]
    }
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{}, {"traceId": "1234"}]}]}]}
    for signal, content, told in (
        ("metrics", metrics, {"rejectedDataPoints": "2"}),
        ("logs", logs, {"rejectedLogRecords": "1"}),
    ):
        for body, headers in (
            (json.dumps(content).encode(), JSON),
            (encode_request(signal, content), PROTOBUF),
        ):
            status, answer = post(receiver, body, headers, f"/v1/{signal}")
            answered = json.loads(answer) if headers is JSON else response_document(signal, answer)
            assert (status, {**answered["partialSuccess"], **told}) == (200, answered["partialSuccess"])
            rejected = requests_in(receiver.mailbox)[-1]
            assert rejected.trouble.startswith("200: ")
    assert len(requests_in(receiver.mailbox)) == 8


def test_a_full_receiver_asks_to_come_again(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_telemetry_gate.replay.receive.mailbox._MAX_HELD", len(BODY))
    assert post(receiver, BODY, JSON)[0] == 200
    answer = exchange(receiver, "POST", "/v1/traces", BODY, JSON)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    # One that waits in vain for others to be read is told the same.
    monkeypatch.setattr(bodies, "_PATIENCE", 0.05)
    room = bodies.Room(10)
    room.take(32 * 2**20)
    with pytest.raises(bodies.RefusedError, match="too much is being received at once") as error:
        room.take(1)
    assert (error.value.status, error.value.retry_after) == (503, 1)
    room.give_back(1)
    room.take(1)


def test_a_browser_may_export(receiver: Receiver) -> None:
    origin = "https://shop.example.net:8443"
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-tenant",
        "Access-Control-Request-Private-Network": "true",
    }
    preflight = exchange(receiver, "OPTIONS", "/v1/traces", None, asked)
    assert preflight.status == 204
    allowed = {
        "Access-Control-Allow-Origin": origin, "Access-Control-Allow-Methods": "POST", "Vary": "Origin",
        "Access-Control-Allow-Headers": "content-type,x-tenant", "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Private-Network": "true",
    }  # fmt: skip
    assert {name: preflight.headers[name] for name in allowed} == allowed
    for body, status in ((BODY, 200), (b"no JSON", 400)):
        answer = exchange(receiver, "POST", "/v1/traces", body, {**JSON, "Origin": origin})
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (status, origin)
    assert exchange(receiver, "OPTIONS", "/v1/traces", None, {}).status == 405
    without = exchange(receiver, "POST", "/v1/traces", BODY, JSON)
    assert (without.status, without.headers["Access-Control-Allow-Origin"]) == (200, None)


def field(number: int, content: bytes) -> bytes:
    """Return a field of a protobuf message."""
    size, length = len(content), bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + content


EMPTY = field(9, b"") * (30 * 2**20)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"resourceSpans":[' + b'{"a":1},' * (7 * 2**20) + b"{}]}", JSON),
        (field(1, field(2, field(2, EMPTY))), PROTOBUF),
    ],
    ids=["JSON", "protobuf"],
)
def test_hostile_bodies_take_no_more_memory_than_honest_ones(body: bytes, headers: dict[str, str]) -> None:
    with Receiver() as receiver, within(300):
        assert post(receiver, body, headers)[0] == 400
        (request,) = requests_in(receiver.mailbox)
        assert "which would take too much memory" in request.trouble


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "chunked"])
def test_bodies_of_a_gigabyte_cost_no_more_than_is_allowed(*, chunked: bool) -> None:
    block, blocks = b"x" * 2**20, 1024
    started = time.monotonic()
    with Receiver(max_body=32 * 2**20) as receiver, within(100):

        def send() -> None:
            length = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(2**30)}
            body = (block for _ in range(blocks))
            with contextlib.suppress(OSError):  # cut while it was still sending
                assert post(receiver, body, {**JSON, **length}, chunked=chunked)[0] == 413

        senders = [threading.Thread(target=send) for _ in range(2)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(60)
        assert post(receiver, BODY, JSON)[0] == 200
        assert [one.trouble[:4] for one in requests_in(receiver.mailbox)] == ["413:", "413:", ""]
    assert time.monotonic() - started < 20


def test_what_is_no_http_harms_nothing(receiver: Receiver) -> None:
    host, port = receiver.endpoint.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b"\x16\x03\x01 not HTTP at all\r\n\r\n")
        connection.recv(1000)
    assert post(receiver, BODY, JSON)[0] == 200


def test_a_port_in_use_is_one_line(receiver: Receiver) -> None:
    host, port = address(receiver.endpoint.removeprefix("http://"))
    with pytest.raises(DriveError, match=f"cannot listen at {host}:{port}: Address already in use"):
        Receiver(host, port)


def test_nobody_is_left_listening() -> None:
    with Receiver() as receiver:
        endpoint = receiver.endpoint
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(address(endpoint.removeprefix("http://")), timeout=60)
