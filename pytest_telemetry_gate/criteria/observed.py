"""What one selector was seen to read: its targets, their gaps, how fresh they are, and what the worst of them lacks."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from itertools import chain
from typing import TYPE_CHECKING

from pytest_telemetry_gate.model.arrivals import Arrivals, Target
from pytest_telemetry_gate.model.facts import Gap, SelectorFacts
from pytest_telemetry_gate.model.questions import ArrivalsQuestion
from pytest_telemetry_gate.promql import ast, parse
from pytest_telemetry_gate.stats.timeline import Timeline, count_alive, follow, share_alive
from pytest_telemetry_gate.support.durations import format_short_duration, format_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers

__all__ = ["ObservedSelector", "named_jobs", "observe"]

_LITERALS = re.compile(r"[^.*+?()\[\]{}^$\\]+")  # a regular expression that lists its texts
_GROUPED = re.compile(r"\^?\((?:\?:)?([^()]*)\)\$?")  # the whole in brackets
_ESCAPED = re.compile(r"\\([^A-Za-z0-9])")
_ENOUGH = 4  # scrapes that tell how far they are apart
_MAY_BE_GONE = 0.1  # of the targets: as much as may be missing of the samples
_MOSTLY = 0.75  # of a target's scrapes: fewer say that it is in trouble and not just starting or ending
_MAX_NAMED = 3  # targets in a reason
_MAX_GAPS = 10  # of the worst target, in the facts


def _unescape(pattern: str) -> str:
    """Return the one text that a regular expression stands for, written as Grafana does; nothing for a pattern."""
    bare = pattern.removeprefix("^").removesuffix("$")
    return _ESCAPED.sub(r"\1", bare) if _LITERALS.fullmatch(_ESCAPED.sub("", bare)) else ""


@lru_cache(maxsize=4096)
def _metric_of(selector: str) -> str:
    parsed = parse(selector)
    return parsed.name if isinstance(parsed, ast.VectorSelector) else ""


@lru_cache(maxsize=4096)
def named_jobs(selector: str) -> tuple[str, ...]:
    """Return the jobs that a selector names one by one; none where it takes jobs by a pattern or takes any."""
    parsed = parse(selector)
    matchers = parsed.matchers if isinstance(parsed, ast.VectorSelector) else ()
    for matcher in matchers:
        if matcher.name == "job" and matcher.op == "=" and matcher.value:
            return (matcher.value,)
        if matcher.name == "job" and matcher.op == "=~":
            grouped = _GROUPED.fullmatch(matcher.value)
            names = [*map(_unescape, (grouped[1] if grouped else matcher.value).split("|"))]
            if all(names):
                return tuple(names)
    return ()


def observe(
    question: ArrivalsQuestion, arrivals: Arrivals, answers: Answers, jobs: Collection[str] | None = None
) -> ObservedSelector:
    """Return what was seen of a selector, worked out once for all who look; of some ``jobs`` only, or of all."""
    if jobs is not None and any(target.job not in jobs for target in arrivals.targets):
        kept = tuple(target for target in arrivals.targets if target.job in jobs)
        return ObservedSelector(question, replace(arrivals, targets=kept), answers)
    observed = answers.worked_out.get(question)
    if not isinstance(observed, ObservedSelector):
        observed = answers.worked_out[question] = ObservedSelector(question, arrivals, answers)
    return observed


class ObservedSelector:
    """The samples of one selector in its window, judged: ``lines`` are those of each target that was alive in it, by number."""

    def __init__(self, question: ArrivalsQuestion, arrivals: Arrivals, answers: Answers) -> None:
        self._question = question
        self._targets = arrivals.targets
        self._jobs = named_jobs(question.selector)
        name = _metric_of(question.selector)
        self._is_up = name == "up"
        self._is_rule = ":" in name
        self.lines: dict[int, Timeline] = {}
        # By job, those that ended before the window
        self._earlier: dict[str, list[Timeline]] = defaultdict(list)
        self.unknown: list[Target] = []
        for number, target in enumerate(self._targets):
            if not len(target.times):
                continue
            hint = self._hint(target, answers.interval(question.region, target.job))
            line = follow(target.times / 1000, question.start, question.end, hint)
            if line is None:
                self.unknown.append(target)
            elif line.until > question.start:
                self.lines[number] = line
            else:
                self._earlier[target.job].append(line)
        self._add_unexamined()
        self.down = [
            target
            for number, target in enumerate(self._targets)
            if number not in self.lines
            and target.scrapes
            and not target.successes
            and (self._jobs or target.samples)
        ]

    def _add_unexamined(self) -> None:
        """Take the targets that were not looked at sample by sample by their first and last, and by their number.

        Their interval is that of the others of their job, or of all where none of these was looked at.
        """
        unexamined = [(number, target) for number, target in enumerate(self._targets) if not target.complete]
        if not self.lines or not unexamined:
            return
        question = self._question
        intervals: dict[str, list[float]] = defaultdict(list)
        for number, line in self.lines.items():
            intervals[self._targets[number].job].append(line.interval)
        by_job = {job: _middle(own) for job, own in intervals.items()}
        usual = _middle([*chain(*intervals.values())])
        for number, target in unexamined:
            if target.first is None or target.last is None:
                continue
            interval = by_job.get(target.job, usual)
            first, last = target.first / 1000, target.last / 1000
            if last + interval <= question.start:
                continue
            lost = 0.0
            if target.scrapes is None:
                due = (last - first) / interval + 1
                alive = min(last + interval, question.end) - max(first, question.start)
                lost = max(0.0, 1.0 - target.samples / due) * alive
            self.lines[number] = Timeline(interval, first, last, None, (), lost)

    def share(self, *, of_up: bool = False) -> tuple[float | None, str]:
        """Return the share of due samples that arrived, and what the worst target lacks, for people.

        With ``of_up`` it is ``up`` that stands for other series: a scrape that failed is none that arrived.
        """
        if not self.lines and self.unknown:
            return None, f"one sample of {self.unknown[0].shown()}, which does not tell the interval"
        if not self.lines:
            if any(target.samples for target in self._targets) and not self.down:
                before = any(len(target.times) for target in self._targets)
                return 0.0, "no samples in the window" if before else "every sample is NaN"
            return 0.0, f"{self.down[0].shown()} was down all the time" if self.down else ""
        share, describe = min(self._shares(of_up=of_up), key=lambda entry: entry[0])
        return share, describe() if share < 1 else ""

    def _shares(self, *, of_up: bool) -> Iterator[tuple[float, Callable[[], str]]]:
        """Yield what arrived of each target and of each job, with what says for people what is missing."""
        question = self._question
        for target in self.down:
            yield 0.0, partial("{} was down all the time".format, target.shown())
        for target in self._targets:
            if target.complete and target.samples and not len(target.times):
                yield 0.0, partial("every sample of {} is NaN".format, target.shown())
        for number, line in self.lines.items():
            target = self._targets[number]
            yield line.share(question.start, question.end), partial(self._describe_gaps, target, line)
            if target.complete and len(target.times) < target.samples:
                text = "{:,} of {:,} samples of {} are numbers".format
                samples = len(target.times), target.samples
                yield samples[0] / samples[1], partial(text, *samples, target.shown())
            if not target.scrapes:
                continue
            if line.changed and line.first <= question.start:
                # The interval was not changed where more scrapes tried.
                inside = _count_inside(target, question.start)
                text = "{:,} samples of {} in {:,} scrapes".format
                yield inside / target.scrapes, partial(text, inside, target.shown(), target.scrapes)
            if of_up or not self._is_up:
                good = target.successes or 0
                text = "{:,} of {:,} scrapes of {} succeeded".format
                told = partial(text, good, target.scrapes, target.shown())
                yield _succeeded(good, target.scrapes, line.interval / question.window), told
        for job, lines in self._by_job.items():
            alive = share_alive(lines, question.start, question.end, earlier=self._earlier[job])
            yield alive, partial(self._describe_lives, job, lines)
        for job in self._jobs:
            if job not in self._by_job:
                yield 0.0, partial("no samples of job {!r}".format, job)

    @cached_property
    def _by_job(self) -> Mapping[str, list[Timeline]]:
        by_job: dict[str, list[Timeline]] = defaultdict(list)
        for number, line in self.lines.items():
            by_job[self._targets[number].job].append(line)
        return by_job

    def stale(self, subject: str) -> str:
        """Return that too many targets have no fresh sample at the end of the window, or nothing."""
        end, start = self._question.end, self._question.start
        for job, lines in self._by_job.items():
            began, ended = count_alive(lines, start, end, earlier=self._earlier[job])
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
        target = None if number is None else self._targets[number]
        return SelectorFacts(
            selector=question.selector,
            start=question.start,
            end=question.end,
            share=share,
            targets=sum(one.samples > 0 for one in self._targets),
            examined=sum(len(one.times) > 0 for one in self._targets),
            target="" if target is None else target.shown(),
            samples=0 if target is None else _count_inside(target, question.start),
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
        if self._is_rule:
            return None
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

    def _describe_lives(self, job: str, lines: Sequence[Timeline]) -> str:
        """Say which targets of a job are gone, or since when there is one."""
        if len(lines) == 1:
            first = format_time(max(lines[0].first, self._question.start))
            return f"samples from {first} to {format_time(lines[0].last)} only"
        gone = [
            (line.last, self._targets[number].shown())
            for number, line in sorted(self.lines.items(), key=lambda entry: entry[1].last)
            if line in lines and line.is_stale(self._question.end)
        ]
        named = ", ".join(f"{name or 'one'} since {format_time(last)}" for last, name in gone[:_MAX_NAMED])
        more = f" and {len(gone) - _MAX_NAMED} more" if len(gone) > _MAX_NAMED else ""
        of = f"targets of job {job!r}" if job else "places"
        if not gone:
            return f"fewer {of} than at the start for a part of the time"
        return f"of {len(lines)} {of} {len(gone)} are gone and none is in their place: {named}{more}"


def _middle(numbers: Sequence[float]) -> float:
    return sorted(numbers)[len(numbers) // 2]


def _count_inside(target: Target, start: float) -> int:
    return len(target.times) - int(target.times.searchsorted(start * 1000, side="right"))


def _succeeded(good: int, scrapes: int, interval: float) -> float:
    """Return the share of scrapes that succeeded, ``interval`` being the share of the window between two of them.

    Of a target that was there for a part of the window, as a pod that was replaced, the failed ones are held against all of
    it: some fail while it starts and while it ends. Those of a target that fails more often are held against its own.
    """
    share = good / scrapes
    return max(share, 1 - (scrapes - good) * interval) if share >= _MOSTLY else share


def _first_inside(target: Target, start: float) -> float | None:
    inside = _count_inside(target, start)
    return float(target.times[-inside]) / 1000 if inside else None
