"""What other people's code does to a session: whatever was planned and not heard closes the gate, exit code and JUnit."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET

import pytest
from children import PYTEST
from projects import FAILING, PASSING, said, write_test

HOOK = "import os\nimport pytest\n"
REPORT = (
    HOOK + "\n@pytest.hookimpl(wrapper=True, tryfirst=True)\ndef pytest_runtest_makereport(item, call):\n"
)
NEW_REPORT = """\
    report = yield
    return pytest.TestReport(report.nodeid, report.location, {}, "passed", None, report.when)
"""
CONFTESTS = {
    "an outcome of its own": REPORT
    + "    report = yield\n    report.outcome = 'quarantined'\n    return report\n",
    "new reports": REPORT + NEW_REPORT,
    "no call": HOOK
    + "@pytest.hookimpl(tryfirst=True)\ndef pytest_pyfunc_call(pyfuncitem):\n    return True\n",
    "no protocol": HOOK
    + "@pytest.hookimpl(tryfirst=True)\ndef pytest_runtest_protocol(item):\n    return True\n",
    "no loop": HOOK + "@pytest.hookimpl(tryfirst=True)\ndef pytest_runtestloop(session):\n    return True\n",
    "an exit": HOOK + "def pytest_runtest_setup(item):\n    pytest.exit('enough', returncode=0)\n",
    "no items": HOOK + "def pytest_collection_finish(session):\n    session.items[:] = session.items[:1]\n",
    "no checks": HOOK + "@pytest.hookimpl(wrapper=True, tryfirst=True)\n"
    "def pytest_collection_modifyitems(items):\n    items[:] = items[:1]\n    yield\n",
    "an empty file": HOOK + "@pytest.hookimpl(wrapper=True, tryfirst=True)\n"
    "def pytest_make_collect_report(collector):\n    report = yield\n"
    "    if collector.nodeid == 'small.gate.yaml::Parser':\n        report.result = []\n    return report\n",
}
CLOSING = {
    "made a pass": REPORT + "    report = yield\n    report.outcome = 'passed'\n    return report\n",
    "an exit code": HOOK + "@pytest.hookimpl(trylast=True)\n"
    "def pytest_sessionfinish(session):\n    session.testsfailed = 0\n    session.exitstatus = 0\n",
    "a late exit code": HOOK + "def pytest_unconfigure(config):\n"
    "    config.pluginmanager.get_plugin('session').exitstatus = 0\n",
    "an exit at the end": HOOK + "@pytest.hookimpl(wrapper=True, tryfirst=True)\n"
    "def pytest_sessionfinish(session):\n    result = yield\n    pytest.exit('', returncode=0)\n",
}
MORE = PASSING.replace("requests,", "more,")


def run(project, *arguments):
    """Run pytest; return the result, how many test cases of its JUnit file failed, and what they say."""
    path = project.path / "junit.xml"
    path.unlink(missing_ok=True)
    result = project.run(f"--junitxml={path}", *arguments)
    root = ET.parse(path).getroot()
    suite = root if root.tag == "testsuite" else root[0]
    messages = [str(one.get("message")) for one in root.iter() if one.tag in {"failure", "error"}]
    assert int(suite.get("failures")) + int(suite.get("errors")) == len(messages)
    return result, int(result.ret), messages


@pytest.mark.parametrize("name", CONFTESTS)
def test_what_was_planned_and_not_heard_closes_the_gate(project, name):
    project.suite(PASSING + MORE)
    project.file("conftest.py", CONFTESTS[name])
    project.file("test_other.py", "def test_it():\n    pass\n")
    result, code, messages = run(project)
    assert code in {1, 2}, said(result)
    assert result.outlines[-1].startswith("telemetry gate: INCONCLUSIVE"), said(result)
    assert len(messages) == 1
    assert "of 2 selected" in messages[0]


@pytest.mark.parametrize("name", CLOSING)
def test_nothing_turns_a_closed_gate_into_exit_code_0(project, name):
    project.suite(FAILING)
    project.file("conftest.py", CLOSING[name])
    result, code, messages = run(project)
    assert code == 1
    assert messages
    assert result.outlines[-1].startswith("telemetry gate: FAIL")


def test_no_exit_while_pytest_ends_opens_a_closed_gate(project):
    project.suite(FAILING)
    project.file("conftest.py", "def pytest_unconfigure():\n    raise SystemExit(0)\n")
    ended = subprocess.run(PYTEST, cwd=project.path, capture_output=True, check=False)
    assert ended.returncode == 1


def test_a_conftest_that_does_nothing_leaves_the_gate_open(project):
    project.suite(PASSING + MORE)
    project.file("conftest.py", HOOK)
    result, code, messages = run(project)
    assert (code, messages) == (0, [])
    assert result.outlines[-1].startswith("telemetry gate: PASS  2 checks: 2 pass")


def test_one_file_given_twice_is_no_second_half(project):
    project.suite(PASSING + MORE)
    _result, code, messages = run(
        project, "--keep-duplicates", "small.gate.yaml", "small.gate.yaml", "-k", "more"
    )
    assert code == 1
    assert "1 of 2 selected; --telemetry-partial says that is meant" in messages[0]
    assert run(project, "--keep-duplicates", "small.gate.yaml", "small.gate.yaml")[1] == 0


@pytest.mark.parametrize(
    "text", ["pytest.importorskip('not_there')", "pytest.skip('not now', allow_module_level=True)"]
)
def test_a_module_that_was_skipped_with_its_checks_closes_the_gate(project, text):
    project.suite(PASSING)
    path = write_test(project, "telemetry.check('requests', '> 90')")
    path.write_text(f"import pytest\n{text}\n" + path.read_text())
    _result, code, messages = run(project)
    assert code == 1
    assert "test_it.py was skipped as a whole" in messages[0]
    assert run(project, "--telemetry-partial")[1] == 0
    project.file("test_it.py", f"import pytest\n{text}\ndef test_it(tmp_path):\n    pass\n")
    assert run(project)[1] == 0


def test_a_suite_that_cannot_be_read_closes_the_gate_beside_others(project):
    project.suite(PASSING)
    project.suite("- {id: cpu, query: cpu, expct: '< 75'}\n", name="other.gate.yaml")
    result, code, _ = run(project, "--continue-on-collection-errors")
    assert code == 1
    assert "INCONCLUSIVE" in result.outlines[-1]
    assert "other.gate.yaml could not be collected" in result.outlines[-1]
    result, code, _messages = run(project)
    assert code == 2
    assert result.outlines[-1].startswith("telemetry gate: INCONCLUSIVE")


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_checks_that_are_all_deselected_close_a_gate_beside_other_tests(project, workers):
    project.suite(PASSING + MORE)
    project.file("test_other.py", "def test_it():\n    pass\n")
    _result, code, messages = run(project, "-k", "test_it", *workers)
    assert code == 1
    assert "nothing was judged: 0 of 2 selected" in messages[0]
    assert run(project, "-k", "test_it", "--telemetry-partial", *workers)[1] == 0


DYING = (
    HOOK
    + """\
