"""Series as Prometheus' tests write them: ``name{label="value"} 1 2+3x4 _ stale``.

Sources: ``promql/parser/generated_parser.y`` (series descriptions) and ``promql/promqltest/README.md``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from pytest_telemetry_gate.promql.storage import STALE

__all__ = [
    "Histogram",
    "Labels",
    "Sample",
    "WrittenSeries",
    "parse_milliseconds",
    "parse_number",
    "parse_series",
    "unquote",
]

Labels: TypeAlias = tuple[tuple[str, str], ...]

_MOST = 1_000_000  # samples of one series

_NUMBER = r"(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[iI][nN][fF]|[nN][aA][nN])"
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`')
_ITEM = re.compile(
    rf"(?:(?P<blank>_)|(?P<value>stale|[+-]?{_NUMBER})(?:(?P<by>[+-]{_NUMBER})(?=x))?)(?:x(?P<times>\d+))?(?=\s|$)"
)
_HISTOGRAM_ITEM = re.compile(r"(?P<first>\{\{.*?\}\})(?:[+-]\{\{.*?\}\})?(?:x(?P<times>\d+))?(?=\s|$)")
_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_UNITS = (31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1000, 1)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)")


class Histogram(str):
    """The text of a native histogram ``{{...}}``: recognised, never interpreted."""

    __slots__ = ()


Sample: TypeAlias = "float | Histogram | None"
"""A value, a native histogram, or None where there is no sample."""


@dataclass(frozen=True, slots=True)
class WrittenSeries:
    """One line of labels and values."""

    labels: Labels
    values: tuple[Sample, ...]


def parse_milliseconds(text: str) -> int:
    """Return the milliseconds of a Prometheus duration such as 1h30m; "0" needs no unit."""
    if text == "0":
        return 0
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        message = f"no duration: {text!r}"
        raise ValueError(message)
    return sum(int(part) * unit for part, unit in zip(found.groups(), _UNITS, strict=True) if part)


def parse_number(text: str) -> float:
    """Return a number as the format writes it: decimal, hexadecimal, Inf or NaN."""
    try:
        return float(int(text, 0))
    except ValueError:
        return float(text)


def parse_series(text: str) -> WrittenSeries:
    """Return the labels and values of `name{label="value"} 1 2 3`."""
    labels, rest = _labels(text)
    return WrittenSeries(labels, tuple(_values(rest)))


def _labels(text: str) -> tuple[Labels, str]:
    labels: dict[str, str] = {}
    at = 0
    if found := _NAME.match(text):
        labels["__name__"], at = found[0], found.end()
    while at < len(text) and text[at] in " \t":
        at += 1
    if at < len(text) and text[at] == "{" and not text.startswith("{{", at):
        at += 1
        while (at := _blank(text, at)) < len(text) and text[at] != "}":
            at = _pair(text, at, labels)
            at = _blank(text, at)
            if text[at : at + 1] == ",":
                at += 1
        if at >= len(text):
            message = f"labels without an end: {text!r}"
            raise ValueError(message)
        at += 1
    elif not labels:
        message = f"no series: {text!r}"
        raise ValueError(message)
    return tuple(sorted(labels.items())), text[at:]


def _pair(text: str, at: int, labels: dict[str, str]) -> int:
    if found := _QUOTED.match(text, at):
        name = unquote(found[0])
        if text[_blank(text, found.end())] != "=":
            labels["__name__"] = name
            return found.end()
    else:
        found = _NAME.match(text, at)
        if found is None:
            message = f"no label at {text[at:]!r}"
            raise ValueError(message)
        name = found[0]
    at = _blank(text, found.end())
    value = _QUOTED.match(text, _blank(text, at + 1))
    if text[at : at + 1] != "=" or value is None:
        message = f"no label value at {text[at:]!r}"
        raise ValueError(message)
    labels[name] = unquote(value[0])
    return value.end()


def _blank(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t":
        at += 1
    return at


def unquote(text: str) -> str:
    """Return a quoted text without its quotes, escapes resolved as in Go."""
    if text[0] == "`":
        return text[1:-1]

    def escape(found: re.Match[str]) -> str:
        code = found[1]
        if code[0] in "xuU":
            return chr(int(code[1:], 16))
        if len(code) == 3:
            return chr(int(code, 8))
        return _ESCAPES.get(code, code)

    return _ESCAPE.sub(escape, text[1:-1])


def _values(text: str) -> list[Sample]:
    values: list[Sample] = []
    at = _blank(text, 0)
    while at < len(text):
        if len(values) > _MOST:
            message = f"more than {_MOST:,} samples"
            raise ValueError(message)
        if found := _HISTOGRAM_ITEM.match(text, at):
            values += [Histogram(found["first"])] * (int(found["times"] or 0) + 1)
        elif found := _ITEM.match(text, at):
            times = found["times"]
            if found["blank"]:
                values += [None] * int(times or 1)
            else:
                values += _sequence(found["value"], found["by"], int(times or 0))
        else:
            message = f"no value at {text[at:]!r}"
            raise ValueError(message)
        at = _blank(text, found.end())
    return values


def _sequence(first: str, by: str | None, times: int) -> list[float]:
    value = STALE if first == "stale" else float(first)
    step = float(by) if by else 0.0
    values = [value]
    for _ in range(times):
        if by:
            value += step
        values.append(value)
    return values
