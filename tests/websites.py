"""A web server on a free loopback port that answers as a function says, for tests of what is driven over HTTP."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Asked", "Website", "serving"]

Answer = tuple[int, Mapping[str, str], bytes]


@dataclass
class Asked:
    """One request, as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Website:
    """Where the server is, and what it was asked."""

    url: str = ""
    clock_ahead: float = 0.0  # seconds, in the Date of its answers
    asked: list[Asked] = field(default_factory=list)


@contextlib.contextmanager
def serving(answer: Callable[[Asked], Answer | None], **server: Any) -> Iterator[Website]:
    """Serve until the context ends; where ``answer`` gives None, the connection is closed without a word."""
    site = Website()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, self.path, dict(self.headers), body)
            site.asked.append(asked)
            answered = answer(asked)
            if answered is None:
                self.close_connection = True
                return
            status, headers, content = answered
            # Whoever has a clock of their own says what the time is.
            (self.send_response_only if "Date" in headers else self.send_response)(status)
            for key, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            self.do_POST()

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(time.time() + site.clock_ahead)

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if "tls" in server:
        httpd.socket = server["tls"].wrap_socket(httpd.socket, server_side=True)
    httpd.daemon_threads = True
    site.url = f"{'https' if 'tls' in server else 'http'}://127.0.0.1:{httpd.server_port}"
    threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield site
    finally:
        httpd.shutdown()
        httpd.server_close()
