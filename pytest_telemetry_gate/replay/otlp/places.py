"""Every place of telemetry where an attribute or a text may stand, with what people call the place."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from pytest_telemetry_gate.replay.otlp.records import (
    Attributes,
    AttributeValue,
    LogRecord,
    MetricRecord,
    SpanRecord,
)
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData
from pytest_telemetry_gate.support.personal import mask_personal

__all__ = [
    "AttributeSet",
    "Text",
    "attribute_sets",
    "decode_bytes",
    "loose_texts",
    "name_log",
    "text_of",
    "values_within",
]

Record: TypeAlias = SpanRecord | MetricRecord | LogRecord
_LOG_WIDTH = 40  # characters of a log record's text by which people know it


class AttributeSet(NamedTuple):
    """Attributes of one thing: ``where`` is its record, ``noun`` what one of them is called there."""

    where: str
    noun: str
    attributes: Attributes


class Text(NamedTuple):
    """A text that is no attribute's, such as a name: ``where`` is its record, ``noun`` what it is there."""

    where: str
    noun: str
    text: str


def name_log(log: LogRecord) -> str:
    """Return how messages name a log record: by how it begins, without personal data."""
    return f"log {mask_personal(str(log.body.content)[: 4 * _LOG_WIDTH])[:_LOG_WIDTH]!r}"


def attribute_sets(telemetry: TelemetryData) -> Iterator[AttributeSet]:
    """Yield all attributes: of records, their resources and scopes, events, links, points and exemplars, and bodies that are maps.

    A resource or scope that many records share is that of the first of them.
    """
    seen: set[int] = set()
    for record in _records(telemetry):
        where = _name(record)
        for noun, attributes in (
            ("resource attribute", record.resource),
            (f"scope {record.scope.name}: attribute", record.scope.attributes),
        ):
            if attributes and id(attributes) not in seen:
                seen.add(id(attributes))
                yield AttributeSet(where, noun, attributes)
        yield from (AttributeSet(where, noun, found) for noun, found in _own_attributes(record))


def loose_texts(telemetry: TelemetryData) -> Iterator[Text]:
    """Yield all texts that no attribute has: names, descriptions, status messages, bodies, trace states, schema URLs."""
    seen: set[int] = set()
    for record in _records(telemetry):
        where, scope = _name(record), record.scope
        texts = _own_texts(record)
        if id(scope) not in seen:
            seen.add(id(scope))
            texts += [
                ("scope", scope.name),
                ("scope version", scope.version),
                ("schema URL", scope.schema_url),
            ]
        yield from (Text(where, noun, text) for noun, text in texts if text)


def values_within(
    value: AttributeValue, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], AttributeValue]]:
    """Yield a value and all values in it, each with the names that lead to it; an item of an array has those of its array."""
    yield path, value
    if value.type == "map":
        for key, inner in value.content.items():
            yield from values_within(inner, (*path, key))
    elif value.type == "array":
        for inner in value.content:
            yield from values_within(inner, path)


def text_of(value: AttributeValue) -> str:
    """Return the text of a value that is one, or could be read as one; nothing of other values."""
    if value.type == "string":
        return str(value.content)
    if value.type == "int":
        return str(value.content)
    return decode_bytes(value.content) or "" if value.type == "bytes" else ""


def decode_bytes(content: object) -> str | None:
    """Return base64 as text, None where it holds none."""
    try:
        return base64.b64decode(str(content), validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def _records(telemetry: TelemetryData) -> Iterator[Record]:
    yield from telemetry.spans
    yield from telemetry.metrics
    yield from telemetry.logs


def _name(record: Record) -> str:
    if isinstance(record, LogRecord):
        return name_log(record)
    return f"{'span' if isinstance(record, SpanRecord) else 'metric'} {record.name}"


def _own_attributes(record: Record) -> Iterator[tuple[str, Attributes]]:
    if isinstance(record, MetricRecord):
        for point in record.points:
            yield "attribute", point.attributes
            yield from (("exemplar attribute", exemplar.attributes) for exemplar in point.exemplars)
        return
    yield "attribute", record.attributes
    if isinstance(record, SpanRecord):
        yield from ((f"event {event.name}: attribute", event.attributes) for event in record.events)
        yield from (("link: attribute", link.attributes) for link in record.links)
    elif record.body.type != "string":
        yield "body", {"": record.body}


def _own_texts(record: Record) -> list[tuple[str, str]]:
    if isinstance(record, MetricRecord):
        return [("name", record.name), ("unit", record.unit), ("description", record.description)]
    if isinstance(record, LogRecord):
        return [
            ("body", text_of(record.body)),
            ("severity", record.severity),
            ("event name", record.event_name),
        ]
    named = [
        ("name", record.name),
        ("status message", record.status_message),
        ("trace state", record.trace_state),
    ]
    return named + [("event name", event.name) for event in record.events]
