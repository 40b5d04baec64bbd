"""``combine:`` - one verdict over all regions of an environment instead of one for each.

A region without a decision makes the whole an error or inconclusive, even if another region would satisfy ``any``.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from pytest_telemetry_gate.criteria.baseline import is_of_all_regions
from pytest_telemetry_gate.criteria.decide import COMPARISONS, decide_value
from pytest_telemetry_gate.criteria.evidence import Evidence, Provenance
from pytest_telemetry_gate.criteria.weigh import Reference
from pytest_telemetry_gate.model.dossier import Dossier, Finding, Step
from pytest_telemetry_gate.model.facts import Member, MemberFacts
from pytest_telemetry_gate.model.verdict import Outcome, worst_verdict
from pytest_telemetry_gate.support.numbers import format_value
from pytest_telemetry_gate.support.text import say_region

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check

__all__ = ["combine_regions"]


def combine_regions(check: Check, answers: Answers) -> Dossier:
    """Judge a check in every region and make one verdict of all.

    ``all`` is the worst of them, ``any`` the best, ``max`` the one with the largest value; ``sum`` decides about the
    sum of the values against the limit, and against the sum of the baselines unless one is stated for the whole.
    """
    failure = next((text for region in check.places if (text := answers.failure((region,)))), "")
    if failure:
        return check.dossier(Outcome.ERROR, failure)
    dossiers = [check.criterion.judge(check.within(region), answers) for region in check.regions]
    facts = MemberFacts(tuple(Member.from_verdict(dossier.verdict) for dossier in dossiers))
    undecided = [dossier for dossier in dossiers if dossier.outcome.undecided]
    unknown = [dossier for dossier in dossiers if dossier.verdict.value is None]
    if undecided:
        dossier = _take(check, _worst_verdict(undecided))
    elif check.criterion.combine == "any":
        dossier = _take(check, min(dossiers, key=_from_best))
    elif unknown and check.criterion.combine in {"max", "sum"}:
        dossier = _without_value(check, _worst_verdict(unknown))
    elif check.criterion.combine == "max":
        dossier = _take(check, max(dossiers, key=_value))
    elif check.criterion.combine == "sum":
        dossier = _sum(check, dossiers)
    else:
        dossier = _take(check, _worst_verdict(dossiers))
    return dossier.revise(facts=[facts], steps=[Step("combine", f"{check.criterion.combine} of the regions")])


def _worst_verdict(dossiers: Sequence[Dossier]) -> Dossier:
    verdict = worst_verdict([dossier.verdict for dossier in dossiers])
    return next(dossier for dossier in dossiers if dossier.verdict is verdict)


def _value(dossier: Dossier) -> float:
    return -math.inf if dossier.verdict.value is None else dossier.verdict.value


def _from_best(dossier: Dossier) -> tuple[int, float]:
    margin = dossier.verdict.margin
    return dossier.outcome.rank, -(math.inf if margin is None else margin)


def _take(check: Check, dossier: Dossier) -> Dossier:
    """Return the verdict of one region as that of all."""
    verdict = dossier.verdict
    return dossier.revise(region=check.region, reason=say_region(verdict.region, verdict.reason))


def _sum(check: Check, dossiers: Sequence[Dossier]) -> Dossier:
    """Decide about the sum of the values; what a region's evidence says against its value, it says against the sum."""
    verdicts = [dossier.verdict for dossier in dossiers]
    values = [verdict.value for verdict in verdicts if verdict.value is not None]
    reference = None
    baselines = [verdict.baseline for verdict in verdicts if verdict.baseline is not None]
    if len(baselines) == len(verdicts):
        total = baselines[0] if is_of_all_regions(check) else math.fsum(baselines)
        reference = Reference(verdicts[0].baseline_name, total)
    dossier = decide_value(check, math.fsum(values), Evidence(Provenance.of_all(verdicts)), reference)
    parts = ", ".join(f"{verdict.region} {format_value(verdict.value, verdict.unit)}" for verdict in verdicts)
    doubts = [doubt for member in dossiers for doubt in _doubts(member)]
    worst = max((dossier.outcome, *(doubt.level for doubt in doubts)), key=lambda outcome: outcome.rank)
    told = [doubt.message for doubt in doubts if doubt.level is worst and worst is not Outcome.PASS]
    reason = "; ".join((dossier.verdict.reason, f"sum of {parts}", *told))
    return dossier.revise(outcome=worst, reason=reason, findings=doubts)


def _without_value(check: Check, dossier: Dossier) -> Dossier:
    """Return the verdict where the value of a region is missing: that region's, if it does not pass."""
    taken = _take(check, dossier)
    if not taken.outcome.keeps_gate_open():
        return taken
    reason = f"region {dossier.verdict.region} has no value: {dossier.verdict.reason}"
    finding = Finding("data.none", Outcome.INCONCLUSIVE, dossier.verdict.region, reason)
    return taken.revise(outcome=Outcome.INCONCLUSIVE, reason=reason, findings=[finding])


def _doubts(dossier: Dossier) -> Iterator[Finding]:
    """Yield the findings of a region that bear on the sum, which has the region's value as a mere part.

    How that value stands against what is allowed for the sum does not bear on it.
    """
    others = [finding for finding in dossier.findings if finding.id not in COMPARISONS]
    compared = len(others) < len(dossier.findings)
    for finding in others:
        if finding.level is not Outcome.FAIL if compared else finding.level.rank <= dossier.outcome.rank:
            message = say_region(dossier.verdict.region, finding.message)
            yield dataclasses.replace(finding, message=message)
