"""The tables of what people told and signed, and of the summary; that nothing in a cell can harm."""

from __future__ import annotations

from dataclasses import replace

from report_parts import (
    BAD,
    START,
    check,
    criterion,
    hostile_suite,
    lines,
    moment,
    report,
    suite,
)

from pytest_telemetry_gate.model.past_runs import PastRun
from pytest_telemetry_gate.model.report import (
    Approval,
    CaseReport,
    Change,
    EvidenceFile,
    StepReport,
    WaiverReport,
)
from pytest_telemetry_gate.model.told import Told
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.overview import tables
from pytest_telemetry_gate.reports.overview.faults import find_faults
from pytest_telemetry_gate.reports.overview.key_figures import list_key_figures
from pytest_telemetry_gate.reports.overview.nearest import find_nearest
from pytest_telemetry_gate.reports.overview.tables import lay_out

FAIL, INCONCLUSIVE = Outcome.FAIL, Outcome.INCONCLUSIVE


def test_the_rollout_its_waivers_and_what_the_verdicts_rest_on() -> None:
    one = suite(criterion("p95", check("24h", 95.0, Outcome.WAIVED), check("48h", 80.0)))
    rollout = one.rollout
    assert rollout is not None
    steps = (StepReport(START + 840, "first metrics"), StepReport(START + 120, "flag on"))
    waivers = (
        WaiverReport("p95", "small files", "QA lead", START),
        WaiverReport("p95", "never", "QA", START, checkpoint="48h"),
    )
    one = replace(one, rollout=replace(rollout, steps=steps), waivers=waivers)
    sheet = lay_out(one)
    assert lines(tables.tabulate_steps(sheet)) == [
        "Time | After start | Step",
        "Wed 22 Jan 14:02 | 2 min | flag on",
        "Wed 22 Jan 14:14 | 14 min | first metrics",
    ]
    assert lines(tables.tabulate_waivers(sheet)) == [
        "Criterion | Checkpoint | Reason | Owner | Until | Checks waived",
        "p95 |  | small files | QA lead | Wed 22 Jan 2025 14:00 PST | 1",
        "p95 | 48h | never | QA | Wed 22 Jan 2025 14:00 PST | 0",
    ]
    evidence = tables.tabulate_evidence([EvidenceFile("suite", "step2.gate.yaml", 5754, "f2" * 32)])
    assert lines(evidence) == [
        "What | File | Bytes | SHA-256",
        "suite | step2.gate.yaml | 5,754 | f2f2f2f2f2f2f2f2…",
    ]
    assert evidence.rows[0][3].note == "f2" * 32


def test_each_check_is_counted_with_whom_it_asked() -> None:
    one = suite(
        criterion("p95", check("24h", 95.0), check("48h", 80.0)), criterion("cpu", check("48h", 60.0))
    )
    (p95, cpu), (asked, *_) = one.criteria, one.regions
    checks = [replace(each, source="datadog") for each in cpu.regions[asked].checks]
    cpu = replace(cpu, regions={asked: replace(cpu.regions[asked], checks=tuple(checks))})
    one = replace(one, criteria=(p95, cpu), sources={asked: "recording"})
    assert lines(tables.tabulate_sources(one)) == ["Source | Checks", "recording | 2", "datadog | 1"]


TOLD = {
    "communication": [
        {
            "at": "2025-01-23T02:15:00-08:00",
            "where": "#p0",
            "what": "update",
            "link": "https://chat.example/1",
        },
        {"at": "2025-01-22T14:00:00-08:00", "where": "#p0", "what": "start"},
    ],
    "artefacts": [
        {"what": "export", "uri": "gs://a/b.png", "at": "2025-01-24T10:45:00-08:00", "text": "kept"}
    ],
    "runbooks": [
        {"what": "runbook", "path": "r.md", "signed": [{"name": "Q", "at": "2025-01-24T14:20:00-08:00"}]}
    ],
    "recommendations": {"metrics": [{"name": "task_retry_count", "text": "retries"}]},
}


def test_what_people_told() -> None:
    sheet = lay_out(suite(told=Told.model_validate(TOLD)))
    assert lines(tables.tabulate_messages(sheet)) == [
        "Time | Where | What | Link",
        "Wed 22 Jan 14:00 | #p0 | start | ",
        "Thu 23 Jan 02:15 | #p0 | update | https://chat.example/1",
    ]
    assert lines(tables.tabulate_artefacts(sheet)) == [
        "What | Where | Made | Note",
        "export | gs://a/b.png | Fri 24 Jan 10:45 | kept",
    ]
    assert lines(tables.tabulate_runbooks(sheet)) == [
        "What | File | Signed",
        "runbook | r.md | Q Fri 24 Jan 14:20",
    ]
    assert lines(tables.tabulate_proposed_metrics(sheet)) == [
        "Metric | What it tells",
        "task_retry_count | retries",
    ]


