"""A session is bundled, signed and verified, by the commands that people type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from projects import CPU, HEAD, PASSING, said

from pytest_telemetry_gate.model.report import GateReport, Report
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.plugin import cli
from pytest_telemetry_gate.reports.document import stored

ROLES = f"{HEAD}approvals: [QA lead]\n"


def test_a_session_is_bundled_and_verified(project, capsys: pytest.CaptureFixture[str]):
    project.suite(PASSING, head=ROLES)
    assert project.run("--telemetry-report=r.json", "--telemetry-bundle=b.zip").ret == 0
    bundle, report = project.path / "b.zip", project.path / "r.json"
    capsys.readouterr()
    assert cli.main(["verify", str(bundle)]) == 0
    assert capsys.readouterr().out.startswith("b.zip holds\n")
    assert cli.main(["approve", str(report), "--role", "QA led", "--name", "Ann"]) == 4
    assert "unknown role 'QA led' (did you mean 'QA lead'?)" in capsys.readouterr().err
    assert (
        cli.main(["approve", str(report), "--role", "QA lead", "--name", "Ann", "--note", "all plots"]) == 0
    )
    said_of_it = capsys.readouterr().out
    assert "QA lead: Ann signed sha256:" in said_of_it
    assert "WARNING" not in said_of_it
    approvals = report.with_name("approvals.yaml")
    assert cli.main(["verify", str(bundle), "--approvals", str(approvals)]) == 0
    assert "QA lead: Ann signed this report at 20" in capsys.readouterr().out
    assert project.run("--telemetry-approvals=approvals.yaml", "--telemetry-bundle=signed.zip").ret == 0
    assert cli.main(["verify", str(project.path / "signed.zip")]) == 0
    assert "QA lead: Ann signed this report at 20" in capsys.readouterr().out
    report.write_text(report.read_text().replace('"opens":true', '"opens":false'))
    assert cli.main(["approve", str(report), "--role", "QA lead", "--name", "Ann"]) == 4
    assert "was changed after it was written" in capsys.readouterr().err
    assert approvals.read_text().count("role:") == 1


def test_who_signs_a_closed_or_early_gate_is_told_so(project, capsys: pytest.CaptureFixture[str]):
    criteria = "groups:\n  A:\n    - {id: requests, query: requests, expect: '> 200', checkpoints: [1h]}\n    - {id: late, query: requests, expect: '> 1', checkpoints: [900000h]}\n"
    head = ROLES.replace("[2h]", "[1h, 900000h]")
    project.suite(criteria, head=head)
    assert project.run("--telemetry-report=r.json").ret == 1
    report = str(project.path / "r.json")
    capsys.readouterr()
    assert cli.main(["approve", report, "--role", "QA lead", "--name", "Ann"]) == 0
    out = capsys.readouterr().out
    assert ", closed: " in out
    assert "WARNING: the gate stays closed, whoever signs" in out
    assert "WARNING: the last checkpoint is at 2127-" in out


def test_a_bundle_that_cannot_be_made_is_a_line(project):
    project.suite(PASSING + "# ${file:secret}\n")
    result = project.run("--telemetry-bundle=b.zip", "--telemetry-report=r.json")
    assert result.ret == 0
    assert "b.zip" in said(result)
    assert "reads a file with ${file:...}" in said(result)
    assert not (project.path / "b.zip").exists()
    assert (project.path / "r.json").exists()


def test_a_forged_report_that_leaves_out_what_failed_does_not_hold(
    project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Manifest, statement and digest fit: only the suite itself knows what else there was to judge."""
    project.suite(PASSING + CPU.replace("< 75", "< 60"))
    real = stored.settle

    def forge(report: Report, clean: Callable[[str], str]) -> Report:
        settled = real(report, clean)
        (suite,) = settled.content.suites
        kept = replace(suite, criteria=suite.criteria[:1])
        gate = GateReport(Outcome.PASS, True, "1 pass", counts={"pass": 1}, collected=1, selected=1)
        return stored.sign(replace(settled, content=replace(settled.content, gate=gate, suites=(kept,))))

    monkeypatch.setattr(stored, "settle", forge)
    assert project.run("--telemetry-bundle=b.zip").ret == 1
    capsys.readouterr()
    assert cli.main(["verify", str(project.path / "b.zip")]) == 1
    assert "cpu[2h]: the suite has this check, the report says nothing of it" in capsys.readouterr().out
