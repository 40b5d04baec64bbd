"""Reads the JSON of Prometheus' query API into the engine's results.

The forms: https://prometheus.io/docs/prometheus/latest/querying/api/#expression-query-result-formats. Whatever does not
have them raises one of ``ODD_JSON``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.promql import Matrix, Scalar, Vector, ast
from pytest_telemetry_gate.support.durations import format_short_duration, format_time

__all__ = [
    "ODD_JSON",
    "NativeHistogramError",
    "OtherTimeError",
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


_ROUNDING = 0.0015  # seconds: times are sent and answered to the millisecond
_WHOLE_SECOND = 1.0
_PARTIAL = ("isPartial", "partial_response", "partialResponse")
"""What says beside an answer that a part of it is missing."""


class NativeHistogramError(ValueError):
    """A series of native histograms, for which the engine has no numbers."""


class OtherTimeError(ValueError):
    """An answer has samples of times that were not asked for; the text says which."""


def read_instant(
    content: Any, time: float, parse: Callable[[], ast.Expr | None] | None = None
) -> Scalar | Vector | Matrix | str:
    """Read the answer to an instant query, evaluated at ``time`` (seconds).

    A range selector's raw samples become a Matrix over the union of their timestamps; ``parse`` gives the query, by
    which they are held against the window that was asked for, or None where the query cannot be read. Raises
    OtherTimeError for samples of another time.
    """
    data, warnings = content["data"], warnings_of(content)
    result = data.get("result")
    match data.get("resultType"):
        case "scalar":
            moment, value = _sample(result)
            _require_time([moment], time)
            return Scalar(value, time, warnings)
        case "string":
            moment, text = result
            _require_time([_seconds(moment)], time)
            return _text(text)
        case "vector":
            samples = [_sample(_number_series(series)["value"]) for series in _list(result)]
            labels = [labels_of(series) for series in result]
            _require_time([moment for moment, _ in samples], time)
            values = np.array([value for _, value in samples], dtype=np.float64)
            return Vector(labels, values, time, warnings)
        case "matrix":
            return _raw_samples(_list(result), warnings, None if parse is None else _window(parse(), time))
    raise ValueError(data.get("resultType"))


def read_range(content: Any, start: float, count: int, step: float) -> Matrix:
    """Read the answer to a range query of ``count`` steps (``start`` and ``step`` in seconds, to the millisecond).

    A series has samples only at the steps at which it is present. Raises OtherTimeError for samples between the steps
    or outside of them.
    """
    if content["data"]["resultType"] != "matrix":
        raise ValueError(content["data"]["resultType"])
    result = _list(content["data"]["result"])
    values = np.zeros((len(result), count))
    present = np.zeros((len(result), count), dtype=np.bool_)
    for row, series in enumerate(result):
        moments, numbers = _columns(series)
        steps = np.round((moments - start) / step).astype(np.int64)
        odd = (steps < 0) | (steps >= count) | (np.abs(moments - (start + steps * step)) > _ROUNDING)
        if np.any(odd):
            asked = f"every {format_short_duration(step)} from {format_time(start)} to {format_time(start + (count - 1) * step)}"
            raise OtherTimeError(_other_time(asked, float(moments[odd][0])))
        if np.any(np.diff(steps) <= 0):
            raise OtherTimeError(_two_samples(series))
        values[row, steps], present[row, steps] = numbers, True
    labels = [labels_of(series) for series in result]
    return Matrix(labels, grid(start, count, step), values, present, warnings_of(content))


def _window(query: ast.Expr | None, time: float) -> tuple[float, float] | None:
    """Return from when to when (seconds) the raw samples of a range selector lie; None for any other query."""
    while isinstance(query, ast.Paren):
        query = query.expr
    match query:
        case ast.MatrixSelector():
            at, offset = query.selector.at, query.selector.offset
        case ast.Subquery():
            at, offset = query.at, query.offset
        case _:
            return None
    # An instant query starts and ends at its time, so that is what start() and end() mean.
    end = (time if at is None or isinstance(at, str) else at / 1000) - offset / 1000
    return end - query.range / 1000, end


def _require_time(moments: Sequence[float], time: float) -> None:
    """Raise OtherTimeError where a sample is not of the time that was asked for, both in seconds.

    Servers cut it off to milliseconds, some perhaps to whole seconds.
    """
    for moment in moments:
        if not abs(moment - time) < _WHOLE_SECOND:
            raise OtherTimeError(_other_time(format_time(time), moment))


def _other_time(asked: str, answered: float) -> str:
    return f"answered for another time: asked {asked}, answered {format_time(answered)}"


def _two_samples(series: Mapping[str, Any]) -> str:
    return f"answered with samples out of order, or with two values at one time, for {labels_of(series)}"


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
    pairs = _list(_number_series(series)["values"])
    if not pairs:
        return np.zeros(0), np.zeros(0)
    moments, texts = zip(*pairs, strict=True)
    # As ``_sample`` does, but all at once: raw samples are by far the most that is read.
    if {*map(type, moments)} <= {int, float} and {*map(type, texts)} == {str}:
        written = "".join(texts)
        if "_" not in written and written.split() == [written]:
            return np.array(moments, dtype=np.float64), np.array([*map(float, texts)])
    columns = np.array([*map(_sample, pairs)], dtype=np.float64)
    return columns[:, 0], columns[:, 1]


def _raw_samples(
    result: Sequence[Any], warnings: tuple[str, ...], window: tuple[float, float] | None
) -> Matrix:
    columns = [_columns(series) for series in result]
    for series, (moments, numbers) in zip(result, columns, strict=True):
        gaps = np.diff(moments)
        # The same sample twice is one: VictoriaMetrics has it so where it was sent again.
        contradicts = (gaps == 0) & (numbers[1:] != numbers[:-1]) & ~np.isnan(numbers[1:] + numbers[:-1])
        if np.any((gaps < 0) | contradicts):
            raise OtherTimeError(_two_samples(series))
        if window is not None and len(moments):
            start, end = window
            # Prometheus 2 includes both ends of a window.
            outside = moments[(moments < start - _ROUNDING) | (moments > end + _ROUNDING)]
            if len(outside):
                asked = f"from {format_time(start)} to {format_time(end)}"
                raise OtherTimeError(_other_time(asked, float(outside[0])))
    times = np.unique(np.concatenate([moments for moments, _ in columns])) if columns else np.zeros(0)
    values = np.zeros((len(columns), len(times)))
    present = np.zeros((len(columns), len(times)), dtype=np.bool_)
    for row, (moments, numbers) in enumerate(columns):
        steps = np.searchsorted(times, moments)
        values[row, steps], present[row, steps] = numbers, True
    return Matrix([labels_of(series) for series in result], times, values, present, warnings)
