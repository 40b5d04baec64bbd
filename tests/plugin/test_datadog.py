"""Suites over Datadog and over what a dashboard exported: live, recorded and judged again, and each way to be wrong in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import gates
import pytest
from datadog_server import API_KEY, APP_KEY, JSON, MILLISECONDS, PERCENT, Datadog, Metric, running
from projects import HEAD, Project, said

CHECKPOINT = int(gates.START) + 2 * 3600
CONFIG = """\
default: v1
environments:
  v1:
    source: recording
    path: small.telemetry.zip
    sources:
      dashboard: {source: datadog, url: URL, api_key: "${DD_API_KEY}", app_key: "${DD_APP_KEY}"}
      export: {source: export, path: dashboard.csv, timezone: America/Los_Angeles}
  v2:
    source: recording
    path: small.telemetry.zip
    sources:
      dashboard: {source: datadog, url: URL, api_key: "${DD_API_KEY}", app_key: "${DD_APP_KEY}", api: v2}
      export: {source: export, path: dashboard.csv, timezone: America/Los_Angeles}
  offline: {source: recording, path: out.telemetry.zip}
"""
CPU = """\
- {id: cpu, source: dashboard, query: "max(last_$__window):avg:system.cpu.user{env:prod} by {host}", window: 1h, unit: '%', reduce: max, expect: '< 75 %'}
"""
EXPORT = """\
- {id: lag, source: export, query: "avg(last_1h):stream lag", window: 1h, unit: ms, expect: '< 400 ms'}
"""
SUITE = (
    CPU
    + EXPORT
    + """\
- {id: ratio, source: dashboard, query: "avg(last_1h):100 * sum:ok{*}.as_count() / sum:all{*}.as_count()", window: 1h, expect: '>= 95'}
- {id: p95, source: dashboard, query: "percentile(last_1h):p95:duration{*}", window: 1h, unit: ms, expect: '<= 90 ms'}
- {id: requests, query: 'requests{job="parser"}', expect: '> 90'}
"""
)


def points(value: float, *, hours: int = 3) -> dict[int, float]:
    return dict.fromkeys(range(CHECKPOINT - hours * 3600, CHECKPOINT, 20), value)


def export(value: float = 205.0) -> str:
    """Return a minute's average for each minute of the last two hours, in local time."""
    zone = ZoneInfo("America/Los_Angeles")
    first = datetime.fromtimestamp(CHECKPOINT - 7200, zone)
    moments = [first + timedelta(minutes=number) for number in range(120)]
    return "Time,stream lag\n" + "".join(f"{moment:%Y-%m-%d %H:%M:%S},{value}\n" for moment in moments)


@pytest.fixture
def datadog(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Datadog]:
    monkeypatch.setenv("DD_API_KEY", API_KEY)
    monkeypatch.setenv("DD_APP_KEY", APP_KEY)
    server = Datadog(
        [
            Metric("system.cpu.user", {"host": "a", "env": "prod"}, points(64.1), PERCENT),
            Metric("system.cpu.user", {"host": "b", "env": "prod"}, points(70.0), PERCENT),
            Metric("ok", {}, points(98.0)),
            Metric("all", {}, points(100.0)),
            Metric("duration", {}, points(84.2), MILLISECONDS),
        ]
    )
    with running(server):
        project.file("telemetry.yaml", CONFIG.replace("URL", server.url))
        project.file("dashboard.csv", export())
        yield server


@pytest.mark.parametrize("environment", ["v1", "v2"])
def test_the_same_verdicts_live_and_offline(project: Project, datadog: Datadog, environment: str):
    project.suite(SUITE)
    live = project.run(
        "-v", "--telemetry-explain", f"--telemetry-env={environment}", "--telemetry-record=out.telemetry.zip"
    )
    live.assert_outcomes(passed=5)
    assert live.ret == 0
    datadog.replies = [(500, JSON, b"{}")] * 100
    project.file("dashboard.csv", export(1000.0))
    offline = project.run("-v", "--telemetry-env=offline")
    offline.assert_outcomes(passed=5)
    assert offline.ret == 0
    assert len(datadog.replies) == 100  # nothing was asked any more
    for text in (
        said(live),
        said(offline),
        (project.path / "out.telemetry.zip").read_bytes().decode("latin-1"),
    ):
        assert API_KEY not in text
        assert APP_KEY not in text


def test_values_outside_their_limits_fail_alike_live_and_offline(project: Project, datadog: Datadog):
    datadog.metrics = [
        replace(one, points=points(80.0)) if one.name == "system.cpu.user" else one for one in datadog.metrics
    ]
    project.file("dashboard.csv", export(400.0))
    project.suite(SUITE)
    for arguments in (["--telemetry-record=out.telemetry.zip"], ["--telemetry-env=offline"]):
        result = project.run(*arguments)
        result.assert_outcomes(passed=3, failed=2)
        assert "80 % is outside the limit < 75 %" in said(result)
        assert "400 ms is outside the limit < 400 ms" in said(result)


def lose_half(metrics: list[Metric]) -> list[Metric]:
    half = {at: value for at, value in points(64.0).items() if at % 40}
    return [replace(one, points=half) for one in metrics]


