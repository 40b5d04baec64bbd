"""The sources, event sources and kinds of criteria of the package, by the names that files use.

Each is imported when it is first used: a recorded run needs no HTTP client, a live one no archive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.check import Criterion
    from pytest_telemetry_gate.model.environment import RegionSettings
    from pytest_telemetry_gate.model.sources import EventSource, Source

__all__ = ["EVENT_SOURCES", "SOURCES", "builtin_criteria"]


def _prometheus(settings: RegionSettings) -> Source:
    from pytest_telemetry_gate.sources.prometheus import PrometheusSource

    return PrometheusSource(settings)


def _recording(settings: RegionSettings) -> Source:
    from pytest_telemetry_gate.sources.recording import RecordingSource

    return RecordingSource.from_settings(settings)


def _recorded_events(settings: RegionSettings, source: Source) -> EventSource:
    from pytest_telemetry_gate.sources.recording_events import RecordedEvents

    return RecordedEvents.from_settings(settings, source)


def _prometheus_alerts(settings: RegionSettings, source: Source) -> EventSource:
    from pytest_telemetry_gate.sources.prometheus_alerts import PrometheusAlerts

    return PrometheusAlerts.from_settings(settings, source)


def _alertmanager(settings: RegionSettings, source: Source) -> EventSource:
    from pytest_telemetry_gate.sources.alertmanager import Alertmanager

    return Alertmanager.from_settings(settings, source)


SOURCES: Mapping[str, Callable[[RegionSettings], Source]] = {
    "prometheus": _prometheus,
    "recording": _recording,
}
EVENT_SOURCES: Mapping[str, Callable[[RegionSettings, Source], EventSource]] = {
    "alertmanager": _alertmanager,
    "prometheus": _prometheus_alerts,
    "recording": _recorded_events,
}


def builtin_criteria() -> Sequence[type[Criterion]]:
    """Return the kinds of criteria, in the order of the documentation."""
    from pytest_telemetry_gate.criteria.alerts import Alerts
    from pytest_telemetry_gate.criteria.approvals import Approvals
    from pytest_telemetry_gate.criteria.count import Count
    from pytest_telemetry_gate.criteria.distribution import Distribution
    from pytest_telemetry_gate.criteria.frozen import Frozen
    from pytest_telemetry_gate.criteria.incidents import Incidents
    from pytest_telemetry_gate.criteria.objective import Objective
    from pytest_telemetry_gate.criteria.ratio import Ratio
    from pytest_telemetry_gate.criteria.rollout import RolloutDuration
    from pytest_telemetry_gate.criteria.spread import Spread
    from pytest_telemetry_gate.criteria.threshold import Threshold
    from pytest_telemetry_gate.criteria.trend import Trend
    from pytest_telemetry_gate.replay.criterion import Replay

    return (
        Threshold,
        Count,
        Alerts,
        Incidents,
        RolloutDuration,
        Ratio,
        Spread,
        Trend,
        Distribution,
        Frozen,
        Objective,
        Replay,
        Approvals,
    )
