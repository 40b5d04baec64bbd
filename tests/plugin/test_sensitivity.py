"""``telemetry-gate sensitivity``: the smallest fault that closes the gate, for each criterion and kind of fault."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import Future
from typing import Any

import gates
import numpy as np
import pytest
from projects import HEAD, Project

from pytest_telemetry_gate.gate.sensitivity import inject, processes, trials
from pytest_telemetry_gate.plugin import cli

HOURS = HEAD.replace("[2h]", "[2h, 3h, 4h]")
AT = gates.grid(gates.START - 3600, gates.START + 5 * 3600, step=30)
CRITERIA = """
groups:
  Parser:
    - {id: cpu, query: 'avg_over_time(cpu{job="parser"}[$__window])', window: 1h, unit: '%', expect: '< 75', better: lower}
    - {id: latency, query: 'histogram_quantile(0.9, sum by (le) (rate(took_ms_bucket[1h])))', unit: ms, expect: '< 90'}
    - {id: requests, query: 'sum(rate(requests_total[1h]))', baseline: 2, tolerance: 10%}
    - {id: failures, count: 'failures_total{job="parser"}', expect: '== 0'}
    - {id: blocked, query: cpu, expect: '> 90'}
    - {id: watched, query: cpu, expect: '< 75', informational: true}
    - {id: rollout, duration: rollout, expect: '<= 90m'}
