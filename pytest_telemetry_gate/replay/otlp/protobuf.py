"""OTLP's protobuf messages as documents of its JSON encoding; the messages are imported on first use."""

from __future__ import annotations

import base64
import importlib
from typing import Any

from pytest_telemetry_gate.errors import CorpusError, DriveError
from pytest_telemetry_gate.support.places import Place, map_parts

__all__ = ["ID_KEYS", "SIGNALS", "document_of", "message_class", "parse_message"]

SIGNALS = ("traces", "metrics", "logs")
ID_KEYS = frozenset(
    {"traceId", "spanId", "parentSpanId"}
)  # hex in OTLP's JSON, where protobuf's own has base64
_SERVICES = {"traces": "trace", "metrics": "metrics", "logs": "logs"}


def message_class(signal: str) -> Any:
    """Return the class of a signal's export request; raises DriveError where the package is missing."""
    name = _SERVICES[signal]
    try:
        module = importlib.import_module(f"opentelemetry.proto.collector.{name}.v1.{name}_service_pb2")
    except ImportError:
        message = "OTLP's protobuf needs opentelemetry-proto: pip install pytest-telemetry-gate[replay]"
        raise DriveError(message) from None
    return getattr(module, f"Export{name.capitalize()}ServiceRequest")


def parse_message(signal: str, body: bytes) -> Any:
    """Parse a request's body; raises CorpusError if it is no message of the signal."""
    kind = message_class(signal)
    from google.protobuf.message import DecodeError

    try:
        return kind.FromString(body)
    except DecodeError:
        message = f"the body is not an {kind.__name__}"
        raise CorpusError(message) from None


def document_of(message: Any) -> dict[str, Any]:
    """Return a message as a document: ids in hex, 64-bit integers as decimal text, enums as integers.

    https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
    """
    from google.protobuf.json_format import MessageToDict

    document = MessageToDict(message, use_integers_for_enums=True)
    return dict(map_parts(document, _with_hex_id))


def _with_hex_id(part: Any, place: Place) -> Any:
    return base64.b64decode(part).hex() if place and place[-1] in ID_KEYS and isinstance(part, str) else part
