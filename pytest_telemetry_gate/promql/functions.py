"""Functions of instant vectors: of values, of labels and of time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql.ast import Expr, MatrixSelector, Paren, Subquery, VectorSelector
from pytest_telemetry_gate.promql.frame import Bools, Floats, Frame, merged, without_name
from pytest_telemetry_gate.promql.labels import Labels, compiled
from pytest_telemetry_gate.promql.quantile import histogram_quantiles

__all__ = [
    "CALENDAR",
    "MATHS",
    "absent_labels",
    "clamped",
    "histogram_quantile",
    "label_join",
    "label_replace",
    "rounded",
    "sorted_frame",
]

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})", re.ASCII)

MATHS: dict[str, Callable[[Floats], Floats]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "deg": lambda values: values * 180 / np.pi,
    "exp": np.exp,
    "floor": np.floor,
    "ln": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "rad": lambda values: values * np.pi / 180,
    "sgn": lambda values: np.where(values == 0, values, np.sign(values)),
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
}


def _part(unit: str, outer: str, offset: int) -> Callable[[Floats], Floats]:
    """Return the number of ``unit``s since the ``outer`` unit began, counted from ``offset``."""

    def part(seconds: Floats) -> Floats:
        moments = _moments(seconds)
        inner = moments.astype(f"datetime64[{unit}]").astype(np.int64)
        begun = moments.astype(f"datetime64[{outer}]").astype(f"datetime64[{unit}]").astype(np.int64)
        return _known(seconds, (inner - begun + offset).astype(np.float64))

    return part


def _moments(seconds: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]:
    whole = np.trunc(np.nan_to_num(seconds, nan=0.0, posinf=0.0, neginf=0.0))
    return np.clip(whole, -1e11, 1e11).astype(np.int64).astype("datetime64[s]")


def _known(seconds: Floats, values: Floats) -> Floats:
    return np.where(np.isfinite(seconds), values, np.nan)


def _day_of_week(seconds: Floats) -> Floats:
    days = _moments(seconds).astype("datetime64[D]").astype(np.int64)
    return _known(seconds, ((days + 4) % 7).astype(np.float64))


def _year(seconds: Floats) -> Floats:
    return _known(
        seconds, (_moments(seconds).astype("datetime64[Y]").astype(np.int64) + 1970).astype(np.float64)
    )


def _days_in_month(seconds: Floats) -> Floats:
    month = _moments(seconds).astype("datetime64[M]")
    days = (month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")
    return _known(seconds, days.astype(np.int64).astype(np.float64))


CALENDAR: dict[str, Callable[[Floats], Floats]] = {
    "day_of_month": _part("D", "M", 1),
    "day_of_week": _day_of_week,
    "day_of_year": _part("D", "Y", 1),
    "days_in_month": _days_in_month,
    "hour": _part("h", "D", 0),
    "minute": _part("m", "h", 0),
    "month": _part("M", "Y", 1),
    "year": _year,
}


def clamped(frame: Frame, low: Floats | None, high: Floats | None) -> Frame:
    """``clamp``, ``clamp_min``, ``clamp_max``: nothing at steps where the bounds are the wrong way round."""
    values, present = frame.values, frame.present
    if low is not None:
        values = np.maximum(values, low[:, None])
    if high is not None:
        values = np.minimum(values, high[:, None])
    if low is not None and high is not None:
        present = present & ~(low > high)[:, None]
    return Frame(frame.labels, values, present)


def rounded(frame: Frame, to: Floats) -> Frame:
    """``round``: halves go up; by the inverse, so that rounding to 0.1 is exact."""
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = (1.0 / to)[:, None]
        return replace(frame, values=np.floor(frame.values * inverse + 0.5) / inverse)


def sorted_frame(frame: Frame, *, descending: bool) -> Frame:
    """``sort`` and ``sort_desc``: by value, NaN last; a range of steps has no order."""
    if len(frame.values) != 1:
        return frame
    values = frame.values[0]
    key = np.where(np.isnan(values), np.inf, -values if descending else values)
    return frame.columns(np.lexsort((key, np.isnan(values))).tolist())


def label_replace(frame: Frame, target: str, replacement: str, source: str, pattern: str) -> Frame:
    """``label_replace``: set a label to what the pattern finds in another, where it matches whole."""
    regex = compiled(pattern)
    _check_label(target)

    def replaced(labels: Labels) -> Labels:
        match = regex.fullmatch(labels.get(source, ""))
        return labels if match is None else _with(labels, target, _filled(replacement, match))

    return merged(replace(frame, labels=[replaced(labels) for labels in frame.labels]))


def label_join(frame: Frame, target: str, separator: str, sources: Sequence[str]) -> Frame:
    """``label_join``: set a label to the values of others, joined."""
    _check_label(target)
    for source in sources:
        _check_label(source)
    labels = [
        _with(one, target, separator.join(one.get(source, "") for source in sources)) for one in frame.labels
    ]
    return merged(replace(frame, labels=labels))


def _check_label(name: str) -> None:
    if not _LABEL.fullmatch(name):
        message = f"invalid label name {name!r}"
        raise PromQLError(message)


def _with(labels: Labels, name: str, value: str) -> Labels:
    changed = {key: text for key, text in labels.items() if key != name}
    if value:
        changed[name] = value
    return changed


def _filled(template: str, match: re.Match[str]) -> str:
    """Expand ``$1``, ``$name`` and ``${name}`` as Go's regexp.Expand does: an unknown name is empty."""

    def value(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        try:
            return match[int(name) if name.isdigit() else name] or ""
        except (IndexError, KeyError, ValueError):
            return ""

    return _REFERENCE.sub(value, template)


def histogram_quantile(frame: Frame, q: Floats, *, small_deltas: bool) -> Frame:
    """``histogram_quantile`` over classic histograms: series that differ in ``le`` alone are one histogram."""
    histograms: dict[frozenset[tuple[str, str]], list[tuple[float, int]]] = {}
    for column, labels in enumerate(frame.labels):
        bound = _bound(labels.get("le"))
        if bound is not None:
            rest = frozenset((k, v) for k, v in labels.items() if k not in {"le", "__name__"})
            histograms.setdefault(rest, []).append((bound, column))
    found: list[Labels] = []
    values: list[Floats] = []
    present: list[Bools] = []
    for rest, buckets in histograms.items():
        buckets.sort()
        columns = [column for _, column in buckets]
        there = frame.present[:, columns]
        found.append(dict(rest))
        present.append(np.asarray(there.any(axis=1)))
        values.append(_by_presence(q, buckets, frame, there, small_deltas=small_deltas))
    if not found:
        return Frame.empty(len(q))
    return Frame(found, np.column_stack(values), np.column_stack(present))


def _by_presence(
    q: Floats, buckets: Sequence[tuple[float, int]], frame: Frame, there: Bools, *, small_deltas: bool
) -> Floats:
    """Evaluate steps together that have the same buckets."""
    result = np.full(len(q), np.nan)
    patterns, which = np.unique(there, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        if not pattern.any():
            continue
        steps = np.flatnonzero(which.reshape(-1) == number)
        bounds: list[float] = []
        counts: list[Floats] = []
        for (bound, column), kept in zip(buckets, pattern.tolist(), strict=True):
            if not kept:
                continue
            if bounds and bounds[-1] == bound:  # coalesceBuckets: le="1" and le="1.0" are one
                counts[-1] = counts[-1] + frame.values[steps, column]
            else:
                bounds.append(bound)
                counts.append(frame.values[steps, column])
        result[steps] = histogram_quantiles(
            q[steps], bounds, np.column_stack(counts), small_deltas=small_deltas
        )
    return result


def _bound(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def absent_labels(expr: Expr) -> Labels:
    """``createLabelsForAbsentFunction``: the labels that a selector fixes by one equality each."""
    while isinstance(expr, Paren | Subquery | MatrixSelector):
        expr = expr.selector if isinstance(expr, MatrixSelector) else expr.expr
        if isinstance(expr, Subquery):
            return {}
    if not isinstance(expr, VectorSelector):
        return {}
    fixed: Labels = {}
    refused = {"__name__"}
    for matcher in expr.matchers:
        if matcher.name in refused:
            continue
        if matcher.op == "=" and matcher.name not in fixed:
            fixed[matcher.name] = matcher.value
        else:
            fixed.pop(matcher.name, None)
            refused.add(matcher.name)
    return {name: value for name, value in fixed.items() if value}


def dropped(frame: Frame) -> Frame:
    """Return a frame without metric names; raises PromQLError where series then coincide."""
    return merged(replace(frame, labels=[without_name(labels) for labels in frame.labels]))
