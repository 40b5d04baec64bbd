"""Binary operators between vectors and scalars, with vector matching by the rules of ``VectorBinop``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

import numpy as np

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql.ast import Binary
from pytest_telemetry_gate.promql.frame import Bools, Floats, Frame, merge, without_name
from pytest_telemetry_gate.promql.labels import Labels

__all__ = ["COMPARISONS", "calculate", "combine_vectors", "combine_with_scalar", "set_operation"]

Signature: TypeAlias = frozenset[tuple[str, str]]
_Array = TypeVar("_Array", Floats, Bools)

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


def combine_with_scalar(node: Binary, scalar: Floats, frame: Frame, *, swapped: bool) -> Frame:
    """Combine a vector with a scalar, which is the left operand if ``swapped``; names stay."""
    other = scalar[:, None]
    lhs, rhs = (other, frame.values) if swapped else (frame.values, other)
    if node.op in COMPARISONS and not node.returns_bool:
        return Frame(frame.labels, frame.values, frame.present & COMPARISONS[node.op](lhs, rhs))
    return Frame(frame.labels, calculate(node.op, lhs, rhs), frame.present)


def combine_vectors(node: Binary, lhs: Frame, rhs: Frame, *, keeps_name: bool) -> Frame:
    """Combine two vectors, matched one to one or many to one; a second match at any step is an error."""
    keeps_name = not node.returns_bool and (keeps_name or node.op in COMPARISONS)
    swapped = node.card == "1:n"
    many, single = (rhs, lhs) if swapped else (lhs, rhs)
    places, ones, owners = _single_side(node, many, single, "left" if swapped else "right")
    signatures = [_signature(series, node) for series in many.labels]
    columns = [column for column, signature in enumerate(signatures) if signature in places]
    if not columns:
        return Frame.empty(len(lhs.values))
    partners = [places[signatures[column]] for column in columns]
    values, others = _select_columns(many.values, columns), _select_columns(ones.values, partners)
    present = _select_columns(many.present, columns) & _select_columns(ones.present, partners)
    left, right = (others, values) if swapped else (values, others)
    if node.op in COMPARISONS and not node.returns_bool:
        result = left
        present &= COMPARISONS[node.op](left, right)
    else:
        result = calculate(node.op, left, right)
    if node.card == "1:1":
        _check_one_to_one([signatures[column] for column in columns], present)
    if node.include and len(owners) > len(ones.labels):
        matches, lender_columns = _split_by_lender(owners, partners)
        result, present = result[:, matches], present[:, matches] & single.present[:, lender_columns]
        columns = [columns[match] for match in matches]
        lenders = [single.labels[column] for column in lender_columns]
    else:
        lenders = [ones.labels[partner] for partner in partners]
    labels = [
        _result_labels(node, many.labels[column], other, keeps_name=keeps_name)
        for column, other in zip(columns, lenders, strict=True)
    ]
    frame = Frame(labels, result, present)
    if node.card == "1:1":
        return merge(frame)
    try:
        return merge(frame)
    except PromQLError:
        message = "multiple matches for labels: grouping labels must ensure unique matches"
        raise PromQLError(message) from None


def _select_columns(array: _Array, columns: Sequence[int]) -> _Array:
    """Return columns of an array; the array itself where that is all of them in order."""
    return array if list(columns) == list(range(array.shape[1])) else array[:, columns]


def _check_one_to_one(signatures: Sequence[Signature], present: Bools) -> None:
    """Refuse a signature with two matches at a step."""
    columns: dict[Signature, list[int]] = {}
    for column, signature in enumerate(signatures):
        columns.setdefault(signature, []).append(column)
    if len(columns) < len(signatures) and any(
        (present[:, matches].sum(axis=1) > 1).any() for matches in columns.values() if len(matches) > 1
    ):
        message = (
            "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
        )
        raise PromQLError(message)


def _single_side(
    node: Binary, many: Frame, single: Frame, side: str
) -> tuple[dict[Signature, int], Frame, list[tuple[int, int]]]:
    """Return the place of each signature's one series, a frame of these series, and the series that they consist of.

    Several series of a signature may follow each other, but not be present together. Each lends its own labels, so the
    third result has all pairs of a place in the frame and a column of ``single``.
    """
    columns: dict[Signature, list[int]] = {}
    for column, series in enumerate(single.labels):
        columns.setdefault(_signature(series, node), []).append(column)
    places = {signature: place for place, signature in enumerate(columns)}
    owners = [
        (place, column) for place, group_columns in enumerate(columns.values()) for column in group_columns
    ]
    if len(columns) == len(single.labels):
        return places, single, owners
    anything = many.present.any(axis=1)
    values, presences = [], []
    for signature, group_columns in columns.items():
        present = single.present[:, group_columns]
        if ((present.sum(axis=1) > 1) & anything).any():
            group = "{" + ", ".join(f'{k}="{v}"' for k, v in sorted(signature)) + "}"
            message = (
                f"found duplicate series for the match group {group} on the {side} hand-side of the operation; "
                "many-to-many matching not allowed: matching labels must be unique on one side"
            )
            raise PromQLError(message)
        first = present.argmax(axis=1)
        values.append(np.take_along_axis(single.values[:, group_columns], first[:, None], axis=1)[:, 0])
        presences.append(present.any(axis=1))
    labels = [single.labels[group_columns[0]] for group_columns in columns.values()]
    return places, Frame(labels, np.column_stack(values), np.column_stack(presences)), owners


def _split_by_lender(
    owners: Sequence[tuple[int, int]], partners: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Split each match by the series that lends its labels, where several follow each other."""
    lending: dict[int, list[int]] = {}
    for place, column in owners:
        lending.setdefault(place, []).append(column)
    pairs = [(match, column) for match, partner in enumerate(partners) for column in lending[partner]]
    return [match for match, _ in pairs], [column for _, column in pairs]


def _result_labels(node: Binary, base: Labels, other: Labels, *, keeps_name: bool) -> Labels:
    """``resultMetric``: which labels a match keeps, drops and takes from the other side."""
    labels = base if keeps_name else without_name(base)
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
    if node.op == "or":
        added = rhs.present & ~_matched(node, rhs, lhs)
        both = Frame(
            [*lhs.labels, *rhs.labels], np.hstack([lhs.values, rhs.values]), np.hstack([lhs.present, added])
        )
        return merge(both)
    matched = _matched(node, lhs, rhs)
    return Frame(lhs.labels, lhs.values, lhs.present & (matched if node.op == "and" else ~matched))


def _matched(node: Binary, frame: Frame, other: Frame) -> Bools:
    """Tell for each series and step whether the other side has a series with its signature."""
    columns: dict[Signature, list[int]] = {}
    for column, series in enumerate(other.labels):
        columns.setdefault(_signature(series, node), []).append(column)
    nothing = np.zeros(len(frame.values), dtype=np.bool_)
    present = {signature: other.present[:, matching].any(axis=1) for signature, matching in columns.items()}
    matched = [present.get(_signature(series, node), nothing) for series in frame.labels]
    return np.column_stack(matched) if matched else frame.present


def _signature(labels: Labels, node: Binary) -> Signature:
    if node.on:
        return frozenset((name, labels[name]) for name in node.matching if name in labels)
    ignored = {*node.matching, "__name__"}
    return frozenset((name, value) for name, value in labels.items() if name not in ignored)
