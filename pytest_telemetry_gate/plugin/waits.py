"""What ``telemetry.wait_until`` tries: a criterion or a condition, at present."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, TypeAlias

from pytest_telemetry_gate.errors import ConfigError, SuiteError, TelemetryGateError, describe
from pytest_telemetry_gate.gate.gate import Gate
from pytest_telemetry_gate.model.check import Check
from pytest_telemetry_gate.model.questions import CaptureQuestion
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.plugin.polling import Attempt

__all__ = ["at_present", "name_check", "name_condition", "try_check", "try_condition"]

_LONGEST = 200  # characters of what a condition gave that are shown
_NOT_YET = (TelemetryGateError, AssertionError, OSError)
_MISTAKES = (ConfigError, SuiteError)  # which time does not mend

Visit: TypeAlias = Callable[[Callable[[], float]], AbstractContextManager[Callable[[], bool]]]


def at_present(gate: Gate, check: Check) -> Check:
    """Return a check at the present of its region; as it is where the clock stands still."""
    now = gate.present(check.place)
    return check if now is None else replace(check, checkpoint=replace(check.checkpoint, at=now))


def name_check(check: Check) -> str:
    """Return what is waited for, for people."""
    terms = check.criterion
    expressions = [text for text, _ in terms.expressions().values()]
    return " ".join(filter(None, (terms.title or next(iter(expressions), terms.key), terms.limit_text)))


def name_condition(condition: Callable[[], Any]) -> str:
    """Return the name of a condition; raises ConfigError for one that would have to be awaited."""
    name = getattr(condition, "__name__", type(condition).__name__)
    if inspect.iscoroutinefunction(condition):
        message = f"wait_until: the condition {name!r} is async: write a plain function"
        raise ConfigError(message)
    return "the condition" if name == "<lambda>" else f"the condition {name!r}"


def try_check(gate: Gate, check: Check, left: Callable[[], float]) -> Attempt:
    """Judge a check at present; what is inconclusive or an error may pass later."""
    if all(isinstance(question, CaptureQuestion) for question in check.questions()):
        message = f"wait_until: a criterion of kind `{check.criterion.key}` asks for nothing that changes"
        raise check.error(message)
    stuck, now = _why_stuck(gate, check.place), at_present(gate, check)
    verdict = (gate.judge(now) if stuck else gate.judge_anew(now, left)).verdict
    if verdict.outcome in {Outcome.PASS, Outcome.WARN}:
        gate.asked.note(*now.questions())  # so that a recording of the run has the samples
        return Attempt(holds=True, result=verdict)
    return Attempt(holds=False, reason=f"{verdict.outcome.upper()}: {verdict.reason}", stuck=stuck)


def try_condition(
    gate: Gate, region: str, condition: Callable[[], Any], visit: Visit, left: Callable[[], float]
) -> Attempt:
    """Ask a condition whether it holds; ``visit`` takes its fixture to the present."""
    with visit(left) as has_asked:
        try:
            result = condition()
        except _MISTAKES:
            raise
        except _NOT_YET as error:
            reason = gate.environment.scrub(describe(error))
        else:
            if result:
                return Attempt(holds=True, result=result)
            reason = gate.environment.scrub(f"it gave {_shown(result)}")
        return Attempt(holds=False, reason=reason, stuck=_why_stuck(gate, region) if has_asked() else "")


def _why_stuck(gate: Gate, region: str) -> str:
    """Return why nothing will change, empty where something may."""
    if gate.present(region) is not None:
        return ""
    source = gate.source(region)
    still = (
        "the clock stands still with --telemetry-now" if source.recorded_at is None else source.description
    )
    return f"nothing will change: {still}"


def _shown(result: object) -> str:
    text = " ".join(repr(result).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
