"""A server that misbehaves on request, on loopback: whatever a Prometheus, or what stands before it, can do wrong.

The first part of a path says what is done, so that one server has an address for each fault: below ``/hang`` every
request hangs, below ``/late-hang`` only queries do, since those are POSTs and whatever probes a server is a GET.
Everything else is answered by a healthy server: a real one, or the embedded engine over series in memory.
"""

from __future__ import annotations

import contextlib
import email.utils
import functools
import json
import re
import socket
import ssl
import struct
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql import Engine, Matrix, MemoryStorage, Scalar, Vector

LONGEST = 60.0  # seconds after which a fault gives up, whatever the client does
MOST = 100_000  # requests that one server answers
LATE = "late-"

Healthy = Callable[["Asked"], tuple[int, bytes]]


@dataclass(frozen=True)
class Asked:
    """One request: ``place`` is the first part of its path, ``path`` the rest, ``fields`` query and form together.

    ``at`` is when it came, by the monotonic clock: a limit on time that is counted from there does not hold the start
    of an interpreter against what is tested.
    """

    place: str
    method: str
    path: str
    fields: Mapping[str, str]
    headers: Mapping[str, str]
    in_url: bool
    at: float = field(default_factory=time.monotonic)

    @property
    def query(self) -> str:
        return self.fields.get("query", "")


