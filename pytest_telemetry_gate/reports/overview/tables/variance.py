"""Variances at every named checkpoint: how they moved since the deployment, and where they lead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from pytest_telemetry_gate.model.facts import SHOWN_CONFIDENCE, TrendFacts
from pytest_telemetry_gate.model.verdict import Verdict, worsening
from pytest_telemetry_gate.reports.overview.cells import write_word
from pytest_telemetry_gate.reports.overview.moments import write_length
from pytest_telemetry_gate.reports.overview.tables.sheet import (
    Entry,
    Sheet,
    by_criterion,
    say_result,
    say_target,
)
from pytest_telemetry_gate.reports.overview.tables.table import (
    EMPTY,
    Cell,
    Table,
    figure_cell,
    make_table,
    text_cell,
)
from pytest_telemetry_gate.support.numbers import (
    format_change,
    format_interval,
    format_percent,
    format_within,
)

__all__ = ["Largest", "find_largest", "say_forecasts", "tabulate_variances"]

_STEADY = 0.05  # a smaller change of the variance reads as none: tables have one decimal
_HOUR = 3600.0
_COLUMNS = ("Region", "Checkpoint", "Time", "Variance", "Since deployment", "Trend", "Status")


@dataclass(frozen=True, slots=True)
class Largest:
    """A variance, in the criterion's unit of variances, and when it was (seconds since the epoch)."""

    variance: float
    at: float


def tabulate_variances(sheet: Sheet) -> list[Table]:
    """Return a table for each criterion of which the variance alone is limited; its title is the criterion's."""
    variances = (entry for entry in sheet.entries if entry.row.by_tolerance)
    return [_tabulate(sheet, entries) for entries in by_criterion(variances)]


def _tabulate(sheet: Sheet, entries: list[Entry]) -> Table:
    lines = sheet.draw(entries, lambda entry: _draw(sheet, entry))
    criterion = entries[0].criterion
    rows = [(region, *line) for _, region, *line in lines]
    notes = [note for entry in entries for note in (*_say_largest(sheet, entry), *_say_intervals(entry))]
    return make_table(criterion.title or criterion.id, _COLUMNS, rows, notes)


def _draw(sheet: Sheet, entry: Entry) -> Iterator[list[Cell]]:
    named = [verdict for verdict in entry.row.verdicts if verdict.named]
    known = [verdict for verdict in named if verdict.variance is not None]
    before = {id(verdict): earlier for earlier, verdict in pairwise(known)}
    for verdict in named:
        yield [
            EMPTY,  # the title, which is that of the table
            text_cell(verdict.checkpoint),
            text_cell("" if verdict.time is None else sheet.clock.day_time(verdict.time)),
            figure_cell(say_result(entry.row, verdict), verdict.outcome),
            *_compare(verdict, known[0] if known else verdict, before.get(id(verdict))),
            _say_verdict(verdict),
        ]


def _compare(verdict: Verdict, first: Verdict, before: Verdict | None) -> tuple[Cell, Cell]:
    """Return the change since the first variance, and whether it became better since the one before."""
    if verdict.variance is None or first.variance is None:
        return EMPTY, EMPTY
    if before is None or before.variance is None:
        return figure_cell("baseline"), text_cell("initial")
    change = worsening(verdict.variance, verdict.better) - worsening(before.variance, before.better)
    trend = "steady" if abs(change) < _STEADY else "improving" if change < 0 else "worsening"
    return figure_cell(format_change(verdict.variance - first.variance, "pp")), text_cell(trend)


def _say_verdict(verdict: Verdict) -> Cell:
    word = write_word(verdict).lower()
    if verdict.variance is not None and verdict.tolerance is not None:
        side = "within" if verdict.is_within_tolerance else "outside"
        word = f"{word}, {side} {verdict.tolerance_text}"
    return text_cell(word, verdict.outcome, note=verdict.reason)


def _say_largest(sheet: Sheet, entry: Entry) -> Iterator[str]:
    """Yield the largest variance of a region and when it was, where the named checkpoints do not tell."""
    largest = find_largest(entry)
    named = {verdict.time for verdict in entry.row.verdicts if verdict.named}
    if largest is not None and largest.at not in named:
        where = f" in {entry.region}" if entry.region else ""
        change = format_change(largest.variance, entry.criterion.variance_unit)
        moment = f"{sheet.clock.after_start(largest.at)} ({sheet.clock.day_time(largest.at)})"
        yield f"The largest variance{where} was {change} at {moment}."


