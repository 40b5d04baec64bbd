"""Check a criterion's PromQL where it is written: a query that cannot work is an error of the file, not of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from pytest_telemetry_gate.promql import ast
from pytest_telemetry_gate.support.units import dimension, suffix_unit

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Query

__all__ = ["SELECTOR", "VALUES", "Allowed", "check_queries"]

Allowed: TypeAlias = frozenset[str]
VALUES: Allowed = frozenset({"scalar", "vector"})
SELECTOR: Allowed = frozenset({"selector"})

# Functions and aggregations whose result has the unit of their argument
_KEEPS_UNIT = frozenset(
    [
        "avg_over_time",
        "min_over_time",
        "max_over_time",
        "sum_over_time",
        "last_over_time",
        "first_over_time",
        "quantile_over_time",
        "mad_over_time",
        "stddev_over_time",
        "increase",
        "delta",
        "idelta",
        "abs",
        "ceil",
        "floor",
        "round",
        "clamp",
        "clamp_min",
        "clamp_max",
        "sort",
        "sort_desc",
        "histogram_quantile",
        "label_replace",
        "label_join",
        "predict_linear",
        "scalar",
        "vector",
    ]
)
_KEEPS_UNIT_AGGREGATIONS = frozenset(
    ["avg", "min", "max", "sum", "quantile", "topk", "bottomk", "stddev", "limitk"]
)


def check_queries(check: Check) -> None:
    """Expand and parse everything that a check would ask; raises SuiteError at the criterion's line."""
    criterion = check.criterion
    baseline = check.suite.baseline if criterion.baseline is None else criterion.baseline
    for key, (text, allowed) in criterion.expressions().items():
        _check(check, key, check.query(key, text), allowed)
    if criterion.up is not None:
        _check(check, "up", check.query("up", criterion.up), SELECTOR)
    if baseline is not None and not isinstance(baseline, float) and baseline.query is not None:
        query = check.query("baseline", baseline.query, window=baseline.window)
        _check(check, "baseline", query, VALUES)


def _check(check: Check, key: str, query: Query, allowed: Allowed) -> None:
    promql, expression = query.text, query.expr
    if allowed == SELECTOR:
        if not isinstance(expression, ast.VectorSelector) or expression.offset or expression.at is not None:
            raise check.error(f"{key}: {promql!r} is not a plain selector such as 'metric{{job=\"x\"}}'")
    elif expression.type not in allowed:
        hint = ": add a function such as rate() or avg_over_time()" if expression.type == "matrix" else ""
        raise check.error(f"{key}: {promql!r} yields a {expression.type}, not values{hint}")
    else:
        _check_unit(check, key, expression)


def _check_unit(check: Check, key: str, expression: ast.Expr) -> None:
    """Refuse a unit that contradicts the metric's own name, where the expression keeps the metric's unit."""
    unit = check.criterion.unit
    metric = _metric(expression)
    promised = None if metric is None else suffix_unit(metric)
    if key not in {"query", "baseline"} or not unit or promised is None:
        return
    if unit != promised and not _equal(unit, promised):
        raise check.error(
            f"unit: {unit!r} contradicts the name of {metric!r} in `{key}`, which is in {promised!r}"
        )


def _equal(unit: str, other: str) -> bool:
    return {unit, other} in ({"m", "min"}, {"us", "µs"}) and dimension(unit) == dimension(other)


def _metric(expression: ast.Expr) -> str | None:
    """Return the metric whose unit the expression still has, or None."""
    while True:
        match expression:
            case ast.VectorSelector():
                return expression.name or None
            case ast.MatrixSelector():
                expression = expression.selector
            case ast.Paren() | ast.Unary() | ast.Subquery():
                expression = expression.expr
            case ast.Aggregate() if expression.op in _KEEPS_UNIT_AGGREGATIONS:
                expression = expression.expr
            case ast.Call() if expression.func in _KEEPS_UNIT or expression.func == "rate":
                inner = [argument for argument in expression.args if argument.type in {"vector", "matrix"}]
                if len(inner) != 1 or (expression.func == "rate" and not _is_bucket(inner[0])):
                    return None
                expression = inner[0]
            case _:
                return None


def _is_bucket(expression: ast.Expr) -> bool:
    """Tell a histogram's buckets: their rate stands for the distribution, whose unit is in the name."""
    if isinstance(expression, ast.MatrixSelector):
        return expression.selector.name.endswith("_bucket")
    return False
