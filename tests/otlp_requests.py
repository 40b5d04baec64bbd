"""OTLP documents as the protobuf requests that exporters send."""

from __future__ import annotations

import base64
from typing import Any

from google.protobuf.json_format import ParseDict

from pytest_telemetry_gate.replay.otlp.protobuf import ID_KEYS, message_class
from pytest_telemetry_gate.support.places import Place, map_parts

__all__ = ["encode_request"]


def encode_request(signal: str, document: dict[str, Any]) -> bytes:
    """Return a document as the body of a protobuf request."""

    def with_base64_id(part: Any, place: Place) -> Any:
        is_id = place and place[-1] in ID_KEYS and isinstance(part, str)
        return base64.b64encode(bytes.fromhex(part)).decode() if is_id else part

    message = ParseDict(
        map_parts(document, with_base64_id), message_class(signal)(), ignore_unknown_fields=True
    )
    return bytes(message.SerializeToString())
