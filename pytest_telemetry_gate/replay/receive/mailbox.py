"""Where captured export requests arrive, whoever brings them, and where somebody waits until there are enough."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from pytest_telemetry_gate.replay.captured import ExportRequest
from pytest_telemetry_gate.replay.otlp.protobuf import document_of

__all__ = ["Mailbox"]

_MAX_HELD = 512 * 2**20  # bytes of bodies


class Mailbox:
    """Requests in the order of arrival; safe to use from several threads.

    A request may come as a parsed protobuf message, which becomes a document when somebody reads it, so that
    receiving stays fast.
    """

    def __init__(self) -> None:
        self._requests: list[ExportRequest] = []
        self._messages: dict[int, Any] = {}
        self._held = 0
        self._arrived: list[float] = []
        self._arrival = threading.Condition()

    def put(self, request: ExportRequest, message: Any = None) -> bool:
        """Take a request; False where the box is full, so that memory stays bounded."""
        with self._arrival:
            if self._held + request.body > _MAX_HELD:
                return False
            self._held += request.body
            if message is not None:
                self._messages[len(self._requests)] = message
            self._requests.append(request)
            self._arrived.append(time.monotonic())
            self._arrival.notify_all()
        return True

    def __len__(self) -> int:
        return len(self._requests)

    def arrived(self, number: int) -> float:
        """Return when a request came, on the monotonic clock."""
        return self._arrived[number]

    def since(self, first: int) -> Sequence[ExportRequest]:
        """Return the requests from a number on, with their documents."""
        with self._arrival:
            messages = {
                number: self._messages.pop(number) for number in list(self._messages) if number >= first
            }
            for number, message in messages.items():
                self._requests[number].document = document_of(message)
            return list(self._requests[first:])

    def wait(self, seen: int, seconds: float) -> None:
        """Wait until there are more requests than ``seen``, at most so long."""
        with self._arrival:
            self._arrival.wait_for(lambda: len(self._requests) > seen, max(0.0, seconds))

    def collect(
        self,
        first: int,
        enough: Callable[[Sequence[ExportRequest]], bool],
        *,
        timeout: float,
        quiet: float,
        poll: Callable[[], None] = lambda: None,
    ) -> tuple[list[ExportRequest], bool]:
        """Return requests from ``first`` on when they are enough and nothing came for ``quiet`` seconds.

        After ``timeout`` seconds whatever came is returned, with False. ``poll`` is called before each look, for who
        must fetch what arrives.
        """
        give_up = time.monotonic() + timeout
        known, satisfied = -1, False
        while True:
            poll()
            found = self.since(first)
            if len(found) != known:
                known, satisfied = len(found), enough(found)
            now = time.monotonic()
            rest = self._arrived[-1] + quiet - now if found else 0.0
            if satisfied and rest <= 0:
                return list(found), True
            if now >= give_up:
                return list(found), satisfied
            pause = rest if satisfied else 0.2
            self.wait(first + known, min(pause, give_up - now))
