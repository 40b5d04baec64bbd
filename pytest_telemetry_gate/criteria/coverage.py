"""Coverage and freshness of what an expression reads, from the times of the samples themselves.

Of each selector: which targets gave samples, how many of the due ones arrived, and how old the newest is. The worst
target, job and selector count. Rules: docs/explanation/coverage.md.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_telemetry_gate.model.arrivals import Arrivals, Target
from pytest_telemetry_gate.model.facts import Gap, SelectorFacts
from pytest_telemetry_gate.model.questions import ArrivalsQuestion, Query, Question
from pytest_telemetry_gate.promql import ast, parse
from pytest_telemetry_gate.promql.spans import spans
from pytest_telemetry_gate.stats.timeline import Timeline, count_alive, follow, share_alive
from pytest_telemetry_gate.support.durations import format_short_duration, format_time
from pytest_telemetry_gate.support.numbers import format_percent

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check

__all__ = [
    "Coverage",
    "coverage_questions",
    "measure_arrivals",
    "measure_coverage",
    "named_jobs",
    "shortest_window",
    "up_question",
]

_LOOKBACK = 300.0  # seconds: how far an instant selector looks back, Prometheus' default
_SPARSE = frozenset({"ALERTS", "ALERTS_FOR_STATE"})  # exist only while something is wrong
_LITERALS = re.compile(r"[^.*+?()\[\]{}^$\\]+")  # a regular expression that lists its texts
_ENOUGH = 4  # scrapes that tell how far they are apart
_MAY_BE_GONE = 0.1  # of the targets: as much as may be missing of the samples
_MAX_GAPS = 10  # of the worst target, in the facts


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
    yield from _questions(check, query.expr, time)
    if check.criterion.up is not None or _reads_sparse(query.expr):
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
    longest = max((question.window for question in _questions(check, query.expr, time)), default=_LOOKBACK)
    length = longest if window is None else window
    return ArrivalsQuestion(check.region, _up_selector(check, query.expr), time, length)


def shortest_window(check: Check, query: Query, time: float) -> float:
    """Return the shortest time (seconds) that a selector of the expression looks at, 0 where it has none."""
    return min((question.window for question in _questions(check, query.expr, time)), default=0.0)


def measure_arrivals(
    check: Check,
    question: ArrivalsQuestion,
    answers: Answers,
    *,
    of_up: bool = False,
    jobs: Collection[str] | None = None,
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
    arrivals = answer.value
    if jobs is not None:
        arrivals = replace(
            arrivals, targets=tuple(target for target in arrivals.targets if target.job in jobs)
        )
    own = _Selector(check, question, arrivals, answers, of_up=of_up)
    share, problem = own.share()
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


@lru_cache(maxsize=4096)
def named_jobs(selector: str) -> tuple[str, ...]:
    """Return the jobs that a selector names one by one; none where it takes jobs by a pattern or takes any."""
    parsed = parse(selector)
    matchers = parsed.matchers if isinstance(parsed, ast.VectorSelector) else ()
    for matcher in matchers:
        if matcher.name == "job" and matcher.op == "=" and matcher.value:
            return (matcher.value,)
        if matcher.name == "job" and matcher.op == "=~":
            names = matcher.value.split("|")
            if all(_LITERALS.fullmatch(name) for name in names):
                return tuple(names)
    return ()


class _Selector:
    """The samples of one selector in its window, judged."""

    def __init__(
        self, check: Check, question: ArrivalsQuestion, arrivals: Arrivals, answers: Answers, *, of_up: bool
    ) -> None:
        self._question = question
        self._arrivals = arrivals
        self._jobs = named_jobs(question.selector)
        parsed = parse(question.selector)
        self._is_up = isinstance(parsed, ast.VectorSelector) and parsed.name == "up"
        self._counts_failures = of_up or not self._is_up
        self.lines: dict[int, Timeline] = {}
        self.unknown: list[Target] = []
        for number, target in enumerate(arrivals.targets):
            if not len(target.times):
                continue
            hint = self._hint(target, answers.interval(check.region, target.job))
            line = follow(target.times / 1000, question.start, question.end, hint)
            if line is None:
                self.unknown.append(target)
            elif line.until > question.start:
                self.lines[number] = line
        self.down = [
            target
            for target in arrivals.targets
            if not target.samples and target.scrapes and not target.successes and self._jobs
        ]

    def share(self) -> tuple[float | None, str]:
        """Return the share of due samples that arrived, and what the worst target lacks, for people."""
        question = self._question
        if not self.lines and self.unknown:
            return None, f"one sample of {self.unknown[0].shown()}, which does not tell the interval"
        if not self.lines:
            if any(target.samples for target in self._arrivals.targets) and not self.down:
                before = any(len(target.times) for target in self._arrivals.targets)
                return 0.0, "no samples in the window" if before else "every sample is NaN"
            return 0.0, f"{self.down[0].shown()} was down all the time" if self.down else ""
        worst: list[tuple[float, str]] = [
            (0.0, f"{target.shown()} was down all the time") for target in self.down
        ]
        by_job: dict[str, list[Timeline]] = defaultdict(list)
        for number, line in self.lines.items():
            target = self._arrivals.targets[number]
            by_job[target.job].append(line)
            worst.append((line.share(question.start, question.end), self._describe_gaps(target, line)))
            if len(target.times) < target.samples:
                numbers = f"{len(target.times):,} of {target.samples:,} samples of {target.shown()}"
                worst.append((len(target.times) / target.samples, f"{numbers} are numbers"))
            if self._counts_failures and target.scrapes:
                good = target.successes or 0
                text = f"{good:,} of {target.scrapes:,} scrapes of {target.shown()} succeeded"
                worst.append((min(1.0, good / target.scrapes), text))
        for job, lines in by_job.items():
            alive = share_alive(lines, question.start, question.end)
            text = "" if len(lines) > 1 or alive >= 1 else self._describe_life(lines[0])
            worst.append(
                (alive, text or f"targets of job {job!r} were there for {format_percent(alive)} of the time")
            )
        worst.extend((0.0, f"no samples of job {job!r}") for job in self._jobs if job not in by_job)
        share, text = min(worst, key=lambda entry: entry[0])
        return share, text if share < 1 else ""

    def stale(self, subject: str) -> str:
        """Return that too many targets have no fresh sample at the end of the window, or nothing."""
        end, start = self._question.end, self._question.start
        by_job: dict[str, list[Timeline]] = defaultdict(list)
        for number, line in self.lines.items():
            by_job[self._arrivals.targets[number].job].append(line)
        for lines in by_job.values():
            began, ended = count_alive(lines, start, end)
            if not ended:
                newest = max(lines, key=lambda line: line.last)
                age = format_short_duration(end - newest.last)
                return f"{subject}: the newest sample is {age} old at {format_time(end)}, with one every {format_short_duration(newest.interval)}"
            if ended / max(began, 1) < 1 - _MAY_BE_GONE:
                return f"{subject}: of {began} targets at the start of the window {ended} have a fresh sample at {format_time(end)}"
        return ""

    def facts(self, share: float | None) -> SelectorFacts:
        """Return what was seen, with the gaps of the worst target."""
        question = self._question
        ranked = sorted(
            self.lines.items(), key=lambda entry: (entry[1].share(question.start, question.end), entry[0])
        )
        number, line = ranked[0] if ranked else (None, None)
        target = None if number is None else self._arrivals.targets[number]
        return SelectorFacts(
            selector=question.selector,
            start=question.start,
            end=question.end,
            share=share,
            targets=len(self.lines),
            examined=sum(len(one.times) > 0 for one in self._arrivals.targets),
            target="" if target is None else target.shown(),
            samples=0 if target is None else int((target.times > question.start * 1000).sum()),
            interval=None if line is None else line.interval,
            before=None if line is None else line.before,
            first=None if target is None else _first_inside(target, question.start),
            newest=None if line is None else line.last,
            scrapes=None if target is None else target.scrapes,
            successes=None if target is None else target.successes,
            gaps=() if line is None else tuple(Gap(*gap) for gap in line.gaps[:_MAX_GAPS]),
        )

    def _hint(self, target: Target, known: float | None) -> float | None:
        """Return what is known of the interval besides the samples: how far scrapes were apart, else what the source says."""
        if target.scrapes is None or self._is_up:
            return known
        if target.scrapes >= _ENOUGH:
            return self._question.window / target.scrapes
        return known if len(target.times) < 2 else None

    def _describe_gaps(self, target: Target, line: Timeline) -> str:
        if not line.gaps:
            return ""
        left, right = max(line.gaps, key=lambda gap: gap[1] - gap[0])
        count = f"{len(line.gaps)} gap{'s' if len(line.gaps) > 1 else ''}"
        longest = f"{format_time(left)} to {format_time(right)}"
        name = target.shown()
        return f"{name + ': ' if name else ''}{count} with a sample due every {format_short_duration(line.interval)}, the longest {longest}"

    def _describe_life(self, line: Timeline) -> str:
        return f"samples from {format_time(max(line.first, self._question.start))} to {format_time(line.last)} only"


def _first_inside(target: Target, start: float) -> float | None:
    inside = target.times[target.times > start * 1000]
    return float(inside[0]) / 1000 if len(inside) else None


def _measure(check: Check, query: Query, node: ast.Expr, time: float, answers: Answers) -> Coverage | None:
    """Return the coverage of a part of an expression; None where it reads nothing."""
    match node:
        case ast.Binary() if node.op == "or":
            sides = [_measure(check, query, side, time, answers) for side in (node.lhs, node.rhs)]
            read = [side for side in sides if side is not None]
            return _worst([side for side in read if side.samples or side.error] or read)
        case ast.Binary():
            parts: Sequence[ast.Expr] = (node.lhs, node.rhs)
        case ast.Call():
            parts = node.args
        case ast.Aggregate():
            parts = (node.expr,) if node.param is None else (node.param, node.expr)
        case ast.Unary() | ast.Paren():
            parts = (node.expr,)
        case _:
            return _worst(
                [_measure_leaf(check, query, one, time, answers) for one in _questions(check, node, time)]
            )
    measured = (_measure(check, query, part, time, answers) for part in parts)
    return _worst([part for part in measured if part is not None])


def _measure_leaf(
    check: Check, query: Query, question: ArrivalsQuestion, time: float, answers: Answers
) -> Coverage:
    """Return the coverage of one selector, or that of ``up`` where this may stand in for it."""
    own = measure_arrivals(check, question, answers)
    enough = own.share is not None and own.share >= check.criterion.coverage and not own.stale
    may_be_absent = check.criterion.up is not None or _reads_sparse(parse(question.selector))
    if own.error or own.doubt or enough or not may_be_absent:
        return own
    up = measure_arrivals(check, up_question(check, query, time), answers, of_up=True)
    reason = up.reason if up.samples else f"{own.reason}; {up.reason}"
    return Coverage(up.share, reason, up.error, up.stale, up.doubt, up.samples, facts=own.facts + up.facts)


def _worst(coverages: Sequence[Coverage]) -> Coverage | None:
    if not coverages:
        return None
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


def _reads_sparse(expression: ast.Expr) -> bool:
    selectors = (node for node in ast.walk(expression) if isinstance(node, ast.VectorSelector))
    return any(node.name in _SPARSE for node in selectors)


def _questions(check: Check, expression: ast.Expr, time: float) -> Iterator[ArrivalsQuestion]:
    """Yield what each selector of an expression reads when it is evaluated at a time (seconds)."""
    window = check.window or _LOOKBACK
    moment = round(time * 1000)
    yield from dict.fromkeys(
        ArrivalsQuestion(check.region, span.selector, span.end / 1000, span.length / 1000 or window)
        for span in spans(expression, moment, moment)
    )
