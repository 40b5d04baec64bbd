"""A live gate is recorded while a real Prometheus scrapes: the recording gives the verdicts of the live run.

The targets lose series on the way, so that the server writes real staleness markers, which its API never shows.
"""

from __future__ import annotations

import http.server
import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import servers
from children import LIGHT, PATIENCE, until

# pytester forgets what a run inside has imported; what is here already need not be imported for each run anew.
import pytest_telemetry_gate.plugin.check_items
import pytest_telemetry_gate.plugin.recording
import pytest_telemetry_gate.sources.prometheus  # noqa: F401
from pytest_telemetry_gate.plugin import cli
from pytest_telemetry_gate.promql import Vector
from pytest_telemetry_gate.recording import Recording
from pytest_telemetry_gate.sources.recording import RecordingSource

pytestmark = [pytest.mark.integration, pytest.mark.slow]

INTERVAL = 0.5  # seconds between two scrapes
CHECKPOINTS = (4, 7.5, 11)  # seconds after the start of the rollout
CONFTEST = """\
import json
import os

def pytest_telemetry_gate_verdict(verdict, config):
    with open(os.environ["VERDICTS"], "a") as file:
        file.write(json.dumps(verdict.to_wire()) + "\\n")
"""
SUITE = """\
version: 1
suite: live
rollout: {{start: {start}, end: {end}}}
checkpoints: [{checkpoints}]
groups:
  Targets:
    - {{id: cpu, query: 'avg(cpu)', window: 2500ms, unit: '%', expect: '< 80'}}
    - {{id: vanishing, query: 'count(vanishing)', window: 2s, expect: '> 0', coverage: 1%}}
    - {{id: absent, query: 'absent(vanishing)', window: 2s, expect: '== 1', coverage: 1%}}
    - {{id: rate, query: 'sum(rate(requests_total[$__window]))', window: 2500ms, expect: '> 0', coverage: 50%}}
    - {{id: latest, query: 'max_over_time(cpu[2s] offset 1s)', window: 2s, expect: '> 0', coverage: 50%}}
    - {{id: over, query: 'avg_over_time(sum(cpu)[2500ms:500ms])', window: 2500ms, expect: '> 0', coverage: 50%}}
    - {{id: before, query: 'sum(cpu)', window: 2s, baseline: {{offset: 2s}}, tolerance: 50%, coverage: 50%}}
    - {{id: growth, count: 'failures_total', expect: '<= 3', coverage: 50%}}
  Alerts:
    - {{id: none, alerts: {{match: {{alertname: Quiet}}}}, expect: '== 0'}}
    - {{id: fired, alerts: {{match: {{alertname: Loud}}}}, expect: '== 0'}}
"""
RULES = {
    "groups": [
        {
            "name": "live",
            "interval": "1s",
            "rules": [
                {"alert": "Quiet", "expr": "cpu > 1000"},
                {"alert": "Loud", "expr": "loud == 1"},
            ],
        }
    ]
}


class Target:
    """A target whose metrics change with the time since it was started."""

    def __init__(self) -> None:
        target = self
        self.begun = time.time()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = target.metrics().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    def metrics(self) -> str:
        age = time.time() - self.begun
        lines = [f"cpu {60 + math.sin(age)}", f"requests_total {int(age * 7)}", f"loud {int(4 < age < 6)}"]
        if not 2.5 < age < 6 and age < 9:
            lines.append("vanishing 1")
        if age > 4.5:
            lines.append("failures_total 2")
        return "\n".join(lines) + "\n"


@pytest.fixture
def target() -> Iterator[Target]:
    one = Target()
    yield one
    one.server.shutdown()
    one.server.server_close()


