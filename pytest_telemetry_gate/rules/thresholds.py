"""The thresholds of alerting rules, held against the levels and limits of a suite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_telemetry_gate.promql import ast
from pytest_telemetry_gate.support.numbers import format_value, is_same

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.suite import Suite
    from pytest_telemetry_gate.rules.files import Rule

__all__ = ["Threshold", "compare_thresholds", "threshold_of"]

_COMPARISONS = (">", ">=", "<", "<=", "==", "!=")
_TURNED = {">": "<", ">=": "<=", "<": ">", "<=": ">="}
# How an alert fires where a limit is broken: the limit `< 400` by `>` or `>=`.
_BROKEN = {
    "<": (">", ">="),
    "<=": (">", ">="),
    ">": ("<", "<="),
    ">=": ("<", "<="),
    "==": ("!=", ">", "<"),
    "!=": ("==",),
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """The comparison by which an alert fires, with the number on the right side."""

    op: str
    value: float


def threshold_of(rule: Rule) -> Threshold | None:
    """Return the comparison with a number that an alert's expression is; None where it is none."""
    node = rule.expr
    while isinstance(node, ast.Paren):
        node = node.expr
    if not isinstance(node, ast.Binary) or node.op not in _COMPARISONS:
        return None
    right, left = _number(node.rhs), _number(node.lhs)
    if right is not None:
        return Threshold(node.op, right)
    return None if left is None else Threshold(_TURNED.get(node.op, node.op), left)


def compare_thresholds(
    rules: Mapping[str, Sequence[Rule]], wanted: Mapping[str, str], suite: Suite
) -> list[tuple[Rule, str]]:
    """Return the rules whose threshold is another than that of the level or criterion that belongs to their alert, and how."""
    return [
        (rule, said)
        for name, target in wanted.items()
        for rule in rules[name]
        for said in _difference(name, threshold_of(rule), target, suite)
    ]


def _difference(name: str, found: Threshold | None, target: str, suite: Suite) -> Iterator[str]:
    if found is None:
        yield f"{name} is no comparison with a number"
        return
    levels = {} if suite.levels is None else suite.levels.model_dump(exclude_none=True)
    if target in levels:
        share = float(levels[target])
        # The rule may count in percent or as a ratio.
        if not (is_same(found.value, share * 100) or is_same(found.value, share)) or found.op not in {
            ">",
            ">=",
        }:
            yield f"{name} fires at {found.op} {format_value(found.value)}, level {target} is at {format_value(share * 100, '%')}"
        return
    _, criterion = suite.find(target)
    limit = criterion.expect
    if limit is None:
        yield f"{target} has no limit"
        return
    unit = criterion.yielded_unit
    own = limit if not limit.unit or not unit else limit.converted(unit)
    bounds = [own.value] if own.upper is None else [own.value, own.upper]
    is_way = own.upper is not None or found.op in _BROKEN.get(own.op, ())
    if not is_way or not any(is_same(found.value, bound) for bound in bounds):
        yield f"{name} fires at {found.op} {format_value(found.value)}, {target} expects {limit.shown(criterion.shown_unit)}"


def _number(node: ast.Expr) -> float | None:
    match node:
        case ast.NumberLiteral():
            return float(node.value)
        case ast.Unary():
            value = _number(node.expr)
            return None if value is None else -value
        case ast.Paren():
            return _number(node.expr)
    return None
