"""Weigh one number against what is allowed: the limit, the tolerance or the floor, and the levels.

Nothing else decides whether a number is inside. What differs by the last bits of a calculation is the same number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_telemetry_gate.model.verdict import Level, Outcome, say_inside, say_tolerance, worsening
from pytest_telemetry_gate.support.numbers import format_change, format_distinct, format_value, is_same
from pytest_telemetry_gate.support.units import convert, room

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.terms import Levels, Terms

__all__ = ["Decision", "Measured", "Reference", "compute_variance", "find_level", "weigh"]


@dataclass(frozen=True, slots=True)
class Reference:
    """The baseline of one check in the criterion's unit, or the one line why there is none.

    ``remark`` is what a reader should know of it."""

    name: str
    value: float | None = None
    problem: str = ""
    error: bool = False
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """A value and its baseline, in the unit that people see; variance and margin as a verdict has them."""

    value: float
    baseline: float | None
    variance: float | None
    level: Level | None
    margin: float | None


@dataclass(frozen=True, slots=True)
class Decision:
    """An outcome, its reason, and the id of its finding; a plain pass has no finding.

    ``room`` orders values with the same outcome: how much is left to what is allowed, negative outside.
    """

    outcome: Outcome
    reason: str
    id: str = ""
    room: float = math.inf


def weigh(
    terms: Terms, levels: Levels | None, value: float, reference: Reference | None = None
) -> tuple[Measured, Decision]:
    """Measure a value against its baseline, both in the unit that people see, and decide about it."""
    baseline = None if reference is None else reference.value
    variance = None if baseline is None else compute_variance(terms, value, baseline)
    worse = None if variance is None else worsening(variance, terms.better or "")
    margins = []
    if terms.limit is not None:
        margins.append(terms.limit.margin(value))
    if terms.tolerance is not None and worse is not None:
        margins.append(room(worse, terms.tolerance * 100))
    elif terms.tolerance is not None and terms.floor is not None and baseline is not None:
        margins.append(room(worsening(value, terms.better or ""), terms.shown(terms.floor)))
    level = None if terms.tolerance is None or worse is None else find_level(levels, worse)
    measured = Measured(value, baseline, variance, level, margins[0] if margins else None)
    decision = _decide_by_limit(terms, measured) or _decide_by_tolerance(terms, measured, reference)
    left = min((margin for margin in margins if margin is not None), default=math.inf)
    return measured, Decision(decision.outcome, decision.reason, decision.id, left)


def compute_variance(terms: Terms, value: float, baseline: float) -> float | None:
    """Return the change against the baseline: in % of it, or in percentage points where the unit is a ratio.

    None where the baseline is zero and the change therefore has no percentage.
    """
    if terms.variance_unit == "pp":
        return convert(value - baseline, terms.shown_unit, "%")
    return None if baseline == 0 else (value - baseline) / abs(baseline) * 100


def find_level(levels: Levels | None, worse: float) -> Level | None:
    """Return the highest level that a change for the worse (in %) has reached; one for the better has none."""
    if levels is None:
        return None
    reached = [
        level
        for level in Level
        if (at := getattr(levels, level.value)) is not None and worse >= 0 and room(worse, at * 100) <= 0
    ]
    return reached[-1] if reached else None


def _decide_by_limit(terms: Terms, measured: Measured) -> Decision | None:
    """Return the failure of a value outside the limit; None where the limit leaves it open."""
    limit = terms.limit
    if limit is None or limit.holds(measured.value):
        return None
    shown = format_distinct(measured.value, limit.nearest(measured.value), terms.shown_unit)
    return Decision(Outcome.FAIL, f"{shown} is outside the limit {limit.shown()}", "limit.outside")


def _decide_by_tolerance(terms: Terms, measured: Measured, reference: Reference | None) -> Decision:
    """Decide about a value that the limit lets through, by the tolerance where there is one, and by the level."""
    unit, limit, tolerance = terms.shown_unit, terms.limit, terms.tolerance
    clauses = [] if limit is None else [say_inside(format_value(measured.value, unit), limit.shown())]
    if tolerance is not None:
        if reference is None:
            return Decision(Outcome.INCONCLUSIVE, "a tolerance without a baseline", "baseline.missing")
        if reference.problem or measured.baseline is None:
            outcome = Outcome.ERROR if reference.error else Outcome.INCONCLUSIVE
            return Decision(outcome, reference.problem or "no baseline", "baseline.unusable")
        against = f"{format_value(measured.baseline, unit)} ({reference.name})"
        if measured.variance is None:
            return _decide_by_floor(terms, measured.value, against, clauses)
        worse = worsening(measured.variance, terms.better or "")
        allowed = say_tolerance(tolerance * 100, terms.variance_unit, terms.better or "")
        change = (
            f"{_format_variance(measured.variance, tolerance * 100)} {terms.variance_unit} against {against}"
        )
        level = "" if measured.level is None else f" (level {measured.level})"
        if room(worse, tolerance * 100) < 0:
            reason = f"{format_value(measured.value, unit)} is {change}, outside {allowed}{level}"
            return Decision(Outcome.FAIL, reason, "tolerance.outside")
        better = ", for the better" if worse < 0 else ""
        clauses.append(f"{change}, within {allowed}{better}{level}")
    if measured.level in {Level.WARN, Level.CRIT}:
        return Decision(Outcome.WARN, "; ".join(clauses), "variance.level")
    return Decision(Outcome.PASS, "; ".join(clauses))


def _format_variance(variance: float, tolerance: float) -> str:
    """Write a variance with its sign and enough digits that it does not read like the tolerance it misses."""
    text = format_change(variance)
    if abs(float(text)) == tolerance and not is_same(abs(variance), tolerance):
        return f"{variance:+.6g}"
    return text


def _decide_by_floor(terms: Terms, value: float, against: str, clauses: list[str]) -> Decision:
    """Decide about a change from zero, which has no percentage."""
    unit, floor = terms.shown_unit, terms.floor
    if floor is None:
        reason = f"the baseline is {against}: a tolerance in % needs a floor"
        return Decision(Outcome.INCONCLUSIVE, reason, "baseline.zero")
    allowed = terms.shown(floor)
    if room(worsening(value, terms.better or ""), allowed) < 0:
        shown = format_distinct(value, allowed, unit)
        reason = f"{shown} against {against}, more than the floor {format_value(allowed, unit)}"
        return Decision(Outcome.FAIL, reason, "floor.outside")
    clauses.append(
        f"{format_value(value, unit)} against {against}, within the floor {format_value(allowed, unit)}"
    )
    return Decision(Outcome.PASS, "; ".join(clauses))
