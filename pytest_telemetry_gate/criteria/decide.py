"""Weigh a value against a limit, a baseline and the levels: the one place where pass and fail are decided."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.criteria.evidence import Evidence, Problem
from pytest_telemetry_gate.model.verdict import Level, Outcome, Verdict
from pytest_telemetry_gate.support.numbers import format_change, format_distinct, format_value
from pytest_telemetry_gate.support.units import convert

if TYPE_CHECKING:
    from pytest_telemetry_gate.criteria.baseline import Reference
    from pytest_telemetry_gate.model.check import Check, Criterion
    from pytest_telemetry_gate.model.terms import Levels

__all__ = ["decide", "level_of", "variance_of", "weigh"]

_SLACK = 1e-9  # relative: 105 against 100 is exactly at 5 %, whatever the last bit of the division says


def weigh(
    check: Check,
    values: Sequence[float],
    evidence: Evidence,
    reference: Reference | None = None,
    labels: Sequence[Mapping[str, str]] = (),
) -> Verdict:
    """Decide about the values that a question yielded, given in the criterion's unit.

    ``fail`` is outside the limit or the tolerance; ``warn`` is inside with the variance at level warn or crit;
    ``inconclusive`` is whatever cannot be decided: NaN, infinities, several values without ``reduce``, a
    tolerance without a usable baseline. A broken limit decides before a missing baseline does.
    """
    criterion = check.criterion
    problem = evidence.problem or _unusable(criterion, values, labels)
    if problem is not None:
        return check.verdict(problem.outcome, problem.reason, **evidence.fields)
    shown = [criterion.shown(value) for value in values]
    if reference is not None and reference.value is not None:
        reference = replace(reference, value=criterion.shown(reference.value))
    value = _reduced(criterion, shown, None if reference is None else reference.value)
    return decide(check, value, evidence, reference)


def decide(check: Check, value: float, evidence: Evidence, reference: Reference | None = None) -> Verdict:
    """Decide about one value; it and the baseline are in the unit that people see."""
    criterion = check.criterion
    baseline = None if reference is None else reference.value
    found: dict[str, Any] = {**evidence.fields, "value": value, "baseline": baseline}
    if reference is not None and baseline is not None:
        found["baseline_name"] = reference.name
    variance = None if baseline is None else variance_of(criterion, value, baseline)
    found["variance"] = variance
    limit = criterion.limit
    if limit is not None:
        found["margin"] = limit.margin(value)
    elif variance is not None and criterion.tolerance is not None:
        found["margin"] = criterion.tolerance * 100 - abs(variance)
    if criterion.tolerance is not None and variance is not None:
        found["level"] = level_of(check.suite.levels, variance)
    outcome, reason = _decided(criterion, found, reference)
    if outcome in {Outcome.PASS, Outcome.WARN} and evidence.doubt:
        outcome, reason = Outcome.INCONCLUSIVE, evidence.doubt
    return check.verdict(outcome, reason, **found)


def variance_of(criterion: Criterion, value: float, baseline: float) -> float | None:
    """Return the change against the baseline: in % of it, or in percentage points where the unit is a ratio.

    None where the baseline is zero and the change therefore has no percentage.
    """
    if criterion.variance_unit == "pp":
        return convert(value - baseline, criterion.shown_unit, "%")
    return None if baseline == 0 else (value - baseline) / abs(baseline) * 100


def level_of(levels: Levels | None, variance: float) -> Level | None:
    """Return the highest level that the size of the variance (in %) has reached."""
    if levels is None:
        return None
    size = abs(variance) * (1 + _SLACK)
    reached = [
        level for level in Level if (at := getattr(levels, level.value)) is not None and size >= at * 100
    ]
    return reached[-1] if reached else None


def _unusable(
    criterion: Criterion, values: Sequence[float], labels: Sequence[Mapping[str, str]]
) -> Problem | None:
    if not values:
        return Problem(Outcome.INCONCLUSIVE, "no data")
    if len(values) > 1 and criterion.reduce is None:
        reason = f"{len(values)} series and no reduce: {_some(labels)}; say max, min, avg, sum, any or all"
        return Problem(Outcome.INCONCLUSIVE, reason)
    odd = next((value for value in values if not math.isfinite(value)), None)
    if odd is not None:
        why = "; a ratio or quantile of no events gives NaN" if math.isnan(odd) else ""
        return Problem(Outcome.INCONCLUSIVE, f"the value is {format_value(odd)}{why}")
    return None


def _some(labels: Sequence[Mapping[str, str]]) -> str:
    """Name the first series by the labels in which they differ, in an order that no source decides."""
    differing = {key for one in labels for key in one if any(other.get(key) != one[key] for other in labels)}
    names = [
        "{" + ", ".join(f"{k}={one[k]!r}" for k in sorted(differing & set(one))) + "}"
        for one in sorted(labels, key=lambda one: sorted(one.items()))[:3]
    ]
    return ", ".join(names) + (", ..." if len(labels) > len(names) else "")


def _reduced(criterion: Criterion, values: Sequence[float], baseline: float | None) -> float:
    """Make one value of several: ``all`` is decided by the worst one, ``any`` by the best."""
    reducers: dict[str, Callable[[Sequence[float]], float]] = {
        "max": max,
        "min": min,
        "sum": math.fsum,
        "avg": lambda many: math.fsum(many) / len(many),
        "all": lambda many: min(many, key=lambda value: _comfort(criterion, value, baseline)),
        "any": lambda many: max(many, key=lambda value: _comfort(criterion, value, baseline)),
    }
    return values[0] if len(values) == 1 else float(reducers[criterion.reduce or ""](values))


def _comfort(criterion: Criterion, value: float, baseline: float | None) -> tuple[bool, float]:
    """Order values by how well they stand: inside before outside, then by the room that is left."""
    limit, tolerance = criterion.limit, criterion.tolerance
    inside, room = True, math.inf
    if limit is not None:
        inside, room = limit.holds(value), limit.margin(value) or 0.0
    variance = None if baseline is None else variance_of(criterion, value, baseline)
    if tolerance is not None and variance is not None:
        inside = inside and _within(variance, tolerance)
        room = min(room, tolerance * 100 - abs(variance))
    return inside, room


def _within(variance: float, tolerance: float) -> bool:
    return abs(variance) <= tolerance * 100 * (1 + _SLACK)


def _decided(
    criterion: Criterion, found: Mapping[str, Any], reference: Reference | None
) -> tuple[Outcome, str]:
    """Decide from the value, baseline, variance and level that were found, in the unit that people see."""
    value: float = found["value"]
    baseline: float | None = found["baseline"]
    variance: float | None = found["variance"]
    level: Level | None = found.get("level")
    unit, limit, tolerance = criterion.shown_unit, criterion.limit, criterion.tolerance
    if limit is not None and not limit.holds(value):
        shown = format_distinct(value, limit.nearest(value), unit)
        return Outcome.FAIL, f"{shown} is outside the limit {limit.shown()}"
    facts = [] if limit is None else [f"{format_value(value, unit)} is inside {limit.shown()}"]
    if tolerance is not None:
        if reference is None:
            return Outcome.INCONCLUSIVE, "a tolerance without a baseline"
        if reference.problem or baseline is None:
            return (
                Outcome.ERROR if reference.error else Outcome.INCONCLUSIVE
            ), reference.problem or "no baseline"
        against = f"{format_value(baseline, unit)} ({reference.name})"
        if variance is None:
            return _zero_baseline(criterion, value, against, facts)
        wanted = f"±{tolerance * 100:g} {criterion.variance_unit}"
        change = f"{apart_signed(variance, tolerance * 100)} {criterion.variance_unit} against {against}"
        if not _within(variance, tolerance):
            return Outcome.FAIL, f"{format_value(value, unit)} is {change}, outside {wanted}{_at(level)}"
        facts.append(f"{change}, within {wanted}{_at(level)}")
    warned = level in {Level.WARN, Level.CRIT}
    return (Outcome.WARN if warned else Outcome.PASS), "; ".join(facts)


def apart_signed(variance: float, tolerance: float) -> str:
    """Write a variance with its sign and enough digits that it does not read like the tolerance it misses."""
    text = format_change(variance)
    if abs(float(text)) == tolerance and not math.isclose(abs(variance), tolerance, rel_tol=_SLACK):
        return f"{variance:+.6g}"
    return text


def _at(level: Level | None) -> str:
    return "" if level is None else f" (level {level})"


def _zero_baseline(criterion: Criterion, value: float, against: str, facts: list[str]) -> tuple[Outcome, str]:
    unit, floor = criterion.shown_unit, criterion.floor
    if floor is None:
        return Outcome.INCONCLUSIVE, f"the baseline is {against}: a tolerance in % needs a floor"
    allowed = criterion.shown(floor)
    if abs(value) > allowed:
        return (
            Outcome.FAIL,
            f"{format_distinct(value, allowed, unit)} against {against}, more than the floor {format_value(allowed, unit)}",
        )
    facts.append(
        f"{format_value(value, unit)} against {against}, within the floor {format_value(allowed, unit)}"
    )
    return Outcome.PASS, "; ".join(facts)
