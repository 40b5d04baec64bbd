"""Drive a case by a command."""

from __future__ import annotations

import os
import re
import threading

from pytest_telemetry_gate.replay.captured import DriveResult
from pytest_telemetry_gate.replay.drive.command import Done, run_command
from pytest_telemetry_gate.replay.drive.context import DriveContext, read_file
from pytest_telemetry_gate.replay.drive.environment import command_environment, why_silent
from pytest_telemetry_gate.replay.drive.responses import Response
from pytest_telemetry_gate.replay.suite.drives import CliDrive

__all__ = ["drive_command"]

# How SDKs say that an export failed: "Transient error ... exporting", "Failed to export", "OTLPExporterError".
_TROUBLE = re.compile(
    r"(otlp|export|opentelemetry).*(fail|error|refused|unavailable|time[d ]*out|unimplemented)"
    r"|(fail|error).*(otlp|export)",
    re.IGNORECASE,
)


def drive_command(
    settings: CliDrive, context: DriveContext, result: DriveResult, stopped: threading.Event
) -> Response:
    """Run the command and hold its exit code against the expected one; raises DriveError where it cannot be run."""
    argv = [context.expand(part) for part in settings.argv]
    result.summary = " ".join(argv)
    own = {key: context.expand(value) for key, value in settings.env.items()}
    environ = command_environment(os.environ, own, context, settings.protocol)
    result.notes += environ.describe()
    stdin = read_file(context.folder / settings.stdin.file) if settings.stdin is not None else b""
    done = run_command(
        argv,
        cwd=context.folder / context.expand(settings.cwd),
        environ=environ.variables,
        stdin=stdin,
        timeout=settings.timeout,
        max_output=settings.max_output,
        stopped=stopped,
    )
    result.code, result.seconds = done.exit, done.seconds
    if done.timed_out:
        result.failure = f"timeout: killed with its process group after {settings.timeout:g} s"
    else:
        result.summary += f" -> exit {done.exit}"
        if done.exit != settings.exit:
            last_line = f" ({done.last_line})" if done.last_line else ""
            result.failure = f"exit code: expected {settings.exit}, got {done.exit}{last_line}"
    result.why_silent = why_silent(environ.variables) or _export_trouble(done)
    return Response("what the command prints", done.output)


def _export_trouble(done: Done) -> str:
    """Return what a command printed of an export that failed, or nothing."""
    lines = [line.strip() for line in f"{done.output}\n{done.errors}".splitlines() if _TROUBLE.search(line)]
    return f"it printed: {lines[-1]}" if lines else ""
