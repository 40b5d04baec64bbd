"""What a run writes of hostile texts: Markdown, OpenMetrics, and what a step of GitHub Actions is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from projects import CONFIG, HEAD, Project
from prometheus_client.openmetrics.parser import text_string_to_metric_families

HOSTILE = r"<script>alert(1)</script> | ::error::no \x1b[31m\u202e [x](javascript:alert(1)) `a|b` %0A, 100 %"
CRITERION = f'- {{id: requests, title: "{HOSTILE}", query: \'requests{{job="parser"}}\', expect: "> 200"}}\n'
NOTES = f'report: {{summary: "{HOSTILE}\\n\\n```\\n# never closed", distribution: ["{HOSTILE}"]}}\n'


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The summary of a running step, whose checkout is the folder above the project."""
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    return summary


def test_no_text_breaks_out_of_what_is_written(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, step: Path
) -> None:
    project = Project(pytester)
    project.file("telemetry.yaml", CONFIG)
    project.recording()
    project.suite(CRITERION, HEAD + NOTES)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(pytester.path.parent))
    result = project.run("--telemetry-report=r.md", "--telemetry-report=r.txt")
    assert result.ret == 1
    for drawn in ((project.path / "r.md").read_text("utf-8"), step.read_text("utf-8")):
        assert "Do not proceed" in drawn.replace("DO NOT PROCEED", "Do not proceed")
        assert "<script" not in drawn
        assert not re.search(r"(?<!\\)\]\(javascript", drawn)
        assert "\x1b" not in drawn
        assert not re.search("^::", drawn, re.MULTILINE)
    chapters = re.findall(r"^## (.*)$", (project.path / "r.md").read_text("utf-8"), re.MULTILINE)
    assert chapters == [
        "Executive summary",
        "1. Deployment",
        "2. Metrics",
        "3. Artefacts and evidence",
        "4. Success criteria",
        "5. Distribution",
    ]
    names = {
        family.name for family in text_string_to_metric_families((project.path / "r.txt").read_text("utf-8"))
    }
    assert names == {
        "telemetry_gate_opens",
        "telemetry_gate_checks",
        "telemetry_gate_value",
        "telemetry_gate_margin",
    }
    commands = [line for line in result.outlines if line.startswith("::")]
    assert len(commands) == 1
    assert commands[0].startswith(f"::error file={pytester.path.name}/small.gate.yaml,line=")
    assert "100 %25" in commands[0]
