"""Every way to answer wrongly, by a name that can stand in an address."""

from __future__ import annotations

import contextlib
import email.utils
import functools
import json
import socket
import struct
import time
import urllib.parse
import zlib
from collections.abc import Iterable, Iterator
from functools import partial

from faults.exchange import LONGEST, Exchange, Fault
from faults.shapes import data, one


def fine(exchange: Exchange) -> None:
    status, body = exchange.healthy()
    exchange.answer(status, body)


def slow(exchange: Exchange, seconds: float) -> None:
    exchange.pause(seconds)
    fine(exchange)


def hang(exchange: Exchange, sent: bytes = b"") -> None:
    exchange.raw(sent)
    exchange.pause(LONGEST)


def drip(exchange: Exchange, first: bytes, drops: Iterable[bytes], every: float = 0.02) -> None:
    """Send a few bytes at a time, each in time for a client that only limits the wait for the next one."""
    exchange.raw(first)
    for drop, _ in zip(drops, range(int(LONGEST / every)), strict=False):
        if not exchange.pause(every):
            return
        exchange.raw(drop)


def endless(drop: bytes) -> Iterator[bytes]:
    while True:
        yield drop


def reset(exchange: Exchange, sent: bytes = b"") -> None:
    """Send a TCP reset."""
    exchange.raw(sent)
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.connection.close()


def told(exchange: Exchange, status: int, body: object = b"", content_type: str = "", **headers: str) -> None:
    exchange.answer(
        status, body, content_type, {name.replace("_", "-"): text for name, text in headers.items()}
    )


def refused(exchange: Exchange, status: int, kind: str, text: str, **headers: str) -> None:
    """Answer an error in the words of Prometheus' API."""
    told(
        exchange, status, {"status": "error", "errorType": kind, "error": text}, "application/json", **headers
    )


def only_get(exchange: Exchange, status: int) -> None:
    """Refuse whatever could write, as proxies do that let people read only."""
    if exchange.asked.method == "GET":
        fine(exchange)
    else:
        told(exchange, status, "read only", "text/plain", Allow="GET")


def first_only(exchange: Exchange, fault: Fault) -> None:
    """Do it to the first request of each query only."""
    counted = exchange.server.counted(exchange.asked.place)
    (fault if counted[exchange.asked.path, exchange.asked.query] == 1 else fine)(exchange)


def truncated(exchange: Exchange) -> None:
    _, body = exchange.healthy()
    exchange.raw(HEAD + b"Content-Length: %d\r\n\r\n" % (len(body) + 100) + body)


def truncated_chunks(exchange: Exchange) -> None:
    _, body = exchange.healthy()
    exchange.raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (len(body) + 100) + body)


def huge(exchange: Exchange, mebibytes: int, head: bytes = b"") -> None:
    exchange.raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    block = b" " * 2**20
    with contextlib.suppress(OSError):
        for _ in range(mebibytes):
            exchange.raw(b"100000\r\n" + block + b"\r\n")
        exchange.raw(b"0\r\n\r\n")


@functools.cache
def _bomb() -> bytes:
    """Return 320 MiB of blanks, packed a thousandfold."""
    packed, block = zlib.compressobj(6, wbits=31), b" " * 2**20
    return b"".join(packed.compress(block) for _ in range(320)) + packed.flush()


def bomb(exchange: Exchange) -> None:
    exchange.answer(200, _bomb(), headers={"Content-Encoding": "gzip"})


def beside(exchange: Exchange, **more: object) -> None:
    """Answer rightly, and say something beside the answer."""
    status, body = exchange.healthy()
    exchange.answer(status, {**json.loads(body), **more})


def shaped(exchange: Exchange, body: object) -> None:
    """Answer JSON of another shape than Prometheus', whatever was asked."""
    exchange.answer(200, json.dumps(body))


def echo(exchange: Exchange) -> None:
    """Send back in an error everything that came."""
    asked = exchange.asked
    everything = {"headers": dict(asked.headers), "fields": dict(asked.fields), "path": asked.path}
    refused(exchange, 400, "bad_data", json.dumps(everything))


def echo_beside(exchange: Exchange) -> None:
    """Answer with everything that came in a warning and in the labels of two series."""
    texts = [*exchange.asked.headers.values(), *exchange.asked.fields.values()]
    series = [
        {"metric": {"job": "parser", "echo": f"{number} {' '.join(texts)}"}, "value": [time.time(), "70"]}
        for number in range(2)
    ]
    exchange.answer(
        200, {**data("vector", series), "warnings": texts if "cpu" in exchange.asked.query else []}
    )


def echo_labels(exchange: Exchange) -> None:
    """Answer rightly, with what is sent with every question in a label of every series."""
    status, body = exchange.healthy()
    if status != 200:
        exchange.answer(status, body)
        return
    content, asked = json.loads(body), exchange.asked
    usual = {
        "query",
        "time",
        "start",
        "end",
        "step",
        "match[]",
        "type",
        "host",
        "content-length",
        "content-type",
        "accept",
    }
    texts = [text for name, text in {**asked.headers, **asked.fields}.items() if name.lower() not in usual]
    found = content.get("data")
    for series in found.get("result", ()) if isinstance(found, dict) else ():
        if "metric" in series:
            series["metric"]["echo"] = " ".join(texts)
    exchange.answer(status, content)


