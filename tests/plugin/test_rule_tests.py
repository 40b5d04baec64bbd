"""promtool's rule test files as items of pytest: how they are found, and what is told of them."""

from __future__ import annotations

import pytest
from projects import said

RULES = """\
groups:
  - name: up
    rules:
      - {alert: Down, expr: up == 0, for: 2m, labels: {severity: page}}
"""
TESTS = """\
rule_files: [up.rules.yml]
tests:
  - name: fires after its time
    input_series: [{series: 'up{job="a"}', values: 1 0x10}]
    alert_rule_test:
      - {eval_time: 2m, alertname: Down}
      - {eval_time: 3m, alertname: Down, exp_alerts: [{exp_labels: {severity: page, job: a}}]}
  - input_series: [{series: 'up{job="a"}', values: 1x10}]
    promql_expr_test:
      - {expr: up, eval_time: 1m, exp_samples: [{labels: 'up{job="a"}', value: 0}]}
"""


@pytest.fixture
def rules(bare):
    bare.file("up.rules.yml", RULES)
    return bare


def test_each_entry_is_a_test_that_tells_what_came(rules):
    rules.file("up.rules_test.yaml", TESTS)
    result = rules.run("-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*up.rules_test.yaml::fires after its time PASSED*", "*up.rules_test.yaml::test 2 FAILED*"]
    )
    result.stdout.fnmatch_lines(
        ["up.rules_test.yaml:10: up at 1m", '  expected  up{job="a"} 0', '  got       up{job="a"} 1']
    )
    assert "Traceback" not in said(result)
    assert "telemetry gate" not in said(result)


def test_patterns_of_the_ini_file_name_others(rules):
    rules.file("tox.ini", "[pytest]\ntelemetry_rule_tests = checks/*_test.yml\n")
    rules.file("checks/up_test.yml", TESTS.replace("[up.rules.yml]", "[../up.rules.yml]"))
    rules.file("checks/values.yml", "a: 1\n")
    result = rules.run()
    result.assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("eval_time: 2m", "eval_time: soon"), "up.rules_test.yaml:6: eval_time: no duration: 'soon'"),
        (
            ("alertname: Down}", "alertnam: Down}"),
            "up.rules_test.yaml:6: unknown key 'alertnam' (did you mean 'alertname'?)",
        ),
        (
            ("[up.rules.yml]", "[down.rules.yml]"),
            "up.rules_test.yaml:1: rule_files: no file is called 'down.rules.yml'",
        ),
        (("1 0x10", "1 ten"), "up.rules_test.yaml:4: input_series: no value at 'ten'"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(rules, change, message):
    rules.file("up.rules_test.yaml", TESTS.replace(*change, 1))
    result = rules.run()
    assert result.ret == 2
    assert message in said(result)
    assert "Traceback" not in said(result)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("expr: up == 0", "expr: up =="), "up.rules.yml:4: expr: "),
        (("alert: Down", "alrt: Down"), "up.rules.yml:4: a rule has either `record` or `alert`"),
        (("for: 2m", "fro: 2m"), "up.rules.yml:4: unknown key 'fro' (did you mean 'for'?)"),
        (("for: 2m", "for: two"), "up.rules.yml:4: for: "),
        (
            ("severity: page", "severity: '{{ $label'"),
            "up.rules.yml:4: severity: an action {{ without its end }}",
        ),
        (
            ("severity: page", "severity: '{{ humanise 1 }}'"),
            "up.rules.yml:4: severity: function 'humanise' not defined",
        ),
    ],
)
def test_a_rule_file_that_prometheus_refuses_is_one_line(rules, change, message):
    rules.file("up.rules.yml", RULES.replace(*change, 1))
    rules.file("up.rules_test.yaml", TESTS)
    result = rules.run()
    assert result.ret == 2
    assert message in said(result)
    assert "Traceback" not in said(result)
