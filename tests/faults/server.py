"""The server that does what its addresses say, and what it counts."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from faults.exchange import LONGEST, Asked, Exchange, Fault
from faults.kinds import FAULTS, fine, shaped, told
from faults.shapes import SHAPES

MOST = 100_000  # requests that one server answers
LATE = "late-"
PROBING = ("", "vector(1)", "up[10m]")  # queries by which a region is probed; other look-ups have none

Healthy = Callable[[Asked], tuple[int, bytes]]


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
            spared = late and asked.query in PROBING
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
        in_address = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        asked = Asked(place, self.command, f"/{path}", fields, dict(self.headers), in_address)
        self._faults.do(Exchange(self, asked, self._faults))

    do_POST = do_GET  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        """Keep no log."""


def serving(
    healthy: Healthy, tls: ssl.SSLContext | None = None
) -> contextlib.AbstractContextManager[FaultServer]:
    """Run a fault server before a healthy one: ``relay(url)`` or ``engine(series)``."""
    return FaultServer(healthy, tls).running()