def echo_redirect(exchange: Exchange) -> None:
    """Send the client to an address with everything that came in its path and its query."""
    everything = [*exchange.asked.headers.values(), *exchange.asked.fields.values(), exchange.asked.path]
    target = "/".join(urllib.parse.quote(text, safe="") for text in everything)
    told(exchange, 302, Location=f"http://127.0.0.1/{target}?back={target}")


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
LOGIN = "<!DOCTYPE html><html><title>Sign in</title><form action=/login></form></html>"
BUSY = "query processing would load too many samples"

# One for each way to fail, by a name that can stand in an address.
FAULTS: dict[str, Fault] = {
    "fine": fine,
    "slow": partial(slow, seconds=0.05),
    "hang": hang,
    "hang-in-head": partial(hang, sent=HEAD),
    "hang-in-body": partial(hang, sent=HEAD + b"Content-Length: 1000\r\n\r\n{"),
    "drip-head": partial(drip, first=HEAD, drops=endless(b"X: y\r\n")),
    "drip-body": partial(drip, first=HEAD + b"Content-Length: 1000000\r\n\r\n{", drops=endless(b" ")),
    "drip-chunks": partial(drip, first=HEAD + b"Transfer-Encoding: chunked\r\n\r\n", drops=endless(b"1\r\n \r\n")),
    "reset": reset,
    "reset-in-body": partial(reset, sent=HEAD + b"Content-Length: 1000\r\n\r\n{"),
    "empty-reply": lambda exchange: exchange.raw(b""),
    "not-http": lambda exchange: exchange.raw(b"220 smtp.example.net ESMTP\r\n"),
    "503": partial(told, status=503, body="upstream connect error", content_type="text/plain"),
    "503-empty": partial(told, status=503),
    "503-once": partial(first_only, fault=partial(told, status=503)),
    "503-json": partial(refused, status=503, kind="timeout", text="query timed out in expression evaluation"),
    "500-json": partial(refused, status=500, kind="internal", text="out of disk"),
    "429": partial(told, status=429, body="too many requests", content_type="text/plain"),
    "429-once": partial(first_only, fault=partial(told, status=429, Retry_After="0.05")),
    "429-date-once": partial(
        first_only,
        fault=lambda exchange: told(
            exchange, 429, Retry_After=email.utils.formatdate(time.time() + 1, usegmt=True)
        ),
    ),
    "429-long": partial(told, status=429, body="come back tomorrow", Retry_After="86400"),
    "400-json": partial(refused, status=400, kind="bad_data", text="parse error: unexpected end of input"),
    "422-json": partial(refused, status=422, kind="execution", text=BUSY),
    "200-error": partial(refused, status=200, kind="execution", text=BUSY),
    "401": partial(told, status=401, body="who are you", content_type="text/plain"),
    "403": partial(told, status=403),
    "only-get-403": partial(only_get, status=403),
    "only-get-404": partial(only_get, status=404),
    "only-get-405": partial(only_get, status=405),
    "only-get-501": partial(only_get, status=501),
    "405": partial(told, status=405, body="method not allowed", content_type="text/plain"),
    "404": partial(told, status=404, body="404 page not found", content_type="text/plain"),
    "login-page": partial(told, status=200, body=LOGIN, content_type="text/html; charset=utf-8"),
    "wrong-type": partial(told, status=200, body="all is well", content_type="text/plain"),
    "json-as-text": lambda exchange: exchange.answer(*exchange.healthy(), content_type="text/plain"),
    "empty-body": partial(told, status=200),
    "204": partial(told, status=204),
    "302-nowhere": partial(told, status=302, body=one([0, "70"])),
    "truncated": truncated,
    "truncated-chunks": truncated_chunks,
    "huge": partial(huge, mebibytes=400),
    "bomb": bomb,
    "not-gzip": partial(told, status=200, body=b"plain", Content_Encoding="gzip"),
    "warnings": partial(beside, warnings=["store eu-1 did not answer"]),
    "infos": partial(beside, infos=["PromQL info: metric might not be a counter"]),
    "partial": partial(beside, isPartial=True),
    "deep": partial(told, status=200, body="[" * 100_000, content_type="application/json"),
    "deep-object": partial(told, status=200, body='{"data":' * 100_000, content_type="application/json"),
    "broken": partial(told, status=200, body='{"status": "success"', content_type="application/json"),
    "surrogate": partial(refused, status=400, kind="bad_data", text="\ud800 \x1b[2J"),
    "echo": echo,
    "echo-beside": echo_beside,
    "302-echo": echo_redirect,
    "echo-labels": echo_labels,
}  # fmt: skip
