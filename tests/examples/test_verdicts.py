"""The verdict of every check of the example suites at every checkpoint, as a golden table that later work extends."""

from __future__ import annotations

import os
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest

from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.gate.gate import Gate
from pytest_telemetry_gate.gate.plan import plan_checks
from pytest_telemetry_gate.gate.registry import Registry
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.facts import TrendFacts
from pytest_telemetry_gate.model.verdict import Outcome, Verdict
from pytest_telemetry_gate.plugin import builtin_hooks
from pytest_telemetry_gate.reports.document.rollback import evaluate_rollback
from pytest_telemetry_gate.support.numbers import format_change, format_value

STEP3 = datetime.fromisoformat("2025-02-12T14:00:00-08:00").timestamp()
HOUR = 3600.0
GOLDEN = Path(__file__).parent / "golden"
KINDS = {kind.key: kind for kind in builtin_hooks.pytest_telemetry_gate_criteria()}


@cache
def dossiers(folder: Path) -> list[Dossier]:
    environment = load_environment(folder / "telemetry.yaml", "recorded")
    registry = Registry(
        builtin_hooks.pytest_telemetry_gate_sources(),
        builtin_hooks.pytest_telemetry_gate_event_sources(),
        KINDS,
    )
    session = Gate(environment, registry)
    (path,) = folder.glob("*.gate.yaml")
    suite = load_suite(path, KINDS, display_path=path.name)
    return [judge(check, session.answers(check)) for check in plan_checks(suite, environment)]


def judged(folder: Path) -> list[Verdict]:
    return [dossier.verdict for dossier in dossiers(folder)]


def row(verdict: Verdict) -> str:
    variance = "" if verdict.variance is None else format_change(verdict.variance, verdict.variance_unit)
    place = f"{verdict.region}-{verdict.checkpoint}" if verdict.region else verdict.checkpoint
    cells = (
        f"{verdict.criterion}[{place}]",
        str(verdict.outcome),
        format_value(verdict.value, verdict.unit),
        verdict.limit,
        variance,
    )
    return " | ".join(cells).rstrip(" |")


@pytest.mark.parametrize("name", ["telemetry_step2", "telemetry_step2_regressed", "telemetry_step3"])
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


def test_step_3_names_the_region_that_drifts_since_when_and_when_it_will_breach(examples):
    closed = [one for one in dossiers(examples / "telemetry_step3") if not one.outcome.keeps_gate_open()]
    blocking = [one for one in closed if not one.verdict.informational]
    assert {(one.verdict.criterion, one.verdict.region, str(one.outcome)) for one in blocking} == {
        ("retries_trend", "eu-central-1", "fail"),
        ("regions_apart", "all", "fail"),
    }
    trend = blocking[0].facts["trend"]
    assert isinstance(trend, TrendFacts)
    assert trend.change is not None
    assert trend.change.gradual
    assert trend.change.time == pytest.approx(STEP3 + 20 * HOUR, abs=3 * HOUR)
    assert trend.breach == pytest.approx(STEP3 + 57 * HOUR, abs=HOUR)


def test_step_3_s_ten_minutes_of_baseline_prove_less_than_its_day(examples):
    last = {
        one.verdict.criterion: one.verdict
        for one in dossiers(examples / "telemetry_step3")
        if (one.verdict.region, one.verdict.checkpoint) == ("eu-central-1", "48h")
    }
    day, minutes = last["task_retry_count"], last["retries_10m"]
    assert (day.outcome, minutes.outcome) == (Outcome.PASS, Outcome.INCONCLUSIVE)
    assert day.variance_half < 0.7 * minutes.variance_half


@pytest.mark.parametrize(
    ("name", "triggered", "unknown"),
    [
        ("telemetry_step2", {}, {}),
        (
            "telemetry_step2_regressed",
            {
                "alert TelemetryQueueBacklog": "TelemetryQueueBacklog at 2025-01-23T18:06:56Z",
                "fail of parser_restarts": "parser_restarts[36h] failed at 2025-01-24T10:00:00Z, and 1 more",
            },
            {"fail of stream_lag": "stream_lag[18h] is inconclusive, and 2 more"},
        ),
    ],
)
def test_the_rollback_plan_is_triggered_by_what_happened_alone(examples, name, triggered, unknown):
    when = [
        "fail at crit",
        "incident",
        "alert TelemetryQueueBacklog",
        "alert TelemetryVarianceCrit",
        "fail of parser_restarts",
    ]
    report = evaluate_rollback([*when, "fail of stream_lag"], dossiers(examples / name))
    assert (report.triggered, report.unknown) == (triggered, unknown)
