"""Whether what `histogram_quantile` is given are the buckets of a histogram: they have the label `le`, and their name says so."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_telemetry_gate.criteria.query_units import constant
from pytest_telemetry_gate.promql import ast

__all__ = ["explain_infinity", "explain_quantile", "find_quantile_problem"]

_QUANTILE = "histogram_quantile"
_BUCKET = "_bucket"
_KEEPING = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})  # aggregations that keep the labels
_LABELLING = frozenset({"label_replace", "label_join"})


def find_quantile_problem(expression: ast.Expr) -> str:
    """Return what is wrong with a quantile of buckets, whatever the data are; nothing where it may be right."""
    for _, buckets in _quantiles(expression):
        names = _names(buckets)
        if names and all(_BUCKET in name for name in names) and _loses_le(buckets):
            return f"{_QUANTILE}: its series have no label `le`, which says the bucket: write `sum by (le) (...)`"
    return ""


def explain_quantile(expression: ast.Expr) -> str:
    """Return why a quantile has no value, as far as the query tells; nothing where it has all that is needed."""
    for _, buckets in _quantiles(expression):
        bare = next((name for name in _names(buckets) if _BUCKET not in name), "")
        if ":" in bare:
            return f"{_QUANTILE} needs buckets: does the rule {bare!r} keep the label `le`?"
        if bare:
            name = bare.removesuffix("_sum").removesuffix("_count")
            return f"{_QUANTILE} needs buckets: is {name + _BUCKET!r} meant instead of {bare!r}?"
        if _loses_le(buckets):
            return f"{_QUANTILE} needs the label `le`: write `sum by (le) (...)`"
    return ""


def explain_infinity(expression: ast.Expr) -> str:
    """Return which quantile is asked for that is none, and therefore infinite; nothing where all are from 0 to 1."""
    for node, _ in _quantiles(expression):
        q = constant(node.args[0])
        if q is not None and not 0 <= q <= 1:
            meant = f": is {q / 100:g} meant?" if 1 < q <= 100 else ""
            return f"{_QUANTILE}: {q:g} is not from 0 to 1{meant}"
    return ""


def _quantiles(expression: ast.Expr) -> Iterator[tuple[ast.Call, ast.Expr]]:
    for node in ast.walk(expression):
        if isinstance(node, ast.Call) and node.func == _QUANTILE:
            yield node, node.args[1]


def _names(expression: ast.Expr) -> list[str]:
    return [node.name for node in ast.walk(expression) if isinstance(node, ast.VectorSelector) and node.name]


def _loses_le(node: ast.Expr) -> bool:
    """Return whether the series of an expression certainly have no label `le`, whatever those that it reads have."""
    match node:
        case ast.Aggregate(op=op) if op in _KEEPING:
            return _loses_le(node.expr)
        case ast.Aggregate(op="count_values"):
            return False
        case ast.Aggregate():
            is_dropped = ("le" in node.labels) if node.without else ("le" not in node.labels)
            return is_dropped or _loses_le(node.expr)
        case ast.Call(func=func) if func in _LABELLING:
            target = node.args[1]
            makes_le = isinstance(target, ast.StringLiteral) and target.value == "le"
            return not makes_le and _loses_le(node.args[0])
        case ast.Call():
            inner = [argument for argument in node.args if argument.type in {"vector", "matrix"}]
            return bool(inner) and all(map(_loses_le, inner))
        case ast.Binary():
            return _loses_le_in_binary(node)
        case ast.Unary() | ast.Paren() | ast.Subquery():
            return _loses_le(node.expr)
    return False


def _loses_le_in_binary(node: ast.Binary) -> bool:
    if "le" in node.include:
        return False
    left, right = node.lhs, node.rhs
    if left.type == "scalar" or right.type == "scalar":
        return _loses_le(right if left.type == "scalar" else left)
    if node.op == "or":
        return _loses_le(left) and _loses_le(right)
    return _loses_le(left)
