"""The smallest size of a fault that is noticed, by bisection over the sizes that are tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["find_smallest"]

_PROBES = 3  # sizes that are tried, from the largest on, before a fault counts as never noticed


def find_smallest(
    sizes: Sequence[float], is_noticed: Callable[[float], bool], hint: float | None = None
) -> float | None:
    """Return the smallest of some rising sizes that is noticed, None where none is.

    Of a fault that is noticed every larger one is taken to be noticed too, as far as bisection goes; where the largest is
    not, a few smaller ones are tried. ``hint`` is a size that is likely to be the one.
    """
    if not sizes:
        return None
    low, high = -1, len(sizes)  # the largest place that is known not to be noticed, the smallest that is
    if hint is not None and hint in sizes:
        low, high = _surround(sizes, is_noticed, sizes.index(hint))
    if high == len(sizes):
        probes = (round((len(sizes) - 1) * (_PROBES - probe) / _PROBES) for probe in range(_PROBES))
        found = (place for place in dict.fromkeys(probes) if place > low and is_noticed(sizes[place]))
        high = next(found, -1)
        if high < 0:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if is_noticed(sizes[middle]):
            high = middle
        else:
            low = middle
    return sizes[high]


def _surround(sizes: Sequence[float], is_noticed: Callable[[float], bool], place: int) -> tuple[int, int]:
    """Return a place that is not noticed and a larger one that is, as near to a likely place as steps that double find them."""
    low, high, step = -1, len(sizes), 1
    if is_noticed(sizes[place]):
        high = place
        while high > 0:
            lower = max(high - step, 0)
            if not is_noticed(sizes[lower]):
                return lower, high
            high, step = lower, step * 2
        return low, high
    low = place
    while low < len(sizes) - 1:
        higher = min(low + step, len(sizes) - 1)
        if is_noticed(sizes[higher]):
            return low, higher
        low, step = higher, step * 2
    return low, high
