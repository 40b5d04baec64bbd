"""The tree of an expression: frozen, with a printer that writes PromQL which parses back to the same tree.

Durations and times are whole milliseconds. Every node has a ``type``: scalar, vector, matrix or string.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from pytest_telemetry_gate.promql.labels import Matcher, label_name, quote
from pytest_telemetry_gate.support.durations import format_milliseconds

__all__ = [
    "Aggregate",
    "Binary",
    "Call",
    "Expr",
    "MatrixSelector",
    "NumberLiteral",
    "Paren",
    "StringLiteral",
    "Subquery",
    "Unary",
    "VectorSelector",
    "children",
    "walk",
]

At: TypeAlias = "int | str | None"  # milliseconds since the epoch, "start" or "end"
_METRIC = re.compile(
    r"(?!(?:and|or|unless|atan2|fill|fill_left|fill_right|bool|on|ignoring|group_left|group_right|by|without|offset|inf|nan|start|end)$)[a-zA-Z_:][a-zA-Z0-9_:]*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class NumberLiteral:
    value: float
    type = "scalar"

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "NaN"
        if math.isinf(self.value):
            return "+Inf" if self.value > 0 else "-Inf"
        return repr(self.value)


@dataclass(frozen=True, slots=True)
class StringLiteral:
    value: str
    type = "string"

    def __str__(self) -> str:
        return quote(self.value)


@dataclass(frozen=True, slots=True)
class VectorSelector:
    """``matchers`` hold the one on ``__name__`` as well; ``name`` is its value where it is an equality."""

    name: str
    matchers: tuple[Matcher, ...]
    offset: int = 0
    at: At = None
    type = "vector"

    @property
    def selector(self) -> str:
        """The selector without its offset and ``@``."""
        return _write_selector(self.name, self.matchers)

    def __str__(self) -> str:
        return f"{self.selector}{_modifiers(self.offset, self.at)}"


@dataclass(frozen=True, slots=True)
class MatrixSelector:
    selector: VectorSelector
    range: int
    type = "matrix"

    def __str__(self) -> str:
        inner = self.selector
        return f"{inner.selector}[{format_milliseconds(self.range)}]{_modifiers(inner.offset, inner.at)}"


@dataclass(frozen=True, slots=True)
class Subquery:
    expr: Expr
    range: int
    step: int | None
    offset: int = 0
    at: At = None
    type = "matrix"

    def __str__(self) -> str:
        step = "" if self.step is None else format_milliseconds(self.step)
        return f"{self.expr}[{format_milliseconds(self.range)}:{step}]{_modifiers(self.offset, self.at)}"


@dataclass(frozen=True, slots=True)
class Call:
    func: str
    args: tuple[Expr, ...]
    type: str

    def __str__(self) -> str:
        return f"{self.func}({', '.join(map(str, self.args))})"


@dataclass(frozen=True, slots=True)
class Aggregate:
    op: str
    expr: Expr
    param: Expr | None
    labels: tuple[str, ...]
    without: bool
    type = "vector"

    def __str__(self) -> str:
        grouping = ""
        if self.labels or self.without:
            grouping = f" {'without' if self.without else 'by'} ({_names(self.labels)}) "
        inside = f"{self.param}, {self.expr}" if self.param is not None else f"{self.expr}"
        return f"{self.op}{grouping}({inside})"


@dataclass(frozen=True, slots=True)
class Binary:
    """``card`` is ``1:1``, ``n:1``, ``1:n`` or ``n:m``; ``include`` are the labels of group_left or group_right."""

    op: str
    lhs: Expr
    rhs: Expr
    returns_bool: bool
    card: str
    on: bool
    matching: tuple[str, ...]
    include: tuple[str, ...]
    type: str

    def __str__(self) -> str:
        parts = [str(self.lhs), self.op]
        if self.returns_bool:
            parts.append("bool")
        if self.on or self.matching:
            parts.append(f"{'on' if self.on else 'ignoring'} ({_names(self.matching)})")
        if self.card in {"n:1", "1:n"}:
            parts.append(f"group_{'left' if self.card == 'n:1' else 'right'} ({_names(self.include)})")
        return " ".join([*parts, str(self.rhs)])


@dataclass(frozen=True, slots=True)
class Unary:
    expr: Expr
    type: str

    def __str__(self) -> str:
        return f"-{self.expr}"


@dataclass(frozen=True, slots=True)
class Paren:
    expr: Expr
    type: str

    def __str__(self) -> str:
        return f"({self.expr})"


Expr: TypeAlias = (
    NumberLiteral
    | StringLiteral
    | VectorSelector
    | MatrixSelector
    | Subquery
    | Call
    | Aggregate
    | Binary
    | Unary
    | Paren
)


def walk(expr: Expr) -> Iterator[Expr]:
    """Yield a node and everything below it."""
    yield expr
    for child in children(expr):
        yield from walk(child)


def children(expr: Expr) -> tuple[Expr, ...]:
    """Return the nodes directly below a node."""
    match expr:
        case MatrixSelector():
            return (expr.selector,)
        case Call():
            return expr.args
        case Aggregate():
            return (expr.expr,) if expr.param is None else (expr.param, expr.expr)
        case Binary():
            return (expr.lhs, expr.rhs)
        case Subquery() | Unary() | Paren():
            return (expr.expr,)
        case _:
            return ()


def unwrapped(expr: Expr) -> Expr:
    """Return what stands inside parentheses."""
    while isinstance(expr, Paren):
        expr = expr.expr
    return expr


@lru_cache(maxsize=4096)
def _write_selector(name: str, matchers: tuple[Matcher, ...]) -> str:
    names = [matcher for matcher in matchers if matcher.name == "__name__"]
    plain = names == [Matcher("__name__", "=", name)] and _METRIC.fullmatch(name)
    bare = name if plain else ""
    rest = [matcher for matcher in matchers if not bare or matcher.name != "__name__"]
    inside = ", ".join(str(matcher) for matcher in rest)
    return f"{bare}{{{inside}}}" if inside or not bare else bare


def _names(labels: tuple[str, ...]) -> str:
    return ", ".join(map(label_name, labels))


def _modifiers(offset: int, at: At) -> str:
    text = ""
    if isinstance(at, str):
        text += f" @ {at}()"
    elif at is not None:
        whole, rest = divmod(abs(at), 1000)
        text += f" @ {'-' if at < 0 else ''}{whole}.{rest:03}"
    if offset:
        text += f" offset {format_milliseconds(offset)}"
    return text
