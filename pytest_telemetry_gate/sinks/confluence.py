"""Confluence: a page whose content is replaced by the report, as a new version of it.

https://developer.atlassian.com/server/confluence/confluence-rest-api-examples/ has the requests.
"""

from __future__ import annotations

from typing import Any

from pytest_telemetry_gate.errors import SinkError
from pytest_telemetry_gate.model.environment import RegionSettings
from pytest_telemetry_gate.sinks.outgoing import Outgoing
from pytest_telemetry_gate.sinks.server import Server, read_http
from pytest_telemetry_gate.sinks.storage_format import write_page
from pytest_telemetry_gate.support.text import clip, one_line

__all__ = ["Confluence"]

_OWN = ("page", "token", "user", "title")
_CONFLICT = 409
_TITLE = 255  # characters, Confluence's limit


class Confluence:
    """Replaces a page; raises SourceError for settings that cannot be used."""

    def __init__(self, settings: RegionSettings) -> None:
        options = settings.options
        token, user = str(options["token"]), str(options.get("user") or "")
        login = (
            {"basic_auth": {"username": user, "password": token}}
            if user
            else {"authorization": {"credentials": token}}
        )
        self._http = read_http(settings, _OWN, **login)
        self._page = str(options["page"])
        self._title = str(options.get("title") or "")

    def deliver(self, outgoing: Outgoing) -> None:
        """Replace the page; where somebody else was faster, once more. Raises SinkError."""
        server = Server(self._http)
        path = f"/rest/api/content/{self._page}"
        content = write_page(outgoing)
        for last in (False, True):
            page = _read_page(server, path)
            reply = server.send("PUT", path, self._update(page, content, outgoing))
            if reply.status_code != _CONFLICT or last:
                server.require_success(reply)
                return

    def _update(self, page: dict[str, Any], content: str, outgoing: Outgoing) -> dict[str, Any]:
        gate = outgoing.report.content.gate
        digest = outgoing.report.digest.removeprefix("sha256:")[:12]
        title = outgoing.fill(self._title) if self._title else page["title"]
        return {
            "id": self._page,
            "type": page["type"],
            "title": clip(one_line(title), _TITLE, "…"),
            "version": {
                "number": page["version"]["number"] + 1,
                "message": f"telemetry gate: {gate.outcome}, SHA-256 {digest}",
            },
            "body": {"storage": {"value": content, "representation": "storage"}},
        }


def _read_page(server: Server, path: str) -> dict[str, Any]:
    """Return the page as it is now, of which the number of the version is needed."""
    found = server.require_success(server.send("GET", path)).decoded
    version = found.get("version") if isinstance(found, dict) else None
    number = version.get("number") if isinstance(version, dict) else None
    if not isinstance(number, int):
        raise SinkError(
            f"{server.host}: answers with no page: is `url` that of Confluence, with /wiki in the cloud?"
        )
    return {
        "title": str(found.get("title", "")),
        "type": str(found.get("type", "page")),
        "version": {"number": number},
    }
