"""Several queries in one request: a label of its own carries the number of each result's query.

``or`` keeps every series of its left side, and those of its right side whose labels the left side lacks (VectorOr in
Prometheus' ``promql/engine.go``). With a label that differs between any two queries it keeps all series as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from pytest_telemetry_gate.promql import Matrix, Vector

__all__ = ["INDEX", "R", "join", "separate"]

INDEX = "__telemetry_gate_query__"


R = TypeVar("R", Vector, Matrix)


def join(queries: Sequence[str]) -> str:
    """Return one expression for several queries that each yield a vector."""
    # A line of its own, since a query may end in a comment.
    return " or ".join(
        f'label_replace(\n{query}\n, "{INDEX}", "{number}", "", "")' for number, query in enumerate(queries)
    )


def separate(answer: R, count: int) -> list[R]:
    """Return the results of ``count`` joined queries; raises ValueError for a series without the number of a query."""
    rows: list[list[int]] = [[] for _ in range(count)]
    for row, labels in enumerate(answer.labels):
        number = int(labels.get(INDEX, ""))
        if not 0 <= number < count:
            raise ValueError(number)
        rows[number].append(row)
    return [_take(answer, one) for one in rows]


def _take(answer: R, rows: list[int]) -> R:
    labels = [{key: value for key, value in answer.labels[row].items() if key != INDEX} for row in rows]
    if isinstance(answer, Matrix):
        return replace(answer, labels=labels, values=answer.values[rows], present=answer.present[rows])
    return replace(answer, labels=labels, values=answer.values[rows])
