"""Binary operators between vectors and scalars, with vector matching by the rules of ``VectorBinop``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql.ast import Binary
from pytest_telemetry_gate.promql.frame import Bools, Floats, Frame, dropped, merged, without_name
from pytest_telemetry_gate.promql.labels import Labels

__all__ = ["COMPARISONS", "calculate", "set_operation", "with_scalar", "with_vector"]

Signature: TypeAlias = frozenset[tuple[str, str]]

COMPARISONS: dict[str, Callable[[Floats, Floats], Bools]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
_ARITHMETIC: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}


def calculate(op: str, lhs: Floats, rhs: Floats) -> Floats:
    """Apply an operator to numbers; comparisons give 1 and 0."""
    if op in COMPARISONS:
        return COMPARISONS[op](lhs, rhs).astype(np.float64)
    return _ARITHMETIC[op](lhs, rhs)


def with_scalar(node: Binary, frame: Frame, scalar: Floats, *, swapped: bool, keeps_name: bool) -> Frame:
    """Combine a vector with a scalar, which stands on the left if ``swapped``; ``keeps_name`` is for calculations."""
    other = scalar[:, None]
    lhs, rhs = (other, frame.values) if swapped else (frame.values, other)
    if node.op in COMPARISONS and not node.returns_bool:
        return Frame(frame.labels, frame.values, frame.present & COMPARISONS[node.op](lhs, rhs))
    values = calculate(node.op, lhs, rhs)
    return (
        Frame(frame.labels, values, frame.present)
        if keeps_name and not node.returns_bool
        else dropped(frame, values)
    )


def with_vector(node: Binary, lhs: Frame, rhs: Frame, *, keeps_name: bool) -> Frame:
    """Combine two vectors, matched one to one or many to one; a second match at any step is an error."""
    keeps_name = not node.returns_bool and (keeps_name or node.op in COMPARISONS)
    swapped = node.card == "1:n"
    many, single = (rhs, lhs) if swapped else (lhs, rhs)
    ones = _single_side(node, many, single, "left" if swapped else "right")
    nothing = np.zeros(len(lhs.values), dtype=np.bool_)
    labels: list[Labels] = []
    values: list[Floats] = []
    present: list[Bools] = []
    matched: dict[Signature, Bools] = {}
    for column, own in enumerate(many.labels):
        signature = _signature(own, node)
        partner = ones.get(signature)
        if partner is None:
            continue
        owners, other_values, other_present = partner
        there = many.present[:, column] & other_present
        mine = many.values[:, column]
        left, right = (other_values, mine) if swapped else (mine, other_values)
        if node.op in COMPARISONS and not node.returns_bool:
            there = there & COMPARISONS[node.op](left, right)
            result = left
        else:
            result = calculate(node.op, left, right)
        if node.card == "1:1":
            before = matched.get(signature, nothing)
            if (before & there).any():
                message = "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                raise PromQLError(message)
            matched[signature] = before | there
        for owner, other in owners if node.include else [(other_present, {})]:
            labels.append(_result_labels(node, own, other, keeps_name=keeps_name))
            values.append(result)
            present.append(there & owner)
    if not labels:
        return Frame.empty(len(lhs.values))
    frame = Frame(labels, np.column_stack(values), np.column_stack(present))
    if node.card == "1:1":
        return merged(frame)
    try:
        return merged(frame)
    except PromQLError:
        message = "multiple matches for labels: grouping labels must ensure unique matches"
        raise PromQLError(message) from None


def _single_side(
    node: Binary, many: Frame, single: Frame, side: str
) -> dict[Signature, tuple[Sequence[tuple[Bools, Labels]], Floats, Bools]]:
    """Return the one series of each signature; several may follow one another, but not stand side by side.

    With it stands when which of them is there, since each lends its own labels.
    """
    columns: dict[Signature, list[int]] = {}
    for column, own in enumerate(single.labels):
        columns.setdefault(_signature(own, node), []).append(column)
    anything = many.present.any(axis=1)
    found: dict[Signature, tuple[Sequence[tuple[Bools, Labels]], Floats, Bools]] = {}
    for signature, several in columns.items():
        there = single.present[:, several]
        if ((there.sum(axis=1) > 1) & anything).any():
            group = "{" + ", ".join(f'{k}="{v}"' for k, v in sorted(signature)) + "}"
            message = (
                f"found duplicate series for the match group {group} on the {side} hand-side of the operation; "
                "many-to-many matching not allowed: matching labels must be unique on one side"
            )
            raise PromQLError(message)
        first = there.argmax(axis=1)
        values = np.take_along_axis(single.values[:, several], first[:, None], axis=1)[:, 0]
        owners = [(single.present[:, column], single.labels[column]) for column in several]
        found[signature] = (owners, values, np.asarray(there.any(axis=1)))
    return found


def _result_labels(node: Binary, own: Labels, other: Labels, *, keeps_name: bool) -> Labels:
    """``resultMetric``: which labels a match keeps, drops and takes from the other side."""
    labels = own if keeps_name else without_name(own)
    if node.card == "1:1":
        if node.on:
            return {name: value for name, value in labels.items() if name in node.matching}
        return {name: value for name, value in labels.items() if name not in node.matching}
    if not node.include:
        return labels
    changed = {name: value for name, value in labels.items() if name not in node.include}
    changed.update({name: other[name] for name in node.include if other.get(name)})
    return changed


def set_operation(node: Binary, lhs: Frame, rhs: Frame) -> Frame:
    """``and``, ``or`` and ``unless``: series are kept or not, values never change."""
    on_left, on_right = _there(node, lhs), _there(node, rhs)
    nothing = np.zeros(len(lhs.values), dtype=np.bool_)
    if node.op == "or":
        kept = [
            rhs.present[:, c] & ~on_left.get(_signature(own, node), nothing)
            for c, own in enumerate(rhs.labels)
        ]
        added = np.column_stack(kept) if kept else rhs.present
        frame = Frame(
            [*lhs.labels, *rhs.labels], np.hstack([lhs.values, rhs.values]), np.hstack([lhs.present, added])
        )
        return merged(frame)
    kept = []
    for column, own in enumerate(lhs.labels):
        other = on_right.get(_signature(own, node), nothing)
        kept.append(lhs.present[:, column] & (other if node.op == "and" else ~other))
    return Frame(lhs.labels, lhs.values, np.column_stack(kept)) if kept else lhs


def _there(node: Binary, frame: Frame) -> dict[Signature, Bools]:
    found: dict[Signature, Bools] = {}
    for column, own in enumerate(frame.labels):
        signature = _signature(own, node)
        present = frame.present[:, column]
        found[signature] = found[signature] | present if signature in found else present
    return found


def _signature(labels: Labels, node: Binary) -> Signature:
    if node.on:
        return frozenset((name, labels[name]) for name in node.matching if name in labels)
    ignored = {*node.matching, "__name__"}
    return frozenset((name, value) for name, value in labels.items() if name not in ignored)
