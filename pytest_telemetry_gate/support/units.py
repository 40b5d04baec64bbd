"""Units, limits and tolerances: what a number means, and how a value is compared with a limit."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from pytest_telemetry_gate.support.numbers import format_number, is_same

__all__ = [
    "Limit",
    "convert",
    "dimension",
    "find_unit",
    "is_known",
    "parse_share",
    "require_unit",
    "room",
    "suffix_unit",
]

# name: (dimension, size); KB is 1000 bytes and KiB 1024, as the units' own standards have it (IEC 80000-13)
_UNITS: dict[str, tuple[str, float]] = {
    "ns": ("time", 1e-9), "us": ("time", 1e-6), "µs": ("time", 1e-6), "ms": ("time", 1e-3), "s": ("time", 1.0),
    "m": ("time", 60.0), "min": ("time", 60.0), "h": ("time", 3600.0), "d": ("time", 86400.0),
    "B": ("bytes", 1.0), "KB": ("bytes", 1e3), "MB": ("bytes", 1e6), "GB": ("bytes", 1e9), "TB": ("bytes", 1e12),
    "KiB": ("bytes", 2.0**10), "MiB": ("bytes", 2.0**20), "GiB": ("bytes", 2.0**30), "TiB": ("bytes", 2.0**40),
    "ratio": ("ratio", 1.0), "%": ("ratio", 0.01),
}  # fmt: skip
_SUFFIXES = {
    "seconds": "s", "milliseconds": "ms", "ms": "ms", "microseconds": "us", "nanoseconds": "ns", "minutes": "min",
    "hours": "h", "days": "d", "bytes": "B", "kilobytes": "KB", "kibibytes": "KiB", "megabytes": "MB",
    "mebibytes": "MiB", "gigabytes": "GB", "gibibytes": "GiB", "ratio": "ratio", "percent": "%", "pct": "%",
}  # fmt: skip
# What units are called in other places, in lower case, and what they are called here
_SPELLINGS = {
    "s": "sec secs second seconds", "ms": "msec msecs milli millis millisecond milliseconds", "us": "μs usec usecs microsecond microseconds",
    "ns": "nsec nsecs nanosecond nanoseconds", "min": "mins minute minutes", "h": "hr hrs hour hours", "d": "day days",
    "B": "byte bytes", "KB": "kb kilobyte kilobytes", "MB": "mb megabyte megabytes", "GB": "gb gigabyte gigabytes",
    "TB": "tb terabyte terabytes", "KiB": "kib kibibyte kibibytes", "MiB": "mib mebibyte mebibytes",
    "GiB": "gib gibibyte gibibytes", "TiB": "tib tebibyte tebibytes", "%": "percent pct percentage percents", "ratio": "ratios fraction",
}  # fmt: skip
_HERE = {word: unit for unit, words in _SPELLINGS.items() for word in words.split()}
_ONLY_PROMISED = {
    "celsius": "celsius", "kelvin": "kelvin", "volts": "volts", "amperes": "amperes", "joules": "joules", "watts": "watts",
    "grams": "grams", "meters": "meters", "hertz": "hertz",
}  # fmt: skip
_KINDS = re.compile(r"_(total|bucket|sum|max|min|avg)$")

# Commas group thousands, `4,000,000`, and nothing else: `0,050` would be 50 to one reader and 0.05 to another.
_NUMBER = r"([+-]?(?:(?:[1-9]\d{0,2}(?:,\d{3})+|\d+(?:_\d{3})*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
_COMMA = re.compile(r"\d[\d.]*,\d")
_UNIT = r"\s*([^\s\d.,+-](?:[^\s.]|\.(?!\.))*)?"
_COMPARED = re.compile(rf"(<=|>=|==|!=|<|>)\s*{_NUMBER}{_UNIT}")
_RANGE = re.compile(rf"{_NUMBER}{_UNIT}\s*\.\.\s*{_NUMBER}{_UNIT}")
_SHARE = re.compile(rf"{_NUMBER}\s*%")
_ALLOWED = "an operator (<, <=, >, >=, ==, !=) and a number such as '<= 90 ms', or a range such as '60 .. 90'"


def dimension(unit: str) -> str:
    """Return what a unit measures: ``time``, ``bytes``, ``ratio``, or the unit itself where it is its own."""
    return _UNITS[unit][0] if unit in _UNITS else unit


def convert(value: float, unit: str, to: str) -> float:
    """Convert between units of one dimension; raises ValueError for others."""
    if unit == to:
        return value
    if dimension(unit) != dimension(to):
        message = f"{unit or 'no unit'} cannot be converted to {to or 'no unit'}"
        raise ValueError(message)
    # 15 digits survive any decimal, so that 0.29 is 29 % and not 28.999999999999996 % against a limit of 29 %.
    return float(f"{value * _UNITS[unit][1] / _UNITS[to][1]:.15g}")


def suffix_unit(metric: str) -> str | None:
    """Return the unit that a metric's name promises by Prometheus' naming conventions, or None."""
    stem = _KINDS.sub("", metric)
    last = stem.rsplit("_", 1)[-1] if "_" in stem else ""
    return _SUFFIXES.get(last) or _ONLY_PROMISED.get(last)


def is_known(unit: str) -> bool:
    """Tell whether a unit can be converted; any other word is a unit of its own."""
    return unit in _UNITS


def find_unit(name: str) -> str:
    """Return the unit that a system's name for one means, such as ``milliseconds`` or ``Percent``; an empty text for others."""
    return name if name in _UNITS else _HERE.get(name.strip().lower(), "")


