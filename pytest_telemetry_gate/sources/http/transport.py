"""HTTP as a gate needs it: bounded in time and size, honest about failures, and its credentials stay where they belong.

prometheus-api-client sends the queries; the session given to it replaces what is unsafe there: requests without a
time limit, silent retries that lose the server's own words, queries in the URL, and headers that follow redirects.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import HTTPBasicAuth
from urllib3 import Timeout

from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.model.environment import Deadline
from pytest_telemetry_gate.sources.http.connections import Adapter
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.support.durations import format_short_duration
from pytest_telemetry_gate.support.secrets import Secrets

__all__ = ["Reply", "Transport", "shown_url"]

_ATTEMPTS = 3
_BACKOFF = 0.2  # seconds before the second attempt, doubled for each further one
_LONGEST_PAUSE = 30.0  # seconds that a Retry-After is obeyed
_AGAIN = frozenset({429, 500, 502, 503, 504})
_MAX_BODY = 256 * 2**20  # bytes; a range of 11,000 points for 700 series takes about 200 MB
_CHUNK = 2**16
_TOLD = 300  # characters of a server's own words
_READ = 2**14  # bytes of a page that are looked at for them
_HINTS = {
    401: "unauthorized: see basic_auth and authorization",
    403: "forbidden: the credentials do not allow it",
    404: "not found: is url the address that the API is below?",
}
_TLS_HINTS = {
    "EOF": "closed while it was agreed upon: does the server want cert_file and key_file?",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server wants cert_file and key_file",
    "TLSV1_ALERT_UNKNOWN_CA": "the server does not know the authority of cert_file",
    "WRONG_VERSION_NUMBER": "the server does not speak it: is the address http://?",
    "NO_CERTIFICATE_OR_CRL_FOUND": "no certificate in ca_file",
    "KEY_VALUES_MISMATCH": "key_file is not the key of cert_file",
}


@dataclass(frozen=True)
class Reply:
    """An answer of a server, read whole; what prometheus-api-client needs of a response."""

    status_code: int
    content: bytes
    headers: Mapping[str, str]
    url: str

    @property
    def ok(self) -> bool:
        """Whether the server calls it a success."""
        return 200 <= self.status_code < 300

    @cached_property
    def decoded(self) -> Any:
        """What the body says, decoded once, or None where it is no JSON."""
        kind = self.headers.get("Content-Type", "json")
        try:
            content = json.loads(self.content) if "json" in kind.lower() else None
        except (ValueError, RecursionError):
            return None
        # Half a surrogate pair is valid JSON and no text that could be written anywhere.
        halves = b"\\ud" in self.content or b"\\uD" in self.content
        return (
            json.loads(json.dumps(content, ensure_ascii=False).encode(errors="replace"))
            if halves
            else content
        )

    def json(self) -> Any:
        """Return the decoded body; None where it is no JSON."""
        return self.decoded


class Transport(requests.Session):
    """A session for one server that answers within its limits or raises SourceError, one line without credentials.

    ``deadline`` bounds all requests of the gate together; connections that fail, 429 and 5xx are tried again a
    bounded number of times. Safe to use from several threads; ``last`` is the calling thread's newest reply.
    """

    def __init__(
        self, settings: HttpSettings, deadline: Deadline, secrets: Secrets, *, connections: int = 16
    ) -> None:
        # requests mounts adapters while it is set up, and prometheus-api-client mounts one that retries on its own.
        self._adapter = Adapter(settings, connections)
        super().__init__()
        self.trust_env = False  # it would also mean ~/.netrc, whose logins go before those of telemetry.yaml
        self._settings = settings
        self._deadline = deadline
        self._local = threading.local()
        self._secrets = secrets
        self.headers.update(settings.headers)
        if settings.authorization:
            self.headers["Authorization"] = settings.authorization
        if settings.basic_auth is not None:
            user, password = settings.basic_auth
            self.auth = HTTPBasicAuth(user.encode(), password.encode())
        if settings.proxy_from_environment:
            self.proxies = dict(requests.utils.get_environ_proxies(settings.url))
        if settings.proxy_url:
            self.proxies = {"http": settings.proxy_url, "https": settings.proxy_url}
        self.verify = False if settings.insecure else (settings.ca_file or True)
        if settings.cert_file:
            self.cert = (settings.cert_file, settings.key_file) if settings.key_file else settings.cert_file

    def take(self) -> Reply:
        """Return the reply that the calling thread has got since it last took one; raises SourceError for none."""
        reply: Reply | None = self._local.__dict__.pop("reply", None)
        if reply is None:
            message = f"{self._settings.url}: was not asked"
            raise SourceError(message)
        return reply

    def mount(self, prefix: str | bytes, adapter: object) -> None:
        """Mount the session's own adapter, whatever adapter is given."""
        super().mount(prefix, self._adapter)

    def scrub(self, text: str) -> str:
        """Return a text without any credential."""
        return self._secrets.scrub(text)

    def request(self, method: str, url: str, **options: Any) -> Reply:  # type: ignore[override]
        """Send a request, its parameters in the body of a POST, and return the reply read whole.

        Raises SourceError where no usable reply comes: the line names the address and the cause.
        """
        self._local.__dict__.pop("reply", None)
        fields = {**self._settings.params, **(options.get("params") or {})}
        place = {"data": fields} if method == "POST" else {"params": fields}
        try:
            reply = self._local.reply = self._tried(method, url, place)
        except SourceError as error:
            raise type(error)(self.scrub(f"{shown_url(url)}: {error}")) from None
        return reply

    def json(self, url: str, fields: Mapping[str, str] | None = None) -> Any:
        """Return the decoded answer to a GET; raises SourceError where it is a refusal or no JSON."""
        return self.decoded(self.request("GET", url, params=fields))

    def decoded(self, reply: Reply) -> Any:
        """Return what a reply says; raises SourceError with the server's own words where it is a refusal.

        The errors of Prometheus' API are answers of their own form, and are told by their type and text.
        """
        content, where = reply.decoded, shown_url(reply.url)
        refused = isinstance(content, dict) and content.get("status") == "error"
        if not refused and reply.ok and content is not None:
            return content
        if refused:
            words = self._told(f"{content.get('errorType', 'error')}: {content.get('error', '')}")
            told = f"HTTP {reply.status_code}: {words}"
        elif not reply.ok:
            told = f"HTTP {reply.status_code}: {self._hint(reply)}"
        else:
            told = f"answered {_instead_of_json(reply)}"
        # 503 is also what Prometheus itself says of one query that took too long; whoever stands before it means all.
        busy = reply.status_code in _AGAIN and (not refused or reply.status_code == 429)
        raise (UnreachableError if busy else SourceError)(self.scrub(f"{where}: {told}"))

    def _hint(self, reply: Reply) -> str:
        """Return what a refusal without Prometheus' own error says, and what to do about the common ones."""
        text = reply.content[:_READ].decode("utf-8", "replace")
        words = "" if text.lstrip().startswith("<") else self._told(text)
        wait = _retry_after(reply) if reply.status_code in _AGAIN else None
        again = "" if wait is None else f"to be asked again in {format_short_duration(wait)}"
        hints = (_HINTS.get(reply.status_code, ""), words, again)
        return "; ".join(part for part in hints if part) or "no reason given"

    def _told(self, text: str) -> str:
        """Return the beginning of a server's words; cut only when nothing secret could be cut in two."""
        return _cut(self.scrub(text))

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
            message = f"not asked: the gate's deadline of {format_short_duration(self._deadline.seconds)} has passed"
            raise UnreachableError(message)
        limit = min(self._settings.timeout, left, threading.TIMEOUT_MAX / 2)
        try:
            response = super().request(
                method,
                url,
                **place,
                timeout=Timeout(total=limit),  # type: ignore[arg-type] # which requests hands on as it is
                stream=True,
                allow_redirects=False,
            )
            with response:
                if response.is_redirect or response.is_permanent_redirect:
                    raise SourceError(_redirected(url, response))
                body = b"".join(_chunks(response))
        except requests.exceptions.ReadTimeout:
            message = f"no answer within {format_short_duration(limit)}"
            raise UnreachableError(message) from None
        except requests.exceptions.SSLError as error:
            message = f"TLS: {_cause(error)}"
            raise UnreachableError(message) from None
        except requests.exceptions.ChunkedEncodingError:
            message = "the answer broke off"
            raise _TryAgainError(message) from None
        except requests.exceptions.ConnectTimeout:
            message = f"no connection within {format_short_duration(limit)}"
            raise UnreachableError(message) from None
        except requests.exceptions.ConnectionError as error:
            cause = _cause(error)
            # While the body is read, urllib3's time-out arrives as a broken connection.
            if "timed out" in cause:
                message = f"no answer within {format_short_duration(limit)}"
                raise UnreachableError(message) from None
            raise _TryAgainError(cause) from None
        except requests.exceptions.ContentDecodingError as error:
            message = f"the answer cannot be decoded: {_cause(error)}"
            raise SourceError(message) from None
        except (requests.exceptions.RequestException, OSError, ValueError) as error:
            raise SourceError(_cause(error)) from None
        return Reply(response.status_code, body, response.headers, url)


