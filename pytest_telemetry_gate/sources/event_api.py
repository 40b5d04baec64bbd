"""An HTTP API that tells events: asked like any server, with its clock held against this machine's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.sources.event_clocks import MOST_SKEW, clock_ahead, say_skew
from pytest_telemetry_gate.sources.http.transport import Transport

__all__ = ["EventApi"]


class EventApi:
    """Asks one API within its limits; ``skew`` says that its clock differs from this machine's, as any answer tells, or nothing.

    ``where`` begins each error: the region.
    """

    def __init__(self, url: str, transport: Transport, where: str) -> None:
        self.url = url
        self.skew = ""
        self._transport = transport
        self._where = where

    def get(self, url: str, fields: Mapping[str, str] | None = None) -> Any:
        """Return the decoded answer to a GET; raises SourceError where it is a refusal or not JSON."""
        try:
            reply = self._transport.request("GET", url, fields)
            content = self._transport.decoded(reply)
        except SourceError as error:
            raise type(error)(f"{self._where}{error}") from None
        ahead = clock_ahead(reply.headers.get("Date"))
        if abs(ahead) > MOST_SKEW:
            self.skew = say_skew(self.url, ahead)
        return content

    def error(self, message: str) -> SourceError:
        """Return an error of this API."""
        return SourceError(f"{self._where}{self.url}: {message}")
