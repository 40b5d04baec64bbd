"""What a comparison sees, held against how often simulated comparisons notice and pass."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_telemetry_gate.stats.intervals import proof_half, sampling_interval
from pytest_telemetry_gate.stats.power import NOTICED, Look, Power, find_least_allowed, judge_unchanged

MANY = 1e6  # degrees of freedom: an error that is known
WINDOWS = 4000
PARTS = 24


@pytest.mark.parametrize("both_sides", [True, False])
@pytest.mark.parametrize(("error", "half"), [(1.0, 0.0), (2.0, 0.0), (1.0, 2.0)])
def test_chances_are_how_often_it_happens(both_sides: bool, error: float, half: float) -> None:
    power = Power(3.0, error, MANY, (half,), both_sides)
    noise = np.random.default_rng(5).normal(0, error, 200_000)
    worse = np.abs(noise) if both_sides else noise
    assert power.false_fail == pytest.approx(np.mean(worse > 3.0 + half), abs=0.003)
    assert power.clean_pass == pytest.approx(np.mean(worse + half <= 3.0), abs=0.003)
    assert np.mean(noise + power.sees > 3.0 + half) == pytest.approx(NOTICED, abs=0.003)


@pytest.mark.parametrize("memory", [0.0, 0.5])
def test_what_is_told_of_proof_is_what_intervals_do(memory: float) -> None:
    """White noise and AR(1): the gate's own intervals of simulated windows decide as often as was foretold."""
    rng = np.random.default_rng(7)
    shocks = rng.normal(0, math.sqrt(1 - memory**2), (WINDOWS, PARTS))
    parts = np.empty((WINDOWS, PARTS))
    parts[:, 0] = rng.normal(0, 1, WINDOWS)
    for place in range(1, PARTS):
        parts[:, place] = memory * parts[:, place - 1] + shocks[:, place]
    found = [sampling_interval(row, confidence=0.95) for row in parts]
    halves = np.array([math.nan if one is None else one.half for one in found])
    means = parts.mean(axis=1)
    error = float(means.std())
    power = Power(5 * error, error, MANY, tuple(halves[:100]))
    means, halves = means[100:], halves[100:]
    assert power.clean_pass == pytest.approx(np.mean(np.abs(means) + halves <= power.allowed), abs=0.05)
    needed = np.array([proof_half(half, power.allowed) for half in halves])
    assert np.mean(means + power.sees - needed > power.allowed) == pytest.approx(NOTICED, abs=0.03)


def test_a_rollout_is_all_its_looks() -> None:
    checks, allowed = 5, 2.0
    rng = np.random.default_rng(11)
    noise = rng.normal(0, [1.0] * 4 + [0.5], (100_000, checks))
    looks = [Look(Power(allowed, 1.0, MANY), 4), Look(Power(allowed, 0.5, MANY), 1, decides=True)]
    fails = np.abs(noise) > allowed
    assert judge_unchanged(looks) == pytest.approx(
        (np.mean(~fails.any(axis=1)), np.mean(fails.any(axis=1))), abs=0.005
    )
    # With proof, what is not proven matters at the last look alone.
    proven = [
        Look(Power(allowed, 1.0, MANY, (1.0,)), 4),
        Look(Power(allowed, 0.5, MANY, (1.0,)), 1, decides=True),
    ]
    fails = np.abs(noise) > allowed + 1
    passes = ~fails.any(axis=1) & (np.abs(noise[:, -1]) <= allowed - 1)
    clean, false_fail = judge_unchanged(proven)
    assert clean == pytest.approx(np.mean(passes), abs=0.005)
    assert false_fail == pytest.approx(np.mean(fails.any(axis=1)), abs=0.005)
    # A shared error makes rollouts agree with themselves: what is told is the worst.
    shared = (
        np.abs(rng.normal(0, 1, (100_000, 1)) * 0.9 + rng.normal(0, math.sqrt(0.19), (100_000, 5))) > allowed
    )
    assert (
        np.mean(shared.any(axis=1)) < judge_unchanged([Look(Power(allowed, 1.0, MANY), 5, decides=True)])[1]
    )


@pytest.mark.parametrize("half", [0.0, 0.7])
@pytest.mark.parametrize("error", [0.03, 1.0, 470.0])
def test_the_least_that_suffices_does_and_a_digit_less_does_not(error: float, half: float) -> None:
    power = Power(0.0, error, 20.0, (half * error,))
    looks = [Look(power, 4), Look(Power(0.0, error / 2, 20.0, (half * error,)), 1, decides=True)]
    least = find_least_allowed(looks)

    def passes(allowed: float) -> float:
        sizes = [Power(allowed, look.power.error, 20.0, look.power.halves) for look in looks]
        changed = [Look(size, look.times, look.decides) for size, look in zip(sizes, looks, strict=True)]
        return judge_unchanged(changed)[0]

    digit = 10.0 ** (math.floor(math.log10(least)) - 1)
    assert passes(least) >= NOTICED > passes(least - digit)
    assert float(f"{least:.2g}") == pytest.approx(least)


def test_a_constant_is_never_wrong() -> None:
    still = Power(0.0, 0.0, MANY)
    assert (still.sees, still.false_fail, still.clean_pass) == (0.0, 0.0, 1.0)
    assert find_least_allowed([Look(still, 3, decides=True)]) == 0.0
    outside = Power(-1.0, 0.0, MANY, both_sides=False)
    assert (outside.false_fail, outside.clean_pass) == (1.0, 0.0)
