"""Plugins that change how tests run, beside a gate: none of them opens one that stays closed, or closes one that opens."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from projects import FAILING, PASSING, said

LATER = "@pytest.mark.telemetry(checkpoint='2h')\ndef test_it(telemetry):\n    telemetry.check('requests', '> 90')\n"
PLUGINS = {
    "anyio": ("-p", "anyio"),
    "asyncio": ("-p", "asyncio", "-o", "asyncio_default_fixture_loop_scope=function"),
    "rerunfailures": ("-p", "rerunfailures", "--reruns=2"),
    "forked": ("-p", "pytest_forked", "--forked", "-p", "no:unraisableexception"),
    "timeout": ("-p", "timeout", "--timeout=60"),
    "randomly": ("-p", "randomly"),
    "html": ("-p", "metadata", "-p", "html", "--html=report.html"),
}


def failures(project, *arguments):
    """Run pytest; return its result and the names of the test cases that failed in its JUnit file."""
    result = project.run("--junitxml=junit.xml", *arguments)
    cases = ET.parse(project.path / "junit.xml").getroot().iter("testcase")
    return result, [case.get("name") for case in cases if {one.tag for one in case} & {"failure", "error"}]


def skip_where_nothing_is_forked(project):
    """Skip where pytest-forked cannot send a report of this pytest from its process, which it is too old for."""
    path = project.file("test_plain.py", "def test_plain():\n    pass\n")
    if project.run(*PLUGINS["forked"], "-p", "no:telemetry_gate", path).ret:
        pytest.skip(f"pytest-forked does not run a test of pytest {pytest.__version__}")
    path.unlink()


@pytest.mark.parametrize("name", PLUGINS)
def test_the_gate_has_the_same_outcome_beside(project, name):
    if name == "forked":
        skip_where_nothing_is_forked(project)
    project.suite(PASSING + PASSING.replace("requests,", "more,"))
    result, failed = failures(project, *PLUGINS[name])
    assert (result.ret, failed) == (0, []), said(result)
    assert result.outlines[-1].startswith("telemetry gate: PASS  2 checks: 2 pass")
    project.suite(PASSING + FAILING.replace("requests,", "more,"))
    result, failed = failures(project, *PLUGINS[name])
    assert (result.ret, failed) == (1, ["more[2h]"]), said(result)
    assert result.outlines[-1].startswith("telemetry gate: FAIL  2 checks: 1 fail, 1 pass")


def test_a_forked_test_that_crashes_is_no_pass(project):
    skip_where_nothing_is_forked(project)
    project.suite(PASSING)
    project.file("test_it.py", "import os\nimport pytest\n" + LATER + "    os._exit(0)\n")
    result, failed = failures(project, *PLUGINS["forked"])
    assert (result.ret, failed) == (1, ["test_it[2h]"])
    assert "no verdict came from 1 of 2 selected" in result.outlines[-1]


def test_a_test_whose_time_is_over_is_no_pass(project):
    project.suite(PASSING)
    limit = "@pytest.mark.timeout(3, func_only=True)\n"  # which its check never needs
    project.file("test_it.py", f"import time\nimport pytest\n{limit}{LATER}    time.sleep(60)\n")
    result, failed = failures(project, "-p", "timeout")
    assert (result.ret, failed) == (1, ["test_it[2h]"])
    assert "telemetry gate: FAIL  2 checks: failed: test_it.py::test_it[2h], 2 pass" in result.outlines[-1]


def test_a_check_that_fails_again_and_again_is_one_verdict(project):
    project.suite(PASSING)
    again = LATER.replace("'> 90'", "'> 200'")
    project.file("test_it.py", "import pytest\n" + again)
    result, failed = failures(project, *PLUGINS["rerunfailures"])
    assert (result.ret, failed) == (1, ["test_it[2h]"])
    assert result.outlines[-1].startswith("telemetry gate: FAIL  2 checks: 1 fail, 1 pass")


def test_html_has_the_gates_own_test_case(project):
    project.suite(PASSING)
    result, failed = failures(project, *PLUGINS["html"], "--telemetry-now=2025-01-22T22:00:00Z")
    assert (result.ret, failed) == (1, ["outcome"])
    report = (project.path / "report.html").read_text("utf-8")
    assert "telemetry_gate::outcome" in report
    assert "nothing was judged" in report
