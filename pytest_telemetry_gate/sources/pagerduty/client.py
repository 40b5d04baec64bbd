"""PagerDuty's own client with the house's HTTP below it: one limit of time and size, no redirects, no secret in a message."""

from __future__ import annotations

import httpx2
import pagerduty

from pytest_telemetry_gate.sources.http.limits import refuse_limited
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.http.transport import Transport

__all__ = ["connect"]


def connect(http: HttpSettings, transport: Transport) -> pagerduty.RestApiV2Client:
    """Return a client whose requests raise SourceError where no usable answer comes, RateLimitedError after 429."""
    return pagerduty.RestApiV2Client(
        http.authorization,
        auth_type="header_passthru",
        base_url=http.url,
        transport=_HouseTransport(transport),
        trust_env=False,
    )


class _HouseTransport(httpx2.BaseTransport):
    """Sends requests as the settings say, credentials and retries included; the client's own never come to it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        reply = self._transport.request(request.method, str(request.url))
        refuse_limited(reply)
        headers = {name: reply.headers[name] for name in ("Content-Type", "Date") if name in reply.headers}
        return httpx2.Response(reply.status_code, headers=headers, stream=httpx2.ByteStream(reply.content))
