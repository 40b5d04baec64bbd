"""What an export request holds, told by trace, and the part of it that some traces have."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["NO_TRACE", "Contents", "contents_of", "contents_of_message", "part_of"]

NO_TRACE = ""  # stands for what carries no trace id
_TRACE_ID = 16  # bytes
_LEVELS = (("resourceSpans", "scopeSpans", "spans"), ("resourceLogs", "scopeLogs", "logRecords"))


@dataclass(slots=True)
class Contents:
    """The traces of a request, by id in lower-case hex: how many spans and log records of each, and what they link to.

    ``names`` has the name of each trace's first span; what carries no trace id is counted under ``NO_TRACE``.
    ``is_sound`` is False where an id has another length than OTLP's.
    """

    counts: dict[str, int] = field(default_factory=dict)
    links: dict[str, set[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    has_metrics: bool = False
    is_sound: bool = True

    def count(self, trace: str) -> None:
        """Note a span or a log record of a trace."""
        self.counts[trace] = self.counts.get(trace, 0) + 1


def contents_of(document: Mapping[str, Any]) -> Contents:
    """Return what a sound document holds."""
    found = Contents(has_metrics=bool(document.get("resourceMetrics")))
    for top, middle, leaf in _LEVELS:
        for item in _items(document, top, middle, leaf):
            trace = (item.get("traceId") or NO_TRACE).lower()
            found.count(trace)
            if leaf == "spans":
                found.names.setdefault(trace, item.get("name") or "")
            for link in item.get("links") or ():
                found.links.setdefault(trace, set()).add(link["traceId"].lower())
    return found


def contents_of_message(message: Any) -> Contents:
    """Return what a protobuf message holds, which is not made a document for that."""
    found = Contents(has_metrics=bool(getattr(message, "resource_metrics", ())))
    for resource in getattr(message, "resource_spans", ()):
        for scope in resource.scope_spans:
            for span in scope.spans:
                trace = span.trace_id.hex()
                found.is_sound &= len(span.trace_id) == _TRACE_ID
                found.count(trace)
                found.names.setdefault(trace, span.name)
                if span.links:
                    found.links.setdefault(trace, set()).update(link.trace_id.hex() for link in span.links)
    for resource in getattr(message, "resource_logs", ()):
        for scope in resource.scope_logs:
            for record in scope.log_records:
                found.is_sound &= len(record.trace_id) in {0, _TRACE_ID}
                found.count(record.trace_id.hex())
    return found


def part_of(
    document: Mapping[str, Any], traces: Collection[str], keeps_metric: Callable[[str], bool] | None = None
) -> dict[str, Any]:
    """Return a document with the spans and log records of some traces alone, and with those metrics that are to be kept.

    What is kept is shared with the document, not copied.
    """

    def is_kept(item: Mapping[str, Any]) -> bool:
        return (item.get("traceId") or NO_TRACE).lower() in traces

    part = {top: _kept(document, top, middle, leaf, is_kept) for top, middle, leaf in _LEVELS}
    if keeps_metric is not None:
        part["resourceMetrics"] = _kept(
            document,
            "resourceMetrics",
            "scopeMetrics",
            "metrics",
            lambda metric: keeps_metric(metric.get("name") or ""),
        )
    return {top: entries for top, entries in part.items() if entries}


def _kept(
    document: Mapping[str, Any],
    top: str,
    middle: str,
    leaf: str,
    is_kept: Callable[[Mapping[str, Any]], bool],
) -> list[dict[str, Any]]:
    """Return the entries of a document with what is kept of them, those without anything left out."""
    entries = []
    for entry in document.get(top) or ():
        scopes = [
            {**scope, leaf: items}
            for scope in entry.get(middle) or ()
            if (items := [item for item in scope.get(leaf) or () if is_kept(item)])
        ]
        if scopes:
            entries.append({**entry, middle: scopes})
    return entries


def _items(document: Mapping[str, Any], top: str, middle: str, leaf: str) -> Iterator[Mapping[str, Any]]:
    for entry in document.get(top) or ():
        for scope in entry.get(middle) or ():
            yield from scope.get(leaf) or ()
