"""The plugin among others: unrelated tests, fixtures of users, other plugins, and none of them."""

from __future__ import annotations

import pytest
from projects import FAILING, PASSING

RETRY = """
import pytest
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for attempt in range(2):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if not any(report.failed for report in reports):
            break
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
"""


def test_unrelated_tests_are_left_alone(bare):
    bare.file(
        "test_it.py",
        "import pytest\n\n@pytest.mark.parametrize('n', [1, 2])\ndef test_it(n): assert n == 1\n",
    )
    result = bare.run("-v")
    assert result.ret == 1
    result.assert_outcomes(passed=1, failed=1)
    assert "telemetry gate" not in result.stdout.str()
    bare.file("test_it.py", "def test_it(): pass\n")
    assert bare.run().ret == 0


def test_nothing_to_collect_stays_5(bare):
    assert bare.run().ret == 5


def test_other_yaml_files_are_not_ours(bare):
    bare.file("gate.yaml", "a: [")
    bare.file("other.yaml", "a: [")
    bare.file("test_it.py", "def test_it(): pass\n")
    assert bare.run().ret == 0


def test_unrelated_tests_beside_a_gate_carry_no_verdicts(project):
    project.suite(PASSING)
    project.file("test_it.py", "def test_it(): pass\n")
    cases = {case.get("name"): case for case in project.junit()}
    assert set(cases) == {"test_it", "requests[2h]"}
    assert not list(cases["test_it"].iter("property"))
    result = project.run()
    result.assert_outcomes(passed=2)
    assert "1 check: 1 pass" in result.stdout.str()


@pytest.mark.parametrize(
    "plugin",
    [
        "telemetry_gate",
        "terminal",
        "xdist",
        "junitxml",
        "capture",
        "logging",
        "warnings",
        "tmpdir",
        "unraisableexception",
    ],
)
@pytest.mark.parametrize(("criteria", "code"), [(PASSING, 0), (FAILING, 1)])
def test_plugins_can_be_left_out(project, plugin, criteria, code):
    project.suite(criteria)
    result = project.run("-p", f"no:{plugin}")
    assert result.ret == (5 if plugin == "telemetry_gate" else code)
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize(
    "option",
    [
        "--tb=no",
        "--tb=line",
        "--tb=native",
        "-q",
        "-qq",
        "-vv",
        "-s",
        "--no-header",
        "--no-summary",
        "-rA",
        "-rN",
        "--durations=3",
        "--setup-show",
        "--color=yes",
        "--full-trace",
    ],
)
def test_options_of_pytest_keep_working(project, option):
    project.suite(PASSING + FAILING.replace("requests,", "more,"))
    result = project.run(option)
    assert result.ret == 1
    assert "INTERNALERROR" not in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


def test_autouse_fixtures_apply_and_may_fail(project):
    project.suite(PASSING)
    project.file(
        "conftest.py",
        "import pytest\n\n@pytest.fixture(autouse=True)\ndef told(request, tmp_path, monkeypatch):\n"
        "    print('BEFORE', request.node.name)\n    yield\n    print('AFTER')\n",
    )
    result = project.run("-s")
    assert result.ret == 0
    assert "BEFORE requests[2h]" in result.stdout.str()
    project.file(
        "conftest.py", "import pytest\n\n@pytest.fixture(autouse=True)\ndef broken(): raise OSError('no')\n"
    )
    result = project.run()
    assert result.ret == 1
    result.assert_outcomes(errors=1)


def test_a_plugin_that_runs_items_again_changes_nothing(project):
    project.file("conftest.py", RETRY)
    project.suite(PASSING + FAILING.replace("requests,", "more,"))
    result = project.run()
    assert result.ret == 1
    result.assert_outcomes(passed=1, failed=1)
    assert "2 checks: 1 fail, 1 pass" in result.stdout.str()
    (more,) = (case for case in project.junit() if case.get("name") == "more[2h]")
    names = [one.get("name") for one in more.iter("property")]
    assert len(names) == len(set(names))


def test_a_check_that_is_skipped_by_a_conftest_does_not_open_the_gate(project):
    project.suite(PASSING)
    project.file(
        "conftest.py",
        "import pytest\n\ndef pytest_collection_modifyitems(items):\n"
        "    for item in items:\n        item.add_marker(pytest.mark.skip(reason='no time'))\n",
    )
    assert project.run().ret == 1


