"""Where captured export requests arrive, from any receiver, and where a case waits until there are enough."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.captured import ExportRequest
from pytest_telemetry_gate.replay.otlp.protobuf import document_of
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData, read_document

__all__ = ["Arrival", "Mailbox"]

_MAX_HELD = 512 * 2**20  # bytes of bodies


@dataclass
class Arrival:
    """An export request and when it came, on the monotonic clock; its content is read once, however many need it.

    Where a request turns out piece by piece to be of a case, its arrivals have the same ``number``.
    """

    request: ExportRequest
    at: float
    number: int = 0

    @cached_property
    def telemetry(self) -> TelemetryData | None:
        """What the request holds; None where it was refused or cannot be read."""
        try:
            return None if self.request.trouble else read_document(self.request.document)
        except CorpusError:
            return None


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
            if not self._reserve(request.body):
                return False
            number = len(self._arrivals)
            if message is not None:
                self._messages[number] = message
            self._append(Arrival(request, time.monotonic(), number))
        return True

    def add(self, arrival: Arrival, size: int | None = None) -> bool:
        """Take a request that came at another place, or bytes of it; False where the box is full."""
        with self._changed:
            if not self._reserve(arrival.request.body if size is None else size):
                return False
            self._append(arrival)
        return True

    def __len__(self) -> int:
        return len(self._arrivals)

    def since(self, first: int) -> Sequence[Arrival]:
        """Return what arrived from a number on, with its documents."""
        with self._changed:
            for number in [number for number in self._messages if number >= first]:
                self._arrivals[number].request.document = document_of(self._messages.pop(number))
            return self._arrivals[first:]

    def wait(self, count: int, seconds: float) -> None:
        """Wait until there are more than ``count`` requests, at most so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._arrivals) > count, max(0.0, seconds))

    def _reserve(self, size: int) -> bool:
        if self._held + size > _MAX_HELD:
            return False
        self._held += size
        return True

    def _append(self, arrival: Arrival) -> None:
        self._arrivals.append(arrival)
        self._changed.notify_all()
