"""An environment: where a suite is judged, with the settings of each region and the secrets that must never be shown."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.errors import ConfigError, SourceError
from pytest_telemetry_gate.support.places import Place
from pytest_telemetry_gate.support.secrets import Secrets

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.query_sources import Dialect

__all__ = [
    "BY_DEFAULT",
    "DEFAULT_CONCURRENCY",
    "DEFAULT_INTERVAL",
    "RECORDING",
    "Deadline",
    "Environment",
    "Origin",
    "RegionSettings",
    "ReplaySettings",
    "name_place",
    "region_of",
]


DEFAULT_INTERVAL = 15.0  # seconds: Grafana's default for a Prometheus data source


DEFAULT_CONCURRENCY = 16
BY_DEFAULT = "default"  # the key of telemetry.yaml
RECORDING = "recording"  # the source that judges without a server


_BETWEEN = "/"  # what no name of a region or source has


def name_place(region: str, source: str | None) -> str:
    """Return the place that is asked: a region, or one of its further sources, as ``REGION/SOURCE``."""
    return region if source is None else f"{region}{_BETWEEN}{source}"


def region_of(place: str) -> str:
    """Return the region that a place is of."""
    return place.partition(_BETWEEN)[0]


class Deadline:
    """The time that all questions of a gate may take together, in seconds from the first one on."""

    def __init__(self, seconds: float = math.inf) -> None:
        self.seconds = seconds
        self._started: float | None = None

    def start(self) -> None:
        """Start the clock, unless it runs already."""
        if self._started is None:
            self._started = time.monotonic()

    def remaining(self) -> float:
        """Return the seconds that are left: all of them before the clock has started."""
        return self.seconds if self._started is None else self._started + self.seconds - time.monotonic()

    def reset(self) -> None:
        """Stop the clock and give the whole time again, as after waiting for a checkpoint."""
        self._started = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where settings are written: the file as people call it, and the line of each setting by its keys.

    ``()`` are the keys of the settings as a whole. A setting without a line has the line of the one that holds it.
    ``empty`` are the references that stand for nothing, by the keys of the setting that they are in.
    """

    file: str
    lines: Mapping[Place, int] = field(default_factory=lambda: {(): 1}, repr=False)
    empty: Mapping[Place, str] = field(default_factory=dict, repr=False)

    def at(self, keys: Place = ()) -> str:
        """Return ``telemetry.yaml:12``: where a setting is written."""
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return f"{self.file}:{self.lines.get(keys, 1)}"

    def remark(self, keys: Place) -> str:
        """Return, for the end of a message, which reference of a setting stands for nothing, if one does."""
        return f" ({self.empty[keys]} is empty)" if keys in self.empty else ""

    def below(self, keys: Place) -> Origin:
        """Return the origin of the settings that a setting holds."""
        count = len(keys)
        lines = {place[count:]: line for place, line in self.lines.items() if place[:count] == keys}
        empty = {place[count:]: text for place, text in self.empty.items() if place[:count] == keys}
        return Origin(self.file, {(): self.lines.get((), 1), **lines}, empty)


@dataclass(frozen=True, eq=False, slots=True)
class ReplaySettings:
    """What telemetry.yaml says about the replays of a region: what goes before the keys of a replay suite.

    ``recording`` holds the captures of checkpoints that are over, which nothing can drive again. ``told`` are variables
    of the command line, which go before all others; a suite that has no such variable leaves them alone. ``find_drivers`` gives
    the drivers of plugins, ``MODULE:FUNCTION`` by name.
    """

    variables: Mapping[str, str | bool | int | float] = field(default_factory=dict, repr=False)
    capture: Mapping[str, Any] | None = None
    recording: Path | None = None
    told: Mapping[str, str] = field(default_factory=dict, repr=False)
    origin: Origin = field(default=Origin("telemetry.yaml"), repr=False)
    find_drivers: Callable[[], Mapping[str, str]] = field(default=dict, repr=False)

    def error(self, keys: Place, message: str) -> ConfigError:
        """Return an error at the line of one of the settings."""
        return ConfigError(f"{self.origin.at(keys)}: {message}{self.origin.remark(keys)}")


