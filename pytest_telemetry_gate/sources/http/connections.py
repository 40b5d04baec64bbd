"""Connections that keep to one limit of time from the first byte sent to the last one received.

A socket's own time-out begins anew with every byte that arrives, so that a server which drips would never be given
up. urllib3 connects and reads; here its responses read from a socket that knows when the whole request has to be over.
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
    """Keeps as many connections as there are threads and checks certificates as telemetry.yaml says."""

    def __init__(self, settings: HttpSettings, connections: int) -> None:
        self._tls: dict[str, Any] = {}
        if settings.server_name:
            self._tls |= {"server_hostname": settings.server_name, "assert_hostname": settings.server_name}
        if settings.min_version:
            self._tls["ssl_minimum_version"] = _VERSIONS[settings.min_version]
        super().__init__(pool_connections=2, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        """Add what requests has no words for."""
        super().init_poolmanager(connections, maxsize, block, **options, **self._tls)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Add the same where a proxy stands between."""
        manager = super().proxy_manager_for(proxy, **options, **self._tls)
        if not proxy.lower().startswith("socks"):  # those come with connections of their own
            manager.pool_classes_by_scheme = _POOLS
        return manager


class _Receiving(io.RawIOBase):
    """What a socket receives until a moment (of the monotonic clock); raises TimeoutError after it."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self._socket = connection
        self._file = connection.makefile("rb", buffering=0)
        self._until = until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        if math.isfinite(self._until):
            left = self._until - time.monotonic()
            if left <= 0:
                message = "timed out"
                raise TimeoutError(message)
            self._socket.settimeout(left)
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """A response whose head and body together must arrive within the socket's time-out."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        limit = sock.gettimeout()
        self.fp.close()
        until = math.inf if limit is None else time.monotonic() + limit
        self.fp = io.BufferedReader(_Receiving(sock, until))


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response

    def connect(self) -> None:
        """Connect; a certificate that is not checked was asked for in telemetry.yaml, so nothing warns of it."""
        super().connect()
        self.is_verified = True


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}
