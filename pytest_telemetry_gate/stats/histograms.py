"""What can be read from the buckets of a classic histogram, and how much of it may be chance.

Chance is that of counting events which do not depend on one another. Events that come in bursts, or whose durations rise and
fall together, vary more; only the parts of a window can tell how much.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.stats.quantiles import normal

__all__ = [
    "Histogram",
    "Move",
    "chance_of_move",
    "find_largest_move",
    "pooled_error",
    "share_error",
    "sum_histograms",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Events by bucket: ``bounds`` rise to ``+Inf``, ``counts`` are cumulative; both are float64[buckets]."""

    bounds: Floats
    counts: Floats

    @property
    def events(self) -> float:
        """The number of events."""
        return float(self.counts[-1])

    @property
    def shares(self) -> Floats:
        """The share of the events up to each bound, from 0 to 1, float64[buckets]."""
        shares: Floats = self.counts / self.counts[-1]
        return shares

    @property
    def last_bound(self) -> float:
        """The last bound that is a number."""
        return float(self.bounds[-2])

    @property
    def share_beyond(self) -> float:
        """The share of events beyond the last bound, of which nobody knows how large they are."""
        return float(1 - self.shares[-2])

    def share_above(self, bound: float) -> float | None:
        """Return the share of events above a bound; None where no bucket ends there."""
        places = np.flatnonzero(np.isclose(self.bounds, bound, rtol=1e-9, atol=0))
        return float(1 - self.shares[places[0]]) if len(places) else None

    def around(self, bound: float) -> tuple[float, float]:
        """Return the bounds between which a number lies; the lower one is ``-inf`` or the upper one ``inf`` beyond them."""
        place = int(np.searchsorted(self.bounds, bound))
        return (float(self.bounds[place - 1]) if place else -math.inf), float(self.bounds[place])

    def quantile(self, q: float) -> float:
        """Return a quantile as Prometheus interpolates it; ``inf`` beyond the last bound, ``q`` from 0 to 1."""
        rank = q * self.events
        place = int(np.searchsorted(self.counts, rank * (1 - 1e-12)))
        if place >= len(self.bounds) - 1:
            return math.inf
        high = float(self.bounds[place])
        if place == 0 and high <= 0:
            return high
        low = float(self.bounds[place - 1]) if place else 0.0
        before = float(self.counts[place - 1]) if place else 0.0
        inside = float(self.counts[place]) - before
        return low + (high - low) * ((rank - before) / inside if inside else 1.0)

    def quantile_half(self, q: float, *, confidence: float) -> float:
        """Return half of the interval of a quantile: between those whose ranks chance could give to it."""
        reach = normal(confidence) * math.sqrt(q * (1 - q) / self.events)
        low, high = self.quantile(max(0.0, q - reach)), self.quantile(min(1.0, q + reach))
        return math.inf if math.isinf(high) else (high - low) / 2


@dataclass(frozen=True, slots=True)
class Move:
    """The largest share of events that lie on the other side of a bound: positive for more of them above it."""

    share: float
    bound: float


def sum_histograms(histograms: Iterable[Histogram]) -> Histogram:
    """Return one histogram of the events of several with the same bounds."""
    each = list(histograms)
    return Histogram(each[0].bounds, np.sum([one.counts for one in each], axis=0))


def find_largest_move(histogram: Histogram, before: Histogram) -> Move:
    """Return the Kolmogorov-Smirnov distance at the bounds that two histograms share, with its sign and its place."""
    risen = before.shares - histogram.shares
    place = int(np.argmax(np.abs(risen)))
    return Move(float(risen[place]), float(histogram.bounds[place]))


def chance_of_move(events: float, before: float, *, confidence: float) -> float:
    """Return how large the move between two samples of one distribution may be by chance, at most.

    The Dvoretzky-Kiefer-Wolfowitz inequality with Massart's constant (Annals of Probability 18, 1990), for two samples
    (Wei and Dudley, Statistics and Probability Letters 82, 2012). It holds whatever the distribution; at the bounds of
    buckets alone the chance is smaller still.
    """
    return math.sqrt(math.log(2 / (1 - confidence)) / 2 * (1 / events + 1 / before))


def share_error(share: float, events: float) -> float:
    """Return the standard error of a share of counted events, with one more event on either side (Agresti and Caffo, 2000)."""
    adjusted = (share * events + 1) / (events + 2)
    return math.sqrt(adjusted * (1 - adjusted) / (events + 2))


def pooled_error(share: float, events: float, other: float, others: float) -> float:
    """Return the standard error of the difference of two shares of counted events that are the same but for chance."""
    pooled = (share * events + other * others) / (events + others)
    return math.sqrt(pooled * (1 - pooled) * (1 / events + 1 / others))
