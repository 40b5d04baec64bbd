"""Kahan summation, for many sums at once."""

from __future__ import annotations

import numpy as np

from pytest_telemetry_gate.promql.frame import Floats, Ints

__all__ = ["SCALE", "RunningSum", "kahan_add", "kahan_total", "tree_sum", "two_sum"]

# A power of two, so that scaling by it rounds nothing, for means of values whose sum would overflow
SCALE = 2.0**-64


def two_sum(total: Floats, more: Floats) -> tuple[Floats, Floats]:
    """Return a sum and its exact rounding error (Knuth's TwoSum, the error term of Neumaier's summation).

    The error is NaN where the sum is not finite.
    """
    after = total + more
    virtual = after - total
    lost = after - virtual
    np.subtract(total, lost, out=lost)
    np.subtract(more, virtual, out=virtual)
    lost += virtual
    return after, lost


def kahan_add(more: Floats, total: Floats, lost: Floats) -> tuple[Floats, Floats]:
    """``kahanSumInc``: add to a total, and the rounding error to ``lost``; return both."""
    after, error = two_sum(total, more)
    error += lost
    return after, error


class RunningSum:
    """Kahan sums of many numbers at once, in constant memory."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._total, self._lost = np.zeros(shape), np.zeros(shape)
        self._after, self._virtual, self._error = np.empty((3, *shape))

    def add(self, more: Floats, where: Ints | slice) -> None:
        """Add to some of the sums; a slice stands for all of them."""
        if not isinstance(where, slice):
            total, lost = self._total[where], self._lost[where]
            self._total[where], self._lost[where] = kahan_add(more, total, lost)
            return
        total, after, virtual, error = self._total, self._after, self._virtual, self._error
        np.add(total, more, out=after)  # as two_sum() does
        np.subtract(after, total, out=virtual)
        np.subtract(after, virtual, out=error)
        np.subtract(total, error, out=error)
        np.subtract(more, virtual, out=virtual)
        error += virtual
        self._lost += error
        self._total, self._after = after, total

    def at(self, where: Ints | slice) -> Floats:
        """Return some of the sums as they stand."""
        return self._total[where] + self._lost[where]

    def result(self) -> Floats:
        """Return the sums."""
        return kahan_total(self._total, self._lost)


def kahan_total(total: Floats, lost: Floats) -> Floats:
    """Return total plus rounding error; infinities and NaN stay as the plain sum has them."""
    return np.where(np.isfinite(total), total + lost, total)


def tree_sum(rows: Floats) -> Floats:
    """Sum over the first axis as exactly as Kahan summation does, by halves; overwrites ``rows``."""
    if not len(rows):
        return np.zeros(rows.shape[1:])
    total, lost = rows, np.zeros_like(rows)
    while len(total) > 1:
        half = (len(total) + 1) // 2
        pairs = len(total) - half
        added, error = two_sum(total[:pairs], total[half:])
        error += lost[half:]
        total[:pairs] = added
        lost[:pairs] += error
        total, lost = total[:half], lost[:half]
    return kahan_total(total[0], lost[0])
