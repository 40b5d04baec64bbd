"""Decoded samples that are kept in memory: bounded for each recording, and for all recordings of a process together."""

from __future__ import annotations

import itertools
import weakref
from collections import OrderedDict
from typing import Any

from numpy.typing import NDArray

__all__ = ["ArrayCache", "forget_arrays"]

_OWN = 512 * 2**20  # bytes of decoded samples kept for a recording
_ALL = 16 * 2**20  # bytes kept for all recordings of a process; the one that is being read may exceed it
_TICKS = itertools.count()


class ArrayCache:
    """The decoded arrays of one recording by member; the least recently used is forgotten first.

    Arrays of other recordings are forgotten before its own, since many regions are read one after the other.
    """

    def __init__(self) -> None:
        self.held = 0  # bytes of all arrays
        self.last_filled = 0
        self._arrays: OrderedDict[str, NDArray[Any]] = OrderedDict()

    def get(self, member: str) -> NDArray[Any] | None:
        """Return a member's array, or None where it has to be decoded."""
        array = self._arrays.get(member)
        if array is not None:
            self._arrays.move_to_end(member)
        return array

    def make_room(self, size: int) -> None:
        """Forget as much as an array of so many bytes needs; called before it is decoded."""
        while self._arrays and self.held + size > _OWN:
            self.held -= self._arrays.popitem(last=False)[1].nbytes
        self.last_filled = next(_TICKS)
        total = size + sum(cache.held for cache in {*_FILLED, self})
        _FILLED.add(self)
        for other in sorted(_FILLED, key=lambda cache: cache.last_filled):
            if total <= _ALL or other is self:
                return
            total -= other.held
            other.forget()

    def put(self, member: str, array: NDArray[Any]) -> None:
        """Keep an array for which room was made."""
        self._arrays[member] = array
        self.held += array.nbytes

    def forget(self) -> None:
        """Forget everything."""
        self._arrays.clear()
        self.held = 0
        _FILLED.discard(self)


_FILLED: weakref.WeakSet[ArrayCache] = weakref.WeakSet()


def forget_arrays() -> None:
    """Forget the decoded arrays of all recordings of this process; the next read decodes again."""
    for cache in list(_FILLED):
        cache.forget()
