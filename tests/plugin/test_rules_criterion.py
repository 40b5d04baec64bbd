"""``rules:`` in a suite: alerts of a rule file over the samples of a rollout, live servers or not."""

from __future__ import annotations

import gates
import pytest
from projects import SERIES, said

RULES = """\
groups:
  - name: parser
    interval: 30s
    rules:
      - {record: job:latency_ms:max, expr: max by (job) (latency_ms)}
      - alert: Slow
        expr: job:latency_ms:max > 80
        for: 5m
        labels: {severity: warn}
      - {alert: Busy, expr: 'cpu{job="parser"} > 90', labels: {severity: crit}}
      - {alert: Gone, expr: nothing_here > 1}
"""
LEVELS = "- {id: latency, query: max(latency_ms), unit: ms, expect: '< 80'}\n"


def lifted(begin, end):
    """Latency that is too high between two moments after the rollout's start."""
    return gates.series(
        "latency_ms", lambda at: 50 + 50 * ((at >= gates.START + begin) & (at < gates.START + end))
    )


@pytest.fixture
def rules(project):
    project.file("parser.rules.yml", RULES)
    project.recording((gates.UP, gates.series("cpu", 70), lifted(1800, 3600)))
    return project


def run(rules, *criteria):
    rules.suite("".join(f"- {{id: c{number}, {one}}}\n" for number, one in enumerate(criteria)))
    return rules.run("-v")


def test_a_firing_that_would_have_been_fails_and_says_when(rules):
    result = run(rules, "rules: {file: parser.rules.yml, alert: Slow}, expect: '== 0'")
    assert result.ret == 1
    assert (
        "1 is outside the limit == 0; alert: Slow{job=parser, severity=warn} at 2025-01-22T22:35:00Z for 25m"
        in " ".join(said(result).split())
    )


def test_what_stays_quiet_passes_where_its_samples_are_there(rules):
    rules.file("busy.rules.yml", "groups: [{name: b, rules: [{alert: Busy, expr: 'cpu > 90'}]}]\n")
    assert run(rules, "rules: {file: busy.rules.yml}, expect: '== 0'").ret == 0


def test_what_reads_nothing_is_no_proof_of_quiet(rules):
    rules.file("gone.rules.yml", "groups: [{name: b, rules: [{alert: Gone, expr: 'nothing_here > 1'}]}]\n")
    result = run(rules, "rules: {file: gone.rules.yml}, expect: '== 0'")
    assert result.ret == 1
    assert "INCONCLUSIVE" in said(result)
    assert "no samples of nothing_here over 2h" in said(result)


def test_whether_it_fires_at_a_time_can_be_asked(rules):
    asked = "rules: {{file: slow.rules.yml, alert: Slow, at: [{}]}}, expect: '== {}'"
    rules.file("slow.rules.yml", RULES.replace("      - {alert: Gone, expr: nothing_here > 1}\n", ""))
    result = run(rules, asked.format("40m", 1), asked.format("20m", 0), asked.format("34m, 36m, 61m", 1))
    assert result.ret == 0
    result = run(rules, asked.format("3h", 1))
    assert result.ret == 1
    assert "rules.at: 2025-01-23T01:00:00Z is after the checkpoint" in said(result)


def test_labels_choose_alerts(rules):
    rules.file("slow.rules.yml", RULES.replace("      - {alert: Gone, expr: nothing_here > 1}\n", ""))
    assert run(rules, "rules: {file: slow.rules.yml, match: {severity: crit}}, expect: '== 0'").ret == 0
    assert run(rules, "rules: {file: slow.rules.yml, match: {severity: warn}}, expect: '== 0'").ret == 1


def test_thresholds_are_those_of_the_suite(rules):
    rules.file(
        "levels.rules.yml",
        """\
        groups:
          - name: l
            rules:
              - {alert: Slow, expr: max(latency_ms) > 80}
              - {alert: Warn, expr: 'abs(sum(latency_ms) / 50 - 1) * 100 > 4'}
              - {alert: Crit, expr: '0.05 < abs(sum(latency_ms) / 50 - 1)'}
        """,
    )
    rules.suite(
        LEVELS
        + "- {id: same, rules: {file: levels.rules.yml, thresholds: {Slow: latency, Warn: warn}}, expect: '== 0'}\n"
    )
    assert rules.run().ret == 0
    rules.suite(
        LEVELS + "- {id: other, rules: {file: levels.rules.yml, thresholds: {Crit: crit}}, expect: '== 0'}\n"
    )
    result = rules.run()
    assert result.ret == 1
    assert "levels.rules.yml:6: Crit fires at > 0.05" in " ".join(said(result).split())


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("file: nowhere.yml", "rules: there is no rule file 'nowhere.yml'"),
        (
            "file: parser.rules.yml, alert: Slo",
            "rules: parser.rules.yml has no alert 'Slo' (did you mean 'Slow'?)",
        ),
        (
            "file: parser.rules.yml, thresholds: {Slow: wran}",
            "rules: 'wran' is neither a level of the suite nor a criterion with `expect` (did you mean 'warn'?)",
        ),
        ("file: parser.rules.yml, alert: Slow, thresholds: {Slow: warn}", "`thresholds` names its alerts"),
        ("file: parser.rules.yml, alrt: Slow", "unknown key 'alrt'"),
    ],
)
def test_what_cannot_be_asked_is_told_with_its_line(rules, asked, message):
    result = run(rules, f"rules: {{{asked}}}, expect: '== 0'")
    assert result.ret not in {0, 1, 5}
    assert "small.gate.yaml:8: criterion 'c0'" in said(result)
    assert message in said(result)


def test_a_rule_that_cannot_be_evaluated_is_an_error(rules):
    rules.file(
        "odd.rules.yml",
        "groups: [{name: b, rules: [{alert: Odd, expr: 'up * on (job) group_left () latency_ms > 0'}]}]\n",
    )
    rules.recording((gates.UP, *(s for s in SERIES if s[0]["__name__"] == "latency_ms")))
    result = run(rules, "rules: {file: odd.rules.yml}, expect: '== 0'")
    assert result.ret == 1
    assert "ERROR" in said(result)
    assert "odd.rules.yml:1: Odd at " in said(result)


def test_a_recording_of_the_run_gives_the_same_verdict(rules):
    rules.file("slow.rules.yml", RULES.replace("      - {alert: Gone, expr: nothing_here > 1}\n", ""))
    rules.suite("- {id: slow, rules: {file: slow.rules.yml, alert: Slow}, expect: '== 1'}\n")
    assert rules.run("--telemetry-record=out.telemetry.zip").ret == 0
    rules.file(
        "telemetry.yaml", "default: r\nenvironments: {r: {source: recording, path: out.telemetry.zip}}\n"
    )
    assert rules.run().ret == 0
