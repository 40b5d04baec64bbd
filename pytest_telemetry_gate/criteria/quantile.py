"""How well the quantiles in a query are known, from the buckets that they were read from.

Prometheus answers the last finite bound for a quantile that lies beyond it (``BucketQuantile`` in its
``promql/quantile.go``), which is the best case and not the value. So the buckets are asked for as well:

- where all else in the query is arithmetic and aggregation of one quantile, the buckets themselves; what surrounds the
  quantile is then evaluated here, for the ends of what is known;
- else the same query once more, with one further bucket before ``+Inf`` whose bound is enormous: where the answer is
  another one, the quantile lies beyond the buckets somewhere;
- and where the query does not rise and fall with its quantiles, as a quotient of two does, whether any lies beyond.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_telemetry_gate.criteria.evidence import Problem, read_series
from pytest_telemetry_gate.criteria.query_units import constant
from pytest_telemetry_gate.criteria.reading import KNOWN, Reading
from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.model.questions import Instant, Query
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.promql import Engine, Matcher, MemoryStorage, ast
from pytest_telemetry_gate.promql.function_table import PROFILES
from pytest_telemetry_gate.promql.replacing import replace_nodes
from pytest_telemetry_gate.support.numbers import is_same

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answer, Answers
    from pytest_telemetry_gate.model.check import Check

__all__ = ["quantile_questions", "read_quantiles"]

_FAR = 1e200  # a bound that no measurement reaches, and that arithmetic does not carry to infinity
_BEYOND = 1e100  # further than anything that was measured, and less than a part of the way to that bound
_NAME = "telemetry_gate_quantile"
_QUANTILE = "histogram_quantile"
_ROUNDING = 1e-12  # relative: how far the counts of two buckets may differ and be equal, as in Prometheus

# What keeps the order of its argument's values: the larger a quantile, the larger the result, or the smaller behind a minus
_IN_ORDER = frozenset(
    [
        "abs", "avg", "avg_over_time", "bottomk", "ceil", "clamp", "clamp_max", "clamp_min", "floor", "label_join",
        "label_replace", "last_over_time", "max", "max_over_time", "min", "min_over_time", "quantile",
        "quantile_over_time", "round", "scalar", "sort", "sort_desc", "sum", "sum_over_time", "topk", "vector",
    ]
)  # fmt: skip

_Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is asked to know how well a query's quantiles are known.

    ``outer`` is the query with a selector in place of its only quantile, ``q``, where that can be evaluated here.
    """

    asked: Query
    outer: ast.Expr | None
    q: float
    in_order: bool


@dataclass(frozen=True, slots=True)
class _Group:
    """A quantile of one histogram: as it is answered, the furthest that it may be, and its bucket."""

    near: float
    far: float
    low: float
    high: float


def quantile_questions(check: Check, query: Query, time: float) -> Iterable[Instant]:
    """Yield the question that tells how well the quantiles of a query are known at a time (seconds), if it has any."""
    plan = _plan(query)
    if plan is not None:
        yield plan.asked.at(check.place, time)


def read_quantiles(
    check: Check, query: Query, time: float, answer: Answer, answers: Answers
) -> tuple[Problem | None, list[Reading]]:
    """Return what is known of each value of an answer to a query, in its order, or why that cannot be told."""
    labels, values = read_series(answer)
    plan = _plan(query)
    if plan is None or not values:
        return None, [KNOWN] * len(values)
    told = answers[plan.asked.at(check.place, time)]
    if told.error:
        return Problem(Outcome.ERROR, told.error, "quantile.error"), []
    if told.partial:
        reason = f"{told.source}: the answer about the buckets may be partial: {'; '.join(told.warnings)}"
        return Problem(Outcome.INCONCLUSIVE, reason, "quantile.partial"), []
    if plan.outer is None:
        return None, _compare(labels, values, told) if plan.in_order else _distrust(values, told)
    groups = _find_quantiles(plan.q, told)
    if not groups and not _has_other_side(plan.outer):
        finite = any(math.isfinite(value) for value in values)
        reason = f"the buckets of the quantile are not there: {plan.asked.text}"
        return Problem(Outcome.INCONCLUSIVE, reason, "quantile.no_buckets") if finite else None, [
            KNOWN
        ] * len(values)
    try:
        return None, _surround(plan.outer, groups, time, answer)
    except PromQLError as error:
        return Problem(Outcome.ERROR, f"{plan.asked.text}: {error}", "quantile.error"), []


