"""The places of an environment in one process, regions and further sources of them: opened once, and whether they can be reached."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from pytest_telemetry_gate.errors import FOREIGN_ERRORS, ConfigError, SourceError, UnreachableError, describe
from pytest_telemetry_gate.gate.registry import SOURCE_ATTRIBUTES, find_factory, require_members
from pytest_telemetry_gate.model.answers import Answer, Probed, RegionFacts
from pytest_telemetry_gate.model.environment import region_of
from pytest_telemetry_gate.model.query_sources import QuerySource
from pytest_telemetry_gate.model.questions import EventsQuestion, Probe, Question
from pytest_telemetry_gate.model.sources import EventSource, LiveSource, Source
from pytest_telemetry_gate.support.threads import start_in_background

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.registry import Registry
    from pytest_telemetry_gate.gate.shared_answers import SharedAnswers
    from pytest_telemetry_gate.model.environment import Environment, RegionSettings
    from pytest_telemetry_gate.sources.arrivals import ArrivalsReader

__all__ = ["Region", "Regions"]

_PROBE_REQUESTS = 3  # requests at once that probing one region takes
_GIVE_UP = 3  # failures in a row, each after several attempts, before a region is not asked any more


@dataclass
class Region:
    """One place as far as it could be opened: its metric source and event sources, or the one line why not.

    ``live`` is the same source, if it is behind a network; ``down`` says why it is not asked any more. Of a live source that
    nothing was asked of, ``live`` alone is known. A place that tells events alone has the metric source of its region.
    """

    source: Source | QuerySource | None = None
    live: LiveSource | QuerySource | None = None
    failure: str = ""
    accept_warnings: bool = False
    event_sources: dict[str, EventSource] = field(default_factory=dict)
    down: str = ""
    _unreachable: int = 0

    @cached_property
    def arrivals(self) -> ArrivalsReader:
        """What asks the source, as PromQL, when samples arrived."""
        from pytest_telemetry_gate.sources.arrivals import ArrivalsReader

        return ArrivalsReader(self.require_promql())

    @property
    def facts(self) -> RegionFacts:
        """What judging may know of it; nothing but the failure where it could not be opened."""
        if self.source is None:
            return RegionFacts(failure=self.failure)
        return RegionFacts(
            self.source.scrape_intervals, self.failure, self.source.semantics, self.clock_ahead
        )

    @property
    def clock_ahead(self) -> float:
        """Seconds by which this machine's clock is ahead of a live source's; a third party's may not tell."""
        return 0.0 if self.source is None else max(0.0, float(getattr(self.live, "clock_ahead", 0.0)))

    def require(self) -> Source | QuerySource:
        """Return the metric source; raises SourceError where the place cannot be used."""
        if self.source is None:
            raise SourceError(self.failure)
        return self.source

    def require_promql(self) -> Source:
        """Return the metric source where it answers PromQL; raises SourceError elsewhere."""
        source = self.require()
        if isinstance(source, QuerySource):
            message = f"{source.description} is asked in {source.dialect.name}, not in PromQL"
            raise SourceError(message)
        return source

    def check_reachable(self) -> None:
        """Raise SourceError where the region is not asked any more."""
        if self.down:
            raise SourceError(self.down)

    def note_answer(self) -> None:
        """Take note that the source answered."""
        self._unreachable = 0

    def note_failure(self, error: BaseException) -> None:
        """Take note of a failure; a region that was unreachable a few times in a row is not asked again."""
        if isinstance(error, UnreachableError):
            self._unreachable += 1
            if self._unreachable >= _GIVE_UP:
                self.down = self.down or f"{error}; not asked again"


