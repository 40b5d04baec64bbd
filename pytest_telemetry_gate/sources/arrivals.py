"""When samples arrived, asked of any source as PromQL.

Two steps, each for many selectors in one request where the source can join them. First the longest series of every target
and the number of its samples, so that an answer has a size that is known. Then their raw samples, which have the times.
Of selectors with many targets only some are looked at: those with the fewest samples, and the one with the most.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from pytest_telemetry_gate.errors import PromQLError, SourceError
from pytest_telemetry_gate.model.arrivals import NO_TIMES, Arrivals, Target
from pytest_telemetry_gate.model.questions import ArrivalsQuestion
from pytest_telemetry_gate.promql import Matcher, Matrix, Scalar, Vector, ast, parse
from pytest_telemetry_gate.support.durations import format_duration

__all__ = ["ArrivalsReader", "find_up", "matchers_of", "name_target", "target_of"]

_PER_TARGET = (
    2  # series of a target that are looked at: a label that changes with the version makes a new one
)
_MAX_SAMPLES = 20_000  # of one selector
_MAX_REQUESTED = 40_000  # samples in one answer
_MAX_SERIES = 60  # in one answer: their times are one table
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")

Labels = Mapping[str, str]


class Metrics(Protocol):
    """The part of a metric source that is needed here."""

    semantics: str

    def instant(self, promql: str, time: float) -> Scalar | Vector | Matrix | str:
        """Evaluate at one time, in seconds."""
        ...


@dataclass(slots=True)
class _Series:
    """One series whose raw samples are wanted: ``exact`` are its labels with the metric's name."""

    question: int
    exact: Labels
    samples: int


@dataclass(slots=True)
class _Found:
    """What is known so far about one question."""

    series: dict[tuple[str, str], list[_Series]] = field(default_factory=dict)
    times: dict[tuple[str, str], list[np.ndarray]] = field(default_factory=dict)
    doubt: str = ""


