"""docs/explanation/verdicts.md: of each kind of situation the line that a user reads, against the code."""

from __future__ import annotations

import dataclasses
import http.server
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gates import KINDS, START, STEP, UP, MemoryGate, grid, series
from verdicts_page import table

from pytest_telemetry_gate.errors import TelemetryGateError
from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.gate.plan import plan_checks
from pytest_telemetry_gate.gate.told_apart import require_told_apart
from pytest_telemetry_gate.model.environment import Deadline, Origin, RegionSettings
from pytest_telemetry_gate.model.events import Events, Rule
from pytest_telemetry_gate.plugin.waiting import countdown
from pytest_telemetry_gate.recording.openmetrics import import_openmetrics
from pytest_telemetry_gate.sources.prometheus import PrometheusSource

AT = START + 7200
GROUP = "rules.yml;shop"
RATE = "{id: rate, query: 'sum(rate(done_total[1h]))', expect: '> 0'}"
COUNT = "{id: failed, count: 'failed_total{job=\"parser\"}', expect: '== 0'}"
P95 = "{id: p95, query: 'histogram_quantile(0.95, sum by (le) (rate(took_bucket[1h])))', unit: s, expect: '<= 1 s'}"
TIMES = grid()
AROUND_THE_START = TIMES[(TIMES < START - 300) | (TIMES > START + 240)]
Line = Callable[[Path], str]


def verdict(criterion: str, *data: object, **fields: object) -> Line:
    """Return what gives the reason of the verdict on a criterion over some series."""

    def line(folder: Path) -> str:
        gate = MemoryGate(folder, data=data)
        for name, value in fields.items():
            setattr(gate, name, value)
        found = gate.verdict(f"- {criterion}")
        return f"{found.outcome}: {found.reason}"

    return line


def refused(criterion: str) -> Line:
    """Return what gives the line by which a criterion is refused when it is collected."""

    def line(folder: Path) -> str:
        with pytest.raises(TelemetryGateError) as raised:
            MemoryGate(folder).checks(f"- {criterion}")
        return str(raised.value)

    return line


def done(times: object = None) -> object:
    return series("done_total", lambda at: at, times)


def buckets() -> list[object]:
    rises = (("0.25", 0.0), ("0.5", 0.0), ("+Inf", 1.0))
    return [series("took_bucket", lambda at, rise=rise: at * rise, le=le) for le, rise in rises]


def alerts(match: str, rule: Rule, *data: object) -> Line:
    labels = {"job": "prometheus", "rule_group": GROUP}
    history = Events(START - 3600, AT + 3600, complete=True, rules=(rule,))
    return verdict(
        f"{{id: none, alerts: {{match: {{{match}}}}}, expect: '== 0'}}",
        UP,
        *data,
        series("prometheus_rule_group_last_evaluation_timestamp_seconds", lambda at: at - 1.0, **labels),
        series("prometheus_rule_evaluation_failures_total", 0.0, **labels),
        events={"alerts": history},
    )


def source(folder: Path, url: str, **options: object) -> PrometheusSource:
    origin = Origin("telemetry.yaml", {(): 3, ("params",): 6})
    settings = RegionSettings("eu", "prometheus", {"url": url, **options}, {}, origin, folder)
    return PrometheusSource(dataclasses.replace(settings, deadline=Deadline(30.0)))


def dead_region(folder: Path) -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(TelemetryGateError) as raised:
            source(folder, f"http://127.0.0.1:{taken.getsockname()[1]}").probe()
    return str(raised.value)


