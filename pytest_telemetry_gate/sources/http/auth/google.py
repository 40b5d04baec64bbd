"""Tokens for Google Cloud, by google-auth: a key by its file, or the credentials of the machine.

https://google.aip.dev/auth/4110 says where those are looked for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.sources.http.addresses import shown_url
from pytest_telemetry_gate.sources.http.auth.access_tokens import AccessToken
from pytest_telemetry_gate.sources.http.causes import cut
from pytest_telemetry_gate.sources.http.session import HttpError, HttpSession
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.own_keys import load_extra
from pytest_telemetry_gate.support.configured import keep_body

if TYPE_CHECKING:
    from pytest_telemetry_gate.sources.http.auth.keys import Google
    from pytest_telemetry_gate.support.secrets import Secrets

__all__ = ["fetch_google_token"]


class _Answer(NamedTuple):
    """An answer as google-auth wants it."""

    status: int
    headers: Mapping[str, str]
    data: bytes


def fetch_google_token(auth: Google, settings: HttpSettings, secrets: Secrets) -> AccessToken:
    """Return a new token; raises SourceError in one line. ``settings`` say which proxy there is and how long it may take."""
    google = load_extra("google.auth", "google")
    from google.auth.exceptions import GoogleAuthError, TransportError

    scopes = list(auth.scopes)

    def ask(
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> _Answer:
        """Send a request of google-auth as everything else is sent: in time, bounded in size, without redirects."""
        keep_body(secrets, (body or b"").decode(errors="replace"))
        session = HttpSession(
            HttpSettings(
                url,
                headers=headers or {},
                proxy_url=settings.proxy_url,
                proxy_from_environment=settings.proxy_from_environment,
            )
        )
        try:
            reply = session.send(
                method, url, data=body, timeout=min(timeout or settings.timeout, settings.timeout)
            )
        except HttpError as error:
            message = f"{shown_url(url)}: {error}"
            raise TransportError(message) from None  # type: ignore[no-untyped-call]
        finally:
            session.close()
        return _Answer(reply.status_code, reply.headers, reply.content)

    try:
        if auth.credentials_file:
            credentials = _read_key(auth.credentials_file, scopes)
        else:
            credentials, _ = google.default(scopes=scopes, request=ask)
        credentials.refresh(ask)
    except GoogleAuthError as error:
        kind = UnreachableError if error.retryable or isinstance(error, TransportError) else SourceError
        said = cut(secrets.scrub(str(error.args[0] if error.args else error)))
        message = f"google: no token: {said}"
        raise kind(message) from None
    if not credentials.token:
        message = "google: no token: the credentials give none"
        raise SourceError(message)
    expiry = credentials.expiry
    return AccessToken(
        credentials.token,
        *([] if expiry is None else [expiry.replace(tzinfo=UTC).timestamp() - time.time()]),
    )


def _read_key(path: str, scopes: list[str]) -> Any:
    """Return the credentials that a file holds; raises SourceError where it holds none.

    google-auth has one function for files of all kinds, which it advises against.
    """
    user: Any = import_module("google.oauth2.credentials")
    service_account: Any = import_module("google.oauth2.service_account")
    try:
        key = json.loads(Path(path).read_text("utf-8"))
        kind = key["type"]
        if kind == "service_account":
            return service_account.Credentials.from_service_account_info(key, scopes=scopes)
        if kind == "authorized_user":
            return user.Credentials.from_authorized_user_info(key, scopes=scopes)
    except (OSError, ValueError, TypeError, KeyError) as error:
        # What a library says of a key may hold parts of it.
        reason = error.strerror if isinstance(error, OSError) else "it is no key of Google Cloud"
        message = f"google: credentials_file: {path}: {reason}"
        raise SourceError(message) from None
    message = (
        f"google: credentials_file: {path}: is of type {kind!r}, not service_account or authorized_user: "
        "name it in GOOGLE_APPLICATION_CREDENTIALS and leave credentials_file out"
    )
    raise SourceError(message)
