"""One HTTP session for everything that asks a server: requests that end in time, bounded in size.

requests has no limit for a whole request, follows redirects with most of the credentials, and reads ~/.netrc; this
session has one limit from connecting to the last byte, follows nothing, and uses only the logins that it is given.
"""

from __future__ import annotations

import email.utils
import json
import math
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import requests
from requests.auth import HTTPBasicAuth
from urllib3 import Timeout

from pytest_telemetry_gate.sources.http.causes import cause_of
from pytest_telemetry_gate.sources.http.connections import Adapter
from pytest_telemetry_gate.sources.http.credentials import Credentials, Sign
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.support.collector import hold_collector
from pytest_telemetry_gate.support.durations import format_short_duration

__all__ = ["ConnectionFailedError", "HttpError", "HttpSession", "NoAnswerError", "Reply", "UnsentError"]

_MAX_BODY = 256 * 2**20  # bytes; a range of 11,000 points for 700 series takes about 200 MB
_CHUNK = 2**16
_UNAUTHORIZED = 401
_EPOCH = 1e9  # seconds that nobody is asked to wait, and that were over since the epoch in 2001
_CONNECT = 10.0  # seconds: whoever needs longer to be connected to is not there


class HttpError(Exception):
    """No usable reply came; the text is the cause in one line, without the address."""


class NoAnswerError(HttpError):
    """Nobody answered in time, or TLS could not be agreed upon."""


class ConnectionFailedError(NoAnswerError):
    """The connection was refused, reset or broke off; a second attempt may succeed."""


class UnsentError(HttpError):
    """The request could not be sent, or its answer not be read. The text may hold parts of the request.

    ``kind`` is the name of the library's exception.
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Reply:
    """A server's answer, read whole and decompressed.

    ``redirect`` is the address that a redirect names, ``next_page`` that of the ``Link`` header's next page; both are
    empty where there is none.
    """

    status_code: int
    content: bytes
    headers: Mapping[str, str]
    url: str
    redirect: str = ""
    next_page: str = ""

    @property
    def ok(self) -> bool:
        """Whether the server calls it a success."""
        return 200 <= self.status_code < 300

    @property
    def retry_after(self) -> float | None:
        """The seconds that a server asks to wait: Retry-After, a number or a date (RFC 9110, 10.2.3), else RateLimit-Reset.

        The latter, with or without ``X-``, is a number of seconds, or since the epoch where it is too large for that.
        """
        names = ("Retry-After", "RateLimit-Reset", "X-RateLimit-Reset")
        text = next(filter(None, (self.headers.get(name) for name in names)), "")
        try:
            seconds = float(text)
        except ValueError:
            try:
                seconds = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
            except (ValueError, OverflowError):
                return None
        if seconds > _EPOCH:
            seconds -= time.time()
        return max(0.0, seconds) if math.isfinite(seconds) else None

    @cached_property
    def decoded(self) -> Any:
        """The body's JSON, decoded once; None where it is not JSON."""
        kind = self.headers.get("Content-Type", "json")
        try:
            with hold_collector():
                content = json.loads(self.content) if "json" in kind.lower() else None
        except (ValueError, RecursionError):
            return None
        # Half a surrogate pair is valid JSON, and text that nothing can write.
        if b"\\ud" in self.content or b"\\uD" in self.content:
            return json.loads(json.dumps(content, ensure_ascii=False).encode(errors="replace"))
        return content

    def json(self) -> Any:
        """Return ``decoded``, under the name that prometheus-api-client expects."""
        return self.decoded


class _Place(NamedTuple):
    """A request but for its credentials."""

    method: str
    url: str
    params: Mapping[str, str] | None
    data: Mapping[str, str] | bytes | None
    keep: int | None