"""


def rising(rate: float):
    return lambda t: np.round((t - AT[0]) * rate)


def data(cpu: Any = lambda t: 70 + (t // 30) % 2) -> list[gates.Series]:
    buckets = {"50": 0.5, "80": 0.9, "100": 0.95, "200": 1.0, "+Inf": 1.0}
    return [
        gates.series("up", 1, AT),
        gates.series("cpu", cpu, AT),
        gates.series("requests_total", rising(2), AT),
        gates.series("failures_total", 0, AT),
        *(
            gates.series("took_ms_bucket", rising(4 * share), AT, le=bound)
            for bound, share in buckets.items()
        ),
    ]


@pytest.fixture
def world(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(project.path)
    project.recording(data(), recorded_at=gates.START + 6 * 3600)
    project.suite(CRITERIA, HOURS)
    return project


def measured(project: Project, *arguments: str) -> dict[str, dict[str, Any]]:
    """Return what each criterion sees, by criterion and fault."""
    assert cli.main(["sensitivity", "small.gate.yaml", "--json=found.json", *arguments]) == 0
    (suite,) = json.loads((project.path / "found.json").read_text("utf-8"))["sensitivities"]
    return {row["criterion"]: row["faults"] for row in suite["criteria"]}


def test_the_table_says_how_large_a_fault_must_be(world, capsys, golden, monkeypatch):
    monkeypatch.setattr(processes, "_cores", lambda: 1)
    found = measured(world)
    golden("sensitivity.txt", capsys.readouterr().out)
    assert found["cpu"]["flat-line"]["sees"] == "never"
    assert found["failures"]["shift"]["notices"][0]["size"] == 1.0
    assert {cell["sees"] for cell in found["blocked"].values()} == {"closed without a fault"}
    assert {cell["sees"] for cell in found["watched"].values()} <= {"never", "changes nothing"}


def test_the_gate_says_the_same_of_such_a_recording(world):
    """A fault of the size that was found closes the gate in a recording that really has it, one step less does not."""
    (notice,) = measured(world, "--only=cpu", "--fault=scale")["cpu"]["scale"]["notices"]
    assert (notice["checkpoint"], notice["outcome"]) == ("2h", "fail")
    for size, outcome in ((notice["size"], "fail"), (notice["size"] - 0.001, "pass")):
        larger = np.where(gates.START <= AT, 1 + size, 1.0)
        world.recording(
            data(lambda t, larger=larger: (70 + (t // 30) % 2) * larger), recorded_at=gates.START + 6 * 3600
        )
        assert world.judged()["cpu[2h]"][0] == outcome


def test_faults_are_in_one_region_and_begin_when_told(world, capsys):
    world.file(
        "telemetry.yaml",
        "default: a\nenvironments: {a: {source: recording, path: two.telemetry.zip, regions: {eu: {}, us: {}}}}\n",
    )
    world.recording({"eu": data(), "us": data(50)}, "two.telemetry.zip", recorded_at=gates.START + 6 * 3600)
    arguments = ("--only=cpu", "--fault=scale", "--fault=lost-region")
    eu = measured(world, *arguments, "--onset=150m")["cpu"]
    assert (eu["lost-region"]["notices"][0]["region"], eu["lost-region"]["notices"][0]["checkpoint"]) == (
        "eu",
        "3h",
    )
    assert eu["scale"]["notices"][0]["checkpoint"] == "4h"
    us = measured(world, *arguments, "--region=us")["cpu"]
    assert us["scale"]["notices"][0]["size"] == 0.5
    assert "region us: faults in environment a" in capsys.readouterr().out
    assert cli.main(["sensitivity", "small.gate.yaml", "--region=uk"]) == 4
    assert "--region: unknown name 'uk'" in capsys.readouterr().err


class Pool:
    """Runs tasks here, and hands them and their results over as other processes get them."""

    def __init__(self, processes: int, context: Any, initializer: Any, initargs: Any) -> None:
        assert processes == 2
        initializer(*pickle.loads(pickle.dumps(initargs)))

    def submit(self, task: Any, *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(pickle.loads(pickle.dumps(task(*pickle.loads(pickle.dumps(arguments))))))
        return future

    def shutdown(self, *, cancel_futures: bool) -> None:
        processes._work.pop().close()


def test_several_processes_find_the_same(world, monkeypatch):
    world.suite(f"{CRITERIA}  All:\n    - {{id: share, ratio: {{of: [Parser]}}, expect: '>= 60%'}}\n", HOURS)
    arguments = ["--only=share", "--only=cpu", "--only=requests", "--fault=scale", "--fault=gap"]
    monkeypatch.setattr(processes, "_cores", lambda: 1)
    alone = measured(world, *arguments)
    monkeypatch.setattr(processes, "_cores", lambda: 2)
    monkeypatch.setattr(processes, "_FEWEST", 2)
    monkeypatch.setattr(processes, "ProcessPoolExecutor", Pool)
    assert measured(world, *arguments) == alone


def test_a_fault_of_no_size_that_changes_something_is_not_believed(world, monkeypatch):
    monkeypatch.setattr(trials, "FaultyStorage", broken(trials.FaultyStorage))
    with pytest.raises(RuntimeError, match="self-test: a gap of no size changes samples of cpu"):
        measured(world, "--only=cpu", "--fault=gap")


def broken(storage: type) -> type:
    class Broken(storage):  # type: ignore[misc]
        def changes_any(self) -> bool:
            return True

    return Broken


def test_a_mistake_while_a_fault_is_put_in_is_no_notice(world, monkeypatch):
    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(inject._MOVES, "gap", fail)
    with pytest.raises(ZeroDivisionError):
        measured(world, "--only=cpu", "--fault=gap")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: SUITE"),
        (["missing.gate.yaml"], "missing.gate.yaml: there is no such suite file"),
        (["small.gate.yaml", "--recording=missing.zip"], "missing.zip: there is no such recording"),
        (["small.gate.yaml", "--only=cpus"], "--only: unknown name 'cpus' (did you mean 'cpu'?)"),
        (
            ["small.gate.yaml", "--fault=flatline"],
            "--fault: unknown name 'flatline' (did you mean 'flat-line'?)",
        ),
        (["small.gate.yaml", "--onset=soon"], "--onset: 'soon' is not a duration"),
        (
            ["small.gate.yaml", "--recording=a.zip", "--recording=b.zip"],
            "into one recording, not into several",
        ),
        (
            ["small.gate.yaml", "--recording=small.telemetry.zip@2026-01-01T00:00:00Z"],
            "small.telemetry.zip: the rollout of small.gate.yaml is from 2026-01-01T00:00:00Z to",
        ),
        (["small.gate.yaml", "--telemetry-env=live"], "faults can be put into a recording alone"),
    ],
)
def test_a_mistake_is_one_line(world, capsys, monkeypatch, arguments, message):
    if "--telemetry-env=live" in arguments:
        from pytest_telemetry_gate.gate.past.places import Past

        monkeypatch.setattr(Past, "recordings", [])
        arguments = ["small.gate.yaml", "--telemetry-env=recorded"]
    try:
        status = cli.main(["sensitivity", *arguments])
    except SystemExit as exit_:
        status = exit_.code
    error = capsys.readouterr().err
    assert (status, message in error, "Traceback" in error) == (4, True, False), error
