"""How figures are written for people: one place for digits, units and signs. Standard library only."""

from __future__ import annotations

import math

__all__ = ["apart", "duration", "figure", "number", "percent", "signed"]

_DURATIONS = (("d", 86400), ("h", 3600), ("m", 60))


def number(value: float, decimals: int | None = None) -> str:
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


def apart(value: float, other: float, unit: str = "") -> str:
    """Write ``value`` with enough digits that it does not read like ``other``, unless the two are equal."""
    text = number(value)
    decimals = 1
    while text == number(other, None if decimals == 1 else decimals) and value != other and decimals < 12:
        decimals += 1
        text = number(value, decimals)
    return f"{text} {unit}" if unit else text


def figure(value: float | None, unit: str = "") -> str:
    """Write a value with its unit: ``84.5 ms``, ``98.1 %``, ``0``; an absent value is ``-``."""
    if value is None:
        return "-"
    return f"{number(value)} {unit}" if unit else number(value)


def signed(value: float, unit: str = "") -> str:
    """Write a change with its sign, ``+2.1 %``; never rounded to a zero that it is not."""
    text = f"{value:+.1f}"
    if float(text) == 0 and value != 0:
        text = f"{value:+.2g}"
    return f"{text} {unit}" if unit else text


def percent(share: float) -> str:
    """Write a share from 0 to 1 in percent, rounded down so that 99.96 % never reads 100 %."""
    return f"{math.floor(share * 1000 + 1e-9) / 10:.4g} %"


def duration(seconds: float) -> str:
    """Write a length of time in at most two units: ``1h 30m``, ``2d``, ``15s``, ``0.25s``."""
    if seconds < 0:
        return "-" + duration(-seconds)
    if seconds < 60:
        return f"{seconds:.3g}s"
    parts = []
    rest = round(seconds)
    for unit, size in _DURATIONS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    if rest:
        parts.append(f"{rest}s")
    return " ".join(parts[:2])
