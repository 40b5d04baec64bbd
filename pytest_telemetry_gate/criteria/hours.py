"""A criterion judged at every hour from a few answers: each of its queries is asked once over all hours, and cut.

An hour is judged by the same code as a checkpoint, from the same data: only how the data are asked for differs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_telemetry_gate.criteria.moments import find_reach
from pytest_telemetry_gate.criteria.threshold import Threshold
from pytest_telemetry_gate.model.answers import Answer, Answers
from pytest_telemetry_gate.model.arrivals import Arrivals, Target
from pytest_telemetry_gate.model.check import ALL_REGIONS, Check
from pytest_telemetry_gate.model.questions import ArrivalsQuestion, Instant, Question, Range
from pytest_telemetry_gate.model.suite import Checkpoint
from pytest_telemetry_gate.promql import Matrix, Vector

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.verdict import Verdict

__all__ = ["Hours", "plan_hours"]

_MOST = 720  # moments: a month of hours; further apart where there would be more
_FEWEST = 3  # moments: fewer are no trend, and checkpoints may be more
_ALIKE = 1e-3  # seconds: Prometheus' smallest difference of two moments


@dataclass(frozen=True, slots=True)
class Hours:
    """One criterion at moments that lie ``step`` seconds apart, the last of them that of a checkpoint.

    ``window`` (seconds) is how far its query looks back from each. ``columns`` have what is asked once for all moments, and
    for each of them the question that it answers.
    """

    checks: tuple[Check, ...]
    step: float
    window: float
    columns: tuple[tuple[Question, tuple[Question, ...]], ...]

    @property
    def questions(self) -> Iterator[Question]:
        """What has to be asked."""
        return (asked for asked, _ in self.columns)

    def judge(self, answers: Answers) -> list[Verdict]:
        """Return the verdict at each moment."""
        cut: dict[Question, Answer] = {}
        for asked, column in self.columns:
            cut.update(_cut(asked, column, answers[asked]))
        known = dataclasses.replace(answers, answers=cut)
        return [check.criterion.judge(check, known).verdict for check in self.checks]


def plan_hours(check: Check, every: float) -> Hours | None:
    """Return a criterion's check at a checkpoint and at moments before it, down to the start of what it counts from.

    They lie ``every`` seconds apart, or as far as a window is long, and no window reaches before the start. None where they
    would be fewer than three, or cannot be asked together: the criterion is no query, reads ``$__range``, is judged over all regions at once, has another
    series stand for its own, or what it compares with is asked otherwise at each of them.
    """
    criterion = check.criterion
    if (
        not isinstance(criterion, Threshold)
        or check.dialect is not None
        or check.region == ALL_REGIONS
        or criterion.up is not None
    ):
        return None
    # Every moment has the window that most checkpoints have.
    window = criterion.window or check.window
    query = check.query(criterion.key, window=window)
    reach = find_reach(query, check.time)
    step = max(every, reach)
    span = check.time - check.start - (reach or step)
    step = max(step, math.ceil(span / (_MOST - 1) / every) * every)
    count = math.floor(span / step + 1e-9) + 1
    if count < _FEWEST:
        return None
    times = [check.time - place * step for place in reversed(range(count))]
    checks = tuple(dataclasses.replace(check, checkpoint=_moment(check, at, window)) for at in times)
    rows = [_questions(one) for one in checks]
    if any(len(row) != len(rows[0]) for row in rows):
        return None
    columns = [(_join(column, step), column) for column in zip(*rows, strict=True)]
    joined = tuple((asked, column) for asked, column in columns if asked is not None)
    return Hours(checks, step, reach, joined) if len(joined) == len(columns) else None


def _moment(check: Check, at: float, window: float | None) -> Checkpoint:
    return Checkpoint(f"{(at - check.suite.rollout.start) / 3600:g}h", at, window, named=False)


def _questions(check: Check) -> list[Question]:
    """Return a check's questions but those over parts of its window, which tell no more than how sure its value is."""
    return [question for question in check.criterion.questions(check) if not isinstance(question, Range)]


def _join(column: Sequence[Question], step: float) -> Question | None:
    """Return the question whose answer holds those to some questions about moments ``step`` apart; None if there is none."""
    first, last = column[0], column[-1]
    if first == last and len(set(column)) == 1:
        return first
    if isinstance(first, Instant) and isinstance(last, Instant):
        regular = [
            dataclasses.replace(first, time=last.time - place * step)
            for place in reversed(range(len(column)))
        ]
        same = all(
            isinstance(one, Instant) and one.promql == other.promql and abs(one.time - other.time) < _ALIKE
            for one, other in zip(column, regular, strict=True)
        )
        return Range(first.region, first.promql, first.time, last.time, step) if same else None
    if isinstance(first, ArrivalsQuestion) and isinstance(last, ArrivalsQuestion):
        same = all(
            isinstance(one, ArrivalsQuestion) and (one.selector, one.window) == (first.selector, first.window)
            for one in column
        )
        return dataclasses.replace(last, window=last.end - first.start) if same else None
    return None


def _cut(asked: Question, column: Sequence[Question], answer: Answer) -> Mapping[Question, Answer]:
    """Return the answers to the questions of a column, cut from that over all of them."""
    value = answer.value
    if isinstance(asked, Range) and isinstance(value, Matrix):
        places = {round(time * 1000): place for place, time in enumerate(value.times.tolist())}
        return {
            one: _at(answer, value, places.get(round(one.time * 1000)), one.time)
            for one in column
            if isinstance(one, Instant)
        }
    if isinstance(asked, ArrivalsQuestion) and isinstance(value, Arrivals):
        return {
            one: dataclasses.replace(
                answer,
                value=dataclasses.replace(value, targets=tuple(_targets_within(value.targets, one))),
            )
            for one in column
            if isinstance(one, ArrivalsQuestion)
        }
    return dict.fromkeys(column, answer)


def _at(answer: Answer, matrix: Matrix, place: int | None, time: float) -> Answer:
    """Return the values at one moment of a matrix; a moment that it does not have has none."""
    rows = [] if place is None else np.flatnonzero(matrix.present[:, place]).tolist()
    values = matrix.values[rows, place] if rows else np.empty(0)
    return dataclasses.replace(answer, value=Vector([matrix.labels[row] for row in rows], values, time))


def _targets_within(targets: Sequence[Target], question: ArrivalsQuestion) -> Iterator[Target]:
    """Yield what targets gave up to the end of a window; failed scrapes show as the samples that are missing."""
    begin, end = round(question.first * 1000), round(question.end * 1000)
    for target in targets:
        if target.complete:
            left, right = target.times.searchsorted([begin, end], side="right").tolist()
            times = target.times[left:right]
            # Samples that are no numbers leave gaps among those that are.
            samples = len(times) if len(target.times) else target.samples
            yield dataclasses.replace(target, samples=samples, times=times, scrapes=None, successes=None)
        elif (
            target.first is not None
            and target.last is not None
            and begin < target.last
            and target.first < end
        ):
            first, last = max(begin, target.first), min(end, target.last)
            share = (last - first) / max(1, target.last - target.first)
            yield dataclasses.replace(
                target,
                samples=round(target.samples * share),
                first=first,
                last=last,
                scrapes=None,
                successes=None,
            )
