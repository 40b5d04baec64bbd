"""Small faults for a source file, each one change at one place, that could make a gate pass which must not.

Comparisons are turned round and their bounds moved, ``and`` and ``or``, ``any`` and ``all``, ``min`` and ``max``, plus and
minus swapped, ``not`` removed, outcomes made a pass, and what follows an ``if`` without ``else`` left out. What only chooses
the words of a text is left alone: it opens no gate.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Mutant", "mutants_of"]

_COMPARISONS: dict[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">=")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<=")),
    ast.GtE: (">=", (">", "<")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: ("not in", ("in",)),
}
_CALLS = {"any": "all", "all": "any", "min": "max", "max": "min"}
_OPERATORS: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
}
_OPEN = frozenset({"INCONCLUSIVE", "ERROR", "FAIL", "PENDING"})


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: the kind of it, its 1-based lines, what stood there and what stands there instead.

    ``line`` and ``last`` are the lines of the expression that it changes, ``start`` and ``end`` the place in the file's bytes.
    """

    kind: str
    line: int
    last: int
    before: str
    after: str
    start: int
    end: int

    def apply(self, source: bytes) -> bytes:
        """Return the file with the change."""
        return source[: self.start] + self.after.encode() + source[self.end :]

    def __str__(self) -> str:
        return f"{self.line}: {self.kind}: {' '.join(self.before.split())[:60]} -> {self.after[:60]}"


def mutants_of(source: bytes) -> list[Mutant]:
    """Return all mutants of the functions of a file, in the order of their places."""
    tree = ast.parse(source)
    maker = _Maker(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    words = {node for function in functions for node in _words(function)}
    judging = {node: None for function in functions for node in _judging(function) if node not in words}
    found = [mutant for node in judging for mutant in maker.of(node)]
    return sorted(found, key=lambda mutant: (mutant.start, mutant.end, mutant.after))


def _judging(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that are executed: not annotations, decorators and what checks types alone."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "type_comment"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST):
                continue
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            yield child
            yield from _judging(child)


def _words(function: ast.FunctionDef) -> set[ast.AST]:
    """Return the nodes of a function that only choose the words of a text, which is there with any words.

    These are all that an f-string has in it, what is assigned to a name that is used in f-strings alone, and a function
    that returns f-strings alone.
    """
    nodes = list(ast.walk(function))
    returned = [node.value for node in nodes if isinstance(node, ast.Return)]
    if returned and all(isinstance(value, ast.JoinedStr) and _has_words(value) for value in returned):
        return set(nodes)
    words = {part for node in nodes if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    assigned = [node for node in nodes if isinstance(node, ast.Assign)]
    before = -1
    while len(words) != before:
        before = len(words)
        for node in assigned:
            match node.targets:
                case [ast.Name(id=name)]:
                    uses = [use for use in nodes if _is_use(use, name)]
                    if uses and words.issuperset(uses):
                        words.update(ast.walk(node.value))
    return words


def _has_words(text: ast.JoinedStr) -> bool:
    return any(isinstance(part, ast.Constant) for part in text.values)


def _is_use(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)


class _Maker:
    """Makes the mutants of a node of one file."""

    def __init__(self, source: bytes) -> None:
        self._source = source
        self._lines = [0]
        for line in source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def of(self, node: ast.AST) -> Iterator[Mutant]:
        match node:
            case ast.Compare():
                yield from self._comparisons(node)
            case ast.BoolOp():
                old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
                for left, right in zip(node.values, node.values[1:], strict=False):
                    yield from self._between("and/or", left, right, old, (new,))
            case ast.BinOp(op=op) if type(op) in _OPERATORS and not _is_text(node):
                old, new = _OPERATORS[type(op)]
                yield from self._between("arithmetic", node.left, node.right, old, (new,))
            case ast.Call(func=ast.Name(id=name) as func) if name in _CALLS:
                kind = "any/all" if name in {"any", "all"} else "min/max"
                yield self._replaced(kind, func, _CALLS[name])
            case ast.UnaryOp(op=ast.Not()):
                yield self._replaced("not", node, f"bool({self._text(node.operand)})")
            case ast.Attribute(value=ast.Name(id="Outcome"), attr=attr) if attr in _OPEN:
                yield self._replaced("outcome", node, "Outcome.PASS")
            case ast.If(orelse=[]):
                yield self._replaced("left out", node.test, "False")

    def _comparisons(self, node: ast.Compare) -> Iterator[Mutant]:
        left = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            old, others = _COMPARISONS[type(op)]
            yield from self._between("comparison", left, right, old, others)
            left = right

    def _between(
        self, kind: str, left: ast.expr, right: ast.expr, old: str, others: tuple[str, ...]
    ) -> Iterator[Mutant]:
        """Yield mutants of the operator between two operands."""
        first, last = self._end(left), self._start(right)
        word = r"\b" + old.replace(" ", r"\s+") + r"\b" if old[0].isalpha() else re.escape(old)
        match = re.search(word.encode(), self._source[first:last])
        if match is None:
            return
        start, end = first + match.start(), first + match.end()
        for new in others:
            before = self._source[start:end].decode()
            said = f"{self._text(left)} {before} {self._text(right)}"
            yield Mutant(kind, left.lineno, right.end_lineno or right.lineno, said, new, start, end)

    def _replaced(self, kind: str, node: ast.expr, new: str) -> Mutant:
        last = node.end_lineno or node.lineno
        return Mutant(kind, node.lineno, last, self._text(node), new, self._start(node), self._end(node))

    def _text(self, node: ast.expr) -> str:
        return self._source[self._start(node) : self._end(node)].decode()

    def _start(self, node: ast.expr) -> int:
        return self._lines[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.expr) -> int:
        return self._lines[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)


def _is_text(node: ast.BinOp) -> bool:
    """Tell whether an operator joins texts or sequences, which no minus does."""
    kinds = (ast.JoinedStr, ast.List, ast.Tuple)
    return any(
        isinstance(side, kinds) or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )
