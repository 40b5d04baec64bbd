"""``telemetry-gate plan``: what a suite will be able to see, told from the time before its rollout."""

from __future__ import annotations

import json
import math
from typing import Any

import gates
import numpy as np
import pytest
from projects import HEAD, Project

from pytest_telemetry_gate.plugin import cli
from pytest_telemetry_gate.support.durations import format_time

MINUTE = 60.0
DAYS = 12
AT = gates.grid(gates.START - DAYS * 86400, gates.START, MINUTE)
MEMORY = 0.99  # from minute to minute: it wanders for hours
POINTS = HEAD.replace("[2h]", "[{id: 0h, at: +15m, window: 5m}, 2h, 12h]")
CRITERIA = """
groups:
  Parser:
    - {id: steady, query: 'avg_over_time(steady[$__window])', window: 1h, tolerance: 5%, baseline: {offset: 7d}}
    - {id: wander, query: 'avg_over_time(wander[$__window])', window: 1h, tolerance: 5%, baseline: {offset: 7d}}
    - {id: sure, query: 'avg_over_time(steady[$__window])', window: 1h, tolerance: 5%, baseline: {offset: 7d}, confidence: 95%}
    - {id: latency, query: 'avg_over_time(wander[$__window])', window: 1h, unit: ms, expect: '<= 108'}
    - {id: share, query: 'avg_over_time(share[$__window])', window: 1h, unit: ratio, expect: '>= 95%', tolerance: 2%, baseline: 0.98}
    - {id: absent, query: 'avg_over_time(absent[$__window])', window: 1h, expect: '> 1'}
    - {id: several, query: '{job="parser", __name__!="up"}', tolerance: 5%, baseline: 100}
    - {id: exact, query: 'max(steady)', expect: '== 0'}
    - {id: failures, count: 'failures_total', expect: '== 0'}
"""


def wandering(count: int, seed: int) -> np.ndarray:
    """Return AR(1) of a size of 1, a value each minute."""
    rng = np.random.default_rng(seed)
    shocks = rng.normal(0, math.sqrt(1 - MEMORY**2), count)
    values = np.empty(count)
    values[0] = rng.normal()
    for place in range(1, count):
        values[place] = MEMORY * values[place - 1] + shocks[place]
    return values


def data(seed: int = 3) -> list[gates.Series]:
    rng = np.random.default_rng(seed)
    return [
        gates.series("up", 1, AT),
        gates.series("steady", lambda t: 200 + rng.normal(0, 20, len(t)), AT),
        gates.series("wander", lambda t: 100 + 4 * wandering(len(t), seed), AT),
        gates.series("share", lambda t: 0.98 + rng.normal(0, 0.01, len(t)), AT),
        gates.series("failures_total", 3, AT),
    ]


