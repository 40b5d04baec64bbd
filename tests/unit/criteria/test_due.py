"""When a check is due: by the jobs that it names, those that it was found to read, or the only interval that is known."""

from __future__ import annotations

import dataclasses

import pytest
from gates import START, MemoryGate

from pytest_telemetry_gate.criteria.due import earliest_due, find_due, latest_due
from pytest_telemetry_gate.model.answers import Answer, Answers, RegionFacts
from pytest_telemetry_gate.model.arrivals import Arrivals, Target
from pytest_telemetry_gate.model.check import ALL_REGIONS
from pytest_telemetry_gate.model.questions import ArrivalsQuestion

AT = START + 7200
JOBS = {"parser": 15.0, "mid": 60.0, "cost": 3600.0}
ANY = "query: done_total, expect: '> 0'"


@pytest.fixture
def check_of(tmp_path):
    """Return the check of a criterion with some keys."""
    return lambda keys: MemoryGate(tmp_path).checks(f"- {{id: x, {keys}}}")[0]


def answered(check, now, intervals, read=()):
    """Return answers in which each selector was found to read some jobs, an empty one first that gave no samples."""
    targets = (Target({"job": "cost"}, 0), *(Target({"job": job}, 5) for job in read))
    answers = {
        question: Answer(Arrivals(targets))
        for question in check.questions()
        if isinstance(question, ArrivalsQuestion)
    }
    return Answers(now, answers, {region: RegionFacts(intervals) for region in check.regions})


@pytest.mark.parametrize(
    ("keys", "intervals", "earliest", "latest"),
    [
        (ANY, JOBS, (30, "parser"), (7200, "cost")),
        ("query: 'done_total{job=\"mid\"}', expect: '> 0'", JOBS, (120, "mid"), (120, "mid")),
        ("query: 'done_total{job=~\"mid|cost\"}', expect: '> 0'", JOBS, (120, "mid"), (7200, "cost")),
        ("query: 'done_total{job=\"new\"}', expect: '> 0'", {"": 60.0, "mid": 90.0}, (120, "new"), (120, "new")),
        ("query: 'done_total{job=\"new\"}', expect: '> 0'", JOBS, (30, ""), (30, "")),
        (ANY, {}, (30, ""), (30, "")),
        ("query: 'a{job=\"mid\"} + b{job=\"parser\"}', expect: '> 0'", JOBS, (30, "parser"), (120, "mid")),
        # What reads no job is evaluated as often as the fastest is scraped.
        ("alerts: {match: {team: x}}, expect: '== 0'", {"mid": 60.0, "cost": 3600.0}, (120, ""), (120, "")),
        ("incidents: {}, expect: '== 0'", {}, (30, ""), (30, "")),
        # What looks ahead is due when that was scraped.
        ("query: 'a{job=\"mid\"} offset -10m', expect: '> 0'", JOBS, (720, "mid"), (720, "mid")),
    ],
)  # fmt: skip
def test_the_jobs_that_may_be_read_bound_when_a_check_is_due(check_of, keys, intervals, earliest, latest):
    check = check_of(keys)
    answers = answered(check, AT, intervals)
    for due, expected in ((earliest_due, earliest), (latest_due, latest)):
        found = due(check, answers)
        assert (found.moment - AT, found.job) == expected


@pytest.mark.parametrize(
    ("now", "read", "due"),
    [
        (0, ["mid"], 30),
        (29, ["mid"], 30),
        (30, ["mid"], 120),
        (30, ["parser", "mid"], 120),
        (30, ["parser"], 30),
        (30, ["cost"], 7200),
        (30, [], 30),
        (7199, ["mid", "cost"], 7200),
        (7200, ["mid"], 7200),
        (30, ["unheard of"], 30),
    ],
)
def test_what_is_read_decides_between_the_bounds(check_of, now, read, due):
    check = check_of(ANY)
    assert find_due(check, answered(check, AT + now, JOBS, read)).moment - AT == due


def test_over_regions_the_slowest_region_decides(check_of):
    check = dataclasses.replace(check_of(f"{ANY}, combine: all"), region=ALL_REGIONS, everywhere=("eu", "us"))
    answers = answered(check, AT, {})
    regions = {"eu": RegionFacts({"parser": 15.0}), "us": RegionFacts({"parser": 60.0})}
    answers = dataclasses.replace(answers, regions=regions)
    assert (earliest_due(check, answers).moment - AT, latest_due(check, answers).moment - AT) == (30, 120)
