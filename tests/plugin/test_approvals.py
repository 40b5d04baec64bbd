"""`--telemetry-approvals`: the file reaches the criteria of kind `approvals`, in every process; a bad one ends the session."""

from __future__ import annotations

import re

import pytest
from gates import HEAD
from projects import said

from pytest_telemetry_gate.reports.document.stored import read_report

ONE = f"sha256:{'1' * 64}"
SIGNED = """
groups:
  Parser:
    - {id: requests, query: 'requests{job="parser"}', expect: '> 90'}
  Sign-off:
    - {id: signed, approvals: [QA lead, DevOps lead]}
"""
ROLES = HEAD + "approvals: [QA lead, DevOps lead]"


def entry(role):
    return f"- {{role: {role}, name: Ann, at: 2025-01-22T16:30:00-08:00, digest: '{ONE}'}}\n"


@pytest.fixture
def project(project):
    project.suite(SIGNED, ROLES)
    return project


def test_the_gate_opens_when_everybody_has_signed(project):
    result = project.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["INCONCLUSIVE*there is no approvals file: --telemetry-approvals=FILE names it*"]
    )
    file = project.file("signed/approvals.yaml", entry("QA lead"))
    result = project.run("--telemetry-approvals=signed/approvals.yaml")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["FAIL*signed*not signed: DevOps lead*"])
    file.write_text(entry("QA lead") + entry("DevOps lead"))
    assert "not of this one" in said(project.run("--telemetry-approvals=signed/approvals.yaml"))
    project.run("--telemetry-report=r.json")
    digest = read_report(project.path / "r.json").digest
    file.write_text(re.sub("sha256:[0-9a-f]{64}", digest, file.read_text()))
    for arguments in ([], ["-n2"]):
        result = project.run("--telemetry-approvals=signed/approvals.yaml", *arguments)
        assert result.ret == 0, said(result)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "--telemetry-approvals: approvals.yaml:1: cannot be read: No such file or directory"),
        ("role: QA lead\n", "--telemetry-approvals: approvals.yaml:1: the file must be a list"),
        ("- {role: QA lead}\n", "--telemetry-approvals: approvals.yaml:1: approval 1: needs 'name'"),
        (
            entry("QA lead") + entry("QA leed"),
            "approvals.yaml:2: approval 2: unknown role 'QA leed' (did you mean 'QA lead'?)",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_a_usage_error(project, text, message):
    if text is not None:
        project.file("approvals.yaml", text)
    result = project.run("--telemetry-approvals=approvals.yaml")
    assert result.ret == 4
    assert message in said(result)
    assert "Traceback" not in said(result)


def test_an_empty_value_is_a_usage_error_and_no_gate_a_failure(project):
    assert "--telemetry-approvals is empty" in said(project.run("--telemetry-approvals="))
    (project.path / "small.gate.yaml").unlink()
    project.file("test_other.py", "def test(): pass\n")
    project.file("approvals.yaml", entry("QA lead"))
    assert project.run("--telemetry-approvals=approvals.yaml").ret == 1
