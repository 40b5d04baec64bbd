"""How numbers are written for people: one place for digits, units and signs. Standard library only."""

from __future__ import annotations

import math
import re

__all__ = [
    "format_against",
    "format_change",
    "format_compact",
    "format_compact_limit",
    "format_distinct",
    "format_half",
    "format_interval",
    "format_number",
    "format_percent",
    "format_two_digits",
    "format_value",
    "format_within",
    "is_same",
]

_NOISE = 1e-10  # relative: what the last bits of a calculation with shares or percentages may add up to
_TINY = 5e-14  # absolute: what is left of two numbers up to 100 that should have cancelled out
_WHOLE = 2.0**53  # below it, every whole number has a float of its own

_PREFIXES = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3))
_EXACT = 18  # digits after the point that tell any two doubles apart, where a table would show them at all
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")


def is_same(value: float, other: float) -> bool:
    """Tell whether two numbers differ by no more than the last bits of their calculation; NaN is like nothing.

    Whole numbers are counted and not calculated: of those, only equal ones are the same.
    """
    if value == other:
        return True
    whole = abs(value) < _WHOLE and abs(other) < _WHOLE and value == int(value) and other == int(other)
    return not whole and math.isclose(value, other, rel_tol=_NOISE, abs_tol=_TINY)


def format_number(value: float, decimals: int | None = None) -> str:
    """Write a number for a table: one decimal, whole from 1,000 on, three significant digits below 1.

    Whole numbers are written whole; ``decimals`` asks for more digits than that, for figures that would
    otherwise read the same; NaN and infinities are written as Prometheus writes them.
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-4:
        return f"{value:.{3 if decimals is None else decimals}g}"
    if decimals is not None:
        return f"{value:,.{decimals}f}"
    if value == int(value):
        return f"{int(value):,}"
    if size < 1:
        return f"{value:.{2 - math.floor(math.log10(size))}f}"
    return f"{value:,.0f}" if size >= 1000 else f"{value:.1f}"


def format_distinct(value: float, other: float, unit: str = "") -> str:
    """Write ``value`` with enough digits that it reads neither like ``other`` nor as on its other side.

    90.04 against 90 is ``90.04``, never ``90.0``; only numbers that are the same read the same.
    """
    text = format_number(value)
    written = 3 if "e" in text else len(text.partition(".")[2])
    for decimals in range(written + 1, _EXACT):
        if is_same(value, other) or not math.isfinite(value) or _reads_distinct(text, value, other):
            break
        text = format_number(value, decimals)
    return f"{text} {unit}" if unit else text


def format_against(value: float, limit: str, unit: str = "") -> str:
    """Write ``value`` with enough digits that it reads like none of the numbers in the text of a limit."""
    numbers = [float(text.replace(",", "")) for text in _NUMBER.findall(limit)]
    text = max((format_distinct(value, other) for other in numbers), key=len, default=format_number(value))
    return f"{text} {unit}" if unit else text


def format_compact(value: float, limit: str = "") -> str:
    """Write a large number in three digits, ``4.81M``, unless that would read like a number of the limit.

    From 100,000 on, with SI prefixes; smaller numbers, and those that need all their digits, by ``format_against``.
    """
    size = abs(value)
    if 1e5 <= size < 1e15:
        prefix, scale = next((prefix, scale) for prefix, scale in _PREFIXES if size >= scale * 0.9995)
        digits = sum(size < scale * edge for edge in (9.995, 99.95))
        text = f"{value / scale:.{digits}f}"
        read = float(text) * scale
        others = [float(other.replace(",", "")) for other in _NUMBER.findall(limit)]
        if all((read > other) == (value > other) and read != other for other in others):
            return text + prefix
    return format_against(value, limit)


def format_compact_limit(limit: str) -> str:
    """Write the large numbers of a limit as ``format_compact`` would, where that loses nothing: ``>= 4M``."""
    return _NUMBER.sub(lambda match: _shortest(match[0]), limit)


def _shortest(text: str) -> str:
    value = float(text.replace(",", ""))
    for prefix, scale in _PREFIXES:
        if (
            1e5 <= abs(value) < 1e15
            and abs(value) >= scale
            and float(f"{value / scale:.3g}") * scale == value
        ):
            return f"{value / scale:.3g}{prefix}"
    return text


def _reads_distinct(text: str, value: float, other: float) -> bool:
    read = float(text.replace(",", ""))
    return (read > other) == (value > other) and read not in {
        other,
        float(format_number(other).replace(",", "")),
    }


def format_value(value: float | None, unit: str = "") -> str:
    """Write a value with its unit: ``84.5 ms``, ``98.1 %``, ``0``; an absent value is ``-``."""
    if value is None:
        return "-"
    return f"{format_number(value)} {unit}" if unit else format_number(value)


def format_change(value: float, unit: str = "") -> str:
    """Write a change with its sign, ``+2.1 %``; never rounded to a zero that it is not."""
    text = f"{value:+.1f}"
    if float(text) == 0 and value != 0:
        text = f"{value:+.2g}"
    return f"{text} {unit}" if unit else text


def format_within(value: float, low: float, high: float) -> str:
    """Write a change and the interval that it lies in, ``-0.204 (-0.207 .. -0.201)``, in digits that tell the three apart."""
    half = (high - low) / 2
    if half < _TINY:
        return format_change(value)
    decimals = max(1, min(6, -math.floor(math.log10(half))))
    middle, *ends = (f"{number:+.{decimals}f}" for number in (value, low, high))
    return f"{middle} ({' .. '.join(ends)})"


def format_half(half: float) -> str:
    """Write half of the width of an interval: one decimal, or one significant digit where it is smaller.

    What the last bits of a calculation leave of a constant is 0.
    """
    if half < _NOISE:
        return "0"
    return f"{half:.1f}" if half >= 0.095 else f"{half:.1g}"


def format_interval(value: float, half: float | None, unit: str = "") -> str:
    """Write a change with half of the width of its interval where that is known: ``+2.1 ± 0.4 %``."""
    text = format_change(value) if half is None else f"{format_change(value)} ± {format_half(half)}"
    return f"{text} {unit}" if unit else text


def format_percent(share: float) -> str:
    """Write a share from 0 to 1 in percent, rounded down so that 99.96 % never reads 100 %."""
    return f"{math.floor(share * 1000 + 1e-9) / 10:.4g} %"


def format_two_digits(value: float) -> str:
    """Write an estimate with two significant digits, as long as no exponent is needed: ``0.17``, ``3.4``, ``110``."""
    return f"{float(f'{value:.2g}'):g}"
