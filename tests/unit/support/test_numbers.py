"""How numbers are written for people."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.support.durations import format_short_duration
from pytest_telemetry_gate.support.numbers import (
    format_against,
    format_change,
    format_compact,
    format_compact_limit,
    format_distinct,
    format_number,
    format_percent,
    format_value,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e14, max_value=1e14)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (-0.0, "0"), (84.5, "84.5"), (84.46, "84.5"), (60.0, "60"), (1234.5, "1,234"), (4_800_000, "4,800,000"),
        (0.981, "0.981"), (0.0123, "0.0123"), (1e-9, "1e-09"), (2.5e17, "2.5e+17"), (-3.14159, "-3.1"), (99.96, "100.0"),
        (math.nan, "NaN"), (math.inf, "+Inf"), (-math.inf, "-Inf"),
    ],
)  # fmt: skip
def test_number(value: float, text: str) -> None:
    assert format_number(value) == text


def test_value_has_the_unit_behind_it_and_says_when_there_is_none() -> None:
    assert format_value(84.5, "ms") == "84.5 ms"
    assert format_value(0) == "0"
    assert format_value(None, "ms") == "-"


@pytest.mark.parametrize(
    ("value", "other", "text"),
    [
        (93.1, 90, "93.1"), (90.04, 90, "90.04"), (89.96, 90, "89.96"), (90.0, 90, "90"), (0.950001, 0.95, "0.950001"),
        (1000.4, 1000, "1,000.4"), (90.00000001, 90, "90.00000001"), (89.999, 90, "89.999"), (90.02, 89.97, "90.02"),
        (math.inf, 90, "+Inf"), (90, math.inf, "90"),
    ],
)  # fmt: skip
def test_distinct(value: float, other: float, text: str) -> None:
    assert format_distinct(value, other) == text
    assert format_distinct(value, other, "ms") == f"{text} ms"


@given(FINITE, FINITE)
def test_distinct_reads_on_the_side_on_which_the_value_is(value: float, other: float) -> None:
    read = float(format_distinct(value, other).replace(",", ""))
    if abs(value - other) > 1e-15 * max(abs(value), abs(other), 1):
        assert (read > other) == (value > other)
        assert read != other


@given(st.floats(min_value=-1e6, max_value=1e6), st.integers(-1000, 1000))
def test_a_value_beside_its_limit_never_reads_like_it(value: float, limit: int) -> None:
    for text in (format_against(value, f"<= {limit} ms"), format_compact(value, f"<= {limit} ms")):
        if text[-1].isdigit() and abs(value - limit) > 1e-12:
            assert float(text.replace(",", "")) != limit


def test_against_heeds_every_number_of_a_range() -> None:
    assert format_against(60.01, "60 .. 90 ms", "ms") == "60.01 ms"
    assert format_against(90.01, "60 .. 90 ms", "ms") == "90.01 ms"
    assert format_against(75.04, "60 .. 90 ms") == "75.0"
    assert format_against(84.5, "") == "84.5"


@pytest.mark.parametrize(
    ("value", "limit", "text"),
    [
        (4_812_345, ">= 4000000", "4.81M"), (4_000_001, ">= 4000000", "4,000,001"), (4_000_000, "<= 4000000", "4,000,000"),
        (812_345, "", "812k"), (99_999, "", "99,999"), (100_000, "", "100k"), (999_999, "", "1.00M"), (-2.5e9, "", "-2.50G"),
        (9.9996e5, "", "1.00M"), (2e15, "", "2e+15"), (84.46, "<= 90 ms", "84.5"),
    ],
)  # fmt: skip
def test_compact(value: float, limit: str, text: str) -> None:
    assert format_compact(value, limit) == text


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (">= 4000000", ">= 4M"), ("<= 4,500,000 B", "<= 4.5M B"), ("< 4000001", "< 4000001"), ("<= 90 ms", "<= 90 ms"),
        ("100000 .. 250000", "100k .. 250k"), ("within ±5 %", "within ±5 %"),
    ],
)  # fmt: skip
def test_a_limit_is_shortened_only_where_that_loses_nothing(limit: str, text: str) -> None:
    assert format_compact_limit(limit) == text


@pytest.mark.parametrize(
    ("value", "text"), [(2.14, "+2.1"), (-0.5, "-0.5"), (0, "+0.0"), (0.04, "+0.04"), (-0.004, "-0.004")]
)
def test_change_never_rounds_to_a_zero_that_it_is_not(value: float, text: str) -> None:
    assert format_change(value) == text
    assert format_change(value, "%") == f"{text} %"


@pytest.mark.parametrize(
    ("share", "text"), [(1, "100 %"), (0.9996, "99.9 %"), (0.9, "90 %"), (0.8999, "89.9 %"), (0, "0 %")]
)
def test_percent_rounds_down(share: float, text: str) -> None:
    assert format_percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "0.25s"), (15, "15s"), (90, "1m 30s"), (5400, "1h 30m"), (172800, "2d"), (90061, "1d 1h"), (-60, "-1m"),
        (59.999, "60s"), (3600.4, "1h"),
    ],
)  # fmt: skip
def test_duration(seconds: float, text: str) -> None:
    assert format_short_duration(seconds) == text
