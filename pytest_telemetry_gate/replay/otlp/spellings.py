"""OTLP's JSON as others than its specification spell it, made into that of the specification.

Tempo, Jaeger's newer API and older collectors write what protobuf's own JSON has: ids in base64 and enums by name. Before
2022 scopes were called instrumentation libraries.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.otlp.telemetry import KINDS, STATUSES, TEMPORALITIES

__all__ = ["hex_of", "respelled"]

_HEX = re.compile(r"[0-9a-fA-F]+")
_BYTES = {"traceId": 16, "spanId": 8, "parentSpanId": 8}
_SEVERITIES = (
    "unspecified",
    *(f"{word}{number}" for word in ("trace", "debug", "info", "warn", "error", "fatal") for number in ("", 2, 3, 4)),
)  # fmt: skip
_ENUMS: dict[str, tuple[str, Sequence[str]]] = {
    "kind": ("SPAN_KIND_", KINDS),
    "code": ("STATUS_CODE_", STATUSES),
    "aggregationTemporality": ("AGGREGATION_TEMPORALITY_", TEMPORALITIES),
    "severityNumber": ("SEVERITY_NUMBER_", _SEVERITIES),
}
_RENAMED = {
    "instrumentationLibrarySpans": "scopeSpans",
    "instrumentationLibraryMetrics": "scopeMetrics",
    "instrumentationLibraryLogs": "scopeLogs",
    "instrumentationLibrary": "scope",
    "logs": "logRecords",  # of an instrumentation library
}
_CONTENTS = frozenset(
    {"attributes", "filteredAttributes", "body"}
)  # what users wrote, which is left as it is


def respelled(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with ids in hex, enums as integers and today's names; one that has them already is the same.

    Ids are told by their length. Raises CorpusError, one line without a place, for an id of neither form and for an enum's
    unknown name.
    """
    return {key: _respelled(inner, key) for key, inner in document.items()}


def _respelled(part: Any, key: str) -> Any:
    if key in _CONTENTS:
        return part
    if isinstance(part, dict):
        return {_RENAMED.get(name, name): _respelled(inner, name) for name, inner in part.items()}
    if isinstance(part, list):
        return [_respelled(inner, key) for inner in part]
    if not isinstance(part, str):
        return part
    if key in _BYTES:
        return hex_of(part, _BYTES[key], key)
    return _number_of(part, key) if key in _ENUMS else part


def _number_of(text: str, key: str) -> int | str:
    prefix, names = _ENUMS[key]
    word = text.removeprefix(prefix).lower()
    if word not in names:
        message = f"{key} {text[:80]!r} is not known; known are {', '.join(prefix + name.upper() for name in names)}"
        raise CorpusError(message)
    return names.index(word)


def hex_of(text: str, size: int, name: str) -> str:
    """Return an id of so many bytes in hex, which may be written in hex or in base64; an empty one stays empty.

    Raises CorpusError for any other text.
    """
    if not text or (len(text) == 2 * size and _HEX.fullmatch(text)):
        return text
    if len(text) == 4 * ((size + 2) // 3):
        try:
            return base64.b64decode(text, validate=True).hex()
        except binascii.Error:
            pass
    message = f"{name} {text[:80]!r} is neither {2 * size} hex digits nor base64 of {size} bytes"
    raise CorpusError(message)