@functools.lru_cache(maxsize=1024)
def _plan(query: Query) -> _Plan | None:
    if _QUANTILE not in query.text:
        return None  # as in most queries
    nodes = [node for node in ast.walk(query.expr) if isinstance(node, ast.Call) and _is_quantile(node)]
    if not nodes:
        return None
    node = nodes[0]
    q = constant(node.args[0])
    inside = sum(isinstance(part, ast.VectorSelector) for part in ast.walk(node))
    selectors = sum(isinstance(part, ast.VectorSelector) for part in ast.walk(query.expr))
    if len(nodes) == 1 and q is not None and inside == selectors and not _is_repeated(query.expr, node):
        buckets = ast.unwrapped(node.args[1])
        name = ast.VectorSelector(_NAME, (Matcher("__name__", "=", _NAME),))
        outer = replace_nodes(query.expr, {id(node): name})
        return _Plan(Query(str(buckets), buckets), outer, q, in_order=True)
    in_order = _keeps_order(query.expr)
    longer = {id(each): _with_far_bucket(each) for each in nodes}
    asked = replace_nodes(query.expr, longer) if in_order else _any_beyond(query.expr, nodes, longer)
    return _Plan(Query(str(asked), asked), None, math.nan, in_order)


def _is_quantile(node: ast.Expr) -> bool:
    return isinstance(node, ast.Call) and node.func == _QUANTILE


def _is_repeated(expression: ast.Expr, node: ast.Expr) -> bool:
    """Tell whether a node is evaluated at other times than the whole expression, by a subquery around it."""
    return any(isinstance(part, ast.Subquery) and _holds(part, node) for part in ast.walk(expression))


def _has_other_side(expression: ast.Expr) -> bool:
    return any(isinstance(node, ast.Binary) and node.op == "or" for node in ast.walk(expression))


def _keeps_order(node: ast.Expr) -> bool:
    """Tell whether the result rises, or falls, with every quantile in an expression."""
    if _is_quantile(node) or not any(map(_is_quantile, ast.walk(node))):
        return True
    match node:
        case ast.Call(func=name) | ast.Aggregate(op=name) if name not in _IN_ORDER:
            return False
        case ast.Binary(lhs=left, rhs=right, op=op, returns_bool=returns_bool):
            both = all(any(map(_is_quantile, ast.walk(side))) for side in (left, right))
            if returns_bool or op not in ({"+", "or"} if both else {"+", "-", "*", "/", "or"}):
                return False
    return all(map(_keeps_order, ast.children(node)))


def _any_beyond(expression: ast.Expr, nodes: Sequence[ast.Call], longer: Mapping[int, ast.Expr]) -> ast.Expr:
    """Return an expression that has a value where one of the quantiles lies beyond, at any time that it is evaluated at."""
    found: list[ast.Expr] = []
    for node in nodes:
        beyond: ast.Expr = _binary(">", longer[id(node)], ast.NumberLiteral(_BEYOND), "1:1")
        around = [
            part for part in ast.walk(expression) if isinstance(part, ast.Subquery) and _holds(part, node)
        ]
        for subquery in reversed(around):  # from the innermost
            times = dataclasses.replace(subquery, expr=ast.Paren(beyond, "vector"))
            beyond = ast.Call("count_over_time", (times,), "vector")
        found.append(ast.Aggregate("count", beyond, None, (), without=False))
    return functools.reduce(lambda left, right: _binary("or", left, right, "n:m"), found)


def _binary(op: str, left: ast.Expr, right: ast.Expr, card: str) -> ast.Binary:
    """Return an operation between vectors, or a vector and a number, that matches by all labels."""
    return ast.Binary(
        op, left, right, returns_bool=False, card=card, on=False, matching=(), include=(), type="vector"
    )


def _holds(expression: ast.Expr, node: ast.Expr) -> bool:
    return any(part is node for part in ast.walk(expression))


def _with_far_bucket(call: ast.Call) -> ast.Expr:
    """Return a quantile of the same buckets and one more before ``+Inf``, which holds all that is beyond the last."""
    buckets = ast.Paren(ast.unwrapped(call.args[1]), "vector")
    texts = tuple(map(ast.StringLiteral, ("le", f"{_FAR:g}", "le", r"\+Inf")))
    further = ast.Call("label_replace", (buckets, *texts), "vector")
    both = _binary("or", buckets, further, "n:m")
    return ast.Call(call.func, (call.args[0], both), call.type)


