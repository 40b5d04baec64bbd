"""``combine:`` - one verdict over all regions of an environment instead of one for each.

A region without a decision makes the whole an error or inconclusive, even if another region would satisfy ``any``.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

from pytest_telemetry_gate.criteria.baseline import Reference, is_stated
from pytest_telemetry_gate.criteria.decide import decide_value
from pytest_telemetry_gate.criteria.evidence import Evidence
from pytest_telemetry_gate.model.dossier import Dossier, Step
from pytest_telemetry_gate.model.facts import Member, MemberFacts
from pytest_telemetry_gate.model.verdict import Outcome, Verdict, worst_verdict
from pytest_telemetry_gate.support.numbers import format_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check

__all__ = ["combine_regions"]


def combine_regions(check: Check, answers: Answers) -> Dossier:
    """Judge a check in every region and make one verdict of all.

    ``all`` is the worst of them, ``any`` the best, ``max`` the one with the largest value; ``sum`` decides about the
    sum of the values against the limit, and against the sum of the baselines unless one is stated for the whole.
    """
    failure = next((text for region in check.regions if (text := answers.failure((region,)))), "")
    if failure:
        return check.dossier(Outcome.ERROR, failure)
    dossiers = [check.criterion.judge(check.within(region), answers) for region in check.regions]
    facts = MemberFacts(tuple(Member.from_verdict(dossier.verdict) for dossier in dossiers))
    undecided = [dossier for dossier in dossiers if dossier.outcome.undecided]
    if undecided:
        dossier = _take(check, _worst_verdict(undecided))
    elif check.criterion.combine == "any":
        dossier = _take(check, min(dossiers, key=_from_best))
    elif check.criterion.combine == "max":
        dossier = _take(check, max(dossiers, key=_value))
    elif check.criterion.combine == "sum":
        dossier = _sum(check, [dossier.verdict for dossier in dossiers])
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
    named = verdict.reason.startswith("region ")
    reason = verdict.reason if named else f"region {verdict.region}: {verdict.reason}"
    return dossier.revise(region=check.region, reason=reason)


def _sum(check: Check, verdicts: Sequence[Verdict]) -> Dossier:
    values = [verdict.value for verdict in verdicts if verdict.value is not None]
    reference = None
    baselines = [verdict.baseline for verdict in verdicts if verdict.baseline is not None]
    if len(baselines) == len(verdicts):
        total = baselines[0] if is_stated(check) else math.fsum(baselines)
        reference = Reference(verdicts[0].baseline_name, total)
    evidence = Evidence(
        {
            "query": verdicts[0].query,
            "source": ", ".join(dict.fromkeys(verdict.source for verdict in verdicts)),
            "semantics": verdicts[0].semantics,
            "link": verdicts[0].link,
            "digest": hashlib.sha256("".join(verdict.digest for verdict in verdicts).encode()).hexdigest(),
            "warnings": tuple(dict.fromkeys(warning for verdict in verdicts for warning in verdict.warnings)),
            "coverage": min(
                (verdict.coverage for verdict in verdicts if verdict.coverage is not None), default=None
            ),
        }
    )
    dossier = decide_value(check, math.fsum(values), evidence, reference)
    parts = ", ".join(f"{verdict.region} {format_value(verdict.value, verdict.unit)}" for verdict in verdicts)
    return dossier.revise(reason=f"{dossier.verdict.reason}; sum of {parts}")
