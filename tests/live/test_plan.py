"""The plan that a real server's past gives is that of a recording of the same samples."""

from __future__ import annotations

from collections.abc import Callable

import gates
import numpy as np
import servers
from regions import LiveProject

from pytest_telemetry_gate.plugin import cli

# Never at the edge of a window, which a server of version 2 has inside.
AT = gates.grid(gates.START - 9 * 86400, gates.START, 60) + 7
NOISE = np.random.default_rng(2).normal(0, 20, len(AT))
CRITERIA = """
- {id: steady, query: 'avg_over_time(steady[$__window])', window: 1h, tolerance: 5%, baseline: {offset: 1d}}
- {id: limit, query: 'avg_over_time(steady[$__window])', window: 1h, expect: '<= 250'}
- {id: nothing, query: absent_total, expect: '> 0'}
"""


def test_a_server_and_a_recording_tell_the_same(
    project: LiveProject, prometheus_server: Callable[..., servers.Server], monkeypatch, capsys
):
    values = 200 + NOISE
    samples = "".join(
        f'steady{{instance="a:1",job="parser"}} {value!r} {at}\n'
        for at, value in zip(AT.tolist(), values.tolist(), strict=True)
    )
    server = prometheus_server(openmetrics=f"# TYPE steady gauge\n{samples}# EOF\n")
    monkeypatch.chdir(project.path)
    project.suite(CRITERIA)
    project.regions({"eu": server.url}, scrape_interval="15s")
    assert cli.main(["plan", "small.gate.yaml"]) == 0
    asked = capsys.readouterr().out
    project.recording({"eu": [gates.series("steady", lambda _: values, AT)]}, recorded_at=gates.START)
    assert cli.main(["plan", "small.gate.yaml", "--recording=small.telemetry.zip"]) == 0
    recorded = capsys.readouterr().out
    assert table(asked) == table(recorded)
    assert "steady" in asked
    assert "not planned: nothing in eu (no data)" in asked


def table(out: str) -> list[str]:
    """Return what was printed of the criteria, without where it is from."""
    return [line for line in out.splitlines() if line.startswith(("criterion", "steady", "limit", "    "))]
