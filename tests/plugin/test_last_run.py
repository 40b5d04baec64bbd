"""A baseline that is the last run that passed: of the history, before this rollout, and of the same query."""

from __future__ import annotations

import gates
import pytest
from projects import HEAD, Project, said

from pytest_telemetry_gate.plugin import cli

DAY = 86400
CPU = "- {id: cpu, query: 'avg_over_time(cpu[$__window])', window: 30m, unit: '%', change: percent, EXPECT}\n"
AGAINST = CPU.replace("EXPECT", "tolerance: 5%, baseline: {last: pass}")
EARLIER = HEAD.replace("-22T", "-20T")


@pytest.fixture
def world(project: Project) -> Project:
    """A project with a run of two days before, which passed at 70 %, and another one now, of 71 %."""
    project.recording([gates.UP, gates.series("cpu", 71)])
    early = gates.grid(gates.START - 2 * DAY - 1800, gates.START - 2 * DAY + 3 * 3600)
    series = [gates.series("up", 1, early), gates.series("cpu", 70, early)]
    project.recording(series, "early.telemetry.zip", recorded_at=gates.START - DAY)
    return project


def run_before(world: Project, criteria: str = CPU.replace("EXPECT", "expect: '< 75'")) -> None:
    """Judge the rollout of two days before, and keep its report."""
    config = world.path / "telemetry.yaml"
    now = config.read_text(encoding="utf-8")
    config.write_text(now.replace("small.telemetry", "early.telemetry"), encoding="utf-8")
    world.suite(criteria, EARLIER)
    world.run("--telemetry-history=history")
    config.write_text(now, encoding="utf-8")


def test_the_last_run_that_passed_is_compared_with_and_verified_offline(world, monkeypatch, capsys):
    run_before(world)
    run_before(world, CPU.replace("EXPECT", "expect: '< 60'"))  # did not pass
    world.suite(AGAINST)
    for _ in range(2):  # the second one has a run of this very rollout in the folder
        told = said(world.run("--telemetry-history=history", "--telemetry-bundle=run.bundle.zip"))
        assert "1 check: 1 pass" in told
        assert "+1.4" in told
    monkeypatch.chdir(world.path)
    assert cli.main(["verify", "run.bundle.zip"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("criteria", "history", "says"),
    [
        (AGAINST, [], "there is no history, of which the last run that passed would be it: --telemetry-history"),
        (AGAINST, ["--telemetry-history=none"], "no run in the history passed before rollout.start 2025-01-22T22:00:00Z"),
        (AGAINST.replace("avg_over", "max_over"), ["--telemetry-history=history"], "asked another query"),
        (AGAINST.replace("'%'", "ratio"), ["--telemetry-history=history"], ""),
        (AGAINST.replace("'%', change: percent", "ms"), ["--telemetry-history=history"], "was judged in %, and this is in ms"),
        (AGAINST.replace("id: cpu", "id: other"), ["--telemetry-history=history"], "has no value of 'other'"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_inconclusive(world, criteria, history, says):
    if "history" in "".join(history):
        run_before(world)
    world.suite(criteria)
    result = world.run(*history)
    if says:
        assert says in said(result)
        assert "1 inconclusive" in said(result)
    else:
        assert "1 fail" in said(result)  # 71 as a ratio is 7,100 %


def test_the_workers_of_xdist_read_the_same_history(world):
    run_before(world)
    world.suite(AGAINST)
    assert "1 check: 1 pass" in said(world.run("--telemetry-history=history", "-n2"))
