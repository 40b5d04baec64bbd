"""Connections with one time limit from the first byte sent to the last one received.

A socket's own time-out starts again with every byte that arrives, so that a server could drip for ever. urllib3 connects
and reads; its responses read here from a file that knows when the whole request must be over.
"""

from __future__ import annotations

import http.client
import io
import math
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from pytest_telemetry_gate.sources.http.settings import HttpSettings

__all__ = ["Adapter"]

_VERSIONS = {
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}


class Adapter(HTTPAdapter):
    """Keeps up to ``connections`` open, and checks certificates as the settings say."""

    def __init__(self, settings: HttpSettings, connections: int) -> None:
        self._tls: dict[str, Any] = {}
        if settings.server_name:
            self._tls |= {"server_hostname": settings.server_name, "assert_hostname": settings.server_name}
        if settings.min_version:
            self._tls["ssl_minimum_version"] = _VERSIONS[settings.min_version]
        super().__init__(pool_connections=2, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        """Add the TLS settings and connections that requests has no option for."""
        super().init_poolmanager(connections, maxsize, block, **options, **self._tls)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Add the same for connections through a proxy."""
        manager = super().proxy_manager_for(proxy, **options, **self._tls)
        if not proxy.lower().startswith("socks"):  # SOCKS pools have connections of their own
            manager.pool_classes_by_scheme = _POOLS
        return manager


class _TimedFile(io.RawIOBase):
    """Reads from a socket until a moment of the monotonic clock; raises TimeoutError after it."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self._socket = connection
        self._file = connection.makefile("rb", buffering=0)
        self._until = until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        if math.isfinite(self._until):
            remaining = self._until - time.monotonic()
            if remaining <= 0:
                message = "timed out"
                raise TimeoutError(message)
            self._socket.settimeout(remaining)
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """A response whose head and body must arrive together within the socket's time-out."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        limit = sock.gettimeout()
        self.fp.close()
        until = math.inf if limit is None else time.monotonic() + limit
        self.fp = io.BufferedReader(_TimedFile(sock, until))


class _Connection(HTTPConnection):
    response_class = _Response
    debuglevel = 0  # above it http.client prints every header, whoever has switched it on for all connections


class _SecureConnection(HTTPSConnection):
    response_class = _Response
    debuglevel = 0

    def connect(self) -> None:
        """Connect without a warning for an unchecked certificate, which telemetry.yaml has asked for."""
        super().connect()
        self.is_verified = True


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}
