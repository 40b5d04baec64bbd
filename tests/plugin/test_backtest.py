"""``telemetry-gate backtest``: what a suite would have said, at every hour of a recording or over past rollouts."""

from __future__ import annotations

import json

import gates
import numpy as np
import pytest
from projects import HEAD, Project

from pytest_telemetry_gate.plugin import cli
from pytest_telemetry_gate.support.durations import format_time

HOURS = HEAD.replace("[2h]", "[2h, 3h]")
AT = gates.grid(gates.START - 1800, gates.START + 6 * 3600)
CRITERIA = """
groups:
  Parser:
    - {id: cpu, query: 'avg_over_time(cpu[$__window])', window: 1h, unit: '%', expect: '< 75'}
    - {id: latency, query: 'avg_over_time(latency_ms[10m])', unit: ms, expect: '< 60'}
    - {id: failures, count: 'failures_total{job="parser"}', expect: '== 0', since: rollout_end}
    - {id: settled, query: cpu, unit: '%', expect: '< 90', checkpoints: [3h], informational: true}
    - {id: requests, query: 'absent_total', expect: '> 90', informational: true}
  All:
    - {id: share, ratio: {of: [Parser], verdict: [pass, inconclusive]}, expect: '>= 75%'}
"""


def hours(*values: float) -> np.ndarray:
    """Return a value for every scrape, by the hour after the start of the rollout that it ends."""
    place = np.clip(np.ceil((AT - gates.START) / 3600).astype(int) - 1, 0, len(values) - 1)
    return np.array(values)[place]


def data(cpu: tuple[float, ...] = (70, 70, 80, 80, 70, 70)) -> list[gates.Series]:
    gap = (gates.START + 4 * 3600 + 600 < AT) & (gates.START + 5 * 3600 > AT)
    return [
        gates.series("up", 1, AT),
        gates.series("cpu", lambda _: hours(*cpu), AT),
        gates.series("latency_ms", 50, AT[~gap]),
        gates.series("failures_total", lambda t: (t > gates.START + 5.5 * 3600) * 1.0, AT),
    ]


@pytest.fixture
def world(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(project.path)
    project.recording(data(), recorded_at=gates.START + 7 * 3600)
    project.suite(CRITERIA, HOURS)
    return project


def backtest(*arguments: str) -> int:
    return cli.main(["backtest", "small.gate.yaml", *arguments])


def test_each_hour_is_judged_as_the_gate_would_have(world, capsys, golden):
    assert backtest("--json", "found.json") == 0
    golden("backtest.txt", capsys.readouterr().out)
    (past,) = json.loads((world.path / "found.json").read_text("utf-8"))["backtests"]
    found = {one["criterion"]: one for one in past["criteria"]}
    assert found["cpu"]["outcomes"] == ["pass", "pass", "fail", "fail", "pass"]
    assert found["cpu"]["first_block"]["id"] == "3h"
    assert (found["cpu"]["blocked"], found["cpu"]["pass"]) == (0.4, 0.6)
    # The gate itself, told that its checkpoints are these, says the same.
    world.suite(CRITERIA.replace(", checkpoints: [3h]", ""), HEAD.replace("[2h]", "[2h, 3h, 4h, 5h]"))
    gate = world.judged()
    for name in ("cpu", "latency", "failures", "share"):
        verdicts = [gate[f"{name}[{hour}h]"][0] for hour in (2, 3, 4, 5)]
        assert verdicts == found[name]["outcomes"][1:], name


def test_moments_are_chosen_and_a_rollout_that_was_none_begins_at_the_first(world, capsys):
    assert backtest("--every=30m", f"--from={format_time(gates.START + 7200)}", "--json=found.json") == 0
    (past,) = json.loads((world.path / "found.json").read_text("utf-8"))["backtests"]
    assert [one["id"] for one in past["moments"]][:3] == ["2h", "2h30m", "3h"]
    until = f"--until={format_time(gates.START + 3600)}"
    assert (
        backtest(f"--from={format_time(gates.START - 1200)}", "--every=20m", until, "--json=found.json") == 0
    )
    (past,) = json.loads((world.path / "found.json").read_text("utf-8"))["backtests"]
    assert [one["at"] - gates.START for one in past["moments"]] == [0.0, 1200.0, 2400.0, 3600.0]
    assert backtest("--from=now-2h", "--until=now-1h", "--json=found.json") == 0
    (past,) = json.loads((world.path / "found.json").read_text("utf-8"))["backtests"]
    assert [one["id"] for one in past["moments"]] == ["5h"]
    capsys.readouterr()


def test_past_rollouts_are_judged_at_their_own_checkpoints(world, capsys, golden):
    world.recording(
        data((80, 80, 80, 70, 70, 70)), "before.telemetry.zip", recorded_at=gates.START + 7 * 3600
    )
    assert backtest("--recording=before.telemetry.zip", "--recording=small.telemetry.zip") == 0
    golden("backtest_rollouts.txt", capsys.readouterr().out)


def test_a_recording_is_told_when_its_rollout_began(world, capsys):
    """The suite's file has the dates of the next rollout by now."""
    world.suite(CRITERIA, HOURS.replace("2025-01", "2026-01"))
    recordings = ["--recording=small.telemetry.zip@2025-01-22T14:00:00-08:00"] * 2
    assert backtest(*recordings, "--json=found.json") == 0
    past, _ = json.loads((world.path / "found.json").read_text("utf-8"))["backtests"]
    assert past["moments"][0] == {"id": "2h", "at": gates.START + 7200}
    assert [one["outcomes"] for one in past["criteria"] if one["criterion"] == "cpu"] == [["pass", "fail"]]
    assert backtest(*["--recording=small.telemetry.zip"] * 2) == 4
    assert "the rollout of small.gate.yaml is from 2026-01-22T22:00:00Z to" in capsys.readouterr().err


def test_captures_are_never_driven_again(replays, monkeypatch, capsys):
    monkeypatch.chdir(replays.path)
    suites = sorted(replays.path.glob("*.gate.yaml"))
    assert suites
    assert cli.main(["backtest", str(suites[0])]) == 4
    assert "nothing of it looks at a past of metrics" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.gate.yaml"], "missing.gate.yaml: there is no such suite file"),
        (["small.gate.yaml", "--recording=missing.zip"], "missing.zip: there is no such recording"),
        (["small.gate.yaml", "--telemetry-env=recordde"], "(did you mean 'recorded'?)"),
        (
            ["small.gate.yaml", "--telemetry-env=recorded", "--recording=small.telemetry.zip"],
            "exclude each other",
        ),
        (["small.gate.yaml", "--every=hourly"], "--every: 'hourly' is not a duration"),
        (["small.gate.yaml", "--every=0s"], "--every: '0s' is not longer than nothing"),
        (["small.gate.yaml", "--every=1ms"], "moments, more than 10,000"),
        (["small.gate.yaml", "--from=yesterday"], "--from: 'yesterday' is not a time"),
        (["small.gate.yaml", "--from=2030-01-01T00:00:00Z"], "no moment to judge small.gate.yaml at"),
        (["small.gate.yaml", "--json=missing/found.json"], "--json: missing/found.json cannot be written"),
        ([], "the following arguments are required: SUITE"),
    ],
)
def test_a_mistake_is_one_line(world, capsys, arguments, message):
    try:
        status = cli.main(["backtest", *arguments])
    except SystemExit as exit_:
        status = exit_.code
    error = capsys.readouterr().err
    assert (status, message in error, "Traceback" in error) == (4, True, False), error
