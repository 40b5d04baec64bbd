"""Slack's own client with the house's HTTP below it: one limit of time and size, no redirects, no secret in a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.sources.http.limits import RateLimitedError, refuse_limited
from pytest_telemetry_gate.sources.http.transport import Transport

__all__ = ["HouseClient"]


class HouseClient(WebClient):
    """Calls methods of the Web API through ``api_call``, which all methods of the client go through.

    Raises SourceError where no answer comes, RateLimitedError after 429, and the client's SlackApiError where Slack refuses.
    """

    def __init__(self, url: str, transport: Transport) -> None:
        super().__init__(base_url=url)
        self._transport = transport

    def api_call(
        self, api_method: str, *, params: Mapping[str, Any] | None = None, **more: Any
    ) -> SlackResponse:
        """Call a method and return its answer."""
        asked = {name: _parameter(value) for name, value in (params or {}).items() if value is not None}
        url = f"{self.base_url}{api_method}"
        reply = self._transport.request("POST", url, asked)
        refuse_limited(reply)
        data = self._transport.decoded(reply)
        if not isinstance(data, dict):
            message = f"{url}: the answer is none of Slack's Web API"
            raise SourceError(message)
        if data.get("error") == "ratelimited":
            message = "ratelimited"
            raise RateLimitedError(message)
        response = SlackResponse(
            client=self,
            http_verb="POST",
            api_url=url,
            req_args={},
            data=data,
            headers=dict(reply.headers),
            status_code=reply.status_code,
        )
        response.validate()  # type: ignore[no-untyped-call]
        return response


def _parameter(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
