"""What telemetry.yaml says of a region's sources, held against what they can use: when files are collected, without a network.

What a source of a plugin can use, only that source knows, so that its settings are looked at when it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from pytest_telemetry_gate.errors import ConfigError, SourceError
from pytest_telemetry_gate.gate.builtin import EVENT_SOURCES, SOURCES
from pytest_telemetry_gate.gate.registry import find_factory

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.registry import Registry
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["require_usable"]


def require_usable(regions: Iterable[RegionSettings], registry: Registry) -> None:
    """Raise ConfigError, with file and line, for a source that nobody has registered and for settings it cannot use."""
    for settings in regions:
        find_factory(settings, "source", registry.sources)
        _check(settings, SOURCES, _SOURCE_CHECKS, registry.sources)
        for kind, event_settings in settings.events.items():
            find_factory(event_settings, f"event source for {kind}", registry.event_sources)
            _check(event_settings, EVENT_SOURCES, _EVENT_SOURCE_CHECKS, registry.event_sources)


def _check(
    settings: RegionSettings,
    builtin: Mapping[str, object],
    checks: Mapping[str, Callable[[RegionSettings], None]],
    registered: Mapping[str, object],
) -> None:
    name = settings.source
    if name not in checks or registered[name] is not builtin[name]:
        return
    try:
        checks[name](settings)
    except SourceError as error:
        raise ConfigError(str(error)) from None


def _check_prometheus(settings: RegionSettings) -> None:
    from pytest_telemetry_gate.sources.prometheus import PrometheusSource

    PrometheusSource.read_settings(settings)


def _check_recording(settings: RegionSettings) -> None:
    from pytest_telemetry_gate.sources.recording import RecordingSource

    RecordingSource.read_settings(settings)


def _check_alertmanager(settings: RegionSettings) -> None:
    from pytest_telemetry_gate.sources.http.settings import HttpSettings

    HttpSettings.from_settings(settings)


def _check_has_no_keys(settings: RegionSettings) -> None:
    """Refuse keys of an event source that is the region's own source and has no settings itself."""
    for key in settings.options:
        message = (
            f"unknown key {key!r}: event source {settings.source} is the region's own and has no further keys"
        )
        raise settings.error((key,), message)


_SOURCE_CHECKS: Mapping[str, Callable[[RegionSettings], None]] = {
    "prometheus": _check_prometheus,
    "recording": _check_recording,
}
_EVENT_SOURCE_CHECKS: Mapping[str, Callable[[RegionSettings], None]] = {
    "alertmanager": _check_alertmanager,
    "prometheus": _check_has_no_keys,
    "recording": _check_has_no_keys,
}
