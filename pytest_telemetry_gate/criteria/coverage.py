"""Coverage: the share of a query's time window that holds data, asked of the source as PromQL.

Two questions for each selector:
1. The samples of its longest series. Exact for series that live throughout.
2. Slots with at least one sample, minus one for partial edge slots. Covers series that replace each other (restarts).
The larger of the two shares counts; with several jobs, the job with the smallest.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_telemetry_gate.model.questions import Instant, Query
from pytest_telemetry_gate.promql import Vector, ast
from pytest_telemetry_gate.promql.spans import spans
from pytest_telemetry_gate.support.durations import format_duration, format_short_duration
from pytest_telemetry_gate.support.numbers import format_percent

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check

__all__ = [
    "Coverage",
    "coverage_questions",
    "measure_coverage",
    "measure_up",
    "shortest_window",
    "up_questions",
    "up_selector",
]

_LOOKBACK = 300.0  # seconds: how far an instant selector looks back, Prometheus' default
_SLOTS = 60  # of a window, in each of which some series must have a sample
_SPARSE = frozenset({"ALERTS", "ALERTS_FOR_STATE"})  # exist only while something is wrong


@dataclass(frozen=True, slots=True)
class Coverage:
    """A share from 0 to 1, or None if it is unknown; ``reason`` names the selector, for people."""

    share: float | None
    reason: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Span:
    """The samples a selector may read: those of ``selector`` in the ``window`` seconds up to ``end``.

    Thousands of checks in many regions ask the same texts; each text is interned, so it is one object.
    """

    selector: str
    end: float
    window: float

    def samples(self, region: str) -> Instant:
        text = f"max by (job) (count_over_time({self.selector}[{format_duration(self.window)}]))"
        return Instant(region, sys.intern(text), self.end)

    def slots(self, region: str) -> Instant:
        window, slot = format_duration(self.window), format_duration(self.slot)
        text = (
            f"count_over_time((count by (job) (count_over_time({self.selector}[{slot}])))[{window}:{slot}])"
        )
        return Instant(region, sys.intern(text), self.end)

    @property
    def slot(self) -> float:
        """The length of a slot in whole seconds."""
        return float(max(1, math.ceil(self.window / _SLOTS)))

    def by_slots(self, filled: float, interval: float) -> float:
        """Return how many seconds of the window the filled slots cover; ``interval`` is the seconds between scrapes."""
        return (filled - 1) * self.slot if self.slot >= 2 * interval else 0.0

    def most_slots(self, semantics: str) -> float:
        """Return how many slots a window can have; in Prometheus 2 one more, as its windows include both ends."""
        return math.ceil(self.window / self.slot) if semantics == "3" else self.window // self.slot + 1


def coverage_questions(check: Check, query: Query, time: float) -> Iterable[Instant]:
    """Yield the questions that give the coverage of an expression at a time (seconds)."""
    for span in _spans(check, query, time):
        yield span.samples(check.region)
        yield span.slots(check.region)
    if check.criterion.up is not None or _sparse(query):
        up = up_selector(check, query)
        yield from up_questions(check, up, _longest(check, query, time), time)


def measure_coverage(check: Check, query: Query, time: float, answers: Answers) -> Coverage:
    """Return the smallest coverage of the selectors in an expression; 1 where it has none.

    With ``up:`` in the criterion, or for ``ALERTS``, the series may not exist; then the coverage of the targets' ``up``
    stands in for theirs.
    """
    coverages = [_measure(check, span, answers) for span in _spans(check, query, time)]
    worst = min(
        coverages,
        key=lambda coverage: -1.0 if coverage.share is None else coverage.share,
        default=Coverage(1.0),
    )
    enough = worst.share is not None and worst.share >= check.criterion.coverage
    if enough or worst.error or (check.criterion.up is None and not _sparse(query)):
        return worst
    return measure_up(check, up_selector(check, query), _longest(check, query, time), time, answers)


def up_selector(check: Check, query: Query) -> str:
    """Return the selector of the targets' ``up``: the criterion's, else one with the query's job and instance matchers."""
    if check.criterion.up is not None:
        return check.query("up", check.criterion.up).text
    matchers = {
        str(matcher)
        for node in ast.walk(query.expr)
        if isinstance(node, ast.VectorSelector)
        for matcher in node.matchers
        if matcher.name in {"job", "instance"}
    }
    return f"up{{{', '.join(sorted(matchers))}}}" if matchers else "up"


