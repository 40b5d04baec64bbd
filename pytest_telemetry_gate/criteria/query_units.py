"""What a query's own text says about the unit of its value: the metric's name, quotients, and factors such as 100.

By Prometheus' conventions a metric's name ends in the unit of its value. Names with a colon are recorded rules, of which
nothing is known.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_telemetry_gate.promql import ast
from pytest_telemetry_gate.support.numbers import is_same
from pytest_telemetry_gate.support.units import dimension, is_known, suffix_unit

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.terms import Terms

__all__ = ["constant", "find_unit_problem"]

# Functions and aggregations whose result has the unit of their argument
_KEEPS_UNIT_NAMES = (
    "abs avg_over_time ceil clamp clamp_max clamp_min delta double_exponential_smoothing first_over_time floor "
    "histogram_avg histogram_stddev holt_winters idelta increase label_join label_replace last_over_time mad_over_time "
    "max_over_time min_over_time predict_linear quantile_over_time round scalar sort sort_by_label sort_by_label_desc "
    "sort_desc stddev_over_time sum_over_time vector "
)
_KEEPS_UNIT = frozenset(_KEEPS_UNIT_NAMES.split())
_KEEPS_UNIT_AGGREGATIONS = frozenset(
    {"avg", "bottomk", "limit_ratio", "limitk", "max", "min", "quantile", "stddev", "sum", "topk"}
)
_PER_SECOND = frozenset({"deriv", "irate", "rate"})
_COUNTS = frozenset({"changes", "count_over_time", "histogram_count", "resets"})
_FILTERS = frozenset({"==", "!=", "<", "<=", ">", ">=", "and", "unless"})
_COUNT = ""  # the unit of what has none in its name
_ZERO_ANYWHERE = frozenset({"time", "bytes", "ratio"})  # dimensions in which 0 is 0 in every unit


@dataclass(frozen=True, slots=True)
class _Measure:
    """What a value is: ``factor`` times a product of units, each with its exponent.

    ``metric`` is the name whose unit it still has.
    """

    units: tuple[tuple[str, int], ...] = ()
    factor: float = 1.0
    metric: str = ""

    @property
    def is_share(self) -> bool:
        """Whether it is a number without a unit that was calculated, as a quotient of two like things is."""
        return not self.units and not self.metric


def find_unit_problem(terms: Terms, key: str, expression: ast.Expr) -> str:
    """Return how the unit of a criterion contradicts one of its expressions, or is missing; nothing if neither is so."""
    measure = _measure(expression)
    if measure is None:
        return ""
    if measure.metric:
        promised = suffix_unit(measure.metric) or ""
        if not terms.unit:
            return "" if key == "baseline" else _find_bare_limit(terms, measure.metric, promised)
        known = is_known(promised)
        if known and terms.unit != promised and not _equal(terms.unit, promised):
            return f"unit: {terms.unit!r} contradicts the name of {measure.metric!r} in `{key}`, which is in {promised!r}"
    elif measure.is_share and terms.unit == "%" and is_same(measure.factor, 1.0):
        return (
            f'unit: "%" would read 0.05 as 0.05 %, and `{key}` is a quotient that is not multiplied by 100: '
            "write `unit: ratio`, or multiply by 100"
        )
    elif measure.is_share and terms.unit == "ratio" and is_same(measure.factor, 100.0):
        return f'unit: ratio would read 5 as 500 %, and `{key}` is multiplied by 100: write `unit: "%"`'
    return ""


def _find_bare_limit(terms: Terms, metric: str, promised: str) -> str:
    limit = terms.expect
    if limit is None or limit.unit:
        return ""
    if dimension(promised) in _ZERO_ANYWHERE and limit.value == 0 and not limit.upper:
        return ""
    written = f'"{promised}"' if promised == "%" else promised
    other = {"s": "ms", "B": "MB", "ratio": "%"}.get(promised, "")
    also = f", which lets the limit be in {other} as well" if other else ""
    return (
        f"the limit {limit.shown()!r} says no unit, and {metric!r} is in {promised!r} by its name: "
        f"write `unit: {written}`{also}"
    )


def _equal(unit: str, other: str) -> bool:
    return {unit, other} in ({"m", "min"}, {"us", "µs"}) and dimension(unit) == dimension(other)


def _measure(expression: ast.Expr) -> _Measure | None:
    """Return what the value of an expression is, or None where its text does not say."""
    match expression:
        case ast.VectorSelector():
            return _of_metric(expression.name)
        case ast.MatrixSelector():
            return _measure(expression.selector)
        case ast.Paren() | ast.Unary() | ast.Subquery():
            return _measure(expression.expr)
        case ast.Aggregate() if expression.op in _KEEPS_UNIT_AGGREGATIONS:
            return _measure(expression.expr)
        case ast.Aggregate() if expression.op in {"count", "group"}:
            return _Measure(((_COUNT, 1),))
        case ast.Call():
            return _of_call(expression)
        case ast.Binary():
            return _of_binary(expression)
        case _:
            return None


def _of_metric(name: str) -> _Measure | None:
    if not name or ":" in name:
        return None
    unit = None if name.endswith("_bucket") else suffix_unit(name)
    if unit is None:
        return _Measure(((_COUNT, 1),))
    # Several shares in one product are a share, so that `ratio` has no exponent.
    return _Measure(() if unit == "ratio" else ((unit, 1),), metric=name)


def _of_call(call: ast.Call) -> _Measure | None:
    inner = [argument for argument in call.args if argument.type in {"vector", "matrix"}]
    if call.func == "histogram_quantile":
        return _of_buckets(inner[0])
    if call.func == "histogram_fraction":
        return _Measure()
    if call.func == "time":
        return _Measure((("s", 1),))
    if len(inner) != 1:
        return None
    if call.func in _COUNTS:
        return _Measure(((_COUNT, 1),))
    measure = _measure(inner[0])
    if call.func in _PER_SECOND and measure is not None:
        return _product(measure, _Measure((("s", 1),)), -1)
    return measure if call.func in _KEEPS_UNIT else None


def _of_buckets(expression: ast.Expr) -> _Measure | None:
    """Return what the bounds of a histogram are, by the only name that its buckets have."""
    names = {node.name for node in ast.walk(expression) if isinstance(node, ast.VectorSelector)}
    name = names.pop() if len(names) == 1 else ""
    if not name or ":" in name or suffix_unit(name) is None:
        return None
    return _Measure(((str(suffix_unit(name)), 1),), metric=name)


def _of_binary(node: ast.Binary) -> _Measure | None:
    left, right = constant(node.lhs), constant(node.rhs)
    if node.returns_bool:
        return None
    if node.op in _FILTERS:
        return _measure(node.lhs)
    if node.op in {"*", "/"}:
        sign = 1 if node.op == "*" else -1
        if right is not None:
            measure = _measure(node.lhs)
            return None if measure is None or right == 0 else _scaled(measure, right**sign)
        if left is not None:
            measure = _measure(node.rhs)
            return None if measure is None or sign < 0 else _scaled(measure, left)
        if node.op == "*" and (_is_one(node.rhs) or _is_one(node.lhs)):
            return _measure(node.lhs if _is_one(node.rhs) else node.rhs)
        return _of_quotient(node) or _of_product(node, sign)
    if node.op not in {"+", "-", "or"}:
        return None
    if right is not None or left is not None:
        return _measure(node.rhs if right is None else node.lhs)
    return _of_sum(_measure(node.lhs), _measure(node.rhs), node.op)


def _is_one(expression: ast.Expr) -> bool:
    """Tell whether a factor is 1 wherever it is: it only joins labels, as an `_info` metric does, or leaves out what is down."""
    node = ast.unwrapped(expression)
    if isinstance(node, ast.Aggregate) and node.op in {"max", "min", "group"}:
        node = ast.unwrapped(node.expr)
    return isinstance(node, ast.VectorSelector) and (node.name == "up" or node.name.endswith("_info"))


def _of_quotient(node: ast.Binary) -> _Measure | None:
    """Return the unit of an average: a sum by the number of its members, or that of a histogram or summary by its count."""
    total_measure = _measure(node.lhs)
    if node.op == "/" and total_measure is not None and total_measure.metric and _counts_members(node.rhs):
        return total_measure
    names = [
        {part.name for part in ast.walk(side) if isinstance(part, ast.VectorSelector)}
        for side in (node.lhs, node.rhs)
    ]
    if node.op != "/" or any(len(side) != 1 for side in names):
        return None
    total, count = (side.pop() for side in names)
    unit = suffix_unit(total)
    if not total.endswith("_sum") or count != f"{total.removesuffix('_sum')}_count" or unit is None:
        return None
    sides = [_measure(node.lhs), _measure(node.rhs)]
    return _Measure(((unit, 1),), metric=total) if all(side is not None for side in sides) else None


def _counts_members(expression: ast.Expr) -> bool:
    node = ast.unwrapped(expression)
    if isinstance(node, ast.Call):
        return node.func == "count_over_time"
    return isinstance(node, ast.Aggregate) and node.op == "count"


def _of_product(node: ast.Binary, sign: int) -> _Measure | None:
    left, right = _measure(node.lhs), _measure(node.rhs)
    if left is None or right is None:
        return None
    return _product(left, right, sign)


def _of_sum(left: _Measure | None, right: _Measure | None, op: str) -> _Measure | None:
    if left is None or right is None:
        return None
    if left.units != right.units or not is_same(left.factor, right.factor):
        return None
    if op == "or" and bool(left.metric) != bool(right.metric):
        return None
    return _Measure(left.units, left.factor, left.metric or right.metric)


def _product(left: _Measure, right: _Measure, sign: int) -> _Measure:
    """Return what a product is, or a quotient where the sign is negative.

    The seconds of a counter that grows by as many a second are a share of the time.
    """
    exponents = Counter(dict(left.units))
    for unit, exponent in right.units:
        exponents[unit] += sign * exponent
    units = tuple(sorted((unit, exponent) for unit, exponent in exponents.items() if exponent))
    return _Measure(units, left.factor * right.factor**sign)


def _scaled(measure: _Measure, factor: float) -> _Measure:
    return _Measure(measure.units, measure.factor * factor, measure.metric if factor == 1 else "")


def constant(expression: ast.Expr) -> float | None:
    """Return the value of an expression of numbers alone, or None."""
    match expression:
        case ast.NumberLiteral():
            return expression.value if math.isfinite(expression.value) else None
        case ast.Paren():
            return constant(expression.expr)
        case ast.Unary():
            inner = constant(expression.expr)
            return None if inner is None else -inner
        case ast.Call(func="vector" | "scalar", args=(argument,)):
            return constant(argument)
        case ast.Binary(op="*" | "/" | "+" | "-" as op):
            left, right = constant(expression.lhs), constant(expression.rhs)
            if left is None or right is None or (op == "/" and right == 0):
                return None
            return {"*": left * right, "+": left + right, "-": left - right, "/": left / (right or 1.0)}[op]
        case _:
            return None
