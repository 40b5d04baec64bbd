"""What comes with the package, registered through the same hooks that third parties use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_telemetry_gate.config import RegionSettings
    from pytest_telemetry_gate.events.base import EventSource
    from pytest_telemetry_gate.sources.base import Source
    from pytest_telemetry_gate.suite.model import Criterion

__all__: list[str] = []


@pytest.hookimpl
def pytest_telemetry_gate_sources() -> Mapping[str, Callable[[RegionSettings], Source]]:
    return {"prometheus": _prometheus, "recording": _recording}


@pytest.hookimpl
def pytest_telemetry_gate_event_sources() -> Mapping[str, Callable[[RegionSettings, Source], EventSource]]:
    return {"alertmanager": _alertmanager, "prometheus": _prometheus_alerts, "recording": _recorded_events}


@pytest.hookimpl
def pytest_telemetry_gate_criteria() -> Iterable[type[Criterion]]:
    from pytest_telemetry_gate.criteria.count import Count
    from pytest_telemetry_gate.criteria.occurrences import Alerts, Incidents
    from pytest_telemetry_gate.criteria.ratio import Ratio
    from pytest_telemetry_gate.criteria.replay import Replay
    from pytest_telemetry_gate.criteria.rollout import RolloutDuration
    from pytest_telemetry_gate.criteria.spread import Spread
    from pytest_telemetry_gate.criteria.threshold import Threshold
    from pytest_telemetry_gate.criteria.trend import Trend

    return (Threshold, Count, Alerts, Incidents, RolloutDuration, Ratio, Spread, Trend, Replay)


# Each is imported when an environment first names it: a recorded run needs no HTTP client, a live one no archive.


def _prometheus(settings: RegionSettings) -> Source:
    from pytest_telemetry_gate.sources.prometheus import PrometheusSource

    return PrometheusSource(settings)


def _recording(settings: RegionSettings) -> Source:
    from pytest_telemetry_gate.sources.recorded import RecordingSource

    return RecordingSource.of(settings)


def _recorded_events(settings: RegionSettings, source: Source) -> EventSource:
    from pytest_telemetry_gate.events.recorded import RecordedEvents

    return RecordedEvents.of(settings, source)


def _prometheus_alerts(settings: RegionSettings, source: Source) -> EventSource:
    from pytest_telemetry_gate.events.prometheus import PrometheusAlerts

    return PrometheusAlerts.of(settings, source)


def _alertmanager(settings: RegionSettings, source: Source) -> EventSource:
    from pytest_telemetry_gate.events.alertmanager import Alertmanager

    return Alertmanager.of(settings, source)
