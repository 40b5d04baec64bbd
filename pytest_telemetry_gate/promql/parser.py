"""Parses text to our own tree, with promql-parser, and closes its gaps.

promql-parser 0.12 accepts ``or`` between matchers, panics when the time of ``@ -1`` is read, unescapes raw strings and has
other regular expressions than RE2. It ends the process when an expression is too deep, and knows functions that this
engine does not have. None of that may get past this module; strings and times of ``@`` are therefore read by ``literals``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache
from typing import Any, cast

import promql_parser

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql import ast
from pytest_telemetry_gate.promql.function_table import AGGREGATIONS, FUNCTIONS, NATIVE, Function
from pytest_telemetry_gate.promql.labels import Matcher
from pytest_telemetry_gate.promql.literals import Literals, extract_literals
from pytest_telemetry_gate.promql.numbers import check_numbers, write_plainly
from pytest_telemetry_gate.promql.regex import compile_regex

__all__ = ["for_profile", "parse"]

_OPS = {
    "MatchOp.Equal": "=",
    "MatchOp.NotEqual": "!=",
    "MatchOp.Re": "=~",
    "MatchOp.NotRe": "!~",
}
_CARDINALITIES = {
    "VectorMatchCardinality.OneToOne": "1:1",
    "VectorMatchCardinality.ManyToOne": "n:1",
    "VectorMatchCardinality.OneToMany": "1:n",
    "VectorMatchCardinality.ManyToMany": "n:m",
}
_MAX_DURATION = timedelta(microseconds=2**63 // 1000)  # that Go's time.Duration can hold
_MAX_LENGTH = 1_000_000
_MAX_DEPTH = 100
_MATCHERS = re.compile(r"\{[^{}]*\}")
_OPERATORS = re.compile(r"[-+*/%^<>]|[=!]=|\b(?:and|or|unless|atan2)\b", re.IGNORECASE)
_MAX_OPERATORS = 250
_QUOTED_METRIC = re.compile(r"\{(?:[^{}]*,)?\s*\"(#[0-9]+)\"\s*[,}]")


@lru_cache(maxsize=8192)
def parse(text: str, semantics: str | None = None) -> ast.Expr:
    """Return the tree of an expression; raises PromQLError with Prometheus' reason where it has one.

    ``semantics`` is a profile of the engine, which has only its own functions; without it those of any may be used.
    """
    if semantics == "3":
        # Its grammar is the same as without a profile, so that a text that was checked before is not parsed again.
        expression = parse(text)
        _check_functions(expression, semantics)
        return expression
    if len(text) > _MAX_LENGTH:
        message = f"the expression is longer than {_MAX_LENGTH:,} characters"
        raise PromQLError(message)
    if not text.strip():
        message = "no expression found in input"
        raise PromQLError(message)
    prepared, literals = extract_literals(text, semantics)
    if semantics == "2":
        check_numbers(prepared)
    else:
        prepared = write_plainly(prepared)
    if semantics == "2" and (name := _QUOTED_METRIC.search(prepared)):
        literals.name(name[1])
    _check_depth(prepared)
    try:
        return _Adapter(literals, semantics).expression(_tree(prepared, literals))
    except RecursionError:
        message = "the expression is nested too deep"
        raise PromQLError(message) from None
    except BaseException as error:  # a Rust panic is not an Exception
        if type(error).__name__ != "PanicException":
            raise
        message = "parse error: the parser failed"
        raise PromQLError(message) from None


def _tree(prepared: str, literals: Literals) -> Any:
    """Return promql-parser's tree of a text without strings; raises PromQLError."""
    try:
        return promql_parser.parse(prepared)
    except ValueError as error:
        message = f"parse error: {literals.with_strings(_as_prometheus_says(' '.join(str(error).split())))}"
        raise PromQLError(message) from None


def _check_functions(expression: ast.Expr, semantics: str) -> None:
    """Raise PromQLError for a function that the profile does not have."""
    for node in ast.walk(expression):
        if isinstance(node, ast.Call):
            _check_function(FUNCTIONS[node.func], semantics)


