"""Functions of instant vectors: of values, of labels and of time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql.ast import Expr, MatrixSelector, VectorSelector, unwrapped
from pytest_telemetry_gate.promql.frame import Floats, Frame, merge
from pytest_telemetry_gate.promql.labels import Labels, compile_regex, is_label_name

__all__ = [
    "CALENDAR",
    "MATHS",
    "absent_labels",
    "clamp",
    "label_join",
    "label_replace",
    "round_to",
    "sort",
    "sort_by_label",
]

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
        return _where_finite(seconds, (inner - begun + offset).astype(np.float64))

    return part


def _moments(seconds: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]:
    whole = np.trunc(np.nan_to_num(seconds, nan=0.0, posinf=0.0, neginf=0.0))
    return np.clip(whole, -1e11, 1e11).astype(np.int64).astype("datetime64[s]")


def _where_finite(seconds: Floats, values: Floats) -> Floats:
    return np.where(np.isfinite(seconds), values, np.nan)


def _day_of_week(seconds: Floats) -> Floats:
    days = _moments(seconds).astype("datetime64[D]").astype(np.int64)
    return _where_finite(seconds, ((days + 4) % 7).astype(np.float64))


def _year(seconds: Floats) -> Floats:
    return _where_finite(
        seconds, (_moments(seconds).astype("datetime64[Y]").astype(np.int64) + 1970).astype(np.float64)
    )


def _days_in_month(seconds: Floats) -> Floats:
    month = _moments(seconds).astype("datetime64[M]")
    days = (month + np.timedelta64(1, "M")).astype("datetime64[D]") - month.astype("datetime64[D]")
    return _where_finite(seconds, days.astype(np.int64).astype(np.float64))


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


def clamp(frame: Frame, low: Floats | None, high: Floats | None) -> Frame:
    """``clamp``, ``clamp_min``, ``clamp_max``: nothing at steps where the bounds are the wrong way round."""
    values, present = frame.values, frame.present
    if high is not None:
        values = _go_extreme(np.minimum, -np.inf, values, high[:, None])
    if low is not None:
        values = _go_extreme(np.maximum, np.inf, values, low[:, None])
    if low is not None and high is not None:
        present = present & ~(low > high)[:, None]
    return Frame(frame.labels, values, present)


def _go_extreme(ufunc: np.ufunc, wins: float, left: Floats, right: Floats) -> Floats:
    """Go's math.Min and math.Max: the infinity in question wins even against NaN."""
    extreme: Floats = ufunc(left, right)
    return np.where((left == wins) | (right == wins), wins, extreme)


def round_to(frame: Frame, to: Floats) -> Frame:
    """``round``: halves go up; by the inverse, so that rounding to 0.1 is exact."""
    inverse = (1.0 / to)[:, None]
    return replace(frame, values=np.floor(frame.values * inverse + 0.5) / inverse)


def sort(frame: Frame, *, descending: bool) -> Frame:
    """``sort`` and ``sort_desc``: by value, NaN last; a range of steps has no order."""
    if len(frame.values) != 1:
        return frame
    values = frame.values[0]
    key = np.where(np.isnan(values), np.inf, -values if descending else values)
    return frame.columns(np.lexsort((key, np.isnan(values))).tolist())


def sort_by_label(frame: Frame, names: Sequence[str], *, descending: bool) -> Frame:
    """``sort_by_label`` and ``sort_by_label_desc``: by labels in natural order, then by all labels."""
    if len(frame.values) != 1:
        return frame

    def key(column: int) -> tuple[list[list[tuple[bool, int, str]]], list[tuple[str, str]]]:
        labels = frame.labels[column]
        return [_natural(labels.get(name, "")) for name in names], sorted(labels.items())

    return frame.columns(sorted(range(len(frame.labels)), key=key, reverse=descending))


def _natural(text: str) -> list[tuple[bool, int, str]]:
    """Order digits in text by their number, as natsort does."""
    parts: list[tuple[bool, int, str]] = []
    for digits, other in re.findall(r"([0-9]+)|([^0-9])", text):
        parts.append((False, int(digits), "") if digits else (True, 0, other))
    return parts


def label_replace(
    frame: Frame, target: str, replacement: str, source: str, pattern: str, *, newlines: bool
) -> Frame:
    """``label_replace``: set a label to what the pattern finds in another, where it matches whole."""
    try:
        regex = compile_regex(pattern, newlines)
    except PromQLError:
        message = f"invalid regular expression in label_replace(): {pattern}"
        raise PromQLError(message) from None
    if not is_label_name(target):
        message = f"invalid destination label name in label_replace(): {target}"
        raise PromQLError(message)

    def replaced(labels: Labels) -> Labels:
        match = regex.fullmatch(labels.get(source, ""))
        return labels if match is None else _with_label(labels, target, _expand_template(replacement, match))

    return merge(replace(frame, labels=[replaced(labels) for labels in frame.labels]))


def label_join(frame: Frame, target: str, separator: str, sources: Sequence[str]) -> Frame:
    """``label_join``: set a label to the values of others, joined."""
    labels = [
        _with_label(series, target, separator.join(series.get(source, "") for source in sources))
        for series in frame.labels
    ]
    return merge(replace(frame, labels=labels))


def _with_label(labels: Labels, name: str, value: str) -> Labels:
    changed = {key: text for key, text in labels.items() if key != name}
    if value:
        changed[name] = value
    return changed


def _expand_template(template: str, match: re.Match[str]) -> str:
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


def absent_labels(expr: Expr) -> Labels:
    """``createLabelsForAbsentFunction``: the labels that a selector fixes by one equality each."""
    selector = unwrapped(expr)
    if isinstance(selector, MatrixSelector):
        selector = selector.selector
    if not isinstance(selector, VectorSelector):
        return {}
    fixed: Labels = {}
    decided = {"__name__"}
    for matcher in selector.matchers:
        if matcher.op == "=" and matcher.name not in decided:
            fixed[matcher.name] = matcher.value
            decided.add(matcher.name)
        else:  # whichever comes later wins: {job=~"x", job="a"} fixes the job, {job="a", job=~"x"} does not
            fixed.pop(matcher.name, None)
    return {name: value for name, value in fixed.items() if value}
