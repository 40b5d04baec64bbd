"""What chance alone does to a count, and to a share of counts: a value knows no better than the events that it counts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_telemetry_gate.promql.ast import Aggregate, Binary, Call, Expr, NumberLiteral, Paren
from pytest_telemetry_gate.support.numbers import is_same

__all__ = ["Counted", "count_events", "find_share"]


@dataclass(frozen=True, slots=True)
class Counted:
    """How many events a value of 1 stands for, 0 where it counts none, and of how many it is a share, if it is one."""

    events: float = 0.0
    total: float = math.inf

    def error(self, value: float) -> float:
        """Return the standard error that a value has by chance alone, in its unit: that of one event at least.

        Poisson's of a count; of a share, that of the rarer of what it counts and what it does not.
        """
        if not self.events:
            return 0.0
        count = abs(value) * self.events
        is_part = count <= self.total or is_same(count, self.total)
        rare = min(count, self.total - count) if is_part else count
        return math.sqrt(max(rare, 1.0)) / self.events


def count_events(expression: Expr, length: float) -> float:
    """Return how many events of a counter a value of 1 stands for, over a window of ``length`` seconds; 0 for anything else.

    A counter of bytes or seconds counts more than its events, which makes what follows from them smaller, never larger.
    """
    if isinstance(expression, Paren) or (isinstance(expression, Aggregate) and expression.op == "sum"):
        return count_events(expression.expr, length)
    scaled = _unscale(expression)
    if scaled is not None:
        return count_events(scaled[0], length) / scaled[1]
    if isinstance(expression, Call):
        return {"rate": length, "increase": 1.0}.get(expression.func, 0.0)
    return 0.0


def find_share(expression: Expr, length: float) -> tuple[Expr, float, float] | None:
    """Return of what a value is a share, if one count is divided by another; None for anything else.

    With it come the events that a value of 1 stands for where the divisor is 1, and those of a divisor of 1.
    """
    if isinstance(expression, Paren):
        return find_share(expression.expr, length)
    scaled = _unscale(expression)
    if scaled is not None:
        found = find_share(scaled[0], length)
        return None if found is None else (found[0], found[1] / scaled[1], found[2])
    if not isinstance(expression, Binary) or expression.op != "/":
        return None
    counted, divisor = count_events(expression.lhs, length), count_events(expression.rhs, length)
    return (expression.rhs, counted, divisor) if counted and divisor else None


def _unscale(expression: Expr) -> tuple[Expr, float] | None:
    """Return what is multiplied by a positive number, or divided by one, and that factor; None for anything else."""
    if not isinstance(expression, Binary) or expression.op not in {"*", "/"}:
        return None
    inner, by = expression.lhs, expression.rhs
    if expression.op == "*" and isinstance(inner, NumberLiteral):
        inner, by = by, inner
    if not isinstance(by, NumberLiteral) or by.value <= 0:
        return None
    return inner, by.value if expression.op == "*" else 1 / by.value
