"""The lines that a plot's data are held against: limits, tolerances, levels and baselines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pytest_telemetry_gate.model.report import CriterionReport
from pytest_telemetry_gate.reports.html.axes import MINUS, is_drawable
from pytest_telemetry_gate.reports.html.plot import Line, LineKind, Plot
from pytest_telemetry_gate.support.numbers import format_number

__all__ = ["find_allowed", "is_by_tolerance", "list_lines"]

_MANY = 4  # baselines, of more of which none is drawn
_NEAR = 1.3  # tolerances that a level may be away and still be part of the range


def is_by_tolerance(criterion: CriterionReport) -> bool:
    """Tell whether only the change of a criterion is limited, so that its plot is one of the variance."""
    return criterion.tolerance is not None and criterion.limit is None


def find_allowed(criterion: CriterionReport) -> tuple[float | None, float | None]:
    """Return the lowest and the highest value that the gate accepts, of a variance where only that is limited."""
    if is_by_tolerance(criterion):
        size = criterion.tolerance
        low = None if size is None or criterion.better == "lower" else -size
        high = None if size is None or criterion.better == "higher" else size
        return low, high
    limit = criterion.limit
    if limit is None:
        return None, None
    if limit.upper is not None:
        return limit.value, limit.upper
    return {
        "<": (None, limit.value),
        "<=": (None, limit.value),
        ">": (limit.value, None),
        ">=": (limit.value, None),
        "==": (limit.value, limit.value),
    }.get(limit.op, (None, None))


def list_lines(criterion: CriterionReport, plot: Plot) -> Iterable[Line]:
    """Return the lines of a plot, whose data say how far away a line is that lies outside."""
    return _tolerance_lines(criterion) if is_by_tolerance(criterion) else _value_lines(criterion, plot)


def _tolerance_lines(criterion: CriterionReport) -> Iterator[Line]:
    unit = criterion.variance_unit
    for end in find_allowed(criterion):
        if end is not None:
            yield Line(LineKind.LIMIT, end, f"tolerance {_signed(end)} {unit}", always=True)
    yield Line(LineKind.BASELINE, 0.0, criterion.baseline_name or "baseline", always=True)
    for name, size in sorted(criterion.levels.items(), key=lambda level: level[1]):
        for sign in (1, -1):
            if {1: "higher", -1: "lower"}[sign] != criterion.better:
                text = f"{name.upper()} {_signed(size)} {unit}" if sign > 0 else ""
                yield Line(LineKind.LEVEL, sign * size, text, always=sign > 0 and _is_near(size, criterion))


def _is_near(size: float, criterion: CriterionReport) -> bool:
    return criterion.tolerance is not None and size <= criterion.tolerance * _NEAR


def _value_lines(criterion: CriterionReport, plot: Plot) -> Iterator[Line]:
    values = [value for ribbon in plot.ribbons for value in ribbon.extremes()]
    values += [mark.value for mark in plot.marks]
    limit = criterion.limit
    for end in () if limit is None else (limit.value, limit.upper):
        if end is not None:
            text = f"limit {_write_limit(criterion)}"
            yield Line(LineKind.LIMIT, end, text, far=f"{text}{_distance(end, values)}")
    baselines = {
        check.baseline
        for region in criterion.regions.values()
        for check in region.checks
        if check.baseline is not None and is_drawable(check.baseline)
    }
    for baseline in sorted(baselines) if len(baselines) <= _MANY else ():
        name = f"{criterion.baseline_name or 'baseline'} {format_number(baseline)}"
        yield Line(LineKind.BASELINE, baseline, name, far=f"{name}{_distance(baseline, values)}")


def _write_limit(criterion: CriterionReport) -> str:
    limit = criterion.limit
    if limit is None:
        return ""
    return (
        limit.shown(criterion.unit)
        .replace("<=", "≤")
        .replace(">=", "≥")
        .replace("==", "=")
        .replace("!=", "≠")
    )


def _distance(value: float, data: Sequence[float]) -> str:
    """Say which way a value lies and how far from the data: ``, ↑ +179``."""
    if not data:
        return ""
    if value > max(data):
        return f", ↑ +{format_number(value - max(data))}"
    return f", ↓ {MINUS}{format_number(min(data) - value)}" if value < min(data) else ""


def _signed(value: float) -> str:
    return f"{value:+g}".replace("-", MINUS)
