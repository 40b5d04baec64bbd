"""The figures that the validation of Telemetry Step 2 reported, from the queries of the suite and raw samples."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import yaml

from pytest_telemetry_gate.promql import Engine, Vector

START = datetime.fromisoformat("2025-01-22T14:00:00-08:00").timestamp()
HOURS = {"0h": 0.25, "12h": 12.0, "24h": 24.0, "36h": 36.0, "48h": 48.0}

# Sprint 1, 0 h, 24 h, 48 h as they were reported; those of 12 h and 36 h were reported for the variance alone.
REPORTED = {
    "parse_duration_p50": ("58.1", "58.9", "58.7", "58.4"),
    "parse_duration_p95": ("83.5", "84.7", "84.5", "84.2"),
    "parse_batch_size": ("121.4", "123.1", "122.8", "122.3"),
    "cli_latency_p95": ("47.1", "48.3", "48.1", "47.8"),
    "cicd_success_ratio": ("97.6", "97.8", "98.1", "98.3"),
    "cpu": ("64.0", "64.2", "64.3", "64.1"),
    "stream_lag": ("195.0", "218.0", "212.0", "205.0"),
}
VARIANCE = {"0h": "+2.3", "12h": "+2.2", "24h": "+2.1", "36h": "+2.0", "48h": "+1.9"}
RATIOS = {"cicd_success_ratio"}
METRICS = [*REPORTED, "telemetry_variance"]


@pytest.fixture(scope="module")
def queries(examples: Path) -> dict[str, str]:
    text = (examples / "telemetry_step2/step2.gate.yaml").read_text(encoding="utf-8")
    groups = yaml.safe_load(text)["groups"].values()
    return {one["id"]: one["query"] for group in groups for one in group if "query" in one}


@pytest.fixture(scope="module")
def baselines(examples: Path) -> dict[str, float]:
    text = (examples / "telemetry_step2/baselines/sprint1.yaml").read_text(encoding="utf-8")
    values = yaml.safe_load(text)["values"]
    # A value with a unit of its own is in per cent.
    return {name: one["value"] / 100 if isinstance(one, dict) else one for name, one in values.items()}


def _value(engine: Engine, query: str, hours: float, window: str) -> float:
    promql = query.replace("$job", "parser").replace("$__window", window)
    promql = promql.replace("$__range", f"{round((hours - 1.5) * 3600)}s")
    result = engine.instant(promql, START + hours * 3600)
    assert isinstance(result, Vector)
    assert len(result.values) == 1, promql
    return float(result.values[0])


def _at(engine: Engine, query: str, checkpoint: str) -> float:
    return _value(engine, query, HOURS[checkpoint], "5m" if checkpoint == "0h" else "1h")


@pytest.mark.parametrize("criterion", REPORTED)
def test_reported_figures(
    good_engine: Engine, queries: dict[str, str], baselines: dict[str, float], criterion: str
) -> None:
    scale = 100 if criterion in RATIOS else 1
    values = [_at(good_engine, queries[criterion], checkpoint) for checkpoint in ("0h", "24h", "48h")]
    printed = tuple(f"{scale * value:.1f}" for value in (baselines[criterion], *values))
    assert printed == REPORTED[criterion]


@pytest.mark.parametrize("criterion", REPORTED)
def test_figures_are_not_near_the_edge_of_rounding(
    good_engine: Engine, queries: dict[str, str], criterion: str
) -> None:
    scale = 100 if criterion in RATIOS else 1
    for checkpoint in HOURS:
        value = scale * _at(good_engine, queries[criterion], checkpoint)
        assert abs(value - round(value, 1)) < 0.01, (checkpoint, value)


@pytest.mark.parametrize("checkpoint", VARIANCE)
def test_reported_variance(
    good_engine: Engine, queries: dict[str, str], baselines: dict[str, float], checkpoint: str
) -> None:
    rate = _at(good_engine, queries["telemetry_variance"], checkpoint)
    variance = 100 * (rate / baselines["telemetry_variance"] - 1)
    assert f"{variance:+.1f}" == VARIANCE[checkpoint]
    assert abs(variance - round(variance, 1)) < 0.01


def test_variance_falls_by_a_tenth_every_twelve_hours(
    good_engine: Engine, queries: dict[str, str], baselines: dict[str, float]
) -> None:
    points = [_at(good_engine, queries["telemetry_variance"], checkpoint) for checkpoint in HOURS]
    variances = 100 * (np.array(points) / baselines["telemetry_variance"] - 1)
    slope, level = np.polyfit(list(HOURS.values()), variances, 1)
    assert level + 72 * slope < 1.8


@pytest.mark.parametrize("criterion", METRICS)
def test_hourly_values_are_smooth(good_engine: Engine, queries: dict[str, str], criterion: str) -> None:
    values = [_value(good_engine, queries[criterion], hour, "1h") for hour in range(1, 49)]
    assert float(np.abs(np.diff(values) / values[0]).max()) < 0.02
    assert len(set(values)) > 24, "hours differ, as those of a real system do"


def test_no_failure_in_4_8_million_files(good_engine: Engine) -> None:
    end = START + 48 * 3600
    files = good_engine.instant("sum(increase(parse_total[48h]))", end)
    failures = good_engine.instant('parser_failure_total{job="parser"}', end)
    assert isinstance(files, Vector)
    assert isinstance(failures, Vector)
    assert f"{files.values[0] / 1e6:.1f}" == "4.8"
    assert list(failures.values) == [0.0, 0.0], "present, not absent"


@pytest.mark.parametrize("criterion", ["parser_restarts", "cli_restarts"])
def test_only_planned_restarts(good_engine: Engine, queries: dict[str, str], criterion: str) -> None:
    assert _value(good_engine, queries[criterion], 48, "1h") == 0
    planned = re.sub(r"\$__range", "48h", queries[criterion]).replace("$job", "parser")
    result = good_engine.instant(planned, START + 48 * 3600)
    assert isinstance(result, Vector)
    assert list(result.values) == [{"parser_restarts": 2.0, "cli_restarts": 1.0}[criterion]]
