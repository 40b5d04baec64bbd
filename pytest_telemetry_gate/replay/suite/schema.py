"""The JSON Schema of replay suites, for editors: it accepts what the loader accepts as far as a schema can tell."""

from __future__ import annotations

from typing import Any

from pytest_telemetry_gate.files.schemas import model_schema, schema_of_file
from pytest_telemetry_gate.replay.suite.model import ReplaySuiteFile

__all__ = ["replay_schema"]


def replay_schema() -> dict[str, Any]:
    """Return a JSON Schema (draft 2020-12) of ``*.replay.yaml``.

    It cannot know that ``$variables`` stand for numbers in a case.
    """
    definitions: dict[str, Any] = {}
    top = model_schema(ReplaySuiteFile, definitions)
    return schema_of_file("replay", "replay suite (*.replay.yaml)", top, definitions)
