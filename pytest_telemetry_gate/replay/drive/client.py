"""One HTTP request of a drive or of CI logs, through the session that all sources use."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.replay.captured import DriveResult
from pytest_telemetry_gate.replay.drive.context import DriveContext, read_file, resolve
from pytest_telemetry_gate.replay.suite.drives import TlsSettings
from pytest_telemetry_gate.sources.http.addresses import shown_url

if TYPE_CHECKING:
    from pytest_telemetry_gate.sources.http.session import HttpSession, Reply

__all__ = [
    "UNVERIFIED",
    "Certificates",
    "NotConnectedError",
    "ask",
    "find_certificates",
    "open_session",
    "use_certificates",
]

UNVERIFIED = "the certificate of the server was not verified (insecure_skip_verify)"


class NotConnectedError(DriveError):
    """The connection was refused, reset or broke off: another attempt may succeed."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files of certificates, each empty where there is none; ``insecure`` takes any certificate."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    insecure: bool = False


def use_certificates(settings: TlsSettings, context: DriveContext, result: DriveResult) -> Certificates:
    """Return the certificates of a drive; a warning says where none is verified. Raises DriveError for a missing file."""
    certificates = find_certificates(settings, context.folder, context.expand)
    if certificates.insecure:
        result.warnings.append(UNVERIFIED)
    return certificates


def find_certificates(
    settings: TlsSettings, folder: Path, expand: Callable[[str], str] = resolve
) -> Certificates:
    """Return the certificates that settings name, paths counting from a folder; raises DriveError for a missing file."""
    files = {}
    for key in ("ca_file", "cert_file", "key_file"):
        name = getattr(settings, key)
        files[key] = "" if name is None else str(folder / expand(name))
        if files[key]:
            read_file(folder / files[key])
    return Certificates(
        **files, server_name=expand(settings.server_name), insecure=settings.insecure_skip_verify
    )


def open_session(
    url: str,
    headers: Mapping[str, str],
    certificates: Certificates | None = None,
    *,
    connections: int = 1,
) -> HttpSession:
    """Return a session for an address; raises DriveError where its certificates cannot be used.

    Proxies are those of the environment, and so are authorities where ``certificates`` name none.
    """
    from pytest_telemetry_gate.sources.http.session import HttpSession
    from pytest_telemetry_gate.sources.http.settings import HttpSettings

    used = certificates or Certificates()
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or ""
    settings = HttpSettings(
        url,
        headers=headers,
        proxy_from_environment=True,
        ca_file=used.ca_file or bundle,
        cert_file=used.cert_file,
        key_file=used.key_file,
        server_name=used.server_name,
        insecure=used.insecure,
    )
    try:
        return HttpSession(settings, connections=connections)
    except OSError as error:
        message = f"its certificates cannot be used: {error.strerror or error}"
        raise DriveError(message) from None


def ask(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    timeout: float,
    keep: int,
    certificates: Certificates | None = None,
) -> Reply:
    """Send a request and read ``keep`` bytes of its answer, all within ``timeout`` seconds; raises DriveError.

    A redirect is a reply like any other: credentials stay with the server that they were sent to.
    """
    from pytest_telemetry_gate.sources.http.session import ConnectionFailedError, HttpError, UnsentError

    kind: type[DriveError] = DriveError
    session = open_session(url, headers, certificates)
    try:
        return session.send(method, url, data=body, timeout=timeout, keep=keep)
    except UnsentError as error:
        # Not the library's own message, which may hold parts of a secret.
        message = f"cannot be sent or read: {error.kind}"
    except ConnectionFailedError as error:
        kind, message = NotConnectedError, str(error)
    except HttpError as error:
        message = str(error)
    finally:
        session.close()
    raise kind(f"{method} {shown_url(url)}: {message}")