def require_unit(word: str) -> str:
    """Return a unit; raises ValueError, with the word to write, for a unit that is called otherwise here."""
    if word not in _UNITS:
        plain = word.strip().rstrip(".")
        here = plain if plain in _UNITS and plain != word else _HERE.get(plain.lower())
        if here is None and plain.lower() in {"s", "ms", "us", "ns", "min"}:
            here = plain.lower()
        if here is not None:
            written = f'unit: "{here}"' if here == "%" else f"unit: {here}"
            message = f"{word!r} is called {here!r} here: write `{written}`, and {here!r} in limits"
            raise ValueError(message)
    return word


def room(value: float, allowed: float) -> float:
    """Return by how much a value may rise to what is allowed: 0 where it is that, but for the last bits."""
    return 0.0 if is_same(value, allowed) else allowed - value


def parse_share(text: object) -> float:
    """Return the share from 0 up that ``5%`` means; a number without ``%`` is refused, as it could mean either."""
    match = _SHARE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        _refuse_comma(text)
        message = f"{text!r} is not a percentage such as '5%'"
        raise ValueError(message)
    share = _float(match[1]) / 100
    if share < 0:
        message = f"{text!r} is negative"
        raise ValueError(message)
    return share


@dataclass(frozen=True, slots=True)
class Limit:
    """An operator and a number, or a range ``value .. upper`` with both ends inside; ``unit`` may be empty."""

    op: str
    value: float
    upper: float | None = None
    unit: str = ""

    @classmethod
    def parse(cls, text: object) -> Limit:
        """Read ``<= 90 ms``, ``>= 95%``, ``60 .. 90``; raises ValueError saying what is allowed."""
        line = text.strip() if isinstance(text, str) else ""
        if match := _COMPARED.fullmatch(line):
            return cls(match[1], _float(match[2]), None, _display_unit(match[3]))
        if match := _RANGE.fullmatch(line):
            lower, upper, unit = _float(match[1]), _float(match[3]), _display_unit(match[4] or match[2])
            if match[2]:
                lower = convert(lower, _display_unit(match[2]), unit)
            if lower > upper:
                message = f"{text!r} is a range from the larger to the smaller number"
                raise ValueError(message)
            return cls("..", lower, upper, unit)
        _refuse_comma(text)
        message = f"{text!r} is not {_ALLOWED}"
        raise ValueError(message)

    def holds(self, value: float) -> bool:
        """Tell whether a value, in the limit's unit, is inside; NaN never is.

        A value that differs from the limit by no more than the last bits of a calculation is at the limit.
        """
        if math.isnan(value):
            return False
        at_limit = is_same(value, self.value)
        if self.upper is not None:
            return self.value <= value <= self.upper or at_limit or is_same(value, self.upper)
        return {
            "<": value < self.value and not at_limit,
            "<=": value < self.value or at_limit,
            ">": value > self.value and not at_limit,
            ">=": value > self.value or at_limit,
            "==": at_limit,
            "!=": not at_limit,
        }[self.op]

    def margin(self, value: float) -> float | None:
        """Return the room to the limit, positive inside and negative outside; None for ``==`` and ``!=``."""
        if self.upper is not None:
            return min(room(self.value, value), room(value, self.upper))
        if self.op in {"==", "!="}:
            return None
        return room(value, self.value) if self.op in {"<", "<="} else room(self.value, value)

    def nearest(self, value: float) -> float:
        """Return the end of the limit that is closest to a value."""
        ends = (self.value,) if self.upper is None else (self.value, self.upper)
        return min(ends, key=lambda end: abs(end - value))

    def converted(self, unit: str) -> Limit:
        """Return the same limit in another unit of its dimension; raises ValueError for another dimension."""
        upper = None if self.upper is None else convert(self.upper, self.unit, unit)
        return replace(self, value=convert(self.value, self.unit, unit), upper=upper, unit=unit)

    def shown(self, unit: str = "") -> str:
        """Write the limit for people, in its own unit or the one given."""
        unit = self.unit or unit
        suffix = f" {unit}" if unit else ""
        if self.upper is not None:
            return f"{_exact(self.value)} .. {_exact(self.upper)}{suffix}"
        return f"{self.op} {_exact(self.value)}{suffix}"


def _display_unit(unit: str | None) -> str:
    """Return a unit as it is shown: `90m` is a duration in minutes, but `90 m` reads like metres."""
    return "min" if unit == "m" else require_unit(unit or "")


def _refuse_comma(text: object) -> None:
    """Raise ValueError for what may be a decimal comma, with the way to write it."""
    match = _COMMA.search(text) if isinstance(text, str) else None
    if match is not None:
        message = (
            f"{text!r}: a decimal point is written as a point, 0.05; commas only group thousands, 4,000,000"
        )
        raise ValueError(message)


def _float(text: str) -> float:
    value = float(text.replace(",", ""))
    if not math.isfinite(value):
        message = f"{text!r} is not a finite number"
        raise ValueError(message)
    return value


def _exact(value: float) -> str:
    return format_number(value) if value == int(value) else f"{value:.12g}"
