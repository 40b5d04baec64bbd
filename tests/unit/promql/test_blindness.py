"""What an alerting expression needs to see anything, and what it would yield without its comparisons."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_telemetry_gate.promql import parse
from pytest_telemetry_gate.promql.blindness import (
    needed_selectors,
    sight,
    without_comparisons,
    without_matchers,
)

MOMENTS = {"never": "000", "late": "011", "early": "110", "always": "111"}


@pytest.mark.parametrize(
    ("text", "present", "lacking"),
    [
        ("always > 1", "111", []),
        ("never > 1", "000", ["never"]),
        ("rate(early[5m]) > 1", "110", ["early"]),
        ("always / never > 1", "000", ["never"]),
        ("absent(never)", "111", []),
        ('absent_over_time(never{a="b"}[5m])', "111", []),
        ("always unless never", "111", []),
        ("never unless always", "000", ["never"]),
        ("always and never", "000", ["never"]),
        ("always or never", "111", []),
        ("(early or late) > 0", "111", []),
        ("(never or vector(0)) > 1", "000", ["never"]),
        ("never > 1 or absent(never)", "111", []),
        ("vector(0) > 1", "111", []),
        ("sum by (a) (max_over_time(never[5m:1m])) > 1", "000", ["never"]),
        ("topk(scalar(never), always)", "000", ["never"]),
    ],
)
def test_when_an_expression_has_what_it_needs(text, present, lacking):
    expr = parse(text)
    presence = {one: np.array([char == "1" for char in MOMENTS[one.name]]) for one in needed_selectors(expr)}
    seen = sight(expr, presence, 3)
    assert "".join("01"[value] for value in seen.present.tolist()) == present
    assert [selector.name for selector in seen.lacking] == lacking


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("x > 1", "x"),
        ("1 < x", "x"),
        ("sum by (a) (rate(x[5m])) > 1", "sum by (a) (rate(x[5m]))"),
        ("count(up == 0) > 3", "count(up)"),
        ("x > on (a) group_left (b) y", "x - on (a) group_left (b) y"),
        ("x > 1 and on (a) y == 0", "x"),
        ("x > 1 unless y", "x"),
        ("x > 1 or y > 2", "x or y"),
        ("x > bool 1", "x > bool 1"),
        ("(a + b) * 2 > 1", "(a + b) * 2"),
        ("a / (b > 0) > 0.5", "a / (b)"),
        ("max_over_time((x > 1)[5m:1m])", "max_over_time((x)[5m:1m])"),
        ('absent(x{job="a", b=~"c"})', 'label_replace(vector(1.0), "job", "a", "", "")'),
        ("absent(sum(x))", "vector(1.0)"),
    ],
)
def test_an_expression_without_its_comparisons(text, left):
    found = without_comparisons(parse(text))
    assert str(found) == str(parse(left))
    parse(str(found))


def test_matchers_that_only_choose_outcomes_can_be_left_out():
    expr = parse('sum(rate(x{job="a", code="500"}[5m])) / y{code="200"} > z')
    assert str(without_matchers(expr, ("job",))) == 'sum(rate(x{job="a"}[5m])) / y > z'
    assert str(without_matchers(parse('{__name__=~"a|b", c="d"}'), ())) == '{__name__=~"a|b", c="d"}'