class _TryAgainError(Exception):
    """A failure that may be over a moment later."""


def shown_url(url: str) -> str:
    """Return an address for people: without user name, password, query and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """Yield the body in parts, no more than the size that is allowed."""
    size = 0
    for chunk in response.iter_content(_CHUNK):
        size += len(chunk)
        if size > _MAX_BODY:
            message = f"the answer is larger than {_MAX_BODY // 2**20} MiB"
            raise SourceError(message)
        yield chunk


def _redirected(url: str, response: requests.Response) -> str:
    target = shown_url(requests.compat.urljoin(url, response.headers.get("Location", "")))
    return f"redirects to {target}, which is not followed so that credentials stay here: set `url` to the right address"


def _retry_after(reply: Reply) -> float | None:
    """Return the seconds that a Retry-After header asks for, as a number or as a date (RFC 9110, 10.2.3)."""
    told = reply.headers.get("Retry-After", "")
    try:
        return max(0.0, float(told))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(told).timestamp() - time.time())
    except (ValueError, OverflowError):
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
        if isinstance(one, http.client.BadStatusLine) and not isinstance(one, http.client.RemoteDisconnected):
            return f"answered what is no HTTP: {_cut(str(one))}"
        if isinstance(one, ssl.SSLCertVerificationError):
            return one.verify_message or str(one)
        if isinstance(one, ssl.SSLEOFError):
            return _TLS_HINTS["EOF"]
        if isinstance(one, ssl.SSLError) and one.reason:
            return _TLS_HINTS.get(one.reason, one.reason.replace("_", " ").lower())
        if isinstance(one, OSError) and one.strerror:
            return one.strerror[0].lower() + one.strerror[1:]
    return " ".join(str(seen[-1] if seen else error).split())[:_TOLD] or type(error).__name__


def _instead_of_json(reply: Reply) -> str:
    kind = reply.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not reply.content:
        return "nothing"
    if not kind or "json" in kind:
        return "what is no JSON"
    return f"{kind} instead of JSON{': a login page?' if kind == 'text/html' else ''}"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TOLD else f"{line[:_TOLD]}..."
