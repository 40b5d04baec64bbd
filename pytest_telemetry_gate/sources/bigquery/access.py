"""Who asks BigQuery: access tokens by google-auth, fetched when they are needed and known to the scrubber.

https://cloud.google.com/docs/authentication/application-default-credentials: where credentials are looked for without a file.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.model.environment import Deadline
from pytest_telemetry_gate.sources.bigquery.settings import BigQuerySettings
from pytest_telemetry_gate.sources.http.causes import cut
from pytest_telemetry_gate.sources.http.session import HttpError, HttpSession
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.own_keys import load_extra
from pytest_telemetry_gate.support.secrets import Secrets

__all__ = ["Access"]

_SCOPES = ("https://www.googleapis.com/auth/bigquery",)  # jobs need it, also those that only read


class Access:
    """Gives the token of one account to all threads."""

    def __init__(self, settings: BigQuerySettings, secrets: Secrets) -> None:
        self._settings = settings
        self._secrets = secrets
        self._lock = threading.Lock()
        self._credentials: Any = None

    def authorized(self, deadline: Deadline) -> HttpSettings:
        """Return how BigQuery is reached with a token that holds; raises SourceError where none is to be had in time."""
        http = self._settings.http
        if self._settings.is_anonymous:
            return http
        auth = load_extra("google.auth", "bigquery")
        errors = load_extra("google.auth.exceptions", "bigquery")
        exchange = _Exchange(http, deadline)
        with self._lock:
            try:
                if self._credentials is None:
                    self._credentials = self._load(auth, exchange)
                if not self._credentials.valid:
                    self._credentials.refresh(exchange)
            except errors.GoogleAuthError as error:
                kind = UnreachableError if isinstance(error, errors.TransportError) else SourceError
                said = cut(self._secrets.scrub(str(error.args[0] if error.args else error)))
                message = f"no access token: {said}"
                raise kind(message) from None
            token = str(self._credentials.token)
        self._secrets.keep(token)
        return replace(http, authorization=f"Bearer {token}")

    def _load(self, auth: Any, exchange: _Exchange) -> Any:
        if self._settings.credentials is None:
            return auth.default(scopes=_SCOPES, request=exchange)[0]
        with warnings.catch_warnings():
            # That files of strangers must not be loaded like this: whoever runs the gate names this one.
            warnings.simplefilter("ignore")
            return auth.load_credentials_from_dict(
                dict(self._settings.credentials), scopes=_SCOPES, request=exchange
            )[0]


class _Exchange:
    """What google-auth sends its requests with (``google.auth.transport.Request``): the house's HTTP, with its limits."""

    def __init__(self, http: HttpSettings, deadline: Deadline) -> None:
        self._http = replace(http, authorization="", basic_auth=None, params={})
        self._deadline = deadline

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Any:
        seconds = more.get("timeout")
        remaining = max(0.01, self._deadline.remaining())
        limit = remaining if seconds is None else min(float(seconds), remaining)
        session = HttpSession(replace(self._http, headers=dict(headers or {})))
        try:
            reply = session.send(method, url, timeout=limit, data=body)
        except HttpError as error:
            raise load_extra("google.auth.exceptions", "bigquery").TransportError(f"{url}: {error}") from None
        finally:
            session.close()
        return SimpleNamespace(status=reply.status_code, headers=reply.headers, data=reply.content)
