"""Spans, metrics and log records as contracts judge them: what OTLP says of each, with nothing cut.

Ids are lower-case hex, times are nanoseconds since the epoch, kinds and other enums are lower-case words. A field that
the exporter left out has its type's zero, as in protobuf, so that zero never proves anything: flags of 0 do not say
that a span was not sampled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pytest_telemetry_gate.support.personal import mask_personal

__all__ = [
    "AttributeValue",
    "Attributes",
    "Exemplar",
    "LogRecord",
    "MetricPoint",
    "MetricRecord",
    "Scope",
    "SpanEvent",
    "SpanLink",
    "SpanRecord",
]

_QUOTED = 1000  # characters of a value that are looked at before what is shown of it is cut


class AttributeValue(NamedTuple):
    """An attribute's value with the type that OTLP gives it; arrays hold Values."""

    type: str
    content: Any

    def shown(self) -> str:
        """Write type and value for people, without personal data: ``string "4"``."""
        if self.type == "array":
            return f"array [{', '.join(item.shown() for item in self.content[:5])}]"
        content = self.content
        text = f'"{content}"' if self.type == "string" else str(content).lower()
        text = mask_personal(text[:_QUOTED])  # before it is cut, so that nothing is left of what is cut
        return f"{self.type} {text if len(text) <= 80 else text[:77] + '...'}"


Attributes = Mapping[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class Scope:
    """The instrumentation that made some telemetry.

    ``schema_url`` is the scope's own, else its resource's. ``dropped`` counts the attributes that were dropped of the
    scope and of its resource.
    """

    name: str = ""
    version: str = ""
    attributes: Attributes = field(default_factory=dict)
    schema_url: str = ""
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened during a span."""

    name: str
    time: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A link from a span to another one."""

    trace_id: str
    span_id: str
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """A span.

    ``flags`` are OTLP's: the trace flags of W3C in the lowest 8 bits, whether the parent is in another process in the
    next two. ``trace_state`` is W3C's header. ``dropped`` counts the attributes, events and links that the SDK dropped,
    and the attributes of events and links.
    """

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    start: int
    end: int
    status: str
    status_message: str
    attributes: Attributes
    resource: Attributes
    scope: Scope = Scope()
    events: tuple[SpanEvent, ...] = ()
    links: tuple[SpanLink, ...] = ()
    flags: int = 0
    trace_state: str = ""
    dropped: int = 0

    @property
    def duration(self) -> float:
        """The length in seconds."""
        return (self.end - self.start) / 1e9


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One measurement that a point names as an example, with the attributes that the point has not."""

    attributes: Attributes
    value: int | float | None
    time: int
    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """A point of a metric: its value in the metric's unit, from ``start`` to ``time``.

    ``value`` is None where there is none: of histograms and summaries, which have ``count`` and ``sum``, and where the
    point says that nothing was recorded. ``buckets`` are the counts of a histogram's buckets.
    """

    attributes: Attributes
    value: int | float | None = None
    start: int = 0
    time: int = 0
    count: int | None = None
    sum: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    buckets: tuple[int, ...] = ()
    exemplars: tuple[Exemplar, ...] = ()


@dataclass(frozen=True, slots=True)
class MetricRecord:
    """A metric as one export request has it."""

    name: str
    type: str
    unit: str
    monotonic: bool | None
    temporality: str
    points: tuple[MetricPoint, ...]
    resource: Attributes
    scope: Scope = Scope()
    description: str = ""


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A log record; ``severity`` is OTLP's name of the number, else the text.

    ``flags`` are the trace flags of W3C in the lowest 8 bits; ``dropped`` counts the attributes that the SDK dropped.
    """

    body: AttributeValue
    severity: str
    severity_number: int
    trace_id: str
    span_id: str
    time: int
    attributes: Attributes
    resource: Attributes
    scope: Scope = Scope()
    event_name: str = ""
    flags: int = 0
    dropped: int = 0
