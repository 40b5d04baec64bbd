"""The Markdown of the example suites' reports, and what GitHub shows of them: golden files, and every figure that the original report had.

``TELEMETRY_UPDATE_GOLDEN=1`` writes the golden files anew; read their diff before committing it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from example_reports import example_report

from pytest_telemetry_gate.model.report import Approval, Generated, Report
from pytest_telemetry_gate.reports.ci.github import github_annotations, github_summary
from pytest_telemetry_gate.reports.markdown.render import render_markdown

GOLDEN = Path(__file__).parent / "golden"
SIGNED = 1737758400.0  # 14:40 of the third day
# They change with every word of the suites.
INTERVAL = re.compile(r" ± [\d.]+")
DIGESTS = re.compile(r"[0-9a-f]{64}|(?<=`)[0-9a-f]{16}(?=…)")
BYTES = re.compile(r"(?<=` \| )[\d,]+(?= \| `)")

# The figures of the report that people wrote by hand: Sprint 1, 0 h, 24 h, 48 h, change, target.
METRICS = {
    "`parse_duration_ms` p50": ("58.1", "58.9", "58.7", "58.4", "+0.5 %", "≤ 60 ms"),
    "`parse_duration_ms` p95": ("83.5", "84.7", "84.5", "84.2", "+0.8 %", "≤ 90 ms"),
    "`parse_batch_size` mean": ("121.4", "123.1", "122.8", "122.3", "+0.7 %", "≥ 120"),
    "`parser_failure_total`": ("0", "0", "0", "0", "0", "= 0"),
    "`cli_latency_p95_ms`": ("47.1", "48.3", "48.1", "47.8", "+1.5 %", "&lt; 50 ms"),
    "`cicd_success_ratio`": ("97.6", "97.8", "98.1", "98.3", "+0.7 pp", "≥ 95 %"),
    "`resource_utilization_cpu_percent`": ("64.0", "64.2", "64.3", "64.1", "+0.2 %", "&lt; 75 %"),
    "`telemetry_stream_lag_ms`": ("195", "218", "212", "205", "+5.1 %", "&lt; 400 ms"),
}
# Variance, change since the deployment, trend. The last trend was "stable" by hand, which follows from no rule.
VARIANCES = {
    "0h": ("+2.3 %", "baseline", "initial"),
    "12h": ("+2.2 %", "-0.1 pp", "improving"),
    "24h": ("+2.1 %", "-0.2 pp", "improving"),
    "36h": ("+2.0 %", "-0.3 pp", "improving"),
    "48h": ("+1.9 %", "-0.4 pp", "improving"),
}
RESULTS = {
    "telemetry variance vs Sprint 1": ("±5 %", "+1.9 %"),
    "alerts fired": ("= 0", "0"),
    "PagerDuty escalations": ("= 0", "0"),
    "incidents": ("= 0", "0"),
    "QA replays passed": ("= 100 %", "100 %, 15 of 15 cases"),
    "metrics within thresholds": ("= 100 %", "100 %, 12 of 12 checks"),
    "deployment window": ("≤ 90 min", "90 min"),
    "`parse_total`": ("≥ 4M", "4.80M"),
}
REPLAYS = {
    "12h": ("5 parse", "5 of 5"),
    "24h": ("7 parse, 5 cli", "12 of 12"),
    "48h": ("9 parse, 1 reject, 5 cli", "15 of 15"),
}
STEPS = {
    "Wed 22 Jan 14:02": "feature flag telemetry_parser_cli to 100 %",
    "Wed 22 Jan 14:04": "parser restarted",
    "Wed 22 Jan 14:06": "CLI restarted",
    "Wed 22 Jan 14:08": "first metrics",
    "Wed 22 Jan 14:15": "variance +2.3 %",
}


def report_of(name: str) -> Report:
    """Return a report as it is signed, by the good example's three roles."""
    report = replace(example_report(name), generated=Generated())
    signed = [("QA lead", "Queenie"), ("DevOps lead", "Oliver"), ("Program manager", "Paris")]
    approvals = tuple(Approval(role, person, SIGNED, report.digest) for role, person in signed)
    return replace(report, approvals=approvals) if report.content.gate.opens else report


@pytest.fixture(scope="module")
def markdown() -> str:
    return render_markdown(report_of("telemetry_step2"))


def tables_of(markdown: str) -> list[dict[str, dict[str, str]]]:
    """Return every table as rows by their first cell, each with its cells by column."""
    found = []
    for block in re.findall(r"(?:^\|.*\|$\n?)+", markdown, re.MULTILINE):
        lines = [
            [cell.strip() for cell in line.strip().strip("|").split(" | ")] for line in block.splitlines()
        ]
        found.append({row[0]: dict(zip(lines[0], row, strict=True)) for row in lines[2:]})
    return found


@pytest.mark.parametrize(
    ("name", "render", "suffix"),
    [
        ("telemetry_step2", render_markdown, "md"),
        ("telemetry_step2_regressed", render_markdown, "md"),
        ("telemetry_step2_regressed", partial(github_summary, artefact="report.html"), "summary.md"),
        ("telemetry_step2_regressed", github_annotations, "annotations.txt"),
    ],
)
def test_golden(name: str, render: Callable[[Report], str], suffix: str) -> None:
    drawn = BYTES.sub("…", DIGESTS.sub("…", render(report_of(name))))
    golden = GOLDEN / f"{name}.{suffix}"
    if os.environ.get("TELEMETRY_UPDATE_GOLDEN"):
        golden.write_text(drawn, encoding="utf-8")
    assert drawn == golden.read_text(encoding="utf-8")


def without_interval(figure: str) -> str:
    """Return a change as the original report has it, which did not say how far it may be off."""
    return INTERVAL.sub("", figure)


def test_it_has_every_figure_of_the_original_report(markdown: str) -> None:
    tables = tables_of(markdown)
    for metric, figures in METRICS.items():
        row = next(table[metric] for table in tables if "Delta" in table.get(metric, {}))
        columns = ("Sprint 1", "0h", "24h", "48h", "Delta", "Target")
        assert tuple(without_interval(row[column]) for column in columns) == figures
        assert row["Status"] == "✅ pass"
    variances = next(table for table in tables if "Trend" in table.get("0h", {}))
    columns = ("Variance", "Since deployment", "Trend")
    shown = {at: tuple(without_interval(row[column]) for column in columns) for at, row in variances.items()}
    assert shown == VARIANCES
    results = next(table for table in tables if "Result" in table.get("incidents", {}))
    found = {name: (results[name]["Target"], without_interval(results[name]["Result"])) for name in RESULTS}
    assert found == RESULTS
    assert {row["Status"] for row in results.values()} == {"✅ pass"}
    replays = next(table for table in tables if "Replayed" in table.get("12h", {}))
    assert {at: (row["Replayed"], row["Passed"]) for at, row in replays.items()} == REPLAYS
    steps = next(table for table in tables if "Step" in table.get("Wed 22 Jan 14:02", {}))
    assert {at: row["Step"] for at, row in steps.items()} == STEPS
    signed = next(table for table in tables if "State" in table.get("QA lead", {}))
    assert {row["State"] for row in signed.values()} == {"✅ approved"}
    assert {"INFO", "WARN", "CRIT"} == next(
        table.keys() for table in tables if "Threshold" in table.get("INFO", {})
    )
    assert "variance, forecast for 72 h: +1.7 ± 0.04 %" in markdown, "below +1.8 %, as was forecast by hand"


def test_it_has_the_chapters_of_the_original_report_in_their_order(markdown: str) -> None:
    assert re.findall(r"^## (.*)$", markdown, re.MULTILINE) == [
        "Executive summary",
        "1. Deployment",
        "2. Variance",
        "3. Metrics",
        "4. Alerts and incidents",
        "5. QA evidence",
        "6. Artefacts and evidence",
        "7. Lessons learned",
        "8. Recommendations",
        "9. Success criteria",
        "10. Sign-off",
        "11. Distribution",
    ]
