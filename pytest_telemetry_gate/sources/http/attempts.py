"""A request that is sent again where a second attempt may succeed, within the time of a gate."""

from __future__ import annotations

import time
from typing import Any

from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.model.environment import Deadline
from pytest_telemetry_gate.sources.http.clocks import ClockDifference
from pytest_telemetry_gate.sources.http.session import (
    ConnectionFailedError,
    HttpError,
    HttpSession,
    NoAnswerError,
    Reply,
)
from pytest_telemetry_gate.support.durations import format_short_duration

__all__ = ["RETRY_STATUS", "Attempts"]

RETRY_STATUS = frozenset({429, 500, 502, 503, 504})
_MAX_ATTEMPTS = 3
_BACKOFF = 0.2  # seconds before the second attempt, doubled for each further one
_MAX_PAUSE = 30.0  # seconds that a Retry-After is obeyed


class Attempts:
    """Sends requests of a session up to three times each: failed connections, 429 and 5xx are tried again.

    ``timeout`` is in seconds, for one attempt; ``deadline`` bounds all of them. ``clock`` compares the server's clock to ours.
    """

    def __init__(self, session: HttpSession, timeout: float, deadline: Deadline) -> None:
        self.session = session
        self.clock = ClockDifference()
        self._timeout = timeout
        self._deadline = deadline

    def send(self, method: str, url: str, **place: Any) -> Reply:
        """Return the last reply; raises SourceError, without the address, where there is none."""
        for attempt in range(1, _MAX_ATTEMPTS + 1):
            pause = _BACKOFF * 2 ** (attempt - 1)
            sent = time.time()
            try:
                reply = self.session.send(method, url, timeout=self._time_left(), **place)
            except ConnectionFailedError as error:
                if attempt == _MAX_ATTEMPTS:
                    message = f"{error} ({attempt} attempts)"
                    raise UnreachableError(message) from None
            except HttpError as error:
                kind = UnreachableError if isinstance(error, NoAnswerError) else SourceError
                raise kind(str(error)) from None
            else:
                self.clock.note(reply.headers, sent, time.time())
                if reply.status_code not in RETRY_STATUS or attempt == _MAX_ATTEMPTS:
                    return reply
                wait = reply.retry_after
                pause = pause if wait is None else wait
                if pause > min(_MAX_PAUSE, self._deadline.remaining()):
                    return reply
            time.sleep(pause)
        raise AssertionError

    def _time_left(self) -> float:
        """Return the seconds that the next request may take; raises UnreachableError where there are none."""
        self._deadline.start()
        remaining = self._deadline.remaining()
        if remaining <= 0:
            message = f"not asked: the gate's deadline of {format_short_duration(self._deadline.seconds)} has passed"
            raise UnreachableError(message)
        return min(self._timeout, remaining)
