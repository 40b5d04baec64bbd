"""The gate in one process: it opens the regions, asks each question once and has checks judged."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_telemetry_gate.errors import ConfigError, SourceError, TelemetryGateError, UnreachableError
from pytest_telemetry_gate.gate.asked import Inquiry
from pytest_telemetry_gate.gate.fetch import Fetcher, batches
from pytest_telemetry_gate.gate.local_answers import LazyAnswers, LocalAnswers
from pytest_telemetry_gate.gate.shared_answers import SharedAnswers
from pytest_telemetry_gate.model.answers import Answer, Answers, Probed, RegionFacts
from pytest_telemetry_gate.model.check import Check
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.model.questions import (
    CaptureQuestion,
    EventsQuestion,
    Instant,
    Probe,
    Question,
    Range,
)
from pytest_telemetry_gate.model.sources import LiveSource, LocalSource, Source
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector
from pytest_telemetry_gate.support.durations import format_short_duration
from pytest_telemetry_gate.support.secrets import scrubbed
from pytest_telemetry_gate.support.threads import begin

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.registry import Registry
    from pytest_telemetry_gate.model.check import Criterion
    from pytest_telemetry_gate.model.environment import Environment, RegionSettings
    from pytest_telemetry_gate.model.sources import EventSource
    from pytest_telemetry_gate.replay.answers import Replays

__all__ = ["GateSession"]

_PROBING = 3  # requests at once that probing one region takes
_GIVE_UP = 3  # unreachable in a row, each after several attempts, before a region is not asked any more


@dataclass
class _Region:
    """One region as far as it could be opened: its metric source and event sources, or the one line why not.

    ``live`` is the source once more, where it is behind a network, and ``local`` where it is in the process; ``down``
    says why it is not asked any more.
    """

    source: Source | None = None
    live: LiveSource | None = None
    local: LocalSource | None = None
    failure: str = ""
    accept_warnings: bool = False
    event_sources: dict[str, EventSource] = field(default_factory=dict)
    unreachable: int = 0
    down: str = ""


class GateSession:
    """Asks and judges for one environment; ``now`` (seconds since the epoch) overrides the clock of the sources.

    ``concurrency`` is how many requests may be under way at once over all live regions and all ``workers``, which
    have equal shares of it, one at least. ``checkpoints`` are the chosen ones, which replays are driven at; ``seed``
    makes the ids of what they drive.
    """

    def __init__(
        self,
        environment: Environment,
        registry: Registry,
        *,
        now: float | None = None,
        spool: Path | None = None,
        concurrency: int = 16,
        workers: int = 1,
        checkpoints: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        self.environment = environment
        self._registry = registry
        self._now = now
        self._started = time.time()
        self._spool = SharedAnswers(spool)
        self._local = LocalAnswers(self._asked, self._asked_at_times)
        self._regions: dict[str, _Region] = {}
        concurrency = max(1, concurrency // workers)
        limits = {
            name: min(concurrency, max(1, one.concurrency // workers))
            for name, one in environment.regions.items()
        }
        self._limits = limits
        self._probes = threading.Semaphore(max(1, concurrency // _PROBING))
        self._fetcher = Fetcher(self._ask_together, self._spool, threads=concurrency, limits=limits)
        self.inquiry = Inquiry()
        self._replaying = (seed, tuple(checkpoints), spool is not None)

    @cached_property
    def replays(self) -> Replays:
        """The replays of the environment."""
        from pytest_telemetry_gate.replay.answers import Replays

        seed, checkpoints, shared = self._replaying
        return Replays(
            self.environment, self._spool, self.source, seed=seed, checkpoints=checkpoints, shared=shared
        )

    def close(self) -> None:
        """Close what replays hold open, where there are any."""
        if "replays" in self.__dict__:
            self.replays.close()

    @property
    def kinds(self) -> Mapping[str, type[Criterion]]:
        """The kinds of criteria, by the key that tells them."""
        return self._registry.criteria

    def prefetch(self, checks: Sequence[Check]) -> None:
        """Have the questions of some checks asked of live regions while the caller goes on.

        Checks whose time has not come are left out. Local regions are told what they will be asked.
        """
        self.open(region for check in checks for region in check.regions)
        for check in checks:
            self._local.expect(one for one in check.questions() if self._is_local(one))
        live = [check for check in checks if any(self._region(name).live for name in check.regions)]
        due = (check for check in live if check.time <= min(map(self.now, check.regions)))
        self._fetch(question for check in due for question in check.questions())

    def waits_for(self, check: Check) -> float | None:
        """Return when a check is due that is not yet and will be by the wall clock, in seconds since the epoch."""
        regions = [self._region(name) for name in check.regions]
        if self._now is not None or any(one.live is None for one in regions):
            return None
        due = check.due(self._known(check.regions).longest_interval(check.regions))
        return due if due > self._started else None

    def restart(self) -> None:
        """Read the wall clock again, and count the deadline from the next question on."""
        self._started = time.time()
        self.environment.deadline.restart()

    def open(self, regions: Iterable[str]) -> None:
        """Open several regions at once, so that their servers are waited for together."""
        closed = [name for name in dict.fromkeys(regions) if name not in self._regions]
        opening = {name: begin(partial(self._opened, name)) for name in closed}
        self._regions.update((name, opened.result()) for name, opened in opening.items())

    def answers(self, check: Check) -> Answers:
        """Return the answers to a check's questions, with what is known of every region that they are about.

        Whatever goes wrong is an answer that says so, never an exception.
        """
        wanted = check.questions()
        known = self._known(dict.fromkeys([*check.regions, *(one.region for one in wanted)]))
        if check.due(known.longest_interval(check.regions)) > known.now:
            # Nothing is driven for a checkpoint whose time has not come.
            wanted = tuple(one for one in wanted if not isinstance(one, CaptureQuestion))
        self._fetch(wanted)
        return replace(known, answers=LazyAnswers(wanted, self.answer))

    def release(self, check: Check) -> None:
        """Forget the answers that only this check needed, which has been judged."""
        self._local.release(one for one in check.questions() if self._is_local(one))

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
        """Return the run's answer to one question of a test."""
        self.inquiry.note(question)
        return self.answer(question)

    def answer(self, question: Question) -> Answer:
        """Return the run's answer to one question."""
        if isinstance(question, CaptureQuestion):
            return self.replays.answer(question)
        opened = self._region(question.region)
        if opened.source is None:
            return Answer(None, error=opened.failure)
        if self._is_local(question):
            return self._local.answer(question)
        if opened.live is None:
            return self._spool.answer(question, self._asked)
        if not self._spool.known(question):
            self._fetch([question])
        deadline = self.environment.deadline
        # A moment longer than requests may take, so that what they say of their failure is heard.
        answer = self._spool.get(question, max(0.0, deadline.remaining()) + 1.0)
        late = f"no answer before the gate's deadline of {format_short_duration(deadline.seconds)}"
        return Answer(None, error=late, source=opened.source.description) if answer is None else answer

    def _is_local(self, question: Question) -> bool:
        """Tell whether a question is one of PromQL to a source in the process."""
        return isinstance(question, Instant | Range) and self._region(question.region).local is not None

    def _fetch(self, questions: Iterable[Question]) -> None:
        asked = (one for one in questions if not isinstance(one, CaptureQuestion))
        live = (one for one in asked if self._region(one.region).live is not None)
        found = batches(one for one in live if not self._spool.known(one))
        if found:
            self._fetcher.ahead(found)

    def _known(self, regions: Iterable[str]) -> Answers:
        """Return what is known of some regions before anything is asked."""
        facts = {}
        for name in regions:
            opened = self._region(name)
            source = opened.source
            facts[name] = (
                RegionFacts(failure=opened.failure)
                if source is None
                else RegionFacts(source.scrape_intervals, opened.failure, source.semantics)
            )
        return Answers(min(map(self.now, facts)), {}, facts)

    def _region(self, name: str) -> _Region:
        if name not in self._regions:
            self.open([name])
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
            source = factory(replace(settings, concurrency=self._limits[name]))
            live = source if isinstance(source, LiveSource) else None
            local = source if isinstance(source, LocalSource) and live is None else None
            if live is not None:
                self._probe(live, settings)
        except TelemetryGateError as error:
            return _Region(failure=self.environment.scrub(str(error)))
        return _Region(source, live, local, accept_warnings=settings.accept_warnings)

    def _probe(self, source: LiveSource, settings: RegionSettings) -> None:
        """Have one process of the run try the region; raises SourceError where it failed."""

        def probe(_: Question) -> Answer:
            try:
                with self._probes:
                    return Answer(Probed(source.probe()))
            except TelemetryGateError as error:
                return Answer(None, error=self.environment.scrub(str(error)))

        answer = self._spool.answer(Probe(settings.name), probe)
        if not isinstance(answer.value, Probed):
            raise SourceError(answer.error)
        source.know(answer.value.facts)

    def _ask_together(self, questions: Sequence[Question]) -> Sequence[Answer] | None:
        """Answer a batch of questions about one region, or None where they must be asked one by one."""
        first, live = questions[0], self._region(questions[0].region).live
        if len(questions) == 1 or live is None or not isinstance(first, Instant):
            return [self._asked(question) for question in questions]
        queries = [one.promql for one in questions if isinstance(one, Instant)]
        try:
            self._still_there(first)
            found = live.vectors(queries, first.time)
        except TelemetryGateError as error:
            return [self._failed(question, error) for question in questions]
        if found is None:
            return None
        return [self._answer(one, value) for one, value in zip(questions, found, strict=True)]

    def _asked_at_times(self, questions: Sequence[Instant]) -> Sequence[Answer] | None:
        """Answer one query of a local region at several times, or None where each has to be asked for itself."""
        first, local = questions[0], self._region(questions[0].region).local
        if local is None:
            return None
        try:
            found = local.instants(first.promql, [one.time for one in questions])
        except TelemetryGateError:
            return None  # whoever asks for one of them hears why
        if found is None:
            return None
        return [self._answer(one, value) for one, value in zip(questions, found, strict=True)]

    def _asked(self, question: Question) -> Answer:
        source = self.source(question.region)
        value: Scalar | Vector | Matrix | str
        try:
            self._still_there(question)
            if isinstance(question, EventsQuestion):
                origin = self._event_source(question)
                events = origin.events(question.kind, question.start, question.end)
                described = self.environment.scrub(origin.description)
                return Answer(self._cleaned(events), source=described, semantics=source.semantics)
            if isinstance(question, Range):
                value = source.range(question.promql, question.start, question.end, question.step)
            elif isinstance(question, Instant):
                value = source.instant(question.promql, question.time)
            else:
                raise TypeError(question)
        except TelemetryGateError as error:
            return self._failed(question, error)
        return self._answer(question, value)

    def _still_there(self, question: Question) -> None:
        down = self._region(question.region).down
        if down:
            raise SourceError(down)

    def _answer(self, question: Question, value: Scalar | Vector | Matrix | str) -> Answer:
        opened, source = self._region(question.region), self.source(question.region)
        opened.unreachable = 0
        value = self._clean(value)
        warnings = () if isinstance(value, str) else tuple(value.warnings)
        doubtful = any(not text.startswith("PromQL info") for text in warnings)
        promql, moment = "", 0.0
        if isinstance(question, Instant):
            promql, moment = question.promql, question.time
        elif isinstance(question, Range):
            promql, moment = question.promql, question.end
        return Answer(
            value,
            warnings=warnings,
            partial=doubtful and not opened.accept_warnings,
            extent=source.extent,
            source=self.environment.scrub(source.description),
            semantics=source.semantics,
            link=self.environment.scrub(source.link(promql, moment)),
        )

    def _cleaned(self, events: Events) -> Events:
        return Events.from_wire(scrubbed(events.to_wire(), self.environment.scrub))

    def _clean(self, value: Scalar | Vector | Matrix | str) -> Scalar | Vector | Matrix | str:
        """Return a value whose texts hold no secret, as servers may send back what they were sent."""
        scrub = self.environment.scrub
        if isinstance(value, str):
            return scrub(value)
        warnings = tuple(map(scrub, value.warnings))
        if isinstance(value, Scalar):
            return replace(value, warnings=warnings)
        labels = [{name: scrub(text) for name, text in one.items()} for one in value.labels]
        return replace(value, labels=labels, warnings=warnings)

    def _failed(self, question: Question, error: TelemetryGateError) -> Answer:
        opened, told = self._region(question.region), self.environment.scrub(str(error))
        if isinstance(error, UnreachableError):
            opened.unreachable += 1
            if opened.unreachable >= _GIVE_UP:
                opened.down = opened.down or f"{told}; not asked again"
        source = self.source(question.region)
        described = self.environment.scrub(source.description)
        return Answer(None, error=told, source=described, semantics=source.semantics)

    def _event_source(self, question: EventsQuestion) -> EventSource:
        opened = self._region(question.region)
        if question.kind not in opened.event_sources:
            settings = self.environment.regions[question.region]
            own = settings.events.get(question.kind, settings)
            factory = self._registry.event_sources.get(own.source)
            if factory is None:
                known = ", ".join(sorted(self._registry.event_sources))
                message = (
                    f"{own.where}: unknown event source {own.source!r} for {question.kind}; known: {known}"
                )
                raise ConfigError(message)
            opened.event_sources[question.kind] = factory(own, self.source(question.region))
        return opened.event_sources[question.kind]
