"""Access tokens: fetched when they are needed, used until shortly before they expire, and known to the scrubber."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import requests

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.sources.http.credentials import Sign
from pytest_telemetry_gate.support.secrets import Secrets

__all__ = ["AccessToken", "AccessTokens"]

_MARGIN = 10.0  # seconds before its end that a token is taken for expired: Go's oauth2, which Prometheus uses, does so


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token, and the seconds for which it holds from when it was given."""

    text: str = field(repr=False)
    seconds: float = math.inf


class AccessTokens:
    """Credentials that are a bearer token (RFC 6750), fetched once for all threads of the process.

    ``fetch`` raises SourceError; whoever waited for a fetch that failed is told the same and does not try again.
    """

    def __init__(self, fetch: Callable[[], AccessToken], secrets: Secrets) -> None:
        self._fetch = fetch
        self._secrets = secrets
        self._lock = threading.Lock()
        self._current: _Bearer | None = None
        self._failed: SourceError | None = None
        self._failed_at = -math.inf

    def ready(self) -> Sign:
        """Return the token that holds, fetched anew where there is none or it is about to expire."""
        came = time.monotonic()
        with self._lock:
            if self._failed is not None and self._failed_at >= came:
                raise type(self._failed)(str(self._failed))
            if self._current is None or time.monotonic() >= self._current.until:
                self._current = None
                try:
                    self._current = self._fetch_one()
                except SourceError as error:
                    self._failed, self._failed_at = error, time.monotonic()
                    raise
            return self._current

    def renew(self, refused: Sign) -> bool:
        """Forget a token that was refused, unless another thread has another one already; there can always be one."""
        with self._lock:
            if self._current is refused:
                self._current = None
        return True

    def _fetch_one(self) -> _Bearer:
        asked = time.monotonic()
        token = self._fetch()
        self._secrets.keep(token.text)
        if not token.text.strip() or not token.text.isascii() or not token.text.isprintable():
            message = "the access token is empty, or not one line of ASCII"
            raise SourceError(message)
        return _Bearer(token.text, asked + token.seconds - _MARGIN)


class _Bearer:
    """Puts a token on a request."""

    def __init__(self, text: str, until: float) -> None:
        self._header = f"Bearer {text}"
        self.until = until

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request
