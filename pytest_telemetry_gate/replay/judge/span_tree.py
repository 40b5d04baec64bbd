"""Spans by their parents: looked up by ids, and grown into trees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from pytest_telemetry_gate.replay.otlp.records import SpanRecord

__all__ = ["Path", "SpanNode", "SpanTree", "grow_trees", "spans_by_path", "walk_trees"]

Path: TypeAlias = tuple[str, ...]
"""The names of a span and of all spans above it, the root first."""


class SpanTree:
    """Spans by their ids, and by the ids of their parents; of spans that have the same ids the last is found."""

    def __init__(self, spans: Iterable[SpanRecord]) -> None:
        self._spans: dict[tuple[str, str], SpanRecord] = {}
        self._children: dict[tuple[str, str], list[SpanRecord]] = {}
        for span in spans:
            self._spans[span.trace_id, span.span_id] = span
            self._children.setdefault((span.trace_id, span.parent_id), []).append(span)

    def find(self, trace_id: str, span_id: str) -> SpanRecord | None:
        """Return the span with these ids, or None where it was not captured."""
        return self._spans.get((trace_id, span_id))

    def parent(self, span: SpanRecord) -> SpanRecord | None:
        """Return the span above, or None where it was not captured."""
        return self.find(span.trace_id, span.parent_id) if span.parent_id else None

    def children(self, span: SpanRecord) -> Sequence[SpanRecord]:
        """Return the spans directly below."""
        return self._children.get((span.trace_id, span.span_id), ())


@dataclass(slots=True, eq=False)
class SpanNode:
    """A span with those below it, in the order in which they came."""

    span: SpanRecord
    children: list[SpanNode] = field(default_factory=list)


def grow_trees(spans: Sequence[SpanRecord]) -> list[SpanNode]:
    """Return the topmost spans, each with all that is below it; every span is there once.

    Topmost are roots, spans whose parent was not captured, and of spans that are each other's parents the first.
    """
    nodes = [SpanNode(span) for span in spans]
    first: dict[tuple[str, str], SpanNode] = {}
    for node in nodes:
        first.setdefault((node.span.trace_id, node.span.span_id), node)
    above: dict[SpanNode, SpanNode] = {}
    for node in nodes:
        parent = first.get((node.span.trace_id, node.span.parent_id))
        if parent is not None and parent is not node:
            above[node] = parent
            parent.children.append(node)
    tops = [node for node in nodes if node not in above]
    reached = set(walk_trees(tops))
    for node in nodes:
        if node not in reached:  # it is below itself
            above[node].children.remove(node)
            tops.append(node)
            reached.update(walk_trees([node]))
    return tops


def walk_trees(tops: Iterable[SpanNode]) -> Iterator[SpanNode]:
    """Yield all nodes of some trees, each before those below it."""
    rest = [*tops][::-1]
    while rest:
        node = rest.pop()
        yield node
        rest += node.children[::-1]


def spans_by_path(spans: Sequence[SpanRecord]) -> dict[Path, list[SpanRecord]]:
    """Return all spans by their names and those of the spans above them."""
    by_path: dict[Path, list[SpanRecord]] = {}
    rest: list[tuple[Path, SpanNode]] = [((), node) for node in reversed(grow_trees(spans))]
    while rest:
        above, node = rest.pop()
        path = (*above, node.span.name)
        by_path.setdefault(path, []).append(node.span)
        rest += [(path, child) for child in node.children[::-1]]
    return by_path