def _find_quantiles(q: float, answer: Answer) -> dict[_Labels, _Group]:
    """Return the quantile of each histogram that the buckets in an answer make, by its labels."""
    histograms: dict[_Labels, dict[float, float]] = {}
    for labels, count in zip(*read_series(answer), strict=True):
        try:
            bound = float(labels.get("le", ""))
        except ValueError:
            continue
        rest = frozenset((name, value) for name, value in labels.items() if name not in {"le", "__name__"})
        counts = histograms.setdefault(rest, {})
        counts[bound] = counts.get(bound, 0.0) + count
    found = {rest: _find_quantile(q, sorted(counts.items())) for rest, counts in histograms.items()}
    return {rest: group for rest, group in found.items() if group is not None}


def _find_quantile(q: float, buckets: Sequence[tuple[float, float]]) -> _Group | None:
    """Return the quantile of cumulative counts by bound; None where Prometheus has none."""
    bounds = [bound for bound, _ in buckets]
    counts = np.maximum.accumulate([count for _, count in buckets])
    if len(bounds) < 2 or bounds[-1] != math.inf or not counts[-1] > 0 or not 0 <= q <= 1:
        return None
    rank = q * float(counts[-1])
    index = int(np.argmax(counts >= rank * (1 - _ROUNDING)))
    if index == len(bounds) - 1:
        return _Group(bounds[-2], _FAR, bounds[-2], _FAR)
    if index == 0 and bounds[0] <= 0:
        return _Group(bounds[0], -_FAR, -_FAR, bounds[0])
    low = bounds[index - 1] if index else 0.0
    before = float(counts[index - 1]) if index else 0.0
    inside = float(counts[index]) - before
    value = low + (bounds[index] - low) * ((rank - before) / inside if inside else 1.0)
    return _Group(value, value, low, bounds[index])


def _surround(
    outer: ast.Expr,
    groups: Mapping[_Labels, _Group],
    time: float,
    answer: Answer,
) -> list[Reading]:
    """Return what is known of the values in the answer to a query around a quantile whose groups are known so well."""
    semantics = answer.semantics if answer.semantics in PROFILES else "3"

    def around(name: str) -> dict[_Labels, float]:
        if isinstance(ast.unwrapped(outer), ast.VectorSelector):
            return {rest: getattr(group, name) for rest, group in groups.items()}
        at = np.array([round(time * 1000)], dtype=np.int64)
        series = [
            ({"__name__": _NAME, **dict(rest)}, at, np.array([getattr(group, name)]))
            for rest, group in groups.items()
        ]
        engine = Engine(MemoryStorage(series), semantics)
        result = dataclasses.replace(answer, value=engine.instant(outer, time))
        return {_identity(one): value for one, value in zip(*read_series(result), strict=True)}

    low, high = around("low"), around("high")
    is_beyond = any(group.far != group.near for group in groups.values())
    near, far = (around("near"), around("far")) if is_beyond else ({}, {})
    readings = []
    for one, value in zip(*read_series(answer), strict=True):
        key = _identity(one)
        ends = sorted((low.get(key, math.nan), high.get(key, math.nan)))
        if is_beyond and (key not in near or not _is_equal(near[key], far.get(key))):
            readings.append(_open(value, far.get(key)))
        elif max(map(abs, ends)) < _BEYOND and ends[0] < ends[1]:
            readings.append(Reading(bucket=(ends[0], ends[1])))
        else:
            readings.append(KNOWN)
    return readings


def _compare(labels: Sequence[Mapping[str, str]], values: Sequence[float], longer: Answer) -> list[Reading]:
    """Return what is known of the values, from the answer with one more bucket."""
    others = {_identity(one): value for one, value in zip(*read_series(longer), strict=True)}
    readings = []
    for one, value in zip(labels, values, strict=True):
        other = others.get(_identity(one))
        readings.append(KNOWN if _is_equal(value, other) else _open(value, other))
    return readings


def _distrust(values: Sequence[float], beyond: Answer) -> list[Reading]:
    """Return what is known of the values: anything at all where some quantile lies beyond."""
    _, found = read_series(beyond)
    return [Reading(-math.inf, math.inf) if found else KNOWN] * len(values)


def _open(value: float, far: float | None) -> Reading:
    """Return the reading of a value that may be anywhere towards ``far``, or anywhere at all without it."""
    if far is None or math.isnan(far):
        return Reading(-math.inf, math.inf)
    if math.isinf(far) or abs(far) > 1e100:
        far = math.copysign(math.inf, far)
    return Reading(min(value, far), max(value, far))


def _is_equal(value: float | None, other: float | None) -> bool:
    if value is None or other is None:
        return value is other
    return is_same(value, other) or (math.isnan(value) and math.isnan(other))


def _identity(labels: Mapping[str, str]) -> _Labels:
    return frozenset((name, value) for name, value in labels.items() if name != "__name__" and value)
