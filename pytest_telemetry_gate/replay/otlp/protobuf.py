"""OTLP's protobuf messages as documents of its JSON encoding; the messages are imported on first use."""

from __future__ import annotations

import base64
import importlib
import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from pytest_telemetry_gate.errors import CorpusError, DriveError

__all__ = ["ID_KEYS", "SIGNALS", "document_of", "message_class", "parse_message", "response_document"]

SIGNALS = ("traces", "metrics", "logs")
ID_KEYS = frozenset(
    {"traceId", "spanId", "parentSpanId"}
)  # hex in OTLP's JSON, where protobuf's own has base64
MAX_FIELDS = 1_000_000  # of one request: some 25,000 spans, or 350 MiB of the costliest messages
_FEWEST = 2  # bytes of a field
_SERVICES = {"traces": "trace", "metrics": "metrics", "logs": "logs"}


def message_class(signal: str, kind: str = "Request") -> Any:
    """Return the class of a signal's export request, or of its ``Response``; raises DriveError where the package is missing."""
    name = _SERVICES[signal]
    try:
        module = importlib.import_module(f"opentelemetry.proto.collector.{name}.v1.{name}_service_pb2")
    except ImportError:
        message = "OTLP's protobuf needs opentelemetry-proto: pip install pytest-telemetry-gate[replay]"
        raise DriveError(message) from None
    return getattr(module, f"Export{name.capitalize()}Service{kind}")


def parse_message(signal: str, body: bytes) -> Any:
    """Parse a request's body; raises CorpusError if it is no message of the signal, or has too many fields."""
    kind = message_class(signal)
    _refuse_many(kind, body)
    return _parse(kind, body)


def response_document(signal: str, body: bytes) -> dict[str, Any]:
    """Return the body of an answer to a request as a document; raises CorpusError if it is none."""
    return document_of(_parse(message_class(signal, "Response"), body))


def _parse(kind: Any, body: bytes) -> Any:
    from google.protobuf.message import DecodeError

    try:
        return kind.FromString(body)
    except DecodeError:
        message = f"the body is not an {kind.__name__}"
        raise CorpusError(message) from None


def _refuse_many(kind: Any, body: bytes) -> None:
    """Raise CorpusError for a body of more fields than are read, whose message would be some hundred times as large."""
    if len(body) <= MAX_FIELDS * _FEWEST:
        return
    fields, waiting = 0, [(0, len(body), kind.DESCRIPTOR)]
    try:
        while waiting:
            position, end, descriptor = waiting.pop()
            while position < end:
                fields += 1
                if fields > MAX_FIELDS:
                    message = f"more than {MAX_FIELDS:,} fields, which would take too much memory"
                    raise CorpusError(message)
                tag, position = _varint(body, position)
                if tag & 7 == 0:
                    _, position = _varint(body, position)
                elif tag & 7 == 2:
                    size, position = _varint(body, position)
                    field = descriptor.fields_by_number.get(tag >> 3)
                    if field is not None and field.message_type is not None and size:
                        # First what is inside, as the parser does, so that nothing is overlooked before what is broken.
                        waiting.append((position + size, end, descriptor))
                        end, descriptor = position + size, field.message_type
                    else:
                        position += size
                else:
                    position += 8 if tag & 7 == 1 else 4
    except IndexError:
        return  # it ends in the middle, which the parser will say


def _varint(body: bytes, position: int) -> tuple[int, int]:
    byte = body[position]
    if byte < 128:
        return byte, position + 1
    number, shift = byte & 127, 7
    while byte >= 128:
        position += 1
        byte = body[position]
        number |= (byte & 127) << shift
        shift += 7
    return number, position + 1


def document_of(message: Any) -> dict[str, Any]:
    """Return a message as a document: ids in hex, 64-bit integers as decimal text, enums as integers.

    https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
    """
    return _reader(message.DESCRIPTOR)(message)


@cache
def _reader(descriptor: Any) -> Callable[[Any], dict[str, Any]]:
    """Return what makes a document of a kind of message: three times as fast as protobuf's own JSON, which has other ids."""
    names: dict[int, tuple[str, bool, Callable[[Any], Any] | None]] = {}

    def read(message: Any) -> dict[str, Any]:
        document: dict[str, Any] = {}
        for field, value in message.ListFields():
            name, is_list, convert = names[field.number]
            if convert is None:
                document[name] = list(value) if is_list else value
            else:
                document[name] = [convert(one) for one in value] if is_list else convert(value)
        return document

    for field in descriptor.fields:
        names[field.number] = field.json_name, _is_list(field), _converter(field, descriptor, read)
    return read


def _converter(field: Any, descriptor: Any, read: Callable[[Any], Any]) -> Callable[[Any], Any] | None:
    if field.message_type is not None:
        if field.message_type is descriptor:
            return read
        return partial(_read_as, field.message_type)
    if field.json_name in ID_KEYS:
        return bytes.hex
    if field.cpp_type in {field.CPPTYPE_INT64, field.CPPTYPE_UINT64}:
        return str
    if field.type == field.TYPE_BYTES:
        return lambda content: base64.b64encode(content).decode()
    return _finite if field.cpp_type == field.CPPTYPE_DOUBLE else None


def _read_as(descriptor: Any, message: Any) -> dict[str, Any]:
    return _reader(descriptor)(message)  # which may not be there before, as messages contain each other


def _is_list(field: Any) -> bool:
    repeated = getattr(field, "is_repeated", None)  # protobuf 6 has it, in place of the label
    return bool(field.label == field.LABEL_REPEATED if repeated is None else repeated)


def _finite(number: float) -> float | str:
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
