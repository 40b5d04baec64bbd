"""The ``telemetry`` fixture of hand-written tests."""

from __future__ import annotations

from pytest_telemetry_gate.plugin.checking import Checking
from pytest_telemetry_gate.plugin.in_event_loops import AsyncTelemetry

__all__ = ["Telemetry"]


class Telemetry(Checking):
    """The gate at one region and one moment, for one test."""

    @property
    def aio(self) -> AsyncTelemetry:
        """The same for an ``async`` test, whose event loop goes on meanwhile: ``await telemetry.aio.check(...)``."""
        return AsyncTelemetry(self)
