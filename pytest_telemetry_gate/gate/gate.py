"""The gate of one environment in one process: its clock, the questions it asks ahead, and the verdict on each check."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_telemetry_gate.criteria.due import earliest_due, find_due, latest_due
from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.criteria.transcript import describe_questions
from pytest_telemetry_gate.errors import FOREIGN_ERRORS, describe, raised_at
from pytest_telemetry_gate.gate.asked import AskedQuestions
from pytest_telemetry_gate.gate.asker import Asker
from pytest_telemetry_gate.gate.judged_suites import JudgedSuites
from pytest_telemetry_gate.gate.local_answers import LazyAnswers
from pytest_telemetry_gate.model.answers import Answer, Answers
from pytest_telemetry_gate.model.dossier import Dossier, Finding, Step
from pytest_telemetry_gate.model.environment import DEFAULT_CONCURRENCY, region_of
from pytest_telemetry_gate.model.questions import CaptureQuestion, Question
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support.durations import format_short_duration
from pytest_telemetry_gate.support.secrets import scrub_texts
from pytest_telemetry_gate.support.text import name_region

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.regions import Region
    from pytest_telemetry_gate.gate.registry import Registry
    from pytest_telemetry_gate.model.check import Check, Criterion
    from pytest_telemetry_gate.model.environment import Environment
    from pytest_telemetry_gate.model.query_sources import QuerySource
    from pytest_telemetry_gate.model.sources import Source
    from pytest_telemetry_gate.replay.answers import Replays

__all__ = ["Gate", "asks_metrics", "questions_of"]


class Gate:
    """Judges checks in one environment; ``now`` (seconds since the epoch) overrides the sources' clocks.

    ``folder``, ``concurrency`` and ``workers`` are the asker's. ``checkpoints`` are the chosen ones, at which replays
    are driven; ``seed`` makes the ids that their drives send. With ``explain`` dossiers say what was asked; with
    ``record`` what judged checks ask is noted in ``asked``.
    """

    def __init__(
        self,
        environment: Environment,
        registry: Registry,
        *,
        now: float | None = None,
        folder: Path | None = None,
        concurrency: int = DEFAULT_CONCURRENCY,
        workers: int = 1,
        checkpoints: Sequence[str] = (),
        seed: int = 0,
        explain: bool = False,
        record: bool = False,
    ) -> None:
        self.environment = environment
        self.asked = AskedQuestions()
        self.judged = JudgedSuites()
        self._kinds = registry.criteria
        self._now = now
        self._started = time.time()
        self._checkpoints = tuple(checkpoints)
        self._seed = seed
        self._explain = explain
        self._record = record
        self._shared = folder is not None
        self._asker = Asker(
            environment,
            registry,
            self._capture,
            folder=folder,
            concurrency=concurrency,
            workers=workers,
        )
        self._regions = self._asker.regions

    @cached_property
    def replays(self) -> Replays:
        """The replays of the environment."""
        from pytest_telemetry_gate.replay.answers import Replays

        return Replays(
            self.environment,
            self._asker.shared,
            self.source,
            seed=self._seed,
            checkpoints=self._checkpoints,
            shared=self._shared,
        )

    @property
    def opened_replays(self) -> Replays | None:
        """The replays if they are in use, else None."""
        return self.__dict__.get("replays")

    def close(self) -> None:
        """Close what replays hold open, and forget the answers."""
        self._asker.forget()
        if self.opened_replays is not None:
            self.opened_replays.close()

    @property
    def kinds(self) -> Mapping[str, type[Criterion]]:
        """The kinds of criteria, by the key that a suite file names them with."""
        return self._kinds

    def open(self, regions: Iterable[str]) -> None:
        """Open several regions at once, so that the waits for their servers overlap."""
        self._regions.open(regions)

    def open_for(self, checks: Iterable[Check]) -> None:
        """Open the regions of checks at once; nothing is asked of a region for checks that ask for no metrics."""
        asking = [check for check in checks if asks_metrics(check)]
        self.open([place for check in asking for place in (*check.places, *_regions_asked(check))])

    def prefetch(self, checks: Sequence[Check]) -> None:
        """Start asking live regions the questions of some checks; the caller goes on meanwhile.

        Checks whose time has not come are left out. Other regions take note of what they will be asked.
        """
        self.open_for(checks)
        for check in checks:
            self._asker.expect(questions_of(check))
        asking = [check for check in checks if asks_metrics(check)]
        live = [check for check in asking if any(self._regions[name].live for name in check.places)]
        due = (check for check in live if check.time <= min(map(self.now, check.places)))
        self._asker.fetch(question for check in due for question in questions_of(check) if question.ahead)

    def waits_for(self, check: Check, *, at_most: float = math.inf) -> float | None:
        """Return when the wall clock will make a check due (seconds since the epoch); None if it need not wait.

        Which jobs it reads is known only from its samples where it names none. Then it waits for the slowest job, or for
        the fastest where that would take more than ``at_most`` seconds.
        """
        regions = self._regions_of(check, check.places).values()
        if self._now is not None or any(region.live is None for region in regions):
            return None
        ahead = max(region.clock_ahead for region in regions)
        facts = self._facts(self._regions_of(check, check.places))
        due = latest_due(check, facts).moment + ahead
        if due - self._started > at_most:
            due = earliest_due(check, facts).moment + ahead
        return due if due > self._started else None

    def read_clock(self) -> None:
        """Take the wall clock as it is now, as after waiting for a checkpoint."""
        self._started = time.time()

    def judge(self, check: Check) -> Dossier:
        """Return the verdict on a check with its evidence, and forget what only this check needed.

        Whatever a kind of criterion raises is a verdict that says so, with the line of code that raised it.
        """
        try:
            dossier = self._decide(check)
            self.judged.note(check.suite)
            if self._record and dossier.outcome is not Outcome.PENDING and asks_metrics(check):
                # A criterion that raises has questions all the same, unless it raises when asked for them.
                with suppress(*FOREIGN_ERRORS):
                    self.asked.note_check(check)
            return self._scrubbed(dossier)
        finally:
            self.release(check)

    def _scrubbed(self, dossier: Dossier) -> Dossier:
        """Return a dossier that may leave: without any secret, which labels and texts of answers may still repeat."""
        if not self.environment.secrets.any:
            return dossier
        wire = dossier.to_wire()
        scrubbed = scrub_texts(wire, self.environment.scrub)
        return dossier if scrubbed == wire else Dossier.from_wire(scrubbed)

    def _decide(self, check: Check) -> Dossier:
        return self.decide(check, partial(self.answers, check))

    def decide(self, check: Check, find_answers: Callable[[], Answers]) -> Dossier:
        """Return the verdict on a check from the answers that ``find_answers`` returns, and forget nothing.

        Whatever a kind of criterion raises is a verdict that says so.
        """
        try:
            answers = find_answers()
            dossier = judge(check, answers)
            return replace(dossier, asked=describe_questions(check, answers)) if self._explain else dossier
        except FOREIGN_ERRORS as error:
            reason = self.environment.scrub(f"{describe(error)} ({raised_at(error)})")
            finding = Finding("criterion.failed", Outcome.ERROR, check.criterion.id, reason)
            step = Step("verdict", f"verdict {Outcome.ERROR.upper()}: {reason}")
            return check.dossier(Outcome.ERROR, reason, steps=[step], findings=[finding])

    def answers(self, check: Check) -> Answers:
        """Return the answers to a check's questions, with the facts of every region that they are about.

        An error is an answer that says so, never an exception.
        """
        questions = check.questions()
        names = [*check.places, *(question.region for question in questions)]
        facts = self._facts(self._regions_of(check, names))
        if check.time > facts.now:
            # Nothing is asked or driven for a checkpoint whose time has not come.
            return facts
        self._asker.fetch(question for question in questions if question.ahead)
        answers = replace(facts, answers=LazyAnswers(questions, self.answer))
        if find_due(check, answers).moment <= facts.now:
            return answers
        metrics = [question for question in questions if not isinstance(question, CaptureQuestion)]
        return replace(facts, answers=LazyAnswers(metrics, self.answer))

    def answers_to(self, questions: Iterable[Question], regions: Iterable[str]) -> Answers:
        """Return the answers to questions that are no check's, with the facts of the regions that they are about."""
        asked = tuple(questions)
        self._asker.fetch(question for question in asked if question.ahead)
        facts = self._facts({name: self._regions[name] for name in regions})
        return replace(facts, answers=LazyAnswers(asked, self.answer))

    def release(self, check: Check) -> None:
        """Forget what only this check needed; it has been judged."""
        self._asker.release(questions_of(check))
        check.forget()

    def now(self, region: str) -> float:
        """Return the clock: ``--telemetry-now``, else the recording's, else the wall clock as the session began.

        The wall clock is that of a live region's server where this machine's is ahead of it. Of several recorded regions the
        latest clock holds for all: a region whose data end earlier has lost something, and is not waiting for it.
        """
        return self._clock(region, self._regions[region])

    def _clock(self, name: str, region: Region) -> float:
        recorded = None if region.source is None else region.source.recorded_at
        if recorded is not None and region_of(name) in self._recorded_regions:
            recorded = max(recorded, self._latest_recording)
        wall = self._started - region.clock_ahead
        return next(clock for clock in (self._now, recorded, wall) if clock is not None)

    @cached_property
    def _recorded_regions(self) -> Sequence[str]:
        regions = self.environment.regions
        return [name for name, settings in regions.items() if settings.source == "recording"]

    @cached_property
    def _latest_recording(self) -> float:
        sources = (self._regions[name].source for name in self._recorded_regions)
        clocks = [source.recorded_at for source in sources if source is not None]
        return max((clock for clock in clocks if clock is not None), default=-math.inf)

    def clock_warnings(self) -> list[str]:
        """Return a line for each region that is judged by its server's clock, because this machine's is ahead."""
        if self._now is not None:
            return []
        regions = ((name, self._regions[name]) for name in self._regions.opened)
        return [
            self.environment.scrub(
                f"{name_region(name)}the clock of this machine is {format_short_duration(round(region.clock_ahead))} "
                f"ahead of that of {region.require().description}, by which checks are due"
            )
            for name, region in regions
            if region.clock_ahead
        ]

    def past_warnings(self) -> list[str]:
        """Return a line for each suite whose last checkpoint is long over by the clock of live servers."""
        known = self._regions.known.items()
        live = [self._clock(name, region) for name, region in known if region.live is not None]
        if self._now is not None or not live:
            return []
        return [self.environment.scrub(line) for line in self.judged.long_over(min(live))]

    def clocks(self) -> set[float]:
        """Return the clocks of the regions that were looked at."""
        return {self._clock(name, region) for name, region in self._regions.known.items()}

    def any_source(self, place: str) -> Source | QuerySource:
        """Return the metric source of a place, whatever language it is asked in; raises SourceError where it cannot be used."""
        return self._regions[place].require()

    def source(self, region: str) -> Source:
        """Return the metric source of a region; raises SourceError where it cannot be used or answers no PromQL."""
        return self._regions[region].require_promql()

    def ask(self, question: Question) -> Answer:
        """Return the run's answer to one question of a test, which a recording of the run will hold."""
        self.asked.note(question)
        return self.answer(question)

    def ask_ahead(self, questions: Iterable[Question]) -> None:
        """Start asking live regions; the caller goes on meanwhile."""
        self._asker.fetch(questions)

    def answer(self, question: Question) -> Answer:
        """Return the run's answer to one question."""
        return self._asker.answer(question)

    def present(self, region: str) -> float | None:
        """Return the clock of a region as it is now; None where it stands still: in a recording, or by ``--telemetry-now``."""
        opened = self._regions[region]
        if self._now is not None or opened.require().recorded_at is not None:
            return None
        return time.time() - opened.clock_ahead

    def answer_anew(self, question: Question, left: Callable[[], float]) -> Answer:
        """Return an answer about the present, in the seconds that are ``left``; the run's answers stay as they are."""
        return self._asker.answer_anew(question, left)

    def judge_anew(self, check: Check, left: Callable[[], float]) -> Dossier:
        """Return the verdict on a check about the present, which counts as due, and keep nothing of it."""

        def find_answers() -> Answers:
            questions = check.questions()
            names = [*check.places, *(question.region for question in questions)]
            facts = self._facts(self._regions_of(check, names))
            asked = LazyAnswers(questions, partial(self.answer_anew, left=left))
            return replace(facts, now=latest_due(check, facts).moment, answers=asked)

        try:
            return self._scrubbed(self.decide(check, find_answers))
        finally:
            check.forget()

    def _capture(self, question: CaptureQuestion) -> Answer:
        return self.replays.answer(question)

    def _regions_of(self, check: Check, names: Iterable[str]) -> Mapping[str, Region]:
        """Return regions as a check may know them: those of a check that asks for no metrics are asked nothing."""
        find = self._regions.__getitem__ if asks_metrics(check) else self._regions.unasked
        return {name: find(name) for name in names}

    def _facts(self, regions: Mapping[str, Region]) -> Answers:
        """Return the facts of some regions, before anything is asked."""
        facts = {name: region.facts for name, region in regions.items()}
        return Answers(min(self._clock(*named) for named in regions.items()), {}, facts)


def asks_metrics(check: Check) -> bool:
    """Tell whether a check asks the source of its regions anything; one that asks for captures alone does not.

    One without questions counts as asking: nothing tells what its kind of criterion looks at.
    """
    questions = questions_of(check)
    return not questions or not all(isinstance(question, CaptureQuestion) for question in questions)


def _regions_asked(check: Check) -> Sequence[str]:
    try:
        return [question.region for question in check.questions()]
    except FOREIGN_ERRORS:
        return ()  # as in ``questions_of``


def questions_of(check: Check) -> Sequence[Question]:
    """Return a check's questions; none if its criterion raises, since judging it will raise the same."""
    try:
        return check.questions()
    except FOREIGN_ERRORS:
        return ()