def test_the_summary_as_tables() -> None:
    good = suite(
        criterion("p95", check("24h", 84.0, margin=6.0), unit="ms", expect="<= 90", title="`p95`"),
        roles=("QA", "PM"),
    )
    whole = report(good, approvals=(Approval("QA", "Queenie", moment("25h"), report(good).digest, "fine"),))
    clock = lay_out(good).clock
    assert lines(tables.tabulate_sign_off(whole, clock)) == [
        "Role | Name | State | When | Note",
        "QA | Queenie | approved✓ | Thu 23 Jan 2025 15:00 PST | fine",
        "PM |  | not signed… |  | ",
    ]
    assert lines(tables.tabulate_nearest(find_nearest(whole))) == [
        "What | Value | Limit | Room left | At",
        "p95 | 84 ms | ≤ 90 ms | 6 ms (7 %) | 24h",
    ]
    assert (
        lines(tables.tabulate_key_figures(list_key_figures(whole)))[1]
        == "criteria met | 1 of 1 | 1 of 1 checks"
    )
    bad = suite(
        criterion("p95", check("12h", 80.0), check("24h", 95.0, FAIL, margin=-5.0), unit="ms", expect="<= 90")
    )
    assert lines(tables.tabulate_faults(find_faults(report(bad)).faults)) == [
        "What | Verdict | Since | Found | Checks | Written at",
        (
            "p95 | fail✗ | between 12 h and 24 h (Thu 23 Jan 02:00 – 14:00), still so at 24h | 95 ms, limit ≤ 90 ms"
            " | 1 of 2 checks, first at 24h | step2.gate.yaml:38"
        ),
    ]
    changes = [Change("loosened", "p95", "<= 90 → <= 95"), Change("new", "p50", "58 ms")]
    assert lines(tables.tabulate_changes(changes)) == [
        "Change | What | Before and after",
        "loosened! | p95 | <= 90 → <= 95",
        "new | p50 | 58 ms",
    ]


def test_nothing_in_a_cell_can_harm() -> None:
    one = hostile_suite()
    sheet, cases = lay_out(one), [CaseReport(BAD, BAD, FAIL, checkpoint=BAD, region=BAD)]
    whole = report(one, approvals=(Approval(BAD, BAD, START, "x", BAD),))
    by_sheet = [
        tables.tabulate_artefacts, tables.tabulate_criteria, tables.tabulate_episodes, tables.tabulate_events,
        tables.tabulate_messages, tables.tabulate_proposed_metrics, tables.tabulate_replay_figures,
        tables.tabulate_replays, tables.tabulate_runbooks, tables.tabulate_waivers,
    ]  # fmt: skip
    made = [
        *(tabulate(sheet) for tabulate in by_sheet),
        *tables.tabulate_metrics(sheet),
        *tables.tabulate_variances(sheet),
        *tables.tabulate_cases(sheet, cases),
        tables.tabulate_evidence([EvidenceFile(BAD, BAD, 1, BAD)]),
        tables.tabulate_sources(one),
        tables.tabulate_sign_off(whole, sheet.clock),
        tables.tabulate_faults(find_faults(whole).faults),
        tables.tabulate_changes([Change(BAD, BAD, BAD, region=BAD)]),
    ]
    assert all(table.rows for table in made)
    short = [
        text
        for table in made
        for row in table.rows
        for text in (*table.columns, *(cell.text for cell in row))
    ]
    long = [
        text for table in made for row in table.rows for cell in row for text in (cell.note, *table.notes)
    ]
    assert max(map(len, short)) <= 120
    assert max(map(len, long)) <= 2000
    assert all(
        text.isprintable() and not text.startswith("::") and "##[" not in text for text in short + long
    )
    assert sum("<script>" in text for text in short) > 20, "the texts are told, for each renderer to escape"


def test_earlier_runs_stand_with_the_latest_first():
    runs = [
        PastRun(0.0, "sha256:" + "a" * 64, FAIL, {"fail": 1, "pass": 2}),
        PastRun(3600.0, "sha256:" + "b" * 64, Outcome.PASS, {"pass": 3}),
    ]
    assert lines(tables.tabulate_history(runs)) == [
        "Judged | Outcome | Checks | Report",
        "1970-01-01T01:00:00Z | pass✓ | 3 pass | sha256:bbbbbbbbbbbb…",
        "1970-01-01T00:00:00Z | fail✗ | 1 fail, 2 pass | sha256:aaaaaaaaaaaa…",
    ]
