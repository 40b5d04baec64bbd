"""A machine whose clock is ahead of a server's judges by the server's, and says so."""

from __future__ import annotations

import email.utils
import time
from functools import partial

import faults
import pytest
from regions import LiveProject

AHEAD = 95


def behind(exchange: faults.Exchange, seconds: float) -> None:
    """Answer as a server whose clock is behind."""
    status, body = exchange.healthy()
    date = email.utils.formatdate(time.time() - seconds, usegmt=True)
    exchange.answer(status, body, headers={"Date": date})


def iso(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


@pytest.mark.parametrize("arguments", [("-n0",), ("-n2",)])
def test_a_checkpoint_is_due_by_the_clock_that_is_behind(
    project: LiveProject, faulty: faults.FaultServer, arguments: tuple[str, ...]
):
    faulty.faults |= {"behind": partial(behind, seconds=AHEAD), "alike": partial(behind, seconds=1)}
    start = time.time() - 60 - 600  # the checkpoint was a minute ago by this machine's clock
    head = f"version: 1\nsuite: s\nrollout: {{start: {iso(start)}, end: {iso(start)}}}\ncheckpoints: [10m]\n"
    project.suite("- {id: cpu, query: cpu, expect: '< 75'}\n", head)
    project.regions({"ahead": faulty.url("behind"), "alike": faulty.url("alike")})
    found = project.verdicts(*arguments)
    assert found["ahead-cpu"][0] == "pending"
    assert found["alike-cpu"][0] != "pending"
    line = "region ahead: the clock of this machine is 1m 3*s ahead of that of prometheus http*/behind, by which checks are due"
    project.result.stdout.fnmatch_lines([f"telemetry gate: {line}"])
    assert project.result.stdout.str().count("the clock of this machine") == 1
    project.verdicts(*arguments, f"--telemetry-now={iso(time.time())}")
    assert "the clock of this machine" not in project.result.stdout.str()
