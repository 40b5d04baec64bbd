"""The verdict of every check of the example suites at every checkpoint, as a golden table that later work extends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.gate.gate import Gate
from pytest_telemetry_gate.gate.plan import plan_checks
from pytest_telemetry_gate.gate.registry import Registry
from pytest_telemetry_gate.model.verdict import Outcome, Verdict
from pytest_telemetry_gate.plugin import builtin_hooks
from pytest_telemetry_gate.support.numbers import format_change, format_value

GOLDEN = Path(__file__).parent / "golden"
KINDS = {kind.key: kind for kind in builtin_hooks.pytest_telemetry_gate_criteria()}


def judged(folder: Path) -> list[Verdict]:
    environment = load_environment(folder / "telemetry.yaml", "recorded")
    registry = Registry(
        builtin_hooks.pytest_telemetry_gate_sources(),
        builtin_hooks.pytest_telemetry_gate_event_sources(),
        KINDS,
    )
    session = Gate(environment, registry)
    suite = load_suite(folder / "step2.gate.yaml", KINDS, display_path="step2.gate.yaml")
    return [judge(check, session.answers(check)).verdict for check in plan_checks(suite, environment)]


def row(verdict: Verdict) -> str:
    variance = "" if verdict.variance is None else format_change(verdict.variance, verdict.variance_unit)
    cells = (
        f"{verdict.criterion}[{verdict.checkpoint}]",
        str(verdict.outcome),
        format_value(verdict.value, verdict.unit),
        verdict.limit,
        variance,
    )
    return " | ".join(cells).rstrip(" |")


@pytest.mark.parametrize("name", ["telemetry_step2", "telemetry_step2_regressed"])
def test_every_check_has_the_verdict_that_the_golden_table_states(examples, name):
    table = "\n".join(row(verdict) for verdict in judged(examples / name)) + "\n"
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("TELEMETRY_UPDATE_GOLDEN"):
        golden.write_text(table, encoding="utf-8")
    assert table.splitlines() == golden.read_text(encoding="utf-8").splitlines()


def test_the_good_rollout_passes_everywhere(examples):
    assert {verdict.outcome for verdict in judged(examples / "telemetry_step2")} == {Outcome.PASS}


def test_the_regressed_rollout_fails_by_its_four_faults_and_what_follows_from_them(examples):
    closed = [
        one for one in judged(examples / "telemetry_step2_regressed") if not one.outcome.keeps_gate_open()
    ]
    caught = {(one.criterion, str(one.outcome)) for one in closed}
    assert caught == {
        ("parse_duration_p95", "fail"),
        ("no_alerts", "fail"),
        ("stream_lag", "inconclusive"),
        ("parser_restarts", "fail"),
        ("all_within", "fail"),
    }
    alert = next(one for one in closed if one.criterion == "no_alerts")
    assert "for 3m" in alert.reason