class Exchange:
    """One request and the means to answer it, rightly or not."""

    def __init__(self, handler: BaseHTTPRequestHandler, asked: Asked, server: FaultServer) -> None:
        self._handler = handler
        self.asked = asked
        self.server = server

    @property
    def connection(self) -> socket.socket:
        return self._handler.connection

    def healthy(self) -> tuple[int, bytes]:
        return self.server.healthy(self.asked)

    def raw(self, data: bytes) -> None:
        """Send bytes as they are; the connection is closed after the exchange."""
        self._handler.close_connection = True
        self._handler.wfile.write(data)

    def answer(
        self,
        status: int = 200,
        body: bytes | str | object = b"",
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a proper answer; what is neither bytes nor text is written as JSON."""
        content = (
            body
            if isinstance(body, bytes)
            else (body if isinstance(body, str) else json.dumps(body)).encode()
        )
        lines = {"Content-Type": content_type, "Content-Length": str(len(content)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        self._handler.wfile.write(f"HTTP/1.1 {status} Told\r\n{head}\r\n".encode("latin-1") + content)

    def pause(self, seconds: float) -> bool:
        """Wait; False says that the server is closing, so that there is nothing to wait for."""
        return not self.server.closing.wait(min(seconds, LONGEST))


Fault = Callable[[Exchange], None]


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


def data(kind: object, result: object) -> dict[str, object]:
    return {"status": "success", "data": {"resultType": kind, "result": result}}


def one(value: object, metric: object = None, **more: object) -> dict[str, object]:
    return data("vector", [{"metric": {} if metric is None else metric, "value": value, **more}])


def echo(exchange: Exchange) -> None:
    """Send back in an error everything that came."""
    everything = {"headers": dict(exchange.asked.headers), "fields": dict(exchange.asked.fields)}
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
}  # fmt: skip

# JSON that is not what Prometheus' API answers, in every place where something else can stand.
SHAPES: dict[str, object] = {
    "null": None,
    "list": [],
    "text": "success",
    "number": 70,
    "empty": {},
    "no-data": {"status": "success"},
    "null-data": {"status": "success", "data": None},
    "list-data": {"status": "success", "data": []},
    "no-status": {"data": {"resultType": "vector", "result": [{"metric": {}, "value": [0, "70"]}]}},
    "odd-status": {**one([0, "70"]), "status": "partial"},
    "no-type": {"status": "success", "data": {"result": []}},
    "unknown-type": data("tensor", []),
    "null-type": data(None, []),
    "list-type": data(["vector"], []),
    "no-result": {"status": "success", "data": {"resultType": "vector"}},
    "null-result": data("vector", None),
    "object-result": data("vector", {"metric": {}, "value": [0, "70"]}),
    "text-result": data("vector", "70"),
    "number-result": data("vector", 70),
    "null-series": data("vector", [None]),
    "number-series": data("vector", [70]),
    "no-metric": data("vector", [{"value": [0, "70"]}]),
    "null-metric": data("vector", [{"metric": None, "value": [0, "70"]}]),
    "list-metric": one([0, "70"], ["job"]),
    "text-metric": one([0, "70"], "parser"),
    "nested-metric": one([0, "70"], {"job": {"name": "parser"}}),
    "number-label": one([0, "70"], {"job": 7}),
    "no-value": data("vector", [{"metric": {}}]),
    "null-value": one(None),
    "number-value": one(70),
    "short-value": one([0]),
    "long-value": one([0, "70", "70"]),
    "not-a-number": one([0, "seventy"]),
    "bool-value": one([0, True]),
    "list-number": one([0, ["70"]]),
    "null-number": one([0, None]),
    "underscored": one([0, "7_0"]),
    "text-time": one(["now", "70"]),
    "null-time": one([None, "70"]),
    "histogram": data("vector", [{"metric": {}, "histogram": [0, {"count": "1", "sum": "70"}]}]),
    "matrix": data("matrix", [{"metric": {}, "values": [[0, "70"]]}]),
    "broken-matrix": data("matrix", [{"metric": {}, "values": 70}]),
    "broken-scalar": data("scalar", "70"),
    "broken-string": data("string", None),
    "warnings-number": {**one([0, "70"]), "warnings": 7},
}


class FaultServer:
    """Counts what it is asked and answers as the address says; everything it starts ends with its context."""

    def __init__(self, healthy: Healthy, tls: ssl.SSLContext | None = None) -> None:
        self.healthy = healthy
        self.faults: dict[str, Fault] = {
            **FAULTS, **{f"shape-{name}": partial(shaped, body=body) for name, body in SHAPES.items()}
        }  # fmt: skip
        self.asked: list[Asked] = []
        self.most_at_once: Counter[str] = Counter()
        self.closing = threading.Event()
        self._now: Counter[str] = Counter()
        self._counted: dict[str, Counter[tuple[str, str]]] = {}
        self._lock = threading.Lock()
        self._http = _Listening(("127.0.0.1", 0), partial(_Handler, self))
        if tls is not None:
            self._http.socket = tls.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
        self.scheme = "http" if tls is None else "https"
        self.port = self._http.server_address[1]

    def url(self, place: str = "fine", host: str = "127.0.0.1") -> str:
        """Return the address below which this is done."""
        return f"{self.scheme}://{host}:{self.port}/{place}"

    def counted(self, place: str) -> Counter[tuple[str, str]]:
        """Return how often each path and query was asked below an address."""
        with self._lock:
            return Counter(self._counted.get(place, ()))

    def asked_at(self, place: str) -> list[Asked]:
        """Return what was asked below an address, in the order of arrival."""
        with self._lock:
            return [one for one in self.asked if one.place == place]

    def since_first(self, method: str = "") -> float:
        """Return how many seconds ago the first request came, or the first of a method."""
        with self._lock:
            first = next(one.at for one in self.asked if method in {"", one.method})
        return time.monotonic() - first

    def forget(self) -> None:
        """Begin to count anew."""
        with self._lock:
            self.asked.clear()
            self._counted.clear()
            self.most_at_once.clear()

    def do(self, exchange: Exchange) -> None:
        """Answer one request."""
        asked = exchange.asked
        late = asked.place.startswith(LATE)
        name = asked.place.removeprefix(LATE)
        with self._lock:
            if len(self.asked) >= MOST:
                return
            self.asked.append(asked)
            self._counted.setdefault(asked.place, Counter())[asked.path, asked.query] += 1
            self._now[asked.place] += 1
            self.most_at_once[asked.place] = max(self.most_at_once[asked.place], self._now[asked.place])
        try:
            spared = late and asked.method != "POST"
            (fine if spared else self.faults.get(name, partial(told, status=404)))(exchange)
        finally:
            with self._lock:
                self._now[asked.place] -= 1

    @contextlib.contextmanager
    def running(self) -> Iterator[FaultServer]:
        """Answer until the context ends."""
        thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self._http.shutdown()
            self._http.server_close()


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that go away are what is tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = LONGEST

    def __init__(self, server: FaultServer, *arguments: Any) -> None:
        self._faults = server
        super().__init__(*arguments)

    def do_GET(self) -> None:
        parts = urllib.parse.urlsplit(self.path)
        _, place, path = (*parts.path.split("/", 2), "", "")[:3]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        fields = dict(urllib.parse.parse_qsl(f"{parts.query}&{body}", keep_blank_values=True))
        asked = Asked(place, self.command, f"/{path}", fields, dict(self.headers), bool(parts.query))
        self._faults.do(Exchange(self, asked, self._faults))

    do_POST = do_GET  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        """Keep no log."""


def like(text: str, pattern: str) -> bool:
    """Tell whether a text is of a pattern in which ``*`` stands for anything, and nothing else is special."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None


def serving(
    healthy: Healthy, tls: ssl.SSLContext | None = None
) -> contextlib.AbstractContextManager[FaultServer]:
    """Run a fault server before a healthy one: ``relay(url)`` or ``engine(series)``."""
    return FaultServer(healthy, tls).running()


def relay(url: str) -> Healthy:
    """Answer what a real server answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def healthy(asked: Asked) -> tuple[int, bytes]:
        form = urllib.parse.urlencode(asked.fields)
        get = asked.method == "GET"
        address = f"{url}{asked.path}?{form}" if get else f"{url}{asked.path}"
        try:
            with opener.open(
                urllib.request.Request(address, None if get else form.encode()), timeout=30
            ) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    return healthy


@dataclass
class EngineServer:
    """A small Prometheus over series in memory: queries, one target, and rules that are never loaded."""

    engine: Engine
    interval: str = "15s"
    job: str = "parser"
    apis: Mapping[str, object] = field(default_factory=dict)

    def __call__(self, asked: Asked) -> tuple[int, bytes]:
        try:
            found = self._found(asked)
        except PromQLError as error:
            refusal = {"status": "error", "errorType": "bad_data", "error": str(error)}
            return 400, json.dumps(refusal).encode()
        return (
            (404, b"404 page not found")
            if found is None
            else (200, json.dumps({"status": "success", "data": found}).encode())
        )

    def _found(self, asked: Asked) -> object:
        fields = asked.fields
        targets = [{"labels": {"job": self.job}, "scrapeInterval": self.interval}]
        match asked.path:
            case "/api/v1/query":
                moment = float(fields.get("time", time.time()))
                return _result(self.engine.instant(fields["query"], moment), moment)
            case "/api/v1/query_range":
                start, end, step = (float(fields[name]) for name in ("start", "end", "step"))
                return _result(self.engine.range(fields["query"], start, end, step), end)
        known = {
            "/api/v1/status/buildinfo": {"version": "3.0.0"},
            "/api/v1/targets": {"activeTargets": targets},
            "/api/v1/rules": {"groups": []},
        }
        return {**known, **self.apis}.get(asked.path)


def engine(found: Sequence[tuple[Mapping[str, str], Any, Any]]) -> EngineServer:
    """Return a small Prometheus over series as ``gates.series`` makes them."""
    rows = [(dict(labels), np.round(at * 1000).astype(np.int64), values) for labels, at, values in found]
    return EngineServer(Engine(MemoryStorage(rows)))


def _result(value: Scalar | Vector | Matrix | str, moment: float) -> object:
    if isinstance(value, str):
        return {"resultType": "string", "result": [moment, value]}
    if isinstance(value, Scalar):
        return {"resultType": "scalar", "result": [moment, _number(value.value)]}
    if isinstance(value, Vector):
        series = zip(value.labels, value.values.tolist(), strict=True)
        return {
            "resultType": "vector",
            "result": [{"metric": labels, "value": [moment, _number(number)]} for labels, number in series],
        }
    rows = zip(value.labels, value.values.tolist(), value.present.tolist(), strict=True)
    times = value.times.tolist()
    return {
        "resultType": "matrix",
        "result": [
            {
                "metric": labels,
                "values": [
                    [at, _number(number)]
                    for at, number, there in zip(times, values, present, strict=True)
                    if there
                ],
            }
            for labels, values, present in rows
        ],
    }


def _number(value: float) -> str:
    return {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}.get(text := repr(value), text)
