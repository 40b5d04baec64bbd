"""Measure a criterion before its rollout: the value, and by how much the comparison with it is off by itself."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.criteria.baseline import baseline_questions, find_reference
from pytest_telemetry_gate.criteria.coverage import measure_coverage
from pytest_telemetry_gate.gate.baseline_remarks import describe_value, say_cost
from pytest_telemetry_gate.model.arrivals import Arrivals
from pytest_telemetry_gate.model.baseline import NUMBER, Baseline, Measurement, reference_offsets
from pytest_telemetry_gate.model.questions import ArrivalsQuestion, Query, Range
from pytest_telemetry_gate.promql import Matrix, ast
from pytest_telemetry_gate.stats.intervals import (
    MIN_PLACEBOS,
    Interval,
    add_intervals,
    history_interval,
    sampling_interval,
    smallest_change,
)
from pytest_telemetry_gate.stats.placebos import Candidate, Comparison, choose_reference, take_apart
from pytest_telemetry_gate.support.durations import format_duration, format_time
from pytest_telemetry_gate.support.units import convert

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.gate import Gate
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check

__all__ = ["MeasuredBaseline", "ask_ahead", "find_unmeasurable", "measure_baseline"]

Floats = NDArray[np.float64]

_DAY = 86400.0
_STEPS = (3600.0, 7200.0, 10800.0, 14400.0, 21600.0, 28800.0, 43200.0, _DAY)  # all of them divide a day
_LOOK_BACK = 36 * _DAY  # four weeks, of a week of moments
_REFERENCES = ("1d", "3d", "7d", "2w", "3w", "4w")
_PARTS = 24  # of a window, for its spread
_SCRAPES = 4  # at least in a part
_CONFIDENCE = 0.95
# Of the functions of ranges, those whose value does not depend on how long the range is
_LEVELS = frozenset({"avg_over_time", "deriv", "irate", "last_over_time", "quantile_over_time", "rate"})


@dataclass(frozen=True, slots=True)
class MeasuredBaseline:
    """What was measured for a check; without a measurement ``problem`` is the one line why.

    ``window`` is in seconds, None for queries that have none of that name. ``smallest`` is the smallest change that a check
    will see, in the variance's unit, None where nobody knows; ``basis`` is what that was told from.
    """

    check: Check
    measurement: Measurement | None = None
    window: float | None = None
    problem: str = ""
    remarks: tuple[str, ...] = ()
    smallest: float | None = None
    basis: str = ""


class _UnusableError(Exception):
    """Why there is nothing to measure, in one line."""


def find_unmeasurable(check: Check) -> str:
    """Return why a criterion has no value before the rollout that later ones could be compared with; empty if it has."""
    expressions = check.criterion.expressions()
    if "query" not in expressions:
        return f"`{check.criterion.key}` is of the rollout itself: state its baseline as a number"
    if check.dialect is not None:
        return f"a query in {check.dialect.name} has no samples that a baseline could be measured from: state it as a number"
    text, _ = expressions["query"]
    grows = _find_growing(check.query("query", text))
    if "__range" in text and grows:
        return f"{grows}() over $__range grows with the rollout: `baseline: {{offset: ...}}` compares it"
    return ""


def measure_baseline(
    gate: Gate, check: Check, end: float, window: float | None = None, reference: str | None = None
) -> MeasuredBaseline:
    """Measure a criterion in one region up to ``end`` (seconds since the epoch).

    ``check`` is that of the last checkpoint, which is as far from the baseline as a check will be. ``window`` (seconds) is
    that of the criterion but at least a day unless told, ``reference`` the one with the least error unless told.
    """
    try:
        return _Measuring(gate, check, end, window).measure(reference)
    except _UnusableError as unusable:
        return MeasuredBaseline(check, problem=str(unusable))


def ask_ahead(gate: Gate, checks: Iterable[Check], end: float) -> None:
    """Start asking live regions for the past of what will be measured, so that the waits overlap."""
    gate.ask_ahead(_Measuring(gate, check, end, None).first_question for check in checks)


class _Measuring:
    def __init__(self, gate: Gate, check: Check, end: float, told: float | None) -> None:
        self._gate, self._check, self._end, self._told = gate, check, end, told
        self._text = check.criterion.expressions()["query"][0]
        self._query = check.query("query", self._text)
        self._growing = _find_growing(self._query)
        self._has_window = "$__window" in self._text or "${__window}" in self._text
        self._length = max((span.length / 1000 for span in self._query.spans(end)), default=0.0)
        self._step = next((step for step in _STEPS if step >= self._length), 0.0) or (
            math.ceil(self._length / _DAY) * _DAY
        )
        self._remarks: list[str] = []
        self._is_seen = False
        unit = check.criterion.yielded_unit
        self._scale = convert(1.0, unit, "%") if check.criterion.variance_unit == "pp" else None

    def measure(self, reference: str | None) -> MeasuredBaseline:
        times, values = self._ask(self.first_question)
        seen = np.flatnonzero(np.isfinite(values))
        if not len(seen):
            what = "nothing but NaN" if self._is_seen else "no data"
            raise _UnusableError(f"{what} up to {format_time(self._end)}: {self._query.text}")
        begin = float(times[seen[0]])
        window = self._choose_window(begin)
        value, measurement = self._measure_value(window)
        if self._length:
            values[seen[0]] = np.nan  # its window may begin before the data
        parts = self._ask_parts(window)
        spread = self._find_spread(times, values, parts, window)
        candidates = list(self._compare(times, values, begin, window))
        told = [candidate for candidate in candidates if candidate.reference == reference]
        if reference is not None and not told:
            known = ", ".join(candidate.reference for candidate in candidates)
            raise _UnusableError(
                f"reference {reference} looks at the rollout, or is no multiple of the window; known: {known}"
            )
        chosen = choose_reference(told or candidates)
        self._remarks += describe_value(self._check, value, spread, chosen, begin)
        self._remark_cost(times, values, begin, window, candidates[0])
        interval, basis = self._find_interval(chosen, parts, value, window)
        tolerance = (self._check.criterion.tolerance or 0.0) * 100
        return MeasuredBaseline(
            self._check,
            measurement.model_copy(
                update={
                    "spread": spread,
                    "reference": chosen.reference,
                    "placebos": tuple(chosen.placebos.tolist()),
                }
            ),
            window=window,
            remarks=tuple(self._remarks),
            smallest=None if interval is None else smallest_change(interval, tolerance),
            basis=basis,
        )

    @property
    def first_question(self) -> Range:
        """The question about the past of the criterion as it is checked."""
        return self._grid(self._query)

    def _grid(self, query: Query) -> Range:
        count = math.floor(_LOOK_BACK / self._step)
        start = self._end - count * self._step
        return Range(self._check.place, query.text, start, self._end, self._step)

    def _ask(self, question: Range) -> tuple[Floats, Floats]:
        """Return the moments of a question and the value at each: float64[moments], NaN without one."""
        start, step = question.start, question.step
        answer = self._gate.answer(question)
        if answer.error or answer.partial:
            raise _UnusableError(answer.error or f"the answer may be partial: {'; '.join(answer.warnings)}")
        count = round((self._end - start) / step) + 1
        times = start + step * np.arange(count, dtype=np.float64)
        values = np.full(count, np.nan)
        if isinstance(answer.value, Matrix) and len(answer.value.labels):
            matrix = answer.value
            if (matrix.present.sum(axis=0) > 1).any():
                raise _UnusableError(f"{question.promql} gives several series, and a baseline is one number")
            self._is_seen = True
            places = np.rint((matrix.times - start) / step).astype(int)
            one = np.where(matrix.present, matrix.values, 0.0).sum(axis=0)
            values[places] = np.where(matrix.present.any(axis=0), one, np.nan)
        return times, values

    def _choose_window(self, begin: float) -> float | None:
        """Return the window of the baseline: as told, else the criterion's but at least a day where the data allow."""
        own = self._check.window
        if not self._has_window or own is None:
            if self._told is not None:
                self._remarks.append("--window is nothing to it: its query has no $__window")
            return None
        if self._told is not None and not self._growing:
            return self._told
        if self._growing:
            self._remarks.append(
                f"measured over {format_duration(own)}, as checks are: {self._growing}() depends on how long its window is"
            )
            return own
        wanted = max(own, _DAY)
        known = math.floor((self._end - begin) / 3600) * 3600.0
        window = max(own, min(wanted, known))
        if window < wanted:
            self._remarks.append(
                f"measured over {format_duration(window)} and not {format_duration(wanted)}: the data begin {format_time(begin)}"
            )
        return window

    def _measure_value(self, window: float | None) -> tuple[float, Measurement]:
        """Return the value at the end, asked and believed as a check's baseline is, with its samples and coverage."""
        at = Baseline(at=self._end, window=window)
        check = dataclasses.replace(
            self._check, criterion=self._check.criterion.model_copy(update={"baseline": at})
        )
        questions = list(baseline_questions(check, self._text))
        answers = self._gate.answers_to(questions, [check.place])
        reference = find_reference(check, self._text, answers)
        if reference is None or reference.value is None:
            problem = "" if reference is None else reference.problem.removeprefix("baseline: ")
            raise _UnusableError(problem or "no value")
        query = check.query("baseline", self._text, window=window)
        share = measure_coverage(check, query, self._end, answers).share
        samples = _count_samples([one for one in questions if isinstance(one, ArrivalsQuestion)], answers)
        return reference.value, Measurement(value=reference.value, samples=samples, coverage=share)

    def _ask_parts(self, window: float | None) -> Floats:
        """Return the values of the parts of the window, in order of time; none where the query cannot be asked of a part."""
        if window is None or self._growing:
            return np.empty(0)
        part = max(window / _PARTS, _SCRAPES * self._check.scrape_interval)
        count = math.floor(window / part)
        query = self._check.query("baseline", self._text, window=part)
        start = self._end - (count - 1) * part
        _, values = self._ask(Range(self._check.place, query.text, start, self._end, part))
        return values

    def _find_spread(
        self, times: Floats, values: Floats, parts: Floats, window: float | None
    ) -> float | None:
        """Return the standard deviation of the values as checks have them, over the window or a day; else of its parts."""
        near = values[(times > self._end - max(window or 0.0, _DAY)) & np.isfinite(values)]
        known = near if len(near) >= MIN_PLACEBOS else parts[np.isfinite(parts)]
        return float(known.std(ddof=1)) if len(known) > 1 else None

    def _compare(
        self, times: Floats, values: Floats, begin: float, window: float | None
    ) -> Iterator[Candidate]:
        """Yield every reference that does not look at the rollout, with its placebos; the number first."""
        yield self._number(times, values, begin, window)
        comparison = Comparison(values, values, self._step, self._scale)
        length = self._check.time - self._check.suite.rollout.start
        for reference in _REFERENCES:
            offsets = reference_offsets(reference)
            if min(offsets) >= length and all(offset % self._step == 0 for offset in offsets):
                yield Candidate(reference, take_apart(comparison.against_earlier(offsets), self._step))

    def _number(self, times: Floats, values: Floats, begin: float, window: float | None) -> Candidate:
        """Return the written number as a reference: placebos are as far from their baselines as the last check will be."""
        wide = values
        if window is not None and window != self._check.window:
            _, wide = self._ask(self._grid(self._check.query("baseline", self._text, window=window)))
            wide = np.where(times - window >= begin, wide, np.nan)
        comparison = Comparison(values, wide, self._step, self._scale)
        distance = max(self._check.time - self._end, self._step)
        return Candidate(NUMBER, take_apart(comparison.against_number(distance), self._step))

    def _find_interval(
        self, chosen: Candidate, parts: Floats, value: float, window: float | None
    ) -> tuple[Interval | None, str]:
        """Return the interval of a later variance, from the placebos or else from the parts of the window; and its basis."""
        found = history_interval(chosen.placebos, confidence=_CONFIDENCE)
        if found is not None:
            return found, f"history of {found.count} placebos"
        own = self._check.window
        if window is None or own is None or not len(parts) or (self._scale is None and value == 0):
            return None, "unknown"
        changes = (parts - value) * (self._scale or 100 / abs(value))
        found = sampling_interval(changes, confidence=_CONFIDENCE)
        if found is None:
            return None, "unknown"
        # The value of a check is of a window of its own, of which the parts are as many fewer as it is shorter.
        factor = math.sqrt(window / own)
        later = dataclasses.replace(found, half=found.half * factor, error=found.error * factor)
        return add_intervals(found, later, confidence=_CONFIDENCE), "sampling error only"

    def _remark_cost(
        self, times: Floats, values: Floats, begin: float, window: float | None, number: Candidate
    ) -> None:
        """Say what a window costs that is shorter than the default."""
        wanted = max(self._check.window or 0.0, _DAY)
        if self._told is None or self._growing or window is None or window >= wanted:
            return
        day = self._number(times, values, begin, wanted)
        self._remarks.append(say_cost(self._check, window, wanted, number, day))


def _find_growing(query: Query) -> str:
    """Return a function in a query whose value depends on how long its range is, empty where there is none."""
    calls = (node for node in ast.walk(query.expr) if isinstance(node, ast.Call))
    over = (call for call in calls if any(argument.type == "matrix" for argument in call.args))
    return next((call.func for call in over if call.func not in _LEVELS), "")


def _count_samples(questions: Sequence[ArrivalsQuestion], answers: Answers) -> int:
    """Return how many samples lie in the windows of what was asked."""
    total = 0
    for question in questions:
        arrivals = answers[question].value
        for target in arrivals.targets if isinstance(arrivals, Arrivals) else ():
            times = target.times / 1000
            total += int(((times > question.start) & (times <= question.end)).sum())
    return total
