"""A check gives the query that it is asked for, and parses each text once."""

from __future__ import annotations

import dataclasses

import pytest
from gates import HEAD, START, UP, MemoryGate

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.model.check import ALL_REGIONS
from pytest_telemetry_gate.model.questions import Query
from pytest_telemetry_gate.model.suite import Checkpoint


@pytest.fixture
def check(tmp_path):
    (check,) = MemoryGate(tmp_path).checks(
        "- {id: cpu, query: 'avg_over_time(cpu[$__window])', window: 1h, expect: '< 75'}"
    )
    return check


def test_two_texts_under_one_key_are_two_queries(check):
    assert check.query("mine", "cpu").text == "cpu"
    assert check.query("mine", "memory").text == "memory"
    assert check.query("query", "memory").text == "memory"
    assert check.query("query").text == "avg_over_time(cpu[1h])"


def test_two_windows_of_one_text_are_two_queries(check):
    text = "avg_over_time(cpu[$__window])"
    assert check.query("mine", text).text == "avg_over_time(cpu[1h])"
    assert check.query("mine", text, window=1800.0).text == "avg_over_time(cpu[30m])"


def test_a_text_is_parsed_once(check, monkeypatch):
    parsed: list[str] = []
    from_text = Query.from_text

    def count(text: str) -> Query:
        parsed.append(text)
        return from_text(text)

    monkeypatch.setattr(Query, "from_text", staticmethod(count))
    check.forget()
    assert check.query("query") is check.query("query")
    assert check.query("mine", "cpu") is check.query("mine", "cpu")
    assert parsed == ["avg_over_time(cpu[1h])", "cpu"]


def test_an_error_names_the_key_that_was_asked_for(check):
    with pytest.raises(SuiteError, match="mine: "):
        check.query("mine", "cpu +")
    with pytest.raises(SuiteError, match="other: "):
        check.query("other", "cpu +")


def checks_of(tmp_path, criterion, head=HEAD):
    return MemoryGate(tmp_path, data=[UP]).checks(
        f"- {{id: cpu, query: cpu, expect: '< 75', {criterion}}}", head
    )


def test_the_window_of_a_checkpoint_goes_before_that_of_the_criterion(tmp_path):
    head = HEAD.replace("[2h]", "[1h, {id: late, at: +2h, window: 10m}]")
    assert [check.window for check in checks_of(tmp_path, "window: 5m", head)] == [300.0, 600.0]
    assert [check.window for check in checks_of(tmp_path, "coverage: 50%", head)] == [None, 600.0]


def test_a_range_counts_from_the_start_of_the_rollout_or_from_its_end(tmp_path):
    (from_start,), (from_end,) = (
        checks_of(tmp_path, f"since: {since}") for since in ("rollout_start", "rollout_end")
    )
    assert (from_start.start, from_start.range) == (START, 7200.0)
    assert (from_end.start, from_end.range) == (START + 5400, 1800.0)
    assert from_start.expand("x[$__range]") == "x[2h]"
    assert from_end.expand("x[$__range]") == "x[30m]"


def test_a_checkpoint_that_is_not_after_the_start_has_no_range(tmp_path):
    (check,) = checks_of(tmp_path, "coverage: 50%")
    for at, known in ((START, False), (START - 60, False), (START + 60, True)):
        there = dataclasses.replace(check, checkpoint=Checkpoint("x", at))
        if known:
            assert there.expand("$__range") == "1m"
        else:
            with pytest.raises(SuiteError, match="__range"):
                there.expand("$__range")


def test_what_is_judged_over_all_regions_looks_at_each(tmp_path):
    (combined,) = checks_of(tmp_path, "combine: any")
    (alone,) = checks_of(tmp_path, "coverage: 50%")
    whole = dataclasses.replace(combined, region=ALL_REGIONS, everywhere=("eu", "us"))
    assert (whole.regions, whole.is_combined) == (("eu", "us"), True)
    assert (whole.within("eu").regions, whole.within("eu").is_combined) == (("eu",), False)
    assert not dataclasses.replace(alone, region=ALL_REGIONS).is_combined
    assert {question.region for question in whole.questions()} == {"eu", "us"}
    other = dataclasses.replace(alone, region="eu", everywhere=("eu", "us"))
    assert other.sibling("g", combined.criterion).region == ALL_REGIONS
    assert other.sibling("g", alone.criterion).region == "eu"
    assert dataclasses.replace(other, everywhere=("eu",)).sibling("g", combined.criterion).region == "eu"


def test_what_is_demanded_is_in_percent_and_in_the_unit_that_is_shown(tmp_path):
    (check,) = checks_of(tmp_path, "tolerance: 5%, baseline: 1, floor: 2")
    demanded = check.requirement()
    assert (demanded.tolerance, demanded.floor) == (5.0, 2.0)
    assert demanded.levels == {"info": pytest.approx(3), "warn": pytest.approx(4), "crit": pytest.approx(6)}
    (bare,) = checks_of(tmp_path, "coverage: 50%")
    assert (bare.requirement().tolerance, bare.requirement().levels) == (None, {})
