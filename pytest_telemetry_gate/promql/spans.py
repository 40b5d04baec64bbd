"""The samples that an expression reads: its selectors, each with a stretch of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_telemetry_gate.promql import ast

__all__ = ["SelectorSpan", "spans"]


@dataclass(frozen=True, slots=True)
class SelectorSpan:
    """What one selector reads: all of the ``length`` ms up to ``end`` (ms since the epoch).

    With ``instant`` the server's lookback comes before each of these moments. Otherwise the selector's own range is part of
    ``length``. ``selector`` is without its offset and ``@``.
    """

    selector: str
    end: int
    length: int
    instant: bool


def spans(expression: ast.Expr, start: int, end: int) -> Iterator[SelectorSpan]:
    """Yield the spans of an expression that is evaluated from start to end (ms); for one moment they are equal."""
    yield from _Walk(start, end).within(expression, end, end - start)


@dataclass(frozen=True, slots=True)
class _Walk:
    """``start`` and ``end`` are the outermost query's, which ``@ start()`` and ``@ end()`` mean."""

    start: int
    end: int

    def within(self, node: ast.Expr, end: int, length: int) -> Iterator[SelectorSpan]:
        """Yield the spans below a node that is evaluated at moments of the ``length`` ms up to ``end``."""
        match node:
            case ast.VectorSelector():
                yield self._span(node, end, length, 0, instant=True)
            case ast.MatrixSelector():
                yield self._span(node.selector, end, length, node.range, instant=False)
            case ast.Subquery():
                moved_end, moved_length = self._shift(end, length, node.offset, node.at)
                yield from self.within(node.expr, moved_end, moved_length + node.range)
            case ast.Call():
                for argument in node.args:
                    yield from self.within(argument, end, length)
            case ast.Aggregate():
                for part in (node.param, node.expr):
                    if part is not None:
                        yield from self.within(part, end, length)
            case ast.Binary():
                yield from self.within(node.lhs, end, length)
                yield from self.within(node.rhs, end, length)
            case ast.Unary() | ast.Paren():
                yield from self.within(node.expr, end, length)

    def _span(
        self, selector: ast.VectorSelector, end: int, length: int, reach: int, *, instant: bool
    ) -> SelectorSpan:
        moved_end, moved_length = self._shift(end, length, selector.offset, selector.at)
        return SelectorSpan(selector.selector, moved_end, moved_length + reach, instant)

    def _shift(self, end: int, length: int, offset: int, at: ast.At) -> tuple[int, int]:
        """Return end and length after ``offset`` and ``@``; with ``@`` all moments become one."""
        if at is None:
            return end - offset, length
        fixed = at if isinstance(at, int) else {"start": self.start, "end": self.end}[at]
        return fixed - offset, 0
