"""Telemetry Step 2 with its evidence where the team had it: live, recorded, judged again, and with each system broken.

``TELEMETRY_UPDATE_GOLDEN=1`` writes the example's recording and its dashboard export anew.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import children
import pytest
import servers
import step2_systems
import websites
from step2_systems import EXAMPLE, Systems

pytestmark = pytest.mark.integration

NOW = "--telemetry-now=2025-01-24T14:45:00-08:00"
RECORDING = "recordings/step2-sources.telemetry.zip"
EXPORT = "evidence/dashboard.csv"
CONFTEST = """\
import json

def pytest_telemetry_gate_verdict(verdict, config):
    with open("verdicts.jsonl", "a") as file:
        file.write(json.dumps(verdict.to_wire()) + "\\n")
"""
OWN = {"source", "link", "digest", "environment"}  # what a verdict says of where it was judged
ASKED_OF = {
    "prometheus": {"parse_duration_p95", "parser_failures", "telemetry_variance", "history_written"},
    "grafana": {"no_alerts"},
    "pagerduty": {"no_escalations", "no_incidents"},
    "slack": {"quiet_channel"},
    "datadog": {"cpu"},
    "bigquery": {"parse_batch_size", "cicd_success_ratio"},
    "export": {"cli_latency_p95", "stream_lag"},
}
Verdicts = Mapping[tuple[str, str], Mapping[str, Any]]


class Suite:
    """A copy of the example and the systems that its environment ``live`` asks."""

    def __init__(self, folder: Path, systems: Systems) -> None:
        self.folder, self.systems = folder, systems
        self.said = ""

    def judge(self, *arguments: str, broken: Mapping[str, str] | None = None) -> Verdicts:
        """Run pytest in the folder and return the verdicts by criterion and checkpoint."""
        told = self.folder / "verdicts.jsonl"
        told.unlink(missing_ok=True)
        with self.systems.serving() as addresses:
            environ = {**os.environ, "COLUMNS": "120", **addresses, **(broken or {})}
            done = children.run_pytest(self.folder, NOW, *arguments, environ=environ)
        self.said = done.stdout + done.stderr
        lines = told.read_text("utf-8").splitlines() if told.exists() else []
        verdicts = [json.loads(line) for line in lines]
        opens = verdicts and all(one["outcome"] == "pass" for one in verdicts)
        assert (done.returncode == 0) == bool(opens)
        assert "Traceback" not in self.said
        return {(one["criterion"], one["checkpoint"]): one for one in verdicts}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        with step2_systems.prometheus_of_step2(tmp_path_factory.mktemp("prometheus")) as url:
            yield url
    except servers.MissingServerError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def suite(tmp_path: Path, prometheus: str) -> Suite:
    folder = Path(shutil.copytree(EXAMPLE, tmp_path / "suite"))
    (folder / "conftest.py").write_text(CONFTEST, "utf-8")
    # Only a PagerDuty on loopback has a certificate of an authority of its own.
    environments = folder / "telemetry.yaml"
    text = environments.read_text("utf-8")
    assert "{source: pagerduty," in text
    own = "{source: pagerduty, tls_config: {ca_file: ca.pem},"
    environments.write_text(text.replace("{source: pagerduty,", own), "utf-8")
    return Suite(folder, Systems(folder, prometheus))


def differences(some: Verdicts, others: Verdicts) -> list[Any]:
    """Return the fields in which verdicts differ, beside what they say of where they were judged.

    Numbers are compared to nine digits, as the engine sums in another order than a server.
    """
    assert some.keys() == others.keys()
    return [
        (key, name, some[key].get(name), others[key].get(name))
        for key in some
        for name in (some[key].keys() | others[key].keys()) - OWN
        if rounded(some[key].get(name)) != rounded(others[key].get(name))
    ]


def rounded(value: Any) -> Any:
    return float(f"{value:.9g}") if isinstance(value, float) else value


def test_the_export_is_what_the_dashboard_showed() -> None:
    if os.environ.get("TELEMETRY_UPDATE_GOLDEN"):
        (EXAMPLE / EXPORT).write_text(step2_systems.export_dashboard(), "utf-8")
    assert (EXAMPLE / EXPORT).read_text("utf-8") == step2_systems.export_dashboard()


def test_the_same_verdicts_live_and_offline(suite: Suite) -> None:
    (suite.folder / RECORDING).unlink(missing_ok=True)
    live = suite.judge(
        "--telemetry-env=live", f"--telemetry-record={RECORDING}", "--telemetry-report=live.md"
    )
    assert len({criterion for criterion, _ in live}) >= 12
    assert {one["outcome"] for one in live.values()} == {"pass"}, suite.said
    if os.environ.get("TELEMETRY_UPDATE_GOLDEN"):
        shutil.copy(suite.folder / RECORDING, EXAMPLE / RECORDING)
    assert (suite.folder / RECORDING).stat().st_size < 300_000
    asked = len(suite.systems.datadog.asked), len(suite.systems.slack.asked)
    assert differences(suite.judge(), live) == []
    assert differences(suite.judge("-n2"), live) == []
    shutil.copy(EXAMPLE / RECORDING, suite.folder / RECORDING)
    assert differences(suite.judge(), live) == [], "the example's own recording is of another run"
    assert asked == (len(suite.systems.datadog.asked), len(suite.systems.slack.asked))


def test_what_the_team_would_have_seen_breaks_the_limits(suite: Suite) -> None:
    hour = step2_systems.HOUR
    begun = step2_systems.START + 30 * hour
    systems = suite.systems
    systems.grafana.change(begun, "Normal", "Alerting", systems.grafana.rules[0])
    systems.grafana.change(begun + hour, "Alerting", "Normal", systems.grafana.rules[0])
    incident = systems.pagerduty.incident(begun + 60, begun + hour, service="STREAM1")
    systems.pagerduty.entry(begun + 900, incident)
    systems.slack.post(begun + 30, "[FIRING:1] HighStreamLag")
    judged = suite.judge("--telemetry-env=live", f"--telemetry-record={RECORDING}")
    failed = {key for key, one in judged.items() if one["outcome"] != "pass"}
    assert failed == {
        (name, "48h") for name in ("no_alerts", "no_escalations", "no_incidents", "quiet_channel")
    }
    assert {judged[key]["outcome"] for key in failed} == {"fail"}
    assert differences(suite.judge(), judged) == []


def lines_of(judged: Verdicts, systems: set[str]) -> dict[str, str]:
    """Return the outcome and the reason of each criterion that asks one of the systems."""
    names = set().union(*(ASKED_OF[system] for system in systems))
    return {name: f"{one['outcome']}: {one['reason']}" for (name, _), one in judged.items() if name in names}


JSON = {"Content-Type": "application/json"}


def answering(status: int, body: bytes = b"{}", **headers: str) -> Callable[[Any], Any]:
    return lambda asked: (
        status,
        {**JSON, **{name.replace("_", "-"): text for name, text in headers.items()}},
        body,
    )


BROKEN: dict[str, Any] = {
    "403": answering(403),
    "429": answering(429, Retry_After="600"),
    "cut off": answering(200, b'{"status": "success", "data": {"resultType": "matrix", "result": [{"met'),
}


@pytest.mark.parametrize("how", ["dead", "expired", *BROKEN])
def test_a_system_that_is_broken_makes_no_pass_of_its_own_criteria(
    suite: Suite, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    systems = {"grafana": "GRAFANA", "pagerduty": "PD", "slack": "SLACK", "datadog": "DD", "bigquery": "BQ"}
    broken = {}
    for name, variable in systems.items():
        if how == "dead":
            scheme = "https" if name == "pagerduty" else "http"
            broken[f"{variable}_URL"] = servers.NOBODY.replace("http", scheme)
        elif how == "expired":
            broken[f"{variable}_APP_KEY" if name == "datadog" else f"{variable}_TOKEN"] = "xoxb-expired-token"
        else:
            monkeypatch.setattr(getattr(suite.systems, name), "answer", BROKEN[how])
    judged = suite.judge("--telemetry-env=live", "--telemetry-checkpoint=48h", broken=broken)
    for name in systems:
        for line in lines_of(judged, {name}).values():
            assert line.startswith(("error: ", "inconclusive: "))
            assert name in line.lower()
            assert "\n" not in line
    others = lines_of(judged, {"prometheus", "export"})
    assert [line for line in others.values() if not line.startswith("pass")] == []
    assert "expired-token" not in suite.said


@pytest.mark.parametrize("how", ["dead", *BROKEN])
def test_a_prometheus_that_is_broken_leaves_the_metrics_of_others(suite: Suite, how: str) -> None:
    with websites.serving(BROKEN.get(how, answering(200))) as site:
        url = servers.NOBODY if how == "dead" else site.url
        judged = suite.judge("--telemetry-env=live", "--telemetry-checkpoint=48h", broken={"PROM_URL": url})
    # Events are asked for by way of their region, which has no clock and no intervals without its own source.
    for line in lines_of(judged, {"prometheus", "grafana", "pagerduty", "slack"}).values():
        assert line.startswith(f"error: {url}/api/v1/")
        assert "\n" not in line
    others = lines_of(judged, {"datadog", "bigquery", "export"})
    assert [line for line in others.values() if not line.startswith("pass")] == []


def test_an_answer_that_ends_early_is_inconclusive_and_says_what_is_missing(suite: Suite) -> None:
    systems = suite.systems
    lag = systems.grafana.rules[0]
    del systems.grafana.changes[1]  # back to normal, which the next change says it was
    systems.grafana.change(step2_systems.START + 7 * step2_systems.HOUR, "Normal", "Pending", lag)
    systems.pagerduty.spoil = lambda name, query, body: {**body, "total": body["total"] + 1}
    systems.slack.spoil = lambda method, query, body: {**body, "has_more": True}
    systems.datadog.change = lambda answer: {
        **answer,
        "series": [{**one, "pointlist": one["pointlist"][:90]} for one in answer.get("series", ())],
    }
    systems.bigquery.run(
        "DELETE FROM acme.telemetry.day5_48hour_snapshot WHERE hour_end > '2025-01-24 12:00:00-08:00'"
    )
    export = suite.folder / EXPORT
    export.write_text("".join(export.read_text("utf-8").splitlines(keepends=True)[:300]), "utf-8")
    judged = suite.judge("--telemetry-env=live", "--telemetry-checkpoint=48h")
    lines = lines_of(judged, ASKED_OF.keys() - {"prometheus"})
    assert lines.pop("cicd_success_ratio").startswith("pass: ")  # whose author has said `coverage: none`
    assert [line for line in lines.values() if not line.startswith("inconclusive: ")] == []


def test_an_export_that_is_cut_off_or_missing_is_one_line(suite: Suite) -> None:
    export = suite.folder / EXPORT
    export.write_text(export.read_text("utf-8")[:-10], "utf-8")
    judged = suite.judge("--telemetry-env=live", "--telemetry-checkpoint=48h")
    for line in lines_of(judged, {"export"}).values():
        assert line.startswith("error: ")
        assert "dashboard.csv:577" in line
    export.unlink()
    assert not suite.judge("--telemetry-env=live")
    assert "telemetry.yaml:23: " in suite.said
    assert "path: there is no file evidence/dashboard.csv" in suite.said
