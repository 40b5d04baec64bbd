"""The same table and the same JUnit content, however the checks are selected, ordered and distributed."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from gates import HEAD, UP, series

CRITERIA = """groups:
  Parser:
    - {id: cpu, query: cpu, expect: '< 75', unit: '%'}
    - {id: lag, query: lag, expect: '< 5', title: "lag <&\\"'>"}
    - {id: variance, query: cpu, tolerance: 5%, baseline: 69}
  Rollout:
    - {id: every, ratio: {of: [Parser]}, expect: '== 100%'}
    - {id: heading, trend: {of: variance, better: lower}}
"""
LATE = HEAD.replace("[2h]", "[1h, 90m, 2h]")


@pytest.fixture
def whole(project):
    project.suite(CRITERIA, LATE)
    project.recording([UP, series("cpu", 70.0), series("lag", 6.0)])
    return project


def content(path):
    cases = {}
    for case in ET.parse(path).iter("testcase"):
        inside = [
            (one.tag, one.get("message"), one.text, [(p.get("name"), p.get("value")) for p in one])
            for one in case
        ]
        cases[case.get("classname"), case.get("name")] = inside
    return cases


def table(result):
    lines = result.stdout.str().splitlines()
    begin = next(number for number, line in enumerate(lines) if "telemetry gate ==" in line)
    end = next(number for number, line in enumerate(lines) if line.startswith("telemetry gate:"))
    return lines[begin : end + 1]


def test_workers_change_nothing(whole):
    alone = whole.run("-n0", "--junitxml=alone.xml")
    several = whole.run("-n3", "--junitxml=several.xml")
    assert alone.ret == several.ret == 1
    assert table(alone) == table(several)
    assert content(whole.path / "alone.xml") == content(whole.path / "several.xml")
    assert len(content(whole.path / "alone.xml")) == 13


@pytest.mark.parametrize("arguments", [("-k", "every or heading"), ("-n2", "-k", "every or heading")])
def test_derived_criteria_do_not_need_what_they_judge_to_be_selected(whole, arguments):
    result = whole.run("-v", "--telemetry-partial", *arguments)
    result.stdout.fnmatch_lines(["*66.7 % *"])
    result.assert_outcomes(failed=3, passed=1)


def test_order_changes_nothing(whole):
    whole.file("conftest.py", "def pytest_collection_modifyitems(items):\n    items.reverse()\n")
    backwards = whole.run()
    (whole.path / "conftest.py").unlink()
    assert table(backwards) == table(whole.run())


def test_properties_can_be_left_out(whole):
    whole.run("--junitxml=j.xml", "--telemetry-junit-properties=none")
    assert not list(ET.parse(whole.path / "j.xml").iter("property"))


def test_the_first_line_of_a_failure_says_value_limit_and_query(whole):
    whole.run("--junitxml=j.xml", "-k", "lag and 2h")
    (failure,) = ET.parse(whole.path / "j.xml").iter("failure")
    first = failure.text.splitlines()[0]
    assert all(part in first for part in ("6", "< 5", "query: lag"))
