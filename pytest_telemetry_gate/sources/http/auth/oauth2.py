"""Tokens for client credentials: RFC 6749, 4.4, as Go's oauth2 asks for them, which is what Prometheus uses."""

from __future__ import annotations

import html
import math
from dataclasses import replace
from typing import Any
from urllib.parse import quote_plus

from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.model.environment import Deadline
from pytest_telemetry_gate.sources.http.addresses import shown_url
from pytest_telemetry_gate.sources.http.attempts import RETRY_STATUS, Attempts
from pytest_telemetry_gate.sources.http.auth.access_tokens import AccessToken
from pytest_telemetry_gate.sources.http.auth.keys import OAuth2
from pytest_telemetry_gate.sources.http.causes import cut
from pytest_telemetry_gate.sources.http.session import HttpSession, Reply
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.support.durations import format_short_duration
from pytest_telemetry_gate.support.secrets import Secrets

__all__ = ["TokenServer"]

_LONGEST_PAGE = 2_000  # bytes of a page that are searched for words
# Errors that the other way to say who asks may mend: RFC 6749, 5.2
_WHO = frozenset({"invalid_client", "invalid_request", "unauthorized_client", ""})


class TokenServer:
    """Asks one server for tokens. Every error names its address and what it says, without a secret."""

    def __init__(self, auth: OAuth2, server: HttpSettings, deadline: Deadline, secrets: Secrets) -> None:
        self._auth = auth
        self._secrets = secrets
        self._url = f"{server.url}?{server.query}" if server.query else server.url
        login = (quote_plus(auth.client_id), quote_plus(auth.client_secret))
        secrets.keep(login[1])
        self._by_header = Attempts(HttpSession(replace(server, basic_auth=login)), server.timeout, deadline)
        self._by_body = Attempts(HttpSession(server), server.timeout, deadline)
        self._takes_header = True

    def fetch(self) -> AccessToken:
        """Return a new token; raises SourceError where the server does not answer, refuses or answers something else."""
        refused = self._ask(by_header=self._takes_header)
        if not refused.ok and refused.status_code in {400, 401} and _error(refused) in _WHO:
            # Servers need not take the header, and some do not: RFC 6749, 2.3.1
            other = self._ask(by_header=not self._takes_header)
            if other.ok:
                self._takes_header = not self._takes_header
                return self._read(other)
        return self._read(refused)

    def _ask(self, *, by_header: bool) -> Reply:
        auth = self._auth
        fields = {"grant_type": "client_credentials", **dict(auth.endpoint_params)}
        if auth.scopes:
            fields["scope"] = " ".join(auth.scopes)
        if not by_header:
            fields |= {"client_id": auth.client_id, "client_secret": auth.client_secret}
        try:
            return (self._by_header if by_header else self._by_body).send("POST", self._url, data=fields)
        except SourceError as error:
            raise self._failure(str(error), type(error)) from None

    def _read(self, reply: Reply) -> AccessToken:
        content = reply.decoded if isinstance(reply.decoded, dict) else None
        if reply.redirect:
            raise self._failure(
                f"redirects to {shown_url(reply.redirect)}, which is not followed: set token_url to the right address"
            )
        if not reply.ok:
            busy = reply.status_code in RETRY_STATUS
            raise self._failure(
                f"HTTP {reply.status_code}: {self._words(reply)}", UnreachableError if busy else SourceError
            )
        if content is None:
            kind = reply.headers.get("Content-Type", "").partition(";")[0].strip()
            raise self._failure(
                f"response is {kind or 'a page'}, not JSON: is token_url right?"
                if reply.content
                else "response is empty"
            )
        token, kind = content.get("access_token"), content.get("token_type", "Bearer")
        if not isinstance(token, str) or not token:
            raise self._failure(
                f"response has no access_token{f': {self._words(reply)}' if _error(reply) else ''}"
            )
        self._secrets.keep(token)
        if str(kind).lower() != "bearer":
            raise self._failure(f"gives a token of type {self._excerpt(str(kind))}, not a bearer token")
        return AccessToken(token, _seconds(content.get("expires_in")))

    def _words(self, reply: Reply) -> str:
        """Return what a refusal says, and what to do about it."""
        if isinstance(reply.decoded, dict):
            said = ": ".join(
                str(reply.decoded[key]) for key in ("error", "error_description") if reply.decoded.get(key)
            )
        else:
            text = html.unescape(reply.content[:_LONGEST_PAGE].decode("utf-8", "replace"))
            said = "" if text.lstrip().startswith("<") else text
        wait = reply.retry_after if reply.status_code in RETRY_STATUS else None
        wrong = reply.status_code == 401 or _error(reply) == "invalid_client"
        hints = (
            self._excerpt(said),
            "" if wait is None else f"retry after {format_short_duration(wait)}",
            "are client_id and client_secret right?" if wrong else "",
        )
        return "; ".join(filter(None, hints)) or "no reason given"

    def _excerpt(self, text: str) -> str:
        """Return the beginning of a server's words; scrubbed before it is cut, so that no secret is cut in two."""
        return cut(self._secrets.scrub(text))

    def _failure(self, message: str, kind: type[SourceError] = SourceError) -> SourceError:
        return kind(self._secrets.scrub(f"oauth2: no token from {shown_url(self._url)}: {message}"))


def _error(reply: Reply) -> str:
    """Return the error of a refusal by its name in RFC 6749, 5.2; empty where it has another form."""
    return str(reply.decoded.get("error", "")) if isinstance(reply.decoded, dict) else ""


def _seconds(value: Any) -> float:
    """Return for how many seconds a token holds; some servers write the number as text, others leave it out."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return math.inf
    return seconds if seconds > 0 else math.inf
