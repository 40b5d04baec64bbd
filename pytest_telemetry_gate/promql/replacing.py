"""Exchange parts of an expression: nodes for others, and conditions on labels for those of another group of targets."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from pytest_telemetry_gate.promql import ast
from pytest_telemetry_gate.promql.labels import Matcher

__all__ = ["replace_labels", "replace_nodes"]


def replace_nodes(node: ast.Expr, others: Mapping[int, ast.Expr]) -> ast.Expr:
    """Return an expression with some of its nodes, by identity, in exchange for others."""
    if id(node) in others:
        return others[id(node)]
    match node:
        case ast.Call():
            arguments = tuple(replace_nodes(argument, others) for argument in node.args)
            return dataclasses.replace(node, args=arguments)
        case ast.Binary():
            sides = replace_nodes(node.lhs, others), replace_nodes(node.rhs, others)
            return dataclasses.replace(node, lhs=sides[0], rhs=sides[1])
        case ast.Aggregate():
            param = None if node.param is None else replace_nodes(node.param, others)
            return dataclasses.replace(node, expr=replace_nodes(node.expr, others), param=param)
        case ast.Subquery() | ast.Unary() | ast.Paren():
            return dataclasses.replace(node, expr=replace_nodes(node.expr, others))
        case ast.MatrixSelector():
            selector = replace_nodes(node.selector, others)
            return (
                dataclasses.replace(node, selector=selector)
                if isinstance(selector, ast.VectorSelector)
                else node
            )
        case _:
            return node


def replace_labels(expression: ast.Expr, labels: Mapping[str, str]) -> ast.Expr:
    """Return an expression whose selectors want these labels, instead of what they say of labels with the same names."""
    wanted = {name: Matcher(name, "=", value) for name, value in labels.items()}
    others: dict[int, ast.Expr] = {}
    for node in ast.walk(expression):
        if isinstance(node, ast.VectorSelector):
            replaced = dict.fromkeys(
                [wanted.get(one.name, one) for one in node.matchers] + [*wanted.values()]
            )
            others[id(node)] = dataclasses.replace(node, matchers=tuple(replaced))
    return replace_nodes(expression, others)
