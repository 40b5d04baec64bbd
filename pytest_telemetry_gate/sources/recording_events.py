"""The event source ``recording``: alerts and incidents as a recording holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.model.sources import EventSource, Source
from pytest_telemetry_gate.recording.merge import find_complete_stretch
from pytest_telemetry_gate.sources.alert_history import alert_events
from pytest_telemetry_gate.sources.recording import RecordingSource

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["RecordedEvents"]


class RecordedEvents(EventSource):
    """Reads the events of the recording's index, and alerts from its ``ALERTS`` series as well."""

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

        A recording without an alert history still has alerts in its ``ALERTS`` series; it knows no rules then.
        """
        wire = self._source.recording.events(self._source.region, kind)
        if wire is None and kind != "alerts":
            message = f"{self.description} holds no {kind}"
            raise SourceError(message)
        try:
            events = Events(start, end, complete=True) if wire is None else _read_events(wire, start, end)
        except (KeyError, TypeError, ValueError) as error:
            message = f"{self.description}: damaged events of kind {kind!r} in index.json: {error!r}"
            raise SourceError(message) from None
        return alert_events(self._source, events, start, end) if kind == "alerts" else events


def _read_events(wire: Mapping[str, Any], start: float, end: float) -> Events:
    """Return recorded events, complete where one recorded stretch of time covers start to end."""
    events = Events.from_wire(wire)
    span = find_complete_stretch(wire, start, end)
    if span is None:
        return events
    return replace(events, start=span[0], end=span[1], complete=True, reason="")
