"""Where a case captures from: one interface for a receiver of its own, a shared one, and whatever is read back."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from pytest_telemetry_gate.replay.captured import OWN, DriveResult, ForeignTelemetry, ReadBack
from pytest_telemetry_gate.replay.judge.upper_bounds import ends_with_drive, quiet_needed
from pytest_telemetry_gate.replay.receive.completeness import Completeness
from pytest_telemetry_gate.replay.receive.mailbox import Arrival, Mailbox
from pytest_telemetry_gate.replay.suite.model import ReplayCase, ReplaySuite

__all__ = ["CapturePlace", "CaptureWait", "Collected", "collect_arrivals"]

_POLL = 0.2  # seconds between looks while not enough has come


@dataclass(frozen=True, slots=True)
class CaptureWait:
    """What a case waits for after its drive: times are on the monotonic clock.

    ``place`` is the name of the place that waits: whatever arrives at a receiver of its own is the case's, elsewhere its
    trace ids tell. ``ended`` is the end of the drive, and after ``give_up`` nothing is waited for.
    """

    suite: ReplaySuite
    case: ReplayCase
    driven: DriveResult
    place: str
    ended: float
    give_up: float

    def start(self) -> Completeness:
        """Return a new count of what has come; a place that reads everything again starts again."""
        return Completeness(self.suite, self.case, self.driven, is_own=self.place == OWN)

    @property
    def quiet(self) -> float:
        """The seconds for which nothing new must have come."""
        return self.suite.file.capture.complete.quiet

    def rest(self, completeness: Completeness, last: float | None) -> float:
        """Return the seconds that must still be waited, 0 where it is over; ``last`` is when something new last came.

        What must not be more than so many is waited for as long as more may come; once it is too much, no longer.
        """
        now = time.monotonic()
        if not completeness.is_complete:
            return max(0.0, self.give_up - now)
        quiet = self.quiet if completeness.is_exceeded else self._quiet
        last = self.ended if last is None else max(last, self.ended)
        return max(0.0, min(self.give_up, last + quiet) - now)

    @property
    def _quiet(self) -> float:
        over = ends_with_drive(self.driven.kind, self.place)
        return quiet_needed(self.suite, self.case, over_with_drive=over)


@dataclass(slots=True)
class Collected:
    """What a place has captured of one case: requests in the order of time, with nothing of others in their documents.

    The rest is as in ``CapturedCase``.
    """

    arrivals: list[Arrival] = field(default_factory=list)
    complete: bool = True
    read_back: ReadBack | None = None
    linked: list[str] = field(default_factory=list)
    foreign: ForeignTelemetry | None = None
    gaps: list[str] = field(default_factory=list)


class CapturePlace(ABC):
    """The place where the telemetry of one case arrives; opened before its drive, closed when it was collected.

    ``name`` is ``own``, ``shared``, or the key of what is read back from; ``endpoint`` is the address that the drive is
    to export to, ``grpc_endpoint`` that for OTLP/gRPC, each empty where the driven system knows where to.
    """

    name: str
    endpoint: str = ""
    grpc_endpoint: str = ""

    @property
    def is_own(self) -> bool:
        """Whether everything that arrives here is the case's own."""
        return self.name == OWN

    @abstractmethod
    def open(self) -> None:
        """Begin to capture; raises DriveError where that cannot be."""

    def expect(self, traces: Sequence[str]) -> None:  # noqa: B027 - a receiver of its own needs no ids
        """Note the traces by which the case's telemetry is known, as soon as they are; none where it has no trace."""

    def poll(self) -> None:  # noqa: B027 - most places deliver by themselves
        """Fetch what does not come by itself; called again and again while cases are driven."""

    @abstractmethod
    def collect(self, wait: CaptureWait) -> Collected:
        """Return what the case captured, when it is over; raises DriveError where nothing can be captured any more."""

    def close(self) -> None:  # noqa: B027 - what cases share stays open
        """End the capture of this case."""

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def collect_arrivals(
    box: Mailbox, wait: CaptureWait, *, poll: Callable[[], None] = lambda: None
) -> Collected:
    """Return what has arrived in a mailbox when it is over; ``poll`` is called before each look."""
    completeness = wait.start()
    collected: list[Arrival] = []
    while True:
        poll()
        new: Sequence[Arrival] = box.since(len(collected))
        collected += new
        completeness.add(new)
        rest = wait.rest(completeness, max((arrival.at for arrival in collected), default=None))
        if rest <= 0:
            return Collected(collected, completeness.is_complete)
        box.wait(len(collected), rest if completeness.is_complete else min(_POLL, rest))
