"""What ``pytest --telemetry-...`` does instead of running tests: print the schema, import metrics."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_telemetry_gate.errors import TelemetryGateError
from pytest_telemetry_gate.files.schemas import json_schema
from pytest_telemetry_gate.recording import import_openmetrics
from pytest_telemetry_gate.replay.suite.schema import replay_schema
from pytest_telemetry_gate.support.durations import format_short_duration, format_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.plugin.session import GateRun

__all__ = ["main"]


def main(config: pytest.Config, run: GateRun) -> int:
    """Do what the options ask for and return the exit code; a user's mistake is a usage error of one line."""
    try:
        which = config.getoption("--telemetry-schema")
        if which:
            schema = replay_schema() if which == "replay" else json_schema(run.registry.criteria)
            json.dump(schema, sys.stdout, indent=2)
            sys.stdout.write("\n")
        else:
            _import(config)
    except TelemetryGateError as error:
        raise pytest.UsageError(str(error)) from None
    return int(pytest.ExitCode.OK)


def _import(config: pytest.Config) -> None:
    out = config.getoption("--telemetry-recording")
    if not out:
        message = "--telemetry-import needs --telemetry-recording OUT.telemetry.zip, the recording to write"
        raise pytest.UsageError(message)
    here = config.invocation_params.dir
    summary = import_openmetrics(here / config.getoption("--telemetry-import"), here / out)
    span = f"{format_time(summary.start)} to {format_time(summary.end)}"
    size = Path(here / out).stat().st_size
    sys.stdout.write(
        f"{out}: {summary.series:,} series, {summary.samples:,} samples, {span} ({format_short_duration(summary.end - summary.start)}), "
        f"{size:,} bytes\n"
    )
