"""One HTTP request that is over in time whatever the other side does, and of whose answer only so much is kept."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_telemetry_gate.errors import DriveError

__all__ = ["LOGIN", "HttpReply", "ask", "shown_url"]

LOGIN = re.compile(r"://([^/@\s]+)@")
_BLOCK = 65536


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back: ``content`` decompressed, at most as much as was asked for; ``following`` is the next page's address."""

    status: int
    content: bytes
    following: str


def shown_url(url: str) -> str:
    """Return an address for people: without its login and its query, whatever else is wrong with it."""
    return LOGIN.sub("://", url).partition("?")[0]


def ask(
    method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None, timeout: float, keep: int
) -> HttpReply:
    """Send a request and read its answer, ``keep`` bytes of it, all within ``timeout`` seconds; raises DriveError.

    Redirects are not followed, so that credentials stay where they were sent to. Proxies and certificates are those of the
    environment.
    """
    import requests

    from pytest_telemetry_gate.sources.http.connections import Adapter
    from pytest_telemetry_gate.sources.http.settings import HttpSettings

    try:
        with requests.Session() as session:
            session.trust_env = False  # it would also mean ~/.netrc, whose logins go before these headers
            session.proxies = dict(requests.utils.get_environ_proxies(url))
            session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
            for scheme in ("http://", "https://"):
                session.mount(scheme, Adapter(HttpSettings(url), 1))
            with session.request(
                method,
                url,
                headers=dict(headers),
                data=body,
                timeout=timeout,
                stream=True,
                allow_redirects=False,
            ) as response:
                content = bytearray()
                for part in response.iter_content(_BLOCK):
                    content += part
                    if len(content) >= keep:
                        break
                following = response.links.get("next", {}).get("url", "")
                return HttpReply(response.status_code, bytes(content[:keep]), following)
    except requests.Timeout:
        message = f"no answer within {timeout:g} s"
    except requests.ConnectionError as error:
        # While the body is read, a time-out arrives as a broken connection.
        late = "timed out" in str(error)
        message = f"no whole answer within {timeout:g} s" if late else f"cannot be reached: {_cause(error)}"
    except (requests.RequestException, ValueError) as error:
        # Not the library's own words, which may have parts of a secret that they have taken apart.
        message = f"cannot be sent or read: {type(error).__name__}"
    raise DriveError(f"{method} {shown_url(url)}: {message}")


def _cause(error: BaseException) -> str:
    """Find the words of the operating system in what HTTP libraries have wrapped around them."""
    match = re.search(r"\[Errno [^\]]*\] ([^'\")]+)", str(error))
    return match[1] if match else "no connection"
