"""Work outside of test sessions: print a JSON Schema, import metrics. The console script and pytest's options share it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from pytest_telemetry_gate.files.schemas import environments_schema, suite_schema
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.recording import import_openmetrics
from pytest_telemetry_gate.replay.suite.schema import replay_schema
from pytest_telemetry_gate.support.durations import format_short_duration, format_time
from pytest_telemetry_gate.support.text import one_line

__all__ = ["import_file", "print_schema"]


def print_schema(which: str, kinds: Mapping[str, type[Criterion]]) -> None:
    """Print the JSON Schema of ``gate`` or ``replay`` suites, or of ``telemetry`` for telemetry.yaml.

    ``kinds`` are the kinds of criteria by key.
    """
    schemas = {"gate": lambda: suite_schema(kinds), "replay": replay_schema, "telemetry": environments_schema}
    json.dump(schemas[which](), sys.stdout, indent=2)
    sys.stdout.write("\n")


def import_file(source: str, out: str, *, folder: Path, environment: str = "") -> None:
    """Import OpenMetrics text into a new recording and print what it holds; raises RecordingError.

    Both are paths as the user wrote them, relative to ``folder``; ``environment`` is whose samples they are, if known.
    """
    summary = import_openmetrics(folder / source, folder / out, environment=environment)
    span = f"{format_time(summary.start)} to {format_time(summary.end)}"
    length = format_short_duration(summary.end - summary.start)
    size = (folder / out).stat().st_size
    sys.stdout.write(
        f"{one_line(out)}: {summary.series:,} series, {summary.samples:,} samples, {span} ({length}), {size:,} bytes\n"
    )
