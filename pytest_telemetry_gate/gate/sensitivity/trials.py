"""One criterion's checks, judged with a fault in what they read and without: by the gate, from the same questions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pytest_telemetry_gate.gate.gate import Gate
from pytest_telemetry_gate.gate.registry import Registry
from pytest_telemetry_gate.gate.sensitivity.faults import Fault
from pytest_telemetry_gate.gate.sensitivity.faulty_source import FaultySource, FaultyStorage, Healthy
from pytest_telemetry_gate.model.answers import Answer, Answers
from pytest_telemetry_gate.model.check import Check
from pytest_telemetry_gate.model.environment import RegionSettings
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.model.questions import ArrivalsQuestion, EventsQuestion, MetricQuestion, Question
from pytest_telemetry_gate.model.sources import Source
from pytest_telemetry_gate.model.verdict import Verdict
from pytest_telemetry_gate.promql import Matcher
from pytest_telemetry_gate.promql.spans import spans
from pytest_telemetry_gate.sources.alert_history import alert_reads
from pytest_telemetry_gate.sources.series_selectors import matchers_of

__all__ = ["Trials"]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a question reads in the region with the fault: metrics, the labels asked for, and the last moment in seconds."""

    metrics: frozenset[str]
    labels: frozenset[str]
    end: float


class _Overlay(Mapping[Question, Answer]):
    """The answers with a fault, where it touches what is asked; else those without."""

    def __init__(
        self,
        faulty: Mapping[Question, Answer],
        healthy: Mapping[Question, Answer],
        touched: Collection[Question],
    ) -> None:
        self._faulty = faulty
        self._healthy = healthy
        self._touched = touched

    def __getitem__(self, question: Question) -> Answer:
        return (self._faulty if question in self._touched else self._healthy)[question]

    def __contains__(self, question: object) -> bool:
        return question in self._healthy

    def __iter__(self) -> Iterator[Question]:
        return iter(self._healthy)

    def __len__(self) -> int:
        return len(self._healthy)


