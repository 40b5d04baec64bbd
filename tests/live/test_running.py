"""A live gate while it runs: how much is asked at once, what dies on the way, and how it is stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import faults
import proxies
import pytest
import servers
from children import PATIENCE, PYTEST, started, until
from gates import HEAD
from regions import LiveProject

MANY = "".join(
    f"- {{id: c{number}, query: scalar(cpu) + {number} - {number}, expect: '< 75'}}\n" for number in range(40)
)


def answered_together(exchange: faults.Exchange, number: int) -> None:
    """Answer when so many requests have come at once, and a little later, so that one more would be counted."""
    place, counts = exchange.asked.place, exchange.server.most_at_once
    until(lambda: exchange.server.closing.is_set() or counts[place] >= number)
    exchange.pause(0.05)
    faults.fine(exchange)


@pytest.mark.parametrize(
    ("arguments", "keys", "most"),
    [
        ((), {}, 16),
        (("--telemetry-concurrency=3",), {}, 3),
        ((), {"concurrency": 2}, 2),
        (("-n2",), {"concurrency": 4}, 4),
        (("--telemetry-concurrency=1",), {}, 1),
    ],
)
def test_no_more_is_asked_at_once_than_allowed(
    project: LiveProject,
    faulty: faults.FaultServer,
    arguments: tuple[str, ...],
    keys: dict[str, object],
    most: int,
):
    place = f"{faults.LATE}together"
    faulty.faults["together"] = partial(answered_together, number=most)
    project.suite(MANY)
    project.regions({"eu": faulty.url(place)}, **keys)
    assert {verdict for verdict, _ in project.verdicts(*arguments).values()} == {"pass"}
    assert faulty.most_at_once[place] == most, "and no fewer than it is worth"


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_query_is_asked_once_in_a_run(project: LiveProject, faulty: faults.FaultServer, workers: str):
    same = "".join(f"- {{id: s{number}, query: cpu, expect: '< {75 + number}'}}\n" for number in range(10))
    project.suite(same + MANY)
    project.regions({"eu": faulty.url("slow"), "us": faulty.url("fine")})
    assert {verdict for verdict, _ in project.verdicts(workers).values()} == {"pass"}
    for place in ("slow", "fine"):
        counted = faulty.counted(place)
        assert set(counted.values()) == {1}, "the probe included"
        queries = "\n".join(query for _, query in counted)
        assert len(re.findall(r"^cpu$", queries, re.MULTILINE)) == 1


@pytest.fixture
def two(prometheus_server: Callable[..., servers.Server]) -> tuple[servers.Server, servers.Server]:
    stamps = range(1737583200, 1737583200 + 7200 + 60, 15)
    lines = [
        f'{name}{{job="parser"}} {value} {stamp}'
        for name, value in (("cpu", 70), ("up", 1))
        for stamp in stamps
    ]
    text = (
        "# TYPE cpu gauge\n"
        + "\n".join(lines[: len(stamps)])
        + "\n# TYPE up gauge\n"
        + "\n".join(lines[len(stamps) :])
    )
    return prometheus_server(openmetrics=f"{text}\n# EOF\n"), prometheus_server(
        openmetrics=f"{text}\n# EOF\n"
    )


@pytest.mark.integration
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_region_that_dies_halfway_closes_the_gate_for_itself(
    project: LiveProject, two: tuple[servers.Server, servers.Server], workers: str
):
    """Two real servers; the second is killed when it has answered some of the queries."""
    well, ill = two
    head = HEAD.replace("[2h]", "[1h, 2h]")
    project.suite(MANY, head)
    with proxies.dying(ill, after=4, of="scalar(cpu)") as proxy:
        address = proxy.url(proxies.PLACE)
        project.regions({"well": well.url, "ill": address}, scrape_interval="15s", concurrency=1)
        found = project.judged(workers)
    verdicts = {region: [one for one in found if one[0].startswith(region)] for region in ("well", "ill")}
    assert {len(one) for one in verdicts.values()} == {80}
    assert {outcome for _, outcome, _ in verdicts["well"]} == {"pass"}
    assert {outcome for _, outcome, _ in verdicts["ill"]} == {"pass", "error"}
    lines = {line for _, outcome, line in verdicts["ill"] if outcome == "error"}
    assert all(line.startswith(f"region ill: {address}/api/v1/query: connection re") for line in lines), lines
    assert project.result.ret == 1


@pytest.mark.parametrize(("place", "regions"), [("hang", 1), ("drip-head", 3), ("late-hang", 1)])
def test_an_interrupt_ends_pytest_at_once(
    project: LiveProject, faulty: faults.FaultServer, place: str, regions: int
):
    project.suite(MANY)
    project.regions(
        {f"r{number}": f"{faulty.url(place)}?region={number}" for number in range(regions)}, timeout="60s"
    )
    wanted = "POST" if place.startswith(faults.LATE) else "GET"
    with started(project.path) as process:
        until(lambda: any(one.method == wanted for one in faulty.asked_at(place)))
        time.sleep(0.1)
        began = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE)
        assert time.monotonic() - began < faults.LONGEST / 2, "none of the requests is waited for"
    assert process.returncode == 2
    assert "KeyboardInterrupt" in output
    assert "Traceback" not in output
    assert "Exception ignored" not in output
    assert "telemetry-gate-fetch" not in output


def test_a_process_ends_although_a_thread_hangs(project: LiveProject, faulty: faults.FaultServer):
    project.suite()
    project.regions({"hung": faulty.url("late-hang"), "well": faulty.url()}, timeout="60s")
    command = [*PYTEST, "--telemetry-deadline=4s"]
    done = subprocess.run(
        command, cwd=project.path, capture_output=True, text=True, timeout=2 * PATIENCE, check=False
    )
    assert faulty.since_first() < faults.LONGEST / 2
    assert done.returncode == 1
    assert re.search(r"no answer within|deadline of 4s", done.stdout)
    assert "1 failed, 1 passed" in done.stdout
    assert done.stderr == ""


def test_workers_that_are_interrupted_leave_nothing_behind(
    project: LiveProject, faulty: faults.FaultServer, tmp_path: Path
):
    project.suite(MANY)
    project.regions({"eu": faulty.url("late-hang")}, timeout="60s")
    with started(project.path, "-n2", environ={"TMPDIR": str(tmp_path)}) as process:
        until(lambda: any(one.method == "POST" for one in faulty.asked))
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=PATIENCE)
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith("pytest-telemetry")] == []


def test_no_limit_is_too_long(project: LiveProject, faulty: faults.FaultServer):
    project.suite()
    project.regions({"eu": faulty.url()}, timeout="10000y")
    assert project.verdicts("--telemetry-deadline=10000y") == {"eu-cpu": ("pass", "70 % is inside < 75 %")}
