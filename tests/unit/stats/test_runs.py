"""The longest time in which samples kept one value."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_telemetry_gate.stats.runs import longest_run


@pytest.mark.parametrize(
    ("times", "values", "length", "first", "last"),
    [
        ([0, 15, 30, 45], [1, 2, 3, 4], 15, 0, 0),  # each value until the next one is seen
        ([0, 15, 30, 45, 60], [1, 2, 2, 2, 3], 45, 15, 45),
        ([0, 15, 30, 45], [1, 2, 2, 2], 30, 15, 45),  # nobody knows how long it goes on after the last sample
        (
            [0, 15, 30, 600, 615],
            [1, 1, 1, 1, 2],
            45,
            0,
            600,
        ),  # the gap was not seen, the same value on its sides was
        ([0, 15, 30, 45], [math.nan] * 4, 45, 0, 45),
        ([0, 15, 30], [0.0, -0.0, 1.0], 30, 0, 15),
        ([7], [3], 0, 7, 7),
    ],
)
def test_longest_run(times, values, length, first, last):
    run = longest_run(np.array(times, dtype=float), np.array(values, dtype=float))
    assert (run.length, run.first, run.last) == (length, first, last)


def test_what_was_observed_leaves_gaps_out_and_constant_is_told_from_long():
    run = longest_run(np.array([0.0, 15, 30, 600, 615]), np.ones(5))
    assert (run.observed, run.is_all) == (45.0, True)
    assert not longest_run(np.array([0.0, 15, 30]), np.array([1.0, 1.0, 2.0])).is_all
