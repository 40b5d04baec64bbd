"""Functions of instant vectors: of values, of labels and of time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql.ast import Expr, MatrixSelector, VectorSelector, unwrapped
from pytest_telemetry_gate.promql.frame import Floats, Frame, Ints, merge
from pytest_telemetry_gate.promql.labels import Labels, is_label_name
from pytest_telemetry_gate.promql.regex import compile_regex

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


# What Go makes of no time that an int64 of seconds holds, NaN included, on amd64: that of -2**63 (measured).
_NO_TIME = {
    "day_of_month": 4,
    "day_of_week": 0,
    "day_of_year": 339,
    "days_in_month": 31,
    "hour": 15,
    "minute": 30,
    "month": 12,
    "year": 292_277_026_596,
}
_Moments: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]"


def _part(unit: str, outer: str, offset: int) -> Callable[[_Moments], Ints]:
    """Return the number of ``unit``s since the ``outer`` unit began, counted from ``offset``."""

    def part(moments: _Moments) -> Ints:
        inner = moments.astype(f"datetime64[{unit}]").astype(np.int64)
        begun = moments.astype(f"datetime64[{outer}]").astype(f"datetime64[{unit}]").astype(np.int64)
        return inner - begun + offset

    return part


def _day_of_week(moments: _Moments) -> Ints:
    days: Ints = moments.astype("datetime64[D]").astype(np.int64)
    weekday: Ints = np.mod(days + 4, 7)
    return weekday


def _year(moments: _Moments) -> Ints:
    years: Ints = moments.astype("datetime64[Y]").astype(np.int64)
    return years + 1970


def _days_in_month(moments: _Moments) -> Ints:
    month = moments.astype("datetime64[M]")
    days = (month + np.timedelta64(1, "M")).astype("datetime64[D]") - month.astype("datetime64[D]")
    count: Ints = days.astype(np.int64)
    return count


def _of_time(name: str, function: Callable[[_Moments], Ints]) -> Callable[[Floats], Floats]:
    """Return a function of seconds since the epoch."""

    def of_time(seconds: Floats) -> Floats:
        is_time = np.abs(seconds) < 2.0**63  # not so for NaN
        moments = np.where(is_time, seconds, 0.0).astype(np.int64).astype("datetime64[s]")
        return np.where(is_time, function(moments), float(_NO_TIME[name]))

    return of_time


CALENDAR: dict[str, Callable[[Floats], Floats]] = {
    name: _of_time(name, function)
    for name, function in (
        ("day_of_month", _part("D", "M", 1)),
        ("day_of_week", _day_of_week),
        ("day_of_year", _part("D", "Y", 1)),
        ("days_in_month", _days_in_month),
        ("hour", _part("h", "D", 0)),
        ("minute", _part("m", "h", 0)),
        ("month", _part("M", "Y", 1)),
        ("year", _year),
    )
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
    frame: Frame,
    target: str,
    replacement: str,
    source: str,
    pattern: str,
    *,
    newlines: bool,
    count: Callable[[int, int], None],
) -> Frame:
    """``label_replace``: set a label to what the pattern finds in another, where it matches whole.

    ``count`` is told the labels and the characters of each series before they are made, and may raise.
    """
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
        if match is None:
            return labels
        parts = _expand_template(replacement, match)
        count(len(labels), sum(map(len, parts)))
        return _with_label(labels, target, "".join(parts))

    return merge(replace(frame, labels=[replaced(labels) for labels in frame.labels]))


def label_join(
    frame: Frame,
    target: str,
    separator: str,
    sources: Sequence[str],
    *,
    count: Callable[[int, int], None],
) -> Frame:
    """``label_join``: set a label to the values of others, joined; ``count`` is as with :func:`label_replace`."""

    def joined(labels: Labels) -> Labels:
        parts = [labels.get(source, "") for source in sources]
        count(len(labels), sum(map(len, parts)) + len(separator) * len(parts))
        return _with_label(labels, target, separator.join(parts))

    return merge(replace(frame, labels=[joined(labels) for labels in frame.labels]))


def _with_label(labels: Labels, name: str, value: str) -> Labels:
    changed = {key: text for key, text in labels.items() if key != name}
    if value:
        changed[name] = value
    return changed


def _expand_template(template: str, match: re.Match[str]) -> list[str]:
    """Expand ``$1``, ``$name`` and ``${name}`` as Go's ``regexp.Expand`` does, in parts: an unknown name is empty."""
    parts: list[str] = []
    end = 0
    while (at := template.find("$", end)) >= 0:
        parts.append(template[end:at])
        braced = template.startswith("{", at + 1)
        start = at + 1 + braced
        end = start
        while end < len(template) and _belongs_to_name(template[end]):
            end += 1
        if end > start and (not braced or template.startswith("}", end)):
            parts.append(_referenced(template[start:end], match))
            end += braced
        else:
            parts.append("$")
            end = at + (2 if template.startswith("$", at + 1) else 1)
    return [*parts, template[end:]]


def _belongs_to_name(character: str) -> bool:
    """Tell letters and decimal digits of any script, as ``unicode.IsLetter`` and ``unicode.IsDigit`` do."""
    return character == "_" or character.isalpha() or character.isdecimal()


def _referenced(name: str, match: re.Match[str]) -> str:
    is_number = name.isascii() and name.isdigit() and (name == "0" or name[0] != "0")
    try:
        return match[int(name) if is_number else name] or ""
    except (IndexError, KeyError, ValueError, OverflowError):
        return ""


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
