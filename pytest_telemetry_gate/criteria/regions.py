"""``combine:`` - one verdict over all regions of an environment instead of one for each.

A region that cannot tell makes the whole an error or inconclusive, also where ``any`` would be content without it.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

from pytest_telemetry_gate.criteria.baseline import Reference, is_stated
from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.evidence import Evidence
from pytest_telemetry_gate.model.verdict import Outcome, Verdict, worst
from pytest_telemetry_gate.support.numbers import format_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check

__all__ = ["combined"]

_UNDECIDED = frozenset({Outcome.ERROR, Outcome.INCONCLUSIVE})


def combined(check: Check, answers: Answers) -> Verdict:
    """Judge a check in every region and make one verdict of theirs.

    ``all`` is the worst of them, ``any`` the best, ``max`` the one with the largest value; ``sum`` weighs the sum of
    the values against the limit, and against the sum of the baselines unless one is stated for the whole.
    """
    members = {
        region: check.criterion.judge(check.within(region), answers)
        for region in check.regions
        if not answers.failure((region,))
    }
    for region in check.regions:
        if region not in members:
            return check.verdict(Outcome.ERROR, answers.failure((region,)))
    undecided = [one for one in members.values() if one.outcome in _UNDECIDED]
    if undecided:
        return _chosen(check, worst(undecided))
    verdicts = list(members.values())
    match check.criterion.combine:
        case "any":
            return _chosen(check, min(verdicts, key=_from_best))
        case "max":
            return _chosen(
                check, max(verdicts, key=lambda one: -math.inf if one.value is None else one.value)
            )
        case "sum":
            return _sum(check, verdicts)
    return _chosen(check, worst(verdicts))


def _from_best(verdict: Verdict) -> tuple[int, float]:
    return list(Outcome).index(verdict.outcome), -(math.inf if verdict.margin is None else verdict.margin)


def _chosen(check: Check, verdict: Verdict) -> Verdict:
    told = f"region {verdict.region}: {verdict.reason}"
    reason = verdict.reason if verdict.reason.startswith("region ") else told
    return verdict.replaced(region=check.region, reason=reason)


def _sum(check: Check, verdicts: Sequence[Verdict]) -> Verdict:
    values = [one.value for one in verdicts if one.value is not None]
    reference = None
    baselines = [one.baseline for one in verdicts if one.baseline is not None]
    if len(baselines) == len(verdicts):
        total = baselines[0] if is_stated(check) else math.fsum(baselines)
        reference = Reference(verdicts[0].baseline_name, total)
    evidence = Evidence(
        {
            "query": verdicts[0].query,
            "source": ", ".join(dict.fromkeys(one.source for one in verdicts)),
            "semantics": verdicts[0].semantics,
            "link": verdicts[0].link,
            "digest": hashlib.sha256("".join(one.digest for one in verdicts).encode()).hexdigest(),
            "warnings": tuple(dict.fromkeys(text for one in verdicts for text in one.warnings)),
            "coverage": min((one.coverage for one in verdicts if one.coverage is not None), default=None),
        }
    )
    verdict = decide(check, math.fsum(values), evidence, reference)
    parts = ", ".join(f"{one.region} {format_value(one.value, one.unit)}" for one in verdicts)
    return verdict.replaced(reason=f"{verdict.reason}; sum of {parts}")
