"""Values, attributes and points as OTLP's JSON writes them."""

from __future__ import annotations

from typing import Any

KINDS = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}


def value(content: object) -> dict[str, Any]:
    if isinstance(content, list):
        return {"arrayValue": {"values": [value(item) for item in content]}}
    return {KINDS[type(content)]: content}


def attributes(given: dict[str, object]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(content)} for key, content in given.items()]


def points(**given: object) -> list[dict[str, Any]]:
    return [{"asInt": 1, "attributes": attributes(given.get("attributes", {}))}]  # type: ignore[arg-type]
