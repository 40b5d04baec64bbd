"""Why a query has no value where it might have one: windows shorter than two scrapes, no buckets, metrics nobody has seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_telemetry_gate.criteria.evidence import Problem
from pytest_telemetry_gate.criteria.histograms import explain_infinity, explain_quantile
from pytest_telemetry_gate.criteria.known import explain_missing
from pytest_telemetry_gate.criteria.observed import named_jobs
from pytest_telemetry_gate.model.facts import CoverageFacts
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.promql import ast
from pytest_telemetry_gate.support.durations import format_short_duration

if TYPE_CHECKING:
    from pytest_telemetry_gate.criteria.coverage import Coverage
    from pytest_telemetry_gate.criteria.evidence import Evidence
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Query

__all__ = ["explain_no_data"]

_MISSING = frozenset({"data.none", "coverage.low"})
# Functions that need two samples, and have no value where there is one
_OF_TWO = frozenset({"rate", "increase", "irate", "idelta", "delta", "deriv", "predict_linear", "holt_winters", "double_exponential_smoothing"})  # fmt: skip
_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
_LEAST = 2  # scrapes in a window
_BETTER = 4  # as in Grafana's $__rate_interval: one may be lost


def explain_no_data(
    check: Check,
    query: Query,
    evidence: Evidence,
    coverage: Coverage,
    answers: Answers,
    *,
    values: Sequence[float],
) -> Evidence:
    """Return evidence whose problem also says why there is no value, or one that is infinite.

    Where a window is too short for its function to have a value, that is a problem even if the query has one, as a query
    with `or vector(0)` always has.
    """
    short = _describe_short_window(check, query, evidence, answers)
    if evidence.problem is None:
        infinity = explain_infinity(query.expr) if any(map(math.isinf, values)) else ""
        if infinity:
            return replace(evidence, problem=Problem(Outcome.INCONCLUSIVE, infinity, "data.not_finite"))
        if not short or not any(map(_falls_back, ast.walk(query.expr))):
            return evidence
        return replace(evidence, problem=Problem(Outcome.INCONCLUSIVE, short, "window.short"))
    if evidence.problem.id not in _MISSING:
        return evidence
    evidence = explain_missing(check, evidence, coverage, answers)
    problem = evidence.problem
    reason = short
    if problem is not None and problem.id == "data.none":
        reason = short or explain_quantile(query.expr) or _explain_filter(query.expr)
    if problem is None or not reason:
        return evidence
    return replace(evidence, problem=replace(problem, reason=f"{problem.reason}; {reason}"))


def _explain_filter(expression: ast.Expr) -> str:
    """Return that a comparison leaves out what it does not hold for, if a query is one or aggregates one."""
    while isinstance(expression, ast.Paren | ast.Unary | ast.Aggregate):
        expression = expression.expr
    if not isinstance(expression, ast.Binary) or expression.op not in _COMPARISONS or expression.returns_bool:
        return ""
    return (
        f"a comparison ({expression.op}) leaves out what it does not hold for: the limit goes into `expect`"
    )


def _describe_short_window(check: Check, query: Query, evidence: Evidence, answers: Answers) -> str:
    """Return the first window that is shorter than two scrapes of what a function reads that needs two, for people."""
    for node in _windows(query.expr):
        interval = _interval(check, node.selector, evidence, answers)
        window = node.range / 1000
        if interval is not None and window < _LEAST * interval:
            least, better = (format_short_duration(count * interval) for count in (_LEAST, _BETTER))
            scrapes = f"two scrapes, which are {format_short_duration(interval)} apart"
            return f"the window of {node} is shorter than {scrapes}: at least {least}, better {better}"
    return ""


def _falls_back(node: ast.Expr) -> bool:
    """Return whether a part of a query may have a value because another part has none."""
    if isinstance(node, ast.Call):
        return node.func in {"absent", "absent_over_time"}
    return isinstance(node, ast.Binary) and node.op in {"or", "unless"}


def _windows(expression: ast.Expr) -> Iterator[ast.MatrixSelector]:
    for node in ast.walk(expression):
        if (
            isinstance(node, ast.Call)
            and node.func in _OF_TWO
            and isinstance(node.args[0], ast.MatrixSelector)
        ):
            yield node.args[0]


def _interval(
    check: Check, selector: ast.VectorSelector, evidence: Evidence, answers: Answers
) -> float | None:
    """Return how far the scrapes of a selector are apart, in seconds: as its samples show, else as the source says."""
    seen = [
        facts.interval
        for coverage in evidence.facts
        if isinstance(coverage, CoverageFacts)
        for facts in coverage.selectors
        if facts.selector == selector.selector and facts.interval is not None
    ]
    if seen:
        return max(seen)
    jobs = named_jobs(selector.selector)
    known = (
        [answers.interval(check.place, job) for job in jobs]
        if jobs
        else [*answers.intervals(check.place).values()]
    )
    intervals = [interval for interval in known if interval is not None]
    return min(intervals, default=None)
