"""Where samples are missing: is the metric unknown, or only its labels? The nearest name that the source knows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_telemetry_gate.model.arrivals import Known
from pytest_telemetry_gate.model.questions import KnownQuestion
from pytest_telemetry_gate.promql import ast, parse
from pytest_telemetry_gate.support.suggestions import suggest_nearest

if TYPE_CHECKING:
    from pytest_telemetry_gate.criteria.coverage import Coverage
    from pytest_telemetry_gate.criteria.evidence import Evidence
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check

__all__ = ["describe_unknown", "explain_missing"]


def explain_missing(check: Check, evidence: Evidence, coverage: Coverage, answers: Answers) -> Evidence:
    """Return evidence whose problem also says which metric or labels nobody has seen, where that is why."""
    empty = [facts.selector for facts in coverage.facts if not facts.targets]
    unknown = describe_unknown(check, empty, answers)
    if not unknown or evidence.problem is None:
        return evidence
    problem = replace(evidence.problem, reason=f"{evidence.problem.reason}; {unknown}")
    return replace(evidence, problem=problem)


def describe_unknown(check: Check, selectors: Iterable[str], answers: Answers) -> str:
    """Return one line about the first of some selectors without samples: nobody has seen its metric, or its labels.

    An empty text where the source cannot tell.
    """
    for selector in selectors:
        parsed = parse(selector)
        known = answers[KnownQuestion(check.place)].value
        if not isinstance(known, Known) or not (known.names or known.types):
            return ""
        name = parsed.name if isinstance(parsed, ast.VectorSelector) else ""
        if name and name in known.names:
            return f"{name!r} has samples, but none of {selector} at this time: are the labels right? Where they may be absent, `up:` says so"
        if name and known.has_family(name):
            return f"{name!r} is in the metadata, and has no samples"
        if name:
            hint = suggest_nearest(name, {*known.names, *known.types})
            return f"nobody has ever seen a metric {name!r}{hint}"
    return ""
