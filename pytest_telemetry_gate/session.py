"""The gate in one process: it opens the regions, asks each question once and has checks judged."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_telemetry_gate.check import Check, judge
from pytest_telemetry_gate.errors import ConfigError, SourceError, TelemetryGateError
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector
from pytest_telemetry_gate.sources.base import (
    Answer,
    Answers,
    EventsQuestion,
    Question,
    Range,
    Source,
)
from pytest_telemetry_gate.spool import Spool
from pytest_telemetry_gate.verdict import Verdict

if TYPE_CHECKING:
    from pytest_telemetry_gate.config import Environment
    from pytest_telemetry_gate.events.base import EventSource
    from pytest_telemetry_gate.registry import Registry
    from pytest_telemetry_gate.suite.model import Criterion

__all__ = ["GateSession"]


@dataclass
class _Region:
    """One region as far as it could be opened: its metric source and event sources, or the one line why not."""

    source: Source | None = None
    failure: str = ""
    event_sources: dict[str, EventSource] = field(default_factory=dict)


class GateSession:
    """Asks and judges for one environment; ``now`` (seconds since the epoch) overrides the clock of the sources."""

    def __init__(
        self,
        environment: Environment,
        registry: Registry,
        *,
        now: float | None = None,
        spool: Path | None = None,
    ) -> None:
        self.environment = environment
        self._registry = registry
        self._now = now
        self._started = time.time()
        self._spool = Spool(spool)
        self._regions: dict[str, _Region] = {}

    @property
    def kinds(self) -> Mapping[str, type[Criterion]]:
        """The kinds of criteria, by the key that tells them."""
        return self._registry.criteria

    def judge(self, check: Check) -> Verdict:
        """Ask what the check needs to know and judge it; a user's mistake is an error verdict, never a traceback."""
        return judge(check, self.answers(check.region, check.questions()))

    def answers(self, region: str, questions: Iterable[Question]) -> Answers:
        """Return the answers to all questions of one region, with its clock and scrape intervals."""
        opened = self._region(region)
        if opened.source is None:
            return Answers(self.now(region), {}, failure=opened.failure)
        answers = {question: self._spool.answer(question, self._ask) for question in questions}
        return Answers(self.now(region), answers, opened.source.scrape_intervals)

    def now(self, region: str) -> float:
        """Return the clock: ``--telemetry-now``, else the recording's, else the wall clock as the session began."""
        source = self._region(region).source
        recorded = None if source is None else source.recorded_at
        return next(clock for clock in (self._now, recorded, self._started) if clock is not None)

    def clocks(self) -> set[float]:
        """Return the clocks of the regions that were opened."""
        return {self.now(region) for region in self._regions}

    def source(self, region: str) -> Source:
        """Return the metric source of a region; raises SourceError where it cannot be used."""
        opened = self._region(region)
        if opened.source is None:
            raise SourceError(opened.failure)
        return opened.source

    def ask(self, question: Question) -> Answer:
        """Return the run's answer to one question."""
        opened = self._region(question.region)
        if opened.source is None:
            return Answer(None, error=opened.failure)
        return self._spool.answer(question, self._ask)

    def _region(self, name: str) -> _Region:
        if name not in self._regions:
            self._regions[name] = self._opened(name)
        return self._regions[name]

    def _opened(self, name: str) -> _Region:
        settings = self.environment.regions.get(name)
        if settings is None:
            return _Region(failure=f"environment {self.environment.name!r} has no region {name!r}")
        factory = self._registry.sources.get(settings.source)
        if factory is None:
            known = ", ".join(sorted(self._registry.sources))
            return _Region(
                failure=f"{settings.where}: unknown source {settings.source!r}; known sources: {known}"
            )
        try:
            return _Region(factory(settings))
        except TelemetryGateError as error:
            return _Region(failure=self.environment.scrub(str(error)))

    def _ask(self, question: Question) -> Answer:
        source = self.source(question.region)
        value: Scalar | Vector | Matrix | str
        try:
            if isinstance(question, EventsQuestion):
                origin = self._event_source(question)
                events = origin.events(question.kind, question.start, question.end)
                return Answer(events, source=origin.description, semantics=source.semantics)
            if isinstance(question, Range):
                value = source.range(question.promql, question.start, question.end, question.step)
                link = source.link(question.promql, question.end)
            else:
                value = source.instant(question.promql, question.time)
                link = source.link(question.promql, question.time)
        except TelemetryGateError as error:
            reason = self.environment.scrub(str(error))
            return Answer(None, error=reason, source=source.description, semantics=source.semantics)
        return Answer(
            value,
            warnings=() if isinstance(value, str) else tuple(value.warnings),
            extent=source.extent,
            source=source.description,
            semantics=source.semantics,
            link=link,
        )

    def _event_source(self, question: EventsQuestion) -> EventSource:
        opened = self._region(question.region)
        if question.kind not in opened.event_sources:
            settings = self.environment.regions[question.region]
            options = settings.events.get(question.kind, {})
            name = options.get("source", settings.source)
            factory = self._registry.event_sources.get(name)
            if factory is None:
                known = ", ".join(sorted(self._registry.event_sources))
                message = (
                    f"{settings.where}: unknown event source {name!r} for {question.kind}; known: {known}"
                )
                raise ConfigError(message)
            opened.event_sources[question.kind] = factory(options, self.source(question.region))
        return opened.event_sources[question.kind]