def _check_function(function: Function, semantics: str) -> None:
    if semantics not in function.profiles:
        message = f"function {function.name!r} is not supported with semantics {semantics!r}"
        raise PromQLError(message)


def for_profile(expression: ast.Expr, semantics: str) -> ast.Expr:
    """Return an expression that was parsed for no profile, or for another one, as a profile reads it.

    Raises PromQLError for a function that the profile does not have.
    """
    if semantics == "3":
        _check_functions(expression, semantics)
        return expression
    return parse(str(expression), semantics)


def _as_prometheus_says(message: str) -> str:
    """Return promql-parser's message in Prometheus' words."""
    message = re.sub(r"'([^']*)'", r'"\1"', message)
    for kind, name in (("vector", "instant vector"), ("matrix", "range vector")):
        message = re.sub(rf"(expected type |, got:? ){kind}\b(?! instead)", rf"\1{name}", message)
    return message


def _check_depth(text: str) -> None:
    """Refuse what would exhaust promql-parser's stack, which ends the process."""
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > _MAX_DEPTH:
        message = f"the expression is nested more than {_MAX_DEPTH} deep"
        raise PromQLError(message)
    if sum(1 for _ in _OPERATORS.finditer(_MATCHERS.sub("", text))) > _MAX_OPERATORS:
        message = f"the expression has more than {_MAX_OPERATORS} operators"
        raise PromQLError(message)


_METHODS = {
    "NumberLiteral": "_number",
    "StringLiteral": "_string",
    "ParenExpr": "_paren",
    "UnaryExpr": "_unary",
    "VectorSelector": "_vector",
    "MatrixSelector": "_matrix",
    "SubqueryExpr": "_subquery",
    "Call": "_call",
    "AggregateExpr": "_aggregate",
    "BinaryExpr": "_binary",
}


