"""Questions to one server of a region: retries, the gate's deadline, and refusals in the server's own words."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.model.environment import Deadline
from pytest_telemetry_gate.sources.http.addresses import shown_url
from pytest_telemetry_gate.sources.http.attempts import RETRY_STATUS, Attempts
from pytest_telemetry_gate.sources.http.auth.opening import open_credentials
from pytest_telemetry_gate.sources.http.causes import cut
from pytest_telemetry_gate.sources.http.hints import explain_page, explain_redirect, explain_refusal
from pytest_telemetry_gate.sources.http.session import HttpSession, Reply
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.support.durations import format_short_duration
from pytest_telemetry_gate.support.log_records import mask_logs
from pytest_telemetry_gate.support.secrets import Secrets

__all__ = ["TooLongError", "Transport"]

_MAX_WORDS = 2**16  # bytes of a page that are searched for the server's words
# Said by what stands before a server and lets people read only; 404 by routers that know ways by method.
_POST_REFUSED = frozenset({403, 404, 405, 501})
_TOO_LONG = frozenset({413, 414, 431})
_LONGEST_ADDRESS = 8_000  # characters that any server takes: RFC 9110, 4.1


class TooLongError(SourceError):
    """A query is longer than the server takes."""


class Transport:
    """Asks one server within its limits, or raises SourceError: one line without credentials.

    ``deadline`` bounds all requests of the gate together. Failed connections, 429 and 5xx are tried again, at most
    twice. ``only_get`` says that queries go by GET, because the server refuses POST. Safe to use from several threads.
    """

    def __init__(
        self, settings: HttpSettings, deadline: Deadline, secrets: Secrets, *, connections: int = 16
    ) -> None:
        self._settings = settings
        credentials = open_credentials(settings, deadline, secrets)
        session = HttpSession(settings, connections=connections, credentials=credentials)
        self._attempts = Attempts(session, settings.timeout, deadline)
        self._secrets = secrets
        self.only_get = False
        mask_logs(secrets)

    def scrub(self, text: str) -> str:
        """Return a text without any credential."""
        return self._secrets.scrub(text)

    @property
    def clock_ahead(self) -> float:
        """Seconds by which this machine's clock is ahead of the server's, 0 where it is not."""
        return self._attempts.clock.ahead

    def query(self, url: str, fields: Mapping[str, str]) -> Reply:
        """Send a question by POST, which may be long, or by GET where the server refuses POST.

        Raises TooLongError where the question is longer than the server takes, else SourceError as ``request()``.
        """
        if not self.only_get:
            reply = self.request("POST", url, fields)
            if reply.status_code not in _POST_REFUSED:
                self._check_length(reply, "")
                return reply
        length = self._address_length(url, fields)
        detail = f", as its address has {length} characters and the server takes no POST"
        try:
            reply = self.request("GET", url, fields)
        except UnreachableError as error:
            if length <= _LONGEST_ADDRESS:
                raise
            # What stands before the server hangs up instead of saying that it is too long; others may still be asked.
            message = f"{error}: the query is perhaps too long{detail}"
            raise TooLongError(message) from None
        odd = length > _LONGEST_ADDRESS and reply.status_code == 400 and reply.decoded is None
        self._check_length(reply, detail, odd=odd)
        self.only_get = self.only_get or reply.status_code not in _POST_REFUSED
        return reply

    def fits(self, url: str, fields: Mapping[str, str]) -> bool:
        """Tell whether any server takes a question of this length in the way in which this one is asked."""
        return not self.only_get or self._address_length(url, fields) <= _LONGEST_ADDRESS

    def request(
        self, method: str, url: str, params: Mapping[str, str] | None = None, *, body: bytes | None = None
    ) -> Reply:
        """Send a request and return the reply read whole; a POST has its parameters in the body, unless it has another ``body``.

        Raises SourceError where no usable reply comes: the line names the address and the cause.
        """
        fields = {**self._settings.params, **(params or {})}
        if self._settings.query:
            # In the address of a POST too: what stands before the server may look at nothing else.
            url = f"{url}?{self._settings.query}"
        place: Mapping[str, Any] = {"params": fields}
        if body is not None:
            place = {"params": fields, "data": body}
        elif method == "POST":
            place = {"data": fields}
        try:
            reply = self._attempts.send(method, url, **place)
        except SourceError as error:
            raise type(error)(self.scrub(f"{shown_url(url)}: {error}")) from None
        if reply.redirect:
            target = shown_url(reply.redirect)
            message = f"redirects to {target}{explain_redirect(reply.redirect)}, which is not followed so that credentials stay here: set `url` to the right address"
            raise SourceError(self.scrub(f"{shown_url(url)}: {message}"))
        return reply

    def json(self, url: str, fields: Mapping[str, str] | None = None) -> Any:
        """Return the decoded answer to a GET; raises SourceError where it is a refusal or not JSON."""
        return self.decoded(self.request("GET", url, fields))

    def decoded(self, reply: Reply) -> Any:
        """Return a reply's JSON; raises SourceError with the server's own words where it is a refusal.

        Errors of Prometheus' API have a form of their own: their type and text are shown.
        """
        content = reply.decoded
        refused = isinstance(content, dict) and content.get("status") == "error"
        if not refused and reply.ok and content is not None:
            return content
        if refused:
            words = self._excerpt(f"{content.get('errorType', 'error')}: {content.get('error', '')}")
            message = f"HTTP {reply.status_code}: {words}"
        elif not reply.ok:
            message = f"HTTP {reply.status_code}: {self._hint(reply)}"
        else:
            message = self._instead_of_json(reply)
        # Prometheus says 503 of one query that took too long; a proxy before it says 503 of all of them.
        busy = reply.status_code in RETRY_STATUS and (not refused or reply.status_code == 429)
        error = UnreachableError if busy else SourceError
        raise error(self.scrub(f"{shown_url(reply.url)}: {message}"))

    def _address_length(self, url: str, fields: Mapping[str, str]) -> int:
        return len(f"{url}?{self._settings.query}&") + len(urlencode({**self._settings.params, **fields}))

    def _check_length(self, reply: Reply, detail: str, *, odd: bool = False) -> None:
        if reply.status_code in _TOO_LONG or odd:
            message = f"{shown_url(reply.url)}: HTTP {reply.status_code}: the query is too long{detail}"
            raise TooLongError(self.scrub(message))

    def _hint(self, reply: Reply) -> str:
        """Return what a refusal without Prometheus' own error says, with a remedy for the common ones."""
        text = self._page(reply)
        words = "" if text.lstrip().startswith("<") else self._excerpt(_complaints(reply.decoded) or text)
        wait = reply.retry_after if reply.status_code in RETRY_STATUS else None
        retry_hint = "" if wait is None else f"retry after {format_short_duration(wait)}"
        hints = (explain_refusal(reply, text, self._settings), words, retry_hint)
        return "; ".join(part for part in hints if part) or "no reason given"

    def _instead_of_json(self, reply: Reply) -> str:
        """Return the message for a success whose body is not JSON."""
        kind = reply.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if not reply.content:
            return "response is empty"
        page = explain_page(reply, self._page(reply), self._settings)
        if not page and (not kind or "json" in kind):
            return "response is not JSON"
        page = page or ("a login page?" if kind == "text/html" else "")
        return f"response is {kind or 'a page'}, not JSON{f': {page}' if page else ''}"

    def _page(self, reply: Reply) -> str:
        """Return the beginning of a page or text as people would read it, scrubbed whatever way it was written."""
        return self.scrub(html.unescape(reply.content[:_MAX_WORDS].decode("utf-8", "replace")))

    def _excerpt(self, text: str) -> str:
        """Return the beginning of a server's words; scrubbed before it is cut, so that no secret is cut in two."""
        return cut(self.scrub(text))


def _complaints(content: Any) -> str:
    """Return the texts of the ``errors`` of a refusal, as many JSON APIs list them; nothing where it has another form."""
    errors = content.get("errors") if isinstance(content, dict) else None
    listed = [errors] if isinstance(errors, str) else errors if isinstance(errors, list) else []
    return "; ".join(text for text in listed if isinstance(text, str))
