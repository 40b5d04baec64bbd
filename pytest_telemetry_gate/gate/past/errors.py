"""By how much a comparison is off by itself: from the parts of earlier windows, and from placebos of the past.

What is measured is the criterion's own query, as the gate will ask it; nothing of the rollout counts where there is a past.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.criteria.baseline import baseline_moments, find_stated_reference
from pytest_telemetry_gate.criteria.baseline_file import find_measurement
from pytest_telemetry_gate.criteria.intervals import part_questions, read_parts, reduce_series
from pytest_telemetry_gate.model.baseline import Baseline
from pytest_telemetry_gate.model.questions import Query, Range
from pytest_telemetry_gate.model.suite import Checkpoint, Rollout
from pytest_telemetry_gate.promql import Matrix
from pytest_telemetry_gate.stats.intervals import (
    MIN_PLACEBOS,
    Interval,
    history_interval,
    join_intervals,
)
from pytest_telemetry_gate.stats.placebos import Comparison, take_apart
from pytest_telemetry_gate.stats.quantiles import student_t
from pytest_telemetry_gate.support.units import convert

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.gate import Gate
    from pytest_telemetry_gate.model.check import Check

__all__ = ["KnownError", "PastErrors", "reads_window", "with_baseline"]

Floats = NDArray[np.float64]

_DAY = 86400.0
_STEPS = (3600.0, 7200.0, 10800.0, 14400.0, 21600.0, 28800.0, 43200.0, _DAY)  # all of them divide a day
_LOOK_BACK = 36 * _DAY  # four weeks, of a week of moments
_WINDOWS = 12  # whose parts are looked at: the median of fewer is a matter of luck
_NOMINAL = 0.95  # of intervals whose standard error alone is looked at


@dataclass(frozen=True, slots=True)
class KnownError:
    """How far a comparison is off by itself, in the unit of its variance; ``basis`` says for people how that is known.

    ``samplings`` are what the parts of several windows say, the least first; ``stored`` is what the placebos of a baseline file
    do: a verdict will know these. ``history`` is what earlier moments say. ``problem`` is why windows say nothing.
    """

    samplings: tuple[Interval, ...] = ()
    stored: Interval | None = None
    history: Interval | None = None
    basis: str = ""
    problem: str = ""

    @property
    def sampling(self) -> Interval | None:
        """The median of what windows say, which is known as well as all of them together."""
        if not self.samplings:
            return None
        freedom = sum(one.freedom for one in self.samplings)
        return dataclasses.replace(self.samplings[len(self.samplings) // 2], freedom=freedom)

    @property
    def placebos(self) -> int:
        """How many placebos a history has, 0 where there is none."""
        told = self.history or self.stored
        return 0 if told is None else told.count

    @property
    def interval(self) -> Interval | None:
        """What is known best of how the comparison moves by itself: a file's placebos may be of another window."""
        return join_intervals(self.sampling, self.history or self.stored, confidence=_NOMINAL)

    def halves(self, confidence: float) -> tuple[float, ...]:
        """Return halves of the widths of the intervals that verdicts may have; none where they will have no interval."""
        windows = self.samplings or (None,)
        reckoned = (join_intervals(one, self.stored, confidence=confidence) for one in windows)
        return tuple(student_t(confidence, one.freedom) * one.error for one in reckoned if one is not None)

    def lengthened(self, factor: float) -> KnownError:
        """Return the sampling error over a window that is so many times as long: its parts stay what they are."""
        longer = tuple(
            dataclasses.replace(one, error=one.error / math.sqrt(factor), freedom=one.freedom * factor)
            for one in self.samplings
        )
        return KnownError(longer, basis=f"{self.basis}, scaled to a longer window")


@dataclass(frozen=True, slots=True)
class _Grid:
    """Values of a query at moments that are ``step`` seconds apart; NaN without one, and why there is none at all.

    ``is_past`` says that they are from before the rollout.
    """

    times: Floats
    values: Floats
    step: float
    problem: str = "no data"
    is_past: bool = True

    @property
    def places(self) -> NDArray[np.int64]:
        return np.flatnonzero(np.isfinite(self.values))


