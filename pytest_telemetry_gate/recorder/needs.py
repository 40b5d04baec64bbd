"""What a recording must hold so that questions can be answered from it: selectors, each over a stretch of time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.model.questions import EventsQuestion, MetricQuestion, Question
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
    questions: Iterable[Question], events: Mapping[EventsQuestion, Events], *, semantics: str = "3"
) -> list[Stretch]:
    """Return what the answers to all questions are made of, each sample in as few stretches as can be told.

    ``events`` are the answers to the questions for events. Raises PromQLError for an expression that the engine
    does not know, since what it reads cannot be told.
    """
    wanted: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for question in questions:
        for one in _of(question, events, semantics):
            wanted[one.selector].append((one.first, one.last))
    joined = [Stretch(selector, *bounds) for selector, found in wanted.items() for bounds in _joined(found)]
    matchers = {selector: _matchers(selector, semantics) for selector in wanted}
    return sorted(one for one in joined if not any(_covers(other, one, matchers) for other in joined))


def _of(question: Question, events: Mapping[EventsQuestion, Events], semantics: str) -> Iterator[Stretch]:
    if isinstance(question, EventsQuestion):
        known = events.get(question)
        if question.kind == "alerts" and known is not None:
            for selector, start, end in alert_reads(known, question.start, question.end):
                yield Stretch(selector, round(start * 1000), round(end * 1000))
        return
    if not isinstance(question, MetricQuestion):
        return
    start, end = question.bounds
    for span in spans(parse(question.promql, semantics), round(start * 1000), round(end * 1000)):
        reach = span.length + (LOOKBACK if span.instant else 0)
        yield Stretch(span.selector, span.end - reach, span.end)


def _joined(bounds: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
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


def _covers(other: Stretch, one: Stretch, matchers: Mapping[str, frozenset[Matcher]]) -> bool:
    """Tell whether a stretch holds all of another's samples: it asks for less, and over no shorter time."""
    fewer = matchers[other.selector] < matchers[one.selector]
    return fewer and other.first <= one.first and one.last <= other.last
