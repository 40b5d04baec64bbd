"""Boundaries of several looks, against those that are published, and against simulated paths."""

from itertools import pairwise

import numpy as np
import pytest

from pytest_telemetry_gate.stats.spending import MOST, boundaries


def _equal(looks: int) -> tuple[float, ...]:
    return tuple(look / looks for look in range(1, looks + 1))


def test_one_look_is_the_plain_quantile() -> None:
    assert boundaries((1.0,), confidence=0.95) == pytest.approx((1.959964,), abs=1e-5)
    assert boundaries((), confidence=0.95) == ()


def test_five_looks_are_those_that_are_published() -> None:
    # Reboussin, DeMets, Kim and Lan, Controlled Clinical Trials 21 (2000): two-sided 0.05, O'Brien-Fleming type
    assert boundaries(_equal(5), confidence=0.95) == pytest.approx(
        (4.8769, 3.3569, 2.6803, 2.2898, 2.0310), abs=2e-4
    )


def test_many_looks_cost_the_last_one_little() -> None:
    found = boundaries(_equal(48), confidence=0.95)

    assert found[0] == MOST
    assert all(later <= earlier for earlier, later in pairwise(found))
    assert found[-1] == pytest.approx(2.16, abs=0.005)


@pytest.mark.parametrize("fractions", [(0.1, 0.5, 0.55, 0.5501, 1.0), (0.9, 1.0), _equal(12)])
def test_all_looks_together_err_as_rarely_as_one(fractions: tuple[float, ...]) -> None:
    steps = np.sqrt(np.diff([0.0, *fractions]))
    paths = (np.random.default_rng(13).standard_normal((60_000, len(fractions))) * steps).cumsum(axis=1)

    crossed = np.abs(paths / np.sqrt(fractions)) > boundaries(fractions, confidence=0.95)

    assert crossed.any(axis=1).mean() == pytest.approx(0.05, abs=0.003)


@pytest.mark.parametrize("fractions", [(0.0, 1.0), (0.5, 0.5), (0.7, 0.3), (0.5, 1.1)])
def test_fractions_must_rise_to_one_at_most(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must rise"):
        boundaries(fractions, confidence=0.95)
