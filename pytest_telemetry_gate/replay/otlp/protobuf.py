"""OTLP's protobuf messages as documents of its JSON encoding; the messages are imported on first use."""

from __future__ import annotations

import base64
import importlib
from typing import Any

from pytest_telemetry_gate.errors import CorpusError, DriveError

__all__ = ["SIGNALS", "document_of", "message_of", "parse", "serialised"]

SIGNALS = ("traces", "metrics", "logs")
_SERVICES = {"traces": "trace", "metrics": "metrics", "logs": "logs"}
_IDS = {"trace_id", "span_id", "parent_span_id"}


def message_of(signal: str) -> Any:
    """Return the class of a signal's export request; raises DriveError where the package is missing."""
    name = _SERVICES[signal]
    try:
        module = importlib.import_module(f"opentelemetry.proto.collector.{name}.v1.{name}_service_pb2")
    except ImportError:
        message = "OTLP's protobuf needs opentelemetry-proto: pip install pytest-telemetry-gate[replay]"
        raise DriveError(message) from None
    return getattr(module, f"Export{name.capitalize()}ServiceRequest")


def parse(signal: str, body: bytes) -> Any:
    """Parse a request's body; raises CorpusError for what is no message of the signal."""
    kind = message_of(signal)
    from google.protobuf.message import DecodeError

    try:
        return kind.FromString(body)
    except DecodeError:
        message = f"the body is no {kind.__name__}"
        raise CorpusError(message) from None


def document_of(message: Any) -> dict[str, Any]:
    """Return a message as a document: ids in hex, 64-bit integers as decimal text, enums as integers."""
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        name, camel = field.name, field.json_name
        if field.type == field.TYPE_MESSAGE:
            repeated = not hasattr(value, "ListFields")
            found[camel] = [document_of(one) for one in value] if repeated else document_of(value)
        elif field.type == field.TYPE_BYTES:
            found[camel] = value.hex() if name in _IDS else base64.b64encode(value).decode()
        elif field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64):
            found[camel] = str(value) if isinstance(value, int) else [str(one) for one in value]
        else:
            found[camel] = value if isinstance(value, str | int | float | bool) else list(value)
    return found


def serialised(signal: str, document: dict[str, Any]) -> bytes:
    """Return a document as a protobuf request; raises CorpusError for what does not fit."""
    message = message_of(signal)()
    try:
        _fill(message, document)
    except (TypeError, ValueError, AttributeError) as error:
        told = f"not OTLP: {error}"
        raise CorpusError(told) from None
    return bytes(message.SerializeToString())


def _fill(message: Any, document: dict[str, Any]) -> None:
    fields = {field.json_name: field for field in message.DESCRIPTOR.fields}
    for key, value in document.items():
        field = fields.get(key)
        if field is None or value is None:
            continue  # unknown fields are ignored, as the specification says
        if field.type == field.TYPE_MESSAGE:
            if isinstance(value, list):
                for one in value:
                    _fill(getattr(message, field.name).add(), one)
            else:
                inner = getattr(message, field.name)
                inner.SetInParent()
                _fill(inner, value)
        elif isinstance(value, list):
            getattr(message, field.name).extend(_scalar(field, one) for one in value)
        else:
            setattr(message, field.name, _scalar(field, value))


def _scalar(field: Any, value: Any) -> Any:
    if field.type == field.TYPE_BYTES:
        return bytes.fromhex(value) if field.name in _IDS else base64.b64decode(value)
    if field.cpp_type in (
        field.CPPTYPE_INT64,
        field.CPPTYPE_UINT64,
        field.CPPTYPE_INT32,
        field.CPPTYPE_UINT32,
    ):
        return int(value)
    return float(value) if field.cpp_type in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT) else value
