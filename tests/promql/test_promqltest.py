"""The reader of Prometheus' test format and the runner on top of it, which must be able to fail."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from promql.corpus import Report, run_script
from promql.promqltest import (
    Clear,
    Eval,
    FormatError,
    Load,
    almost_equal,
    read,
)

from pytest_telemetry_gate.promql.storage import STALE
from pytest_telemetry_gate.rules.notation import Histogram, parse_milliseconds, parse_series


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("m 1 2.5 -3 +4 1e3 .5", [1, 2.5, -3, 4, 1000, 0.5]),
        ("m 3x2", [3, 3, 3]),
        ("m 0x3", [0, 0, 0, 0]),
        ("m 1+2x3", [1, 3, 5, 7]),
        ("m 5-2.5x2", [5, 2.5, 0]),
        ("m -1-1x1", [-1, -2]),
        ("m _ 1 _x2 2", [None, 1, None, None, 2]),
        ("m Inf -Inf +Inf", [math.inf, -math.inf, math.inf]),
        ("m", []),
    ],
)
def test_values(text: str, values: list[float | None]) -> None:
    assert list(parse_series(text).values) == values


def test_stale_and_ordinary_nan_are_told_apart() -> None:
    values = parse_series("m stale NaN stalex1").values
    assert [value is STALE for value in values] == [True, False, True, True]


def test_native_histograms_are_recognised_with_their_counts() -> None:
    values = parse_series("m {{schema:0 sum:5 buckets:[1 2]}}x2 _ {{count:1}}+{{count:2}}x1 7").values
    assert [isinstance(value, Histogram) for value in values] == [True, True, True, False, True, True, False]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("m 1", {"__name__": "m"}),
        ("{} 1", {}),
        ("m{a=\"b\", c = 'd', e=`f\\n`} 1", {"__name__": "m", "a": "b", "c": "d", "e": "f\\n"}),
        ('m{a="x\\ny\\"z\\u00e9",} 1', {"__name__": "m", "a": 'x\ny"zé'}),
        ('{"a.metric", "a label"="b"} 1', {"__name__": "a.metric", "a label": "b"}),
    ],
)
def test_labels(text: str, labels: dict[str, str]) -> None:
    series = parse_series(text)
    assert dict(series.labels) == labels
    assert series.values == (1.0,)


@pytest.mark.parametrize("text", ["m{a=b} 1", 'm{a="b" 1', "m 1y", "m 1x", "1 2", "m 1+2"])
def test_lines_that_are_no_series(text: str) -> None:
    with pytest.raises(ValueError, match=r"no |without"):
        parse_series(text)


def test_durations() -> None:
    assert [parse_milliseconds(text) for text in ("0", "5m", "1h30m", "1d", "250ms", "1m1s1ms")] == [
        0, 300_000, 5_400_000, 86_400_000, 250, 61_001,
    ]  # fmt: skip
    for text in ("", "5", "5 m", "m5", "-1m"):
        with pytest.raises(ValueError, match="no duration"):
            parse_milliseconds(text)


def test_blocks_end_at_empty_lines_and_comments() -> None:
    script = """
load 1m
  a 1
# a comment ends the block
eval instant at 1m a
  a 1

clear
eval range from 0 to 2m step 1m a
"""
    load, first, clear, second = read(script)
    assert (load, clear) == (Load(2, 60_000, (parse_series("a 1"),)), Clear(8))
    assert isinstance(first, Eval)
    assert isinstance(second, Eval)
    assert (first.line, first.expr, first.start, first.instant) == (5, "a", 60_000, True)
    assert (second.line, second.start, second.end, second.step, second.series) == (9, 0, 120_000, 60_000, [])


def test_expectations_of_both_generations() -> None:
    script = """
eval_fail instant at 0 a
  expected_fail_message no way

eval instant at 0 a
  expect warn msg: careful
  expect no_info
  expect ordered
  a 1

eval instant at 0 "x"
  expect string "x"

eval instant at 2m a[1m]
  expect range vector from 1m to 2m step 1m
  a 1 2