def forbidden(folder: Path) -> str:
    """Ask a server that answers GET and POST alike with 403."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - the name that the class looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(TelemetryGateError) as raised:
            source(folder, f"http://127.0.0.1:{server.server_port}").instant("up", AT)
        server.shutdown()
    return str(raised.value)


def stated_twice(folder: Path) -> str:
    with pytest.raises(TelemetryGateError) as raised:
        source(folder, "https://prometheus.example.net/?cluster=prod", params={"cluster": "staging"})
    return str(raised.value)


def same_server(folder: Path) -> str:
    (folder / "telemetry.yaml").write_text(
        "default: prod\nenvironments:\n  prod: {source: prometheus, url: 'https://prometheus.example.net',"
        " regions: {us: {}, eu: {}}}\n"
    )
    (folder / "small.gate.yaml").write_text(
        "version: 1\nsuite: small\nrollout: {start: 2025-01-22T14:00:00Z, end: 2025-01-22T14:30:00Z}\n"
        f"checkpoints: [2h]\ngroups:\n  G:\n    - {RATE}\n"
    )
    environment = load_environment(folder / "telemetry.yaml", None)
    checks = plan_checks(
        load_suite(folder / "small.gate.yaml", KINDS, display_path="small.gate.yaml"), environment
    )
    with pytest.raises(TelemetryGateError) as raised:
        require_told_apart(checks, environment)
    return str(raised.value)


def unreadable_name(folder: Path) -> str:
    (folder / "data.om").write_text('{"http.server.requests,job="edge"} 1 1737590400\n# EOF\n')
    with pytest.raises(TelemetryGateError) as raised:
        import_openmetrics(folder / "data.om", folder / "data.telemetry.zip")
    return str(raised.value)


LINES: dict[str, Line] = {
    "coverage": verdict(RATE, series("up", lambda at: (at % 60 == 0) * 1.0), done(grid(step=60))),
    "slow-scrape": verdict(
        "{id: up, query: 'min_over_time(probe_success[9m])', expect: '== 1'}",
        series("probe_success", 1, grid(step=120)),
    ),
    "recording-rule": verdict(
        "{id: rule, query: 'avg_over_time(job:done:rate5m[1h])', expect: '> 0'}",
        UP,
        series("job:done:rate5m", 1, grid(step=60, end=AT - 1800)),
    ),
    "interval-changed": verdict(
        RATE, done(TIMES[(TIMES < AT - 1800) | (TIMES > AT - 900)]), intervals={"parser": 60.0}
    ),
    "dead-at-checkpoint": verdict(RATE, UP, done(grid(end=AT - 100))),
    "count-vanished": verdict(COUNT, UP, series("failed_total", 0, grid(end=START + 1800))),
    "count-unknown": verdict(COUNT, UP, series("faild_total", 0)),
    "count-gap": verdict(
        COUNT,
        series("up", 1, AROUND_THE_START),
        series("failed_total", lambda at: np.where(at < START, 4000.0, 4007.0), AROUND_THE_START),
    ),
    "quantile": verdict(P95, *buckets()),
    "dead-region": dead_region,
    "wait": lambda _: countdown(AT + 30, AT, ["2h"]),
    "due-time": verdict(COUNT, UP, now=AT + 15),
    "same-server": same_server,
    "url-query": stated_twice,
    "get-only": forbidden,
    "unit-missing": refused("{id: wait, query: 'max_over_time(wait_seconds[10m])', expect: '<= 250'}"),
    "percent-of-quotient": refused(
        "{id: errors, query: 'sum(rate(a_total[5m])) / sum(rate(b_total[5m]))', unit: '%', expect: '< 1%'}"
    ),
    "float-noise": verdict("{id: lost, query: 1 - good, unit: ratio, expect: '<= 5%'}", series("good", 0.95)),
    "better": verdict(
        "{id: took, query: took, tolerance: 5%, baseline: 100, better: lower}", series("took", 70)
    ),
    "alert-labels": alerts(
        "namespace: shpo",
        Rule("Slow", GROUP, STEP, {}, "sum by (namespace) (rate(done_total[5m])) > 1"),
        series("done_total", lambda at: at, namespace="shop"),
    ),
    "alert-without-metric": alerts(
        "severity: page", Rule("Slow", GROUP, STEP, {"severity": "page"}, "sum(rate(gone_total[5m])) > 1")
    ),
    "either-name": verdict("{id: c, query: 'sum(new) or sum(old)', expect: '< 75'}", UP),
    "quoted-names": unreadable_name,
    "healthy-live": verdict(RATE, UP, done()),
}


def test_every_kind_has_a_line():
    assert {row["kind"] for row in table("kind")} == set(LINES)


@pytest.mark.parametrize("row", table("kind"), ids=lambda row: row["kind"])
def test_the_line_that_a_user_reads(tmp_path, row):
    pattern = ".*".join(re.escape(part) for part in row["the line that a user reads"].split("..."))
    line = LINES[row["kind"]](tmp_path)
    assert re.fullmatch(pattern, line, re.DOTALL), line
