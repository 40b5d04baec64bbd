"""Credentials that change, made ready for use: one for all who ask the same server in a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from pytest_telemetry_gate.sources.http.auth.access_tokens import AccessTokens
from pytest_telemetry_gate.sources.http.auth.keys import Auth, AzureAD, Google, OAuth2, SigV4

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import Deadline
    from pytest_telemetry_gate.sources.http.credentials import Credentials
    from pytest_telemetry_gate.sources.http.settings import HttpSettings
    from pytest_telemetry_gate.support.secrets import Secrets

__all__ = ["open_credentials"]


def open_credentials(settings: HttpSettings, deadline: Deadline, secrets: Secrets) -> Credentials | None:
    """Return the credentials of the settings, None where they have none that change; nothing is asked yet."""
    return _open(_Opening(settings.auth, deadline, secrets, settings)) if settings.auth is not None else None


@dataclass(frozen=True, slots=True)
class _Opening:
    """What credentials are made of; equal where they may be shared: in one run, which ``deadline`` and ``secrets`` are of."""

    auth: Auth
    deadline: Deadline
    secrets: Secrets
    settings: HttpSettings = field(compare=False)


@lru_cache(maxsize=64)
def _open(opening: _Opening) -> Credentials:
    settings, deadline, secrets = opening.settings, opening.deadline, opening.secrets
    match opening.auth, settings.token_server:
        case SigV4() as auth, _:
            from pytest_telemetry_gate.sources.http.auth.sigv4 import Signer

            return Signer(auth, settings.timeout, secrets)
        case OAuth2() as auth, server if server is not None:
            from pytest_telemetry_gate.sources.http.auth.oauth2 import TokenServer

            return AccessTokens(TokenServer(auth, server, deadline, secrets).fetch, secrets)
        case Google() as auth, _:
            from pytest_telemetry_gate.sources.http.auth.google import fetch_google_token

            return AccessTokens(partial(fetch_google_token, auth, settings, secrets), secrets)
        case AzureAD() as auth, _:
            from pytest_telemetry_gate.sources.http.auth.azuread import fetch_azure_token

            return AccessTokens(partial(fetch_azure_token, auth, settings, secrets), secrets)
    raise AssertionError
