"""Which attributes of what was emitted hold personal data, told without it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pytest_telemetry_gate.replay.otlp.records import Attributes
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData
from pytest_telemetry_gate.support.personal import PERSONAL

__all__ = ["find_personal"]


def find_personal(captures: Iterable[TelemetryData]) -> list[str]:
    """Return a line for each attribute of each kind of record whose text holds personal data of a known kind."""
    return sorted(
        {
            f"attribute {name} of {record} holds {kind.words}"
            for telemetry in captures
            for record, attributes in _records(telemetry)
            for name, value in attributes.items()
            if value.type == "string"
            for kind in PERSONAL.values()
            if next(iter(kind.find(value.content)), None) is not None
        }
    )


def _records(telemetry: TelemetryData) -> Iterator[tuple[str, Attributes]]:
    for span in telemetry.spans:
        yield f"span {span.name}", span.attributes
        yield "the resource", span.resource
        yield from ((f"event {event.name}", event.attributes) for event in span.events)
        yield from ((f"a link of span {span.name}", link.attributes) for link in span.links)
    for metric in telemetry.metrics:
        yield from ((f"metric {metric.name}", point.attributes) for point in metric.points)
    for log in telemetry.logs:
        yield "a log record", {"body": log.body, **log.attributes}
