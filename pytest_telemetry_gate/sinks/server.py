"""A server that is told something: one request within the time, refusals in its own words, nothing followed."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from pytest_telemetry_gate.errors import SinkError
from pytest_telemetry_gate.model.environment import RegionSettings
from pytest_telemetry_gate.sources.http.session import HttpError, HttpSession, Reply
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.support.durations import format_short_duration, parse_duration

__all__ = ["DEFAULT_TIMEOUT", "Server", "read_http", "read_timeout"]

DEFAULT_TIMEOUT = 10.0  # seconds: a session must not wait longer for somebody who is merely told of it
_KEPT = 4_000  # bytes of a refusal
_WORDS = 300  # characters of it that are shown


def read_timeout(settings: RegionSettings) -> float:
    """Return how long telling somebody may take, in seconds; the key was checked when the file was read."""
    value = settings.options.get("timeout")
    return DEFAULT_TIMEOUT if value is None else parse_duration(str(value))


def read_http(settings: RegionSettings, own: Collection[str], **options: Any) -> HttpSettings:
    """Return how a server is reached; ``own`` are keys that are not about that, ``options`` stand in their place.

    Raises SourceError at the line of a key that cannot be used.
    """
    about = {key: value for key, value in settings.options.items() if key not in own}
    http = HttpSettings.from_settings(replace(settings, options={**about, **options}))
    return replace(http, timeout=read_timeout(settings))


class Server:
    """Sends JSON to one server; all requests together have the time of the settings. Raises SinkError, in one line."""

    def __init__(self, http: HttpSettings) -> None:
        self._http = replace(http, headers={"Content-Type": "application/json", **http.headers})
        self._deadline = time.monotonic() + http.timeout
        self._query = f"?{http.query}" if http.query else ""

    def send(self, method: str, path: str = "", body: Any = None) -> Reply:
        """Send one request, with a body as JSON; ``path`` follows the address."""
        http = self._http
        session = HttpSession(http)
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        # In tenths, as it is said where nobody answers.
        left = math.ceil((self._deadline - time.monotonic()) * 10) / 10
        if left <= 0:
            message = f"no answer within {format_short_duration(http.timeout)}"
            raise SinkError(message)
        try:
            reply = session.send(
                method, f"{http.url}{path}{self._query}", timeout=left, params=_params(http.params), data=data
            )
        except HttpError as error:
            # That of the library may hold parts of the request.
            text = str(error).replace(http.url, self.host)
            message = f"{self.host}: {text}"
            raise SinkError(message) from None
        finally:
            session.close()
        if reply.redirect:
            to = urlsplit(reply.redirect).netloc.rpartition("@")[2]
            message = f"{self.host}: redirects to {to}, which is not followed so that credentials stay here"
            raise SinkError(message)
        return reply

    def require_success(self, reply: Reply) -> Reply:
        """Return a reply that is a success, else raise SinkError with the server's words."""
        if reply.ok:
            return reply
        said = " ".join(reply.content[:_KEPT].decode(errors="replace").split())[:_WORDS]
        message = f"{self.host}: refuses with {reply.status_code}{f': {said}' if said else ''}"
        raise SinkError(message)

    @property
    def host(self) -> str:
        """The server for people: of its address the path may be a credential."""
        return urlsplit(self._http.url).netloc


def _params(params: Mapping[str, str]) -> Mapping[str, str] | None:
    return params or None