@pytest.mark.parametrize("environment", ["v1", "v2"])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda metrics: [], "no data: max(last_1h):avg:system.cpu.user{env:prod} by {host} has no value from"),
        (lose_half, "coverage 50 %, below 90 %: 90 of 180 points of 20s (host=a)"),
        (lambda metrics: [replace(metrics[0], points={})], "no data"),
        (lambda metrics: [replace(one, unit=MILLISECONDS) for one in metrics], "the source says that the values are in ms, the suite says %"),
    ],
)  # fmt: skip
def test_what_proves_nothing_does_not_pass(project: Project, datadog: Datadog, change, reason, environment):
    datadog.metrics = change(datadog.metrics[:2])
    project.suite(CPU)
    result = project.run(f"--telemetry-env={environment}")
    assert result.ret == 1
    assert "INCONCLUSIVE" in said(result)
    assert reason in said(result)


def test_data_that_were_made_up_pass_only_where_the_author_says_so(project: Project, datadog: Datadog):
    filled = CPU.replace("by {host}", "by {host}.fill(zero)")
    project.suite(filled)
    result = project.run()
    assert result.ret == 1
    assert (
        ".fill(zero) puts points where there are no data, so that nothing tells how much there was; `coverage: none` does without"
        in said(result)
    )
    project.suite(filled.replace(", window", ", coverage: none, window"))
    assert project.run().ret == 0


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((403, JSON, b'{"errors": ["Forbidden"]}'), "HTTP 403: forbidden: is api_key or app_key wrong, expired or without the right?; Forbidden"),
        (
            (429, {**JSON, "X-RateLimit-Reset": "3000"}, b'{"errors": ["Rate limit of 1600 requests in 3600 seconds reached."]}'),
            "HTTP 429: Rate limit of 1600 requests in 3600 seconds reached.; retry after 50m",
        ),
        ((200, JSON, b'{"status": "error", "error": "Error parsing query"}'), "error: Error parsing query"),
        ((200, {"Content-Type": "text/html"}, b"<title>Sign in</title>"), "a login page answered, 'Sign in'"),
        ((302, {"Location": "https://elsewhere.example/"}, b""), "redirects to https://elsewhere.example/"),
        ((200, JSON, json.dumps({"series": []}).encode()[:5]), "response is not JSON"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_an_error_of_one_line(project: Project, datadog: Datadog, reply, reason):
    datadog.replies = [reply] * 10
    project.suite(CPU)
    result = project.run()
    assert result.ret == 1
    text = said(result)
    assert "ERROR" in text
    assert reason in text
    assert "Traceback" not in text
    assert "kanari" not in text


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("avg:system.cpu.user{*}", "query: needs a time aggregator and a window, such as `avg(last_1h):avg:system.cpu.user{env:prod} by {host}`"),
        ("avg(last_4h):avg:system.cpu.user{*}", "query: last_4h is more than the 1h that are judged: write `last_$__window`, or a longer `window:`"),
        ("avg(last_1h):avrg:system.cpu.user{*}", "query: unknown aggregator 'avrg' of system.cpu.user (did you mean 'avg'?)"),
        ("avg(last_1h):avg:system.cpu.user{*", "query: '{' is never closed"),
    ],
)  # fmt: skip
def test_a_query_that_cannot_work_is_told_before_anything_is_asked(
    project: Project, datadog: Datadog, query, reason
):
    project.suite(f"- {{id: cpu, source: dashboard, query: '{query}', window: 1h, expect: '< 75'}}\n")
    result = project.run()
    assert result.ret not in {0, 1, 5}
    assert f"small.gate.yaml:{HEAD.count(chr(10)) + 3}: criterion 'cpu': {reason}" in said(result)
    assert datadog.asked == []


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            "url: URL",
            "site: datadoghq.fr",
            "telemetry.yaml:7: site: 'datadoghq.fr' is no site of Datadog (did you mean 'datadoghq.eu'?)",
        ),
        (
            'app_key: "${DD_APP_KEY}"',
            "aplication_key: x",
            'telemetry.yaml:7: app_key: needs a key of Datadog, such as "${DD_APP_KEY}"',
        ),
        ("path: dashboard.csv", "path: gone.csv", "telemetry.yaml:8: path: there is no file gone.csv"),
        (
            "America/Los_Angeles",
            "America/Los_Angels",
            "telemetry.yaml:8: timezone: 'America/Los_Angels' is no time zone",
        ),
    ],
)
def test_settings_that_cannot_be_used_are_told_with_file_and_line(
    project: Project, datadog: Datadog, old, new, reason
):
    project.file("telemetry.yaml", CONFIG.replace(old, new).replace("URL", datadog.url))
    project.suite(CPU)
    result = project.run()
    assert result.ret not in {0, 1, 5}
    assert reason in said(result)


def test_an_export_of_another_time_zone_is_inconclusive(project: Project, datadog: Datadog):
    project.file("telemetry.yaml", CONFIG.replace("America/Los_Angeles", "UTC").replace("URL", datadog.url))
    project.suite(EXPORT)
    result = project.run()
    assert result.ret == 1
    assert "INCONCLUSIVE" in said(result)
    assert "nothing of 'stream lag' in the time that is asked about: is its time zone right?" in said(result)


def test_an_export_without_a_time_zone_is_an_error(project: Project, datadog: Datadog):
    config = CONFIG.replace(", timezone: America/Los_Angeles", "").replace("URL", datadog.url)
    project.file("telemetry.yaml", config)
    project.suite(EXPORT)
    result = project.run()
    assert result.ret == 1
    assert (
        "dashboard.csv:2: the time '2025-01-22 14:00:00' has no offset: set `timezone:` to the zone in which it was exported"
        in said(result)
    )