class HttpSession:
    """Sends requests to one server as its settings say. Safe to use from several threads.

    ``credentials`` are those that change with time or request, if there are any.
    """

    def __init__(
        self, settings: HttpSettings, *, connections: int = 1, credentials: Credentials | None = None
    ) -> None:
        self._session = session = requests.Session()
        self._credentials = credentials
        self._environ_proxies = settings.proxy_from_environment and not settings.proxy_url
        session.trust_env = False  # it would also mean ~/.netrc, whose logins go before those of the settings
        for scheme in ("http://", "https://"):
            session.mount(scheme, Adapter(settings, connections))
        session.headers.update(settings.headers)
        if settings.authorization:
            session.headers["Authorization"] = settings.authorization
        if settings.basic_auth is not None:
            user, password = settings.basic_auth
            session.auth = HTTPBasicAuth(user.encode(), password.encode())
        if settings.proxy_url:
            session.proxies = {"http": settings.proxy_url, "https": settings.proxy_url}
        session.verify = False if settings.insecure else (settings.ca_file or True)
        if settings.cert_file:
            key = settings.key_file
            session.cert = (settings.cert_file, key) if key else settings.cert_file

    def send(
        self,
        method: str,
        url: str,
        *,
        timeout: float,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | bytes | None = None,
        keep: int | None = None,
    ) -> Reply:
        """Send one request and read its answer, all within ``timeout`` seconds; raises HttpError.

        A connection must be there within ten seconds. Credentials that have to be fetched are not part of that time; what
        a server has refused with 401 is renewed once.

        With ``keep`` only so many bytes of the body are read; without, a body over 256 MiB is an error.
        """
        limit = min(timeout, threading.TIMEOUT_MAX / 2)
        place = _Place(method, url, params, data, keep)
        if self._credentials is None:
            return self._send(place, None, limit)
        sign = self._credentials.ready()
        reply = self._send(place, sign, limit)
        if reply.status_code == _UNAUTHORIZED and self._credentials.renew(sign):
            reply = self._send(place, self._credentials.ready(), limit)
        return reply

    def _send(self, place: _Place, sign: Sign | None, limit: float) -> Reply:
        """Send a request once, which is signed as it leaves."""
        url = place.url
        try:
            with self._session.request(
                place.method,
                url,
                params=place.params,
                data=place.data,
                auth=sign,
                proxies=dict(requests.utils.get_environ_proxies(url)) if self._environ_proxies else None,
                timeout=Timeout(total=limit, connect=min(limit, _CONNECT)),  # type: ignore[arg-type] # which requests hands on as it is
                stream=True,
                allow_redirects=False,
            ) as response:
                keep = place.keep
                body = _read_whole(response) if keep is None else _read_beginning(response, keep)
                return _reply(response, url, body)
        except (requests.exceptions.RequestException, OSError, ValueError) as error:
            raise _explain(error, limit) from None

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _read_whole(response: requests.Response) -> bytes:
    return b"".join(_chunks(response))


def _chunks(response: requests.Response) -> Iterator[bytes]:
    size = 0
    for chunk in response.iter_content(_CHUNK):
        size += len(chunk)
        if size > _MAX_BODY:
            message = f"the answer is larger than {_MAX_BODY // 2**20} MiB"
            raise HttpError(message)
        yield chunk


def _read_beginning(response: requests.Response, size: int) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) >= size:
            break
    return bytes(body[:size])


def _reply(response: requests.Response, url: str, body: bytes) -> Reply:
    redirect = ""
    if response.is_redirect or response.is_permanent_redirect:
        redirect = requests.compat.urljoin(url, response.headers.get("Location", ""))
    next_page = response.links.get("next", {}).get("url", "")
    return Reply(response.status_code, body, response.headers, url, redirect, next_page)


def _explain(error: Exception, limit: float) -> HttpError:
    """Return what went wrong, for an exception of requests or of the socket below it; ``limit`` is in seconds."""
    cause = cause_of(error)
    match error:
        case requests.exceptions.ReadTimeout():
            return NoAnswerError(f"no answer within {format_short_duration(limit)}")
        case requests.exceptions.SSLError():
            return NoAnswerError(f"TLS: {cause}")
        case requests.exceptions.ChunkedEncodingError():
            return ConnectionFailedError("the answer broke off")
        case requests.exceptions.ConnectTimeout():
            return NoAnswerError(f"no connection within {format_short_duration(min(limit, _CONNECT))}")
        case requests.exceptions.ConnectionError() if "timed out" in cause:
            # While the body is read, urllib3's time-out arrives as a broken connection.
            return NoAnswerError(f"no answer within {format_short_duration(limit)}")
        case requests.exceptions.ConnectionError():
            return ConnectionFailedError(cause)
        case requests.exceptions.ContentDecodingError():
            return HttpError(f"the answer cannot be decoded: {cause}")
    return UnsentError(cause, type(error).__name__)
