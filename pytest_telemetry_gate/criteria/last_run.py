"""The last run that passed before a rollout, as a baseline: its value of the same criterion, measured by the same query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_telemetry_gate.criteria.weigh import Reference
from pytest_telemetry_gate.model.past_runs import name_in_past
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.units import convert, dimension

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.past_runs import PastMeasure

__all__ = ["read_last_run"]


def read_last_run(check: Check, name: str, text: str) -> Reference:
    """Return the value that the criterion had in the last run that passed before the rollout, in its unit, or why there is none.

    ``name`` is what the suite calls the baseline, if anything; ``text`` is the criterion's query, not expanded yet.
    """
    if check.past is None:
        problem = "there is no history, of which the last run that passed would be it: --telemetry-history=FOLDER names it"
        return Reference(name or "last run", problem=f"baseline: {problem}")
    start = check.suite.rollout.start
    # A run of this very rollout would compare it with itself.
    passed = [run for run in check.past if run.outcome is Outcome.PASS and run.at <= start]
    if not passed:
        problem = f"no run in the history passed before rollout.start {format_time(start)}"
        return Reference(name or "last run", problem=f"baseline: {problem}")
    run = max(passed, key=lambda run: run.at)
    moment = format_time(run.at)
    name = name or f"run of {moment}"
    key = name_in_past(check.suite.suite, check.criterion.id, check.region)
    value, measure = run.values.get(key), run.measures.get(key)
    if value is None or measure is None:
        return Reference(
            name, problem=f"baseline: the run of {moment} has no value of {check.criterion.id!r}"
        )
    problem = _find_problem(check, measure, text)
    if problem:
        return Reference(name, problem=f"baseline: the run of {moment} {problem}")
    unit = check.criterion.yielded_unit
    return Reference(name, convert(value, measure.unit, unit) if measure.unit else value)


def _find_problem(check: Check, measure: PastMeasure, text: str) -> str:
    """Return why a value of an earlier run cannot be compared with, as the rest of a sentence; empty where it can."""
    if check.environment and measure.environment != check.environment:
        return f"was judged in environment {measure.environment!r}, and this is {check.environment!r}"
    unit = check.criterion.yielded_unit
    if dimension(measure.unit) != dimension(check.criterion.shown_unit):
        return f"was judged in {measure.unit or 'no unit'}, and this is in {unit or 'no unit'}"
    if not text or check.query("baseline", text, window=measure.window).text != measure.query:
        return "asked another query"
    return ""