class PastErrors:
    """Measures the errors of comparisons up to ``end``, else, where nothing is known before it, up to ``until`` (seconds)."""

    def __init__(self, gate: Gate, end: float, until: float) -> None:
        self.end, self._gate, self._until = end, gate, until
        self._grids: dict[tuple[str, str], _Grid] = {}
        self._found: dict[tuple[object, ...], KnownError] = {}

    def value(self, check: Check) -> float | None:
        """Return the last value before the end, in the unit that people see; None where there was none."""
        grid = self._grid(check, _query(check))
        if not grid.is_past or not len(grid.places):
            return None
        return check.criterion.shown(float(grid.values[grid.places[-1]]))

    def middle(self, check: Check) -> float | None:
        """Return the median of all values that are known, in the unit that people see; None where there are none."""
        grid = self._grid(check, _query(check))
        known = grid.values[grid.places]
        return check.criterion.shown(float(np.median(known))) if len(known) else None

    def find(self, check: Check) -> KnownError:
        """Return how far a check's variance against its baseline is off by itself."""
        key = (
            check.criterion.id,
            check.region,
            _query(check).text,
            repr(check.suite.baseline_of(check.criterion)),
            check.time,
        )
        if key not in self._found:
            self._found[key] = self._measure(check)
        return self._found[key]

    def _measure(self, check: Check) -> KnownError:
        grid = self._grid(check, _query(check))
        if not len(grid.places):
            return KnownError(problem=grid.problem)
        placebos = self._placebos(check, grid) if grid.is_past else np.empty(0)
        history = history_interval(placebos, confidence=_NOMINAL)
        stored = history_interval(np.asarray(_stored_placebos(check)), confidence=_NOMINAL)
        sampled, problem = self._sample(check, grid)
        if not sampled and stored is None and history is None:
            return KnownError(problem=problem)
        basis = _say_basis(history or stored, len(placebos), is_past=grid.is_past)
        return KnownError(tuple(sampled), stored, history, basis, "" if sampled else problem)

    def _grid(self, check: Check, query: Query) -> _Grid:
        """Return the values of a query before the end; of the rollout where nothing is known before it."""
        key = check.place, query.text
        if key not in self._grids:
            length = max((span.length / 1000 for span in query.spans(self.end)), default=0.0)
            step = next((step for step in _STEPS if step >= length), math.ceil(length / _DAY) * _DAY)
            past = self._ask(check, query, self.end, self.end - math.floor(_LOOK_BACK / step) * step, step)
            if len(past.places) and length:
                past.values[past.places[0]] = np.nan  # its window may begin before the data
            if not len(past.places) and self._until > self.end:
                begin = self._until - math.floor((self._until - self.end - length) / step) * step
                if begin <= self._until:
                    past = dataclasses.replace(
                        self._ask(check, query, self._until, begin, step), is_past=False
                    )
            self._grids[key] = past
        return self._grids[key]

    def _ask(self, check: Check, query: Query, end: float, start: float, step: float) -> _Grid:
        count = round((end - start) / step) + 1
        times = start + step * np.arange(count, dtype=np.float64)
        values = np.full(count, np.nan)
        answer = self._gate.answer(Range(check.place, query.text, start, end, step))
        matrix = answer.value
        if answer.error or answer.partial:
            problem = answer.error or f"the answer may be partial: {'; '.join(answer.warnings)}"
            return _Grid(times, values, step, problem)
        if not isinstance(matrix, Matrix) or not len(matrix.labels):
            return _Grid(times, values, step)
        rows = np.where(matrix.present, matrix.values, np.nan)
        reduced = reduce_series(rows, check.criterion.reduce)
        if reduced is None:
            return _Grid(times, values, step, "several series and no `reduce`")
        values[np.rint((matrix.times - start) / step).astype(int)] = reduced
        return _Grid(times, values, step, "nothing but NaN")

    def _placebos(self, check: Check, grid: _Grid) -> Floats:
        """Return the variances that the comparison had at earlier moments; none where it cannot be made there."""
        terms, baseline, step = check.criterion, check.suite.baseline_of(check.criterion), grid.step
        scale = convert(1.0, terms.yielded_unit, "%") if terms.variance_unit == "pp" else None
        comparison = Comparison(grid.values, grid.values, step, scale)
        moments = baseline_moments(check, _text(check))
        if not moments:
            measured, window = _measured(check)
            if measured is None:
                return take_apart(_from_mean(grid.values, scale), step)
            if window is not None and window != check.window:
                wide = self._grid(check, check.query("baseline", _text(check), window=window))
                known = np.isin(grid.times, wide.times)
                values = np.where(known, np.interp(grid.times, wide.times, wide.values), np.nan)
                comparison = dataclasses.replace(comparison, wide=values)
            return take_apart(comparison.against_number(max(check.time - measured, step)), step)
        if isinstance(baseline, Baseline) and (baseline.query or baseline.control):
            other = self._grid(check, moments[0].query)
            if other.step != step or not other.is_past:
                return np.empty(0)
            return take_apart(_against(grid.values, other.values, scale), step)
        offsets = [check.time - moment.time for moment in moments]
        if _offset(check) is not None and any(offset % step for offset in offsets):
            return np.empty(0)
        return take_apart(comparison.against_earlier(offsets), step)

    def _sample(self, check: Check, grid: _Grid) -> tuple[list[Interval], str]:
        """Return the intervals from the parts of several windows, the least first, or why there are none."""
        places = grid.places
        chosen = np.unique(np.linspace(0, len(places) - 1, min(len(places), _WINDOWS)).round().astype(int))
        problem, found = "", []
        for alone in (False, True):
            for place in places[chosen]:
                one, why = self._sample_at(check, float(grid.times[place]), float(grid.values[place]), alone)
                problem = problem or why
                if one is not None:
                    found.append(one)
            if found or not baseline_moments(check, _text(check)):
                break
        return sorted(found, key=lambda one: one.error), problem

    def _sample_at(self, check: Check, time: float, value: float, alone: bool) -> tuple[Interval | None, str]:
        """Return the interval from the parts of one window and of its baseline's, or why there is none.

        ``alone``: nothing is known of any baseline; its error is taken to be that of another window of the same kind.
        """
        terms, moved = check.criterion, _moved(check, time)
        if alone:
            moved = with_baseline(moved, value)
        answers = self._gate.answers_to(part_questions(moved, _text(check)), [check.place])
        parts = read_parts(moved, _text(check), answers)
        stated = find_stated_reference(moved, answers)
        baseline = None if stated is None else stated.value
        if baseline is None:
            baseline = float(np.nanmean(parts.others)) if parts.others else value
        if parts.own is None or (not baseline and terms.variance_unit == "%"):
            return None, parts.none or "the value is 0"
        one = parts.sample(moved, terms.shown(value), None, terms.shown(baseline), _NOMINAL)
        if one is None:
            return None, "parts of the window have no value"
        return dataclasses.replace(one, error=one.error * math.sqrt(2)) if alone else one, ""


