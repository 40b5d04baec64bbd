"""The alerting rules beside the suite: the same levels, accepted by Prometheus, and true of the recordings."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pytest_telemetry_gate.promql import Engine, Matrix
from pytest_telemetry_gate.recording import Recording

INTERVAL = 15.0
BACKLOG = "TelemetryQueueBacklog"


@pytest.fixture(scope="module")
def rules_file(examples: Path) -> Path:
    return examples / "telemetry_step2/rules/telemetry.rules.yml"


@pytest.fixture(scope="module")
def rules(rules_file: Path) -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(rules_file.read_text(encoding="utf-8"))["groups"]
    return group["rules"]


@pytest.fixture(scope="module")
def suite(examples: Path) -> dict[str, Any]:
    return yaml.safe_load((examples / "telemetry_step2/step2.gate.yaml").read_text(encoding="utf-8"))


def test_variance_thresholds_are_the_levels_of_the_suite(
    rules: list[dict[str, Any]], suite: dict[str, Any]
) -> None:
    thresholds = {
        rule["labels"]["severity"]: re.search(r"> (\d+)$", rule["expr"])[1] + "%"
        for rule in rules
        if rule["alert"].startswith("TelemetryVariance")
    }
    assert thresholds == suite["levels"]


def test_variance_is_the_one_of_the_suite(
    rules: list[dict[str, Any]], suite: dict[str, Any], examples: Path
) -> None:
    (criterion,) = suite["groups"]["Telemetry"]
    baseline = yaml.safe_load(
        (examples / "telemetry_step2/baselines/sprint1.yaml").read_text(encoding="utf-8")
    )
    query = criterion["query"].replace("$__window", criterion["window"])
    variance = f"abs({query} / {baseline['values']['telemetry_variance']:g} - 1) * 100 > "
    assert all(r["expr"].startswith(variance) for r in rules if r["alert"].startswith("TelemetryVariance"))


def test_every_alert_is_one_the_suite_looks_for(rules: list[dict[str, Any]], suite: dict[str, Any]) -> None:
    match = suite["groups"]["Alerts"][0]["alerts"]["match"]
    assert all(rule["labels"].items() >= match.items() for rule in rules)


@pytest.mark.integration
def test_prometheus_accepts_the_rules(rules_file: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    checked = subprocess.run(
        [promtool, "check", "rules", rules_file], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "8 rules found" in checked.stdout


def test_recordings_name_the_rules(
    good: Recording, regressed: Recording, rules: list[dict[str, Any]]
) -> None:
    for recording in (good, regressed):
        events = recording.events("", "alerts")
        assert events is not None
        assert events["complete"]
        assert [(one["alert"], one["expr"], one["labels"]) for one in events["rules"]] == [
            (rule["alert"], rule["expr"], rule["labels"]) for rule in rules
        ]


def _evaluations(engine: Engine, recording: Recording, expr: str) -> Matrix:
    # The rules were evaluated 11.4 s into each slot of 15 s; they look back for an hour.
    start, end = recording.time_range()
    first = INTERVAL * np.ceil((start + 3600) / INTERVAL) + 11.4
    return engine.range(expr, start=float(first), end=end, step=INTERVAL)


def test_no_rule_was_ever_true_in_the_good_rollout(good: Recording, rules: list[dict[str, Any]]) -> None:
    engine = Engine(good.storage())
    true = {rule["alert"]: int(_evaluations(engine, good, rule["expr"]).present.sum()) for rule in rules}
    assert set(true.values()) == {0}, true


def test_the_recorded_alert_is_what_prometheus_derives(
    regressed: Recording, regressed_engine: Engine, rules: list[dict[str, Any]]
) -> None:
    for rule in rules:
        result = _evaluations(regressed_engine, regressed, rule["expr"])
        if rule["alert"] != BACKLOG:
            assert not result.present.any(), rule["alert"]
            continue
        assert len(result.labels) == 1
        active = result.times[result.present[0]]
        # for: 1m
        pending, firing = active[active < active[0] + 60], active[active >= active[0] + 60]
        end = regressed.time_range()[1]
        for state, times in (("pending", pending), ("firing", firing)):
            alerts = regressed_engine.instant(f'ALERTS{{alertstate="{state}"}}[49h]', end)
            assert isinstance(alerts, Matrix)
            assert list(alerts.times) == list(times)
            labels = {**result.labels[0], **rule["labels"], "alertname": BACKLOG, "alertstate": state}
            assert alerts.labels == [{**labels, "__name__": "ALERTS"}]
