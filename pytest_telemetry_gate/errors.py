"""Errors that are meant for people: ``str(error)`` is one complete line.

TelemetryGateError
├── ConfigError      telemetry.yaml, an option or an environment variable is wrong
├── SuiteError       a suite file is wrong; knows file and line
├── SourceError      a source of metrics or events could not answer
│   └── UnreachableError   nothing that a server said: no connection, no answer in time
├── RecordingError   a recording is damaged, or cannot be written
├── BundleError      an evidence bundle is damaged, misses a part, or cannot be written
├── ReportError      a report is damaged or cannot be used with another
├── SinkError        a report could not be sent to somebody who is to be told of it
├── CorpusError      recorded or captured telemetry is no OTLP, or cannot be read
├── DriveError       a replay's case could not be driven, or its telemetry not be captured
├── WaitError        what a hand-written test waits for did not come in time
└── PromQLError      an expression is wrong, unsupported, or cannot be evaluated
"""

from __future__ import annotations

import traceback
from pathlib import Path

__all__ = [
    "FOREIGN_ERRORS",
    "BundleError",
    "ConfigError",
    "CorpusError",
    "DriveError",
    "PromQLError",
    "RecordingError",
    "ReportError",
    "SinkError",
    "SourceError",
    "SuiteError",
    "TelemetryGateError",
    "UnreachableError",
    "WaitError",
    "describe",
]

FOREIGN_ERRORS = (Exception, SystemExit)
"""What code of third parties may raise: anything but an interrupt. ``sys.exit()`` in a source ends no session."""

_LONGEST = 1000  # characters of a message that may repeat what it is about


class TelemetryGateError(Exception):
    """The root of every error this package raises for something that a user can mend."""


class ConfigError(TelemetryGateError):
    """The configuration (telemetry.yaml, options, environment variables) cannot be used."""


class SuiteError(TelemetryGateError):
    """A suite file cannot be used; carries the file, the 1-based line and the message, shortened where it is long."""

    def __init__(self, path: Path | str, line: int, message: str) -> None:
        message = _shortened(message)
        super().__init__(path, line, message)
        self.path = path
        self.line = line
        self.message = message

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


class SourceError(TelemetryGateError):
    """A source of metrics or events could not answer."""


class UnreachableError(SourceError):
    """A source could not be reached, or gave no answer in time; other questions would fare the same."""


class RecordingError(TelemetryGateError):
    """A recording cannot be read or written."""


class BundleError(TelemetryGateError):
    """An evidence bundle cannot be read or written."""


class ReportError(TelemetryGateError):
    """A report is damaged, of a format that is not known, or does not go together with another."""


class SinkError(TelemetryGateError):
    """A report could not be sent; the outcome of the gate is as it was."""


class CorpusError(TelemetryGateError):
    """Telemetry in a file or a request is no OTLP, or cannot be read."""


class DriveError(TelemetryGateError):
    """A case of a replay could not be driven, or its telemetry could not be captured."""


class WaitError(TelemetryGateError):
    """What a hand-written test waits for did not come in time, or cannot come any more."""


class PromQLError(TelemetryGateError):
    """An expression is wrong, unsupported or cannot be evaluated; the reason is Prometheus' own where it has one.

    A message that repeats a long part of the expression is shortened.
    """

    def __init__(self, message: str) -> None:
        super().__init__(_shortened(message))


def describe(error: BaseException) -> str:
    """Return the one line that people are shown of an exception: an error's own, else its class and message."""
    if isinstance(error, TelemetryGateError):
        return str(error)
    return " ".join(_shortened(f"{type(error).__name__}: {error}").split()).removesuffix(":")


def _shortened(message: str) -> str:
    """Return the beginning and the end of a message that nobody would read to the end."""
    if len(message) <= _LONGEST:
        return message
    cut = f" ... {len(message) - _LONGEST:,} characters ... "
    return message[: _LONGEST * 3 // 4] + cut + message[len(message) - _LONGEST // 4 :]


def raised_at(error: BaseException) -> str:
    """Return the file and line of the code that raised an exception, ``conftest.py:12``."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