def test_a_recording_of_a_live_run_gives_the_same_verdicts(
    prometheus_server: Callable[..., servers.Server],
    target: Target,
    pytester: pytest.Pytester,
) -> None:
    server = prometheus_server(
        scrape=[
            {"job_name": "target", "static_configs": [{"targets": [target.address]}]},
            {"job_name": "prometheus", "static_configs": [{"targets": ["SELF"]}]},
        ],
        rules=RULES,
        interval=f"{INTERVAL * 1000:g}ms",
    )
    config = server.directory / "prometheus.yml"
    config.write_text(config.read_text().replace("SELF", server.address))
    assert server.post("/-/reload", b"")[0] == 200
    target.begun = begun = math.ceil(time.time()) + 3.0
    write(pytester.path, server, begun)
    wait_for_scrapes(server, begun + CHECKPOINTS[-1] + 2 * INTERVAL)

    live = verdicts(
        pytester,
        "live",
        "--telemetry-checkpoint=c0",
        "--telemetry-record=a.telemetry.zip",
        "--telemetry-bundle=a.bundle.zip",
    )
    assert cli.main(["verify", str(pytester.path / "a.bundle.zip")]) == 0
    live |= verdicts(
        pytester, "live", "--telemetry-checkpoint=c1", "--telemetry-checkpoint=c2", "-n2",
        "--telemetry-record=a.telemetry.zip",
    )  # fmt: skip
    recorded = verdicts(pytester, "recorded")

    assert len(live) == 10 * len(CHECKPOINTS)
    outcomes = {verdict["outcome"] for verdict in live.values()}
    assert {"pass", "fail"} <= outcomes
    for name, verdict in live.items():
        assert comparable(recorded[name]) == comparable(verdict), name
    assert live["vanishing", "c0"].get("value") is None  # gone, though the lookback reaches its last sample
    assert live["vanishing", "c1"]["value"] == 1
    assert live["vanishing", "c2"].get("value") is None
    assert live["none", "c2"]["outcome"] == "pass"
    same_at_every_scrape(server, pytester.path / "a.telemetry.zip", begun)


def wait_for_scrapes(server: servers.Server, after: float) -> None:
    """Return when every target has been scraped after a time (seconds since the epoch)."""

    def scraped() -> bool:
        found = server.query("timestamp(up)", time.time())["data"]["result"]
        return len(found) == 2 and all(float(one["value"][1]) > after for one in found)

    until(scraped, PATIENCE + max(0.0, after - time.time()), every=INTERVAL / 5)


def write(folder: Path, server: servers.Server, begun: float) -> None:
    shared = f"environments:\n  same:\n    scrape_interval: {INTERVAL * 1000:g}ms\n"
    (folder / "live.yaml").write_text(
        f"default: same\n{shared}    source: prometheus\n    url: {server.url}\n"
    )
    (folder / "recorded.yaml").write_text(
        f"default: same\n{shared}    source: recording\n    path: a.telemetry.zip\n"
    )
    (folder / "conftest.py").write_text(CONFTEST)
    start, end = (datetime.fromtimestamp(begun + more, UTC).isoformat() for more in (0, 1))
    points = ", ".join(
        f"{{id: c{number}, at: +{after * 1000:g}ms}}" for number, after in enumerate(CHECKPOINTS)
    )
    (folder / "live.gate.yaml").write_text(SUITE.format(start=start, end=end, checkpoints=points))


def verdicts(pytester: pytest.Pytester, config: str, *options: str) -> dict[tuple[str, str], dict[str, Any]]:
    path = pytester.path / f"{config}-{len(options)}.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VERDICTS", str(path))
        done = pytester.runpytest(*LIGHT, "-o", f"telemetry_config={config}.yaml", *options)
    assert "not recorded" not in done.stdout.str(), done.stdout.str()
    assert done.ret in {0, 1}
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return {(one["criterion"], one["checkpoint"]): one for one in found}


def comparable(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """Everything but where the value came from; numbers to nine digits, as the engine sums in another order."""
    rest = {
        key: value
        for key, value in verdict.items()
        if key not in {"source", "link", "digest", "baseline_digest"}
    }
    return {key: float(f"{value:.9g}") if isinstance(value, float) else value for key, value in rest.items()}


def same_at_every_scrape(server: servers.Server, path: Path, begun: float) -> None:
    """The recorded series are there exactly when the server says so, staleness included."""
    source = RecordingSource(Recording.open(path), "")
    for after in np.arange(1.5, CHECKPOINTS[-1], INTERVAL).tolist():
        for name in ("vanishing", "cpu"):
            answer = server.query(f"count({name})", begun + after)
            recorded = source.instant(f"count({name})", begun + after)
            assert isinstance(recorded, Vector)
            there = [float(one["value"][1]) for one in answer["data"]["result"]]
            assert recorded.values.tolist() == there, (name, after)
