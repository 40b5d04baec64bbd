"""Sums that lose nothing to rounding: Kahan's summation, and the same over many numbers at once."""

from __future__ import annotations

import numpy as np

from pytest_telemetry_gate.promql.frame import Floats

__all__ = ["SCALE", "compensated", "finished", "kahan_added", "tree_sum"]

# A power of two, so that scaling by it rounds nothing, for means of values whose sum would overflow
SCALE = 2.0**-64


def compensated(total: Floats, more: Floats) -> tuple[Floats, Floats]:
    """Return a sum and what it rounds off, exactly (Knuth's TwoSum, the error term of Neumaier's summation).

    The error is NaN where the sum is not finite.
    """
    after = total + more
    virtual = after - total
    lost = after - virtual
    np.subtract(total, lost, out=lost)
    np.subtract(more, virtual, out=virtual)
    lost += virtual
    return after, lost


def kahan_added(more: Floats, total: Floats, lost: Floats) -> tuple[Floats, Floats]:
    """``kahanSumInc``: add to a total, and what the addition rounds off to ``lost``."""
    after, error = compensated(total, more)
    error += lost
    return after, error


def finished(total: Floats, lost: Floats) -> Floats:
    """Return the sum with what it had rounded off; infinities and NaN are as the plain sum has them."""
    return np.where(np.isfinite(total), total + lost, total)


def tree_sum(rows: Floats) -> Floats:
    """Sum over the first axis as exactly as Kahan's summation does, in halves; ``rows`` is used up."""
    if not len(rows):
        return np.zeros(rows.shape[1:])
    total, lost = rows, np.zeros_like(rows)
    while len(total) > 1:
        half = (len(total) + 1) // 2
        pairs = len(total) - half
        added, error = compensated(total[:pairs], total[half:])
        error += lost[half:]
        total[:pairs] = added
        lost[:pairs] += error
        total, lost = total[:half], lost[:half]
    return finished(total[0], lost[0])
