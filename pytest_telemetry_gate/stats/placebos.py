"""Placebos: the variances that a comparison had at earlier moments, when nothing was rolled out.

They tell what no interval from inside of a window can know: how far the system moves by itself from one moment to another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.stats.quantiles import variance_ratio

__all__ = ["Candidate", "Comparison", "choose_reference", "take_apart"]

Floats = NDArray[np.float64]

_MOST = 24  # placebos: the spread is known to a seventh then, and a line of a review holds them
_ENOUGH = 8
_SURE = 0.9


@dataclass(frozen=True, slots=True)
class Comparison:
    """Values of a query on a grid of moments, ``step`` seconds apart; NaN where there is none.

    ``values`` are over the window that checks have, ``wide`` over that of the baseline, at the same moments. ``scale`` is
    what a difference is multiplied with to be in percentage points, None for changes in %.
    """

    values: Floats
    wide: Floats
    step: float
    scale: float | None = None

    def against_number(self, distance: float) -> Floats:
        """Return the variance of each value against the baseline that was measured ``distance`` seconds before."""
        return self._variances(_shift(self.wide, math.ceil(distance / self.step)))

    def against_earlier(self, offsets: Sequence[float]) -> Floats:
        """Return the variance of each value against the mean of those that were that many seconds before."""
        earlier = [_shift(self.values, round(offset / self.step)) for offset in offsets]
        return self._variances(np.mean(earlier, axis=0))

    def _variances(self, baselines: Floats) -> Floats:
        if self.scale is not None:
            return (self.values - baselines) * self.scale
        with np.errstate(divide="ignore", invalid="ignore"):
            changes = (self.values - baselines) / np.abs(baselines) * 100
        return np.where(baselines == 0, np.nan, changes)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A reference and its placebos, in the variance's unit."""

    reference: str
    placebos: Floats

    @property
    def error(self) -> float:
        """The root mean square of the placebos: their mean is known to be zero. Infinite without any."""
        return float(np.sqrt(np.mean(np.square(self.placebos)))) if len(self.placebos) else math.inf


def take_apart(variances: Floats, step: float) -> Floats:
    """Return variances at moments that are spread over all there are, the latest last, 24 at most; NaN are none.

    They are never a part of a day apart that divides it, so that every hour of the day has its turn.
    """
    places = np.flatnonzero(np.isfinite(variances))
    if not len(places):
        return np.empty(0)
    day = max(1, round(86400.0 / step))
    gap = max(1, math.ceil((places[-1] - places[0] + 1) / _MOST))
    while gap > 1 and math.gcd(gap, day) > 1:
        gap += 1
    chosen = np.arange(places[-1], places[0] - 1, -gap)[::-1]
    taken: Floats = variances[chosen]
    return taken[np.isfinite(taken)]


def choose_reference(candidates: Sequence[Candidate]) -> Candidate:
    """Return the candidate with the least error; one that comes later must be better than chance explains once in ten.

    Of several that are as good as each other, the least error is a matter of luck (Fisher's F tells by how much). Only
    candidates with 8 placebos are compared, or as many as the one has that has most.
    """
    enough = min(_ENOUGH, max(len(candidate.placebos) for candidate in candidates))
    best, *others = [candidate for candidate in candidates if len(candidate.placebos) >= enough]
    for other in others if enough else ():
        luck = variance_ratio(_SURE, len(best.placebos), len(other.placebos))
        if best.error**2 > luck * other.error**2:
            best = other
    return best


def _shift(values: Floats, steps: int) -> Floats:
    """Return the values that were so many steps before, NaN where there was none."""
    shifted = np.full(len(values), np.nan)
    if steps < len(values):
        shifted[steps:] = values[: len(values) - steps]
    return shifted
