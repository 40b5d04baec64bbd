"""Check a criterion's PromQL where it is written: a query that cannot work is an error of the file, not of the run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from pytest_telemetry_gate.criteria.baseline import control_query
from pytest_telemetry_gate.criteria.histograms import find_quantile_problem
from pytest_telemetry_gate.criteria.query_units import find_unit_problem
from pytest_telemetry_gate.criteria.source_query import check_source_query
from pytest_telemetry_gate.model.baseline import Baseline
from pytest_telemetry_gate.promql import ast

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Query

__all__ = ["SAMPLES", "SELECTOR", "VALUES", "Allowed", "check_queries"]

Allowed: TypeAlias = frozenset[str]
VALUES: Allowed = frozenset({"scalar", "vector"})
SELECTOR: Allowed = frozenset({"selector"})
SAMPLES: Allowed = frozenset({"matrix"})
_VALUED = frozenset({"query", "count", "baseline"})  # keys of what yields the value that the limit is about

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_CONTROLS = re.compile(r"[^\n\r\t -\x7e\xa0-\U0010ffff]|[\u2028\u2029]")


def check_queries(check: Check) -> None:
    """Expand and parse everything that a check would ask; raises SuiteError at the criterion's line."""
    criterion = check.criterion
    dialect = check.dialect if criterion.expressions() else None
    if dialect is not None:
        check_source_query(check, dialect)
        return
    if not criterion.coverage:
        raise check.error("coverage: `none` is for sources that cannot prove it; PromQL's samples do")
    baseline = check.suite.baseline_of(criterion)
    for key, (text, allowed) in criterion.expressions().items():
        _check(check, key, check.query(key, text), allowed)
    if criterion.up is not None:
        _check(check, "up", check.query("up", criterion.up), SELECTOR)
    if isinstance(baseline, Baseline):
        _check_baseline(check, baseline)


def _check_baseline(check: Check, baseline: Baseline) -> None:
    """Check the query of a baseline that is of the checkpoint itself: another one, or that of a control group."""
    own = check.criterion.expressions().get("query")
    if baseline.query is not None:
        query = check.query("baseline", baseline.query, window=baseline.window)
        _check(check, "baseline", query, VALUES)
    elif baseline.control is not None and own is not None:
        wrong = next((name for name in baseline.control if not _LABEL.fullmatch(name)), None)
        if wrong is not None:
            raise check.error(f"baseline.control: {wrong!r} is no name of a label")
        query = control_query(check.query("baseline", own[0], window=baseline.window), baseline.control)
    else:
        return
    if own is not None and str(check.query("query", own[0]).expr) == str(query.expr):
        raise check.error(
            f"baseline: {query.text!r} is the query itself at the same time: its variance would always be 0"
        )


def _check(check: Check, key: str, query: Query, allowed: Allowed) -> None:
    promql, expression = query.text, query.expr
    control = _CONTROLS.search(promql)
    if control is not None:
        hint = "'\\b' in double quotes is a backspace, for example: put the query in single quotes"
        raise check.error(f"{key}: holds the control character {control[0]!r}; {hint}")
    problem = find_unit_problem(check.criterion, key, expression) if key in _VALUED else ""
    problem = find_quantile_problem(expression) or problem
    if allowed == SELECTOR:
        if not isinstance(expression, ast.VectorSelector) or expression.offset or expression.at is not None:
            raise check.error(f"{key}: {promql!r} is not a plain selector such as 'metric{{job=\"x\"}}'")
    elif expression.type not in allowed:
        hint = ": add a function such as rate() or avg_over_time()" if expression.type == "matrix" else ""
        raise check.error(f"{key}: {promql!r} yields a {expression.type}, not values{hint}")
    if problem:
        raise check.error(problem)
