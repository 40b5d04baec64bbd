"""Coverage and freshness of what an expression reads, from the times of the samples themselves.

Of each selector: which targets gave samples, how many of the due ones arrived, and how old the newest is. The worst
target, job and selector count. Rules: docs/explanation/coverage.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_telemetry_gate.criteria.observed import observe
from pytest_telemetry_gate.model.arrivals import Arrivals, target_of
from pytest_telemetry_gate.model.facts import SelectorFacts
from pytest_telemetry_gate.model.questions import ArrivalsQuestion, Query, Question
from pytest_telemetry_gate.promql import ast
from pytest_telemetry_gate.promql.spans import SelectorSpan, spans
from pytest_telemetry_gate.support.durations import format_short_duration

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check

__all__ = [
    "Coverage",
    "coverage_questions",
    "find_fresh",
    "measure_arrivals",
    "measure_coverage",
    "shortest_window",
    "up_question",
]

_LOOKBACK = 300.0  # seconds: how far an instant selector looks back, Prometheus' default
_SPARSE = frozenset({"ALERTS", "ALERTS_FOR_STATE"})  # exist only while something is wrong


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is known of the samples behind a value; ``reason`` names the selector, for people.

    ``share`` is from 0 to 1, None if it is unknown; ``living`` is the share while the targets were alive. ``stale`` says
    that samples are too old at the end of the window, ``doubt`` why they cannot be believed. ``samples`` tells that there
    are any at all.
    """

    share: float | None
    reason: str = ""
    error: str = ""
    stale: str = ""
    doubt: str = ""
    samples: bool = True
    living: float | None = None
    facts: tuple[SelectorFacts, ...] = ()


def coverage_questions(check: Check, query: Query, time: float) -> Iterable[Question]:
    """Yield the questions that give the coverage of an expression at a time (seconds)."""
    yield from _questions(check, query.spans(time))
    if check.criterion.up is not None or _is_sparse(query):
        yield up_question(check, query, time)


def measure_coverage(check: Check, query: Query, time: float, answers: Answers) -> Coverage:
    """Return the smallest coverage of the selectors in an expression; 1 where it has none.

    Of the two sides of an ``or`` those count that have samples, as the other one is empty on purpose. With ``up:`` in the
    criterion, or for ``ALERTS``, the series may not exist; then the targets' ``up`` stands in for them.
    """
    return _measure(check, query, query.expr, time, answers) or Coverage(1.0)


def up_question(check: Check, query: Query, time: float, window: float | None = None) -> ArrivalsQuestion:
    """Return the question for the samples of the targets' ``up``: the criterion's, else one with the query's job and instance.

    ``window`` is in seconds, by default the longest that the query looks at.
    """
    longest = max((question.window for question in _questions(check, query.spans(time))), default=_LOOKBACK)
    length = longest if window is None else window
    return ArrivalsQuestion(check.place, _up_selector(check, query.expr), time, length)


def shortest_window(check: Check, query: Query, time: float) -> float:
    """Return the shortest time (seconds) that a selector of the expression looks at, 0 where it has none."""
    return min((question.window for question in _questions(check, query.spans(time))), default=0.0)


def measure_arrivals(
    question: ArrivalsQuestion, answers: Answers, *, of_up: bool = False, jobs: Collection[str] | None = None
) -> Coverage:
    """Return the coverage of one selector.

    With ``of_up`` it is ``up`` that stands for other series: a scrape that failed is none that arrived. ``jobs`` are the
    only ones that are looked at, by default all.
    """
    answer = answers[question]
    subject = f"{question.selector} over {format_short_duration(question.window)}"
    if answer.error or not isinstance(answer.value, Arrivals):
        return Coverage(None, error=answer.error or f"no answer about the samples of {subject}")
    doubt = answer.value.doubt
    if answer.partial:
        doubt = f"{answer.source}: the answer may be partial: {'; '.join(answer.warnings)}"
    own = observe(question, answer.value, answers, jobs)
    share, problem = own.share(of_up=of_up)
    told = f"{subject}: {problem}" if problem else subject
    reason = told if problem or own.lines else f"no samples of {subject}"
    return Coverage(
        share,
        reason,
        stale=own.stale(subject) if share else "",
        doubt=f"{subject}: {doubt}" if doubt else "",
        samples=any(line.last > question.start for line in own.lines.values()),
        living=min((line.share(question.start, question.end) for line in own.lines.values()), default=None),
        facts=(own.facts(share),),
    )


@dataclass(frozen=True, slots=True)
class Freshness:
    """The targets of a selector, by job and instance, that have a fresh sample at the end of its window, and the others.

    ``last`` says when the newest sample of each was, in seconds since the epoch.
    """

    fresh: frozenset[tuple[str, str]]
    stale: frozenset[tuple[str, str]]
    last: Mapping[tuple[str, str], float]


