"""An HTTP server on this machine that answers as Prometheus does, from a recording, in this process."""

from __future__ import annotations

import contextlib
import threading
import urllib.parse
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.serving.api import RecordingApi, Reply

if TYPE_CHECKING:
    from pytest_telemetry_gate.recording import Recording

__all__ = ["serve_by_engine"]

_LONGEST = 2**20  # bytes of a form
_IDLE = 60.0  # seconds that a connection may wait for its next request


@contextlib.contextmanager
def serve_by_engine(
    recording: Recording, region: str, host: str = "127.0.0.1", port: int = 0
) -> Iterator[str]:
    """Serve until the context ends, and yield the URL; port 0 is any free one. Raises ConfigError where it cannot listen.

    Its threads keep no process from ending.
    """
    try:
        server = _Server((host, port), partial(_Handler, RecordingApi(recording, region)))
    except OSError as error:
        message = f"cannot listen at {host}:{port}: {error.strerror or error}"
        raise ConfigError(message) from None
    thread = threading.Thread(target=server.serve_forever, name="telemetry-gate-serve", daemon=True)
    thread.start()
    shown = f"[{host}]" if ":" in host else host
    try:
        yield f"http://{shown}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # nobody waits for a client that keeps its connection open

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave alone what a client has broken off."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "telemetry-gate"
    sys_version = ""
    timeout = _IDLE

    def __init__(self, api: RecordingApi, *args: Any) -> None:
        self._api = api
        super().__init__(*args)

    def do_GET(self) -> None:
        """Answer a request whose parameters are in its address."""
        self._send(self._answer(""))

    def do_POST(self) -> None:
        """Answer a request whose parameters are a form."""
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or int(length) > _LONGEST:
            self.close_connection = True
            self._send(Reply(413, b"a form of at most 1 MiB, with its Content-Length\n", "text/plain"))
            return
        self._send(self._answer(self.rfile.read(int(length)).decode("utf-8", "replace")))

    def _answer(self, form: str) -> Reply:
        address = urllib.parse.urlsplit(self.path)
        try:
            pairs = urllib.parse.parse_qsl(form, keep_blank_values=True)  # a form goes before the address
            pairs += urllib.parse.parse_qsl(address.query, keep_blank_values=True)
        except ValueError:
            return Reply(400, b"400 Bad Request\n", "text/plain")
        fields: dict[str, list[str]] = {}
        for name, value in pairs:
            fields.setdefault(name, []).append(value)
        return self._api.answer(urllib.parse.unquote(address.path), fields)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class names it
        """Write nothing: pytest's terminal is no access log."""
