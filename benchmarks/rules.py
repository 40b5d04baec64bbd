"""Rule files: 500 rules over 48 hours of 1,000 series, by our engine and by promtool on the same test file."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.__main__ import show

METRICS, TARGETS = 50, 20  # together 1,000 series
HOURS = 48
RECORDING, ALERTING = 100, 400


def rule_file() -> str:
    """Return 100 recording rules, and 400 alerting rules of which some read what those record."""
    lines = ["groups:", "  - name: recorded", "    rules:"]
    for number in range(RECORDING):
        metric = f"m{number % METRICS}"
        function = f"sum by (job) (rate({metric}[5m]))" if number < METRICS else f"max by (job) ({metric})"
        lines.append(f"      - {{record: 'job:r{number}', expr: '{function}'}}")
    lines += ["  - name: alerts", "    rules:"]
    for number in range(ALERTING):
        metric = f"m{number % METRICS}"
        expressions = (
            f"{metric} > 1e9",
            f"avg_over_time({metric}[10m]) > 1e9",
            f"job:r{number % RECORDING} > 1e9",
            f"sum({metric}) by (instance) > {number}",
        )
        lines.append(
            f"      - {{alert: A{number}, expr: '{expressions[number % 4]}', for: 5m, labels: {{severity: warn}}}}"
        )
    return "\n".join(lines) + "\n"


def test_file(hours: int) -> str:
    """Return a test of the rules over some hours, with samples and evaluations every minute."""
    steps = hours * 60
    series = "\n".join(
        f"""      - {{series: 'm{metric}{{job="j{target % 4}", instance="i{target}"}}', values: '{metric}+{1 + target % 3}x{steps}'}}"""
        for metric in range(METRICS)
        for target in range(TARGETS)
    )
    return (
        "rule_files: [many.rules.yml]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n"
        f"{series}\n    promql_expr_test:\n      - {{expr: 'count(m0)', eval_time: {hours}h, exp_samples: [{{labels: '{{}}', value: {TARGETS}}}]}}\n"
    )


def main() -> None:
    """Print the figures."""
    from pytest_telemetry_gate.rules.rule_tests import load_rule_tests
    from pytest_telemetry_gate.rules.run_tests import run_rule_test

    promtool = shutil.which("promtool")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "many.rules.yml").write_text(rule_file(), encoding="utf-8")
        path = folder / "many.rules_test.yaml"
        path.write_text(test_file(HOURS), encoding="utf-8")
        begin = time.perf_counter()
        file = load_rule_tests(path, path.name)
        (test,) = file.tests
        mismatches = run_rule_test(file, test, "2")
        ours = time.perf_counter() - begin
        if mismatches:
            raise SystemExit(f"the test does not hold: {mismatches[0]}")
        what = f"{RECORDING + ALERTING} rules, {HOURS} h every minute, {METRICS * TARGETS:,} series"
        show(what, f"{ours:.1f} s", "under 60 s")
        if promtool is None:
            show("promtool on the same file", "not installed", "")
            return
        begin = time.perf_counter()
        done = subprocess.run([promtool, "test", "rules", path], capture_output=True, text=True, check=False)
        theirs = time.perf_counter() - begin
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        show("promtool on the same file", f"{theirs:.1f} s, ratio {ours / theirs:.2f}", "ratio below 1")


if __name__ == "__main__":
    main()
