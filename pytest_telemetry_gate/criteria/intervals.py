"""How far a variance may be off: what the parts of its window and of its baseline's say, and what the past says.

One range query of the criterion's own expression, with a window that is a part of the whole, tells how the value moved
within it; so does one of each moment of the baseline. The query need not be understood for that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.criteria.baseline import Moment, baseline_moments, written_moment
from pytest_telemetry_gate.criteria.chance import Counted, count_events, find_share
from pytest_telemetry_gate.criteria.growth import find_growth
from pytest_telemetry_gate.criteria.weigh import Precision, Reference, compute_variance
from pytest_telemetry_gate.model.facts import SHOWN_CONFIDENCE, IntervalFacts
from pytest_telemetry_gate.model.questions import Query, Range
from pytest_telemetry_gate.promql import Matrix, Vector
from pytest_telemetry_gate.stats.intervals import (
    MIN_PLACEBOS,
    MIN_WINDOWS,
    Interval,
    add_intervals,
    history_interval,
    join_intervals,
    sampling_interval,
)
from pytest_telemetry_gate.stats.quantiles import normal_tail
from pytest_telemetry_gate.stats.spending import boundaries
from pytest_telemetry_gate.support.durations import format_short_duration
from pytest_telemetry_gate.support.units import convert

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question

__all__ = ["Parts", "find_partless", "has_window", "part_questions", "read_parts", "reduce_series"]

_PARTS = 24  # of a window: fewer know less of how neighbours move together, more have too few samples each
_SCRAPES = 4  # in a part: a rate of fewer is mostly about where they happen to lie
_DAY = 86400.0
_UNCOUNTED = Counted()
_NO_DATA = "no data"
_NEITHER = "the query is neither a mean over its window nor the sum of its parts"
_SEVERAL = "several series"
_TOLD_NOTHING = (_NEITHER, _SEVERAL)  # although it was answered
_WINDOW = re.compile(r"\$(__window\b|\{__window\})")
_RANGE = re.compile(r"\$(__range\b|\{__range\})")

Floats = NDArray[np.float64]


def has_window(text: str) -> bool:
    """Tell whether a query, not expanded yet, has a window that can be parted: ``$__window``, or else ``$__range``."""
    return bool(_WINDOW.search(text) or _RANGE.search(text))


def find_partless(check: Check, text: str) -> str:
    """Return why the parts of a check's window would tell nothing of its value, empty where they would."""
    question = _question(check, _own_moment(check, text))
    return (
        "" if question is None or _factor(check, _own_moment(check, text), question) is not None else _NEITHER
    )


def part_questions(check: Check, text: str) -> Iterable[Question]:
    """Yield the questions about the parts of a check's window and of its baseline's; ``text`` is its query, not expanded.

    None where nothing could be compared or the window is too short, which ``read_parts`` will say.
    """
    for moment in (_own_moment(check, text), *baseline_moments(check, text)):
        question = _question(check, moment)
        if question is None:
            return
        yield question
    written = _written_question(check, text)
    if written is not None:
        yield written
    length = _length(check, _own_moment(check, text))
    share = None if length is None else find_share(check.query("query", text).expr, length)
    if share is not None:
        yield Query(str(share[0]), share[0]).at(check.place, check.time)


