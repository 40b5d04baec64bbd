"""Drive a case as its suite says, and tell how it went."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pytest_telemetry_gate.errors import CorpusError, DriveError
from pytest_telemetry_gate.replay.captured import DriveResult
from pytest_telemetry_gate.replay.drive.callable import drive_callable
from pytest_telemetry_gate.replay.drive.cli import drive_command
from pytest_telemetry_gate.replay.drive.context import DriveContext
from pytest_telemetry_gate.replay.drive.drive_secrets import keep_settings
from pytest_telemetry_gate.replay.drive.grpc import drive_grpc
from pytest_telemetry_gate.replay.drive.http import drive_http
from pytest_telemetry_gate.replay.drive.otlp import drive_otlp
from pytest_telemetry_gate.replay.drive.propagation import other_trace_ids
from pytest_telemetry_gate.replay.drive.responses import Response
from pytest_telemetry_gate.replay.drive.steps import drive_steps
from pytest_telemetry_gate.replay.suite.drives import (
    AnyDrive,
    CliDrive,
    GrpcDrive,
    HttpDrive,
    OtlpDrive,
    PythonDrive,
)
from pytest_telemetry_gate.replay.suite.model import ReplayCase
from pytest_telemetry_gate.support.log_records import mask_logs
from pytest_telemetry_gate.support.secrets import Secrets

__all__ = ["drive"]

_MAX_TEXT = 500  # characters of a message about a drive

_DRIVERS: dict[type, Callable[[Any, DriveContext, DriveResult, threading.Event], Response]] = {
    HttpDrive: drive_http,
    GrpcDrive: drive_grpc,
    CliDrive: drive_command,
    OtlpDrive: drive_otlp,
    PythonDrive: drive_callable,
}


def drive(
    case: ReplayCase, context: DriveContext, secrets: Secrets, stopped: threading.Event | None = None
) -> DriveResult:
    """Drive a case and tell how it went; never raises for faults of the system or of the user's settings.

    ``secrets`` remember the secrets of the drive; no message about it holds them. A command ends when ``stopped`` is set.
    """
    ending = stopped or threading.Event()
    result = DriveResult(
        case.drive.kind, seed=context.seed, trace_ids=[context.trace_id], span_id=context.span_id
    )
    mask_logs(secrets)
    started = time.monotonic()
    try:
        if case.drive.steps is not None:
            drive_steps(case.drive.steps, _drive_one, context, result, secrets=secrets, stopped=ending)
        elif case.drive.single is not None:
            keep_settings(secrets, case.drive.single.model_dump(), context)
            _drive_one(case.drive.single, context, result, ending)
    except (DriveError, CorpusError) as error:
        result.error = str(error)
    result.seconds = result.seconds or time.monotonic() - started
    for name in ("summary", "failure", "error", "why_silent"):
        # Cut only after scrubbing: half a secret would not be found.
        setattr(result, name, _short(secrets.scrub(getattr(result, name))))
    result.notes = [_short(secrets.scrub(note)) for note in result.notes]
    result.warnings = [_short(secrets.scrub(warning)) for warning in result.warnings]
    return result


def _drive_one(
    settings: AnyDrive, context: DriveContext, result: DriveResult, stopped: threading.Event
) -> Response:
    formats = getattr(settings, "propagation", context.propagation)
    if others := other_trace_ids(formats, context.trace_id):
        result.trace_ids += others
        context.announce(others)
    return _DRIVERS[type(settings)](settings, replace(context, propagation=formats), result, stopped)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT // 2]} ... {text[-_MAX_TEXT // 2 :]}"
