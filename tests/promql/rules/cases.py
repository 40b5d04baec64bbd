"""Rule tests of our own, each with whether it passes: what promtool says of the same file is held beside it.

``NAME: (PASSES, TEXT)``; the text is the content of a test file behind ``HEAD``.
"""

from __future__ import annotations

# Without an order promtool takes the groups as they come out of a map of Go, each time otherwise.
HEAD = (
    "rule_files: [alerts.rules.yml]\nevaluation_interval: 1m\ngroup_eval_order: [recorded, alerts, later]\n"
)
UP = """\
tests:
  - interval: 1m
    input_series:
      - {series: 'up{job="a", instance="a:1"}', values: "1 1 0x10 1x5"}
      - {series: 'up{job="a", instance="a:2"}', values: "1x20"}
"""
LONG = """\
tests:
  - interval: 1m
    input_series:
      - {series: 'up{job="a", instance="a:1"}', values: "0x1440"}
"""


def one(*lines: str, head: str = UP) -> str:
    """Return a test with some lines behind the series, at their depth."""
    return head + "".join(f"    {line}\n" for line in lines)


def alert(at: str, name: str, *expected: str) -> str:
    """Return an alert test with flow mappings of what is expected."""
    return one(
        "alert_rule_test:", f"  - {{eval_time: {at}, alertname: {name}, exp_alerts: [{', '.join(expected)}]}}"
    )


def expr(text: str, at: str, *samples: str, head: str = UP) -> str:
    """Return an expression test with flow mappings of what is expected."""
    return one(
        "promql_expr_test:",
        f"  - {{expr: '{text}', eval_time: {at}, exp_samples: [{', '.join(samples)}]}}",
        head=head,
    )


def two(first: str, second: str) -> str:
    """Return a test with the series that two rules of the same name record."""
    return (
        "tests:\n  - interval: 1m\n    input_series:\n"
        f"      - {{series: first_of_two, values: '{first}'}}\n      - {{series: second_of_two, values: '{second}'}}\n"
    )


