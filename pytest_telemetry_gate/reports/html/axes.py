"""Where things are in a plot: the range of values, round numbers for its grid, and labels that do not overlap."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["MINUS", "Scale", "choose_range", "choose_ticks", "is_drawable", "spread_labels", "write_tick"]

MINUS = "\N{MINUS SIGN}"
_PREFIXES = (("G", 1e9, 1e9), ("M", 1e6, 1e6), ("k", 1e4, 1e3))
_LARGEST = 1e300
_PADDING = 0.06  # of the range, above and below
_LEAST_SHARE = 0.2  # of the range that the data must take, or a limit is left outside


@dataclass(frozen=True, slots=True)
class Scale:
    """Turns times into shares of the width, and values into pixels from the top of a body of ``height``."""

    start: float
    end: float
    low: float
    high: float
    height: float

    def across(self, time: float) -> float:
        """Return where a time (seconds since the epoch) lies, from 0 to 1; what is outside lies at an edge."""
        return min(max((time - self.start) / (self.end - self.start), 0.0), 1.0)

    def down(self, value: float) -> float:
        """Return how far below the top of the body a value lies, in pixels."""
        return (self.high - value) / (self.high - self.low) * self.height

    def shows(self, value: float) -> bool:
        """Tell whether a value lies inside the range."""
        return self.low <= value <= self.high


def is_drawable(value: float | None) -> bool:
    """Tell whether a value has a place: it is there, finite, and its distance from another such one is finite as well."""
    return value is not None and -_LARGEST < value < _LARGEST


def choose_range(
    data: Iterable[float], near: Iterable[float] = (), always: Iterable[float] = ()
) -> tuple[float, float]:
    """Return the range of values that is drawn, with some room around it.

    It has the data and ``always`` in it. Each of ``near`` is taken in, the closest first, unless the data would be left
    with less than a fifth of the range.
    """
    values = [value for value in (*data, *always) if is_drawable(value)]
    wanted = [value for value in near if is_drawable(value)]
    if not values:
        values = wanted or [0.0]
    low, high = min(values), max(values)
    least = max(high - low, max(abs(low), abs(high)) * 0.01)
    for value in sorted(wanted, key=lambda one: max(low - one, one - high)):
        if max(high, value) - min(low, value) <= least / _LEAST_SHARE:
            low, high = min(low, value), max(high, value)
    if high - low <= max(abs(low), abs(high)) * 1e-9:
        room = abs(high) * 0.05 or 1.0
        return low - room, high + room
    room = (high - low) * _PADDING
    return low - room, high + room


def choose_ticks(low: float, high: float) -> tuple[float, ...]:
    """Return two to four round numbers inside a range."""
    span = high - low
    exponent = math.floor(math.log10(span)) - 1
    for step in (
        factor * 10.0**power for power in range(exponent, exponent + 3) for factor in (1, 2, 2.5, 5)
    ):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < 4:
            return tuple(number * step for number in range(first, last + 1))
    return ()


def write_tick(value: float, ticks: Sequence[float]) -> str:
    """Write one of a grid's numbers with as many decimals as they need to differ, large ones short."""
    size = max(abs(tick) for tick in ticks)
    prefix, scale = next(((prefix, scale) for prefix, least, scale in _PREFIXES if size >= least), ("", 1.0))
    step = min((b - a for a, b in itertools.pairwise(ticks)), default=size or 1.0) / scale
    decimals = next((count for count in range(7) if abs(round(step, count) - step) < step * 1e-6), 7)
    return f"{value / scale + 0.0:.{decimals}f}{prefix}".replace("-", MINUS)


def spread_labels(heights: Sequence[float], *, apart: float, low: float, high: float) -> list[float]:
    """Return the heights moved so far that neighbours are ``apart``, all between ``low`` and ``high`` if they fit."""
    order = sorted(range(len(heights)), key=lambda place: heights[place])
    placed: list[float] = []
    for place in order:
        wanted = min(max(heights[place], low), high)
        placed.append(max(wanted, placed[-1] + apart) if placed else wanted)
    ceiling = high
    for number in reversed(range(len(placed))):
        placed[number] = min(placed[number], ceiling)
        ceiling = placed[number] - apart
    moved = [0.0] * len(heights)
    for place, height in zip(order, placed, strict=True):
        moved[place] = height
    return moved