@pytest.mark.parametrize("mark", ["skip(reason='no time')", "xfail", "xfail(strict=True)"])
def test_some_checks_left_out_by_a_conftest_do_not_open_the_gate(project, mark):
    project.suite(PASSING + FAILING.replace("requests,", "more,"))
    project.file(
        "conftest.py",
        "import pytest\n\ndef pytest_collection_modifyitems(items):\n"
        f"    items[1].add_marker(pytest.mark.{mark})\n",
    )
    assert project.run().ret == 1


def test_a_conftest_that_drops_checks_does_not_open_the_gate(project):
    project.suite(PASSING + FAILING.replace("requests,", "more,"))
    project.file(
        "conftest.py",
        "import pytest\n\n@pytest.hookimpl(trylast=True)\ndef pytest_collection_modifyitems(items):\n    del items[1:]\n",
    )
    result = project.run()
    assert result.ret == 1
    assert "1 of 2 selected" in result.stdout.str()


def test_a_worker_that_dies_does_not_open_the_gate(project):
    project.suite(PASSING)
    project.file(
        "conftest.py",
        "import os, pytest\n\n@pytest.fixture(autouse=True)\ndef gone(): os._exit(3)\n",
    )
    assert project.run("-n1").ret != 0


def test_deselecting_one_by_id(project):
    project.suite(PASSING + FAILING.replace("requests,", "more,"))
    assert project.run("--deselect", "small.gate.yaml::Parser::more[2h]").ret == 1


def test_ignoring_the_file_is_no_gate(project):
    project.suite(PASSING)
    project.file("test_it.py", "def test_it(): pass\n")
    assert project.run("--ignore=small.gate.yaml").ret == 0


def test_a_skipped_check_counts_as_not_selected(project):
    project.suite(PASSING + PASSING.replace("requests,", "more,"))
    project.file(
        "conftest.py",
        "import pytest\n\ndef pytest_collection_modifyitems(items):\n"
        "    items[1].add_marker(pytest.mark.skip(reason='no time'))\n",
    )
    result = project.run()
    assert result.ret == 1
    assert "1 of 2 selected" in result.stdout.str()
    assert project.run("--telemetry-partial").ret == 0
    assert project.run("-n1").ret == 1


def test_a_second_attempt_starts_anew(project):
    project.suite(PASSING)
    project.file("conftest.py", RETRY.replace("for report in reports", "for report in reports[-3:]"))
    project.file(
        "test_it.py",
        "attempts = []\n\ndef test_it(telemetry):\n    attempts.append(1)\n"
        "    telemetry.check('cpu', '< 75' if len(attempts) == 2 else '> 75')\n",
    )
    result = project.run("--telemetry-now=1737591000")
    assert result.ret == 0
    assert "2 checks: 2 pass" in result.stdout.str()


def test_attempts_that_are_told_as_such_decide_nothing(project):
    project.suite(PASSING)
    project.file(
        "conftest.py",
        RETRY.replace(
            "            break\n",
            "            break\n        if not attempt:\n            for report in reports:\n"
            "                report.outcome = 'rerun'\n"
            "                item.ihook.pytest_runtest_logreport(report=report)\n",
        )
        + "\ndef pytest_report_teststatus(report):\n"
        "    if report.outcome == 'rerun':\n        return 'rerun', 'R', 'RERUN'\n",
    )
    project.file(
        "test_it.py",
        "attempts = []\n\ndef test_it(telemetry):\n    attempts.append(1)\n"
        "    telemetry.check('cpu', '< 75' if len(attempts) == 2 else '> 75')\n",
    )
    result = project.run("--telemetry-now=1737591000")
    assert result.ret == 0
    assert "2 checks: 2 pass" in result.stdout.str()


@pytest.mark.skipif(not hasattr(pytest, "Subtests"), reason="pytest has subtests from 9.0 on")
def test_subtests_do_not_repeat_verdicts(project):
    project.suite(PASSING)
    project.file(
        "test_it.py",
        "def test_it(telemetry, subtests):\n"
        "    for limit in (75, 80):\n        with subtests.test(limit=limit):\n"
        "            telemetry.check('cpu', f'< {limit}')\n"
        "    with subtests.test('broken'):\n        assert False\n",
    )
    result = project.run("--telemetry-now=1737591000")
    assert result.ret == 1
    assert "3 checks: failed: test_it.py::test_it, 3 pass" in result.stdout.str()