@dataclass(frozen=True, slots=True)
class RegionSettings:
    """What telemetry.yaml says about one region: its source, that source's own options, and its event sources.

    ``origin`` says where they are written; ``folder`` is what relative paths count from. The name is empty where the
    environment has no regions. ``events`` are settings of the same form by kind of event, ``sources`` those of further sources by
    the name that criteria give; ``scrape_interval`` is in
    seconds, None where the file does not say it; ``concurrency`` is how many questions the source may be asked at
    once; ``own`` are the keys of the region itself, not of its environment.
    """

    name: str
    source: str
    options: Mapping[str, Any] = field(repr=False)
    events: Mapping[str, RegionSettings] = field(repr=False)
    origin: Origin
    folder: Path
    accept_warnings: bool = False
    scrape_interval: float | None = None
    concurrency: int = DEFAULT_CONCURRENCY
    deadline: Deadline = field(default_factory=Deadline, repr=False, compare=False)
    secrets: Secrets = field(default_factory=Secrets, repr=False, compare=False)
    own: frozenset[str] = frozenset()
    replay: ReplaySettings = field(default_factory=ReplaySettings, repr=False, compare=False)
    sources: Mapping[str, RegionSettings] = field(default_factory=dict, repr=False)

    def resolve(self, path: str) -> Path:
        """Return a path of the file as one that can be opened."""
        return self.folder / path

    @property
    def where(self) -> str:
        """Where the settings are written, for messages."""
        return self.origin.at()

    def refuse_keys(self, why: str) -> None:
        """Raise SourceError at the first option, for an event source that has none; ``why`` says what it is instead."""
        for key in self.options:
            raise self.error((key,), f"unknown key {key!r}: event source {self.source} is {why}")

    def error(self, keys: Place, message: str) -> SourceError:
        """Return an error at the line of one of the options."""
        return SourceError(f"{self.origin.at(keys)}: {message}{self.origin.remark(keys)}")


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment of telemetry.yaml; ``scrape_interval`` is in seconds, for ``$__interval`` and its like.

    ``chosen_by`` says how it was chosen: ``BY_DEFAULT`` or the name of the option, variable or marker that named it.
    ``reports`` are settings of the same form as a region's, by who is told of a report. ``find_dialect`` gives the query
    language of a place, None for PromQL; it raises ConfigError or RecordingError where nothing tells. ``find_reducers`` gives those that plugins have
    registered.
    """

    name: str
    path: Path
    regions: Mapping[str, RegionSettings]
    scrape_interval: float = DEFAULT_INTERVAL
    deadline: Deadline = field(default_factory=Deadline, compare=False)
    secrets: Secrets = field(default_factory=Secrets, repr=False, compare=False)
    chosen_by: str = field(default="", compare=False)
    reports: Mapping[str, RegionSettings] = field(default_factory=dict, repr=False, compare=False)
    find_dialect: Callable[[str], Dialect | None] = field(
        default=lambda place: None, repr=False, compare=False
    )
    find_reducers: Callable[[], Mapping[str, Callable[[Sequence[float]], float]]] = field(
        default=dict, repr=False, compare=False
    )

    @property
    def places(self) -> Mapping[str, RegionSettings]:
        """The settings of its regions, and of their further sources, by the place that is asked."""
        further = {
            name_place(region, name): named
            for region, settings in self.regions.items()
            for name, named in settings.sources.items()
        }
        return {**self.regions, **further}

    def place(self, name: str) -> RegionSettings | None:
        """Return the settings of a place, None where there is no such source.

        A recording answers for the sources that it was made from, unless its region names some itself.
        """
        known = self.places.get(name)
        region = self.regions.get(region_of(name))
        if known is not None or region is None or region.source != RECORDING or region.sources:
            return known
        return replace(region, name=name, events={}, own=frozenset())

    @property
    def recorded(self) -> bool:
        """Whether all of its regions are recordings."""
        return all(region.source == RECORDING for region in self.regions.values())

    def scrub(self, text: str) -> str:
        """Return a text for people without any secret of this environment, and without user names in addresses."""
        return self.secrets.scrub(text)