@dataclass(frozen=True, slots=True)
class Parts:
    """The values of the parts of a check's window and of each moment of its baseline, or why there are none.

    ``own`` has a row for each series, in the unit of the query, with the label sets ``labels``; ``others`` has an array for
    each moment of the baseline; ``length`` (seconds) is that of a part. ``paired`` says that the
    parts of all windows are as long, so that they can be compared one by one; ``grows`` says that the window begins with the rollout
    at every checkpoint. ``counted`` is how many events the value counts, in the unit of the query.
    ``failed`` says that parts were asked for and not answered: nobody can say then whether the window moves more than it used to.
    """

    none: str = ""
    failed: bool = False
    labels: tuple[Mapping[str, str], ...] = ()
    own: Floats | None = None
    others: tuple[Floats, ...] = ()
    length: float = 0.0
    paired: bool = True
    grows: bool = False
    counted: Counted = _UNCOUNTED

    def measure(
        self, check: Check, value: float, labels: Mapping[str, str] | None, reference: Reference
    ) -> tuple[Precision, IntervalFacts | None]:
        """Return how well the variance of a value against its reference is known, and what that rests on.

        Both are in the unit that people see. ``labels`` are those of the series that the value is of, where one of several
        was chosen by what it decides.
        """
        confidence = SHOWN_CONFIDENCE if check.confidence is None else self.spend(check, check.confidence)
        baseline = reference.value
        if baseline is None:
            return Precision(), None
        is_percentage = compute_variance(check.criterion, value, baseline) is not None
        if not is_percentage and check.criterion.floor is None:
            return Precision(), None
        if self.failed:
            return Precision(basis=self.none), None
        placebos = np.asarray(reference.placebos if is_percentage else (), dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # what is too large to square has no interval
            sampling = self.sample(check, value, labels, baseline, confidence)
            history = history_interval(placebos, confidence=confidence)
        known = join_intervals(sampling, history, confidence=confidence)
        if known is None:
            return Precision(basis=self.none or "no interval: parts of the window have no value"), None
        if not math.isfinite(known.half):
            return Precision(basis="no interval: it is too wide for a number"), None
        facts = _describe(confidence, sampling, history, self.length) if is_percentage else None
        return Precision(known.half, _say_basis(history, reference)), facts

    def spend(self, check: Check, confidence: float) -> float:
        """Return how sure this one of several looks at a growing window must be, so that all of them are as sure as wanted."""
        if not self.grows:
            return confidence
        suite = check.suite
        times = [point.at for point in suite.points if suite.applies(check.criterion, point)]
        looks = sorted({time - check.start for time in times if time > check.start})
        shares = tuple(look / looks[-1] for look in looks)
        return 1 - float(normal_tail(boundaries(shares, confidence=confidence)[looks.index(check.range)]))

    def sample(
        self,
        check: Check,
        value: float,
        labels: Mapping[str, str] | None,
        baseline: float,
        confidence: float,
    ) -> Interval | None:
        """Return the interval that the parts give, in the unit of variances; of the value where a baseline of zero has no percentage."""
        own = self._reduce(check, labels)
        if own is None:
            return None
        terms = check.criterion
        in_points = terms.variance_unit == "pp"
        if in_points:
            factor = convert(1.0, terms.shown_unit, "%")
        else:
            factor = 100 / abs(baseline) if baseline else 1.0
        # Scaled, since what moves both windows by the same share does not move their ratio.
        weight = 1.0 if in_points or not baseline else value / baseline
        scale = terms.shown(1.0) * factor
        unit = terms.shown(1.0)
        floor = scale * self.counted.error(value / unit)
        other_floor = (
            abs(weight) * scale * self.counted.error(baseline / unit) / max(1, len(self.others)) ** 0.5
        )
        if not self.others:
            return sampling_interval(own * scale, confidence=confidence, floor=floor)
        others: Floats = np.mean(self.others, axis=0) * weight
        if self.paired:
            together = math.hypot(floor, other_floor)
            return sampling_interval((own - others) * scale, confidence=confidence, floor=together)
        alone = [
            sampling_interval(one * scale, confidence=confidence, floor=least)
            for one, least in ((own, floor), (others, other_floor))
        ]
        known = [one for one in alone if one is not None]
        return add_intervals(*known, confidence=confidence) if len(known) == len(alone) else None

    def _reduce(self, check: Check, labels: Mapping[str, str] | None) -> Floats | None:
        """Return one value for each part, as the criterion makes one of several series."""
        if self.own is None or not len(self.own):
            return None
        if labels is not None and len(self.own) > 1:
            return next((row for row, own in zip(self.own, self.labels, strict=True) if own == labels), None)
        return reduce_series(self.own, check.criterion.reduce)


def reduce_series(rows: Floats, how: str | None) -> Floats | None:
    """Return one row of several series, as ``reduce`` says; None where it asks each of them, or nothing is said of several."""
    if len(rows) == 1:
        only: Floats = rows[0]
        return only
    known = np.isfinite(rows)
    some = known.any(axis=0)
    reduced = {
        "max": np.where(known, rows, -np.inf).max(axis=0),
        "min": np.where(known, rows, np.inf).min(axis=0),
        "sum": np.where(known, rows, 0.0).sum(axis=0),
        "avg": np.where(known, rows, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1),
    }.get(how or "")
    return None if reduced is None else np.where(some, reduced, np.nan)


def read_parts(check: Check, text: str, answers: Answers) -> Parts:
    """Return the parts of a check's window and its baseline's; ``text`` is its query, not expanded yet."""
    own = _own_moment(check, text)
    length = _length(check, own)
    if length is None:
        return Parts(none="no interval: the query has no $__window")
    question = _question(check, own)
    if question is None:
        needed = format_short_duration(MIN_WINDOWS * _SCRAPES * check.scrape_interval)
        return Parts(none=f"too short, needs {needed}")
    others, paired = [], True
    for moment in baseline_moments(check, text):
        asked = _question(check, moment)
        if asked is None:
            return Parts(none="no interval: the baseline has no window that is long enough for parts")
        paired &= _is_alike(asked, question)
        rows, problem = _read_one(check, moment, asked, answers)
        if rows is None:
            return Parts(none=f"no interval: baseline: {problem}", failed=problem not in _TOLD_NOTHING)
        others.append(_at_the_same_hours(rows[0], asked, question))
    measured, written = written_moment(check, text), _written_question(check, text)
    if measured is not None and written is not None:
        rows, problem = _read_one(check, measured, written, answers)
        if rows is not None:
            paired &= _is_alike(written, question)
            others.append(_at_the_same_hours(rows[0], written, question))
        elif problem != _NO_DATA or (measured.window or 0.0) < _DAY:
            # A server may have forgotten it. A number of a day or more is as good as exact; a shorter one's error is not known then.
            failed = problem not in {*_TOLD_NOTHING, _NO_DATA}
            return Parts(none=f"no interval: baseline: {problem}", failed=failed)
    values, problem = _read(question, answers)
    factor = _factor(check, own, question)
    if values is None or factor is None:
        return Parts(none=f"no interval: {problem or _NEITHER}", failed=bool(problem))
    counted = _count(check, text, length, answers)
    if isinstance(counted, str):
        return Parts(none=f"no interval: {counted}", failed=True)
    return Parts(
        labels=tuple(values.labels),
        own=_rows(values, question) * factor,
        others=tuple(others),
        length=question.step,
        paired=paired,
        counted=counted,
        grows=not _WINDOW.search(text),
    )


def _count(check: Check, text: str, length: float, answers: Answers) -> Counted | str:
    """Return how many events a check's value counts, or why the answer to that is none."""
    share = find_share(check.query("query", text).expr, length)
    if share is None:
        return Counted(count_events(check.query("query", text).expr, length))
    divisor, counted, events = share
    answer = answers[Query(str(divisor), divisor).at(check.place, check.time)]
    if answer.error or answer.partial:
        return answer.error or f"the answer may be partial: {'; '.join(answer.warnings)}"
    values = answer.value.values if isinstance(answer.value, Vector) else np.empty(0)
    # Of several series the one with the fewest events is known least.
    least = min((value for value in values.tolist() if value > 0), default=0.0)
    return Counted(counted * least, events * least)


def _own_moment(check: Check, text: str) -> Moment:
    return Moment(check.query("query", text), check.time, text)


def _length(check: Check, moment: Moment) -> float | None:
    """Return how long the window of a moment's query is, in seconds; None where it has none."""
    if _WINDOW.search(moment.text):
        return moment.window or check.window
    return check.range if _RANGE.search(moment.text) and check.range > 0 else None


def _question(check: Check, moment: Moment) -> Range | None:
    """Return the question about the parts of one window; None where it has no parts or is too short for them."""
    length = _length(check, moment)
    if length is None:
        return None
    count = min(_PARTS, int(length // (_SCRAPES * check.scrape_interval)))
    if count < MIN_WINDOWS:
        return None
    step = int(length * 1000) // count / 1000
    query = moment.parted(check, _windowed(moment.text), step)
    return Range(check.place, query.text, moment.time - (count - 1) * step, moment.time, step)


def _windowed(text: str) -> str:
    """Return a query whose window is ``$__window``: the range of the rollout where it has no window."""
    return text if _WINDOW.search(text) else _RANGE.sub("$__window", text)


def _written_question(check: Check, text: str) -> Range | None:
    """Return the question about the parts of the window that a written number was measured in; None where they say nothing.

    A number from less than a day has an error of its own. One from a day or more has next to none beside a shorter window, and
    its parts have a season that it has not itself; where the check's window is as many whole days, every hour of the day is in
    both, and a season is no error of their ratio.
    """
    moment = written_moment(check, text) if _WINDOW.search(text) else None
    if moment is None or moment.window is None:
        return None
    are_same_days = moment.window == check.window and not moment.window % _DAY
    return _question(check, moment) if moment.window < _DAY or are_same_days else None


def _is_alike(asked: Range, question: Range) -> bool:
    """Tell whether two windows have parts that can be compared one by one."""
    return asked.step == question.step and asked.end - asked.start == question.end - question.start


def _at_the_same_hours(row: Floats, asked: Range, question: Range) -> Floats:
    """Return the parts of a baseline in the order of the hours of the check's window, where both are whole days."""
    if len(row) * asked.step % _DAY:
        return row
    return np.roll(row, -round((question.end - asked.end) / asked.step))


def _read_one(check: Check, moment: Moment, question: Range, answers: Answers) -> tuple[Floats | None, str]:
    """Return the parts of a baseline's window as one row, or why there are none."""
    values, problem = _read(question, answers)
    factor = _factor(check, moment, question)
    if values is None or factor is None:
        return None, problem or _NEITHER
    if len(values.labels) != 1:
        return None, _SEVERAL
    return _rows(values, question) * factor, ""


def _factor(check: Check, moment: Moment, question: Range) -> float | None:
    """Return what the value of a part is multiplied by to be that of the whole; None where it tells nothing of that."""
    text = _windowed(moment.text)
    count = round((question.end - question.start) / question.step) + 1
    parts = (moment.parted(check, text, question.step * times).expr for times in (count, 1))
    growth = find_growth(*parts)
    return None if growth is None else float(count**growth)


def _read(question: Range, answers: Answers) -> tuple[Matrix | None, str]:
    answer = answers[question]
    if answer.partial:
        return None, f"the answer may be partial: {'; '.join(answer.warnings)}"
    if answer.error or not isinstance(answer.value, Matrix):
        return None, answer.error or "no answer over time"
    return (answer.value, "") if len(answer.value.labels) else (None, _NO_DATA)


def _rows(values: Matrix, question: Range) -> Floats:
    """Return the values of each series at every step that was asked for, NaN where there is none."""
    count = round((question.end - question.start) / question.step) + 1
    rows = np.full((len(values.labels), count), np.nan)
    places = np.rint((np.asarray(values.times) - question.start) / question.step).astype(np.int64)
    inside = (places >= 0) & (places < count)
    rows[:, places[inside]] = np.where(values.present, values.values, np.nan)[:, inside]
    return rows


def _describe(
    confidence: float,
    sampling: Interval | None,
    history: Interval | None,
    length: float,
) -> IntervalFacts:
    return IntervalFacts(
        confidence=confidence,
        sampling=None if sampling is None else sampling.half,
        history=None if history is None else history.half,
        windows=0 if sampling is None else sampling.count,
        length=length,
        correlation=0.0 if sampling is None else sampling.correlation,
        placebos=0 if history is None else history.count,
    )


def _say_basis(history: Interval | None, reference: Reference) -> str:
    if history is not None:
        return f"history of {history.count} placebos"
    placebos = len(reference.placebos)
    few = f", {placebos} placebos of {MIN_PLACEBOS} needed" if placebos else ""
    return f"sampling error only{few}"
