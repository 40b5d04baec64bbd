"""The query language of each place of an environment: what its source is asked in, PromQL where nothing else is said."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pytest_telemetry_gate.errors import TelemetryGateError
from pytest_telemetry_gate.gate.builtin import class_of
from pytest_telemetry_gate.model.environment import RECORDING, Environment, region_of
from pytest_telemetry_gate.model.query_sources import Dialect

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.registry import Registry
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["with_dialects"]


def with_dialects(environment: Environment, find_registry: Callable[[], Registry]) -> Environment:
    """Return the environment that also knows what each of its places is asked in, and the reducers and drivers of plugins.

    The registry is found when one of them is looked for.
    """
    regions = {
        name: replace(one, replay=replace(one.replay, find_drivers=lambda: find_registry().drivers))
        for name, one in environment.regions.items()
    }
    return replace(
        environment,
        regions=regions,
        find_dialect=_Finder(environment, find_registry),
        find_reducers=lambda: find_registry().reducers,
    )


@dataclass
class _Finder:
    """Finds the language of a place once: from the class of its source, or from the recording that stands for it."""

    environment: Environment
    find_registry: Callable[[], Registry]
    found: dict[str, Dialect | None] = field(default_factory=dict)

    def __call__(self, place: str) -> Dialect | None:
        if place not in self.found:
            settings = self.environment.place(place)
            self.found[place] = None if settings is None else self._find(place, settings)
        return self.found[place]

    def _find(self, place: str, settings: RegionSettings) -> Dialect | None:
        known = self.find_registry()
        factory = known.sources.get(settings.source)  # one that nobody has registered is told elsewhere
        if settings.source == RECORDING and region_of(place) != place:
            return self._find_recorded(settings)
        if settings.source == RECORDING:
            # A region whose recording cannot be read fails where it is judged.
            with contextlib.suppress(TelemetryGateError):
                return self._find_recorded(settings)
            return None
        dialect: Dialect | None = getattr(class_of(factory), "dialect", None)
        return dialect

    def _find_recorded(self, settings: RegionSettings) -> Dialect | None:
        from pytest_telemetry_gate.recording import Recording
        from pytest_telemetry_gate.sources.recorded_answers import RecordedDialect
        from pytest_telemetry_gate.sources.recording import RecordingSource

        with contextlib.closing(Recording.open(RecordingSource.read_settings(settings))) as recording:
            place = RecordingSource.find_place(settings, recording)
            told = recording.dialect(place) if place in recording.places else None
        return None if told is None else RecordedDialect(dict(told))
