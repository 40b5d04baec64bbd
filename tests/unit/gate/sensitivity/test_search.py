"""The search for the smallest size that is noticed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.gate.sensitivity.faults import FAULTS, two_digits
from pytest_telemetry_gate.gate.sensitivity.search import find_smallest

SIZES = two_digits(-3, 2)


def search(threshold: float, sizes=SIZES, hint: float | None = None) -> tuple[float | None, int]:
    asked = []

    def is_noticed(size: float) -> bool:
        asked.append(size)
        return abs(size) >= threshold

    return find_smallest(sizes, is_noticed, hint), len(asked)


@given(st.floats(1e-4, 1e3), st.none() | st.sampled_from(SIZES))
def test_it_is_the_smallest_of_the_sizes_whatever_the_hint(threshold, hint):
    found, asked = search(threshold, hint=hint)
    assert found == next((size for size in SIZES if size >= threshold), None)
    assert asked <= 20


def test_negative_sizes_rise_from_zero_down_to_their_end():
    sizes = FAULTS["scale"].signed(-1, SIZES)
    assert (sizes[0], sizes[-1]) == (-0.001, -0.99)
    assert search(0.053, sizes)[0] == -0.053


def test_a_good_hint_costs_two_questions():
    assert search(0.06, hint=0.06) == (0.06, 2)


def test_what_only_middle_sizes_show_is_found():
    assert find_smallest(SIZES, lambda size: 0.02 <= size <= 1.0) == 0.02
    assert find_smallest((), lambda _: True) is None


def test_sizes_have_two_digits():
    assert two_digits(0, 1)[:3] == (1.0, 1.1, 1.2)
    assert two_digits(0, 1)[-2:] == (9.9, 10.0)
    assert len(SIZES) == len(set(SIZES)) == 5 * 90 + 1
    assert sorted(SIZES) == list(SIZES)
