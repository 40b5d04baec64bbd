"""An OTLP/HTTP receiver in this process: protobuf and JSON, compressed or not, chunked bodies, every size capped."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType, TracebackType
from typing import Any, Self

from pytest_telemetry_gate.errors import CorpusError, DriveError
from pytest_telemetry_gate.replay.captured import ExportRequest
from pytest_telemetry_gate.replay.otlp.protobuf import SIGNALS, message_class
from pytest_telemetry_gate.replay.otlp.rejections import Rejected, read_export
from pytest_telemetry_gate.replay.receive.bodies import BodyReader, RefusedError, Room
from pytest_telemetry_gate.replay.receive.mailbox import Mailbox

__all__ = ["Receiver", "address"]

_PATHS = {f"/v1/{signal}": signal for signal in SIGNALS}
_IDLE = 30.0  # seconds that a client may say nothing in the middle of a request
_ORIGIN = re.compile(r"[!-~]+")
_HEADER_NAMES = re.compile(r"[A-Za-z0-9, _-]+")
# What other protocols begin with, and what an exporter that speaks one should be told.
_LANGUAGES = {
    "PRI * HTTP/2": "505: by gRPC, at the address for OTLP/HTTP: set `protocol: grpc` for a command, or have it export http/protobuf",
    "\x16\x03": "400: by TLS, at an address without it: export to http://",
}
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
        self._server.mailbox, self._server.max_body, self._server.room = (
            self.mailbox,
            max_body,
            Room(max_body),
        )
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


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128
    mailbox: Mailbox
    max_body: int

    room: Room

    def __init__(self, *arguments: Any) -> None:
        # A parsed body is many times as large as its text, and parsing several at once would be no faster.
        self.parsing = threading.Lock()
        self.spoken: set[str] = set()  # languages that were noted
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
                raise RefusedError(404, f"no such path; paths are {', '.join(_PATHS)}")
            if kind not in {_PROTOBUF, _JSON}:
                raise RefusedError(415, f"content type {kind!r} is not supported: use {_PROTOBUF} or {_JSON}")
            with BodyReader(self.server.room, self.server.max_body) as reader:
                raw = reader.read(self.headers, self.rfile)
                wire = len(raw)
                with self.server.parsing:
                    body = reader.decompress(raw, self.headers.get("Content-Encoding", "").strip().lower())
                    rejected = self._take(signal, kind, wire, body)
        except RefusedError as refusal:
            request = ExportRequest(signal or "none", wire, 0, trouble=f"{refusal.status}: {refusal}")
            self.server.mailbox.put(request)
            self.close_connection = True
            again = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
            self._answer(refusal.status, str(refusal).encode(), "text/plain", again)
            return
        self._answer(200, rejected.answer(binary=kind == _PROTOBUF), kind)

    def do_OPTIONS(self) -> None:
        """Answer what a browser asks before its page may export (https://fetch.spec.whatwg.org/#cors-preflight-fetch)."""
        if not self.headers.get("Origin"):
            self.close_connection = True
            self._answer(405, b"only POST", "text/plain", {"Allow": "POST, OPTIONS"})
            return
        headers = {"Access-Control-Allow-Methods": "POST", "Access-Control-Max-Age": "600"}
        wanted = self.headers.get("Access-Control-Request-Headers", "")
        if _HEADER_NAMES.fullmatch(wanted):
            headers["Access-Control-Allow-Headers"] = wanted
        if self.headers.get("Access-Control-Request-Private-Network"):
            headers["Access-Control-Allow-Private-Network"] = "true"
        self._answer(204, b"", "text/plain", headers)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no HTTP/1.1, and note whose language it is."""
        self._note_language(self.requestline)
        super().send_error(code, message, explain)

    def _note_language(self, line: str) -> None:
        """Tell once that an exporter speaks another protocol: it tries again and again, and what it sends is lost."""
        spoken = next((name for start, name in _LANGUAGES.items() if line.startswith(start)), "")
        if spoken and spoken not in self.server.spoken:
            self.server.spoken.add(spoken)
            self.server.mailbox.put(ExportRequest("none", len(line), 0, trouble=spoken))

    def do_GET(self) -> None:
        self.close_connection = True
        self._answer(405, b"only POST", "text/plain", {"Allow": "POST, OPTIONS"})

    def _take(self, signal: str, kind: str, wire: int, body: bytes) -> Rejected:
        encoding = "protobuf" if kind == _PROTOBUF else "json"
        request = ExportRequest(signal, wire, len(body), encoding)
        try:
            message, request.document, rejected = read_export(signal, body, binary=kind == _PROTOBUF)
        except CorpusError as error:
            raise RefusedError(400, f"not OTLP: {error}"[:200]) from None
        if not self.server.mailbox.put(request, message):
            raise RefusedError(503, "the receiver is full")
        if rejected.rejected:
            self.server.mailbox.put(ExportRequest(signal, 0, 0, trouble=f"200: {rejected.shown()}"))
        return rejected

    def _answer(
        self, status: int, body: bytes, kind: str, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        # One write, since two small ones would wait for each other's acknowledgement.
        phrase = self.responses.get(status, ("",))[0]
        lines = {"Content-Type": kind, "Content-Length": str(len(body)), **headers, **self._cross_origin()}
        if self.close_connection:
            lines["Connection"] = "close"
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        try:
            self.wfile.write(f"HTTP/1.1 {status} {phrase}\r\n{head}\r\n".encode("latin-1") + body)
        except OSError:
            self.close_connection = True

    def _cross_origin(self) -> dict[str, str]:
        """Return what lets a page of any origin export: its beacons come with credentials, so the origin must be named.

        Nothing is told to such a page but how its own request went.
        """
        origin = self.headers.get("Origin", "")
        if not _ORIGIN.fullmatch(origin):
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Credentials": "true",
            "Vary": "Origin",
        }
