"""Weigh one number against what is allowed: the limit, the tolerance or the floor, and the levels.

Nothing else decides whether a number is inside. What differs by the last bits of a calculation is the same number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_telemetry_gate.model.verdict import Level, Outcome, say_inside, say_tolerance, worsening
from pytest_telemetry_gate.stats.intervals import proof_half
from pytest_telemetry_gate.support.numbers import (
    format_change,
    format_distinct,
    format_half,
    format_percent,
    format_value,
    is_same,
)
from pytest_telemetry_gate.support.units import convert, room

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.terms import Levels, Terms

__all__ = [
    "Decision",
    "Measured",
    "Precision",
    "Proof",
    "Reference",
    "compute_variance",
    "find_level",
    "weigh",
]


@dataclass(frozen=True, slots=True)
class Reference:
    """The baseline of one check in the criterion's unit, or the one line why there is none.

    ``remark`` is what a reader should know of it; ``digest`` is that of the answer that it was read from. ``placebos`` are
    the variances, in the criterion's ``variance_unit``, that the same comparison had at earlier moments without a rollout.
    ``original`` is another baseline that the value is held against as well: the worse of the two decides.
    """

    name: str
    value: float | None = None
    problem: str = ""
    error: bool = False
    remark: str = ""
    digest: str = ""
    placebos: tuple[float, ...] = ()
    original: Reference | None = None


@dataclass(frozen=True, slots=True)
class Precision:
    """How far a variance may be off: half of the width of its interval, None where nobody knows, and what that rests on.

    Where a baseline of zero leaves no variance, it is the value that ``half`` is about, in the unit that people see.
    """

    half: float | None = None
    basis: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """How sure a decision by the tolerance must be (a share), and whether a later checkpoint may still bring it."""

    confidence: float
    is_last: bool

    @classmethod
    def of(cls, check: Check) -> Proof | None:
        """Return what a check asks for, None where the number alone decides."""
        return None if check.confidence is None else cls(check.confidence, check.is_last)


@dataclass(frozen=True, slots=True)
class Measured:
    """A value and its baseline, in the unit that people see; variance, its interval and margin as a verdict has them."""

    value: float
    baseline: float | None
    variance: float | None
    level: Level | None
    margin: float | None
    variance_half: float | None = None
    variance_basis: str = ""


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
    terms: Terms,
    levels: Levels | None,
    value: float,
    reference: Reference | None = None,
    *,
    precision: Precision | None = None,
    proof: Proof | None = None,
) -> tuple[Measured, Decision]:
    """Measure a value against its baseline, both in the unit that people see, and decide about it.

    With ``proof``, what the tolerance decides must hold for the whole interval of the variance: neither a pass nor a fail
    by a tolerance is due to chance more often than once in 1 / (1 - confidence) times. Without, the variance alone decides.
    """
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
    precision = precision or Precision()
    measured = Measured(
        value,
        baseline,
        variance,
        level,
        margins[0] if margins else None,
        None if variance is None else precision.half,
        "" if variance is None else precision.basis,
    )
    decision = _decide_by_limit(terms, measured) or _decide_by_tolerance(
        terms, measured, reference, precision, proof
    )
    left = min((margin for margin in margins if margin is not None), default=math.inf)
    return measured, Decision(decision.outcome, decision.reason, decision.id, left)


def compute_variance(terms: Terms, value: float, baseline: float) -> float | None:
    """Return the change against the baseline, in the criterion's ``variance_unit``: % of it, or percentage points.

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


