"""How sure each of several looks at growing data must be, so that all of them together err as rarely as one look would.

Who looks at a window that grows, and stops at the first result outside 1.96 standard errors, errs in 17 % of five looks and
in 32 % of 48, not in 5 %. The error is spent by the function of Lan and DeMets (Biometrika 70, 1983) that resembles the
boundaries of O'Brien and Fleming (Biometrics 35, 1979): very little of it early, nearly all of it at the last look. The
boundaries follow by recursive numerical integration (Armitage, McPherson and Rowe, J. R. Statist. Soc. A 132, 1969).
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.stats.quantiles import normal, normal_tail

__all__ = ["MOST", "boundaries"]

MOST = 8.0  # standard errors; what spends less than this does is not told apart from nothing
_POINTS = (400, 4000)  # fewest and most parts of the grid that a density lies on; even, for Simpson's rule
_STEPS = 60  # of bisection, which leave less than the last bit

Floats = NDArray[np.float64]


@cache
def boundaries(fractions: tuple[float, ...], *, confidence: float) -> tuple[float, ...]:
    """Return for each look how many standard errors a result must be away, so that all looks together have ``confidence``.

    ``fractions`` are the shares of the final information that the looks have: rising, above 0, at most 1. The error of both
    sides together is ``1 - confidence``. A look that may spend next to nothing gets ``MOST``. Raises ValueError for fractions
    that do not rise or leave (0, 1].
    """
    deviations = [later - earlier for earlier, later in pairwise((0.0, *fractions))]
    if any(deviation <= 0 for deviation in deviations) or (fractions and fractions[-1] > 1):
        message = f"the fractions of the looks must rise from above 0 to at most 1, not {fractions}"
        raise ValueError(message)
    deviations = [deviation**0.5 for deviation in deviations]
    found: list[float] = []
    grid, weights, spent = np.zeros(1), np.ones(1), 0.0  # all paths begin at 0
    for fraction, deviation in zip(fractions, deviations, strict=True):
        allowed = _spend(fraction, 1 - confidence)
        bound = _find_bound(grid, weights, deviation, allowed - spent, MOST * fraction**0.5)
        found.append(bound / fraction**0.5)
        spent += _crossing(grid, weights, deviation, bound)
        grid, weights = _carry_on(grid, weights, deviation, bound, min(deviations))
    return tuple(found)


def _spend(fraction: float, error: float) -> float:
    """Return how much of the error may be spent up to a look: each side half of it, by O'Brien and Fleming's shape."""
    return 2 * float(normal_tail(normal(1 - error / 2) / fraction**0.5))


def _crossing(grid: Floats, weights: Floats, deviation: float, bound: float) -> float:
    """Return the probability that a path inside so far leaves ``-bound .. bound`` at this look."""
    beyond = normal_tail((bound - grid) / deviation) / 2 + normal_tail((bound + grid) / deviation) / 2
    return float(np.sum(weights * beyond))


def _find_bound(grid: Floats, weights: Floats, deviation: float, allowed: float, most: float) -> float:
    """Return the bound that a path leaves with the allowed probability, at most ``most``."""
    low, high = 0.0, most
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _crossing(grid, weights, deviation, middle) > allowed:
            low = middle
        else:
            high = middle
    return high


def _carry_on(
    grid: Floats, weights: Floats, deviation: float, bound: float, finest: float
) -> tuple[Floats, Floats]:
    """Return a grid over the paths that stay inside, fine enough for steps of ``finest``, and the weights of its points."""
    parts = 2 * int(np.clip(4 * bound / finest, *_POINTS) / 2)
    later = np.linspace(-bound, bound, parts + 1)
    simpson = np.where(np.arange(parts + 1) % 2, 4.0, 2.0)
    simpson[[0, -1]] = 1.0
    distances = (later[:, None] - grid[None, :]) / deviation
    density = np.exp(-0.5 * distances * distances) @ weights / (deviation * np.sqrt(2 * np.pi))
    return later, simpson * (later[1] - later[0]) / 3 * density
