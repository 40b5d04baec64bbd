"""The embedded receiver: what it takes, what it refuses, and that neither costs more than it may."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from arrivals import requests_in
from memory import within
from otlp_requests import encode_request
from test_corpus import document

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.replay.otlp.telemetry import read_document
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
    with contextlib.closing(HTTPConnection(host, int(port), timeout=10)) as connection:
        connection.request("POST", path, body, headers, encode_chunked=chunked)
        response = connection.getresponse()
        return response.status, response.read()


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
        (b"x", {**JSON, "Content-Encoding": "zstd"}, "/v1/traces", 415),
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
            sender.join(30)
        assert post(receiver, BODY, JSON)[0] == 200
        assert [one.trouble[:4] for one in requests_in(receiver.mailbox)] == ["413:", "413:", ""]
    assert time.monotonic() - started < 20


def test_what_is_no_http_harms_nothing(receiver: Receiver) -> None:
    host, port = receiver.endpoint.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
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
        socket.create_connection(address(endpoint.removeprefix("http://")), timeout=2)
