"""HTTP as a gate needs it: bounded in time and size, honest about failures, and its credentials stay where they belong.

prometheus-api-client sends the queries; the session given to it replaces what is unsafe there: requests without a
time limit, silent retries that lose the server's own words, queries in the URL, and headers that follow redirects.
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter

from pytest_telemetry_gate.config import MASK, Deadline
from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.figures import duration
from pytest_telemetry_gate.sources.http_settings import HttpSettings

__all__ = ["Reply", "Transport", "shown_url"]

_ATTEMPTS = 3
_BACKOFF = 0.2  # seconds before the second attempt, doubled for each further one
_LONGEST_PAUSE = 30.0  # seconds that a Retry-After is obeyed
_AGAIN = frozenset({429, 500, 502, 503, 504})
_MAX_BODY = 256 * 2**20  # bytes; a range of 11,000 points for 700 series takes about 200 MB
_CHUNK = 2**16
_TOLD = 300  # characters of a server's own words
_HINTS = {
    401: "unauthorized: see basic_auth and authorization",
    403: "forbidden: the credentials do not allow it",
    404: "not found: is url the address that the API is below?",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of a server, read whole; what prometheus-api-client needs of a response."""

    status_code: int
    content: bytes
    headers: Mapping[str, str]
    url: str

    @property
    def ok(self) -> bool:
        """Whether the server calls it a success."""
        return self.status_code < 400

    def json(self) -> Any:
        """Return the decoded body; raises ValueError."""
        return json.loads(self.content)


class Transport(requests.Session):
    """A session for one server that answers within its limits or raises SourceError, one line without credentials.

    ``deadline`` bounds all requests of the gate together; connections that fail, 429 and 5xx are tried again a
    bounded number of times. Safe to use from several threads; ``last`` is the calling thread's newest reply.
    """

    def __init__(self, settings: HttpSettings, deadline: Deadline, *, connections: int = 16) -> None:
        # requests mounts adapters while it is set up, and prometheus-api-client mounts one that retries on its own.
        self._adapter = _Adapter(settings, connections)
        super().__init__()
        self.trust_env = settings.proxy_from_environment
        self._settings = settings
        self._deadline = deadline
        self._local = threading.local()
        self._secrets = _secrets(settings)
        self.headers.update(settings.headers)
        if settings.authorization:
            self.headers["Authorization"] = settings.authorization
        if settings.basic_auth is not None:
            self.auth = settings.basic_auth
        if settings.proxy_url:
            self.proxies = {"http": settings.proxy_url, "https": settings.proxy_url}
        self.verify = False if settings.insecure else (settings.ca_file or True)
        if settings.cert_file:
            self.cert = (settings.cert_file, settings.key_file) if settings.key_file else settings.cert_file

    @property
    def last(self) -> Reply:
        """The newest reply that the calling thread has got."""
        reply: Reply = self._local.reply
        return reply

    def mount(self, prefix: str | bytes, adapter: object) -> None:
        """Mount the session's own adapter, whatever adapter is given."""
        super().mount(prefix, self._adapter)

    def scrub(self, text: str) -> str:
        """Return a text without any credential that this session sends."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text

    def request(self, method: str, url: str, **options: Any) -> Reply:  # type: ignore[override]
        """Send a request, its parameters in the body of a POST, and return the reply read whole.

        Raises SourceError where no usable reply comes: the line names the address and the cause.
        """
        fields = {**self._settings.params, **(options.get("params") or {})}
        place = {"data": fields} if method == "POST" else {"params": fields}
        try:
            self._local.reply = self._tried(method, url, place)
        except SourceError as error:
            raise type(error)(self.scrub(f"{shown_url(url)}: {error}")) from None
        return self.last

    def json(self, url: str, fields: Mapping[str, str] | None = None) -> Any:
        """Return the decoded answer to a GET; raises SourceError where it is a refusal or no JSON."""
        return self.decoded(self.request("GET", url, params=fields))

    def decoded(self, reply: Reply) -> Any:
        """Return what a reply says; raises SourceError with the server's own words where it is a refusal.

        The errors of Prometheus' API are answers of their own form, and are told by their type and text.
        """
        try:
            content = reply.json()
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict) and content.get("status") == "error":
            told = _told(f"{content.get('errorType', 'error')}: {content.get('error', '')}")
        elif not reply.ok:
            told = _hint(reply)
        elif content is not None:
            return content
        else:
            kind = reply.headers.get("Content-Type", "").partition(";")[0] or "no type"
            told = f"{kind} instead of JSON{': a login page?' if kind == 'text/html' else ''}"
            raise SourceError(self.scrub(f"{shown_url(reply.url)}: answered {told}"))
        raise SourceError(self.scrub(f"{shown_url(reply.url)}: HTTP {reply.status_code}: {told}"))

    def _tried(self, method: str, url: str, place: Mapping[str, Any]) -> Reply:
        for attempt in range(1, _ATTEMPTS + 1):
            pause = _BACKOFF * 2 ** (attempt - 1)
            try:
                reply = self._once(method, url, place)
            except _TryAgainError as error:
                if attempt == _ATTEMPTS:
                    message = f"{error} ({attempt} attempts)"
                    raise UnreachableError(message) from None
            else:
                if reply.status_code not in _AGAIN or attempt == _ATTEMPTS:
                    return reply
                asked = _retry_after(reply)
                pause = pause if asked is None else asked
                if pause > min(_LONGEST_PAUSE, self._deadline.remaining()):
                    return reply
            time.sleep(pause)
        raise AssertionError

    def _once(self, method: str, url: str, place: Mapping[str, Any]) -> Reply:
        left = self._deadline.remaining()
        if left <= 0:
            message = f"not asked: the gate's deadline of {duration(self._deadline.seconds)} has passed"
            raise UnreachableError(message)
        limit = min(self._settings.timeout, left)
        until = time.monotonic() + limit
        try:
            with warnings.catch_warnings():
                if self._settings.insecure:  # said once in telemetry.yaml, so not again with every request
                    warnings.simplefilter("ignore")
                response = super().request(
                    method, url, **place, timeout=limit, stream=True, allow_redirects=False
                )
            with response:
                if response.is_redirect or response.is_permanent_redirect:
                    raise SourceError(_redirected(url, response))
                body = b"".join(_chunks(response, until, limit))
        except requests.exceptions.ReadTimeout:
            message = f"no answer within {duration(limit)}"
            raise UnreachableError(message) from None
        except requests.exceptions.SSLError as error:
            message = f"TLS: {_cause(error)}"
            raise UnreachableError(message) from None
        except requests.exceptions.ChunkedEncodingError:
            message = "the answer broke off"
            raise _TryAgainError(message) from None
        except requests.exceptions.ConnectTimeout:
            message = f"no connection within {duration(limit)}"
            raise UnreachableError(message) from None
        except requests.exceptions.ConnectionError as error:
            cause = _cause(error)
            if (
                "timed out" in cause
            ):  # while the body is read, urllib3's time-out arrives as a broken connection
                message = f"no answer within {duration(limit)}"
                raise UnreachableError(message) from None
            raise _TryAgainError(cause) from None
        except (requests.exceptions.RequestException, OSError, ValueError) as error:
            raise SourceError(_cause(error)) from None
        return Reply(response.status_code, body, response.headers, url)


class _TryAgainError(Exception):
    """A failure that may be over a moment later."""


class _Adapter(HTTPAdapter):
    """Keeps as many connections as there are threads and checks certificates for the name that was configured."""

    def __init__(self, settings: HttpSettings, connections: int) -> None:
        self._name = settings.server_name
        self._minimum = settings.min_version
        super().__init__(pool_connections=2, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Add the TLS settings that requests has no words for."""
        if self._name:
            options.update(server_hostname=self._name, assert_hostname=self._name)
        if self._minimum:
            options["ssl_minimum_version"] = getattr(ssl.TLSVersion, self._minimum.replace("TLS1", "TLSv1_"))
        super().init_poolmanager(*arguments, **options)


