"""A plot in words, for those who cannot see it."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_telemetry_gate.model.report import CriterionReport
from pytest_telemetry_gate.reports.html.plot import Plot
from pytest_telemetry_gate.reports.html.ribbons import Ribbon
from pytest_telemetry_gate.reports.overview.moments import Clock, write_length
from pytest_telemetry_gate.support.numbers import format_value

__all__ = ["describe_plot"]

_STRETCHES = 8  # that are told one by one


def describe_plot(plot: Plot, criterion: CriterionReport, clock: Clock) -> str:
    """Return what a plot shows: from and to, extremes, limit, times without data, and times that do not pass."""
    return " ".join(_sentences(plot, criterion, clock))


def _sentences(plot: Plot, criterion: CriterionReport, clock: Clock) -> Iterator[str]:
    for ribbon in plot.ribbons:
        told = _extremes(ribbon, plot.unit)
        if told:
            yield f"{ribbon.name}: {told}." if ribbon.name else f"{told[0].upper()}{told[1:]}."
    if plot.none:
        yield f"{plot.none[:1].upper()}{plot.none[1:]}."
    if criterion.limit_text:
        wanted = criterion.limit_text.replace("<=", "≤").replace(">=", "≥").replace("==", "=")
        yield f"Wanted: {wanted}."
    if plot.forecast:
        yield f"{plot.forecast[:1].upper()}{plot.forecast[1:]} at {clock.after_start(plot.end)}."
    for gap in plot.gaps:
        yield f"No data for {write_length(gap.end - gap.start)} from {clock.day_time(gap.start)} on."
    bad = [
        stretch
        for lane in plot.lanes
        for stretch in lane
        if not stretch.outcome.keeps_gate_open() or stretch.outcome.value == "warn"
    ]
    for stretch in bad[:_STRETCHES]:
        yield (
            f"{stretch.outcome.capitalize()} from {clock.after_start(stretch.start)} "
            f"to {clock.after_start(stretch.end)}."
        )
    if len(bad) > _STRETCHES:
        yield f"And {len(bad) - _STRETCHES} more such times."


def _extremes(ribbon: Ribbon, unit: str) -> str:
    runs = [bucket for run in ribbon.runs() for bucket in run]
    if not runs:
        return ""
    (_, first_low, first_high), (_, last_low, last_high) = runs[0], runs[-1]
    first, last = (first_low + first_high) / 2, (last_low + last_high) / 2
    least, most = min(low for _, low, _ in runs), max(high for _, _, high in runs)
    return (
        f"from {format_value(first, unit)} to {format_value(last, unit)}, "
        f"between {format_value(least, unit)} and {format_value(most, unit)}"
    )
