"""What a case brought about, as builtins that a recording keeps: the drive, export requests, lags."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.model.wire import from_wire
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData

__all__ = [
    "CAPTURE_VERSION",
    "OWN_RECEIVER",
    "CapturedCase",
    "CounterLag",
    "DriveResult",
    "ExportRequest",
    "require_known_version",
]

OWN_RECEIVER = frozenset({"cli", "python"})  # kinds of drives that export to a receiver of their own
_PARTS = ("driven", "requests", "lags")  # every capture has them: none is not the same as not written
CAPTURE_VERSION = 1  # of the wire; a capture without one is of version 1


def require_known_version(wire: Mapping[str, Any]) -> None:
    """Raise CorpusError for a capture whose version is newer than this package reads."""
    version = wire.get("capture", CAPTURE_VERSION)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        message = f"not a capture: version {version!r} is not a positive integer"
        raise CorpusError(message)
    if version > CAPTURE_VERSION:
        message = f"capture version {version} is newer than {CAPTURE_VERSION}, the newest that is read: update pytest-telemetry-gate"
        raise CorpusError(message)


@dataclass(slots=True)
class ExportRequest:
    """One export request: bytes as sent and as decompressed, and the OTLP document that it held.

    ``trouble`` says why it was refused; it then has no document. ``arrival`` is in seconds after the end of the drive whose
    capture it is in, less than 0 where it came before that.
    """

    signal: str
    wire: int
    body: int
    encoding: str = "json"
    document: dict[str, Any] = field(default_factory=dict)
    trouble: str = ""
    arrival: float | None = None


@dataclass(slots=True)
class DriveResult:
    """How a drive went: ``failure`` is what the system did wrong, ``error`` why it could not be driven.

    ``span_id`` is the parent that the case itself gave the trace; nobody captures it.
    """

    kind: str
    summary: str = ""
    seconds: float = 0.0
    failure: str = ""
    error: str = ""
    trace_ids: list[str] = field(default_factory=list)
    span_id: str = ""
    seed: int = 0
    code: int | None = None


@dataclass(slots=True)
class CounterLag:
    """How long a counter's rise took: more than ``low`` and at most ``high`` seconds after the drive ended.

    ``wanted`` is the rise that is expected of everything driven since ``baseline`` was read, ``delta`` the case's own share
    of it, and ``seen`` the one that came. ``interval`` is the scrape interval in seconds; ``problem`` says why nothing can be concluded. ``baseline_at``
    and ``seen_at`` are the times (epoch) of the newest samples of both, by the server's clock.
    """

    selector: str
    wanted: float
    baseline: float = 0.0
    seen: float = 0.0
    low: float | None = None
    high: float | None = None
    interval: float | None = None
    baseline_at: float | None = None
    seen_at: float | None = None
    problem: str = ""
    error: str = ""
    delta: int | None = None


def own_telemetry(telemetry: TelemetryData, driven: DriveResult) -> TelemetryData:
    """Return what a drive brought about, of telemetry that others may have exported too.

    A drive with a trace of its own is told from foreign traffic by that trace's id. A span whose parent is the span
    that the case itself pretended to be is a root, since nobody captures that parent.
    """
    own_ids = frozenset(driven.trace_ids)
    if own_ids and driven.kind not in OWN_RECEIVER:
        telemetry = telemetry.of_traces(own_ids)
    if not driven.span_id:
        return telemetry
    spans = [
        dataclasses.replace(span, parent_id="") if span.parent_id == driven.span_id else span
        for span in telemetry.spans
    ]
    return dataclasses.replace(telemetry, spans=spans)


@dataclass(slots=True)
class CapturedCase:
    """Everything that is known of one case at one checkpoint; contracts are judged from it alone.

    ``waited`` is in seconds from the end of its drive: to the last of its requests, or to the end of a wait in vain.
    """

    suite: str
    case: str
    checkpoint: str
    driven: DriveResult
    requests: list[ExportRequest] = field(default_factory=list)
    lags: list[CounterLag] = field(default_factory=list)
    complete: bool = True
    waited: float = 0.0
    at: float = 0.0
    region: str = ""

    def telemetry(self) -> TelemetryData:
        """Return the case's own telemetry; raises CorpusError where a document is none."""
        telemetry = TelemetryData()
        for request in self.requests:
            if not request.trouble:
                telemetry.add(request.document)
        return own_telemetry(telemetry, self.driven)

    def to_wire(self) -> dict[str, Any]:
        """Return builtins only, such as JSON can carry."""
        return {"capture": CAPTURE_VERSION, **dataclasses.asdict(self)}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> CapturedCase:
        """Rebuild from ``to_wire()``; keys that are not known are ignored.

        Raises CorpusError for a newer version and for anything that is no capture.
        """
        try:
            require_known_version(wire)
            if missing := [name for name in _PARTS if name not in wire]:
                message = f"not a capture: {missing[0]!r} is missing"
                raise CorpusError(message)
            capture = from_wire(cls, wire)
            negative = any(min(request.body, request.wire) < 0 for request in capture.requests)
        except (AttributeError, TypeError) as error:
            message = f"not a capture: {error}"
            raise CorpusError(message) from None
        if negative:
            message = "not a capture: an export request has less than 0 bytes"
            raise CorpusError(message)
        return capture
