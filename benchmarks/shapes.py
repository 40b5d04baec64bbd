"""Which measure of a histogram sees which change of shape, and what chance does: the tables of docs/explanation/shapes.md.

``python -m benchmarks.shapes``. Durations are log-normal with a median of 80 ms, counted into 21 buckets, 2,000 in the
window and 2,000 in the baseline. Each measure is held against what it exceeds in one of 20 cases without a change.

The second table is about windows whose level is autocorrelated from one scrape to the next: how often the distance between two
without a change is above chance, by counting alone and with what the parts of the windows say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pytest_telemetry_gate.criteria.buckets import HistogramParts
from pytest_telemetry_gate.criteria.distribution import find_chance
from pytest_telemetry_gate.stats.histograms import (
    Histogram,
    chance_of_move,
    find_largest_move,
    sum_histograms,
)

EVENTS = 2_000
RUNS = 1_000
MEDIAN = 80.0
BOUNDS = np.array(
    [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 120, 140, 160, 200, 250, 300, 400, 500, 750, 1000, 2500.0]
)
TAIL = 200.0
RANDOM = np.random.default_rng(13)

Floats = np.ndarray[Any, np.dtype[np.float64]]
Measure = Callable[[Histogram, Histogram], float]


def draw(count: int) -> Floats:
    """Return durations without any change, in ms."""
    return RANDOM.lognormal(math.log(MEDIAN), 0.35, count)


def draw_heavier(count: int, share: float, factor: float) -> Floats:
    """Return durations of which a share takes longer by a factor."""
    values = draw(count)
    return np.where(RANDOM.random(count) < share, values * factor, values)


def draw_humps(count: int) -> Floats:
    """Return durations around two values, 30 % to either side of the median."""
    around = np.where(RANDOM.random(count) < 0.5, 0.7, 1.3) * MEDIAN
    return around * RANDOM.lognormal(0, 0.15, count)


SHAPES: Mapping[str, Callable[[int], Floats]] = {
    "none": draw,
    "all 5 % slower": lambda count: draw(count) * 1.05,
    "all 10 % slower": lambda count: draw(count) * 1.1,
    "2 % take 5 times as long": lambda count: draw_heavier(count, 0.02, 5),
    "5 % take 3 times as long": lambda count: draw_heavier(count, 0.05, 3),
    "two humps": draw_humps,
}


def count_up(values: Floats) -> Histogram:
    """Return the histogram of durations."""
    counts, _ = np.histogram(values, np.concatenate(([0.0], BOUNDS, [np.inf])))
    return Histogram(np.append(BOUNDS, np.inf), np.cumsum(counts).astype(np.float64))


def moved_mass(one: Histogram, other: Histogram) -> float:
    """Return the total variation: the least share of events that must change their bucket."""
    return float(np.abs(np.diff(one.shares - other.shares, prepend=0.0)).sum() / 2)


def earth_moved(one: Histogram, other: Histogram) -> float:
    """Return the Wasserstein distance without what lies beyond the last bound, over the median."""
    widths = np.diff(BOUNDS, prepend=0.0)
    return float((np.abs(one.shares - other.shares)[:-1] * widths).sum() / MEDIAN)


MEASURES: Mapping[str, Measure] = {
    "Kolmogorov-Smirnov": lambda one, other: abs(find_largest_move(one, other).share),
    "total variation": moved_mass,
    "Wasserstein": earth_moved,
    f"tail above {TAIL:g}": lambda one, other: abs(
        (one.share_above(TAIL) or 0) - (other.share_above(TAIL) or 0)
    ),
}


def measure(shape: Callable[[int], Floats]) -> Floats:
    """Return every measure of pairs of samples, one of a shape and one without a change, float64[runs, measures]."""
    pairs = [(count_up(shape(EVENTS)), count_up(draw(EVENTS))) for _ in range(RUNS)]
    return np.array([[take(*pair) for take in MEASURES.values()] for pair in pairs])


PAIRS = 400
SCRAPES, PER_SCRAPE, PARTS = 240, 8, 24
LEVELS = {
    "steady": (0.0, 0.0),
    "AR .5, cv 10 %": (0.5, 0.1),
    "AR .9, cv 5 %": (0.9, 0.05),
    "AR .9, cv 10 %": (0.9, 0.1),
    "AR .97, cv 10 %": (0.97, 0.1),
}


def draw_parts(correlation: float, deviation: float) -> tuple[Histogram, ...]:
    """Return the histograms of the parts of a window whose level is autocorrelated from scrape to scrape."""
    steps = RANDOM.normal(size=SCRAPES) * np.where(np.arange(SCRAPES) > 0, math.sqrt(1 - correlation**2), 1.0)
    level = np.zeros(SCRAPES)
    for place in range(SCRAPES):
        level[place] = correlation * level[place - 1] * (place > 0) + steps[place]
    values = draw(SCRAPES * PER_SCRAPE).reshape(SCRAPES, PER_SCRAPE) * np.exp(deviation * level)[:, None]
    return tuple(count_up(part.ravel()) for part in np.split(values, PARTS))


def exceed(correlation: float, deviation: float) -> tuple[float, float]:
    """Return how often a distance is above chance without a change: by counting alone, and with the parts of the windows."""
    above = np.zeros(2)
    for _ in range(PAIRS):
        parts = HistogramParts(draw_parts(correlation, deviation), draw_parts(correlation, deviation), 0.0)
        now, before = (sum_histograms(one for one in each if one) for each in (parts.own, parts.others))
        move = find_largest_move(now, before)
        above += [abs(move.share) > find_chance(now, before, move, each)[0] for each in (None, parts)]
    return float(above[0] / PAIRS), float(above[1] / PAIRS)


def main() -> None:
    """Print the tables."""
    limits = np.quantile(measure(draw), 0.95, axis=0)
    bound = chance_of_move(EVENTS, EVENTS, confidence=0.95)
    mean = draw(1_000_000).mean()
    print(f"| change | mean | {' | '.join(MEASURES)} | above the bound of chance |")
    print("|---|---|" + "---|" * (len(MEASURES) + 1))
    for name, shape in SHAPES.items():
        values = measure(shape)
        cells = [
            f"{size:.3f}, {seen:.0%}"
            for size, seen in zip(values.mean(axis=0), (values > limits).mean(axis=0), strict=True)
        ]
        change = shape(1_000_000).mean() / mean - 1
        print(f"| {name} | {change:+.1%} | {' | '.join(cells)} | {(values[:, 0] > bound).mean():.0%} |")
    print("\n| level | by counting alone | with the parts |\n|---|---|---|")
    for name, kind in LEVELS.items():
        alone, parted = exceed(*kind)
        print(f"| {name} | {alone:.1%} | {parted:.1%} |")


if __name__ == "__main__":
    main()
