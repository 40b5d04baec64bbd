"""Spans by their parents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_telemetry_gate.replay.otlp.telemetry import SpanRecord

__all__ = ["SpanTree"]


class SpanTree:
    """Spans by their ids, and by the ids of their parents."""

    def __init__(self, spans: Iterable[SpanRecord]) -> None:
        self._spans = {(span.trace_id, span.span_id): span for span in spans}
        self._children: dict[tuple[str, str], list[SpanRecord]] = {}
        for span in self._spans.values():
            self._children.setdefault((span.trace_id, span.parent_id), []).append(span)

    def parent(self, span: SpanRecord) -> SpanRecord | None:
        """Return the span above, or None where it was not captured."""
        return self._spans.get((span.trace_id, span.parent_id)) if span.parent_id else None

    def children(self, span: SpanRecord) -> Sequence[SpanRecord]:
        """Return the spans directly below."""
        return self._children.get((span.trace_id, span.span_id), ())