def up_questions(check: Check, up: str, window: float, time: float) -> Iterable[Instant]:
    """Yield the questions that give the share of a window (seconds) in which the targets were up."""
    span = _Span(up, time, window)
    yield span.samples(check.region)
    yield span.slots(check.region)
    yield _up_share(check, up, window, time)


def measure_up(check: Check, up: str, window: float, time: float, answers: Answers) -> Coverage:
    """Return the share of a window in which targets were scraped, times the share of scrapes that found them up."""
    scraped = _measure(check, _Span(up, time, window), answers)
    if scraped.share is None or scraped.error:
        return scraped
    answer = answers[_up_share(check, up, window, time)]
    if answer.error:
        return Coverage(None, error=answer.error)
    shares = answer.value.values.tolist() if isinstance(answer.value, Vector) else []
    share = scraped.share * min(shares, default=0.0)
    return Coverage(share, f"targets {up} were up {format_percent(share)} of {format_short_duration(window)}")


def _up_share(check: Check, up: str, window: float, time: float) -> Instant:
    length = format_duration(window)
    text = f"sum by (job) (sum_over_time({up}[{length}])) / sum by (job) (count_over_time({up}[{length}]))"
    return Instant(check.region, text, time)


def _measure(check: Check, span: _Span, answers: Answers) -> Coverage:
    samples = answers[span.samples(check.region)]
    if samples.error:
        return Coverage(None, error=samples.error)
    counts = _by_job(samples.value)
    subject = f"{span.selector} over {format_short_duration(span.window)}"
    if not counts:
        return Coverage(0.0, f"no samples of {subject}")
    intervals: dict[str, float] = {}
    for job in counts:
        interval = answers.interval(check.region, job)
        if interval is None:
            return Coverage(None, f"the scrape interval of job {job!r} is unknown")
        intervals[job] = interval
    seconds = {job: count * intervals[job] for job, count in counts.items()}
    most_slots = span.most_slots(samples.semantics)
    # Slots take longer to evaluate than samples, so they are asked for only where they can raise the share.
    if any(seconds[job] < min(span.window, span.by_slots(most_slots, intervals[job])) for job in counts):
        slots = answers[span.slots(check.region)]
        if slots.error:
            return Coverage(None, error=slots.error)
        filled = _by_job(slots.value)
        for job, interval in intervals.items():
            seconds[job] = max(seconds[job], span.by_slots(filled.get(job, 0.0), interval))
    return Coverage(min(1.0, min(seconds.values()) / span.window), subject)


def shortest_window(check: Check, query: Query, time: float) -> float:
    """Return the shortest time (seconds) that a selector of the expression looks at, 0 where it has none."""
    return min((span.window for span in _spans(check, query, time)), default=0.0)


def _by_job(value: object) -> dict[str, float]:
    if not isinstance(value, Vector):
        return {}
    return {
        labels.get("job", ""): count
        for labels, count in zip(value.labels, value.values.tolist(), strict=True)
    }


def _sparse(query: Query) -> bool:
    selectors = (node for node in ast.walk(query.expr) if isinstance(node, ast.VectorSelector))
    return any(node.name in _SPARSE for node in selectors)


def _longest(check: Check, query: Query, time: float) -> float:
    return max((span.window for span in _spans(check, query, time)), default=_LOOKBACK)


def _spans(check: Check, query: Query, time: float) -> Iterator[_Span]:
    """Yield what each selector of an expression reads when it is evaluated at a time (seconds)."""
    window = check.window or _LOOKBACK
    moment = round(time * 1000)
    yield from dict.fromkeys(
        _Span(span.selector, span.end / 1000, span.length / 1000 or window)
        for span in spans(query.expr, moment, moment)
    )
