"""One HTTP request of a drive or of CI logs, through the session that all sources use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.sources.http.addresses import shown_url

if TYPE_CHECKING:
    from pytest_telemetry_gate.sources.http.session import Reply

__all__ = ["ask"]


def ask(
    method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None, timeout: float, keep: int
) -> Reply:
    """Send a request and read ``keep`` bytes of its answer, all within ``timeout`` seconds; raises DriveError.

    A redirect is a reply like any other: credentials stay with the server that they were sent to. Proxies and
    certificates are those of the environment.
    """
    from pytest_telemetry_gate.sources.http.session import HttpError, HttpSession, UnsentError
    from pytest_telemetry_gate.sources.http.settings import HttpSettings

    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or ""
    settings = HttpSettings(url, headers=headers, proxy_from_environment=True, ca_file=bundle)
    session = HttpSession(settings)
    try:
        return session.send(method, url, data=body, timeout=timeout, keep=keep)
    except UnsentError as error:
        # Not the library's own message, which may hold parts of a secret.
        message = f"cannot be sent or read: {error.kind}"
    except HttpError as error:
        message = str(error)
    finally:
        session.close()
    raise DriveError(f"{method} {shown_url(url)}: {message}")
