"""The event source ``recording``: alerts and incidents as a recording holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.events import Events, Match
from pytest_telemetry_gate.model.sources import RuleExaminer, Source
from pytest_telemetry_gate.model.systems import System, Tested
from pytest_telemetry_gate.recording.merge import examined_rules, find_complete_stretch
from pytest_telemetry_gate.sources.alert_history import alert_events
from pytest_telemetry_gate.sources.recording import RecordingSource

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["RecordedEvents"]


class RecordedEvents(RuleExaminer):
    """Reads the events of the recording's index, and alerts from its ``ALERTS`` series as well."""

    system: ClassVar[System] = System(
        title="A recording",
        tested=Tested.REAL,
        against="recordings of the systems in this table",
        unproven="what was not asked when it was recorded",
    )

    def __init__(self, source: RecordingSource) -> None:
        self._source = source
        self.description = source.description

    @staticmethod
    def read_settings(settings: RegionSettings) -> None:
        """Raise SourceError for any key: it is the region's own source and has no settings itself."""
        settings.refuse_keys("the region's own and has no further keys")

    @classmethod
    def from_settings(cls, settings: RegionSettings, source: Source) -> RecordedEvents:
        """Take the events of the region's own recording; raises SourceError where the region is not recorded."""
        if not isinstance(source, RecordingSource):
            message = "event source recording: the environment's metrics do not come from a recording"
            raise SourceError(message)
        return cls(source)

    def events(self, kind: str, start: float, end: float) -> Events:
        """Return the recorded events of a kind; raises SourceError where none were recorded or they are damaged."""
        return self.examined_events(kind, start, end, ())

    def examined_events(self, kind: str, start: float, end: float, matches: Sequence[Match]) -> Events:
        """Return ``events()``; rules that were not examined when they were recorded are, from the recorded samples.

        An imported recording has no alert history, but all ``ALERTS`` series of its text; it knows no rules.
        """
        wire = self._source.recording.events(self._source.region, kind)
        if wire is None and kind != "alerts":
            message = f"{self.description} holds no {kind}"
            raise SourceError(message)
        try:
            events = self._without_history(start, end) if wire is None else _read_events(wire, start, end)
        except (KeyError, TypeError, ValueError) as error:
            message = f"{self.description}: damaged events of kind {kind!r} in index.json: {error!r}"
            raise SourceError(message) from None
        if kind != "alerts" or not events.from_metrics:
            return events
        return alert_events(self._source, events, start, end, matches=matches)

    def _without_history(self, start: float, end: float) -> Events:
        if "OpenMetrics" in self._source.recording.source:
            return Events(start, end, complete=True, from_metrics=True)
        # What was recorded is what was asked for, so ALERTS may have been left out.
        reason = f"{self.description} holds no alerts: record it with this criterion in the suite"
        return Events(start, end, complete=False, reason=reason, from_metrics=True)


def _read_events(wire: Mapping[str, Any], start: float, end: float) -> Events:
    """Return recorded events, complete where one recorded stretch of time covers start to end."""
    events = Events.from_wire(wire)
    events = replace(events, rules=examined_rules(wire, start, end))
    span = find_complete_stretch(wire, start, end)
    if span is None:
        return events
    return replace(events, start=span[0], end=span[1], complete=True, reason="")
