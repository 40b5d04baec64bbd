"""The event source ``recording``: alerts and incidents as a recording holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.recording.merge import covering
from pytest_telemetry_gate.sources.alert_history import alert_events
from pytest_telemetry_gate.sources.recording import RecordingSource

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings
    from pytest_telemetry_gate.model.sources import Source

__all__ = ["RecordedEvents"]


class RecordedEvents:
    """Tells what the recording's index holds, and for alerts what its ``ALERTS`` series say."""

    def __init__(self, source: RecordingSource) -> None:
        self._source = source
        self.description = source.description

    @classmethod
    def from_settings(cls, settings: RegionSettings, source: Source) -> RecordedEvents:
        """Take the events of the region's own recording; raises SourceError where the region is not recorded."""
        if not isinstance(source, RecordingSource):
            message = "event source recording: the environment's metrics do not come from a recording"
            raise SourceError(message)
        return cls(source)

    def events(self, kind: str, start: float, end: float) -> Events:
        """Return the recorded events of a kind; raises SourceError where none were recorded or they are damaged.

        A recording without an alert history still tells alerts by its ``ALERTS`` series, with no rules known.
        """
        wire = self._source.recording.events(self._source.region, kind)
        if wire is None and kind != "alerts":
            message = f"{self.description} holds no {kind}"
            raise SourceError(message)
        try:
            known = Events(start, end, complete=True) if wire is None else _known(wire, start, end)
        except (KeyError, TypeError, ValueError) as error:
            message = f"{self.description}: damaged events of kind {kind!r} in index.json: {error!r}"
            raise SourceError(message) from None
        return alert_events(self._source, known, start, end) if kind == "alerts" else known


def _known(wire: Mapping[str, Any], start: float, end: float) -> Events:
    """Return recorded events as they were known for one stretch of time, whatever is missing of another."""
    known = Events.from_wire(wire)
    span = covering(wire, start, end)
    if span is None:
        return known
    return replace(known, start=span[0], end=span[1], complete=True, reason="")