@pytest.fixture
def world(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(project.path)
    monkeypatch.setenv("COLUMNS", "120")
    project.recording(data(), recorded_at=gates.START)
    project.suite(CRITERIA, POINTS)
    return project


def plan(*arguments: str) -> int:
    return cli.main(["plan", "small.gate.yaml", *arguments])


def found(project: Project) -> dict[str, Any]:
    (only,) = json.loads((project.path / "plan.json").read_text("utf-8"))["plans"]
    return {f"{one['criterion']} {one['kind']}": one for one in only["comparisons"]}


def test_the_table_says_what_is_seen_and_what_to_change(world, capsys, golden):
    assert plan("--json=plan.json") == 0
    golden("plan.txt", capsys.readouterr().out)
    rows = found(world)
    # 60 samples with a deviation of 10 % on either side.
    assert rows["steady tolerance"]["checkpoints"][-1]["error"] == pytest.approx(
        10 * math.sqrt(2 / 60), rel=0.3
    )
    # What wanders is held against hours that were simulated without the gate.
    hours = wandering(60 * 24 * 400, 17).reshape(-1, 60).mean(axis=1)[::6] * 4 + 100
    changes = (hours[1:] - hours[:-1]) / hours[:-1] * 100
    last = rows["wander tolerance"]["checkpoints"][-1]
    assert last["error"] == pytest.approx(changes.std(), rel=0.3)
    assert last["false_fail"] == pytest.approx(np.mean(np.abs(changes) > 5), abs=0.12)
    assert np.mean(np.abs(changes + last["sees"]) > 5) == pytest.approx(0.95, abs=0.04)
    # What is advised suffices: asked for, it is planned as a clean pass.
    needs = {one["key"]: one["becomes"] for one in rows["wander tolerance"]["needs"]}
    tolerance = needs["tolerance"]
    world.suite(
        CRITERIA.replace(
            "tolerance: 5%, baseline: {offset: 7d}}", f"tolerance: {tolerance}, baseline: {{offset: 7d}}}}"
        ),
        POINTS,
    )
    assert plan("--json=plan.json") == 0
    assert found(world)["wander tolerance"]["rollout_clean_pass"] >= 0.95
    assert found(world)["wander tolerance"]["needs"] == []


def test_a_longer_window_that_is_advised_suffices(world):
    noisy = CRITERIA.replace(
        "tolerance: 5%, baseline: {offset: 7d}, confidence",
        "tolerance: 4%, baseline: {offset: 7d}, confidence",
    )
    world.suite(noisy, POINTS)
    assert plan("--json=plan.json") == 0
    sure = found(world)["sure tolerance"]
    needs = {one["key"]: one for one in sure["needs"]}
    assert needs["window"]["remark"] == "at checkpoints from 12h on"
    world.suite(
        noisy.replace("window: 1h, tolerance: 4%", f"window: {needs['window']['becomes']}, tolerance: 4%"),
        POINTS,
    )
    assert plan("--json=plan.json") == 0
    again = found(world)["sure tolerance"]
    assert again["rollout_clean_pass"] == pytest.approx(needs["window"]["clean_pass"], abs=0.01)
    assert again["rollout_clean_pass"] >= 0.95


def test_a_recording_of_the_rollout_alone_tells_the_sampling_error(world, capsys):
    after = AT + DAYS * 86400 + MINUTE
    world.recording(
        [(labels, after, values) for labels, _, values in data()], recorded_at=gates.START + DAYS * 86400
    )
    assert plan("--json=plan.json") == 0
    assert "sampling error only: no data before the rollout" in capsys.readouterr().out
    (before,) = [one for one in found(world)["steady tolerance"]["checkpoints"] if one["id"] == "0h"]
    assert before["problem"] == "too short, needs 8m"
    assert before["sees"] is None


def test_placebos_of_a_file_are_what_verdicts_will_know(world):
    world.file(
        "base.yaml",
        """\
        version: 1
        name: written
        values: {sure: {value: 200, placebos: [1, -1, 1, -1, 1, -1, 1, -1, 1, -1]}}
        """,
    )
    world.suite(
        CRITERIA.replace("baseline: {offset: 7d}, confidence", "baseline: {file: base.yaml}, confidence"),
        POINTS,
    )
    assert plan("--json=plan.json") == 0
    sure = found(world)["sure tolerance"]
    # The past is known better than the file has it; the file is what makes five minutes long enough for a proof.
    assert sure["placebos"] > 10
    assert [one["sees"] is not None for one in sure["checkpoints"]] == [True, True, True]


def test_regions_have_rows_of_their_own(world, capsys):
    world.recording({"eu": data(), "us": data(4)}, recorded_at=gates.START, name="two.telemetry.zip")
    assert plan("--recording=two.telemetry.zip", "--json=plan.json") == 0
    out = capsys.readouterr().out
    assert "wander" in out.splitlines()[-1]
    assert "wander in" not in out.splitlines()[-1], "all regions are meant where none is named"
    lines = [line.split()[:2] for line in out.splitlines()]
    assert ["steady", "eu"] in lines
    assert ["steady", "us"] in lines


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--end=yesterday"], "--end: 'yesterday' is not"),
        ([f"--end={format_time(gates.START + 60)}"], "is after rollout.start"),
        (["--recording=small.telemetry.zip", "--telemetry-env=recorded"], "exclude each other"),
        (["--recording=none.telemetry.zip"], "none.telemetry.zip"),
        (["--telemetry-env=prod"], "prod"),
        (["--json=none/plan.json"], "--json: none/plan.json cannot be written"),
        (["other.gate.yaml"], "other.gate.yaml: there is no such suite file"),
    ],
)
def test_a_mistake_is_one_line(world, capsys, arguments, said):
    assert plan(*arguments) == 4
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


def test_a_suite_of_which_nothing_can_be_told_has_another_exit_code(world, capsys):
    world.suite("- {id: failures, count: 'failures_total', expect: '== 0'}\n", POINTS)
    assert plan() == 1
    assert "nothing can be told of this suite" in capsys.readouterr().out
