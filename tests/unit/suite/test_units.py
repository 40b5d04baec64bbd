"""Limits, units, durations and moments as people write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.support.durations import format_duration, format_time, parse_duration, parse_time
from pytest_telemetry_gate.support.units import Limit, convert, find_unit, parse_share, suffix_unit
from pytest_telemetry_gate.support.variables import expand


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("<= 90", [90, 89, -5], [90.001]),
        ("< 90", [89.999], [90]),
        (">= 95%", [95, 100], [94.9]),
        ("> 0", [1e-9], [0]),
        ("== 0", [0], [1, -1]),
        ("!= 0", [1], [0]),
        ("60 .. 90", [60, 75, 90], [59.9, 90.1]),
        ("-5 .. 5", [0], [-6]),
        ("<= 1.5e3", [1500], [1501]),
        (">= 4,000,000", [4e6], [3_999_999]),
    ],
)
def test_limits_hold_what_is_inside(text, inside, outside):
    limit = Limit.parse(text)
    assert [value for value in inside if not limit.holds(value)] == []
    assert [value for value in outside if limit.holds(value)] == []
    assert not limit.holds(math.nan)


@pytest.mark.parametrize("text", ["<= 99.99999", "> 1234567.5", "0.1 .. 0.3 ms", "== 0"])
def test_a_limit_is_shown_as_it_was_written(text):
    assert Limit.parse(text).shown().replace(",", "") == text


@pytest.mark.parametrize(
    ("text", "value", "margin"),
    [
        ("<= 90", 84.5, 5.5),
        (">= 120", 122, 2),
        ("60 .. 90", 85, 5),
        ("60 .. 90", 50, -10),
        ("== 0", 0, None),
        ("< 90", 93, -3),
    ],
)
def test_the_margin_is_the_room_to_the_limit(text, value, margin):
    assert Limit.parse(text).margin(value) == margin


@pytest.mark.parametrize(
    "text",
    [
        "90",
        "<=",
        "=< 90",
        "<= ninety",
        "90 .. 60",
        "<= nan",
        "",
        "<= 90 ms please",
        "~ 5",
        "<= inf",
        90,
        None,
        True,
    ],
)
def test_what_is_no_limit_is_refused(text):
    with pytest.raises(ValueError, match=r"is not an operator|larger to the smaller|finite"):
        Limit.parse(text)


@pytest.mark.parametrize(
    ("value", "unit", "to", "result"),
    [
        (0.085, "s", "ms", 85.0),
        (90, "min", "s", 5400),
        (512, "KB", "B", 512_000),
        (512, "KiB", "B", 524_288),
        (0.981, "ratio", "%", 98.1),
        (0.29, "ratio", "%", 29),
        (0.0579, "s", "ms", 57.9),
        (1.1, "KiB", "B", 1126.4),
        (95, "%", "ratio", 0.95),
        (3, "spans", "spans", 3),
    ],
)
def test_units_of_one_dimension_are_converted(value, unit, to, result):
    assert convert(value, unit, to) == result


@pytest.mark.parametrize(("unit", "to"), [("ms", "B"), ("spans", "events"), ("ms", ""), ("%", "s")])
def test_units_of_two_dimensions_are_not(unit, to):
    with pytest.raises(ValueError, match="cannot be converted"):
        convert(1, unit, to)


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        ("parse_duration_ms_bucket", "ms"),
        ("request_duration_seconds_sum", "s"),
        ("process_resident_memory_bytes", "B"),
        ("cicd_success_ratio", "ratio"),
        ("resource_utilization_cpu_percent", "%"),
        ("node_network_receive_bytes_total", "B"),
        ("parse_total", None),
        ("up", None),
    ],
)
def test_a_metric_s_name_promises_its_unit(metric, unit):
    assert suffix_unit(metric) == unit


@pytest.mark.parametrize("text", [5, "5", "-5%", "five%", None])
def test_a_percentage_says_so(text):
    with pytest.raises(ValueError, match=r"percentage|negative"):
        parse_share(text)


@given(st.integers(-(10**12), 10**12))
def test_durations_read_back(milliseconds):
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, abs=5e-4)


@pytest.mark.parametrize("text", ["", "1x", "1h 30m", "h", "1.5h", "30m1h", "--1h"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


def test_a_moment_needs_a_zone():
    assert parse_time("2025-01-22T14:00:00-08:00") == 1737583200.0
    assert parse_time("1737583200") == 1737583200.0
    assert format_time(1737583200.0) == "2025-01-22T22:00:00Z"
    with pytest.raises(ValueError, match="has no zone"):
        parse_time("2025-01-22T14:00:00")


def test_variables_are_names_and_not_numbers():
    values = {"job": "parser", "__window": "5m"}
    assert expand('x{job="$job"}[${__window}]', values) == 'x{job="parser"}[5m]'
    assert (
        expand('label_replace(x, "a", "$1", "b", "${1}")', values)
        == 'label_replace(x, "a", "$1", "b", "${1}")'
    )
    with pytest.raises(
        ValueError, match=r"unknown variable \$jobs \(did you mean '\$job'\?\); known: \$__window, \$job"
    ):
        expand("$jobs", values)


@pytest.mark.parametrize(
    ("name", "unit"),
    [("millisecond", "ms"), ("Percent", "%"), ("kibibyte", "KiB"), ("ms", "ms"), ("request", ""), ("", "")],
)
def test_units_of_other_systems_are_found_by_their_names(name, unit):
    assert find_unit(name) == unit
