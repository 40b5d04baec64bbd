"""What a rate limit refuses, told apart from other refusals: what was read before it may still be told, as incomplete."""

from __future__ import annotations

from pytest_telemetry_gate.errors import UnreachableError
from pytest_telemetry_gate.sources.http.session import Reply
from pytest_telemetry_gate.support.durations import format_short_duration

__all__ = ["RateLimitedError", "refuse_limited"]

_TOO_MANY = 429


class RateLimitedError(UnreachableError):
    """A server refuses because it is asked too much, longer than is waited for; the text says how long, if it is known."""


def refuse_limited(reply: Reply) -> None:
    """Raise RateLimitedError where a reply is status 429, after all that was waited for."""
    if reply.status_code == _TOO_MANY:
        wait = reply.retry_after
        message = "HTTP 429" if wait is None else f"HTTP 429, retry after {format_short_duration(wait)}"
        raise RateLimitedError(message)
