"""Send OTLP/HTTP export requests as the specification says: again where it may help, and reading what was rejected.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.errors import CorpusError, DriveError
from pytest_telemetry_gate.replay.drive.client import NotConnectedError
from pytest_telemetry_gate.replay.otlp.protobuf import response_document
from pytest_telemetry_gate.support.text import one_line

if TYPE_CHECKING:
    from pytest_telemetry_gate.sources.http.session import Reply

__all__ = ["Exported", "PartialSuccess", "export", "partial_success"]

_RETRYABLE = frozenset({429, 502, 503, 504})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0  # seconds, between attempts that nobody says a time for
_JITTER = 0.2  # of a pause, so that many cases do not come again at once
_SHORTEST = 0.001  # seconds of an attempt


@dataclass(frozen=True, slots=True)
class PartialSuccess:
    """What a collector did not take of a request that it accepted, in its own words."""

    rejected: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Exported:
    """How an export ended: the last answer, and how many attempts were made.

    ``next_pause`` are the seconds after which there would have been one more, had there been time.
    """

    reply: Reply
    attempts: int
    next_pause: float | None = None


def export(
    ask: Callable[[float], Reply], *, give_up: float, wait: Callable[[float], object] = time.sleep
) -> Exported:
    """Send a request until it is answered for good, at the latest at ``give_up`` on the monotonic clock.

    ``ask`` sends it within so many seconds. A status of 429, 502, 503 and 504 and a connection that fails are tried
    again, after the time that ``Retry-After`` says or a growing one. Raises DriveError where the last attempt was not
    answered.
    """
    for attempts, pause in enumerate(_pauses(), 1):
        reply: Reply | None = None
        again, told = pause, ""
        try:
            reply = ask(max(give_up - time.monotonic(), _SHORTEST))
        except NotConnectedError as error:
            told = str(error)
        if reply is not None:
            if reply.status_code not in _RETRYABLE:
                return Exported(reply, attempts)
            again = pause if reply.retry_after is None else reply.retry_after
        if time.monotonic() + again < give_up:
            wait(again)
        elif reply is None:
            raise DriveError(told + (f" ({attempts} attempts)" if attempts > 1 else ""))
        else:
            return Exported(reply, attempts, again)
    raise AssertionError


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE
    while True:
        yield pause * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
        pause = min(2 * pause, _LONGEST_PAUSE)


def partial_success(signal: str, reply: Reply) -> PartialSuccess:
    """Return what the answer to a request says was not taken of it; raises CorpusError where it says it badly.

    An answer that is empty or no OTLP says nothing.
    """
    if "protobuf" in reply.headers.get("Content-Type", ""):
        content: Any = response_document(signal, reply.content)
    else:
        try:
            content = json.loads(reply.content or b"{}")
        except (ValueError, RecursionError):
            return PartialSuccess()
    # protobuf's JSON may be written with either kind of name.
    told = _of(content, "partialSuccess") or {}
    counts = [value for key, value in told.items() if key.lower().startswith("rejected")]
    try:
        rejected = sum(int(count) for count in counts)
    except (TypeError, ValueError):
        message = f"its partial success says that {counts[0]!r} were rejected, which is no number"
        raise CorpusError(message) from None
    return PartialSuccess(rejected, one_line(str(_of(told, "errorMessage") or "")))


def _of(content: object, name: str) -> Any:
    """Return a field by its name in camel case, which may be written in snake case too; None where it is not there."""
    if not isinstance(content, dict):
        return None
    snake = re.sub("([A-Z])", lambda letter: f"_{letter[1].lower()}", name)
    return content.get(name, content.get(snake))
