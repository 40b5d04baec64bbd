"""How telemetry looks from afar: which spans, metrics and log records there are, and how their attributes are filled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_telemetry_gate.replay.captured import MARKS
from pytest_telemetry_gate.replay.judge.span_tree import SpanTree
from pytest_telemetry_gate.replay.otlp.records import Attributes, AttributeValue, SpanRecord

__all__ = ["AttributeShape", "Shape", "SpanShape", "shape_of", "shape_of_spans", "type_name"]

_MAX_VALUES = 20  # different values that are kept of an attribute


@dataclass(slots=True)
class AttributeShape:
    """How one attribute is filled: in how many records it is, of which types, and its values while these are few.

    ``values`` is None where there are too many, or where a value is none that a contract could list.
    """

    present: int = 0
    types: Counter[str] = field(default_factory=Counter)
    values: Counter[Any] | None = field(default_factory=Counter)

    def add(self, value: AttributeValue) -> None:
        """Count one value."""
        self.present += 1
        self.types[type_name(value)] += 1
        if self.values is None:
            return
        if value.type in {"string", "bool", "int"}:
            self.values[value.content] += 1
        if value.type not in {"string", "bool", "int"} or len(self.values) > _MAX_VALUES:
            self.values = None


@dataclass(slots=True)
class Shape:
    """How some records of one kind look: how many there are, and their attributes by name."""

    count: int = 0
    attributes: dict[str, AttributeShape] = field(default_factory=dict)
    resource: dict[str, AttributeShape] = field(default_factory=dict)

    def add(self, attributes: Attributes, resource: Attributes | None = None) -> None:
        """Count one record."""
        self.count += 1
        _add_attributes(self.attributes, attributes)
        _add_attributes(self.resource, without_marks(resource or {}))


@dataclass(slots=True)
class SpanShape(Shape):
    """How spans look: what stands beside their attributes, counted; a parent's or child's name stands for the span.

    ``entries`` are those whose parent is not of the same resource: what a process begins with. ``roots`` have no parent;
    one that was not captured has no name here.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    parents: Counter[str] = field(default_factory=Counter)
    children: dict[str, list[int]] = field(default_factory=dict)
    events: dict[str, Shape] = field(default_factory=dict)
    event_counts: dict[str, list[int]] = field(default_factory=dict)
    links: list[int] = field(default_factory=list)
    entries: int = 0
    roots: int = 0


def shape_of(records: Iterable[Any]) -> Shape:
    """Return the shape of log records, or of what else has ``attributes`` and ``resource``."""
    shape = Shape()
    for record in records:
        shape.add(record.attributes, record.resource)
    return shape


def shape_of_spans(spans: Sequence[SpanRecord], trees: Mapping[int, SpanTree]) -> SpanShape:
    """Return the shape of spans of one kind; ``trees`` has the tree of each by the ``id()`` of the span."""
    shape = SpanShape()
    for span in spans:
        tree = trees[id(span)]
        above = tree.parent(span)
        shape.add(span.attributes, span.resource)
        shape.kinds[span.kind] += 1
        shape.statuses[span.status] += 1
        if above is not None:
            shape.parents[above.name] += 1
        shape.roots += not span.parent_id
        shape.entries += above is None or above.resource != span.resource
        shape.links.append(len(span.links))
        for event in span.events:
            shape.events.setdefault(event.name, Shape()).add(event.attributes)
    _add_numbers(shape.children, [[child.name for child in trees[id(span)].children(span)] for span in spans])
    _add_numbers(shape.event_counts, [[event.name for event in span.events] for span in spans])
    return shape


def type_name(value: AttributeValue) -> str:
    """Return the type of a value as a contract writes it: ``int``, ``string[]``; ``array`` where its items differ."""
    if value.type != "array":
        return value.type
    inner = {item.type for item in value.content}
    if len(inner) == 1 and not inner & {"array", "map", "bytes", "empty"}:
        return f"{inner.pop()}[]"
    return "number[]" if inner == {"int", "double"} else "array"


def without_marks(resource: Attributes) -> Attributes:
    """Return the attributes of a resource without those by which replays mark what they drive."""
    return {name: value for name, value in resource.items() if not name.startswith(MARKS)}


def _add_attributes(shapes: dict[str, AttributeShape], attributes: Attributes) -> None:
    for name, value in attributes.items():
        shapes.setdefault(name, AttributeShape()).add(value)


def _add_numbers(numbers: dict[str, list[int]], named: Sequence[Sequence[str]]) -> None:
    """Add how often each name stands in each list, 0 where it does not."""
    for name in sorted({name for names in named for name in names}):
        numbers[name] = [names.count(name) for names in named]
