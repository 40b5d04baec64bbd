"""An OTLP/HTTP receiver in this process: protobuf and JSON, gzip, chunked bodies, every size capped."""

from __future__ import annotations

import json
import socket
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from pytest_telemetry_gate.errors import CorpusError, DriveError
from pytest_telemetry_gate.replay.captured import ExportRequest
from pytest_telemetry_gate.replay.otlp.protobuf import SIGNALS, message_class, parse_message
from pytest_telemetry_gate.replay.otlp.telemetry import read_document
from pytest_telemetry_gate.replay.receive.mailbox import Mailbox

__all__ = ["Receiver", "address"]

_PATHS = {f"/v1/{signal}": signal for signal in SIGNALS}
_IDLE = 30.0  # seconds that a client may say nothing in the middle of a request
_AT_ONCE = 16  # bodies in memory
_BLOCK = 64 * 1024
_PROTOBUF, _JSON = "application/x-protobuf", "application/json"


class Receiver:
    """Listens from construction until ``close()``; what arrives goes to ``mailbox``.

    ``max_body`` bounds each request in bytes, both as sent and decompressed. Raises DriveError where the address
    cannot be listened at, or the package with OTLP's messages is missing.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        max_body: int = 64 * 2**20,
        mailbox: Mailbox | None = None,
    ) -> None:
        for signal in SIGNALS:
            message_class(signal)  # now, rather than in the middle of the first request
        self.mailbox = Mailbox() if mailbox is None else mailbox
        try:
            self._server = _Server((host, port), _Handler)
        except OSError as error:
            message = f"capture.otlp.http: cannot listen at {host}:{port}: {error.strerror or error}"
            raise DriveError(message) from None
        self._server.mailbox, self._server.max_body = self.mailbox, max_body
        self.endpoint = f"http://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, and cut whoever is still connected."""
        self._server.shutdown()
        self._server.server_close()
        self._server.cut()
        self._thread.join(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def address(text: str) -> tuple[str, int]:
    """Return host and port of ``127.0.0.1:0``; raises DriveError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        message = f"{text!r} is not a host and a port such as '127.0.0.1:0'"
        raise DriveError(message)
    return host, int(port)


class _RefusedError(Exception):
    """Why a request is not taken, with the HTTP status that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128
    mailbox: Mailbox
    max_body: int

    def __init__(self, *arguments: Any) -> None:
        self.slots = threading.BoundedSemaphore(_AT_ONCE)
        # A parsed body is many times as large as its text, and parsing several at once would be no faster.
        self.parsing = threading.Lock()
        self._open: set[socket.socket] = set()
        super().__init__(*arguments)

    def server_bind(self) -> None:
        """Bind without looking up the host's name, which may take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        for connection in list(self._open):
            self.shutdown_request(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that breaks off is no fault of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout = _IDLE
    disable_nagle_algorithm = True

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name in the standard library
        """Keep the terminal to pytest."""

    def do_POST(self) -> None:
        signal = _PATHS.get(self.path.partition("?")[0].rstrip("/"))
        kind = self.headers.get_content_type()
        wire = 0
        try:
            if signal is None:
                raise _RefusedError(404, f"no such path; paths are {', '.join(_PATHS)}")
            if kind not in {_PROTOBUF, _JSON}:
                raise _RefusedError(
                    415, f"content type {kind!r} is not supported: use {_PROTOBUF} or {_JSON}"
                )
            with self.server.slots:
                raw = self._read_body()
                wire = len(raw)
                body = self._decompress(raw)
                with self.server.parsing:
                    self._take(signal, kind, wire, body)
        except _RefusedError as refusal:
            request = ExportRequest(signal or "none", wire, 0, trouble=f"{refusal.status}: {refusal}")
            self.server.mailbox.put(request)
            self.close_connection = True
            self._answer(refusal.status, str(refusal).encode(), "text/plain")
            return
        self._answer(200, b"" if kind == _PROTOBUF else b"{}", kind)

    def do_GET(self) -> None:
        self.close_connection = True
        self._answer(405, b"only POST", "text/plain")

    def _take(self, signal: str, kind: str, wire: int, body: bytes) -> None:
        try:
            if kind == _PROTOBUF:
                request, message = (
                    ExportRequest(signal, wire, len(body), "protobuf"),
                    parse_message(signal, body),
                )
            else:
                document = json.loads(body)
                read_document(document)
                request, message = ExportRequest(signal, wire, len(body), "json", document), None
        except (CorpusError, ValueError, RecursionError) as error:
            raise _RefusedError(400, f"not OTLP: {error}"[:200]) from None
        if not self.server.mailbox.put(request, message):
            raise _RefusedError(413, "the receiver is full")

    def _read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            parts, size = [], 0
            for part in self._chunks():
                size += len(part)
                if size > self.server.max_body:
                    raise self._too_large("the body")
                parts.append(part)
            return b"".join(parts)
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            raise _RefusedError(411, "no Content-Length")
        if int(length) > self.server.max_body:
            raise self._too_large("the body")
        body = self.rfile.read(int(length))
        if len(body) != int(length):
            raise _RefusedError(400, "the body is incomplete")
        return body

    def _chunks(self) -> Iterator[bytes]:
        while True:
            line = self.rfile.readline(1024)
            try:
                size = int(line.split(b";")[0].strip(), 16)
            except ValueError:
                raise _RefusedError(400, "a chunk without a size") from None
            if size < 0 or size > self.server.max_body:
                raise self._too_large("a chunk")
            if size == 0:
                while self.rfile.readline(65536).strip():
                    pass
                return
            part = self.rfile.read(size)
            if len(part) != size:
                raise _RefusedError(400, "the body is incomplete")
            self.rfile.readline(8)
            yield part

    def _decompress(self, raw: bytes) -> bytes:
        encoding = self.headers.get("Content-Encoding", "identity").lower()
        if encoding in {"", "identity"}:
            return raw
        if encoding != "gzip":
            raise _RefusedError(415, f"content encoding {encoding!r} is not supported: use gzip or none")
        inflate = zlib.decompressobj(wbits=31)
        try:
            body = inflate.decompress(raw, self.server.max_body + 1)
        except zlib.error:
            raise _RefusedError(400, "the body is not gzip") from None
        if len(body) > self.server.max_body:
            raise self._too_large("the decompressed body")
        if not inflate.eof:
            raise _RefusedError(400, "the gzip body is incomplete")
        return body

    def _too_large(self, subject: str) -> _RefusedError:
        return _RefusedError(413, f"{subject} is larger than {self.server.max_body:,} bytes")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        # One write, since two small ones would wait for each other's acknowledgement.
        phrase = self.responses.get(status, ("",))[0]
        closing = "Connection: close\r\n" if self.close_connection else ""
        head = f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{closing}\r\n"
        try:
            self.wfile.write(head.encode() + body)
        except OSError:
            self.close_connection = True
