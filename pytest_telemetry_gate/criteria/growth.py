"""How the value of a query grows with its window: what its parts are to the whole.

The same expression with two windows is one tree with two lengths; how they differ tells what hangs on the window.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pytest_telemetry_gate.promql.ast import (
    Aggregate,
    Binary,
    Call,
    Expr,
    MatrixSelector,
    NumberLiteral,
    Paren,
    Subquery,
    Unary,
    VectorSelector,
    walk,
)

__all__ = ["find_growth"]

_LEVELS = frozenset(
    {
        "avg_over_time",
        "deriv",
        "mad_over_time",
        "quantile_over_time",
        "rate",
        "stddev_over_time",
        "stdvar_over_time",
    }
)
_SUMS = frozenset({"changes", "count_over_time", "delta", "increase", "resets", "sum_over_time"})
_SHARES = frozenset({"histogram_fraction", "histogram_quantile"})
_KEPT = frozenset(
    {
        "abs", "ceil", "clamp", "clamp_max", "clamp_min", "floor", "label_join", "label_replace", "round", "scalar",
        "sort", "sort_by_label", "sort_by_label_desc", "sort_desc", "vector",
    }
)  # fmt: skip
_COUNTS = frozenset({"count", "group"})
_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})


class _NeitherError(Exception):
    """The value of the whole window is neither that of a usual part nor the sum of all."""


def find_growth(whole: Expr, part: Expr) -> int | None:
    """Return how a value grows with its window: 0 where the whole has the value of a usual part, as a rate; 1 where it is the sum.

    ``whole`` and ``part`` are the same expression with a longer and a shorter window. None where it is neither, such as a
    maximum or the last value, and where nothing in it has the window: its parts tell nothing of the whole then.
    """
    if not any(_differs(one, other) for one, other in zip(walk(whole), walk(part), strict=True)):
        return None
    try:
        growth = _grow(whole, part)
    except _NeitherError:
        return None
    return growth if growth in {0, 1} else None


def _differs(whole: Expr, part: Expr) -> bool:
    match whole, part:
        case ((MatrixSelector() | Subquery()), (MatrixSelector() | Subquery())):
            return whole.range != part.range
    return False


def _grow(whole: Expr, part: Expr) -> int:
    """Return the power of the window's length with which a value grows; raises _NeitherError where there is none."""
    match whole, part:
        case ((VectorSelector() | MatrixSelector() | Subquery()), _):
            return _same(whole, part)
        case NumberLiteral(), NumberLiteral():
            return int(whole.value != part.value)
        case ((Paren() | Unary()), (Paren() | Unary())):
            return _grow(whole.expr, part.expr)
        case Aggregate(), Aggregate():
            inner = _grow(whole.expr, part.expr)
            return 0 if whole.op in _COUNTS else _only(inner, whole.op in {"count_values", "stdvar"})
        case Call(), Call():
            return _grow_call(whole, part)
        case Binary(), Binary():
            return _grow_binary(whole, part)
    return 0


def _same(whole: Expr, part: Expr) -> int:
    """Return nothing for what is read at one moment; an offset by the window is another moment for each part."""
    if getattr(_selected(whole), "offset", 0) != getattr(_selected(part), "offset", 0):
        raise _NeitherError
    return _grow(whole.expr, part.expr) if isinstance(whole, Subquery) and isinstance(part, Subquery) else 0


def _selected(expression: Expr) -> Expr:
    return expression.selector if isinstance(expression, MatrixSelector) else expression


def _grow_call(whole: Call, part: Call) -> int:
    pairs = list(zip(whole.args, part.args, strict=True))
    grown = [_grow(*pair) for pair in pairs]
    ranges = [pair for pair in pairs if isinstance(pair[0], MatrixSelector | Subquery)]
    if ranges:
        most = max(grown, default=0)
        if not any(_differs(*pair) for pair in ranges):
            return _only(most, most != 0)
        if whole.func in _LEVELS:
            return most
        if whole.func in _SUMS:
            return most + 1
        raise _NeitherError
    if whole.func in _SHARES:
        return 0
    most = max(grown, default=0)
    return _only(most, most != 0 and whole.func not in _KEPT)


def _grow_binary(whole: Binary, part: Binary) -> int:
    left, right = _grow(whole.lhs, part.lhs), _grow(whole.rhs, part.rhs)
    if whole.op in _COMPARISONS:
        return _only(left, whole.returns_bool)
    joined: Mapping[str, Callable[[], int]] = {
        "*": lambda: left + right,
        "/": lambda: left - right,
        "and": lambda: left,
        "unless": lambda: left,
        "or": lambda: left if _is_number(whole.rhs) else _only(left, left != right),
    }
    if whole.op in joined:
        return joined[whole.op]()
    return _only(left, left != right or (left != 0 and whole.op not in {"+", "-"}))


def _only(growth: int, is_neither: bool) -> int:
    if is_neither:
        raise _NeitherError
    return growth


def _is_number(expression: Expr) -> bool:
    return all(isinstance(node, NumberLiteral | Call | Paren) for node in walk(expression))
