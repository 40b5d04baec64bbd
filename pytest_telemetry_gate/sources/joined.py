"""Several instant queries in one request: a label of its own carries the number of each result's query.

``or`` keeps every series of its left side, and those of its right side whose labels the left side lacks (VectorOr in
Prometheus' ``promql/engine.go``). With a label that differs between any two queries it keeps all series as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pytest_telemetry_gate.promql import Vector

__all__ = ["INDEX", "join", "separate"]

INDEX = "__telemetry_gate_query__"


def join(queries: Sequence[str]) -> str:
    """Return one expression for several queries that each yield a vector."""
    # A line of its own, since a query may end in a comment.
    return " or ".join(
        f'label_replace(\n{query}\n, "{INDEX}", "{number}", "", "")' for number, query in enumerate(queries)
    )


def separate(answer: Vector, count: int) -> list[Vector]:
    """Return the results of ``count`` joined queries; raises ValueError for a series without the number of a query."""
    rows: list[list[int]] = [[] for _ in range(count)]
    for row, labels in enumerate(answer.labels):
        number = int(labels.get(INDEX, ""))
        if not 0 <= number < count:
            raise ValueError(number)
        rows[number].append(row)
    return [
        Vector(
            [{key: value for key, value in answer.labels[row].items() if key != INDEX} for row in query_rows],
            np.asarray(answer.values[query_rows], dtype=np.float64),
            answer.time,
        )
        for query_rows in rows
    ]
