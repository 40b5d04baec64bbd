"""Serve a recording: by a real Prometheus where one is installed that answers as the recording does, else by the engine."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.recording import Recording
from pytest_telemetry_gate.serving.http_server import serve_by_engine
from pytest_telemetry_gate.serving.prometheus_server import find_prometheus, serve_by_prometheus
from pytest_telemetry_gate.support.suggestions import suggest

__all__ = ["ENGINE", "PROMETHEUS", "ServedRecording", "serve"]

ENGINE = "engine"
PROMETHEUS = "prometheus"


@dataclass(frozen=True, slots=True)
class ServedRecording:
    """A recording behind Prometheus' HTTP API: at ``url``, answered by ``by``, which is ``prometheus`` or ``engine``."""

    url: str
    by: str
    recording: Recording
    region: str


@contextlib.contextmanager
def serve(recording: Recording, region: str = "", *, by: str | None = None) -> Iterator[ServedRecording]:
    """Serve a region until the context ends; ``by`` says who answers, whoever can if not said.

    A Prometheus of another major version answers other PromQL than the recording was made for: then the engine does. Raises
    ConfigError for a Prometheus that is not there, and SourceError where it cannot be run.
    """
    if by not in {None, ENGINE, PROMETHEUS}:
        message = f"by={by!r}: a recording is served by{suggest(by, (ENGINE, PROMETHEUS))}"
        raise ConfigError(message)
    program = None if by == ENGINE else find_prometheus(recording.semantics)
    if program is None and by == PROMETHEUS:
        message = f"by={by!r}: there is no prometheus {recording.semantics}.x to be found on PATH"
        raise ConfigError(message)
    with contextlib.ExitStack() as stack:
        if program is None:
            url = stack.enter_context(serve_by_engine(recording, region))
        else:
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="telemetry-gate-", ignore_cleanup_errors=True)
            )
            url = stack.enter_context(serve_by_prometheus(program, recording, region, Path(folder)))
        yield ServedRecording(url, ENGINE if program is None else PROMETHEUS, recording, region)
