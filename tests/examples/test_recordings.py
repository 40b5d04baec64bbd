"""The committed recordings: what the generator makes, and the four faults that the regressed one has."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from pytest_telemetry_gate.promql import Engine, Matcher, Matrix, SeriesGroup, Vector
from pytest_telemetry_gate.recording import Recording
from pytest_telemetry_gate.recording.captures import Captures

START = datetime.fromisoformat("2025-01-22T14:00:00-08:00").timestamp()
MEGABYTE = 1_000_000
P95 = 'histogram_quantile({}, sum by (le) (rate(parse_duration_ms_bucket{{job="parser"}}[1h])))'

Samples = dict[tuple[tuple[str, str], ...], tuple[NDArray[np.int64], NDArray[np.int64]]]


def _samples(groups: list[SeriesGroup]) -> Samples:
    """Return times and the bits of the values, which tell a stale marker from another NaN, by series."""
    found: Samples = {}
    for group in groups:
        for labels, values in zip(group.labels, group.values.T, strict=True):
            key = tuple(sorted(labels.items()))
            assert key not in found, key
            found[key] = (group.times, np.ascontiguousarray(values).view(np.int64))
    return found


def _recorded(recording: Recording) -> Samples:
    everything = Matcher("__name__", "=~", ".+")
    return _samples(list(recording.storage().select([everything], 0, 2**52)))


def _hour(hour: float) -> float:
    return START + hour * 3600


def _one(engine: Engine, promql: str, hour: float) -> float:
    result = engine.instant(promql, _hour(hour))
    assert isinstance(result, Vector)
    assert len(result.values) == 1, promql
    return float(result.values[0])


@pytest.mark.parametrize("name", ["good", "regressed"])
def test_generator_reproduces_the_recording(
    name: str, generate: ModuleType, request: pytest.FixtureRequest
) -> None:
    recorded = _recorded(request.getfixturevalue(name))
    made = _samples(generate.rollout(regressed=name == "regressed"))
    assert recorded.keys() == made.keys()
    for series, (times, bits) in made.items():
        assert np.array_equal(recorded[series][0], times), series
        assert np.array_equal(recorded[series][1], bits), series


@pytest.mark.parametrize("name", ["good", "regressed"])
def test_generator_reproduces_the_captures(
    name: str, generate: ModuleType, request: pytest.FixtureRequest
) -> None:
    recording: Recording = request.getfixturevalue(name)
    recorded = list(Captures(recording.path).all())
    assert recorded == list(generate.captures())
    assert {(one["checkpoint"], round((one["at"] - START) / 3600)) for one in recorded if "at" in one} == {
        ("12h", 12),
        ("24h", 24),
        ("48h", 48),
    }


@pytest.mark.parametrize("name", ["good", "regressed"])
def test_recording_covers_the_rollout(name: str, request: pytest.FixtureRequest, examples: Path) -> None:
    recording: Recording = request.getfixturevalue(name)
    start, end = recording.time_range()
    assert start <= _hour(-0.49)
    assert end >= _hour(48.49)
    assert recording.recorded_at >= _hour(48.5)
    assert set(recording.scrape_intervals().values()) == {15.0}
    incidents = recording.events("", "incidents")
    assert incidents is not None
    assert incidents["complete"]
    assert incidents["episodes"] == []
    (path,) = examples.glob(f"telemetry_step2{'' if name == 'good' else '_regressed'}/recordings/*.zip")
    assert path.stat().st_size < 2 * MEGABYTE


def test_the_suites_differ_only_in_name_and_in_what_people_say(examples: Path) -> None:
    def content(folder: str) -> dict[str, Any]:
        suite = yaml.safe_load((examples / folder / "step2.gate.yaml").read_text(encoding="utf-8"))
        for key in ("suite", "title", "report"):
            suite.pop(key, None)
        suite["baseline"]["file"] = (examples / folder / suite["baseline"]["file"]).resolve()
        return suite

    assert content("telemetry_step2") == content("telemetry_step2_regressed")


def test_rules_were_evaluated_all_the_time_without_an_alert(good: Recording) -> None:
    engine = Engine(good.storage())
    scrapes = engine.instant("count_over_time(up[49h])", _hour(48.5))
    assert isinstance(scrapes, Vector)
    assert set(scrapes.values) == {11760.0}
    late = "max_over_time((time() - prometheus_rule_group_last_evaluation_timestamp_seconds)[48h:15s])"
    assert _one(engine, late, 48) < 60
    assert _one(engine, "increase(prometheus_rule_evaluation_failures_total[48h])", 48) == 0
    alerts = engine.instant("ALERTS[49h]", _hour(48.5))
    assert isinstance(alerts, Matrix)
    assert alerts.labels == []


def test_fault_slow_parses_from_22_hours(good: Recording, regressed_engine: Engine) -> None:
    engine = Engine(good.storage())
    for hour in (1, 12, 22):
        assert _one(regressed_engine, P95.format(0.95), hour) == _one(engine, P95.format(0.95), hour)
    for hour in (23, 24, 36, 48):
        assert _one(regressed_engine, P95.format(0.95), hour) == pytest.approx(93, abs=0.05)
        assert _one(regressed_engine, P95.format(0.5), hour) == pytest.approx(58.6, abs=0.3)


def test_fault_alert_fired_for_three_minutes_and_resolved(regressed_engine: Engine) -> None:
    firing = regressed_engine.instant('ALERTS{alertstate="firing", team="telemetry"}[49h]', _hour(48.5))
    assert isinstance(firing, Matrix)
    assert len(firing.labels) == 1
    assert _hour(20) < firing.times[0] < _hour(20.2)
    assert firing.times[-1] - firing.times[0] + 15 == pytest.approx(180)
    now = regressed_engine.instant("ALERTS", float(firing.times[-1]) + 15)
    assert isinstance(now, Vector)
    assert now.labels == [], "a stale marker ends it"


def test_fault_two_hours_without_stream_lag(regressed_engine: Engine) -> None:
    lag = regressed_engine.instant("telemetry_stream_lag_ms[49h]", _hour(48.5))
    assert isinstance(lag, Matrix)
    pauses = np.diff(lag.times)
    longest = int(np.argmax(pauses))
    assert pauses[longest] == pytest.approx(7200, abs=30)
    assert np.sum(pauses > 15.001) == 1
    assert _hour(17) < lag.times[longest] < _hour(17.3)
    assert _one(regressed_engine, 'min_over_time(up{job="telemetry"}[49h])', 48.5) == 1
    covered = [
        _one(regressed_engine, "sum(count_over_time(telemetry_stream_lag_ms[1h])) or vector(0)", hour) / 240
        for hour in (17, 18, 19, 20, 21)
    ]
    assert covered == pytest.approx([1, 0.2, 0, 0.8, 1], abs=0.01)


def test_fault_one_parser_restarted_at_31_hours(regressed_engine: Engine) -> None:
    resets = 'sum by (instance) (resets({{__name__=~"{}"}}[46h]))'
    counters = ["parse_total", "parse_duration_ms_count", "parse_duration_ms_sum", "parse_batch_size_sum"]
    for name in counters:
        after = regressed_engine.instant(resets.format(name), _hour(48))
        assert isinstance(after, Vector)
        found = {labels["instance"]: value for labels, value in zip(after.labels, after.values, strict=True)}
        assert found == {"parser-0:9102": 0, "parser-1:9102": 3 if name == "parse_total" else 1}, name
    started = regressed_engine.instant('process_start_time_seconds{instance="parser-1:9102"}', _hour(48))
    assert isinstance(started, Vector)
    assert _hour(31) < started.values[0] < _hour(31.1)


def test_everything_else_is_as_in_the_good_rollout(good: Recording, regressed: Recording) -> None:
    before, after = _recorded(good), _recorded(regressed)
    assert {dict(series)["__name__"] for series in after.keys() - before.keys()} == {
        "ALERTS",
        "ALERTS_FOR_STATE",
    }
    assert not before.keys() - after.keys()
    changed = {
        dict(series)["__name__"]
        for series in before
        if not all(map(np.array_equal, before[series], after[series]))
    }
    parser = {name for name in changed if name.startswith("parse")}
    assert changed - parser == {
        "process_start_time_seconds",
        "telemetry_queue_length",
        "telemetry_stream_lag_ms",
        "up",
    }
