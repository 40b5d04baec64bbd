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
    "MARKS",
    "OWN",
    "SHARED",
    "CapturedCase",
    "CounterLag",
    "DriveResult",
    "ExportRequest",
    "ForeignTelemetry",
    "MaskedValues",
    "ReadBack",
    "require_known_version",
    "usual_place",
    "with_roots",
]

MARKS = "telemetry.replay."  # what the resource attributes begin with that driven commands are given
OWN, SHARED = "own", "shared"  # places to capture from: a receiver of the case's own, one that cases share
_WITH_OWN_RECEIVER = frozenset({"cli", "python"})  # kinds of drives
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

    ``span_id`` is the parent that the case itself gave the trace; nobody captures it. ``notes`` say how it was done, such as
    the environment of a command; ``warnings`` are what the system had to say that is no failure; ``why_silent`` is what may have kept it from exporting.
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
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    why_silent: str = ""


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


@dataclass(slots=True)
class MaskedValues:
    """Forbidden values that were found in a capture and are masked in it: of which kind, at which place, and how many.

    Those of ``unattributed`` log records may be anybody's.
    """

    kind: str
    place: str
    count: int = 1
    unattributed: bool = False


@dataclass(slots=True)
class ForeignTelemetry:
    """What else arrived where a case shared a receiver: traces of others, and log records without a trace id.

    ``names`` are those of some spans of these traces. ``unattributed`` counts the log records, which may be anybody's,
    and ``records`` are requests with those that were kept.
    """

    traces: int = 0
    names: list[str] = field(default_factory=list)
    unattributed: int = 0
    records: list[ExportRequest] = field(default_factory=list)


@dataclass(slots=True)
class ReadBack:
    """What a trace backend said of the traces that it was asked for.

    ``backend`` is its name and address. ``state`` is that of its last answers: ``found``, ``growing`` (spans came until the
    end of the wait), ``absent``, ``partial`` or ``refused``, with ``words`` of the backend that say why. ``refusal`` is the
    last of its ``refusals``, which further ``questions`` may have got over; ``warning`` is what makes a pass a warning.
    """

    backend: str
    state: str = ""
    words: str = ""
    questions: int = 0
    refusals: int = 0
    refusal: str = ""
    warning: str = ""


def usual_place(*kinds: str) -> str:
    """Return where cases that are driven so capture from, unless somebody says otherwise."""
    return OWN if _WITH_OWN_RECEIVER.issuperset(kinds) else SHARED


def with_roots(telemetry: TelemetryData, driven: DriveResult) -> TelemetryData:
    """Return telemetry in which a span is a root whose parent is the span that the case itself pretended to be.

    Nobody captures that parent.
    """
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
    ``watched`` is how long after its drive the case was listened to, ``place`` where it was captured: ``own``, ``shared``,
    or the key of what was read back from, of which ``read_back`` tells. ``linked`` are the ids of traces whose spans link to
    the case's traces, or to such a trace. ``foreign`` is what others exported there, ``gaps`` say why something of the case
    may be missing. ``masked`` are forbidden values that were in it. Of old captures nothing of that is known.
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
    place: str = ""
    read_back: ReadBack | None = None
    watched: float | None = None
    linked: list[str] = field(default_factory=list)
    foreign: ForeignTelemetry | None = None
    gaps: list[str] = field(default_factory=list)
    masked: list[MaskedValues] = field(default_factory=list)

    @property
    def silence(self) -> float | None:
        """For how many seconds nothing of the case came in the end, after its drive; None where that is not known."""
        if self.watched is None or any(request.arrival is None for request in self.requests):
            return None
        return self.watched - max((request.arrival or 0.0 for request in self.requests), default=0.0)

    @property
    def where(self) -> str:
        """The place that it was captured from; the usual one where an old capture does not say."""
        return self.place or usual_place(self.driven.kind)

    @property
    def is_own(self) -> bool:
        """Whether whatever was captured is the case's, since nobody else exported to its receiver."""
        return self.where == OWN

    def telemetry(self) -> TelemetryData:
        """Return the telemetry of the case's traces and of those that link to them; raises CorpusError where a document is none."""
        telemetry = TelemetryData()
        for request in self.requests:
            if not request.trouble:
                telemetry.add(request.document)
        if self.driven.trace_ids and not self.is_own:
            telemetry = telemetry.of_traces(frozenset([*self.driven.trace_ids, *self.linked]))
        return with_roots(telemetry, self.driven)

    def unattributed(self) -> TelemetryData:
        """Return the log records without a trace id that were kept; raises CorpusError where a document is none."""
        telemetry = TelemetryData()
        for request in self.foreign.records if self.foreign is not None else ():
            telemetry.add(request.document)
        return telemetry

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
