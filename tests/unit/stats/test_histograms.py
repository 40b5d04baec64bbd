"""What buckets say of a shape, and how much of it chance may do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_telemetry_gate.stats.histograms import (
    Histogram,
    chance_of_move,
    find_largest_move,
    share_error,
    sum_histograms,
)

BOUNDS = np.array([50.0, 100, 200, 400, math.inf])


def histogram(*each):
    """Return a histogram of as many events in each bucket."""
    return Histogram(BOUNDS, np.cumsum(np.array(each, dtype=float)))


def test_shares_and_quantiles_are_prometheus_own():
    one = histogram(10, 40, 30, 15, 5)
    assert (one.events, one.share_above(200), one.share_above(150)) == (100, pytest.approx(0.2), None)
    assert (one.around(150), one.around(9), one.around(500)) == ((100, 200), (-math.inf, 50), (400, math.inf))
    assert one.quantile(0.3) == pytest.approx(75)
    assert one.quantile(0.97) == math.inf
    assert (one.share_beyond, one.last_bound) == (pytest.approx(0.05), 400)


def test_a_move_has_a_place_and_a_direction():
    move = find_largest_move(histogram(10, 40, 20, 25, 5), histogram(10, 40, 30, 15, 5))
    assert (move.share, move.bound) == (pytest.approx(0.1), 200)
    assert find_largest_move(histogram(1, 1, 0, 0, 0), histogram(0, 1, 1, 0, 0)).share == pytest.approx(-0.5)
    assert sum_histograms([histogram(1, 2, 3, 4, 5), histogram(5, 4, 3, 2, 1)]).events == 30


def test_chance_alone_stays_below_its_bound_in_19_of_20_cases():
    """And the error of a share is that of counting."""
    random = np.random.default_rng(3)
    shares = [0.1, 0.4, 0.3, 0.15, 0.05]
    moves, tails = [], []
    for _ in range(2000):
        one, other = (histogram(*random.multinomial(events, shares)) for events in (400, 900))
        moves.append(abs(find_largest_move(one, other).share))
        tails.append(one.share_above(200))
    assert np.mean(np.array(moves) > chance_of_move(400, 900, confidence=0.95)) < 0.05
    assert np.std(tails) == pytest.approx(share_error(0.2, 400), rel=0.05)


def test_the_interval_of_a_quantile_holds_it():
    random = np.random.default_rng(4)
    bounds = np.array([*np.arange(5.0, 400, 5), math.inf])
    truth, held = 50 * 2.5631, 0  # of a log-normal distribution with this median, at 90 %
    spread = math.log(2.5631) / 1.2816
    for _ in range(500):
        counts, _ = np.histogram(random.lognormal(math.log(50), spread, 1000), [0, *bounds])
        one = Histogram(bounds, np.cumsum(counts).astype(float))
        held += abs(one.quantile(0.9) - truth) <= one.quantile_half(0.9, confidence=0.95)
    assert 0.92 < held / 500 < 0.98
    assert histogram(10, 40, 30, 10, 10).quantile_half(0.89, confidence=0.95) == math.inf
