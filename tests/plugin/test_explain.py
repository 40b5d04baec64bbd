"""--telemetry-explain: queries, times, raw values and steps, the same however a run is distributed."""

from __future__ import annotations

import gates
import pytest

CRITERIA = """
- {id: latency, query: latency_ms, unit: ms, expect: "< 0.1 s", reduce: max, baseline: 69, tolerance: 5%}
- {id: failures, count: failures_total, expect: "== 0"}
- {id: gone, query: nowhere, expect: "> 0"}
- {id: no_alerts, alerts: {match: {team: telemetry}}, expect: "== 0"}
"""


def explained(result):
    lines = result.stdout.lines
    begin = next(number for number, line in enumerate(lines) if "telemetry gate, explained" in line)
    end = next(number for number, line in enumerate(lines) if "= telemetry gate =" in line)
    return lines[begin + 1 : end]


@pytest.mark.parametrize("arguments", [(), ("-n1",)])
def test_how_verdicts_came_about(project, arguments):
    project.suite(CRITERIA)
    lines = explained(project.run("--telemetry-explain", *arguments))
    assert lines[:21] == [
        "latency[2h]: PASS (small.gate.yaml:9)",
        "  time   2025-01-23T00:00:00Z, 2h after rollout.start; due 2025-01-23T00:00:30Z, clock 2025-01-23T03:00:00Z",
        "  asked  latency_ms",
        "         at 2025-01-23T00:00:00Z of recording small.telemetry.zip, semantics 3",
        '         = latency_ms{instance="a:1", job="parser", zone="a"} 50.0',
        '         = latency_ms{instance="a:1", job="parser", zone="b"} 70.0',
        "  asked  samples of latency_ms[5m]",
        "         2025-01-22T23:55:00Z to 2025-01-23T00:00:00Z of recording small.telemetry.zip, semantics 3",
        '         = {instance="a:1", job="parser"} 80 samples, 2025-01-22T23:40:15Z to 2025-01-23T00:00:00Z, 20 of 20 scrapes succeeded',
        "  step   samples of latency_ms over 5m: 1 target, one every 15s, the newest at 2025-01-23T00:00:00Z",
        "  step   coverage 100 % of the window, at least 90 % wanted",
        "  step   value 0.07 s (max of the series), from ms",
        "  step   baseline 0.069 s (baseline)",
        "  step   variance (value - baseline) / |baseline| = +1.4 %",
        "  step   no interval: the query has no $__window",
        "  step   limit < 0.1 s, within ±5 %, margin 0.0300",
        "  step   verdict PASS: 0.0700 s is inside < 0.1 s; +1.4 % against 0.0690 s (baseline), within ±5 %",
        "",
        "failures[2h]: PASS (small.gate.yaml:10)",
        "  time   2025-01-23T00:00:00Z, 2h after rollout.start; due 2025-01-23T00:00:30Z, clock 2025-01-23T03:00:00Z",
        "  asked  failures_total[2h]",
    ]
    told = "\n".join(lines)
    assert "480 samples, 3.0 at 2025-01-22T22:00:15Z to 3.0 at 2025-01-23T00:00:00Z" in told
    assert "  asked  nowhere\n" in told
    assert "         = no series\n" in told
    assert "= 1 rule known; no proof of evaluation" in told


def test_an_error_is_explained_and_nothing_without_the_option(project):
    project.suite(CRITERIA)
    assert "gate, explained" not in project.run().stdout.str()
    project.file("telemetry.yaml", "default: a\nenvironments: {a: {source: recording, path: gone.zip}}\n")
    lines = explained(project.run("--telemetry-explain"))
    assert any(line.startswith("  step   verdict ERROR: ") and "gone.zip" in line for line in lines)


def test_checks_of_tests_are_explained(project):
    project.file("test_it.py", "def test_it(telemetry): telemetry.check('cpu', '< 75')\n")
    lines = explained(project.run("--telemetry-explain", f"--telemetry-now={gates.START + 7200}"))
    assert lines[0] == "check-1: PASS (test_it.py:1)"
    assert "  step   value 70.0" in lines
