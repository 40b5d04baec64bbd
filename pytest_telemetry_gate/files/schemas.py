"""The JSON Schema of suite files, for editors: it accepts what the loader accepts as far as a schema can tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_telemetry_gate.files.validation import HIDDEN
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.suite import Suite

__all__ = ["json_schema", "model_schema"]


def json_schema(kinds: Mapping[str, type[Criterion]]) -> dict[str, Any]:
    """Return a JSON Schema (draft 2020-12) of ``*.gate.yaml`` with these kinds of criteria."""
    definitions: dict[str, Any] = {}
    top = model_schema(Suite, definitions)
    alternatives = []
    for key, kind in kinds.items():
        schema = model_schema(kind, definitions)
        schema["required"] = sorted({*schema.get("required", ()), "id", key})
        definitions[kind.__name__] = schema
        alternatives.append({"$ref": f"#/$defs/{kind.__name__}"})
    definitions["CheckpointEntry"] = {"anyOf": [{"type": "string"}, definitions["CheckpointEntry"]]}
    top["properties"]["groups"] = {
        "type": "object",
        "description": "criteria by group",
        "minProperties": 1,
        "additionalProperties": {"type": "array", "items": {"oneOf": alternatives}},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pytest-telemetry-gate suite (*.gate.yaml)",
        **top,
        "$defs": definitions,
    }


def model_schema(model: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a model, with what it refers to added to ``definitions``."""
    schema: dict[str, Any] = model.model_json_schema(mode="validation")
    for name, definition in schema.pop("$defs", {}).items():
        definitions.setdefault(name, _without_hidden(definition))
    return _without_hidden(schema)


def _without_hidden(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave out fields that no file has, and titles and defaults that say nothing to an editor's user."""
    properties = schema.get("properties", {})
    kept = {name: _plain(value) for name, value in properties.items() if name not in HIDDEN}
    return {
        key: value
        for key, value in {**schema, "properties": kept}.items()
        if key != "title" and (key != "properties" or kept)
    }


def _plain(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _plain(value) for key, value in schema.items() if key not in {"title", "default"}}
    return [_plain(value) for value in schema] if isinstance(schema, list) else schema
