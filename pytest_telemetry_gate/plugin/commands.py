"""Work outside of test sessions: print a JSON Schema, import metrics. The console script and pytest's options share it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.files.openslo import convert_openslo
from pytest_telemetry_gate.files.schemas import baseline_schema, environments_schema, suite_schema
from pytest_telemetry_gate.files.written_groups import write_groups
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.recording import import_openmetrics
from pytest_telemetry_gate.replay.suite.schema import replay_schema
from pytest_telemetry_gate.reports.document.stored import report_schema
from pytest_telemetry_gate.support.durations import format_short_duration, format_time
from pytest_telemetry_gate.support.text import disarm, one_line, strip_passwords
from pytest_telemetry_gate.support.whole_files import replace_file

__all__ = ["import_file", "import_openslo", "print_schema"]


def print_schema(which: str, kinds: Mapping[str, type[Criterion]]) -> None:
    """Print the JSON Schema of ``gate`` or ``replay`` suites, of ``telemetry`` for telemetry.yaml, of a ``baseline`` file, or of a ``report``.

    ``kinds`` are the kinds of criteria by key.
    """
    schemas = {
        "gate": lambda: suite_schema(kinds),
        "replay": replay_schema,
        "telemetry": environments_schema,
        "baseline": baseline_schema,
        "report": report_schema,
    }
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


def import_openslo(sources: Sequence[str], out: str) -> int:
    """Write the criteria of OpenSLO files, to stdout where ``out`` is empty, and say on stderr what has none.

    Returns 1 where anything has none, else 0. Raises ConfigError for an output that exists or cannot be written.
    """
    converted = convert_openslo(map(Path, sources))
    if out and Path(out).exists():
        message = f"--output: {out} exists and is not overwritten"
        raise ConfigError(message)
    text = write_groups(converted.groups) if converted.groups else ""
    if text and not out:
        sys.stdout.write(text)
    elif text:
        try:
            with replace_file(Path(out)) as file:
                file.write(text.encode())
        except OSError as error:
            message = f"--output: {out} cannot be written: {error.strerror}"
            raise ConfigError(message) from None
    for problem in converted.problems:
        sys.stderr.write(f"{disarm(one_line(strip_passwords(problem)))}\n")
    return 1 if converted.problems else 0
