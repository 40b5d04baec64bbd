"""Ask the regions of an environment: every question once, ahead where a source is live, and never with an exception.

Answers are freed of credentials once, by the store that they are put into. Other secrets are taken out of what leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.criteria.alert_proof import alerts_query
from pytest_telemetry_gate.errors import FOREIGN_ERRORS, SourceError, UnreachableError, describe
from pytest_telemetry_gate.gate.fetch import Fetcher, batches
from pytest_telemetry_gate.gate.local_answers import LocalAnswers
from pytest_telemetry_gate.gate.regions import Regions
from pytest_telemetry_gate.gate.shared_answers import SharedAnswers
from pytest_telemetry_gate.gate.stretches import cut, find_stretches
from pytest_telemetry_gate.model.answers import Answer, Value, doubtful_warnings
from pytest_telemetry_gate.model.arrivals import Known
from pytest_telemetry_gate.model.environment import DEFAULT_CONCURRENCY
from pytest_telemetry_gate.model.query_sources import QuerySource
from pytest_telemetry_gate.model.questions import (
    ArrivalsQuestion,
    CaptureQuestion,
    EventsQuestion,
    Instant,
    KnownQuestion,
    MetricQuestion,
    Question,
    Range,
    SourceQuestion,
)
from pytest_telemetry_gate.model.sources import (
    LiveSource,
    arrivals_of,
    matrices_of,
    metadata_of,
    metric_names_of,
)
from pytest_telemetry_gate.recording.cache import forget_arrays
from pytest_telemetry_gate.support.durations import format_short_duration
from pytest_telemetry_gate.support.threads import start_in_background

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.registry import Registry
    from pytest_telemetry_gate.model.environment import Environment
    from pytest_telemetry_gate.model.sources import Source
    from pytest_telemetry_gate.promql import Matrix

__all__ = ["Asker"]


class Asker:
    """Gets answers to the questions of one environment, each once in a run.

    ``captures`` answers what replays captured. The processes of a run share the answers of live sources through
    ``folder``. Each process reads a recording for itself, which costs less than a file. ``concurrency`` is how many
    requests may be under way at once over all live regions and all ``workers``; each worker has an equal share, at
    least one.
    """

    def __init__(
        self,
        environment: Environment,
        registry: Registry,
        captures: Callable[[CaptureQuestion], Answer],
        *,
        folder: Path | None = None,
        concurrency: int = DEFAULT_CONCURRENCY,
        workers: int = 1,
    ) -> None:
        self._environment = environment
        self._captures = LocalAnswers(captures, lambda _: None, environment.scrub)
        share = max(1, concurrency // workers)
        limits = {
            name: min(share, max(1, settings.concurrency // workers))
            for name, settings in environment.places.items()
        }
        self.shared = SharedAnswers(folder, environment.secrets.scrub_credentials)
        self._local = LocalAnswers(self._ask, self._ask_at_times, environment.secrets.scrub_credentials)
        self.regions = Regions(environment, registry, self.shared, limits=limits, concurrency=share)
        self._fetcher = Fetcher(self._ask_together, self.shared, threads=share, limits=limits)
        # The method that answers each kind of question; a new kind is one more line.
        self._asks: Mapping[type[Question], Callable[[Any], Answer]] = {
            Instant: self._ask_metrics,
            Range: self._ask_metrics,
            ArrivalsQuestion: self._ask_arrivals,
            KnownQuestion: self._ask_known,
            EventsQuestion: self._ask_events,
            SourceQuestion: self._ask_source,
        }

    def fetch(self, questions: Iterable[Question]) -> None:
        """Start asking live sources; the caller goes on meanwhile."""
        live = (
            question
            for question in questions
            if self._asks_for(question) and self.regions[question.region].live
        )
        pending = batches(question for question in live if not self.shared.has(question))
        if pending:
            self._fetcher.ahead(pending)

    def expect(self, questions: Iterable[Question]) -> None:
        """Take note of what a check will ask of sources in this process and of replays."""
        questions = tuple(questions)
        self._local.expect(filter(self._is_local, questions))
        self._captures.expect(question for question in questions if isinstance(question, CaptureQuestion))

    def release(self, questions: Iterable[Question]) -> None:
        """Forget the answers of sources in this process and of replays that no other check will ask for."""
        questions = tuple(questions)
        self._local.release(filter(self._is_local, questions))
        self._captures.release(question for question in questions if isinstance(question, CaptureQuestion))

    def forget(self) -> None:
        """Forget all answers of sources in this process, and the samples that they come from."""
        self._local.forget()
        self._captures.forget()
        forget_arrays()

    def _is_local(self, question: Question) -> bool:
        return self._asks_for(question) is not None and self.regions[question.region].live is None

    def _asks_for(self, question: Question) -> Callable[[Any], Answer] | None:
        """Return the method that answers a question, or None if no region's source does; kinds may be derived."""
        kinds = type(question).__mro__
        return next((self._asks[kind] for kind in kinds if kind in self._asks), None)

    def answer(self, question: Question) -> Answer:
        """Return the run's answer to one question; an error is an answer that says so, never an exception."""
        if isinstance(question, CaptureQuestion):
            return self._captures.answer(question)
        region = self.regions[question.region]
        if region.source is None:
            return Answer(None, error=region.failure)
        if region.live is None:
            return self._local.answer(question)
        if self._asks_for(question) is None:
            return self._ask(question)  # which says so; nobody would put an answer that could be waited for
        self.fetch([question])
        deadline = self._environment.deadline
        deadline.start()
        # A second longer than requests may take, so that the message of one that fails can still arrive.
        answer = self.shared.get(question, max(0.0, deadline.remaining()) + 1.0)
        if answer is not None:
            return answer
        late = f"no answer before the gate's deadline of {format_short_duration(deadline.seconds)}"
        source = self._environment.scrub(region.source.description)
        return Answer(None, error=late, source=source)

    def answer_anew(self, question: Question, left: Callable[[], float]) -> Answer:
        """Return an answer that nobody had before, in the seconds that are ``left``, from a live source.

        A source that could not be reached is asked all the same: it may be what is waited for.
        """
        source = self.regions[question.region].require()
        asking = start_in_background(partial(self._ask_now, question))
        try:
            return asking.result(max(0.0, left())).scrubbed(self._environment.secrets.scrub_credentials)
        except TimeoutError:
            return Answer(None, error=f"{source.description}: no answer in the time that was left")
        except FOREIGN_ERRORS as error:
            return Answer(None, error=self._environment.scrub(describe(error)), source=source.description)

    def _ask(self, question: Question) -> Answer:
        try:
            self.regions[question.region].check_reachable()
            return self._ask_now(question)
        except FOREIGN_ERRORS as error:
            return self._failure(question, error)

    def _ask_now(self, question: Question) -> Answer:
        ask = self._asks_for(question)
        if ask is None:
            raise TypeError(f"no source answers a {type(question).__name__}")
        return ask(question)

    def _ask_together(self, questions: Sequence[Question]) -> Sequence[Answer] | None:
        """Answer a batch of questions about one region, or None where they must be asked one by one."""
        region = self.regions[questions[0].region]
        arrivals = [question for question in questions if isinstance(question, ArrivalsQuestion)]
        if len(questions) > 1 and len(arrivals) == len(questions):
            return self._ask_arrivals_together(arrivals)
        ranges = [question for question in questions if isinstance(question, Range)]
        if len(questions) > 1 and len(ranges) == len(questions):
            return self._ask_ranges_together(ranges)
        instants = [question for question in questions if isinstance(question, Instant)]
        if len(questions) == 1 or not isinstance(region.live, LiveSource) or len(instants) < len(questions):
            return [self._ask(question) for question in questions]
        try:
            region.check_reachable()
            vectors = region.live.vectors([question.promql for question in instants], instants[0].time)
            if vectors is None:
                return None
            return [self._success(question, value) for question, value in zip(instants, vectors, strict=True)]
        except FOREIGN_ERRORS as error:
            return [self._failure(question, error) for question in questions]

    def _ask_ranges_together(self, questions: Sequence[Range]) -> Sequence[Answer] | None:
        """Answer ranges of which those of one query follow one another, and those of several have one grid."""
        region = self.regions[questions[0].region]
        stretches = find_stretches(questions)
        wholes = [stretch.whole for stretch in stretches]
        try:
            region.check_reachable()
            if len(wholes) == 1:
                matrices: Sequence[Matrix] = [wholes[0].ask(region.require_promql())]
            else:
                matrices = (
                    matrices_of(
                        region.live, [whole.promql for whole in wholes], *wholes[0].bounds, wholes[0].step
                    )
                    or []
                )
        except UnreachableError as error:
            return [self._failure(question, error) for question in questions]
        except FOREIGN_ERRORS:
            return None
        if len(matrices) < len(wholes) or any(matrix.warnings for matrix in matrices):
            return None
        answers = {
            question: self._success(question, cut(matrix, question))
            for stretch, matrix in zip(stretches, matrices, strict=True)
            for question in stretch.questions
        }
        return [answers[question] for question in questions]

    def _ask_at_times(self, questions: Sequence[Instant]) -> Sequence[Answer] | None:
        """Answer one query at several times, or None where each has to be asked for itself."""
        source = self.regions[questions[0].region].source
        if source is None or isinstance(source, QuerySource):
            return None
        try:
            vectors = source.instants(questions[0].promql, [question.time for question in questions])
        except FOREIGN_ERRORS:
            return None
        if vectors is None:
            return None
        return [self._success(question, value) for question, value in zip(questions, vectors, strict=True)]

    def _ask_metrics(self, question: MetricQuestion) -> Answer:
        return self._success(question, question.ask(self.regions[question.region].require_promql()))

    def _ask_arrivals(self, question: ArrivalsQuestion) -> Answer:
        region = self.regions[question.region]
        known = arrivals_of(region.require_promql(), question.selector, question.end, question.window)
        if known is not None:
            return self._answered(question.region, known)
        (value,), warnings = region.arrivals.read([question])
        return self._answered(question.region, value, warnings)

    def _ask_arrivals_together(self, questions: Sequence[ArrivalsQuestion]) -> Sequence[Answer] | None:
        """Answer several questions about arrivals; None where one by one would tell which of them cannot be answered."""
        region = self.regions[questions[0].region]
        try:
            region.check_reachable()
            values, warnings = region.arrivals.read(questions)
        except UnreachableError as error:
            return [self._failure(question, error) for question in questions]
        except FOREIGN_ERRORS:
            return None
        if warnings:
            return None
        return [self._answered(questions[0].region, value) for value in values]

    def _ask_source(self, question: SourceQuestion) -> Answer:
        source = self.regions[question.region].require()
        if not isinstance(source, QuerySource):
            message = f"{source.description} is asked in PromQL alone"
            raise SourceError(message)
        answer = self._answered(question.region, source.read(question.asked))
        return replace(answer, link=source.link(question.asked))

    def _ask_known(self, question: KnownQuestion) -> Answer:
        source = self.regions[question.region].require()
        return self._answered(
            question.region, Known(tuple(metric_names_of(source)), dict(metadata_of(source)))
        )

    def _ask_events(self, question: EventsQuestion) -> Answer:
        origin = self.regions.event_source(question)
        source = self.regions[question.region].require()
        events = question.ask(origin)
        if not events.from_metrics:
            events = events.until(question.end)
        is_linked = question.kind == "alerts" and not isinstance(source, QuerySource)
        link = _link_alerts(source, question) if is_linked else ""
        return Answer(events, source=origin.description, semantics=source.semantics, link=link)

    def _success(self, question: MetricQuestion, value: Value) -> Answer:
        answer = self._answered(question.region, value, tuple(getattr(value, "warnings", ())))
        source = self.regions[question.region].require_promql()
        start, end = question.bounds
        link = source.link(question.promql, end) if start == end else ""
        return replace(
            answer, extent=source.extent, link=link or _link_over(source, question.promql, start, end)
        )

    def _answered(self, name: str, value: Value, warnings: Sequence[str] = ()) -> Answer:
        region = self.regions[name]
        region.note_answer()
        source = region.require()
        return Answer(
            value,
            warnings=tuple(warnings),
            partial=not region.accept_warnings and bool(doubtful_warnings(warnings)),
            source=source.description,
            semantics=source.semantics,
        )

    def _failure(self, question: Question, error: BaseException) -> Answer:
        region = self.regions[question.region]
        region.note_failure(error)
        source = region.require()
        return Answer(None, error=describe(error), source=source.description, semantics=source.semantics)


def _link_alerts(source: Source | QuerySource, question: EventsQuestion) -> str:
    """Return the address of the server's graph of the alerts of a question."""
    promql = " or ".join(map(alerts_query, question.matches)) or "ALERTS"
    return _link_over(source, promql, question.start, question.end)


def _link_over(source: Source | QuerySource, promql: str, start: float, end: float) -> str:
    """Return the address of the server's graph of a query; a source that does not derive from ``Source`` may have none."""
    link_over = getattr(source, "link_over", None)
    return str(link_over(promql, start, end)) if callable(link_over) else ""
