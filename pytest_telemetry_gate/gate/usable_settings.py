"""What telemetry.yaml says of a region's sources, held against what they can use: when files are collected, without a network.

A source that has no ``read_settings`` looks at its settings when it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.errors import ConfigError, SourceError
from pytest_telemetry_gate.gate.builtin import class_of
from pytest_telemetry_gate.gate.registry import find_factory
from pytest_telemetry_gate.model.environment import RECORDING
from pytest_telemetry_gate.model.questions import EventsQuestion

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.registry import Registry
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.environment import Environment, RegionSettings

__all__ = ["require_answerable", "require_usable"]


def require_usable(regions: Iterable[RegionSettings], registry: Registry) -> None:
    """Raise ConfigError, with file and line, for a source that nobody has registered and for settings it cannot use."""
    for settings in regions:
        _check(settings, "source", registry.sources)
        for kind, event_settings in settings.events.items():
            _check(event_settings, f"event source for {kind}", registry.event_sources)
        for named in settings.sources.values():
            _check(named, "source", {**registry.event_sources, **registry.sources})


def require_answerable(checks: Iterable[Check], environment: Environment, registry: Registry) -> None:
    """Raise ConfigError at a criterion about metrics whose source tells events alone, and the other way round."""
    for check in {check.criterion.id: check for check in checks if check.criterion.source}.values():
        settings = environment.place(check.places[0])
        if settings is None or settings.source == RECORDING:
            continue
        is_about_events = any(isinstance(question, EventsQuestion) for question in check.questions())
        known, noun = (registry.event_sources, "events") if is_about_events else (registry.sources, "metrics")
        if settings.source not in known:
            error = check.error(
                f"source: {check.criterion.source!r} ({settings.source}, {settings.where}) has no {noun}"
            )
            raise ConfigError(str(error))


def _check(settings: RegionSettings, noun: str, registered: Mapping[str, Callable[..., Any]]) -> None:
    factory = find_factory(settings, noun, registered)
    read_settings = getattr(class_of(factory), "read_settings", None)
    if not callable(read_settings):
        return
    try:
        read_settings(settings)
    except SourceError as error:
        raise ConfigError(str(error)) from None
