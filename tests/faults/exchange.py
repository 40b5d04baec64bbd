"""One request to a server that misbehaves, and the means to answer it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faults.server import FaultServer

LONGEST = 60.0  # seconds after which a fault gives up, whatever the client does


@dataclass(frozen=True)
class Asked:
    """One request: ``place`` is the first part of its path, ``path`` the rest, ``fields`` query and form together,
    ``in_address`` the query alone.

    ``at`` is when it came, by the monotonic clock: a limit on time that is counted from there does not hold the start
    of an interpreter against what is tested.
    """

    place: str
    method: str
    path: str
    fields: Mapping[str, str]
    headers: Mapping[str, str]
    in_address: Mapping[str, str]
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
