"""What queries yielded over the rollout, for plots: asked once, after judging, bounded, and never a reason for a verdict."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_telemetry_gate.criteria.moments import find_reach
from pytest_telemetry_gate.errors import FOREIGN_ERRORS, describe
from pytest_telemetry_gate.model.check import ALL_REGIONS, Check
from pytest_telemetry_gate.model.facts import Gap
from pytest_telemetry_gate.model.questions import Query, Range
from pytest_telemetry_gate.model.report import SeriesReport
from pytest_telemetry_gate.model.terms import REDUCERS
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.promql import Matrix
from pytest_telemetry_gate.support.durations import format_duration

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.gate import Gate
    from pytest_telemetry_gate.model.dossier import Dossier
    from pytest_telemetry_gate.model.suite import Suite

__all__ = ["ask_series"]

_QUERY = "query"  # the only kind with a value at every moment
_RANGE = "$__range"  # counts from the start of the rollout: its value at a moment is no state
_POINTS = 2_880  # of one series: 48 hours of minutes; Prometheus allows 11,000
_STEP = 60.0  # seconds at least between two points
_MANY, _COARSE = 200, 600.0  # series from which on points are this many seconds apart
_BUCKETS = 288  # of a plot: ten minutes of 48 hours
_VALUES = 150_000  # buckets of all series together
_FEWEST = 24  # buckets of a series however many there are
_GAP = 3  # steps without a sample that are a gap
_LONGEST = 60.0  # seconds that asking may take altogether

Values = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class _Plan:
    """One series to ask for: its check, which is the last that was judged, its query, and the grid of its points."""

    check: Check
    query: Query
    start: float
    end: float
    step: float
    reach: float  # seconds that the query looks back

    @property
    def question(self) -> Range:
        return Range(self.check.region, self.query.text, self.start, self.end, self.step)

    @property
    def presence(self) -> Iterator[Range]:
        """The questions that tell when each selector had samples, from the start of the rollout on."""
        first = self.check.suite.rollout.start
        for selector in dict.fromkeys(span.selector for span in self.query.spans(self.end)):
            text = f"count(present_over_time({selector}[{format_duration(self.step)}]))"
            yield Range(self.check.region, text, first + self.step, self.end, self.step)


def ask_series(
    gate: Gate, suite: Suite, dossiers: Iterable[Dossier], *, record: bool = False
) -> dict[tuple[str, str], SeriesReport]:
    """Return the series of the judged criteria of kind ``query``, by criterion and region.

    ``dossiers`` are those of the suite in the gate's environment. Whatever fails is a series that says why there is none.
    With ``record`` the questions are noted, so that a recording can answer them.
    """
    last: dict[tuple[str, str], Dossier] = {}
    moments: dict[tuple[str, str], list[float]] = {}
    for dossier in dossiers:
        verdict = dossier.verdict
        if dossier.requirement.kind != _QUERY or not dossier.outcome.judged or verdict.time is None:
            continue
        key = verdict.criterion, verdict.region
        moments.setdefault(key, []).append(verdict.time)
        before = last.get(key)
        if before is None or (before.verdict.time or 0.0) < verdict.time:
            last[key] = dossier
    series: dict[tuple[str, str], SeriesReport] = {}
    plans: dict[tuple[str, str], _Plan] = {}
    for key, dossier in last.items():
        try:
            plan = _plan(gate, suite, dossier, many=len(last) > _MANY)
        except FOREIGN_ERRORS as error:
            series[key] = SeriesReport(none=gate.environment.scrub(describe(error)))
            continue
        if plan is not None:
            plans[key] = plan
    if record:
        for plan in plans.values():
            gate.asked.note(plan.question, *plan.presence)
    gate.ask_ahead(question for plan in plans.values() for question in (plan.question, *plan.presence))
    until = time.monotonic() + _LONGEST
    buckets = max(_FEWEST, min(_BUCKETS, _VALUES // max(1, len(plans))))
    for key, plan in plans.items():
        if time.monotonic() > until:
            series[key] = SeriesReport(none=f"not asked: all series together took more than {_LONGEST:g} s")
            continue
        series[key] = _ask(gate, plan, moments[key], buckets)
    return series


def _plan(gate: Gate, suite: Suite, dossier: Dossier, *, many: bool) -> _Plan | None:
    """Return how to ask for a series, None where a criterion has none; raises what expanding its query raises."""
    verdict = dossier.verdict
    group, criterion = suite.find(verdict.criterion)
    expression = criterion.expressions().get(_QUERY, ("", None))[0]
    if (
        criterion.source
        or verdict.region == ALL_REGIONS
        or _RANGE in expression
        or dossier.outcome is Outcome.ERROR
    ):
        return None
    checkpoint = next(point for point in suite.points if point.id == verdict.checkpoint)
    check = Check(
        suite=suite,
        group=group,
        criterion=criterion,
        checkpoint=checkpoint,
        region=verdict.region,
        everywhere=tuple(gate.environment.regions),
        environment=gate.environment.name,
        scrape_interval=gate.environment.scrape_interval,
        path=suite.path,
    )
    query = check.query(_QUERY, window=criterion.window or check.window)
    end = min(gate.now(verdict.region), max(point.at for point in suite.points))
    reach = find_reach(query, end)
    start = suite.rollout.start + reach
    if end <= start:
        return None
    least = max(_STEP, check.scrape_interval, _COARSE if many else 0.0)
    step = math.ceil(max(least, (end - suite.rollout.start) / _POINTS))
    return _Plan(check, query, start, end, float(step), reach)


def _ask(gate: Gate, plan: _Plan, moments: Sequence[float], buckets: int) -> SeriesReport:
    answer = gate.answer(plan.question)
    if answer.error or not isinstance(answer.value, Matrix):
        return SeriesReport(none=answer.error or "the answer is no series over time")
    if not len(answer.value.labels):
        return SeriesReport(none="no data")
    terms = plan.check.criterion
    if len(answer.value.labels) > 1 and terms.reduce is None:
        return SeriesReport(none=f"{len(answer.value.labels)} series and no reduce")
    values = np.where(answer.value.present, answer.value.values, np.nan)
    if len(values) > 1 and terms.reduce not in (None, *REDUCERS):
        return SeriesReport(none=f"the reducer {terms.reduce} of a plugin is not drawn")
    low, high = _reduce(terms.reduce, values)
    gaps, unknown = _find_gaps(gate, plan, moments)
    times = np.asarray(answer.value.times, dtype=np.float64)
    hidden = _hidden(times, [*gaps, *unknown], plan.reach, allowed=1 - terms.coverage)
    low[hidden] = high[hidden] = np.nan
    scale = terms.shown(1.0) if terms.yielded_unit else 1.0
    return _in_buckets(plan, times, low * scale, high * scale, gaps=gaps, buckets=buckets)


def _reduce(reduce: str | None, values: Values) -> tuple[Values, Values]:
    """Return the lowest and the highest value that a criterion would take of several series, at each moment."""
    if len(values) == 1:
        return values[0].copy(), values[0].copy()
    present = np.isfinite(values)
    alone = ~present.any(axis=0)
    lowest = np.where(present, values, np.inf).min(axis=0)
    highest = np.where(present, values, -np.inf).max(axis=0)
    total = np.where(present, values, 0.0).sum(axis=0)
    reduced = {
        "max": (highest, highest),
        "min": (lowest, lowest),
        "sum": (total, total),
        "avg": (total / np.maximum(present.sum(axis=0), 1),) * 2,
    }.get(reduce or "", (lowest, highest))
    low, high = (np.where(alone, np.nan, one) for one in reduced)
    return low, high


def _find_gaps(gate: Gate, plan: _Plan, moments: Sequence[float]) -> tuple[list[Gap], list[Gap]]:
    """Return the gaps of the samples, and those that may be none because a recording need not hold them.

    It holds what was read at the judged ``moments`` (seconds since the epoch).
    """
    gaps: list[Gap] = []
    unknown: list[Gap] = []
    recorded = gate.source(plan.check.region).recorded_at is not None
    for question in plan.presence:
        answer = gate.answer(question)
        if not isinstance(answer.value, Matrix) or not len(answer.value.labels):
            continue
        times = np.asarray(answer.value.times, dtype=np.float64)
        present = np.any(answer.value.present, axis=0).astype(bool)
        for gap in _stretches(times, present, plan.step):
            watched = not recorded or any(
                moment - plan.reach < gap.end and gap.start < moment for moment in moments
            )
            (gaps if watched else unknown).append(gap)
    return sorted(set(gaps), key=lambda gap: gap.start), unknown


def _stretches(times: Values, present: np.ndarray[Any, np.dtype[np.bool_]], step: float) -> Iterator[Gap]:
    """Yield the times of at least three steps in which nothing was there."""
    edges = np.flatnonzero(np.diff(np.concatenate(([True], present, [True])).astype(np.int8)))
    for first, after in zip(edges[::2], edges[1::2], strict=True):
        if after - first >= _GAP:
            yield Gap(float(times[first] - step), float(times[after - 1]))


def _hidden(
    times: Values, gaps: Sequence[Gap], reach: float, *, allowed: float
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which points a gate would refuse to judge: their windows reach too far over gaps."""
    missing = np.zeros(len(times))
    for gap in gaps:
        missing += np.clip(np.minimum(times, gap.end) - np.maximum(times - reach, gap.start), 0, None)
    inside = np.zeros(len(times), dtype=bool)
    for gap in gaps:
        inside |= (times > gap.start) & (times < gap.end)
    return inside | (missing > allowed * reach) if reach else inside


def _in_buckets(
    plan: _Plan, times: Values, low: Values, high: Values, *, gaps: Sequence[Gap], buckets: int
) -> SeriesReport:
    start = plan.check.suite.rollout.start
    width = math.ceil((plan.end - start) / plan.step / buckets) * plan.step
    count = math.floor((plan.end - start) / width) + 1
    places = np.floor((times - start) / width).astype(np.int64)
    lows, highs = np.full(count, np.inf), np.full(count, -np.inf)
    known = np.isfinite(low) & np.isfinite(high)
    np.minimum.at(lows, places[known], low[known])
    np.maximum.at(highs, places[known], high[known])
    return SeriesReport(
        start=start,
        step=float(width),
        low=tuple(map(_short, lows.tolist())),
        high=tuple(map(_short, highs.tolist())),
        gaps=tuple(gaps),
    )


def _short(value: float) -> float | None:
    """Return a value with as many digits as a plot can show."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
