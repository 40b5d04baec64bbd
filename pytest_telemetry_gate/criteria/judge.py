"""Judge a check from the answers to its questions: due, then the criterion's decision, then the waiver.

``judge`` is pure: the same answers give the same verdict in any process, live or recorded.
"""

from __future__ import annotations

import dataclasses

from pytest_telemetry_gate.criteria.regions import combined
from pytest_telemetry_gate.model.answers import Answers
from pytest_telemetry_gate.model.check import Check
from pytest_telemetry_gate.model.verdict import Outcome, Verdict
from pytest_telemetry_gate.support.durations import format_short_duration, format_time

__all__ = ["judge"]

_YEAR = 366 * 86400.0


def judge(check: Check, answers: Answers) -> Verdict:
    """Decide about a check from the answers to its questions; raises nothing for missing or broken data.

    A checkpoint that is not due is pending; otherwise the criterion decides, and a waiver that names the check and
    has not expired turns a verdict that would close the gate into ``waived``.
    """
    rollout = check.suite.rollout
    for name, moment in (
        ("rollout.start", rollout.start),
        ("rollout.end", rollout.end),
        ("checkpoint", check.time),
    ):
        if moment - answers.now > _YEAR:
            ahead = format_short_duration(moment - answers.now)
            reason = f"{name} {format_time(moment)} is {ahead} ahead of the clock: is the year right?"
            return check.verdict(Outcome.ERROR, reason)
    due = check.due(answers.longest_interval(check.regions))
    if due > answers.now:
        return check.verdict(
            Outcome.PENDING, f"due {format_time(due)}, in {format_short_duration(due - answers.now)}"
        )
    failure = answers.failure(check.regions)
    if failure:
        return check.verdict(Outcome.ERROR, failure)
    verdict = _decide(check, answers)
    waiver = check.waiver
    if waiver is None or verdict.outcome.lets_through():
        return verdict
    if waiver.until <= answers.now:
        expired = f"{verdict.reason}; the waiver of {waiver.owner} expired {format_time(waiver.until)}"
        return verdict.replaced(reason=expired)
    waived = f"waived until {format_time(waiver.until)} by {waiver.owner}: {waiver.reason} ({verdict.outcome}: {verdict.reason})"
    return verdict.replaced(outcome=Outcome.WAIVED, reason=waived)


def _decide(check: Check, answers: Answers) -> Verdict:
    """Return what the criterion decides, over all regions where it combines them.

    A verdict that follows from others has the profile of PromQL that their regions answer with.
    """
    verdict = combined(check, answers) if check.is_combined else check.criterion.judge(check, answers)
    if verdict.semantics:
        return verdict
    return dataclasses.replace(verdict, semantics=answers.semantics(check.questions()))
