"""A suite whose contract names a registry of semantic conventions: judged from a recording, bundled, and judged from the bundle."""

from __future__ import annotations

import time

import pytest
from projects import Project
from replay_worlds import capture

from pytest_telemetry_gate.plugin import cli
from pytest_telemetry_gate.recording.captures import store_captures

SUITE = """\
version: 1
suite: qa
checkpoints: {1h: {cases: 1}}
contracts:
  parse:
    select: {name: parse}
    semantic_conventions: {registry: ../conventions, groups: [span.parse]}
cases:
  - {id: parse-python, drive: {cli: {argv: [parse]}}, expect: {spans: [{contract: parse}]}}
"""
REGISTRY = """\
groups:
  - id: registry.parser
    type: attribute_group
    attributes:
      - {id: language, type: {members: [{id: python, value: python}, {id: go, value: go}]}}
      - {id: parser.version, type: string}
  - {id: span.parse, type: span, span_kind: internal, attributes: [{ref: language, requirement_level: required}]}
"""


@pytest.fixture
def project_with_registry(project: Project) -> Project:
    project.file("qa/qa.replay.yaml", SUITE)
    project.file("conventions/deep/parser.yaml", REGISTRY)
    project.file(
        "telemetry.yaml",
        "default: recorded\nenvironments: {recorded: {source: recording, path: qa.telemetry.zip}}\n",
    )
    store_captures(
        project.path / "qa.telemetry.zip",
        [capture("parse-python", "1h", at=time.time())],
        recorded_at=time.time(),
    )
    return project


def test_a_bundle_holds_the_registry_of_its_suite(
    project_with_registry: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project = project_with_registry
    assert project.run("qa", "--telemetry-bundle=b.zip").ret == 0
    project.file("conventions/deep/parser.yaml", REGISTRY.replace("ref: language", "ref: parser.version"))
    capsys.readouterr()
    assert cli.main(["verify", str(project.path / "b.zip")]) == 0
    assert capsys.readouterr().out.startswith("b.zip holds\n")


def test_what_the_registry_requires_fails_the_case(project_with_registry: Project) -> None:
    project = project_with_registry
    project.file("conventions/deep/parser.yaml", REGISTRY.replace("ref: language", "ref: parser.version"))
    result = project.run("qa")
    assert result.ret == 1
    line = "*span parse: attribute parser.version: required by span.parse of the registry, missing*"
    result.stdout.fnmatch_lines([line])


def test_a_flaw_of_the_registry_is_a_line_of_its_own_file(project_with_registry: Project) -> None:
    project = project_with_registry
    project.file("conventions/deep/parser.yaml", REGISTRY.replace("ref: language", "ref: langage"))
    result = project.run("qa")
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*conventions/deep/parser.yaml:7: ref: no attribute 'langage' is defined*"])
