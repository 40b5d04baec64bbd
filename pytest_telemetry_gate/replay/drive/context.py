"""What every driver is given: the ids of the case's trace, the receiver's address, where files are."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.replay.drive.propagation import trace_headers
from pytest_telemetry_gate.replay.suite.drive_variables import expand_marked, value_of
from pytest_telemetry_gate.support.places import map_texts
from pytest_telemetry_gate.support.variables import expand_references

__all__ = ["DriveContext", "pause", "read_file", "resolve"]


@dataclass(frozen=True)
class DriveContext:
    """What a drive is given: ids of its trace (hex), the receiver's address, and where files are.

    ``traceparent`` is W3C's header with the sampled flag, without which parent-based samplers drop the trace;
    ``headers`` are those of the formats in ``propagation``. ``values`` is what earlier steps have given. ``endpoint`` is
    for OTLP/HTTP, ``grpc_endpoint`` for OTLP/gRPC; both are empty where there is no such receiver. ``announce``
    is told by which other traces (hex) the case's telemetry is known, before it is sent. ``environment`` is for processes
    that a callable starts: what a driven command would find.
    """

    suite: str
    case: str
    checkpoint: str
    folder: Path
    seed: int
    endpoint: str = ""
    region: str = ""
    propagation: tuple[str, ...] = ("w3c",)
    values: Mapping[str, Any] = field(default_factory=dict)
    grpc_endpoint: str = ""
    announce: Callable[[Sequence[str]], None] = lambda _: None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def origin(self) -> str:
        """What all ids of the case are made of: two cases of a run have none in common."""
        return f"{self.seed}/{self.suite}/{self.case}/{self.checkpoint}/{self.region}"

    @property
    def _ids(self) -> tuple[str, str]:
        chance = random.Random(self.origin)  # noqa: S311 - repeatable
        return f"{chance.getrandbits(128) or 1:032x}", f"{chance.getrandbits(64) or 1:016x}"

    @property
    def trace_id(self) -> str:
        """The id of the case's trace."""
        return self._ids[0]

    @property
    def span_id(self) -> str:
        """The id of the span that the case pretends to be."""
        return self._ids[1]

    @property
    def traceparent(self) -> str:
        """The W3C trace context."""
        return self._headers("w3c")["traceparent"]

    @property
    def headers(self) -> dict[str, str]:
        """The headers that hand on the trace."""
        return self._headers(*self.propagation)

    def _headers(self, *formats: str) -> dict[str, str]:
        return trace_headers(formats, self.trace_id, self.span_id)

    def endpoint_for(self, protocol: str) -> str:
        """Return the address to export to by a protocol of OTLP, empty where nothing is exported to us; raises DriveError."""
        if protocol != "grpc" or not (self.endpoint or self.grpc_endpoint):
            return self.endpoint
        if not self.grpc_endpoint:
            message = "protocol grpc: nothing listens for OTLP/gRPC; `capture: {otlp: {grpc: ...}}` has cases share such a receiver"
            raise DriveError(message)
        return self.grpc_endpoint

    def expand(self, text: str) -> str:
        """Return a text of the suite with the values of its variables, and of ``${VAR}``; raises DriveError."""
        return expand_marked(text, self._value, resolve)

    def expand_all(self, settings: Any) -> Any:
        """Return nested data with all texts expanded; a text that is one variable alone takes over its type."""
        return map_texts(settings, lambda text, _: value_of(text, self._value, resolve))

    def _value(self, name: str) -> Any:
        if name in self.values:
            return self.values[name]
        if name == "endpoint":
            if not self.endpoint:
                message = "$endpoint: the case captures from no receiver that it could export to"
                raise DriveError(message)
            return self.endpoint
        if name == "b3":
            return self._headers("b3")["b3"]
        own = {
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "traceparent": self.traceparent,
            "sampled": "1",
        }
        return own[name]


def resolve(text: str, environ: Mapping[str, str] | None = None) -> str:
    """Replace ``${VAR}`` and ``${VAR:-default}`` by environment variables; raises DriveError."""
    try:
        return expand_references(text, environ=environ)
    except ValueError as error:
        raise DriveError(str(error)) from None


def read_file(path: Path) -> bytes:
    """Return the content of a file that a drive needs; raises DriveError."""
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise DriveError(message) from None


def pause(seconds: float, stopped: threading.Event) -> None:
    """Wait for so many seconds; raises DriveError where the session ends meanwhile."""
    if stopped.wait(seconds):
        message = "the session ended while there was a pause"
        raise DriveError(message)
