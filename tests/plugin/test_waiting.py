"""--telemetry-wait, with a live source of a conftest that needs no network."""

from __future__ import annotations

import time

import pytest

CONFTEST = """
import time
from datetime import UTC, datetime
from pathlib import Path
import numpy as np
from pytest_telemetry_gate.promql import Engine, MemoryStorage

class Live:
    description, extent, semantics, recorded_at = "a live source", "", "3", None
    scrape_intervals = {}

    def __init__(self, settings):
        times = np.arange(int(time.time()) - 900, int(time.time()) + 900) * 1000
        self.engine = Engine(MemoryStorage([({"__name__": "cpu", "job": "a"}, times, np.full(len(times), 70.0))]))

    def probe(self):
        return {"": 0.1}

    def restore_probe(self, probed):
        self.scrape_intervals = probed

    def instant(self, promql, time):
        return self.engine.instant(promql, time)

    def vectors(self, queries, time):
        return [self.engine.instant(query, time) for query in queries]

    def range(self, promql, start, end, step):
        return self.engine.range(promql, start, end, step)

    def link(self, promql, time):
        return ""

def pytest_telemetry_gate_sources():
    return {"live": Live}

def pytest_configure(config):
    # The first checkpoint is due four seconds after a process has started, however long that took.
    start = datetime.fromtimestamp(time.time() + 3.8 - 60, UTC).isoformat()
    suite = Path("suite.txt").read_text().format(start=start)
    Path("small.gate.yaml").write_text(suite)
"""
SUITE = """\
version: 1
suite: small
rollout: {{start: {start}, end: {start}}}
checkpoints: [{{id: soon, at: +60s}}, {{id: later, at: +63s}}, {{id: never, at: +1h}}]
groups:
  Parser:
    - {{id: cpu, query: cpu, unit: '%', expect: '< 75', coverage: 1%}}
"""


@pytest.fixture
def live(bare):
    """A project whose first checkpoint is due soon after pytest has started."""
    bare.file("conftest.py", CONFTEST)
    bare.file("telemetry.yaml", "default: live\nenvironments: {live: {source: live}}\n")
    bare.file("suite.txt", SUITE)
    bare.file("small.gate.yaml", "# written when pytest starts\n")
    return bare


def test_without_it_what_is_not_due_is_pending(live):
    live.file("suite.txt", SUITE.replace("+60s", "+30m").replace("+63s", "+31m"))
    result = live.run()
    assert result.ret == 1
    result.assert_outcomes(skipped=3, failed=1)
    assert "nothing was judged" in result.stdout.str()


@pytest.mark.parametrize("arguments", [("--telemetry-wait",), ("--telemetry-wait=1m", "-n1")])
def test_it_waits_for_the_next_checkpoint_only(live, arguments):
    # So far away that even a slow machine does not reach it while it waits for the first.
    live.file("suite.txt", SUITE.replace("+63s", "+30m"))
    result = live.run(*reversed(arguments))
    assert result.ret == 0
    result.assert_outcomes(passed=1, skipped=2)
    assert ("waiting for soon, due" in result.stdout.str()) == ("-n1" not in arguments)


def test_it_waits_for_the_checkpoint_that_is_selected(live):
    result = live.run("--telemetry-checkpoint=later", "--telemetry-wait")
    assert result.ret == 0
    result.assert_outcomes(passed=1)


def test_a_job_that_nobody_reads_does_not_make_it_wait(live):
    """The query names no job, and the slowest one of the server has nothing to do with it."""
    live.file("conftest.py", CONFTEST.replace('{"": 0.1}', '{"a": 0.1, "cost": 3600.0}'))
    result = live.run("--telemetry-checkpoint=soon", "--telemetry-wait=1m")
    assert result.ret == 0
    result.assert_outcomes(passed=1)


def test_it_waits_no_longer_than_it_may(live):
    begin = time.monotonic()
    result = live.run("--telemetry-checkpoint=never", "--telemetry-wait=50m")
    assert result.ret == 1
    assert time.monotonic() - begin < 50 * 60 / 10
    result.stdout.fnmatch_lines(["not waiting for never, due *, longer than --telemetry-wait allows"])


def test_with_a_clock_of_its_own_nothing_is_waited_for(live):
    result = live.run(f"--telemetry-now={time.time() - 30}", "--telemetry-wait")
    assert result.ret == 1
    assert "waiting for" not in result.stdout.str()


def test_quiet_is_quiet(live):
    result = live.run("-q", "--telemetry-wait")
    assert result.ret == 0
    assert "waiting for" not in result.stdout.str()


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (
            "--telemetry-wait=soon",
            "--telemetry-wait: 'soon' is not a duration such as '15s', '90m' or '1h30m'",
        ),
        ("--telemetry-wait=0s", "--telemetry-wait: '0s' must be positive"),
        ("--telemetry-deadline=ten", "--telemetry-deadline: 'ten' is not a duration"),
        ("--telemetry-concurrency=0", "--telemetry-concurrency: '0' is not a positive integer"),
        ("--telemetry-concurrency=many", "--telemetry-concurrency: 'many' is not a positive integer"),
    ],
)
def test_options_that_cannot_be_used(live, option, told):
    result = live.run(option)
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: {told}*"])


def test_a_path_taken_for_the_longest_wait_is_explained(live):
    result = live.run("--telemetry-wait", "small.gate.yaml")
    assert result.ret == 4
    assert "--telemetry-wait as the last argument" in result.stderr.str()
