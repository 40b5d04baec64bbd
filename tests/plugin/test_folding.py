"""How often a failure is told: many of one kind once, in a CI each once, and the gate's outcome in the last line."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from projects import FAILING, HOURS, PASSING, write_test

DEAD = "default: prod\nenvironments:\n  prod: {source: prometheus, url: 'http://127.0.0.1:1', timeout: 1s}\n"
MANY = HOURS.replace("[30m, 1h, 90m, 2h]", "[{every: 1m, until: 1h}]")


@pytest.fixture
def dead(project):
    """A project with 240 checks, whose server is down."""
    project.file("telemetry.yaml", DEAD)
    project.suite("".join(PASSING.replace("requests,", f"requests_{place},") for place in range(4)), MANY)
    return project


@pytest.mark.parametrize("variables", [{}, {"CI": "true"}])
def test_a_dead_server_is_told_in_few_lines(dead, monkeypatch, variables):
    monkeypatch.setenv("COLUMNS", "80")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = dead.run("--junitxml=junit.xml")
    assert result.ret == 1
    result.assert_outcomes(failed=240)
    assert len(result.outlines) <= 40
    assert result.outlines[-1].startswith("telemetry gate: ERROR  240 checks: 240 error")
    told = "\n".join(result.outlines).count("connection refused")
    assert told == 1 if variables else told <= 3
    cases = list(ET.parse(dead.path / "junit.xml").getroot().iter("testcase"))
    assert len(cases) == 240
    assert all(
        "connection refused" in case[-1].get("message") for case in cases if case.find("failure") is not None
    )


def test_a_criterion_is_one_line_of_the_short_summary(project):
    project.suite(
        FAILING + FAILING.replace("requests,", "more,") + PASSING.replace("requests,", "good,"), HOURS
    )
    result = project.run()
    result.assert_outcomes(failed=8, passed=4)
    start = next(place for place, line in enumerate(result.outlines) if "short test summary info" in line)
    lines = [line for line in result.outlines[start + 1 :] if line.startswith("FAIL")]
    assert [line.split()[1] for line in lines] == [
        "small.gate.yaml::Parser::requests[30m]",
        "small.gate.yaml::Parser::more[30m]",
    ]
    assert "100 (> 200)" in lines[0]
    assert "and 3 more checkpoints: 1h..2h" in lines[0]


@pytest.mark.parametrize("level", ["-vv", "-v", "-q"])
def test_nothing_is_folded_where_everything_is_asked_for(project, level):
    project.suite(FAILING, HOURS)
    result = project.run(level)
    told = [line for line in result.outlines if line.startswith("FAIL small.gate.yaml::")]
    assert len(told) == (4 if level == "-vv" else 1)
    blocks = [line for line in result.outlines if line.startswith("FAIL requests[")]
    assert len(blocks) >= (4 if level == "-vv" else 1)


@pytest.mark.parametrize("arguments", [(), ("-q",), ("-v",), ("-x",), ("--tb=short",)])
def test_a_ci_is_told_each_failure_once(project, monkeypatch, arguments):
    monkeypatch.setenv("CI", "true")
    project.suite(FAILING + PASSING.replace("requests,", "good,"))
    result = project.run(*arguments)
    text = "\n".join(result.outlines)
    assert text.count("100 is outside the limit > 200") == 1
    assert "query requests" in text
    assert "= FAILURES =" not in text
    assert "short test summary" not in text
    assert result.outlines[-1].startswith("telemetry gate: FAIL")


def test_what_is_no_verdict_is_told_by_pytest_in_a_ci_too(project, monkeypatch):
    monkeypatch.setenv("CI", "true")
    project.suite(FAILING)
    write_test(
        project,
        "telemetry.check('requests', '> 90')",
        "print('so it was')",
        "assert telemetry.region is None",
    )
    project.file("test_other.py", "def test_other():\n    assert 1 == 2\n")
    result = project.run()
    result.assert_outcomes(failed=3)
    text = "\n".join(result.outlines)
    assert text.count("= FAILURES =") == 1
    assert "so it was" in text
    assert "assert 1 == 2" in text
    assert text.count("100 is outside the limit > 200") == 1


def test_the_outcome_is_below_what_stopped_the_session(project):
    project.suite(FAILING + PASSING.replace("requests,", "good,"))
    result = project.run("-x")
    assert "stopping after 1 failures" in "\n".join(result.outlines)
    assert result.outlines[-1].startswith(
        "telemetry gate: FAIL  1 check: 1 fail; no verdict came from 1 of 2 selected"
    )
    project.file("conftest.py", "import pytest\ndef pytest_runtest_setup():\n    pytest.exit('stop')\n")
    result = project.run()
    assert result.ret == 2
    assert result.outlines[-1].startswith("telemetry gate: INCONCLUSIVE  nothing was judged")


@pytest.mark.parametrize("variables", [{}, {"CI": "true"}])
def test_tests_that_could_not_begin_for_one_reason_are_told_once(project, monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    project.file("telemetry.yaml", DEAD)
    marker = "@pytest.mark.parametrize('number', range(9))\n"
    project.file(
        "test_it.py",
        f"import pytest\n{marker}def test_it(telemetry, number):\n    telemetry.check('up', '> 0')\n",
    )
    result = project.run()
    result.assert_outcomes(errors=9)
    text = "\n".join(result.outlines)
    assert text.count("connection refused") == (1 if variables else 2)
    assert "and 8 more tests, for the same reason: test_it.py::test_it[1], " in text
    assert "During handling" not in text
    assert result.outlines[-1].startswith("telemetry gate: ERROR  failed: test_it.py::test_it[0], ")


def test_a_suite_that_cannot_be_read_is_told_once_in_a_ci(project, monkeypatch):
    monkeypatch.setenv("CI", "true")
    project.suite("- {id: cpu, query: cpu, expct: '< 75'}\n")
    project.file("test_other.py", "import not_there\n")
    result = project.run()
    assert result.ret == 2
    text = "\n".join(result.outlines)
    assert text.count("unknown key 'expct'") == 1
    assert "ERROR test_other.py" in text
    assert result.outlines[-1].startswith(
        "telemetry gate: INCONCLUSIVE  small.gate.yaml could not be collected"
    )
