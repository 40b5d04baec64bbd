"""Where captured export requests arrive, from any receiver, and where a drive waits until there are enough."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.captured import ExportRequest
from pytest_telemetry_gate.replay.otlp.protobuf import document_of
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData, read_document
from pytest_telemetry_gate.support.places import walk

__all__ = ["Arrival", "Mailbox"]

_MAX_HELD = 512 * 2**20  # bytes of bodies
_POLL = 0.2  # seconds between looks while not enough has come


@dataclass
class Arrival:
    """An export request and when it came, on the monotonic clock; its content is read once, however many need it."""

    request: ExportRequest
    at: float

    @cached_property
    def telemetry(self) -> TelemetryData | None:
        """What the request holds; None where it was refused or cannot be read."""
        try:
            return None if self.request.trouble else read_document(self.request.document)
        except CorpusError:
            return None

    @cached_property
    def trace_ids(self) -> frozenset[str]:
        """The ids of all traces that the request names, in links and exemplars too."""
        return frozenset(
            part.lower()
            for place, part in walk(self.request.document)
            if place and place[-1] == "traceId" and isinstance(part, str)
        )

    def forget(self) -> None:
        """Free what was read; it is read again when it is needed."""
        for name in ("telemetry", "trace_ids"):
            self.__dict__.pop(name, None)


class Mailbox:
    """Requests in the order of arrival; safe to use from several threads.

    A request may come as a parsed protobuf message. It becomes a document only when it is read, so that receiving
    stays fast.
    """

    def __init__(self) -> None:
        self._arrivals: list[Arrival] = []
        self._messages: dict[int, Any] = {}
        self._held = 0
        self._changed = threading.Condition()

    def put(self, request: ExportRequest, message: Any = None) -> bool:
        """Take a request; False where the box is full, so that memory stays bounded."""
        with self._changed:
            if self._held + request.body > _MAX_HELD:
                return False
            self._held += request.body
            if message is not None:
                self._messages[len(self._arrivals)] = message
            self._arrivals.append(Arrival(request, time.monotonic()))
            self._changed.notify_all()
        return True

    def __len__(self) -> int:
        return len(self._arrivals)

    def since(self, first: int) -> Sequence[Arrival]:
        """Return what arrived from a number on, with its documents."""
        with self._changed:
            for number in [number for number in self._messages if number >= first]:
                self._arrivals[number].request.document = document_of(self._messages.pop(number))
            return self._arrivals[first:]

    def forget(self) -> None:
        """Free what was read of requests, which may be many times as large as they are."""
        with self._changed:
            for arrival in self._arrivals:
                arrival.forget()

    def wait(self, count: int, seconds: float) -> None:
        """Wait until there are more than ``count`` requests, at most so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._arrivals) > count, max(0.0, seconds))

    def collect(
        self,
        first: int,
        enough: Callable[[Sequence[Arrival]], bool],
        *,
        timeout: float,
        quiet: float,
        poll: Callable[[], None] = lambda: None,
    ) -> tuple[list[Arrival], bool]:
        """Return what arrives from ``first`` on when it is enough and nothing came for ``quiet`` seconds.

        ``enough`` gets each arrival once, in the order of time, and tells whether they are enough. After ``timeout``
        seconds whatever came is returned, with False. ``poll`` is called before each look, to fetch from sources that
        do not deliver by themselves.
        """
        give_up = time.monotonic() + timeout
        collected: list[Arrival] = []
        satisfied = enough(())
        while True:
            poll()
            new = self.since(first + len(collected))
            if new:
                collected += new
                satisfied = enough(new)
            now = time.monotonic()
            rest = collected[-1].at + quiet - now if collected else 0.0
            if satisfied and rest <= 0:
                return collected, True
            if now >= give_up:
                return collected, satisfied
            pause = rest if satisfied else _POLL
            self.wait(first + len(collected), min(pause, give_up - now))
