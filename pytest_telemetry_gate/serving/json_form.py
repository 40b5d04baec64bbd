"""Writes the engine's results as the JSON of Prometheus' query API.

The forms: https://prometheus.io/docs/prometheus/latest/querying/api/#expression-query-result-formats.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from pytest_telemetry_gate.promql import Matrix, Scalar, Vector

__all__ = ["result_to_json", "write_number"]


def result_to_json(result: Scalar | Vector | Matrix | str, time: float) -> dict[str, Any]:
    """Return ``resultType`` and ``result`` of an answer at ``time`` (seconds); a matrix brings its own times."""
    moment = _moment(time)
    match result:
        case str():
            return {"resultType": "string", "result": [moment, result]}
        case Scalar():
            return {"resultType": "scalar", "result": [moment, write_number(float(result.value))]}
        case Vector():
            pairs = zip(result.labels, result.values.tolist(), strict=True)
            series = [{"metric": labels, "value": [moment, write_number(value)]} for labels, value in pairs]
            return {"resultType": "vector", "result": series}
        case Matrix():
            return {"resultType": "matrix", "result": list(_rows(result))}


def _rows(matrix: Matrix) -> Iterable[dict[str, Any]]:
    moments = [_moment(time) for time in matrix.times.tolist()]
    for labels, values, present in zip(matrix.labels, matrix.values, matrix.present, strict=True):
        columns = np.flatnonzero(present).tolist()
        samples = zip(columns, values[columns].tolist(), strict=True)
        yield {
            "metric": labels,
            "values": [[moments[column], write_number(value)] for column, value in samples],
        }


def _moment(seconds: float) -> float | int:
    """Return a time to the millisecond, whole where it is."""
    milliseconds = round(seconds * 1000)
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000


def write_number(value: float) -> str:
    """Write a number as Go's ``strconv.FormatFloat(value, 'f', -1, 64)`` does: no exponent, no digit too many."""
    text = repr(value)
    if "n" in text:
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[text]
    return np.format_float_positional(value, trim="-") if "e" in text else text.removesuffix(".0")