class ArrivalsReader:
    """Asks one source; what ``up`` says is kept, as most selectors of a suite need the same of it.

    Safe to use from several threads.
    """

    def __init__(self, source: Metrics) -> None:
        self._source = source
        self._up: dict[tuple[str, float, float], Sequence[tuple[Labels, float, float]]] = {}
        self._asking_up = threading.Lock()

    def read(self, questions: Sequence[ArrivalsQuestion]) -> tuple[list[Arrivals], tuple[str, ...]]:
        """Return the answers to questions about one time, in their order, and the source's warnings.

        Raises SourceError or PromQLError where the source cannot answer.
        """
        warnings: dict[str, None] = {}
        found = self._find_longest(questions, warnings)
        self._read_times(questions, found, warnings)
        return [
            self._arrivals(question, entry, warnings)
            for question, entry in zip(questions, found, strict=True)
        ], tuple(warnings)

    def _find_longest(self, questions: Sequence[ArrivalsQuestion], warnings: dict[str, None]) -> list[_Found]:
        queries = [
            f"topk by (job, instance) ({_PER_TARGET}, count_over_time({question.selector}[{_reach(question)}]))"
            for question in questions
        ]
        found = []
        for number, vector in enumerate(self._vectors(queries, questions[0].end, warnings)):
            entry = _Found()
            name = _name_of(questions[number].selector)
            for labels, count in zip(vector.labels, vector.values.tolist(), strict=True):
                exact = {**labels, **({"__name__": name} if name else {})}
                entry.series.setdefault(target_of(labels), []).append(_Series(number, exact, round(count)))
            found.append(entry)
        return found

    def _read_times(
        self, questions: Sequence[ArrivalsQuestion], found: Sequence[_Found], warnings: dict[str, None]
    ) -> None:
        by_reach: dict[tuple[str, float], list[_Series]] = defaultdict(list)
        for question, entry in zip(questions, found, strict=True):
            for series in _choose(entry):
                by_reach[_reach(question), question.end].append(series)
        for (reach, end), wanted in by_reach.items():
            for group in _groups(wanted):
                selector = _joined_selector(group, questions)
                answer = self._ask(f"{selector}[{reach}]", end, warnings)
                if not isinstance(answer, Matrix):
                    message = f"{selector}[{reach}]: a {type(answer).__name__} instead of samples"
                    raise SourceError(message)
                self._take(answer, group, found)

    def _take(self, matrix: Matrix, series: Sequence[_Series], found: Sequence[_Found]) -> None:
        wanted: dict[frozenset[tuple[str, str]], list[_Series]] = defaultdict(list)
        for one in series:
            wanted[frozenset(one.exact.items())].append(one)
        moments = np.rint(matrix.times * 1000).astype(np.int64)
        for labels, values, present in zip(matrix.labels, matrix.values, matrix.present, strict=True):
            takers = wanted.pop(frozenset(labels.items()), None)
            if takers is None and not any("__name__" in one.exact for one in series):
                nameless = {key: text for key, text in labels.items() if key != "__name__"}
                takers = wanted.pop(frozenset(nameless.items()), None)
            for one in takers or ():
                entry = found[one.question]
                came = int(present.sum())
                if came + 1 < one.samples:
                    entry.doubt = f"{came:,} samples came of the {one.samples:,} that the source counts"
                entry.times.setdefault(target_of(one.exact), []).append(moments[present & ~np.isnan(values)])
        for missing in wanted.values():
            for one in missing:
                found[one.question].doubt = f"no samples came of the {one.samples:,} that the source counts"

    def _arrivals(self, question: ArrivalsQuestion, entry: _Found, warnings: dict[str, None]) -> Arrivals:
        jobs = {job for job, _ in entry.series}
        up = find_up(question.selector, jobs)
        scrapes: dict[tuple[str, str], tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
        if up:
            matchers = matchers_of(question.selector)
            for labels, count, good in self._scrapes(up, question.end, question.window, warnings):
                if all(
                    matcher.matches(labels[matcher.name])
                    for matcher in matchers
                    if matcher.name in labels and matcher.name != "__name__"
                ):
                    key = target_of(labels)
                    before = scrapes[key]
                    scrapes[key] = before[0] + count, before[1] + good
        targets = []
        for key in sorted({*entry.series, *scrapes}):
            series = entry.series.get(key, [])
            times = entry.times.get(key)
            tried = scrapes.get(key)
            targets.append(
                Target(
                    labels=name_target(key),
                    samples=max((one.samples for one in series), default=0),
                    times=np.unique(np.concatenate(times)) if times else NO_TIMES,
                    complete=not series or times is not None,
                    scrapes=None if tried is None else round(tried[0]),
                    successes=None if tried is None else round(tried[1]),
                )
            )
        return Arrivals(tuple(targets), entry.doubt, (up,) if up else ())

    def _scrapes(
        self, up: str, end: float, window: float, warnings: dict[str, None]
    ) -> Sequence[tuple[Labels, float, float]]:
        """Return the labels of each target's ``up``, the number of its samples, and the sum of them."""
        with self._asking_up:
            if (up, end, window) not in self._up:
                length = format_duration(window)
                counts, sums = self._vectors(
                    [f"count_over_time({up}[{length}])", f"sum_over_time({up}[{length}])"], end, warnings
                )
                good = {
                    frozenset(labels.items()): value
                    for labels, value in zip(sums.labels, sums.values.tolist(), strict=True)
                }
                self._up[up, end, window] = [
                    (labels, count, good.get(frozenset(labels.items()), 0.0))
                    for labels, count in zip(counts.labels, counts.values.tolist(), strict=True)
                ]
            return self._up[up, end, window]

    def _vectors(self, queries: Sequence[str], time: float, warnings: dict[str, None]) -> Sequence[Vector]:
        joined = getattr(self._source, "vectors", None)
        if joined is not None and len(queries) > 1:
            vectors: Sequence[Vector] | None = joined(queries, time)
            if vectors is not None:
                return vectors
        answers = []
        for query in queries:
            answer = self._ask(query, time, warnings)
            if not isinstance(answer, Vector):
                message = f"{query}: a {type(answer).__name__} instead of a vector"
                raise SourceError(message)
            answers.append(answer)
        return answers

    def _ask(self, promql: str, time: float, warnings: dict[str, None]) -> Scalar | Vector | Matrix | str:
        answer = self._source.instant(promql, time)
        warnings.update(dict.fromkeys(getattr(answer, "warnings", ())))
        return answer


def target_of(labels: Labels) -> tuple[str, str]:
    """Return the job and the instance of a series; texts are empty where it has none."""
    return labels.get("job", ""), labels.get("instance", "")


def name_target(key: tuple[str, str]) -> dict[str, str]:
    """Return the labels of a target."""
    return {name: text for name, text in zip(("job", "instance"), key, strict=True) if text}


def matchers_of(selector: str) -> tuple[Matcher, ...]:
    """Return the matchers of a plain selector; raises PromQLError."""
    parsed = parse(selector)
    if not isinstance(parsed, ast.VectorSelector):
        message = f"{selector!r} is no selector"
        raise PromQLError(message)
    return parsed.matchers


def find_up(selector: str, jobs: Iterable[str]) -> str:
    """Return the selector of the targets' ``up``, or nothing where no target can be told.

    Names with a colon are those of recording rules, which nobody scrapes
    (https://prometheus.io/docs/practices/rules/). ``jobs`` are those that the series have.
    """
    if ":" in _name_of(selector):
        return ""
    matchers = [matcher for matcher in matchers_of(selector) if matcher.name in {"job", "instance"}]
    if not any(matcher.name == "job" for matcher in matchers):
        named = sorted(job for job in jobs if job)
        if not named:
            return ""
        matchers.append(_equal_any("job", named))
    return f"up{{{', '.join(sorted(map(str, matchers)))}}}"


def _name_of(selector: str) -> str:
    """Return the metric's name, or an empty text where the selector does not state one."""
    names = [matcher for matcher in matchers_of(selector) if matcher.name == "__name__" and matcher.op == "="]
    return names[0].value if len(names) == 1 else ""


def _equal_any(name: str, values: Sequence[str]) -> Matcher:
    if len(values) == 1:
        return Matcher(name, "=", values[0])
    return Matcher(name, "=~", "|".join(_SPECIAL.sub(r"\\\g<0>", value) for value in values))


def _reach(question: ArrivalsQuestion) -> str:
    return format_duration(question.end - question.first)


def _choose(entry: _Found) -> Iterator[_Series]:
    """Yield the series to look at: all, or those with the fewest samples of each job and the one with the most."""
    targets = sorted(entry.series.values(), key=lambda series: max(one.samples for one in series))
    room = _MAX_SAMPLES
    for series in [*targets[-1:], *targets[:-1]]:
        needed = sum(one.samples for one in series)
        if needed > room and room < _MAX_SAMPLES:
            return
        room -= needed
        yield from series


def _groups(wanted: Sequence[_Series]) -> Iterator[list[_Series]]:
    """Group series that one selector can name: those whose labels differ in the value of one label only."""
    waiting = list(wanted)
    while waiting:
        best: list[_Series] = []
        for name in dict.fromkeys(key for one in waiting for key in one.exact):
            buckets: dict[frozenset[tuple[str, str]], list[_Series]] = defaultdict(list)
            for one in waiting:
                if name in one.exact:
                    rest = frozenset((key, text) for key, text in one.exact.items() if key != name)
                    buckets[rest].append(one)
            largest = max(buckets.values(), key=len)
            if len(largest) > len(best):
                best = largest
            if len(best) == len(waiting):
                break
        best = best or waiting[:1]
        taken = set(map(id, best))
        waiting = [one for one in waiting if id(one) not in taken]
        yield from _portions(best)


def _portions(series: Sequence[_Series]) -> Iterator[list[_Series]]:
    """Yield series in groups whose answers are not too large."""
    group: list[_Series] = []
    room = _MAX_REQUESTED
    for one in series:
        if group and (one.samples > room or len(group) >= _MAX_SERIES):
            yield group
            group, room = [], _MAX_REQUESTED
        group.append(one)
        room -= one.samples
    if group:
        yield group


def _joined_selector(group: Sequence[_Series], questions: Sequence[ArrivalsQuestion]) -> str:
    """Return one selector for all series of a group."""
    values: dict[str, dict[str, None]] = defaultdict(dict)
    for one in group:
        for name, text in one.exact.items():
            values[name][text] = None
    matchers = [_equal_any(name, list(texts)) for name, texts in values.items()]
    if not any(matcher.name == "__name__" for matcher in matchers):
        # The metric has no single name: take what the question says of it.
        matchers += [
            matcher
            for matcher in matchers_of(questions[group[0].question].selector)
            if matcher.name == "__name__"
        ]
    name = next((m.value for m in matchers if m.name == "__name__" and m.op == "="), "")
    return ast.VectorSelector(name, tuple(matchers)).selector
