"""A token in the settings of a source becomes the ``Authorization`` of its requests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings
    from pytest_telemetry_gate.sources.http.settings import HttpSettings

__all__ = ["with_token"]


def with_token(settings: RegionSettings, http: HttpSettings, scheme: str = "Bearer ") -> HttpSettings:
    """Return how a server is reached with the ``token`` of the settings, if there is one, after ``scheme``.

    Raises SourceError at its line where it cannot be a header, or where there are other credentials as well.
    """
    token = settings.options.get("token")
    if token is None:
        return http
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token.strip():
        raise settings.error(("token",), "token: empty, or not one line of ASCII")
    if http.authorization or http.basic_auth or http.auth:
        raise settings.error(("token",), "at most one of token, authorization and basic_auth")
    return replace(http, authorization=f"{scheme}{token.strip()}", own_credentials=("token",))
