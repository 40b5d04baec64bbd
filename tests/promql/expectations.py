"""Whether an answer is what an `eval` expects: labels, presence, values, order and annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from promql.promqltest import Eval, almost_equal

from pytest_telemetry_gate.promql import Matrix, Scalar, Vector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from promql.promqltest import Labels


def unexpected_annotations(command: Eval, answer: Any) -> str:
    """Return which expected warning or info is missing, or which forbidden one is there, or nothing."""
    given = tuple(getattr(answer, "warnings", ()))
    infos = [text for text in given if text.startswith("PromQL info")]
    warnings = [text for text in given if not text.startswith("PromQL info")]
    for kind, texts in (("warn", warnings), ("info", infos)):
        for pattern in command.annotations.get(kind, ()):
            if not any(pattern.search(text) for text in texts):
                return f"expected {kind} {pattern.pattern!r}, got {texts}"
        if kind in command.forbidden and texts:
            return f"expected no {kind}, got {texts}"
    return ""


def compare(command: Eval, answer: Any) -> str:
    """Return the first difference between an answer and an expectation, or nothing."""
    if command.string is not None:
        return "" if answer == command.string else f"expected {command.string!r}, got {shown(answer)}"
    if command.scalar is not None:
        if isinstance(answer, Scalar) and almost_equal(command.scalar, answer.value):
            return ""
        return f"expected scalar {command.scalar}, got {shown(answer)}"
    if isinstance(answer, Vector) and command.grid is None and command.instant:
        expected = {series.labels: series.values for series in command.series}
        given = [
            (_key(labels), (float(value),))
            for labels, value in zip(answer.labels, answer.values, strict=True)
        ]
        return _differences(expected, given, list(expected) if command.ordered else None)
    if isinstance(answer, Matrix) and (command.grid is not None or not command.instant):
        return _compare_matrix(command, answer)
    return f"unexpected kind of answer: {shown(answer)}"


def _compare_matrix(command: Eval, answer: Matrix) -> str:
    start, end, step = command.grid or (command.start, command.end, command.step)
    steps = (end - start) // step + 1
    expected = {}
    for series in command.series:
        if len(series.values) > steps:
            return f"more values than steps for {series.labels}"
        expected[series.labels] = series.values + (None,) * (steps - len(series.values))
    times = [round(time * 1000) for time in answer.times]
    rows = []
    for index, labels in enumerate(answer.labels):
        points = {
            times[column]: float(answer.values[index, column])
            for column in np.flatnonzero(answer.present[index])
        }
        rows.append((_key(labels), tuple(points.pop(start + number * step, None) for number in range(steps))))
        if points:
            return f"points off the grid for {labels}: {points}"
    keys = [key for key, _ in rows]
    if keys != sorted(keys):
        return f"series of a range are not sorted by labels: {keys}"
    return _differences(expected, rows, None)


def _differences(
    expected: Mapping[Labels, tuple[Any, ...]],
    given: Iterable[tuple[Labels, tuple[float | None, ...]]],
    order: list[Labels] | None,
) -> str:
    seen = []
    for key, values in given:
        if key not in expected:
            return f"unexpected series {dict(key)} with {values}"
        if key in seen:
            return f"series {dict(key)} twice"
        seen.append(key)
        for wanted, got in zip(expected[key], values, strict=True):
            if (wanted is None) != (got is None):
                return f"expected {expected[key]} for {dict(key)}, got {values}"
            if wanted is not None and got is not None and not almost_equal(wanted, got):
                return f"expected {expected[key]} for {dict(key)}, got {values}"
    for key in expected:
        if key not in seen:
            return f"missing series {dict(key)}"
    if order is not None and order != seen:
        return f"expected the order {order}, got {seen}"
    return ""


def _key(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted((name, value) for name, value in labels.items() if value))


def shown(answer: Any) -> str:
    """Return the beginning of an answer's representation."""
    return f"{answer!r:.300}"
