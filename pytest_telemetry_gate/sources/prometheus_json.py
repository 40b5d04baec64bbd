"""Reads the JSON of Prometheus' query API into the engine's results.

The forms: https://prometheus.io/docs/prometheus/latest/querying/api/#expression-query-result-formats. Whatever does not
have them raises one of ``ODD_JSON``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.promql import Matrix, Scalar, Vector

__all__ = [
    "ODD_JSON",
    "NativeHistogramError",
    "grid",
    "join_matrices",
    "labels_of",
    "read_instant",
    "read_range",
    "sample_times",
    "warnings_of",
]

ODD_JSON = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What reading JSON of an unexpected form raises."""


_PARTIAL = ("isPartial", "partial_response", "partialResponse")
"""What says beside an answer that a part of it is missing."""


class NativeHistogramError(ValueError):
    """A series of native histograms, for which the engine has no numbers."""


def read_instant(content: Any, time: float) -> Scalar | Vector | Matrix | str:
    """Read the answer to an instant query, evaluated at ``time`` (seconds).

    A range selector's raw samples become a Matrix over the union of their timestamps.
    """
    data, warnings = content["data"], warnings_of(content)
    result = data.get("result")
    match data.get("resultType"):
        case "scalar":
            return Scalar(_sample(result)[1], time, warnings)
        case "string":
            _, text = result
            return _text(text)
        case "vector":
            samples = [_sample(_number_series(series)["value"]) for series in _list(result)]
            values = np.array([value for _, value in samples], dtype=np.float64)
            return Vector([labels_of(series) for series in result], values, time, warnings)
        case "matrix":
            return _raw_samples(_list(result), warnings)
    raise ValueError(data.get("resultType"))


def read_range(content: Any, start: float, count: int, step: float) -> Matrix:
    """Read the answer to a range query of ``count`` steps (``start`` and ``step`` in seconds).

    A series has samples only at the steps at which it is present.
    """
    if content["data"]["resultType"] != "matrix":
        raise ValueError(content["data"]["resultType"])
    result = _list(content["data"]["result"])
    values = np.zeros((len(result), count))
    present = np.zeros((len(result), count), dtype=np.bool_)
    for row, series in enumerate(result):
        moments, numbers = _columns(series)
        steps = np.round((moments - start) / step).astype(np.int64)
        if np.any((steps < 0) | (steps >= count)):
            raise IndexError(steps)
        values[row, steps], present[row, steps] = numbers, True
    labels = [labels_of(series) for series in result]
    return Matrix(labels, grid(start, count, step), values, present, warnings_of(content))


def grid(start: float, count: int, step: float) -> NDArray[np.float64]:
    """Return the times of a range's steps, float64[count], in seconds."""
    return start + step * np.arange(count, dtype=np.float64)


def join_matrices(parts: Sequence[Matrix], times: NDArray[np.float64]) -> Matrix:
    """Return the parts of one range as one, over all ``times``: each series once, sorted by its labels."""
    if len(parts) == 1:
        return parts[0]
    rows: dict[tuple[tuple[str, str], ...], int] = {}
    for part in parts:
        for labels in part.labels:
            rows.setdefault(tuple(sorted(labels.items())), len(rows))
    values = np.zeros((len(rows), len(times)))
    present = np.zeros((len(rows), len(times)), dtype=np.bool_)
    first = 0
    for part in parts:
        steps = slice(first, first + len(part.times))
        for source, labels in enumerate(part.labels):
            row = rows[tuple(sorted(labels.items()))]
            values[row, steps], present[row, steps] = part.values[source], part.present[source]
        first += len(part.times)
    order = sorted(rows)
    sorted_rows = [rows[key] for key in order]
    warnings = tuple(dict.fromkeys(text for part in parts for text in part.warnings))
    return Matrix([dict(key) for key in order], times, values[sorted_rows], present[sorted_rows], warnings)


def labels_of(series: Mapping[str, Any], key: str = "metric") -> dict[str, str]:
    """Return a series' labels."""
    labels: dict[str, str] = series[key]
    if not isinstance(labels, dict) or not all(isinstance(text, str) for text in labels.values()):
        raise TypeError(labels)
    return labels


def sample_times(series: Mapping[str, Any]) -> list[float]:
    """Return the times of a series' samples, in seconds."""
    return [_seconds(moment) for moment, _ in series["values"]]


def warnings_of(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the doubts that stand beside an answer: warnings, infos, and that parts of it are missing."""
    texts = [str(text) for key in ("warnings", "infos") for text in content.get(key) or ()]
    if any(content.get(key) for key in _PARTIAL):
        # VictoriaMetrics: https://docs.victoriametrics.com/cluster-victoriametrics/#cluster-availability
        texts.append("isPartial: not every storage node has answered")
    return tuple(texts)


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(value)
    return float(value)


def _sample(pair: Sequence[Any]) -> tuple[float, float]:
    """Return a sample's time and value. Values are strings, which ``float`` alone would read too freely."""
    moment, text = pair
    if "_" in _text(text) or text != text.strip():
        raise ValueError(text)
    return _seconds(moment), float(text)


def _number_series(series: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a series of numbers; raises NativeHistogramError for one of native histograms."""
    if "histogram" in series or "histograms" in series:
        raise NativeHistogramError
    return series


def _columns(series: Mapping[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the times (seconds) and the values of a series' samples, float64[n] each."""
    pairs = [_sample(pair) for pair in _list(_number_series(series)["values"])]
    columns = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return columns[:, 0], columns[:, 1]


def _raw_samples(result: Sequence[Any], warnings: tuple[str, ...]) -> Matrix:
    columns = [_columns(series) for series in result]
    times = np.unique(np.concatenate([moments for moments, _ in columns])) if columns else np.zeros(0)
    values = np.zeros((len(columns), len(times)))
    present = np.zeros((len(columns), len(times)), dtype=np.bool_)
    for row, (moments, numbers) in enumerate(columns):
        steps = np.searchsorted(times, moments)
        values[row, steps], present[row, steps] = numbers, True
    return Matrix([labels_of(series) for series in result], times, values, present, warnings)
