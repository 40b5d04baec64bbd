"""What of an export request cannot be taken, span by span, so that the rest can be: OTLP's partial success.

https://opentelemetry.io/docs/specs/otlp/#partial-success
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.otlp.protobuf import document_of, message_class, parse_message
from pytest_telemetry_gate.replay.otlp.telemetry import read_document
from pytest_telemetry_gate.support.json_text import JsonTextError, read_json

__all__ = ["Rejected", "read_export"]

_PARTS = {
    "traces": ("resourceSpans", "scopeSpans", "spans", "rejectedSpans"),
    "metrics": ("resourceMetrics", "scopeMetrics", "metrics", "rejectedDataPoints"),
    "logs": ("resourceLogs", "scopeLogs", "logRecords", "rejectedLogRecords"),
}
_NOUNS = {"traces": "spans", "metrics": "data points", "logs": "log records"}


@dataclass(frozen=True, slots=True)
class Rejected:
    """How many spans, data points or log records of a request were not taken, and how many were; why says ``reason``."""

    signal: str
    rejected: int = 0
    taken: int = 0
    reason: str = ""

    def shown(self) -> str:
        """Write it for people: ``1 of 3 spans rejected: traceId 'x' is ...``."""
        return (
            f"{self.rejected} of {self.rejected + self.taken} {_NOUNS[self.signal]} rejected: {self.reason}"
        )

    def answer(self, *, binary: bool) -> bytes:
        """Return the body of the answer to the request, in protobuf or JSON."""
        key = _PARTS[self.signal][3]
        if not binary:
            told = {key: str(self.rejected), "errorMessage": self.reason}
            return json.dumps({"partialSuccess": told} if self.rejected else {}).encode()
        response = message_class(self.signal, "Response")()
        if self.rejected:
            setattr(response.partial_success, _snake(key), self.rejected)
            response.partial_success.error_message = self.reason
        return bytes(response.SerializeToString())


def read_export(signal: str, body: bytes, *, binary: bool) -> tuple[Any, dict[str, Any], Rejected]:
    """Read the body of an export request, in protobuf or JSON, as far as it can be read.

    Returns a protobuf message that is right, which is made a document when it is needed; else None and the document. Raises
    CorpusError where nothing can be taken.
    """
    if not binary:
        try:
            document = read_json(body)
        except JsonTextError as error:
            raise CorpusError(str(error)) from None
        return None, document, _reject_unreadable(signal, document)
    message = parse_message(signal, body)
    if not _has_wrong_ids(signal, message):
        return message, {}, Rejected(signal)
    document = document_of(message)
    return None, document, _reject_unreadable(signal, document)


def _reject_unreadable(signal: str, document: dict[str, Any]) -> Rejected:
    """Take out of a document what cannot be read, and tell how much that is.

    Raises CorpusError where nothing would be left, or what is wrong is not in the records.
    """
    try:
        read_document(document)
    except CorpusError as error:
        try:
            found = _sift(signal, document)
            read_document(document)
        except (AttributeError, TypeError, CorpusError):
            raise error from None
        if not found.taken:
            raise
        return found
    return Rejected(signal)


def _has_wrong_ids(signal: str, message: Any) -> bool:
    """Tell whether a protobuf message has ids of a wrong length, which is all that can be unreadable in one."""
    top, middle, leaf = map(_snake, _PARTS[signal][:3])
    return any(
        _is_wrong(signal, item)
        for resource in getattr(message, top)
        for scope in getattr(resource, middle)
        for item in getattr(scope, leaf)
    )


def _sift(signal: str, document: dict[str, Any]) -> Rejected:
    top, middle, leaf, _ = _PARTS[signal]
    rejected, taken, reason = 0, 0, ""
    for resource in document.get(top) or ():
        for scope in resource.get(middle) or ():
            readable = []
            for item in scope.get(leaf) or ():
                try:
                    read_document({top: [{**resource, middle: [{**scope, leaf: [item]}]}]})
                except CorpusError as error:
                    rejected += _size(signal, item)
                    reason = reason or str(error)
                else:
                    taken += _size(signal, item)
                    readable.append(item)
            scope[leaf] = readable
    return Rejected(signal, rejected, taken, reason)


def _size(signal: str, item: Any) -> int:
    """Return how many data points a metric has; of spans and log records each is one."""
    if signal != "metrics" or not isinstance(item, dict):
        return 1
    points = [len(part["dataPoints"]) for part in item.values() if _has_points(part)]
    return sum(points) or 1


def _has_points(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("dataPoints"), list)


def _is_wrong(signal: str, item: Any) -> bool:
    if signal == "traces":
        own = len(item.trace_id) != 16 or len(item.span_id) != 8 or len(item.parent_span_id) not in {0, 8}
        return own or any(len(link.trace_id) != 16 or len(link.span_id) != 8 for link in item.links)
    if signal == "logs":
        return _is_wrong_reference(item)
    data = item.WhichOneof("data")
    points = getattr(item, data).data_points if data else ()
    return any(
        _is_wrong_reference(exemplar) for point in points for exemplar in getattr(point, "exemplars", ())
    )


def _is_wrong_reference(item: Any) -> bool:
    return len(item.trace_id) not in {0, 16} or len(item.span_id) not in {0, 8}


def _snake(name: str) -> str:
    return re.sub("([A-Z])", lambda letter: f"_{letter[1].lower()}", name)