GIVEN = "      - {{series: twice, values: {}x5}}\n"
DOWN = (
    "{exp_labels: {severity: page, where: a, instance: 'a:1', job: a}, exp_annotations: {"
    "summary: 'Instance a:1 down', description: 'a:1 of job a has been down for more than 5 minutes.'}}"
)
CASES: dict[str, tuple[bool, str]] = {
    # alerts: pending, firing, resolved
    "pending-is-not-firing": (True, alert("6m", "InstanceDown")),
    "fires-after-its-for": (True, alert("7m", "InstanceDown", DOWN)),
    "fires-between-evaluations": (True, alert("7m59s", "InstanceDown", DOWN)),
    "not-yet-a-second-before": (True, alert("6m59s", "InstanceDown")),
    "resolved-when-it-is-over": (True, alert("14m", "InstanceDown")),
    "expected-too-early": (False, alert("6m", "InstanceDown", DOWN)),
    "expected-and-not-there": (False, alert("1m", "InstanceDown", DOWN)),
    "there-and-not-expected": (False, alert("7m", "InstanceDown")),
    "a-label-is-missing": (False, alert("7m", "InstanceDown", DOWN.replace("severity: page, ", ""))),
    "a-label-too-many": (
        False,
        alert("7m", "InstanceDown", DOWN.replace("severity: page", "severity: page, zone: b")),
    ),
    "an-annotation-is-wrong": (
        False,
        alert("7m", "InstanceDown", DOWN.replace("Instance a:1 down", "Instance down")),
    ),
    "an-annotation-is-missing": (
        False,
        alert("7m", "InstanceDown", "{exp_labels: {severity: page, where: a, instance: 'a:1', job: a}}"),
    ),
    "two-are-expected": (False, alert("7m", "InstanceDown", DOWN, DOWN)),
    "alertname-may-be-told": (
        True,
        alert("7m", "InstanceDown", DOWN.replace("severity", "alertname: InstanceDown, severity")),
    ),
    "an-alert-that-nobody-has": (True, alert("7m", "Nowhere")),
    "nobody-s-alert-expected": (False, alert("7m", "Nowhere", "{}")),
    "no-for-fires-at-once": (True, alert("0m", "Always", "{exp_labels: {team: ops}}")),
    "at-no-time-told": (
        True,
        one("alert_rule_test:", "  - {alertname: Always, exp_alerts: [{exp_labels: {team: ops}}]}"),
    ),
    "another-rule-s-alerts-are-seen": (True, alert("7m", "AnyPage", "{}")),
    "another-rule-s-alerts-not-yet": (True, alert("6m", "AnyPage")),
    "the-same-labels-twice": (
        False,
        one(
            "alert_rule_test: [{eval_time: 2m, alertname: Same}]",
            head=UP
            + "      - {series: 'same{instance=\"x\"}', values: 1x5}\n      - {series: 'same{instance=\"y\"}', values: 1x5}\n",
        ),
    ),
    "labels-from-the-value": (
        True,
        alert(
            "2m",
            "Limited",
            "{exp_labels: {a: '0', instance: 'a:1', job: a}}",
            "{exp_labels: {a: '1', instance: 'a:2', job: a}}",
        ),
    ),
    # keep_firing_for, templates
    "kept-firing": (
        True,
        one(
            "alert_rule_test:",
            "  - {eval_time: 2m, alertname: MostDown, exp_alerts: [{exp_labels: {job: b, level: job}, exp_annotations: {share: '0% of 1'}}]}",
            "  - {eval_time: 4m, alertname: MostDown, exp_alerts: [{exp_labels: {job: b, level: job}, exp_annotations: {share: '0% of 1'}}]}",
            "  - {eval_time: 6m, alertname: MostDown, exp_alerts: []}",
            head="tests:\n  - interval: 1m\n    input_series:\n      - {series: 'up{job=\"b\"}', values: '1 1 0 1x10'}\n      - {series: 'up{job=\"c\"}', values: '1x20'}\n",
        ),
    ),
    "template-with-external-labels": (
        True,
        one(
            "external_labels: {cluster: eu}",
            "external_url: http://prometheus.example",
            "alert_rule_test:",
            "  - {eval_time: 1m, alertname: Lagging, exp_alerts: [{exp_labels: {host: h}, exp_annotations: {lag: '123.5 ms on eu by http://prometheus.example'}}]}",
            head="tests:\n  - interval: 1m\n    input_series:\n      - {series: 'lag_ms{host=\"h\"}', values: '123.46x5'}\n",
        ),
    ),
    # recording rules and expressions
    "recorded-in-order": (
        True,
        expr("job:up:share", "5m", '{labels: \'job:up:share{job="a", level="job"}\', value: 0.5}'),
    ),
    "recorded-labels": (
        True,
        expr("job:up:sum", "1m", '{labels: \'job:up:sum{job="a", level="job"}\', value: 2}'),
    ),
    "recorded-scalar": (True, expr("one", "1m", "{labels: one, value: 1}")),
    "rule-that-reads-itself": (True, expr("previous:one", "3m", "{labels: previous:one, value: 2}")),
    "value-is-wrong": (
        False,
        expr("job:up:sum", "1m", '{labels: \'job:up:sum{job="a", level="job"}\', value: 3}'),
    ),
    "labels-are-wrong": (False, expr("job:up:sum", "1m", "{labels: 'job:up:sum{job=\"a\"}', value: 2}")),
    "nothing-expected-nothing-there": (True, expr("absent_metric", "1m")),
    "nothing-expected-something-there": (False, expr("up", "1m")),
    "something-expected-nothing-there": (False, expr("absent_metric", "1m", "{labels: '{}', value: 1}")),
    "scalar-is-one-sample": (True, expr("1 + 1", "0", "{labels: '{}', value: 2}")),
    "without-labels": (True, expr("sum(up)", "1m", "{value: 2}")),
    "nan-equals-nothing": (False, expr("sum(up) * NaN", "1m", "{labels: '{}', value: .nan}")),
    "infinity": (True, expr("sum(up) / 0", "1m", "{labels: '{}', value: .inf}")),
    "not-parsed": (False, expr("sum(", "1m")),
    "not-evaluated": (False, expr("up * on (job) up", "1m")),
    "alerts-as-series": (
        True,
        expr(
            'ALERTS{alertname="InstanceDown"}',
            "5m",
            '{labels: \'ALERTS{alertname="InstanceDown", alertstate="pending", instance="a:1", job="a", severity="page", where="a"}\', value: 1}',
        ),
    ),
    "alert-s-beginning-as-series": (
        True,
        expr(
            'ALERTS_FOR_STATE{alertname="InstanceDown"}',
            "8m",
            '{labels: \'ALERTS_FOR_STATE{alertname="InstanceDown", instance="a:1", job="a", severity="page", where="a"}\', value: 120}',
        ),
    ),
    "day-of-samples": (
        True,
        expr("sum_over_time(up[1d])", "1d", '{labels: \'{instance="a:1", job="a"}\', value: 0}', head=LONG),
    ),
    "expression-between-samples": (
        True,
        expr('up{instance="a:2"}', "90s", '{labels: \'up{instance="a:2", job="a"}\', value: 1}'),
    ),
    "expression-after-the-samples": (True, expr('up{instance="a:2"}', "40m")),
    "alerts-as-series-keep-what-expands-to-nothing": (
        True,
        expr(
            'ALERTS{alertname="InstanceDown"}',
            "1m",
            '{labels: \'ALERTS{alertname="InstanceDown", alertstate="pending", instance="x", severity="page", where="{{ $labels.job }}"}\', value: 1}',
            head="tests:\n  - input_series: [{series: 'up{instance=\"x\"}', values: 0x5}]\n    interval: 1m\n",
        ),
    ),
    # two writers of one series
    "two-rules-write-other-values": (False, expr("absent_metric", "3m", head=two("1x5", "2x5"))),
    "two-rules-write-the-same-value": (
        True,
        expr("twice", "3m", "{labels: twice, value: 3}", head=two("3x5", "3x5")),
    ),
    "the-later-rule-writes-first": (
        True,
        expr("twice", "1m", "{labels: twice, value: 5}", head=two("_x4 1x3", "5 5 stale")),
    ),
    "the-earlier-rule-writes-first": (
        True,
        expr("twice", "4m", "{labels: twice, value: 5}", head=two("1 1 stale", "_x3 5x5")),
    ),
    "a-rule-begins-where-the-other-ends": (
        False,
        expr("absent_metric", "4m", head=two("1 1 stale", "_x2 5x5")),
    ),
    "the-series-is-given-as-well": (
        False,
        expr("absent_metric", "3m", head=two("1x5", "_") + GIVEN.format(9)),
    ),
    "the-series-is-given-alike": (
        True,
        expr("twice", "3m", "{labels: twice, value: 1}", head=two("1x5", "_") + GIVEN.format(1)),
    ),
    # notation of series
    "gaps-and-stale": (
        True,
        one(
            "promql_expr_test:",
            "  - {expr: m, eval_time: 2m, exp_samples: [{labels: m, value: 2}]}",
            "  - {expr: m, eval_time: 4m, exp_samples: [{labels: m, value: 2}]}",
            "  - {expr: m, eval_time: 5m, exp_samples: []}",
            "  - {expr: m, eval_time: 7m, exp_samples: [{labels: m, value: 8}]}",
            head="tests:\n  - interval: 1m\n    input_series:\n      - {series: m, values: '0 1 2 _x2 stale 5+3x1'}\n",
        ),
    ),
    "falling-and-floats": (
        True,
        one(
            "promql_expr_test:",
            "  - {expr: m, eval_time: 2m, exp_samples: [{labels: m, value: -0.5}]}",
            "  - {expr: 'm > 0', eval_time: 0, exp_samples: [{labels: m, value: 1.5}]}",
            head="tests:\n  - interval: 1m\n    input_series:\n      - {series: m, values: 1.5-1x3}\n",
        ),
    ),
    "the-interval-of-a-test": (
        True,
        one(
            "promql_expr_test: [{expr: 'count_over_time(m[2m])', eval_time: 2m, exp_samples: [{labels: '{}', value: 9}]}]",
            head="tests:\n  - interval: 15s\n    input_series:\n      - {series: m, values: 1x20}\n",
        ),
    ),
    "several-tests": (False, alert("7m", "InstanceDown", DOWN) + expr("up", "1m").removeprefix("tests:\n")),
    # files that cannot be used
    "series-without-end": (False, one(head=UP.replace('"a:1"}', '"a:1"'))),
    "values-that-are-none": (False, one(head=UP.replace("1 1 0x10 1x5", "1 one"))),
    "unknown-key": (False, one("alert_rule_tests: []")),
    "eval-time-without-unit": (False, alert("seven", "InstanceDown")),
}
# Of these promtool and we disagree on purpose, the gate on the careful side: what it says, and what we say.
STRICTER: dict[str, str] = {
    "rule_files: [nowhere.yml]\n"
    + alert("7m", "InstanceDown"): "rule_files: no file is called 'nowhere.yml'",
    "rule_files: [alerts.rules.yml]\n": "the file has no `tests`: nothing would be tested",
}
