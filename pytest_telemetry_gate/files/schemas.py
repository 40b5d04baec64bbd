"""The JSON Schemas of files, for editors: they accept what the loader accepts as far as a schema can tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_telemetry_gate.files.environment_keys import EnvironmentKeys, EnvironmentsFile, RegionKeys
from pytest_telemetry_gate.model.baseline import BaselineFile
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.suite import Suite
from pytest_telemetry_gate.support.places import Place, map_parts

__all__ = ["baseline_schema", "environments_schema", "model_schema", "schema_of_file", "suite_schema"]


_REFERENCE = {"type": "string", "pattern": r"\$\{"}


def suite_schema(kinds: Mapping[str, type[Criterion]]) -> dict[str, Any]:
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
    return schema_of_file(
        "suite",
        "suite (*.gate.yaml)",
        {**top, "properties": map_parts(top["properties"], _or_reference)},
        map_parts(definitions, _or_reference),
    )


def baseline_schema() -> dict[str, Any]:
    """Return a JSON Schema (draft 2020-12) of baseline files."""
    definitions: dict[str, Any] = {}
    top = model_schema(BaselineFile, definitions)
    values = top["properties"]["values"]
    values["additionalProperties"] = {"anyOf": [{"type": "number"}, values["additionalProperties"]]}
    return schema_of_file("baseline", "baseline", top, definitions)


def environments_schema() -> dict[str, Any]:
    """Return a JSON Schema (draft 2020-12) of ``telemetry.yaml``; it leaves the sources' own keys to the sources."""
    definitions: dict[str, Any] = {}
    top = model_schema(EnvironmentsFile, definitions)
    region = model_schema(RegionKeys, definitions)
    environment = model_schema(EnvironmentKeys, definitions)
    # An environment and its regions complete each other, so that neither needs a key.
    region.pop("required")
    environment["properties"] = {**region["properties"], **environment["properties"]}
    environment["properties"]["scrape_interval"] = region["properties"]["scrape_interval"]
    environment["properties"]["regions"] = {
        "description": environment["properties"]["regions"]["description"],
        "anyOf": [{"type": "object", "additionalProperties": _optional("RegionKeys")}, {"type": "null"}],
    }
    definitions |= {"RegionKeys": region, "EnvironmentKeys": environment}
    top["properties"]["environments"]["additionalProperties"] = {"$ref": "#/$defs/EnvironmentKeys"}
    schema = map_parts(definitions, _or_reference)
    for kind in ("EventsKeys", "ReplayKeys", "ReportsKeys"):
        schema[kind] = {"anyOf": [schema[kind], {"type": "null"}]}
    return schema_of_file("telemetry", "environments (telemetry.yaml)", top, schema)


def schema_of_file(
    name: str, title: str, top: Mapping[str, Any], definitions: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the schema of a whole file of format 1, with the definitions that it refers to."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:pytest-telemetry-gate:{name}:1",
        "title": f"pytest-telemetry-gate {title}",
        **top,
        "$defs": dict(definitions),
    }


def model_schema(model: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a model, with what it refers to added to ``definitions``."""
    schema: dict[str, Any] = model.model_json_schema(mode="validation")
    for name, definition in schema.pop("$defs", {}).items():
        definitions.setdefault(name, _without_titles(definition))
    return _without_titles(schema)


def _without_titles(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave out titles and defaults, which say nothing to an editor's user."""
    properties = {name: _plain(value) for name, value in schema.get("properties", {}).items()}
    return {
        key: value
        for key, value in {**schema, "properties": properties}.items()
        if key != "title" and (key != "properties" or properties)
    }


def _plain(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _plain(value) for key, value in schema.items() if key not in {"title", "default"}}
    return [_plain(value) for value in schema] if isinstance(schema, list) else schema


def _optional(definition: str) -> dict[str, Any]:
    return {"anyOf": [{"$ref": f"#/$defs/{definition}"}, {"type": "null"}]}


def _or_reference(part: Any, place: Place) -> Any:
    """Let what is more than a text also be a reference such as ``${INTERVAL}``, which is expanded before it is read."""
    if not isinstance(part, dict):
        return part
    if isinstance(part.get("pattern"), str):
        return {**part, "pattern": rf"(?:{part['pattern']})|\$"}
    if isinstance(part.get("enum"), list) and part.get("type") == "string":
        told = {key: value for key, value in part.items() if key not in {"enum", "type"}}
        return {**told, "anyOf": [{"enum": part["enum"]}, _REFERENCE]}
    return {**part, "type": ["number", "string"], "pattern": r"\$"} if part.get("type") == "number" else part
