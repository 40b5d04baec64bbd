"""The whole report as Markdown: several suites, none, what changed; whatever texts it is made of."""

from __future__ import annotations

import re
from dataclasses import replace

from markdown_it import MarkdownIt
from report_parts import BAD, START, check, criterion, hostile_suite, report, suite

from pytest_telemetry_gate.model.facts import Member, MemberFacts
from pytest_telemetry_gate.model.report import (
    Approval,
    CaseReport,
    Change,
    Changes,
    EvidenceFile,
    Generated,
    WaiverReport,
)
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.markdown.render import render_markdown

FAIL = Outcome.FAIL
HEADING = re.compile(r"^#+ .*$", re.MULTILINE)


def test_several_suites_have_their_chapters_apart_and_share_evidence_and_sign_off() -> None:
    first = suite(criterion("p95", check("24h", 84.0), title="p95", expect="<= 90"), roles=("QA",))
    second = replace(first, id="other", title="Other", roles=("PM",))
    one = report(first, second)
    one = replace(
        one, content=replace(one.content, evidence=(EvidenceFile("suite", "a.gate.yaml", 1, "ab" * 32),))
    )
    assert HEADING.findall(render_markdown(one)) == [
        "# Telemetry gate",
        "## Executive summary",
        "# Telemetry Step 2",
        "## 1. Deployment",
        "## 2. Metrics",
        "### Parser",
        "## 3. Success criteria",
        "# Other",
        "## 1. Deployment",
        "## 2. Metrics",
        "### Parser",
        "## 3. Success criteria",
        "# All suites",
        "## 1. Evidence",
        "## 2. Sign-off",
    ]


def test_replays_alone_are_a_report_too() -> None:
    cases = (
        CaseReport("qa", "parse-1", Outcome.PASS, checkpoint="24h", captured_at=START),
        CaseReport("qa", "parse-2", FAIL, checkpoint="24h", reason="no span", path="qa.replay.yaml", line=9),
    )
    drawn = render_markdown(report(replays=cases, generated=Generated(START, "pytest-telemetry-gate 0.1.0")))
    assert HEADING.findall(drawn) == [
        "# Telemetry gate",
        "## Executive summary",
        "### What stands in the way",
        "## 1. QA evidence",
        "### qa",
    ]
    assert "| parse-2 | ❌ fail | no span | at 24h | `qa.replay.yaml:9` |" in drawn
    assert "| 24h | 2 parse | 1 of 2 | parse-2 | Wed 22 Jan 22:00 | ❌ fail |" in drawn
    assert drawn.endswith("Written by pytest-telemetry-gate 0.1.0 at 2025-01-22T22:00:00Z.\n")


def test_followers_changes_and_differences_are_told_below_the_answer() -> None:
    members = MemberFacts((Member("p95", "", "24h", FAIL, "95 ms", counts=False),))
    one = suite(
        criterion("p95", check("24h", 95.0, FAIL, margin=-5.0), expect="<= 90", unit="ms"),
        criterion("share", check("24h", 0.0, FAIL, members=members), kind="ratio", expect="== 100"),
        criterion("cpu", check("24h", 80.0, Outcome.WAIVED), expect="<= 75"),
        waivers=(WaiverReport("cpu", "known", "QA", START),),
    )
    changes = Changes(
        "sha256:" + "cd" * 32, START, Outcome.PASS, (Change("loosened", "p95", "<= 80 ms → <= 90 ms"),)
    )
    told = report(one, changes=changes, differing=("p95[24h]: pass, then fail",))
    drawn = render_markdown(told)
    assert "**STATUS: ❌ DO NOT PROCEED.** 1 fault stands in the way." in drawn
    assert "Follows from these: share, 0 of 1 checks; not: p95 fail (at 24h)" in drawn
    assert "| ⚠️ loosened | p95 | &lt;= 80 ms → &lt;= 90 ms |" in drawn
    assert "- p95\\[24h\\]: pass, then fail" in drawn
    assert "### Waivers" in drawn
    unchanged = render_markdown(replace(told, changes=Changes("sha256:" + "cd" * 32)))
    assert re.search(r"### What changed\n\nSince the report `sha256:(cd){32}`\.\n\nNothing\.", unchanged)


def test_no_text_breaks_the_report() -> None:
    cases = (CaseReport(BAD, BAD, FAIL, checkpoint=BAD, region=BAD, reason=BAD, path=BAD, line=1),)
    changes = Changes(BAD, START, FAIL, (Change(BAD, BAD, BAD, region=BAD),))
    one = report(
        hostile_suite(),
        replays=cases,
        changes=changes,
        differing=(BAD,),
        approvals=(Approval(BAD, BAD, START, BAD, BAD),),
        generated=Generated(START, BAD),
    )
    plain = report(suite(criterion("a", check("24h", 1.0))))
    for whole in (
        one,
        replace(one, content=replace(one.content, suites=(*one.content.suites, *plain.content.suites))),
    ):
        drawn = render_markdown(whole)
        tokens = [
            token
            for block in MarkdownIt("commonmark", {"html": True}).enable("table").parse(drawn)
            for token in (block, *(block.children or ()))
        ]
        assert not [token for token in tokens if token.type in {"html_block", "html_inline", "image"}]
        links = {str(token.attrs["href"]) for token in tokens if token.type == "link_open"}
        assert links == {"http://a/i.png"}, "images are links, and nothing else is"
        assert all(char.isprintable() or char == "\n" for char in drawn)
        assert not re.search(r"^\s*::|##\[", drawn, re.MULTILINE)
        rows = [line for line in drawn.splitlines() if line.startswith("|")]
        assert len(rows) > 60
        assert max(map(len, rows)) < 2500
