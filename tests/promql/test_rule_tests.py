"""promtool's rule tests run by our engine: what promtool says of the same files, and what is told of those that fail."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from promql.rules.cases import CASES, HEAD, STRICTER

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.rules.rule_tests import load_rule_tests
from pytest_telemetry_gate.rules.run_tests import Mismatch, run_rule_test

RULES = Path(__file__).parent / "rules"


@pytest.fixture
def run(tmp_path):
    """Write a test file beside the rules, and run it."""
    for rules in RULES.glob("*.yml"):
        shutil.copy(rules, tmp_path)

    def outcome(text: str) -> list[Mismatch]:
        path = tmp_path / "it.rules_test.yaml"
        path.write_text(text, encoding="utf-8")
        file = load_rule_tests(path, path.name)
        # Debian's promtool is of Prometheus 2, whose windows are closed on both ends.
        return [one for test in file.tests for one in run_rule_test(file, test, "2")]

    outcome.folder = tmp_path
    return outcome


def passes(run, text: str) -> bool:
    try:
        return not run(text)
    except SuiteError:
        return False


@pytest.mark.parametrize("name", CASES)
def test_the_outcome_is_what_the_file_deserves(run, name):
    expected, text = CASES[name]
    assert passes(run, HEAD + text) is expected


@pytest.mark.integration
@pytest.mark.parametrize("name", CASES)
def test_promtool_has_the_same_outcome(run, name):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("missing server: promtool")
    expected, text = CASES[name]
    path = run.folder / "it.rules_test.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    told = subprocess.run([promtool, "test", "rules", path], capture_output=True, text=True, check=False)
    assert (told.returncode == 0) is expected, told.stdout + told.stderr


@pytest.mark.parametrize(("text", "message"), STRICTER.items())
def test_files_that_test_nothing_are_refused(run, text, message):
    with pytest.raises(SuiteError, match=message):
        run(text)


def test_a_mismatch_says_what_was_expected_and_what_came(run):
    (found,) = run(HEAD + CASES["value-is-wrong"][1])
    assert found.what == "job:up:sum at 1m"
    assert found.line == 10
    assert found.expected == ('job:up:sum{job="a", level="job"} 3',)
    assert found.got == ('job:up:sum{job="a", level="job"} 2',)
    (found,) = run(HEAD + CASES["there-and-not-expected"][1])
    assert found.what == "alertname InstanceDown at 7m"
    assert found.expected == ("no alert",)
    assert found.got[0].startswith(
        "{alertname='InstanceDown', instance='a:1', job='a', severity='page', where='a'}"
    )


def test_a_limit_that_is_passed_fails(run):
    text = "rule_files: [limited.rules.yml]\n"
    found = run(
        text
        + "tests:\n  - input_series:\n      - {series: 'up{a=\"1\"}', values: 1}\n      - {series: 'up{a=\"2\"}', values: 1}\n    promql_expr_test: [{expr: few, eval_time: 0}]\n"
    )
    assert found[0].what == "rule few at 0s: exceeded limit of 1 with 2 series"