class Trials:
    """Judges the checks of one criterion with faults in one region.

    ``gate`` judges without a fault; ``healthy`` has the regions that it reads. The first verdicts are those without.
    """

    def __init__(
        self,
        checks: Sequence[Check],
        gate: Gate,
        registry: Registry,
        healthy: Mapping[str, Healthy],
        region: str,
    ) -> None:
        self._gate = gate
        self._registry = registry
        self._healthy = healthy
        self._region = region
        self._checks = sorted(checks, key=lambda check: check.time)
        gate.prefetch(checks)
        self._answers = {_key(check): gate.answers(check) for check in checks}
        self._verdicts = {
            _key(check): gate.decide(check, partial(self._answers.__getitem__, _key(check))).verdict
            for check in checks
        }
        self._readings = {
            question: reading
            for check in checks
            for question in check.questions()
            if (reading := self._read(question, self._answers[_key(check)])) is not None
        }
        self._first: list[Check] = []  # those that noticed the last faults are judged first

    @property
    def open(self) -> list[Check]:
        """The checks that were judged and kept the gate open without a fault, in the order of time."""
        return [
            check
            for check in self._checks
            if (verdict := self._verdicts[_key(check)]).outcome.judged and verdict.keeps_gate_open()
        ]

    @property
    def metrics(self) -> list[str]:
        """The metrics that the criterion reads in the region, ``up`` only where nothing else is read."""
        found = {metric for reading in self._readings.values() for metric in reading.metrics}
        return sorted(found - {"up"}) or sorted(found)

    def labels(self, metrics: Collection[str]) -> list[str]:
        """Return the labels by which selectors of some metrics ask."""
        readings = (reading for reading in self._readings.values() if reading.metrics & set(metrics))
        return sorted({label for reading in readings for label in reading.labels})

    def changes_any(self, fault: Fault, metrics: Collection[str]) -> bool:
        """Tell whether a fault changes any sample of some metrics."""
        return FaultyStorage(self._healthy[self._region], fault, metrics).changes_any()

    def is_noticed(self, fault: Fault, metrics: Collection[str], *, named: bool = False) -> bool:
        """Tell whether the gate closes with a fault in some metrics where it was open without.

        Only checkpoints with a name of their own are looked at where ``named`` asks for these.
        """
        checks = [check for check in [*self._first, *self.open] if check.checkpoint.named or not named]
        noticing = next(self._closing(fault, metrics, checks), None)
        if noticing is None:
            return False
        check = noticing[0]
        self._first = [check, *(one for one in self._first if one is not check)]
        return True

    def first_notice(self, fault: Fault, metrics: Collection[str]) -> tuple[Check, Verdict] | None:
        """Return the first check in time that closes the gate with a fault, and its verdict."""
        return next(self._closing(fault, metrics, self.open), None)

    def disturbed(self, fault: Fault, metrics: Collection[str]) -> Iterator[Check]:
        """Yield the checks of which outcome or value are not what they were without a fault."""
        for check, verdict in self._judge(fault, metrics, self.open):
            before = self._verdicts[_key(check)]
            # As text, since NaN is like nothing.
            if (verdict.outcome, repr(verdict.value)) != (before.outcome, repr(before.value)):
                yield check

    def _closing(
        self, fault: Fault, metrics: Collection[str], checks: Sequence[Check]
    ) -> Iterator[tuple[Check, Verdict]]:
        for check, verdict in self._judge(fault, metrics, checks):
            if not verdict.keeps_gate_open():
                yield check, verdict

    def _judge(
        self, fault: Fault, metrics: Collection[str], checks: Sequence[Check]
    ) -> Iterator[tuple[Check, Verdict]]:
        """Yield the verdicts on the checks that a fault touches; raises what went wrong while it was put in."""
        touched = {
            question for question, reading in self._readings.items() if _is_touched(reading, fault, metrics)
        }
        among = {_key(check): check for check in checks}.values()
        disturbed = [check for check in among if not touched.isdisjoint(check.questions())]
        if not disturbed:
            return
        storage = FaultyStorage(self._healthy[self._region], fault, metrics)
        gate = Gate(
            self._gate.environment,
            replace(self._registry, sources={"recording": self._factory(storage, fault)}),
        )
        for place, check in enumerate(disturbed):
            if place < 2:
                # One query is worked out for all checks that are expected, and the first is often the only one.
                gate.prefetch(disturbed[1:] if place else disturbed[:1])
            healthy = self._answers[_key(check)]

            def find_answers(check: Check = check, healthy: Answers = healthy) -> Answers:
                faulty = gate.answers(check)
                return replace(faulty, answers=_Overlay(faulty.answers, healthy.answers, touched))

            verdict = gate.decide(check, find_answers).verdict
            if storage.failure is not None:
                raise storage.failure
            yield check, verdict

    def _factory(self, storage: FaultyStorage, fault: Fault) -> Callable[[RegionSettings], Source]:
        def make(settings: RegionSettings) -> Source:
            healthy = self._healthy[settings.name]
            if settings.name != self._region:
                return healthy.source
            return FaultySource(healthy, storage, moves=fault.kind.moves)

        return make

    def _read(self, question: Question, answers: Answers) -> _Reading | None:
        """Return what a question reads, None where it is not about samples of the region."""
        if question.region != self._region:
            return None
        ends = [0.0]
        selectors: list[str] = []
        if isinstance(question, MetricQuestion):
            first, last = (round(bound * 1000) for bound in question.bounds)
            semantics = self._healthy[self._region].source.semantics
            for span in spans(question.parsed_for(semantics), first, last):
                selectors.append(span.selector)
                ends.append(span.end / 1000)
        elif isinstance(question, ArrivalsQuestion):
            selectors, ends = [question.selector], [question.end]
        elif isinstance(question, EventsQuestion) and question.kind == "alerts":
            events = answers[question].value
            if not isinstance(events, Events):
                return None
            for selector, _, end in alert_reads(events, question.start, question.end):
                selectors.append(selector)
                ends.append(end)
        if not selectors:
            return None
        matchers = [matchers_of(selector) for selector in selectors]
        asked = {one.name for some in matchers for one in some if one.name not in {"__name__", "le"}}
        metrics = {metric for some in matchers for metric in self._named(some)}
        return _Reading(frozenset(metrics), frozenset(asked), max(ends))

    def _named(self, matchers: Sequence[Matcher]) -> list[str]:
        """Return the metrics that a selector names; all that it takes by a pattern."""
        names = [one for one in matchers if one.name == "__name__"]
        exact = [one.value for one in names if one.op == "="]
        known = self._healthy[self._region].names
        return exact or [name for name in known if all(one.matches(name) for one in names)]


def _key(check: Check) -> tuple[str, str]:
    return check.region, check.checkpoint.id


def _is_touched(reading: _Reading, fault: Fault, metrics: Collection[str]) -> bool:
    if fault.first > reading.end:
        return False
    return fault.kind.name == "lost-region" or not reading.metrics.isdisjoint(metrics)