def _say_intervals(entry: Entry) -> Iterator[str]:
    """Yield what the intervals of a region's variances rest on, and which checkpoints have none."""
    named = [verdict for verdict in entry.row.verdicts if verdict.named and verdict.variance_basis]
    where = f" in {entry.region}" if entry.region else ""
    grouped: dict[tuple[bool, str], list[str]] = {}
    for verdict in named:
        key = verdict.variance_half is not None, verdict.variance_basis
        grouped.setdefault(key, []).append(verdict.checkpoint)
    confidence = format_percent(entry.criterion.confidence or SHOWN_CONFIDENCE)
    for (known, basis), checkpoints in grouped.items():
        at = ", ".join(checkpoints)
        yield (
            f"±{where}: half of the {confidence} interval at {at} ({basis})."
            if known
            else f"No interval{where} at {at}: {basis.removeprefix('no interval: ')}."
        )


def find_largest(entry: Entry) -> Largest | None:
    """Return the largest variance in the direction that is limited: of the checks, and of the series where there is one."""
    better = entry.criterion.better
    found = [
        Largest(verdict.variance, verdict.time)
        for verdict in entry.row.verdicts
        if verdict.variance is not None and verdict.time is not None
    ]
    found += _read_series(entry)
    return max(found, key=lambda one: worsening(one.variance, better), default=None)


def _read_series(entry: Entry) -> Iterator[Largest]:
    """Yield the extremes of the series as variances, where all checks were held against one baseline."""
    series = entry.criterion.regions[entry.region].series
    baselines = {verdict.baseline for verdict in entry.row.verdicts if verdict.baseline is not None}
    if series is None or len(baselines) != 1 or not (baseline := baselines.pop()):
        return
    scale = abs(baseline) / 100 if entry.criterion.variance_unit == "%" else 1.0
    for place, extremes in enumerate(zip(series.low, series.high, strict=True)):
        for value in extremes:
            if value is not None:
                yield Largest((value - baseline) / scale, series.start + (place + 0.5) * series.step)


def say_forecasts(sheet: Sheet) -> list[str]:
    """Return a sentence for each trend: where a straight line through the variances leads, and how it rises or falls."""
    return [
        _say_trend(sheet, entry, entry.last.trend)
        for entry in sheet.entries
        if entry.criterion.kind == "trend" and entry.last.trend is not None
    ]


def _say_trend(sheet: Sheet, entry: Entry, trend: TrendFacts) -> str:
    verdict = entry.row.last
    region = f" in {entry.region}" if entry.region else ""
    parts = []
    if (forecast := trend.forecast) is not None:
        moment = sheet.clock.after_start(forecast.time)
        parts.append(f"{format_interval(forecast.value, forecast.half, trend.unit)} at {moment}")
    if trend.slope is not None:
        parts.append(
            f"slope {_say_slope(trend, trend.slope)} a day, a straight line through {_say_points(trend)}"
        )
    if trend.breach is not None:
        parts.append(f"breach projected at {sheet.clock.after_start(trend.breach)}")
    if trend.change is not None:
        change = trend.change
        levels = f"{format_change(change.before)} to {format_change(change.after, trend.unit)}"
        since = "drifting since" if change.gradual else "since"
        parts.append(f"{since} {sheet.clock.after_start(change.time)}: from {levels}")
    if target := say_target(verdict):
        parts.append(f"limit {target}")
    told = "; ".join(parts) if len(parts) > 1 else verdict.reason
    return f"{entry.row.title}{region}: {told}: {write_word(verdict).lower()}."


def _say_slope(trend: TrendFacts, slope: float) -> str:
    if trend.slope_low is None or trend.slope_high is None:
        return format_change(slope, trend.unit)
    return f"{format_within(slope, trend.slope_low, trend.slope_high)} {trend.unit}"


def _say_points(trend: TrendFacts) -> str:
    if trend.step is None:
        return f"{len(trend.points)} variances at checkpoints"
    every = "hourly variances" if trend.step == _HOUR else f"variances every {write_length(trend.step)}"
    return f"{len(trend.known)} {every}"
