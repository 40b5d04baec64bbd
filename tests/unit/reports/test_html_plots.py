"""Plots as SVG: where things are, what is said of them, and how little they take."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
import report_parts as parts
import sample_report
from sample_verdicts import START

from pytest_telemetry_gate.model.facts import ForecastFacts, TrendFacts
from pytest_telemetry_gate.model.report import CriterionReport, RegionReport, SeriesReport, SuiteReport
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.html.axes import choose_range, choose_ticks, spread_labels, write_tick
from pytest_telemetry_gate.reports.html.figures import Figures
from pytest_telemetry_gate.reports.html.lanes import find_stretches
from pytest_telemetry_gate.reports.html.plot import LineKind, Plot
from pytest_telemetry_gate.reports.html.plots import draw_plot
from pytest_telemetry_gate.reports.html.ribbons import Ribbon, merge_buckets
from pytest_telemetry_gate.reports.html.svg import write_path

HOUR = 3600.0


def criterion(suite: SuiteReport, name: str) -> CriterionReport:
    return next(one for one in suite.criteria if one.id == name)


def plot_of(name: str, suite: SuiteReport | None = None) -> Plot:
    suite = suite or sample_report.regressed().content.suites[0]
    return Figures(suite).plot(criterion(suite, name), "c")


def drawn(plot: Plot) -> ET.Element:
    return ET.fromstring(draw_plot(plot))


def texts(drawing: ET.Element) -> list[str]:
    return ["".join(text.itertext()) for text in drawing.iter("text")]


@pytest.mark.parametrize(
    ("data", "near", "always", "inside", "outside"),
    [
        ((84.0, 93.0), (90.0, 83.5), (), (83.5, 84.0, 93.0), ()),
        (
            (205.0, 220.0),
            (400.0, 195.0),
            (),
            (195.0, 220.0),
            (400.0,),
        ),  # the limit would leave the data a tenth
        ((1.8, 2.6), (), (-5.0, 5.0, 0.0), (-5.0, 5.0), ()),
        ((0.0, 0.0), (0.0,), (), (0.0,), ()),
        ((64.0, 64.0), (75.0,), (), (64.0,), (75.0,)),  # flat, and still a range
        ((), (90.0,), (), (90.0,), ()),
        ((1.0, float("inf"), float("nan")), (), (), (1.0,), ()),
    ],
)
def test_the_limit_is_in_the_range_unless_the_data_would_be_flat(
    data: tuple[float, ...],
    near: tuple[float, ...],
    always: tuple[float, ...],
    inside: tuple[float, ...],
    outside: tuple[float, ...],
) -> None:
    low, high = choose_range(data, near, always)
    assert low < high
    assert all(low <= value <= high for value in inside)
    assert not any(low <= value <= high for value in outside)


@pytest.mark.parametrize(
    ("low", "high", "written"),
    [
        (83.0, 94.0, ["85.0", "87.5", "90.0", "92.5"]),
        (-6.0, 6.25, ["−5", "0", "5"]),
        (63.8, 64.6, ["64.00", "64.25", "64.50"]),
        (0.0, 4_800_000.0, ["0M", "2M", "4M"]),
        (1e-6, 3e-6, ["0.000001", "0.000002", "0.000003"]),
    ],
)
def test_ticks_are_few_round_numbers_with_the_decimals_they_need(
    low: float, high: float, written: list[str]
) -> None:
    ticks = choose_ticks(low, high)
    assert 2 <= len(ticks) <= 4
    assert [write_tick(tick, ticks) for tick in ticks] == written


def test_labels_keep_apart_and_inside() -> None:
    assert spread_labels([10, 12, 100], apart=11, low=0, high=200) == [10, 21, 100]
    moved = spread_labels([100, 99, 98], apart=11, low=0, high=100)
    assert sorted(moved) == [78, 89, 100]
    assert moved[2] < moved[1] < moved[0]


def test_a_path_is_relative_in_tenths_and_rounding_does_not_add_up() -> None:
    corners = [(number / 3, number * 1.04) for number in range(301)]
    path = write_path(corners)
    numbers = [float(number) for number in re.findall(r"-?\d*\.?\d+", path)]
    assert path.startswith("M0 0l.3 1")
    assert sum(numbers[0::2]) == pytest.approx(100.0, abs=0.06)
    assert sum(numbers[1::2]) == pytest.approx(312.0, abs=0.06)


def test_merged_buckets_keep_every_extreme_and_gap() -> None:
    ribbon = Ribbon("", 0, 60, (1, 2, None, None, 5, 0, 7), (2, 9, None, None, 6, 1, 8))
    merged = merge_buckets(ribbon, 2)
    assert merged.step == 120
    assert merged.low == (1, None, 0, 7)
    assert merged.high == (9, None, 6, 8)


def test_the_limit_its_far_side_and_the_baseline_are_drawn_and_named() -> None:
    plot = plot_of("parse_duration_p95")
    said = texts(drawn(plot))
    assert {"limit ≤ 90 ms", "Sprint 1 83.5"} <= set(said)
    assert {line.kind for line in plot.lines} == {LineKind.LIMIT, LineKind.BASELINE}
    assert plot.allowed == (None, 90)
    far = texts(drawn(plot_of("stream_lag")))
    assert any(re.fullmatch(r"limit < 400 ms, ↑ \+18\d(\.\d)?", text) for text in far), far


def test_a_gap_is_hatched_named_and_no_line_runs_through_it() -> None:
    drawing = drawn(plot_of("stream_lag"))
    assert "no data 2 h" in texts(drawing)
    path = next(path for path in drawing.iter("path") if path.get("data-name") is not None)
    assert path.get("d", "").count("M") == 2
    assert any(box.get("class") == "gap" for box in drawing.iter("rect"))


def test_the_variance_has_tolerance_levels_episodes_and_its_forecast() -> None:
    suite = sample_report.ok().content.suites[0]
    said = texts(drawn(plot_of("telemetry_variance", suite)))
    assert {"tolerance +5 %", "tolerance −5 %", "INFO +3 %", "WARN +4 %", "CRIT +6 %", "Sprint 1"} <= set(
        said
    )
    assert "forecast +1.7 ± 0.04 %" in said
    assert said[-1].startswith("72h · Sat")
    assert "TelemetryVarianceHigh" in texts(drawn(plot_of("telemetry_variance")))


def test_where_every_check_has_its_own_baseline_the_hours_of_a_trend_are_drawn() -> None:
    """And the forecast of the region that stands worst, in its colour."""
    facts = TrendFacts(
        slope=1.0, slope_low=0.5, slope_high=1.5, forecast=ForecastFacts(START + 72 * HOUR, 6.0, 1.0), of="v",
        start=START + HOUR, step=HOUR, variances=tuple(hour / 12 for hour in range(48)), breach=START + 60 * HOUR,
    )  # fmt: skip
    judged = {
        name: tuple(
            parts.check(f"{hour}h", 100.0 + hour, baseline=100.0 + hour / 9, variance=hour / 12)
            for hour in (24, 48)
        )
        for name in ("eu-1", "us-1")
    }
    trends = {
        "eu-1": (parts.check("48h", 2.0, trend=replace(facts, breach=None)),),
        "us-1": (parts.check("48h", 6.0, Outcome.FAIL, trend=facts),),
    }
    suite = parts.suite(
        parts.criterion("v", regions=judged, tolerance=5.0),
        parts.criterion("t", regions=trends, kind="trend"),
    )
    plot = plot_of("v", suite)
    assert [(one.name, one.low[12]) for one in plot.ribbons] == [("eu-1", 1.0), ("us-1", 1.0)]
    assert plot.none == ""
    drawing = drawn(plot)
    assert "us-1: forecast +6.0 ± 1.0 %, outside at 60 h" in texts(drawing)
    (line,) = [one for one in drawing.iter("path") if (one.get("class") or "").startswith("forecast")]
    assert line.get("class") == "forecast region1"


def test_the_drawing_says_in_words_what_it_shows() -> None:
    drawing = drawn(plot_of("parse_duration_p95"))
    title, description = drawing.find("title"), drawing.find("desc")
    assert drawing.get("role") == "img"
    assert title is not None
    assert description is not None
    assert drawing.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert title.text == "parse_duration_ms p95, 48 h"
    assert re.search(r"From 84\.\d ms to 9\d(\.\d)? ms, between", description.text or "")
    assert "Wanted: ≤ 90 ms." in (description.text or "")
    assert "Fail from 19 h to 48 h." in (description.text or "")


def test_outcomes_differ_in_height_and_shape_and_not_in_colour_alone() -> None:
    drawing = drawn(plot_of("parse_duration_p95"))
    lane = {
        box.get("class"): box.get("height") for box in drawing.iter("rect") if "fill" in box.get("class", "")
    }
    assert lane == {"fill pass": "2", "fill fail": "6"}
    marks = {path.get("d") for path in drawing.iter("path") if path.get("class") == "mark fail"}
    assert marks
    assert any(circle.get("class") == "mark pass" for circle in drawing.iter("circle"))


def test_a_check_speaks_for_the_time_since_the_one_before() -> None:
    checks = criterion(sample_report.regressed().content.suites[0], "parse_duration_p95").regions[""].checks
    first, second = find_stretches(checks, START)
    assert (first.start, first.end) == (START, START + 19 * HOUR)
    assert (second.start, second.end) == (START + 19 * HOUR, START + 48 * HOUR)


def test_without_a_series_the_plot_says_why_and_shows_the_checkpoints() -> None:
    suite = sample_report.ok().content.suites[0]
    one = criterion(suite, "cpu")
    region = replace(one.regions[""], series=SeriesReport(none="the server answered 503"))
    changed = replace(one, regions={"": region})
    drawing = drawn(Figures(replace(suite, criteria=(changed,))).plot(changed, "c"))
    assert "no series: the server answered 503" in texts(drawing)
    assert len([circle for circle in drawing.iter("circle") if circle.get("class") == "mark pass"]) == 5


def test_a_variance_against_baselines_that_differ_is_not_drawn_as_one_line() -> None:
    suite = sample_report.ok().content.suites[0]
    one = criterion(suite, "telemetry_variance")
    first, *rest = one.regions[""].checks
    moved = replace(one.regions[""], checks=(replace(first, baseline=20.0), *rest))
    changed = replace(one, regions={"": moved})
    plot = Figures(replace(suite, criteria=(changed,))).plot(changed, "c")
    assert not plot.ribbons
    assert plot.none == "no series: every check has a baseline of its own"
    assert len(plot.marks) == 5


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1.7e308])
def test_what_has_no_place_is_not_drawn(value: float) -> None:
    suite = sample_report.ok().content.suites[0]
    one = criterion(suite, "cpu")
    region = one.regions[""]
    assert region.series is not None
    series = replace(region.series, high=(*region.series.high[:100], value, *region.series.high[101:]))
    checks = tuple(replace(check, value=value, baseline=value) for check in region.checks)
    changed = replace(one, regions={"": replace(region, series=series, checks=checks)})
    drawing = draw_plot(Figures(replace(suite, criteria=(changed,))).plot(changed, "c"))
    assert not re.search(r"nan|inf", drawing.replace("infrastructure", ""))
    assert drawing.count("M", drawing.index(' d="M')) == 2
    assert "mark" not in drawing


def test_of_more_than_four_regions_those_that_fail_stand_out_from_one_band() -> None:
    suite = sample_report.regressed().content.suites[0]
    bad = criterion(suite, "parse_duration_p95").regions[""]
    good = criterion(sample_report.ok().content.suites[0], "parse_duration_p95").regions[""]
    regions: dict[str, RegionReport] = {f"r{number}": good for number in range(6)} | {"bad": bad}
    one = replace(criterion(suite, "parse_duration_p95"), regions=regions)
    plot = Figures(replace(suite, regions=tuple(regions), criteria=(one,))).plot(one, "c")
    assert [ribbon.name for ribbon in plot.ribbons] == ["6 other regions", "bad"]
    assert [ribbon.loud for ribbon in plot.ribbons] == [False, True]
    assert len(plot.lanes) == 7
