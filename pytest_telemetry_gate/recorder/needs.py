"""The samples that a recording needs to answer questions: selectors, each over a stretch of time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pytest_telemetry_gate.model.arrivals import Arrivals
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.model.questions import ArrivalsQuestion, EventsQuestion, MetricQuestion, Question
from pytest_telemetry_gate.promql import Matcher, ast, parse
from pytest_telemetry_gate.promql.spans import spans
from pytest_telemetry_gate.sources.alert_history import alert_reads

__all__ = ["LOOKBACK", "Stretch", "stretches"]

LOOKBACK = 300_000  # ms: how far an instant selector looks back, Prometheus' default


@dataclass(frozen=True, slots=True, order=True)
class Stretch:
    """The samples of a selector from ``first`` to ``last``, both included, in ms."""

    selector: str
    first: int
    last: int


def stretches(
    questions: Iterable[Question],
    events: Mapping[EventsQuestion, Events],
    arrivals: Mapping[ArrivalsQuestion, Arrivals] | None = None,
    *,
    semantics: str = "3",
) -> list[Stretch]:
    """Return the samples that the answers to all questions are made of, each in as few stretches as possible.

    ``events`` and ``arrivals`` are the answers to the questions for these. Raises PromQLError for an expression that the engine
    does not know, since nobody can say what it reads.
    """
    ranges: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for question in questions:
        for stretch in _stretches_of(question, events, arrivals or {}, semantics):
            ranges[stretch.selector].append((stretch.first, stretch.last))
    merged = [
        Stretch(selector, *bounds)
        for selector, intervals in ranges.items()
        for bounds in _join_intervals(intervals)
    ]
    matchers = {selector: _matchers(selector, semantics) for selector in ranges}
    return sorted(
        stretch for stretch in merged if not any(_covers(other, stretch, matchers) for other in merged)
    )


def _stretches_of(
    question: Question,
    events: Mapping[EventsQuestion, Events],
    arrivals: Mapping[ArrivalsQuestion, Arrivals],
    semantics: str,
) -> Iterator[Stretch]:
    if isinstance(question, EventsQuestion):
        answer = events.get(question)
        if question.kind == "alerts" and answer is not None and answer.from_metrics:
            for selector, start, end in alert_reads(answer, question.start, question.end):
                yield Stretch(selector, round(start * 1000), round(end * 1000))
        return
    if isinstance(question, ArrivalsQuestion):
        first, start, end = (round(at * 1000) for at in (question.first, question.start, question.end))
        yield Stretch(question.selector, first, end)
        for selector in arrivals[question].reads if question in arrivals else ():
            yield Stretch(selector, start, end)
        return
    if not isinstance(question, MetricQuestion):
        return
    start, end = question.bounds
    for span in spans(question.parsed_for(semantics), round(start * 1000), round(end * 1000)):
        reach = span.length + (LOOKBACK if span.instant else 0)
        yield Stretch(span.selector, span.end - reach, span.end)


def _join_intervals(bounds: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the union of intervals, in order."""
    first, last = None, 0
    for start, end in sorted(bounds):
        if first is not None and start <= last + 1:
            last = max(last, end)
            continue
        if first is not None:
            yield first, last
        first, last = start, end
    if first is not None:
        yield first, last


def _matchers(selector: str, semantics: str) -> frozenset[Matcher]:
    parsed = parse(selector, semantics)
    return frozenset(parsed.matchers) if isinstance(parsed, ast.VectorSelector) else frozenset()


def _covers(outer: Stretch, inner: Stretch, matchers: Mapping[str, frozenset[Matcher]]) -> bool:
    """Tell whether ``outer`` holds all samples of ``inner``: it has fewer matchers, over no shorter time."""
    fewer = matchers[outer.selector] < matchers[inner.selector]
    return fewer and outer.first <= inner.first and inner.last <= outer.last
