"""When samples arrived, asked of any source as PromQL.

Two steps, each for many selectors in one request where the source can join them. First the longest series of every target
and the number of its samples, so that an answer has a size that is known. Then their raw samples, which have the times.
Of one target the longest series is looked at, and shorter ones, which may have followed one another or come on their own.
Of selectors with many samples only some targets are looked at: the one with the most samples, and those with the fewest. Of
the others only the first and the last sample is asked for.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.arrivals import (
    NO_TIMES,
    Arrivals,
    Target,
    Track,
    join_tracks,
    name_target,
    target_of,
)
from pytest_telemetry_gate.model.questions import ArrivalsQuestion
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector
from pytest_telemetry_gate.sources.series_selectors import (
    CountedSeries,
    Labels,
    by_target,
    count_samples,
    find_up,
    group_series,
    join_selector,
    stands_alone,
    sum_scrapes,
)
from pytest_telemetry_gate.support.durations import format_duration

__all__ = ["ArrivalsReader"]

_MAX_SAMPLES = 20_000  # of one selector
_PER_TARGET = 30  # series whose samples are counted
_ALWAYS = 8  # series that are looked at, however long they are
_PARTS = 120  # of the time, in which the first and the last sample of a target is searched


class Metrics(Protocol):
    """The part of a metric source that is needed here."""

    semantics: str

    def instant(self, promql: str, time: float) -> Scalar | Vector | Matrix | str:
        """Evaluate at one time, in seconds."""
        ...


@dataclass(slots=True)
class _Found:
    """What is known so far about one question."""

    series: dict[tuple[str, str], list[CountedSeries]] = field(default_factory=dict)
    tracks: dict[tuple[str, str], list[Track]] = field(default_factory=dict)
    bounds: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
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
        chosen = [series for entry in found for series in _choose(entry)]
        self._read_times(questions, chosen, found, warnings)
        self._find_bounds(questions, found, warnings)
        return [
            self._arrivals(question, entry, warnings)
            for question, entry in zip(questions, found, strict=True)
        ], tuple(warnings)

    def _find_longest(self, questions: Sequence[ArrivalsQuestion], warnings: dict[str, None]) -> list[_Found]:
        queries = [
            f"topk by (job, instance) ({_PER_TARGET}, {count_samples(question.selector, _reach(question))})"
            for question in questions
        ]
        vectors = self._vectors(queries, questions[0].end, warnings)
        return [
            _Found(by_target(number, questions[number].selector, vector))
            for number, vector in enumerate(vectors)
        ]

    def _find_bounds(
        self, questions: Sequence[ArrivalsQuestion], found: Sequence[_Found], warnings: dict[str, None]
    ) -> None:
        """Find the first and the last sample of the targets that were not looked at: exactly at the edges, about between."""
        left = [number for number, entry in enumerate(found) if len(entry.tracks) < len(entry.series)]
        queries = []
        for number in left:
            selector, reach = questions[number].selector, _reach(questions[number])
            step = max(1, round((questions[number].end - questions[number].first) / _PARTS))
            queries += [
                f"min by (job, instance) (timestamp({selector} offset {reach}))",
                f"min by (job, instance) (min_over_time(timestamp({selector})[{reach}:{step}s]))",
                f"max by (job, instance) (max_over_time(timestamp({selector})[{reach}:{step}s]))",
                f"max by (job, instance) (timestamp({selector}))",
            ]
        vectors = iter(self._vectors(queries, questions[0].end, warnings) if queries else ())
        for number in left:
            begin, first, last, finish = (
                dict(zip(map(target_of, vector.labels), vector.values.tolist(), strict=True))
                for vector in (next(vectors), next(vectors), next(vectors), next(vectors))
            )
            # A target that came and went between two looks has neither, and so no bounds.
            firsts, lasts = {**finish, **first, **begin}, {**begin, **last, **finish}
            found[number].bounds = {
                key: (round(firsts[key] * 1000), round(lasts[key] * 1000)) for key in firsts.keys() & lasts
            }

    def _read_times(
        self,
        questions: Sequence[ArrivalsQuestion],
        chosen: Sequence[CountedSeries],
        found: Sequence[_Found],
        warnings: dict[str, None],
    ) -> None:
        by_reach: dict[str, list[CountedSeries]] = defaultdict(list)
        for series in chosen:
            by_reach[_reach(questions[series.question])].append(series)
        for reach, wanted in by_reach.items():
            for group in group_series(wanted):
                selector = join_selector(group, questions[group[0].question].selector)
                answer = self._ask(f"{selector}[{reach}]", questions[0].end, warnings)
                if not isinstance(answer, Matrix):
                    message = f"{selector}[{reach}]: a {type(answer).__name__} instead of samples"
                    raise SourceError(message)
                self._take(answer, group, found)

    def _take(self, matrix: Matrix, series: Sequence[CountedSeries], found: Sequence[_Found]) -> None:
        wanted: dict[frozenset[tuple[str, str]], list[CountedSeries]] = defaultdict(list)
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
                numbers = moments[present & ~np.isnan(values)]
                entry.tracks.setdefault(target_of(one.exact), []).append((numbers, came))
        for missing in wanted.values():
            for one in missing:
                found[one.question].doubt = f"no samples came of the {one.samples:,} that the source counts"

    def _arrivals(self, question: ArrivalsQuestion, entry: _Found, warnings: dict[str, None]) -> Arrivals:
        jobs = {job for job, _ in entry.series}
        up = find_up(question.selector, jobs)
        found = self._scrapes(up, question.end, question.window, warnings) if up else ()
        scrapes = sum_scrapes(found, question.selector)
        targets = []
        for key in sorted({*entry.series, *scrapes}):
            counted = max((one.samples for one in entry.series.get(key, ())), default=0)
            tracks = join_tracks(
                entry.tracks.get(key, ()), keep_ended=stands_alone(question.selector, key)
            ) or [(NO_TIMES, counted)]
            tried, good = scrapes.get(key, (None, None))
            first, last = entry.bounds.get(key, (None, None))
            targets += [
                Target(
                    labels=name_target(key),
                    samples=samples,
                    times=times,
                    complete=not counted or key in entry.tracks,
                    first=None if key in entry.tracks else first,
                    last=None if key in entry.tracks else last,
                    scrapes=tried,
                    successes=good,
                )
                for times, samples in tracks
            ]
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
                    if not math.isnan(good.get(frozenset(labels.items()), 0.0))  # then `up` says nothing
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


def _choose(entry: _Found) -> Iterator[CountedSeries]:
    """Yield the series to look at: of all targets the longest one, then shorter ones of the same targets, while there is room.

    Of each job the target with the most samples and the one with the fewest come first. A series that is as long as the
    longest of its target was scraped with it.
    """
    by_job: dict[str, list[CountedSeries]] = defaultdict(list)
    shorter: list[CountedSeries] = []
    for (job, _), series in entry.series.items():
        longest, *others = sorted(series, key=lambda one: -one.samples)
        by_job[job].append(longest)
        shorter += [one for one in others if one.samples < longest.samples]
    ranked = [sorted(series, key=lambda one: one.samples) for series in by_job.values()]
    extremes = [one for series in ranked for one in (series[-1], *series[:-1][:1])]
    rest = [one for series in ranked for one in series[1:-1]]
    room = _MAX_SAMPLES
    for place, one in enumerate([*extremes, *sorted(rest, key=lambda one: one.samples), *shorter]):
        room -= one.samples
        if room < 0 and place >= max(2, min(len(extremes), _ALWAYS)):
            return
        yield one


def _reach(question: ArrivalsQuestion) -> str:
    return format_duration(question.end - question.first)
