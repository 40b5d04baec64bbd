"""Decide about a value by its limit, baseline and levels. Pass and fail of values are decided nowhere else."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.criteria.evidence import Evidence, Problem
from pytest_telemetry_gate.model.dossier import Dossier, Finding, Step
from pytest_telemetry_gate.model.facts import Facts, SeriesFacts
from pytest_telemetry_gate.model.verdict import Level, Outcome, say_inside
from pytest_telemetry_gate.support.numbers import format_change, format_distinct, format_value
from pytest_telemetry_gate.support.units import convert

if TYPE_CHECKING:
    from pytest_telemetry_gate.criteria.baseline import Reference
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.terms import Levels, Terms

__all__ = ["COMPARISONS", "compute_variance", "decide", "decide_value", "find_level"]

COMPARISONS = frozenset({"limit.outside", "tolerance.outside", "floor.outside", "variance.level"})
"""The ids of the findings that only say how a value stands against what is allowed."""
_SLACK = 1e-9  # relative: 105 against 100 is exactly at 5 %, whatever the last bit of the division says


@dataclass(frozen=True, slots=True)
class _Measured:
    """A value and its baseline, in the unit that people see; variance and margin as a verdict has them."""

    value: float
    baseline: float | None
    variance: float | None
    level: Level | None
    margin: float | None


@dataclass(frozen=True, slots=True)
class _Decision:
    """An outcome, its reason, and the id of its finding; a plain pass has no finding."""

    outcome: Outcome
    reason: str
    id: str = ""


def decide(
    check: Check,
    values: Sequence[float],
    evidence: Evidence,
    reference: Reference | None = None,
    labels: Sequence[Mapping[str, str]] = (),
) -> Dossier:
    """Decide about the values that a question yielded, given in the criterion's unit.

    ``fail`` is outside the limit or the tolerance; ``warn`` is inside with the variance at level warn or crit;
    ``inconclusive`` is whatever cannot be decided: NaN, infinities, several values without ``reduce``, a
    tolerance without a usable baseline. A broken limit is a failure even where the baseline is missing.
    """
    terms = check.criterion
    facts: list[Facts] = [*evidence.facts]
    if len(values) > 1 and labels:
        facts.append(SeriesFacts(tuple(labels), tuple(values)))
    problem = evidence.problem or _find_problem(terms, values, labels)
    if problem is not None:
        finding = Finding(problem.id, problem.outcome, terms.id, problem.reason)
        return check.dossier(
            problem.outcome, problem.reason, findings=[finding], facts=facts, **evidence.provenance.fields()
        )
    shown = [terms.shown(value) for value in values]
    if reference is not None and reference.value is not None:
        reference = dataclasses.replace(reference, value=terms.shown(reference.value))
    value = _reduce(terms, shown, None if reference is None else reference.value)
    dossier = decide_value(check, value, evidence, reference)
    return dossier.revise(facts=facts) if facts else dossier


def decide_value(
    check: Check, value: float, evidence: Evidence, reference: Reference | None = None
) -> Dossier:
    """Decide about one value; it and the baseline are in the unit that people see."""
    terms = check.criterion
    measured = _measure(terms, check.suite.levels, value, None if reference is None else reference.value)
    decision = _decide_by_limit(terms, measured)
    if decision is None:
        decision = _decide_by_tolerance(terms, measured, reference)
    steps, findings = [], []
    if evidence.doubt and decision.outcome.good:
        steps.append(Step("doubt", f"not {decision.outcome}: {evidence.doubt}"))
        decision = _Decision(Outcome.INCONCLUSIVE, evidence.doubt)
    if decision.id:
        findings.append(Finding(decision.id, decision.outcome, terms.id, decision.reason))
    if evidence.doubt:
        findings.append(Finding("evidence.doubtful", Outcome.INCONCLUSIVE, terms.id, evidence.doubt))
    fields: dict[str, Any] = {**evidence.provenance.fields(), **dataclasses.asdict(measured)}
    if reference is not None and measured.baseline is not None:
        fields["baseline_name"] = reference.name
    return check.dossier(
        decision.outcome,
        decision.reason,
        steps=steps,
        findings=findings,
        **fields,
    )


def compute_variance(terms: Terms, value: float, baseline: float) -> float | None:
    """Return the change against the baseline: in % of it, or in percentage points where the unit is a ratio.

    None where the baseline is zero and the change therefore has no percentage.
    """
    if terms.variance_unit == "pp":
        return convert(value - baseline, terms.shown_unit, "%")
    return None if baseline == 0 else (value - baseline) / abs(baseline) * 100


def find_level(levels: Levels | None, variance: float) -> Level | None:
    """Return the highest level that the size of the variance (in %) has reached."""
    if levels is None:
        return None
    size = abs(variance) * (1 + _SLACK)
    reached = [
        level for level in Level if (at := getattr(levels, level.value)) is not None and size >= at * 100
    ]
    return reached[-1] if reached else None


def _measure(terms: Terms, levels: Levels | None, value: float, baseline: float | None) -> _Measured:
    variance = None if baseline is None else compute_variance(terms, value, baseline)
    margin, level = None, None
    if terms.limit is not None:
        margin = terms.limit.margin(value)
    elif variance is not None and terms.tolerance is not None:
        margin = terms.tolerance * 100 - abs(variance)
    if terms.tolerance is not None and variance is not None:
        level = find_level(levels, variance)
    return _Measured(value, baseline, variance, level, margin)


def _find_problem(
    terms: Terms, values: Sequence[float], labels: Sequence[Mapping[str, str]]
) -> Problem | None:
    """Return why the values do not give one number, or None."""
    if not values:
        return Problem(Outcome.INCONCLUSIVE, "no data", "data.none")
    if len(values) > 1 and terms.reduce is None:
        first = _differing_labels(labels)
        reason = f"{len(values)} series and no reduce: {first}; set reduce to max, min, avg, sum, any or all"
        return Problem(Outcome.INCONCLUSIVE, reason, "data.several_series")
    odd = next((value for value in values if not math.isfinite(value)), None)
    if odd is not None:
        why = "; a ratio or quantile of no events gives NaN" if math.isnan(odd) else ""
        return Problem(Outcome.INCONCLUSIVE, f"the value is {format_value(odd)}{why}", "data.not_finite")
    return None


def _differing_labels(labels: Sequence[Mapping[str, str]]) -> str:
    """Name the first series by the labels in which they differ, in an order that is the same for every source."""
    differing = {
        key for series in labels for key in series if any(other.get(key) != series[key] for other in labels)
    }
    names = [
        "{" + ", ".join(f"{k}={series[k]!r}" for k in sorted(differing & set(series))) + "}"
        for series in sorted(labels, key=lambda series: sorted(series.items()))[:3]
    ]
    return ", ".join(names) + (", ..." if len(labels) > len(names) else "")


def _reduce(terms: Terms, values: Sequence[float], baseline: float | None) -> float:
    """Reduce several values to one: ``all`` is decided by the worst of them, ``any`` by the best."""
    reducers: dict[str, Callable[[Sequence[float]], float]] = {
        "max": max,
        "min": min,
        "sum": math.fsum,
        "avg": lambda numbers: math.fsum(numbers) / len(numbers),
        "all": lambda numbers: min(numbers, key=lambda value: _comfort(terms, value, baseline)),
        "any": lambda numbers: max(numbers, key=lambda value: _comfort(terms, value, baseline)),
    }
    return values[0] if len(values) == 1 else float(reducers[terms.reduce or ""](values))


def _comfort(terms: Terms, value: float, baseline: float | None) -> tuple[bool, float]:
    """Order values by how well they stand: inside before outside, then by the room that is left."""
    limit, tolerance = terms.limit, terms.tolerance
    inside, room = True, math.inf
    if limit is not None:
        inside, room = limit.holds(value), limit.margin(value) or 0.0
    variance = None if baseline is None else compute_variance(terms, value, baseline)
    if tolerance is not None and variance is not None:
        inside = inside and _within(variance, tolerance)
        room = min(room, tolerance * 100 - abs(variance))
    return inside, room


def _within(variance: float, tolerance: float) -> bool:
    return abs(variance) <= tolerance * 100 * (1 + _SLACK)


def _decide_by_limit(terms: Terms, measured: _Measured) -> _Decision | None:
    """Return the failure of a value outside the limit; None where the limit leaves it open."""
    limit = terms.limit
    if limit is None or limit.holds(measured.value):
        return None
    shown = format_distinct(measured.value, limit.nearest(measured.value), terms.shown_unit)
    return _Decision(Outcome.FAIL, f"{shown} is outside the limit {limit.shown()}", "limit.outside")


def _decide_by_tolerance(terms: Terms, measured: _Measured, reference: Reference | None) -> _Decision:
    """Decide about a value that the limit lets through, by the tolerance where there is one, and by the level."""
    unit, limit, tolerance = terms.shown_unit, terms.limit, terms.tolerance
    clauses = [] if limit is None else [say_inside(format_value(measured.value, unit), limit.shown())]
    if tolerance is not None:
        if reference is None:
            return _Decision(Outcome.INCONCLUSIVE, "a tolerance without a baseline", "baseline.missing")
        if reference.problem or measured.baseline is None:
            outcome = Outcome.ERROR if reference.error else Outcome.INCONCLUSIVE
            return _Decision(outcome, reference.problem or "no baseline", "baseline.unusable")
        against = f"{format_value(measured.baseline, unit)} ({reference.name})"
        if measured.variance is None:
            return _decide_by_floor(terms, measured.value, against, clauses)
        allowed = f"±{tolerance * 100:g} {terms.variance_unit}"
        change = (
            f"{_format_variance(measured.variance, tolerance * 100)} {terms.variance_unit} against {against}"
        )
        level = "" if measured.level is None else f" (level {measured.level})"
        if not _within(measured.variance, tolerance):
            reason = f"{format_value(measured.value, unit)} is {change}, outside {allowed}{level}"
            return _Decision(Outcome.FAIL, reason, "tolerance.outside")
        clauses.append(f"{change}, within {allowed}{level}")
    if measured.level in {Level.WARN, Level.CRIT}:
        return _Decision(Outcome.WARN, "; ".join(clauses), "variance.level")
    return _Decision(Outcome.PASS, "; ".join(clauses))


def _format_variance(variance: float, tolerance: float) -> str:
    """Write a variance with its sign and enough digits that it does not read like the tolerance it misses."""
    text = format_change(variance)
    if abs(float(text)) == tolerance and not math.isclose(abs(variance), tolerance, rel_tol=_SLACK):
        return f"{variance:+.6g}"
    return text


def _decide_by_floor(terms: Terms, value: float, against: str, clauses: list[str]) -> _Decision:
    """Decide about a change from zero, which has no percentage."""
    unit, floor = terms.shown_unit, terms.floor
    if floor is None:
        reason = f"the baseline is {against}: a tolerance in % needs a floor"
        return _Decision(Outcome.INCONCLUSIVE, reason, "baseline.zero")
    allowed = terms.shown(floor)
    if abs(value) > allowed:
        shown = format_distinct(value, allowed, unit)
        reason = f"{shown} against {against}, more than the floor {format_value(allowed, unit)}"
        return _Decision(Outcome.FAIL, reason, "floor.outside")
    clauses.append(
        f"{format_value(value, unit)} against {against}, within the floor {format_value(allowed, unit)}"
    )
    return _Decision(Outcome.PASS, "; ".join(clauses))
