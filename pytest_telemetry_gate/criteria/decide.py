"""Decide about the values that a question yielded: whether they can be used, the one that counts, and its verdict."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.criteria.evidence import Evidence, Problem
from pytest_telemetry_gate.criteria.reading import KNOWN, Reading, tell_bucket, weigh_open
from pytest_telemetry_gate.criteria.weigh import Decision, Precision, Proof, Reference, weigh
from pytest_telemetry_gate.model.dossier import Dossier, Finding, Step
from pytest_telemetry_gate.model.facts import Facts, IntervalFacts, SeriesFacts
from pytest_telemetry_gate.model.terms import REDUCERS
from pytest_telemetry_gate.model.verdict import Outcome, worsening
from pytest_telemetry_gate.support.numbers import format_change, format_value

if TYPE_CHECKING:
    from pytest_telemetry_gate.criteria.intervals import Parts
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.terms import Terms

__all__ = ["COMPARISONS", "decide", "decide_value"]

COMPARISONS = frozenset(
    {
        "limit.outside",
        "tolerance.outside",
        "tolerance.unproven",
        "floor.outside",
        "variance.level",
        "quantile.bucket",
    }
)
"""The ids of the findings that only say how a value stands against what is allowed."""


def decide(
    check: Check,
    values: Sequence[float],
    evidence: Evidence,
    reference: Reference | None = None,
    labels: Sequence[Mapping[str, str]] = (),
    *,
    readings: Sequence[Reading] = (),
    parts: Parts | None = None,
    precision: Precision | None = None,
) -> Dossier:
    """Decide about the values that a question yielded, given in the criterion's unit.

    ``readings`` say how well each value is known, where that is in question; ``parts`` how well its variance is, or else
    ``precision`` for kinds that know it themselves.

    ``fail`` is outside the limit or the tolerance; ``warn`` is inside with the variance at level warn or crit;
    ``inconclusive`` is whatever cannot be decided: NaN, infinities, several values without ``reduce``, a
    tolerance without a usable baseline. A broken limit is a failure even where the baseline is missing.
    """
    if reference is not None and reference.original is not None:
        # The parts of a window tell of the baseline that moves; the original one is a number.
        alone = None if parts is None else dataclasses.replace(parts, others=())
        both = ((dataclasses.replace(reference, original=None), parts), (reference.original, alone))
        dossiers = [
            decide(check, values, evidence, one, labels, readings=readings, parts=own) for one, own in both
        ]
        return _take_worse(check, dossiers)
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
    known = [reading.shown(terms) for reading in readings] or [KNOWN] * len(shown)
    if any(reading.is_open for reading in known):
        dossier = _decide_open(check, shown, known, evidence, reference)
    else:
        value = _reduce(check, shown, reference)
        if parts is not None and reference is not None:
            by_decision = terms.reduce in {"any", "all"} and len(labels) > 1
            if by_decision:
                value, precision, interval = _choose_series(check, shown, labels, reference, parts)
            else:
                precision, interval = parts.measure(check, value, None, reference)
            facts += () if interval is None else (interval,)
        dossier = decide_value(check, value, evidence, reference, precision=precision)
        dossier = tell_bucket(
            check, dossier, known[shown.index(value)] if value in shown else KNOWN, reference
        )
    if reference is not None and reference.remark and terms.tolerance is not None:
        finding = Finding("baseline.late", Outcome.PASS, terms.id, reference.remark)
        reason = f"{dossier.verdict.reason}; {reference.remark}"
        dossier = dossier.revise(
            reason=reason, steps=[Step("baseline", reference.remark)], findings=[finding]
        )
    return dossier.revise(facts=facts) if facts else dossier


def _choose_series(
    check: Check,
    values: Sequence[float],
    labels: Sequence[Mapping[str, str]],
    reference: Reference,
    parts: Parts,
) -> tuple[float, Precision, IntervalFacts | None]:
    """Return the value that decides of several, with how well it is known: one within by a hair proves less than one that is sure."""
    known = [
        (value, *parts.measure(check, value, one, reference))
        for value, one in zip(values, labels, strict=True)
    ]
    stands = [_stand(check, value, reference, precision) for value, precision, _ in known]
    choose = max if check.criterion.reduce == "all" else min
    return known[choose(range(len(known)), key=stands.__getitem__)]


def _take_worse(check: Check, dossiers: Sequence[Dossier]) -> Dossier:
    """Return the worse of the decisions by two baselines: a slow decay shows against the original one alone."""
    worse = max(dossiers, key=lambda dossier: _badness(check, dossier))
    other = dossiers[1 - dossiers.index(worse)].verdict
    if other.variance is None:
        return worse
    change = format_change(other.variance, other.variance_unit)
    return worse.revise(
        steps=[Step("baseline", f"{change} against the other baseline, {other.baseline_name}")]
    )


def _badness(check: Check, dossier: Dossier) -> tuple[int, float]:
    variance, better = dossier.verdict.variance, check.criterion.better or ""
    return dossier.outcome.rank, -math.inf if variance is None else worsening(variance, better)


def decide_value(
    check: Check,
    value: float,
    evidence: Evidence,
    reference: Reference | None = None,
    decided: Decision | None = None,
    *,
    precision: Precision | None = None,
) -> Dossier:
    """Decide about one value, unless it is ``decided``; it and the baseline are in the unit that people see."""
    terms = check.criterion
    measured, decision = weigh(
        terms, check.suite.levels, value, reference, precision=precision, proof=Proof.of(check)
    )
    decision = decided or decision
    steps, findings = [], []
    if evidence.doubt and decision.outcome.good:
        steps.append(Step("doubt", f"not {decision.outcome}: {evidence.doubt}"))
        decision = Decision(Outcome.INCONCLUSIVE, evidence.doubt)
    if decision.id:
        findings.append(Finding(decision.id, decision.outcome, terms.id, decision.reason))
    if evidence.doubt:
        findings.append(Finding("evidence.doubtful", Outcome.INCONCLUSIVE, terms.id, evidence.doubt))
    fields: dict[str, Any] = {**evidence.provenance.fields(), **dataclasses.asdict(measured)}
    if reference is not None and measured.baseline is not None:
        fields["baseline_name"] = reference.name
        fields["baseline_digest"] = reference.digest
    return check.dossier(
        decision.outcome,
        decision.reason,
        steps=steps,
        findings=findings,
        **fields,
    )


def _decide_open(
    check: Check,
    values: Sequence[float],
    readings: Sequence[Reading],
    evidence: Evidence,
    reference: Reference | None,
) -> Dossier:
    """Decide about values of which some lie beyond what was measured."""
    reduce = check.criterion.reduce
    if reduce in {"any", "all"}:
        decisions = [weigh_open(check, *each, reference) for each in zip(values, readings, strict=True)]
        choose = max if reduce == "all" else min
        chosen = choose(range(len(values)), key=lambda index: decisions[index].outcome.rank)
        value, decision = values[chosen], decisions[chosen]
    else:
        value = _reduce(check, values, reference)
        known = list(zip(values, readings, strict=True))
        least = [one if reading.least is None else reading.least for one, reading in known]
        most = [one if reading.most is None else reading.most for one, reading in known]
        reading = Reading(_reduce(check, least, reference), _reduce(check, most, reference))
        if (
            reduce is not None and reduce not in REDUCERS
        ):  # nobody knows what one of a plugin does between the ends
            reading = Reading(-math.inf, math.inf)
        decision = weigh_open(check, value, reading, reference)
    dossier = decide_value(check, value, evidence, reference, decision)
    # A change of what is not known is not known either, and nothing may follow from it.
    return dossier.revise(variance=None, level=None, margin=None)


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


def _reduce(check: Check, values: Sequence[float], reference: Reference | None) -> float:
    """Reduce several values to one: ``all`` is decided by the worst of them, ``any`` by the best."""
    if len(values) == 1:
        return values[0]
    stand = functools.partial(_stand, check, reference=reference)
    reducers: dict[str, Callable[[Sequence[float]], float]] = {
        "max": max,
        "min": min,
        "sum": math.fsum,
        "avg": lambda numbers: math.fsum(numbers) / len(numbers),
        "all": lambda numbers: max(numbers, key=stand),
        "any": lambda numbers: min(numbers, key=stand),
    }
    name = check.criterion.reduce or ""
    return float((reducers.get(name) or check.find_reducers()[name])(values))


def _stand(
    check: Check, value: float, reference: Reference | None, precision: Precision | None = None
) -> tuple[int, float, float]:
    """Order values from best to worst: by what would be decided about each, then by the room that is left.

    How well they are known counts where ``precision`` says it.
    """
    proof = None if precision is None else Proof.of(check)
    _, decision = weigh(
        check.criterion, check.suite.levels, value, reference, precision=precision, proof=proof
    )
    return decision.outcome.rank, -decision.room, value