def find_fresh(question: ArrivalsQuestion, answers: Answers) -> Freshness:
    """Return which targets of a selector have a fresh sample; one whose interval cannot be told has none."""
    value = answers[question].value
    if not isinstance(value, Arrivals):
        return Freshness(frozenset(), frozenset(), {})
    own = observe(question, value, answers)
    fresh = {
        target_of(value.targets[number].labels)
        for number, line in own.lines.items()
        if not line.is_stale(question.end)
    }
    last = {
        target_of(target.labels): float(target.times[-1]) / 1000
        for target in value.targets
        if len(target.times)
    }
    return Freshness(frozenset(fresh), frozenset(last) - fresh, last)


def _measure(check: Check, query: Query, node: ast.Expr, time: float, answers: Answers) -> Coverage | None:
    """Return the coverage of a part of an expression; None where it reads nothing."""
    match node:
        case ast.Binary() if node.op == "or":
            sides = [_measure(check, query, side, time, answers) for side in (node.lhs, node.rhs)]
            read = [side for side in sides if side is not None]
            return _worst([side for side in read if side.samples or side.error] or read)
        case ast.Binary() if node.op == "unless":
            # What nobody excludes is judged.
            kept = _measure(check, query, node.lhs, time, answers)
            excluded = _measure(check, query, node.rhs, time, answers)
            if excluded is None or not (excluded.samples or excluded.error):
                return kept
            return _worst([excluded] if kept is None else [kept, excluded])
        case ast.Binary():
            parts: Sequence[ast.Expr] = (node.lhs, node.rhs)
        case ast.Call():
            parts = node.args
        case ast.Aggregate():
            parts = (node.expr,) if node.param is None else (node.param, node.expr)
        case ast.Unary() | ast.Paren():
            parts = (node.expr,)
        case _:
            moment = round(time * 1000)
            asked = _questions(check, spans(node, moment, moment))
            return _worst([_measure_leaf(check, query, one, time, answers) for one in asked])
    measured = (_measure(check, query, part, time, answers) for part in parts)
    return _worst([part for part in measured if part is not None])


def _measure_leaf(
    check: Check, query: Query, question: ArrivalsQuestion, time: float, answers: Answers
) -> Coverage:
    """Return the coverage of one selector, or that of ``up`` where this may stand in for it."""
    own = measure_arrivals(question, answers)
    enough = own.share is not None and own.share >= check.criterion.coverage and not own.stale
    if own.error or own.doubt or enough:
        return own
    is_sparse = _is_sparse(Query.from_text(question.selector))
    if check.criterion.up is None and not is_sparse:
        return own
    up = measure_arrivals(up_question(check, query, time), answers, of_up=True)
    facts = own.facts + up.facts
    if own.samples and not is_sparse:
        # A series may be born late; where it is there, it must go on.
        if own.stale or (own.living is not None and own.living < check.criterion.coverage):
            return replace(own, share=own.living, facts=facts)
        return replace(up, facts=facts)
    reason = up.reason if up.samples else f"{own.reason}; {up.reason}"
    return replace(up, reason=reason, facts=facts)


def _worst(coverages: Sequence[Coverage]) -> Coverage | None:
    if len(coverages) < 2:
        return coverages[0] if coverages else None
    worst = min(coverages, key=_rank)
    facts = tuple(dict.fromkeys(one for coverage in coverages for one in coverage.facts))
    return Coverage(
        worst.share,
        worst.reason,
        worst.error,
        next((one.stale for one in coverages if one.stale), ""),
        next((one.doubt for one in coverages if one.doubt), ""),
        all(one.samples for one in coverages),
        facts=facts,
    )


def _rank(coverage: Coverage) -> float:
    if coverage.error:
        return -2.0
    return -1.0 if coverage.share is None else coverage.share


def _up_selector(check: Check, expression: ast.Expr) -> str:
    if check.criterion.up is not None:
        return check.query("up", check.criterion.up).text
    matchers = {
        str(matcher)
        for node in ast.walk(expression)
        if isinstance(node, ast.VectorSelector)
        for matcher in node.matchers
        if matcher.name in {"job", "instance"}
    }
    return f"up{{{', '.join(sorted(matchers))}}}" if matchers else "up"


@lru_cache(maxsize=4096)
def _is_sparse(query: Query) -> bool:
    selectors = (node for node in ast.walk(query.expr) if isinstance(node, ast.VectorSelector))
    return any(node.name in _SPARSE for node in selectors)


def _questions(check: Check, read: Iterable[SelectorSpan]) -> Iterable[ArrivalsQuestion]:
    """Return the questions for the samples that selectors read, each once."""
    window = check.window or _LOOKBACK
    return dict.fromkeys(
        ArrivalsQuestion(check.place, span.selector, span.end / 1000, span.length / 1000 or window)
        for span in read
    )