def _offset(check: Check) -> float | None:
    """Return how much earlier (seconds) the baseline always is; None where that depends on the check, or is nothing."""
    baseline = check.suite.baseline_of(check.criterion)
    if not isinstance(baseline, Baseline):
        return None
    return 0.0 if baseline.weeks or baseline.query or baseline.control else baseline.offset


def with_baseline(check: Check, baseline: Baseline | float) -> Check:
    """Return the same check with another baseline."""
    changed = check.criterion.model_copy(update={"baseline": baseline})
    return dataclasses.replace(check, criterion=changed)


def reads_window(check: Check) -> bool:
    """Tell whether the query of a check has the window that its criterion or its checkpoint says."""
    return "$__window" in _text(check) or "${__window}" in _text(check)


def _query(check: Check) -> Query:
    return check.query("query")


def _text(check: Check) -> str:
    return check.criterion.expressions()["query"][0]


def _moved(check: Check, time: float) -> Check:
    """Return a check of the same rollout at another time, so that the check is at ``time``."""
    distance = time - check.time
    suite, rollout, criterion = check.suite, check.suite.rollout, check.criterion
    points = tuple(
        Checkpoint(point.id, point.at + distance, point.window, point.named) for point in suite.points
    )
    end = None if rollout.end is None else rollout.end + distance
    baseline = check.suite.baseline_of(check.criterion)
    if isinstance(baseline, Baseline) and baseline.at is not None:
        moved = baseline.model_copy(update={"at": baseline.at + distance})
        criterion = criterion.model_copy(update={"baseline": moved})
    return dataclasses.replace(
        check,
        criterion=criterion,
        checkpoint=dataclasses.replace(check.checkpoint, at=time),
        suite=suite.model_copy(
            update={
                "points": points,
                "rollout": Rollout.model_construct(start=rollout.start + distance, end=end),
            }
        ),
    )


def _stored_placebos(check: Check) -> tuple[float, ...]:
    baseline = check.suite.baseline_of(check.criterion)
    content = baseline.content if isinstance(baseline, Baseline) else None
    measured = find_measurement(check, content)
    return () if measured is None else measured.placebos


def _measured(check: Check) -> tuple[float | None, float | None]:
    """Return when a stated baseline was measured and over which window, in seconds; None where nobody says."""
    baseline = check.suite.baseline_of(check.criterion)
    content = baseline.content if isinstance(baseline, Baseline) else None
    entry = None if content is None else content.values.get(check.criterion.id)
    if content is None or entry is None:
        return None, None
    return entry.measured or content.measured, entry.window or content.window


def _from_mean(values: Floats, scale: float | None) -> Floats:
    """Return the variances of values against their mean, widened by what that is fitted to them."""
    count = int(np.isfinite(values).sum())
    if count < MIN_PLACEBOS:
        return np.empty(0)
    mean = np.full(len(values), np.nanmean(values))
    return _against(values, mean, scale) * math.sqrt(count / (count - 1))


def _against(values: Floats, others: Floats, scale: float | None) -> Floats:
    if scale is not None:
        return (values - others) * scale
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(others == 0, np.nan, (values - others) / np.abs(others) * 100)


def _say_basis(told: Interval | None, placebos: int, *, is_past: bool) -> str:
    if told is not None:
        return f"history of {told.count} placebos"
    if not is_past:
        return "sampling error only: no data before the rollout"
    return f"sampling error only: {placebos} placebos of {MIN_PLACEBOS} needed"