class Regions:
    """Opens the regions of an environment, each once in a process; ``limits`` is the concurrency of each.

    Whatever a factory or a probe raises is the region's ``failure``, one line without secrets; nothing is raised.
    """

    def __init__(
        self,
        environment: Environment,
        registry: Registry,
        answers: SharedAnswers,
        *,
        limits: Mapping[str, int],
        concurrency: int,
    ) -> None:
        self._environment = environment
        self._registry = registry
        self._answers = answers
        self._limits = limits
        self._regions: dict[str, Region] = {}
        self._unasked: dict[str, Region] = {}
        self._sources: dict[str, Source | QuerySource] = {}
        self._probing = threading.Semaphore(max(1, concurrency // _PROBE_REQUESTS))

    def __getitem__(self, name: str) -> Region:
        """Return a region, opened."""
        if name not in self._regions:
            self.open([name])
        return self._regions[name]

    def unasked(self, name: str) -> Region:
        """Return a region for what asks no metrics, such as replays: its source is made, and a live one is asked nothing.

        It is the same whether or not others have opened the region, so that no verdict depends on them.
        """
        if name not in self._unasked:
            self._unasked[name] = self._open(name, self._leave_unasked)
        return self._unasked[name]

    @property
    def opened(self) -> list[str]:
        """The names of the regions that were opened."""
        return list(self._regions)

    @property
    def known(self) -> Mapping[str, Region]:
        """The regions that were opened, and those of which nothing was asked."""
        return {**self._unasked, **self._regions}

    def open(self, names: Iterable[str]) -> None:
        """Open several regions at once, so that the waits for their servers overlap."""
        closed = [name for name in dict.fromkeys(names) if name not in self._regions]
        opening = {name: start_in_background(partial(self._open, name, self._make_region)) for name in closed}
        self._regions.update((name, region.result()) for name, region in opening.items())

    def event_source(self, question: EventsQuestion) -> EventSource:
        """Return the event source that a question is for, made once; raises ConfigError or what its factory raises."""
        region = self[question.region]
        if question.kind not in region.event_sources:
            settings = self._settings(question.region)
            event_settings = settings.events.get(question.kind, settings)
            noun = f"event source for {question.kind}"
            factory = find_factory(event_settings, noun, self._registry.event_sources)
            source = factory(event_settings, region.require())
            require_members(
                source, EventSource, f"{event_settings.where}: event source {event_settings.source!r}"
            )
            region.event_sources[question.kind] = source
        return region.event_sources[question.kind]

    def _open(self, name: str, make: Callable[[str], Region]) -> Region:
        try:
            return make(name)
        except FOREIGN_ERRORS as error:
            return Region(failure=self._environment.scrub(describe(error)))

    def _leave_unasked(self, name: str) -> Region:
        source = self._make_source(name)
        return self[name] if _live(source) is None else Region(live=_live(source))

    def _make_region(self, name: str) -> Region:
        settings = self._settings(name)
        if region_of(name) != name and self._tells_events_alone(settings):
            metrics = self[region_of(name)]
            return Region(metrics.source, metrics.live, metrics.failure, metrics.accept_warnings)
        source = self._make_source(name)
        live = _live(source)
        if live is not None:
            self._probe(name, live)
        for member in SOURCE_ATTRIBUTES:
            # An attribute of a third party may raise; it does so here, where that is the region's failure.
            getattr(source, member)
        region = Region(source, live, accept_warnings=settings.accept_warnings)
        region.facts  # noqa: B018 - may raise as well
        return region

    def _make_source(self, name: str) -> Source | QuerySource:
        """Return the source of a place, made once; raises ConfigError or what its factory raises."""
        if name not in self._sources:
            settings = self._settings(name)
            factory = find_factory(settings, "source", self._registry.sources)
            limit = self._limits.get(name, settings.concurrency)
            source = factory(replace(settings, name=name, concurrency=limit))
            base = QuerySource if isinstance(source, QuerySource) else Source
            require_members(source, base, f"{settings.where}: source {settings.source!r}")
            self._sources[name] = source
        return self._sources[name]

    def _settings(self, name: str) -> RegionSettings:
        """Return the settings of a place; raises ConfigError where the environment has no such place."""
        settings = self._environment.place(name)
        if settings is None:
            region, _, source = name.partition("/")
            noun, missing = ("source", source) if source else ("region", region)
            message = f"environment {self._environment.name!r} has no {noun} {missing!r}"
            raise ConfigError(message)
        return settings

    def _tells_events_alone(self, settings: RegionSettings) -> bool:
        known = self._registry
        return settings.source in known.event_sources and settings.source not in known.sources

    def _probe(self, name: str, source: LiveSource | QuerySource) -> None:
        """Let one process of the run try the place for all; raises SourceError where it failed."""

        def probe(_: Question) -> Answer:
            try:
                with self._probing:
                    return Answer(Probed(source.probe() or {}))
            except FOREIGN_ERRORS as error:
                return Answer(None, error=describe(error))

        answer = self._answers.answer(Probe(name), probe)
        if not isinstance(answer.value, Probed):
            raise SourceError(answer.error)
        if isinstance(source, LiveSource):
            source.restore_probe(answer.value.facts)


def _live(source: Source | QuerySource) -> LiveSource | QuerySource | None:
    """Return a source if it is behind a network, so that it is asked ahead and once for all processes."""
    if isinstance(source, QuerySource):
        return source if source.recorded_at is None else None
    return source if isinstance(source, LiveSource) else None
