"""What telemetry.yaml says of a region's sources, held against what they can use: when files are collected, without a network.

A source that has no ``read_settings`` looks at its settings when it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.errors import ConfigError, SourceError
from pytest_telemetry_gate.gate.builtin import class_of
from pytest_telemetry_gate.gate.registry import find_factory

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.registry import Registry
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["require_usable"]


def require_usable(regions: Iterable[RegionSettings], registry: Registry) -> None:
    """Raise ConfigError, with file and line, for a source that nobody has registered and for settings it cannot use."""
    for settings in regions:
        _check(settings, "source", registry.sources)
        for kind, event_settings in settings.events.items():
            _check(event_settings, f"event source for {kind}", registry.event_sources)
        for named in settings.sources.values():
            known = registry.sources if named.source in registry.sources else registry.event_sources
            _check(named, "source", {**registry.event_sources, **registry.sources, **known})


def _check(settings: RegionSettings, noun: str, registered: Mapping[str, Callable[..., Any]]) -> None:
    factory = find_factory(settings, noun, registered)
    read_settings = getattr(class_of(factory), "read_settings", None)
    if not callable(read_settings):
        return
    try:
        read_settings(settings)
    except SourceError as error:
        raise ConfigError(str(error)) from None