eval_warn instant at 0 1
  1
"""
    failing, careful, text, raw, number = read(script)
    assert isinstance(failing, Eval)
    assert (failing.fail, failing.message) == (True, "no way")
    assert isinstance(careful, Eval)
    assert [pattern.pattern for pattern in careful.annotations["warn"]] == ["careful"]
    assert (careful.forbidden, careful.ordered, len(careful.series)) == ({"info"}, True, 1)
    assert isinstance(text, Eval)
    assert text.string == "x"
    assert isinstance(raw, Eval)
    assert raw.grid == (60_000, 120_000, 60_000)
    assert isinstance(number, Eval)
    assert (number.scalar, "warn" in number.annotations) == (1.0, True)


@pytest.mark.parametrize(
    "script",
    ["measure a", "load x\n a 1", "eval a", "eval instant at 0 a\n a 1 2", "eval range from 2m to 1m step 1m a",
     "eval instant at 0 a\n expect nothing"],
)  # fmt: skip
def test_scripts_that_are_refused_name_their_line(script: str) -> None:
    with pytest.raises(FormatError, match=r"^[12]: "):
        read(script)


def test_almost_equal() -> None:
    assert almost_equal(1, 1 + 1e-7)
    assert not almost_equal(1, 1 + 1e-5)
    assert not almost_equal(0, 1e-12)
    assert almost_equal(math.nan, math.nan)
    assert not almost_equal(math.nan, 1)
    assert not almost_equal(math.inf, -math.inf)
    assert almost_equal(1.7e308, 1.7e308 * (1 - 1e-8))


SCRIPT = """
load 1m
  a{{x="1"}} 1+1x10
  a{{x="2"}} 5x10
  h {{{{sum:1 count:1}}}}

eval {query}
{answer}
"""

TWO = '  a{x="1"} 3\n  a{x="2"} 5'


def outcome_of(tmp_path: Path, query: str, answer: str) -> Report:
    script = tmp_path / "one.test"
    script.write_text(SCRIPT.format(query=query, answer=answer), "utf-8")
    return Report(run_script(script, "3"))


def test_a_right_answer_passes_every_pass(tmp_path: Path) -> None:
    report = outcome_of(tmp_path, "instant at 2m a", TWO)
    assert report.missed == []
    assert report.outcomes[0].passes == 12


@pytest.mark.parametrize(
    ("query", "answer", "reason"),
    [
        ("instant at 2m a", TWO.replace("5", "5.1"), "expected (5.1,)"),
        ("instant at 2m a", '  a{x="1"} 3', "unexpected series"),
        ("instant at 2m a", TWO + '\n  a{x="3"} 1', "missing series"),
        ("instant at 2m a", "  3", "expected scalar"),
        ("instant at 2m 4", "  5", "expected scalar"),
        ("instant at 2m sort_desc(a)", "  expect ordered\n" + TWO, "expected the order"),
        ("instant at 2m a", "  expect fail", "no error"),
        ("instant at 2m a + on() a", TWO, "error: "),
        ("instant at 2m a", "  expect warn\n" + TWO, "expected warn"),
        ("range from 0 to 2m step 1m a", '  a{x="1"} 1 2 3\n  a{x="2"} 5 5', "expected (5.0, 5.0, None)"),
    ],
)
def test_a_wrong_answer_is_a_miss(tmp_path: Path, query: str, answer: str, reason: str) -> None:
    report = outcome_of(tmp_path, query, answer)
    assert report.missed, "the runner let a wrong answer pass"
    assert reason in report.missed[0].misses[0]
    assert report.share == 0


@pytest.mark.parametrize(
    "query",
    ["instant at 0 h", "instant at 0 histogram_count(a)", 'instant at 0 count({__name__=~".+", x!="1"})'],
)
def test_native_histograms_are_skipped_case_by_case(tmp_path: Path, query: str) -> None:
    report = outcome_of(tmp_path, query, "  {} 1")
    assert [outcome.skipped for outcome in report.outcomes] == ["native histogram"]
