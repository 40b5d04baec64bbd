"""One report of several: every check once, the later clock counts, and nothing that closed a gate is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_parts import HOUR, START, check, criterion, report, suite

from pytest_telemetry_gate.errors import ReportError
from pytest_telemetry_gate.model.report import SeriesReport
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.model.wire import to_wire
from pytest_telemetry_gate.reports.document.merge import merge_reports
from pytest_telemetry_gate.reports.document.stored import digest_of, parse_report, write_json
from pytest_telemetry_gate.reports.overview.answer import Word, find_answer
from pytest_telemetry_gate.reports.overview.faults import find_faults

FAIL, PENDING = Outcome.FAIL, Outcome.PENDING


def job(*checks, now, **fields):
    own = suite(criterion("p95", *checks), now=now, sha256="a", **fields)
    later = suite(criterion("p95", check("12h"), check("24h"), check("48h")))
    return report(replace(own, checkpoints=later.checkpoints))


def checks_of(merged):
    (region,) = merged.content.suites[0].criteria[0].regions.values()
    return [(one.checkpoint, str(one.outcome), one.value) for one in region.checks]


JOBS = [
    job(check("12h", 58.0), now=START + 13 * HOUR),
    job(check("24h", 59.0), now=START + 25 * HOUR),
    job(check("48h", 60.0), now=START + 49 * HOUR),
]
NAMES = ["12h.json", "24h.json", "48h.json"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_jobs_for_one_checkpoint_each_become_one_report(order):
    merged = merge_reports([JOBS[place] for place in order], [NAMES[place] for place in order])
    assert checks_of(merged) == [("12h", "pass", 58.0), ("24h", "pass", 59.0), ("48h", "pass", 60.0)]
    gate = merged.content.gate
    assert (gate.outcome, gate.opens, gate.counts) == (Outcome.PASS, True, {"pass": 3})
    assert merged.digest == digest_of(to_wire(merged.content))
    assert parse_report(write_json(merged).encode(), "m.json") == merged
    assert find_answer(merged, find_faults(merged)).word is Word.OPEN


def test_a_report_alone_is_itself():
    assert merge_reports(JOBS[:1], NAMES[:1]) is JOBS[0]


def test_the_answer_names_what_is_to_come_and_what_nobody_judged():
    early = merge_reports(JOBS[:2], NAMES[:2])
    answer = find_answer(early, find_faults(early))
    assert answer.word is Word.RUNNING
    assert "To come: 48h." in answer.sentence
    holed = merge_reports([JOBS[0], JOBS[2]], ["12h.json", "48h.json"])
    assert "Nothing was judged at 24h." in find_answer(holed, find_faults(holed)).sentence


def test_a_region_that_nobody_judged_closes_the_merged_gate_and_no_report_says_proceed_without_it():
    regions = {"eu": (check("12h"), check("24h")), "us": (check("12h"),), "ap": ()}
    own = suite(criterion("p95", regions=regions), now=START, sha256="a")
    parts = [
        report(replace(own, criteria=(criterion("p95", regions=chosen),)))
        for chosen in ({"eu": regions["eu"]}, {"us": regions["us"]})
    ]
    merged = merge_reports(parts, NAMES[:2])
    assert merged.content.gate.reason == "nothing was judged at 24h in us, in ap (3 pass)"
    answer = find_answer(parts[0], find_faults(parts[0]))
    assert (answer.word, parts[0].content.gate.opens) == (Word.RUNNING, True)
    assert "Nothing was judged in us, in ap." in answer.sentence


def test_checks_of_another_suite_make_up_for_nothing_that_a_job_left_out():
    partial = report(suite(criterion("p95", check("24h")), sha256="a", now=START))
    partial = replace(
        partial, content=replace(partial.content, gate=replace(partial.content.gate, collected=3))
    )
    assert find_answer(partial, find_faults(partial)).word is Word.RUNNING
    other = suite(criterion("p50", check("12h"), check("24h"), check("48h")), path="other.gate.yaml")
    merged = merge_reports([partial, report(replace(other, id="other"))], NAMES[:2])
    assert merged.content.gate.reason == "2 of 6 checks are in none of the reports (4 pass)"
    assert not merged.content.gate.opens


def test_one_failed_job_closes_the_merged_gate():
    failed = job(check("24h", 95.0, FAIL), now=START + 25 * HOUR)
    merged = merge_reports([JOBS[0], failed, JOBS[2]], NAMES)
    assert (merged.content.gate.outcome, merged.content.gate.opens) == (FAIL, False)


def test_what_closed_a_gate_beside_its_verdicts_closes_the_merged_one():
    gate = replace(
        JOBS[1].content.gate, opens=False, outcome=Outcome.INCONCLUSIVE, reason="no verdict came from 1 of 2"
    )
    closed = replace(JOBS[1], content=replace(JOBS[1].content, gate=gate))
    merged = merge_reports([JOBS[0], closed, JOBS[2]], NAMES)
    assert not merged.content.gate.opens
    assert "no verdict came from 1 of 2" in merged.content.gate.reason


def test_the_later_clock_counts_and_what_differed_is_listed():
    first = job(check("12h", 58.0), now=START + 13 * HOUR)
    again = job(check("12h", 95.0, FAIL), now=START + 14 * HOUR)
    for reports, names in (([first, again], ["a", "b"]), ([again, first], ["b", "a"])):
        merged = merge_reports(reports, names)
        assert checks_of(merged) == [("12h", "fail", 95.0)]
        assert merged.differing == ("p95[12h]: pass (58) in a, fail (95) in b, which counts",)


def test_pending_says_nothing_about_a_check_that_was_judged():
    early = job(check("12h", 58.0), check("24h", None, PENDING), now=START + 26 * HOUR)
    merged = merge_reports([early, JOBS[1]], ["early", "late"])
    assert checks_of(merged) == [("12h", "pass", 58.0), ("24h", "pass", 59.0)]
    assert merged.differing == ()


def test_the_latest_series_is_kept():
    def with_series(one, series):
        own = one.content.suites[0]
        (region,) = own.criteria[0].regions.values()
        criteria = (replace(own.criteria[0], regions={"": replace(region, series=series)}),)
        return replace(one, content=replace(one.content, suites=(replace(own, criteria=criteria),)))

    short, long = SeriesReport(START, 60.0, (1.0,), (1.0,)), SeriesReport(START, 60.0, (1.0, 2.0), (1.0, 2.0))
    lost = SeriesReport(none="connection refused")
    merged = merge_reports(
        [with_series(JOBS[0], short), with_series(JOBS[1], long), with_series(JOBS[2], lost)], NAMES
    )
    assert merged.content.suites[0].criteria[0].regions[""].series == long


@pytest.mark.parametrize(
    ("change", "said"),
    [({"sha256": "b"}, "content"), ({"rollout": None}, "rollout"), ({"path": "x"}, "path")],
)
def test_another_suite_is_an_error_that_names_both_reports(change, said):
    own = replace(JOBS[1].content.suites[0], **change)
    other = replace(JOBS[1], content=replace(JOBS[1].content, suites=(own,)))
    with pytest.raises(
        ReportError, match=rf"12h\.json and 24h\.json: suite 'step2' has another {said} in each"
    ):
        merge_reports([JOBS[0], other], NAMES[:2])


def test_regions_of_several_jobs_stand_beside_each_other():
    east = report(suite(criterion(regions={"east": (check(),)}), sha256="a", now=START))
    west = report(suite(criterion(regions={"west": (check(value=59.0),)}), sha256="a", now=START + 1))
    merged = merge_reports([east, west], ["e", "w"])
    assert merged.content.suites[0].regions == ("east", "west")
    assert [(region, one.value) for _, region, one in merged.content.suites[0].checks()] == [
        ("east", 58.0),
        ("west", 59.0),
    ]