def _decide_by_tolerance(
    terms: Terms,
    measured: Measured,
    reference: Reference | None,
    precision: Precision,
    proof: Proof | None,
) -> Decision:
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
            return _decide_by_floor(terms, measured.value, against, clauses, precision=precision, proof=proof)
        worse = worsening(measured.variance, terms.better or "")
        allowed = say_tolerance(tolerance * 100, terms.variance_unit, terms.better or "")
        change = f"{_format_variance(measured, tolerance * 100)} {terms.variance_unit} against {against}"
        level = "" if measured.level is None else f" (level {measured.level})"
        doubt = "" if proof is None else _find_doubt(precision, worse, tolerance * 100, proof)
        if doubt:
            outcome = _say_unproven(precision, worse, tolerance * 100, proof)
            reason = f"{'; '.join((*clauses, change))}: {doubt} {allowed}{level}"
            return Decision(outcome, reason, "tolerance.unproven")
        if room(worse, tolerance * 100) < 0:
            reason = f"{format_value(measured.value, unit)} is {change}, outside {allowed}{level}"
            return Decision(Outcome.FAIL, reason, "tolerance.outside")
        better = ", for the better" if worse < 0 else ""
        clauses.append(f"{change}, within {allowed}{better}{level}")
    if measured.level in {Level.WARN, Level.CRIT}:
        return Decision(Outcome.WARN, "; ".join(clauses), "variance.level")
    return Decision(Outcome.PASS, "; ".join(clauses))


def _find_doubt(precision: Precision, worse: float, tolerance: float, proof: Proof) -> str:
    """Return why it is not proven on which side of a tolerance a change for the worse lies; empty where it is."""
    half = precision.half
    sure = f"with {format_percent(proof.confidence)} confidence"
    if half is None:
        return f"{precision.basis or 'no interval'}, so that nothing is proven {sure} of"
    if room(worse + half, tolerance) >= 0 or room(worse - proof_half(half, tolerance), tolerance) < 0:
        return ""
    return f"proven {sure} neither within nor outside"


def _say_unproven(precision: Precision, worse: float, tolerance: float, proof: Proof | None) -> Outcome:
    """Return a warning where what is not proven may still be: never without an interval where the change is outside."""
    if proof is None or proof.is_last:
        return Outcome.INCONCLUSIVE
    is_provisional = precision.half is not None or room(worse, tolerance) >= 0
    return Outcome.WARN if is_provisional else Outcome.INCONCLUSIVE


def _format_variance(measured: Measured, tolerance: float) -> str:
    """Write a variance with its sign, its interval, and enough digits that it does not read like the tolerance it misses."""
    variance = measured.variance or 0.0
    text = format_change(variance)
    if abs(float(text)) == tolerance and not is_same(abs(variance), tolerance):
        text = f"{variance:+.6g}"
    return text if measured.variance_half is None else f"{text} ± {format_half(measured.variance_half)}"


def _decide_by_floor(
    terms: Terms,
    value: float,
    against: str,
    clauses: list[str],
    *,
    precision: Precision,
    proof: Proof | None,
) -> Decision:
    """Decide about a change from zero, which has no percentage."""
    unit, floor = terms.shown_unit, terms.floor
    if floor is None:
        reason = f"the baseline is {against}: a tolerance in % needs a floor"
        return Decision(Outcome.INCONCLUSIVE, reason, "baseline.zero")
    allowed, worse = terms.shown(floor), worsening(value, terms.better or "")
    doubt = "" if proof is None else _find_doubt(precision, worse, allowed, proof)
    if doubt:
        half = "" if precision.half is None else f" ± {format_half(precision.half)}"
        change = f"{format_value(value, unit)}{half} against {against}"
        reason = f"{'; '.join((*clauses, change))}: {doubt} the floor {format_value(allowed, unit)}"
        return Decision(_say_unproven(precision, worse, allowed, proof), reason, "tolerance.unproven")
    if room(worse, allowed) < 0:
        shown = format_distinct(value, allowed, unit)
        reason = f"{shown} against {against}, more than the floor {format_value(allowed, unit)}"
        return Decision(Outcome.FAIL, reason, "floor.outside")
    clauses.append(
        f"{format_value(value, unit)} against {against}, within the floor {format_value(allowed, unit)}"
    )
    return Decision(Outcome.PASS, "; ".join(clauses))
