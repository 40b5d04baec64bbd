"""The JSON Schemas in docs/reference and the pages of their keys are what the code says: TELEMETRY_UPDATE_GOLDEN=1 makes them again."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydantic
import pytest

from pytest_telemetry_gate.files.schemas import baseline_schema, environments_schema, suite_schema
from pytest_telemetry_gate.gate.builtin import builtin_criteria
from pytest_telemetry_gate.replay.suite.schema import replay_schema
from pytest_telemetry_gate.reports.document.stored import report_schema

AGAIN = "TELEMETRY_UPDATE_GOLDEN=1 makes it again"
DOCS = Path(__file__).parents[2] / "docs"
MADE = "This page is made from {schema}, which an editor can check files by; `telemetry-gate schema {name}` prints it."
FILES: dict[str, tuple[Callable[[], dict[str, Any]], str, str]] = {
    "gate": (
        lambda: suite_schema({kind.key: kind for kind in builtin_criteria()}),
        "Every key of a suite",
        (
            "All keys of `*.gate.yaml`; [Suite files](suite-files.md) says how they work together. A criterion is of the kind whose key"
            " it has. Every value may come from a variable of the environment: `${NAME}`."
        ),
    ),
    "replay": (
        replay_schema,
        "Every key of a replay suite",
        "All keys of `*.replay.yaml`; [Replay suites](replay-suites.md) says how they work together.",
    ),
    "telemetry": (
        environments_schema,
        "Every key of telemetry.yaml",
        (
            "All keys of `telemetry.yaml` but those of sources, which [telemetry.yaml](telemetry-yaml.md) has. Every value may come"
            " from a variable of the environment: `${NAME}`."
        ),
    ),
    "baseline": (
        baseline_schema,
        "Every key of a baseline file",
        (
            "All keys of a baseline file, which `telemetry-gate baseline write` makes: see"
            " [Write and review a baseline](../how-to/baseline.md)."
        ),
    ),
    "report": (
        report_schema,
        "Every key of a report",
        (
            "All keys of the JSON of [the report](report.md), which people sign. Keys may be added; keys that are here stay as long as"
            " `format` is 1. Numbers may be the texts `NaN`, `Infinity` and `-Infinity`; what is at its default is left out."
        ),
    ),
}


@pytest.mark.skipif(
    tuple(map(int, pydantic.VERSION.split(".")[:2])) < (2, 13),
    reason="an older pydantic writes other schemas",
)
@pytest.mark.parametrize("name", FILES)
def test_schema_and_page_are_what_the_code_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(DOCS)
    make, title, about = FILES[name]
    schema = make()
    made = MADE.format(schema=f"[{name}.schema.json]({name}.schema.json)", name=name)
    page = importlib.import_module("schema_pages").make_page(title, f"{about}\n\n{made}", schema)
    stored, shown = DOCS / "reference" / f"{name}.schema.json", DOCS / "reference" / f"keys-{name}.md"
    if os.environ.get("TELEMETRY_UPDATE_GOLDEN"):
        stored.write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")
        shown.write_text(page, encoding="utf-8")
    assert json.loads(stored.read_text(encoding="utf-8")) == json.loads(json.dumps(schema)), AGAIN
    assert shown.read_text(encoding="utf-8") == page, AGAIN
