"""What an alerting expression needs in order to see anything, and what it would yield without its comparisons."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.promql import ast

__all__ = ["Sight", "needed_selectors", "sight", "without_comparisons", "without_matchers"]

_COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
_OF_ABSENCE = frozenset({"absent", "absent_over_time"})
_Node = TypeVar("_Node", bound=ast.Expr)


@dataclasses.dataclass(frozen=True, slots=True)
class Sight:
    """At which moments an expression has what it reads (bool[moments]), and the selectors that lack at some of them."""

    present: NDArray[np.bool_]
    lacking: tuple[ast.VectorSelector, ...]


def needed_selectors(expr: ast.Expr) -> Iterator[ast.VectorSelector]:
    """Yield the selectors without whose samples an expression may be blind.

    Those within ``absent()`` are not among them, nor is the right side of ``unless``: the fewer samples, the more it
    yields.
    """
    match expr:
        case ast.VectorSelector():
            yield expr
        case ast.Call() if expr.func in _OF_ABSENCE:
            return
        case ast.Binary(op="unless"):
            yield from needed_selectors(expr.lhs)
        case _:
            for child in ast.children(expr):
                yield from needed_selectors(child)


def sight(expr: ast.Expr, presence: Mapping[ast.VectorSelector, NDArray[np.bool_]], moments: int) -> Sight:
    """Return when an expression has what it needs; ``presence`` tells it of each needed selector, bool[moments].

    Of ``or`` either side will do, if it reads anything; everything else needs all its parts.
    """
    match expr:
        case ast.VectorSelector():
            present = presence[expr]
            return Sight(present, () if present.all() else (expr,))
        case ast.Call() if expr.func in _OF_ABSENCE:
            return Sight(np.ones(moments, dtype=np.bool_), ())
        case ast.Binary(op="unless"):
            return sight(expr.lhs, presence, moments)
    parts = [sight(child, presence, moments) for child in ast.children(expr)]
    if isinstance(expr, ast.Binary) and expr.op == "or":
        left, right = parts
        if _reads(expr.lhs) and _reads(expr.rhs):
            present = left.present | right.present
            return Sight(present, () if present.all() else (*left.lacking, *right.lacking))
    present = np.ones(moments, dtype=np.bool_)
    for part in parts:
        present = present & part.present
    return Sight(present, tuple(selector for part in parts for selector in part.lacking))


def without_comparisons(expr: ast.Expr) -> ast.Expr:
    """Return an expression that yields every series that this one may ever yield.

    Of ``and`` and ``unless`` the left side is left; ``absent()`` yields what it would of a selector without samples.
    """
    match expr:
        case ast.Binary() if expr.op in _COMPARISONS and not expr.returns_bool:
            left, right = without_comparisons(expr.lhs), without_comparisons(expr.rhs)
            if left.type == "scalar":
                return right
            if right.type == "scalar":
                return left
            # Which series meet, and which labels they have then, is the same of any operator.
            return dataclasses.replace(expr, op="-", lhs=_enclosed(left), rhs=_enclosed(right))
        case ast.Binary(op="and") | ast.Binary(op="unless"):
            return without_comparisons(expr.lhs)
        case ast.Binary():
            left, right = without_comparisons(expr.lhs), without_comparisons(expr.rhs)
            return dataclasses.replace(expr, lhs=_enclosed(left), rhs=_enclosed(right))
        case ast.Call() if expr.func in _OF_ABSENCE:
            return _absence(expr)
        case ast.Call():
            return dataclasses.replace(expr, args=tuple(map(without_comparisons, expr.args)))
        case ast.Aggregate() | ast.Paren():
            return dataclasses.replace(expr, expr=without_comparisons(expr.expr))
        case ast.Unary() | ast.Subquery():
            return dataclasses.replace(expr, expr=_enclosed(without_comparisons(expr.expr)))
    return expr


def without_matchers(expr: _Node, kept: Collection[str]) -> _Node:
    """Return an expression whose selectors have only the matchers of the name and of some labels."""
    match expr:
        case ast.VectorSelector():
            matchers = tuple(
                matcher for matcher in expr.matchers if matcher.name == "__name__" or matcher.name in kept
            )
            # Without a name the others are all that it has.
            return dataclasses.replace(expr, matchers=matchers) if expr.name else expr
        case ast.MatrixSelector():
            return dataclasses.replace(expr, selector=without_matchers(expr.selector, kept))
        case ast.Call():
            return dataclasses.replace(expr, args=tuple(without_matchers(part, kept) for part in expr.args))
        case ast.Binary():
            sides = without_matchers(expr.lhs, kept), without_matchers(expr.rhs, kept)
            return dataclasses.replace(expr, lhs=sides[0], rhs=sides[1])
        case ast.Aggregate() | ast.Paren() | ast.Unary() | ast.Subquery():
            return dataclasses.replace(expr, expr=without_matchers(expr.expr, kept))
    return expr


def _reads(expr: ast.Expr) -> bool:
    return any(isinstance(node, ast.VectorSelector) for node in ast.walk(expr))


def _enclosed(expr: ast.Expr) -> ast.Expr:
    """Return an expression in parentheses, where it could otherwise be read in another way."""
    return ast.Paren(expr, expr.type) if isinstance(expr, ast.Binary | ast.Unary) else expr


def _absence(call: ast.Call) -> ast.Expr:
    """Return what a call of ``absent()`` yields where there are no samples: one series, with the labels it asks for."""
    argument = ast.unwrapped(call.args[0])
    selector = argument.selector if isinstance(argument, ast.MatrixSelector) else argument
    result: ast.Expr = ast.Call("vector", (ast.NumberLiteral(1.0),), "vector")
    if isinstance(selector, ast.VectorSelector):
        for matcher in selector.matchers:
            if matcher.op == "=" and matcher.name != "__name__":
                texts = (matcher.name, matcher.value.replace("$", "$$"), "", "")
                literals = tuple(map(ast.StringLiteral, texts))
                result = ast.Call("label_replace", (result, *literals), "vector")
    return result
