"""Judge a check from the answers to its questions: due, then the criterion's decision, then the waiver.

``judge`` is pure: the same answers give the same dossier in any process, live or recorded.
"""

from __future__ import annotations

import dataclasses

from pytest_telemetry_gate.criteria.combine import combine_regions
from pytest_telemetry_gate.criteria.due import Due, find_due, latest_due
from pytest_telemetry_gate.criteria.steps import figure_steps
from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.model.answers import Answers
from pytest_telemetry_gate.model.check import Check
from pytest_telemetry_gate.model.dossier import Dossier, Finding, Step, Timing
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support.durations import format_short_duration, format_time

__all__ = ["judge"]

_YEAR = 366 * 86400.0


def judge(check: Check, answers: Answers) -> Dossier:
    """Decide about a check from the answers to its questions; raises nothing for missing or broken data.

    A checkpoint that is not due is pending; otherwise the criterion decides, and a waiver that names the check and
    has not expired turns a verdict that would close the gate into ``waived``.
    """
    due = find_due(check, answers) if not answers.failure(check.places) else latest_due(check, answers)
    dossier = _before_data(check, answers, due)
    if dossier is None:
        dossier = _apply_waiver(check, _decide(check, answers), answers.now)
    verdict = dossier.verdict
    steps = (
        *figure_steps(dossier),
        *dossier.steps,
        Step("verdict", f"verdict {verdict.outcome.upper()}: {verdict.reason}"),
    )
    timing = Timing(check.suite.rollout.start, due.moment, answers.now)
    return dataclasses.replace(dossier, steps=steps, timing=timing)


def _before_data(check: Check, answers: Answers, due: Due) -> Dossier | None:
    """Return a decision that needs no data: on a date far ahead, a region that failed, a checkpoint not due."""
    rollout = check.suite.rollout
    for name, moment in (
        ("rollout.start", rollout.start),
        ("rollout.end", rollout.finish),
        ("checkpoint", check.time),
    ):
        if moment - answers.now > _YEAR:
            ahead = format_short_duration(moment - answers.now)
            reason = f"{name} {format_time(moment)} is {ahead} ahead of the clock: is the year right?"
            return _refuse(check, "time.far_ahead", Outcome.ERROR, reason)
    failure = answers.failure(check.places)
    if failure:
        return _refuse(check, "region.failed", Outcome.ERROR, failure)
    if due.moment <= answers.now:
        return None
    job = f" of job {due.job!r}" if due.job else ""
    wait = f"two scrape intervals of {format_short_duration(due.interval)}{job} after the checkpoint"
    remaining = format_short_duration(due.moment - answers.now)
    return check.dossier(Outcome.PENDING, f"due {format_time(due.moment)}, in {remaining}: {wait}")


def _refuse(check: Check, name: str, outcome: Outcome, reason: str) -> Dossier:
    finding = Finding(name, outcome, check.criterion.id, reason)
    return check.dossier(outcome, reason, findings=[finding])


def _decide(check: Check, answers: Answers) -> Dossier:
    """Return what the criterion decides, over all regions where it combines them.

    A verdict that follows from others has the profile of PromQL that their regions answer with.
    """
    dossier = _require_dossier(
        check, combine_regions(check, answers) if check.is_combined else check.criterion.judge(check, answers)
    )
    if dossier.verdict.semantics:
        return dossier
    profiles = answers.semantics(check.questions())
    return dossier.revise(semantics=profiles) if profiles else dossier


def _require_dossier(check: Check, result: object) -> Dossier:
    """Return what a kind of criterion decided; raises ConfigError if that is no dossier."""
    if isinstance(result, Dossier):
        return result
    kind = type(check.criterion)
    message = f"{kind.__module__}.{kind.__qualname__}.judge returned {result!r}, not a Dossier"
    raise ConfigError(message)


def _apply_waiver(check: Check, dossier: Dossier, now: float) -> Dossier:
    """Turn a verdict that would close the gate into ``waived`` where an unexpired waiver names the check."""
    waiver, verdict = check.waiver, dossier.verdict
    if waiver is None or verdict.keeps_gate_open():
        return dossier
    until = format_time(waiver.until)
    if waiver.until <= now:
        expired = f"the waiver of {waiver.owner} expired {until}"
        return dossier.revise(reason=f"{verdict.reason}; {expired}", steps=[Step("waiver", expired)])
    waived = f"waived until {until} by {waiver.owner}: {waiver.reason}"
    reason = f"{waived} ({verdict.outcome}: {verdict.reason})"
    return dossier.revise(outcome=Outcome.WAIVED, reason=reason, steps=[Step("waiver", waived)])