class _Adapter:
    """Turns promql-parser's nodes into ours."""

    def __init__(self, literals: Literals, semantics: str | None) -> None:
        self._literals = literals
        self._semantics = semantics

    def expression(self, node: Any) -> ast.Expr:
        return cast("ast.Expr", getattr(self, _METHODS[type(node).__name__])(node))

    def _number(self, node: Any) -> ast.Expr:
        return ast.NumberLiteral(float(node.val))

    def _string(self, node: Any) -> ast.Expr:
        return ast.StringLiteral(self._literals.string(node.val))

    def _paren(self, node: Any) -> ast.Expr:
        inner = self.expression(node.expr)
        return ast.Paren(inner, inner.type)

    def _unary(self, node: Any) -> ast.Expr:
        inner = self.expression(node.expr)
        return ast.Unary(inner, inner.type)

    def _vector(self, node: Any) -> ast.VectorSelector:
        if node.matchers.or_matchers:
            message = 'parse error: unexpected "or" between label matchers'
            raise PromQLError(message)
        newlines = self._semantics != "2"
        matchers = [
            _matcher(self._literals.name(m.name), _OPS[str(m.op)], self._literals.string(m.value), newlines)
            for m in node.matchers.matchers
        ]
        if node.name:
            matchers.insert(0, Matcher("__name__", "=", self._literals.name(node.name)))
        for matcher in matchers:
            if "~" in matcher.op:
                compile_regex(matcher.value, matcher.newlines)
        if all(matcher.matches("") for matcher in matchers):
            message = "parse error: vector selector must contain at least one non-empty matcher"
            raise PromQLError(message)
        name = next((m.value for m in matchers if m.name == "__name__" and m.op == "="), "")
        return ast.VectorSelector(name, tuple(matchers), _milliseconds(node.offset), self._at(node.at))

    def _matrix(self, node: Any) -> ast.Expr:
        return ast.MatrixSelector(self._vector(node.vector_selector), _positive(_milliseconds(node.range)))

    def _subquery(self, node: Any) -> ast.Expr:
        inner = self.expression(node.expr)
        step = None if node.step is None else _positive(_milliseconds(node.step))
        range_ = _positive(_milliseconds(node.range))
        return ast.Subquery(inner, range_, step, _milliseconds(node.offset), self._at(node.at))

    def _call(self, node: Any) -> ast.Expr:
        name = str(node.func.name)
        function = FUNCTIONS.get(name)
        if function is None:
            hint = ": it needs native histograms" if name in NATIVE else ""
            message = f"function {name!r} is not supported{hint}"
            raise PromQLError(message)
        if self._semantics is not None:
            _check_function(function, self._semantics)
        args = tuple(self.expression(argument) for argument in node.args)
        return ast.Call(name, args, function.returns)

    def _aggregate(self, node: Any) -> ast.Expr:
        op = str(node.op)
        if op not in AGGREGATIONS:
            message = f"aggregation {op!r} is not supported"
            raise PromQLError(message)
        inner = self.expression(node.expr)
        param = None if node.param is None else self.expression(node.param)
        modifier = node.modifier
        labels = () if modifier is None else self._names(modifier.labels)
        return ast.Aggregate(
            op, inner, param, labels, modifier is not None and str(modifier.type).endswith("Without")
        )

    def _binary(self, node: Any) -> ast.Expr:
        lhs, rhs = self.expression(node.lhs), self.expression(node.rhs)
        op, modifier = str(node.op), node.modifier
        if modifier is not None and (modifier.fill_values.lhs, modifier.fill_values.rhs) != (None, None):
            message = "the modifier 'fill' is not supported"
            raise PromQLError(message)
        returns_bool = modifier is not None and bool(modifier.return_bool)
        matching = None if modifier is None else modifier.matching
        card = "1:1" if modifier is None else _CARDINALITIES[str(modifier.card)]
        if op in _SET_OPERATORS:
            card = "n:m"
        on = matching is not None and str(matching.type).endswith("Include")
        labels = () if matching is None else self._names(matching.labels)
        include = self._names(modifier.group_labels or ()) if modifier is not None else ()
        # promql-parser looks at names in quotes before they are read.
        if on and (twice := next((name for name in include if name in labels), None)) is not None:
            message = f'parse error: label "{twice}" must not occur in ON and GROUP clause at once'
            raise PromQLError(message)
        kind = "vector" if "vector" in {lhs.type, rhs.type} else "scalar"
        return ast.Binary(op, lhs, rhs, returns_bool, card, on, labels, include, kind)

    def _names(self, labels: Iterable[Any]) -> tuple[str, ...]:
        return tuple(self._literals.name(str(label)) for label in labels)

    def _at(self, at: Any) -> ast.At:
        if at is None:
            return None
        kind = str(at.type)
        if kind.endswith("Start"):
            return "start"
        if kind.endswith("End"):
            return "end"
        number: int = round(at.at.timestamp())
        return self._literals.times[number]


_SET_OPERATORS = frozenset({"and", "or", "unless"})


def _matcher(name: str, op: str, value: str, newlines: bool) -> Matcher:
    return Matcher(name, op, value, newlines or "~" not in op)


def _declaration(function: Function) -> promql_parser.Function:
    kinds = promql_parser.ValueType
    types = {"matrix": kinds.Matrix, "vector": kinds.Vector, "scalar": kinds.Scalar, "string": kinds.String}
    arguments = [types[kind] for kind in function.arguments]
    return promql_parser.Function(function.name, arguments, types[function.returns])


# Prometheus 3 renamed holt_winters, and promql-parser knows the new name alone
promql_parser.register_extra_functions([_declaration(FUNCTIONS["holt_winters"])])


def _milliseconds(length: timedelta | None) -> int:
    if length is None:
        return 0
    if abs(length) > _MAX_DURATION:
        message = "parse error: duration out of range"
        raise PromQLError(message)
    return round(length / timedelta(milliseconds=1))


def _positive(milliseconds: int) -> int:
    if milliseconds <= 0:
        message = "parse error: duration must be greater than 0"
        raise PromQLError(message)
    return milliseconds