def shown_url(url: str) -> str:
    """Return an address for people: without user name, password, query and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _chunks(response: requests.Response, until: float, limit: float) -> Iterator[bytes]:
    """Yield the body in parts, no longer than the time and no more than the size that are allowed."""
    size = 0
    for chunk in response.iter_content(_CHUNK):
        size += len(chunk)
        if size > _MAX_BODY:
            message = f"the answer is larger than {_MAX_BODY // 2**20} MiB"
            raise SourceError(message)
        if time.monotonic() > until:
            message = f"no whole answer within {duration(limit)}"
            raise SourceError(message)
        yield chunk


def _redirected(url: str, response: requests.Response) -> str:
    target = shown_url(requests.compat.urljoin(url, response.headers.get("Location", "")))
    return f"redirects to {target}, which is not followed so that credentials stay here: set `url` to the right address"


def _retry_after(reply: Reply) -> float | None:
    """Return the seconds of a Retry-After header; a date in it is left to the usual pause."""
    try:
        return max(0.0, float(reply.headers.get("Retry-After", "")))
    except ValueError:
        return None


def _cause(error: BaseException) -> str:
    """Return the innermost reason of a chain of wrapped exceptions, in the system's words."""
    seen: list[BaseException] = []
    queue: list[object] = [error]
    while queue:
        one = queue.pop(0)
        if isinstance(one, BaseException) and one not in seen:
            seen.append(one)
            queue += [getattr(one, "reason", None), *one.args, one.__cause__, one.__context__]
    for one in reversed(seen):
        if isinstance(one, socket.gaierror):
            return f"the host's name cannot be resolved ({one.strerror})"
        if isinstance(one, ssl.SSLCertVerificationError):
            return one.verify_message or str(one)
        if isinstance(one, OSError) and one.strerror:
            return one.strerror[0].lower() + one.strerror[1:]
    return " ".join(str(seen[-1] if seen else error).split())[:_TOLD] or type(error).__name__


def _secrets(settings: HttpSettings) -> list[str]:
    """Return every credential in each form in which a server could send it back, the longest first."""
    found = {settings.authorization, settings.authorization.partition(" ")[2]}
    if settings.basic_auth is not None:
        user, password = settings.basic_auth
        found |= {password, unquote(password), base64.b64encode(f"{user}:{password}".encode()).decode()}
    if settings.proxy_url and (login := urlsplit(settings.proxy_url).password):
        found |= {login, unquote(login)}
    found |= set(settings.secret_headers)
    return sorted((one for one in found if len(one) >= 4), key=len, reverse=True)


def _hint(reply: Reply) -> str:
    """Return what a refusal without Prometheus' own error says, and what to do about the common ones."""
    text = reply.content[:_TOLD].decode("utf-8", "replace")
    words = "" if text.lstrip().startswith("<") else _told(text)
    return "; ".join(part for part in (_HINTS.get(reply.status_code, ""), words) if part) or "no reason given"


def _told(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TOLD else f"{line[:_TOLD]}..."
