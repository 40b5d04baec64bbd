"""A session that is asked for a gate and has none fails, and says which files were perhaps meant as suites."""

from __future__ import annotations

import pytest
from projects import PASSING, Project, said

LINE = "telemetry gate: {} is not judged: {}"
NAME = "the name of a suite ends in .gate.yaml or .gate.yml"


@pytest.fixture
def near(project: Project) -> Project:
    """A project whose suites have names and places that pytest does not collect."""
    project.suite(PASSING, name="small.gates.yaml")
    project.suite(PASSING, name="build/built.gate.yaml")
    project.suite(PASSING, name="left_out.gate.yaml")
    project.file("conftest.py", "collect_ignore = ['left_out.gate.yaml']\n")
    (project.path / "gone.gate.yaml").symlink_to("nowhere")
    (project.path / "folder.gate.yaml").mkdir()
    project.file("test_beside.py", "def test_it(): pass\n")
    return project


TOLD = {
    "small.gates.yaml": NAME,
    "build/built.gate.yaml": "pytest does not look into 'build' (norecursedirs, --ignore or collect_ignore)",
    "left_out.gate.yaml": "pytest is told to leave it out (--ignore or collect_ignore)",
    "gone.gate.yaml": "it is a link to a file that is not there",
    "folder.gate.yaml": "it is a folder",
}


@pytest.mark.parametrize(
    "arguments", [("--telemetry-env=recorded",), ("--telemetry-strict", "-q"), ("--telemetry-partial", "-n1")]
)
def test_a_session_without_a_suite_fails_and_tells_what_is_near(near, arguments):
    result = near.run(*arguments)
    assert result.ret == 1
    for name, why in TOLD.items():
        assert LINE.format(name, why) in result.outlines


def test_so_does_one_that_the_environment_asks(near, monkeypatch):
    monkeypatch.setenv("TELEMETRY_ENV", "recorded")
    result = near.run()
    assert result.ret == 1
    assert LINE.format("small.gates.yaml", NAME) in result.outlines


def test_a_session_that_nobody_asks_for_a_gate_is_left_alone(near):
    result = near.run()
    assert result.ret == 0
    assert "telemetry gate:" not in said(result)


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_beside_a_suite_that_is_judged_it_is_a_warning(near, workers):
    near.suite(PASSING)
    result = near.run(*workers)
    assert result.ret == 0
    assert [LINE.format(name, why) in result.outlines for name, why in TOLD.items()] == [True] * len(TOLD)
    assert LINE.format("small.gate.yaml", NAME) not in result.outlines


def test_only_what_pytest_was_given_is_looked_at(near):
    near.suite(PASSING)
    result = near.run("small.gate.yaml::Parser::requests[2h]")
    assert result.ret == 0
    assert "is not judged" not in said(result)


def test_a_file_that_pytest_does_not_find_by_its_name_is_told(near):
    result = near.run("--telemetry-env=recorded", "small.gates.yaml")
    assert result.ret == 4
    assert LINE.format("small.gates.yaml", NAME) in result.outlines