@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    if hasattr(session.config, 'workerinput'):
        os._exit(0)
"""
)


@pytest.mark.parametrize("chosen", ["more", "test_it"])
def test_workers_that_all_die_in_the_end_do_not_hide_what_was_left_out(project, chosen):
    project.suite(PASSING + MORE)
    project.file("conftest.py", DYING)
    project.file("test_other.py", "def test_it():\n    pass\n")
    result, code, messages = run(project, "-n1", "--max-worker-restart=0", "-k", chosen)
    assert code != 0, said(result)
    assert "PASS" not in result.outlines[-1]
    assert messages


def test_a_worker_that_crashes_is_no_pass(project):
    project.suite(PASSING + MORE)
    project.file(
        "conftest.py",
        HOOK + "def pytest_runtest_call(item):\n    if 'more' in item.name:\n        os._exit(0)\n",
    )
    result, code, messages = run(project, "-n1")
    assert code == 1
    assert "no verdict came from 1 of 2 selected" in result.outlines[-1]
    assert "crashed" in messages[0]


@pytest.mark.parametrize(
    "arguments", [("--telemetry-now=2025-01-22T22:00:00Z",), ("-k", "more"), ("-m", "not telemetry")]
)
@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_junit_is_red_wherever_the_gate_stays_closed(project, arguments, workers):
    project.suite(PASSING + MORE)
    result, code, messages = run(project, *arguments, *workers)
    assert code in {1, 5}
    assert len(messages) == 1
    assert messages[0].startswith("INCONCLUSIVE telemetry gate: ")
    assert result.outlines[-1].startswith("telemetry gate: INCONCLUSIVE")


def test_junit_is_red_for_a_usage_error_of_telemetry_yaml(project):
    project.suite(PASSING)
    result, code, messages = run(project, "--telemetry-env=nowhere")
    assert code == 4
    assert "nowhere" in messages[0]
    assert "telemetry gate: " not in result.outlines[-1]


def test_informational_criteria_alone_make_junit_red(project):
    project.suite("- {id: cpu, query: cpu, unit: '%', expect: '< 75', informational: true}\n")
    _result, code, messages = run(project)
    assert code == 1
    assert "nothing was judged (informational: 1 pass)" in messages[0]


def test_waivers_alone_are_no_pass(project):
    waiver = "waivers:\n  - {criterion: requests, reason: known, owner: me, until: 2030-01-01}\n"
    project.suite("groups:\n  Parser:\n    " + FAILING + waiver)
    result, code, messages = run(project)
    assert (code, messages) == (0, [])
    assert result.outlines[-1].startswith(
        "telemetry gate: WAIVED  1 check: nothing passed, waivers let it through"
    )
    project.suite("groups:\n  Parser:\n    " + FAILING + "    " + MORE + waiver)
    assert run(project)[0].outlines[-1].startswith("telemetry gate: PASS  2 checks: 1 waived, 1 pass")


HAND_WRITTEN = {
    "skip after a value": "import pytest\n@pytest.mark.telemetry(checkpoint='2h')\ndef test_it(telemetry):\n"
    "    telemetry.value('requests')\n    pytest.skip('enough')\n",
    "a unittest elsewhere": "import unittest, pytest\n@pytest.mark.telemetry(checkpoint='1h')\n"
    "class TestIt(unittest.TestCase):\n    @pytest.fixture(autouse=True)\n"
    "    def _gate(self, telemetry):\n        self.telemetry = telemetry\n"
    "    def test_it(self):\n        self.telemetry.check('requests', '> 90')\n",
    "teardown": "import pytest\n@pytest.fixture\ndef later(telemetry):\n    yield\n"
    "    try:\n        telemetry.check('requests', '> 200')\n    except Exception:\n        pass\n"
    "@pytest.mark.telemetry(checkpoint='2h')\ndef test_it(telemetry, later):\n    telemetry.check('requests', '> 90')\n",
    "finalizer": "import pytest\n@pytest.mark.telemetry(checkpoint='2h')\ndef test_it(telemetry, request):\n"
    "    telemetry.check('requests', '> 90')\n"
    "    request.addfinalizer(lambda: telemetry.check('requests', '> 200'))\n",
    "skip": "import pytest\n@pytest.mark.telemetry(checkpoint='2h')\ndef test_it(telemetry):\n"
    "    telemetry.check('requests', '> 200')\n    pytest.skip('enough')\n",
    "skip in a fixture": "import pytest\n@pytest.fixture\ndef before(telemetry):\n"
    "    telemetry.check('requests', '> 200')\n    pytest.skip('enough')\n"
    "@pytest.mark.telemetry(checkpoint='2h')\ndef test_it(before):\n    pass\n",
    "thread": "import threading, pytest\n@pytest.mark.telemetry(checkpoint='2h')\n"
    "@pytest.mark.filterwarnings('ignore')\ndef test_it(telemetry):\n"
    "    telemetry.check('requests', '> 90')\n"
    "    thread = threading.Thread(target=telemetry.check, args=('requests (', '> 200'))\n"
    "    thread.start()\n    thread.join()\n",
    "swallowed": "import pytest\n@pytest.mark.telemetry(checkpoint='2h')\ndef test_it(telemetry):\n"
    "    telemetry.check('requests', '> 90')\n    try:\n        telemetry.check('requests', exptc='> 200')\n"
    "    except Exception:\n        pass\n",
    "no check": "import pytest\n@pytest.mark.telemetry(checkpoint='2h')\ndef test_it(telemetry):\n"
    "    for query in []:\n        telemetry.check(query, '> 90')\n",
    "asked for by name": "import pytest\n@pytest.mark.telemetry(checkpoint='2h')\ndef test_it(request):\n"
    "    request.getfixturevalue('telemetry').check('requests', '> 200')\n",
    "kept": "import pytest\nkept = []\n@pytest.mark.telemetry(checkpoint='2h')\ndef test_it(telemetry):\n"
    "    telemetry.check('requests', '> 90')\n    kept.append(telemetry)\n"
    "def test_later():\n    try:\n        kept[0].check('requests', '> 200')\n    except Exception:\n        pass\n",
    "assertion": "import pytest\n@pytest.mark.telemetry(checkpoint='2h')\ndef test_it(telemetry):\n"
    "    telemetry.check('requests', '> 90')\n    assert telemetry.value('requests') > 200\n",
    "alerts without a suite": "def test_it(telemetry):\n    assert not telemetry.alerts()\n",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "workers"), [*((name, ()) for name in HAND_WRITTEN), ("kept", ("-n1",)), ("no check", ("-n1",))]
)
def test_a_hand_written_check_counts_wherever_it_is_made(project, name, workers):
    if name == "alerts without a suite":
        project.suite(PASSING, name="gates/small.gate.yaml")
    else:
        project.suite(PASSING)
    project.file("test_it.py", HAND_WRITTEN[name])
    result, code, messages = run(project, *workers)
    assert code == 1, said(result)
    assert messages
    outcome = result.outlines[-1]
    assert outcome.startswith("telemetry gate: "), said(result)
    assert "PASS" not in outcome


def test_a_module_counts_that_was_skipped_with_checks_through_fixtures_of_its_own(project):
    project.suite(PASSING)
    project.file(
        "conftest.py",
        "import pytest\n@pytest.fixture\ndef gate(telemetry):\n    return telemetry\n"
        "@pytest.fixture\ndef prepared(gate):\n    return gate\n",
    )
    project.file(
        "test_it.py", "import pytest\npytest.importorskip('not_there')\ndef test_it(prepared):\n    pass\n"
    )
    assert "test_it.py was skipped as a whole" in run(project)[2][0]


def test_a_folder_counts_that_was_skipped_with_its_suites(project):
    project.suite(PASSING)
    project.suite(PASSING, name="more/more.gate.yaml")
    project.file("more/conftest.py", "import pytest\npytest.skip('not now', allow_module_level=True)\n")
    assert "more was skipped as a whole" in run(project)[2][0]


@pytest.mark.parametrize("name", ["by name", "unittest"])
def test_a_test_without_any_suite_counts_from_the_first_one_on(project, name):
    texts = {
        "by name": "def test_it(request):\n    request.getfixturevalue('telemetry').check('requests', '> 200')\n",
        "unittest": "import unittest, pytest\nclass TestIt(unittest.TestCase):\n    @pytest.fixture(autouse=True)\n"
        "    def _gate(self, telemetry):\n        self.telemetry = telemetry\n"
        "    def test_a(self):\n        self.telemetry.check('requests', '> 90')\n"
        "    def test_b(self):\n        self.telemetry.check('requests', '> 90')\n",
    }
    project.file("test_it.py", texts[name])
    result, code, messages = run(project, *(["-k", "test_b"] if name == "unittest" else []))
    assert code == 1
    assert messages
    assert "PASS" not in result.outlines[-1]


@pytest.mark.parametrize(
    "option",
    [
        "--fixtures",
        "--fixtures-per-test",
        "--setup-plan",
        "--help",
        "--markers",
        "--version",
        "--collect-only",
        "--telemetry-schema",
    ],
)
def test_what_only_shows_is_no_gate(project, monkeypatch, option):
    monkeypatch.setenv("TELEMETRY_ENV", "recorded")
    project.suite(FAILING)
    result = project.run(option)
    assert result.ret == 0
    assert "telemetry gate: " not in said(result)


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_junit_says_why_telemetry_yaml_cannot_be_used(project, workers):
    project.file(
        "telemetry.yaml", "default: a\nenvironments:\n  a: {source: prometheus, urll: 'http://127.0.0.1:1'}\n"
    )
    project.suite(PASSING)
    _, code, messages = run(project, *workers)
    assert code == 4
    assert len(messages) == 1
    assert "telemetry.yaml:3: " in messages[0]


def test_junit_is_red_whatever_a_plugin_makes_of_reports_later(project):
    project.suite(FAILING)
    project.file(
        "conftest.py",
        HOOK + "class Quarantine:\n    @pytest.hookimpl(tryfirst=True)\n"
        "    def pytest_runtest_logreport(self, report):\n        if report.failed and report.when == 'call' and 'small' in report.nodeid:\n"
        "            report.outcome = 'skipped'\n            report.longrepr = ('x', 1, 'quarantined')\n"
        "def pytest_sessionstart(session):\n    session.config.pluginmanager.register(Quarantine())\n",
    )
    _result, code, messages = run(project)
    assert code == 1
    assert len(messages) == 1
    assert messages[0].startswith("FAIL telemetry gate: 1 fail")


def test_a_fixture_of_the_same_name_is_another(project):
    project.suite(PASSING)
    project.file("other/conftest.py", "import pytest\n@pytest.fixture\ndef telemetry():\n    return {}\n")
    project.file(
        "other/test_it.py",
        "import pytest\npytest.importorskip('not_there')\ndef test_it(telemetry):\n    pass\n",
    )
    assert run(project)[1] == 0
