"""What CI systems read of a report: GitHub's summary and annotations within their bounds, OpenMetrics that parses."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from report_parts import BAD, START, check, criterion, hostile_suite, report, suite

from pytest_telemetry_gate.model.report import Approval, CaseReport, GateReport, Generated
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.ci.github import github_annotations, github_summary
from pytest_telemetry_gate.reports.ci.openmetrics import openmetrics

FAIL, INCONCLUSIVE = Outcome.FAIL, Outcome.INCONCLUSIVE


def failing(count: int, outcome: Outcome = FAIL, **fields: object) -> list[object]:
    """Return criteria that do not pass, each for a reason of its own."""
    value = 95.0 if outcome is FAIL else None
    return [
        criterion(
            f"c{number}",
            check("12h", 80.0),
            check("24h", value, outcome, margin=-5.0, reason=f"reason {number}"),
            expect="<= 90",
            unit="ms",
            line=number + 1,
            **fields,
        )
        for number in range(count)
    ]


def test_the_summary_says_the_answer_first_and_then_what_stands_in_the_way() -> None:
    one = report(suite(*failing(12)), generated=Generated(START, "pytest-telemetry-gate 0.1.0"))
    lines = github_summary(one, artefact="report.html").splitlines()
    assert lines[0] == "## ❌ Do not proceed: Telemetry Step 2"
    assert lines[2].startswith("12 faults stand in the way. All 24 checks were judged, none waived.")
    assert lines[2].endswith("12 of 24 checks let the gate through. The whole report: `report.html`.")
    assert sum("limit ≤ 90 ms" in line for line in lines) == 10
    assert "and 2 more" in lines
    assert "<details><summary>All 12 criteria of Telemetry Step 2</summary>" in lines
    assert "| c11 | ≤ 90 ms | 80 | 95 ❌ | ❌ fail at 24h |" in lines
    assert lines[-1] == f"<sub>{one.digest} · pytest-telemetry-gate 0.1.0</sub>"


def test_a_long_summary_is_cut_at_the_end_of_a_row() -> None:
    many = [
        criterion(f"c{number}", check("24h", 80.0), title=f"{'`metric` ' * 12}{number}")
        for number in range(700)
    ]
    for one in (report(suite(*many)), report(suite(*many[:400]), suite(*many[400:], title="Other"))):
        drawn = github_summary(one)
        assert 55 * 1024 < len(drawn.encode()) <= 60 * 1024
        rows = [line for line in drawn.splitlines() if line.startswith("|")]
        assert all(line.endswith("|") for line in rows)
        rest = sum(int(count) for count in re.findall(r"^and (\d+) more rows$", drawn, re.MULTILINE))
        written = sum(line.endswith("✅ pass |") for line in rows)
        assert rest + written == 700
        assert drawn.rstrip().endswith("</sub>")
        assert drawn.count("<details>") == drawn.count("</details>") >= 1


def test_annotations_are_one_for_each_fault_with_the_line_of_its_criterion() -> None:
    one = report(
        suite(*failing(1), criterion("lag", check("24h", None, INCONCLUSIVE, reason="0 %, none"), line=9))
    )
    assert github_annotations(one).splitlines() == [
        (
            "::error file=step2.gate.yaml,line=1,title=c0::fail between 12 h and 24 h, still so at 24h: 95 ms, limit ≤ 90 ms"
            " (1 of 2 checks, first at 24h)"
        ),
        "::warning file=step2.gate.yaml,line=9,title=lag::inconclusive since 24 h, still so at 24h: 0 %25, none (at 24h)",
    ]


@pytest.mark.parametrize(
    ("path", "folder", "found"),
    [
        ("step2.gate.yaml", "", "step2.gate.yaml"),
        ("step2.gate.yaml", "/ci/checkout/gates", "gates/step2.gate.yaml"),
        ("../qa/a.gate.yaml", "/ci/checkout/gates", "qa/a.gate.yaml"),
        ("../../a.gate.yaml", "/ci/checkout/gates", ""),
        ("../a.gate.yaml", "", ""),
        ("step2.gate.yaml", "/elsewhere", ""),
        ("", "/ci/checkout", ""),
    ],
)
def test_paths_count_from_the_root_of_the_checkout(path: str, folder: str, found: str) -> None:
    one = report(suite(criterion("a", check("24h", 95.0, FAIL), path=path)))
    line = github_annotations(one, workspace="/ci/checkout", folder=folder)
    assert re.findall("file=([^,]*)", line) == ([found] if found else [])
    assert ("line=38" in line) == bool(found)


def test_no_kind_of_annotation_is_more_than_a_step_shows() -> None:
    one = report(suite(*failing(25), *failing(10, INCONCLUSIVE, group="Other")))
    lines = github_annotations(one).splitlines()
    assert len(lines) == 20
    assert lines[9] == "::error title=telemetry gate::and 16 more"
    assert all(line.startswith("::warning file=") for line in lines[10:])


def test_a_gate_that_no_check_closes_is_annotated_too() -> None:
    closed = replace(
        report(),
        content=replace(report().content, gate=GateReport(FAIL, opens=False, reason="no check\nwas judged")),
    )
    assert github_annotations(closed) == "::error title=telemetry gate::no check was judged\n"
    assert github_annotations(report(suite(criterion("a", check("24h", 1.0))))) == ""


def test_hostile_texts_change_neither_summary_nor_annotations() -> None:
    cases = (CaseReport(BAD, BAD, FAIL, checkpoint=BAD, region=BAD, reason=BAD, path=BAD, line=1),)
    signed = (Approval(BAD, BAD, START, BAD, BAD),)
    one = report(hostile_suite(), replays=cases, approvals=signed, generated=Generated(START, BAD))
    drawn = github_summary(one, artefact=BAD)
    assert len(drawn.encode()) <= 60 * 1024
    tokens = [
        token
        for block in MarkdownIt("commonmark", {"html": True}).enable("table").parse(drawn)
        for token in (block, *(block.children or ()))
    ]
    html = {token.content.strip() for token in tokens if token.type in {"html_block", "html_inline"}}
    assert all(re.fullmatch(r"</?(?:sub|details)>|<details><summary>.*</summary>", tag) for tag in html), html
    assert not [tag for tag in html if re.search("<(?!/?(details|summary|sub)>)", tag)]
    assert not [token for token in tokens if token.type in {"image", "link_open"}]
    lines = github_annotations(one).splitlines()
    assert 3 <= len(lines) <= 20
    for line in lines:
        assert re.fullmatch(r"::(error|warning) (?:file=[^:,]*,)?(?:line=\d+,)?title=[^:,]*::.*", line)
        assert line.isprintable()
        assert not re.search(r"%(?!25|3A|2C)", line)
    families = list(text_string_to_metric_families(openmetrics(one)))
    assert {family.name for family in families} == {
        "telemetry_gate_opens",
        "telemetry_gate_checks",
        "telemetry_gate_value",
    }


def test_openmetrics_has_the_last_judged_check_of_every_criterion_and_region() -> None:
    criteria = [
        criterion(
            "p95",
            regions={
                "eu": (
                    check("12h", 80.0),
                    check("24h", 84.2, variance=0.8, margin=5.8),
                    check("48h", None, Outcome.PENDING),
                ),
                "us": (check("24h", math.inf, FAIL),),
            },
        ),
        criterion("gone", check("24h", None, INCONCLUSIVE)),
        criterion("twice", check("24h", 1.0)),
        criterion("twice", check("24h", 2.0), group='Other "group"'),
    ]
    drawn = openmetrics(report(suite(*criteria)))
    assert drawn.endswith("# EOF\n")
    samples = {
        (
            sample.name.removeprefix("telemetry_gate_"),
            tuple(sample.labels.get(name, "") for name in ("criterion", "region", "group")),
        ): sample.value
        for family in text_string_to_metric_families(drawn)
        for sample in family.samples
        if sample.name not in {"telemetry_gate_opens", "telemetry_gate_checks"}
    }
    assert samples == {
        ("value", ("p95", "eu", "")): 84.2,
        ("variance", ("p95", "eu", "")): 0.8,
        ("margin", ("p95", "eu", "")): 5.8,
        ("value", ("p95", "us", "")): math.inf,
        ("value", ("twice", "", "Parser")): 1.0,
        ("value", ("twice", "", 'Other "group"')): 2.0,
    }
    checks = next(
        family for family in text_string_to_metric_families(drawn) if family.name == "telemetry_gate_checks"
    )
    assert {sample.labels["outcome"]: sample.value for sample in checks.samples} == {
        "fail": 1, "inconclusive": 1, "pass": 4, "pending": 1,
    }  # fmt: skip
    assert "telemetry_gate_opens 0" in drawn
