"""Suites over PagerDuty and a Slack channel: live, recorded and judged again, and what a recording holds of texts."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Iterator

import gates
import pagerduty_server
import pytest
import slack_server
from pagerduty_server import PagerDuty
from projects import Project
from slack_server import CHANNEL, Slack

CONFIG = f"""\
default: live
environments:
  live:
    source: recording
    path: small.telemetry.zip
    sources:
      channel: {{source: slack, url: SLACK, token: "${{SLACK_TOKEN}}", channel: {CHANNEL}, match: FIRING, retention: 100y}}
    events:
      incidents: {{source: pagerduty, url: PAGERDUTY, token: "${{PD_TOKEN}}", services: [PARSER1], tls_config: {{ca_file: ca.pem}}}}
  offline: {{source: recording, path: out.telemetry.zip}}
"""
SUITE = """\
- {id: incidents, incidents: {kind: incident}, expect: '== 0'}
- {id: escalations, incidents: {kind: escalation}, expect: '== 0'}
- {id: both, incidents: {}, expect: '<= 2'}
- {id: messages, source: channel, incidents: {kind: message}, expect: '== 0'}
- {id: unknown, source: channel, incidents: {kind: escalation}, expect: '== 0'}
"""


class World:
    """The two systems, and the project that asks them."""

    def __init__(self, project: Project) -> None:
        self.project, self.pagerduty, self.slack = project, PagerDuty(), Slack()

    def judge(self, environment: str = "live", *more: str) -> dict[str, tuple[str, str]]:
        judged = self.project.judged(f"--telemetry-env={environment}", *more)
        return {name.rpartition("::")[2].partition("[")[0]: verdict for name, verdict in judged.items()}

    def judge_both(self) -> dict[str, tuple[str, str]]:
        """Judge live while all is recorded, then offline, where nobody is asked, and the verdicts are the same."""
        live = self.judge("live", "--telemetry-record=out.telemetry.zip")
        asked = len(self.pagerduty.asked), len(self.slack.asked)
        assert self.judge("offline") == live
        assert (len(self.pagerduty.asked), len(self.slack.asked)) == asked
        return live

    def recorded(self) -> str:
        """Return all texts of the recording."""
        content = (self.project.path / "out.telemetry.zip").read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return "\n".join(archive.read(name).decode("latin-1") for name in archive.namelist())


@pytest.fixture
def world(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("PD_TOKEN", pagerduty_server.TOKEN)
    monkeypatch.setenv("SLACK_TOKEN", slack_server.TOKEN)
    world = World(project)
    with contextlib.ExitStack() as stack:
        pages = stack.enter_context(pagerduty_server.serving(world.pagerduty, project.path))
        messages = stack.enter_context(slack_server.serving(world.slack))
        project.file(
            "telemetry.yaml", CONFIG.replace("PAGERDUTY", pages).replace("url: SLACK", f"url: {messages}")
        )
        project.suite(SUITE)
        yield world


def outcomes(judged: dict[str, tuple[str, str]]) -> dict[str, str]:
    return {name: outcome for name, (outcome, _) in judged.items()}


def test_the_same_verdicts_live_and_offline_where_nothing_happened(world: World) -> None:
    world.slack.post(gates.START + 60, "all is well")
    live = world.judge_both()
    assert outcomes(live) == {
        "incidents": "pass", "escalations": "pass", "both": "pass", "messages": "pass", "unknown": "inconclusive",
    }  # fmt: skip
    assert "no source knows incidents of kind 'escalation'; known: message" in live["unknown"][1]


def test_the_same_verdicts_live_and_offline_where_much_happened(world: World) -> None:
    incident = world.pagerduty.incident(
        gates.START + 300, gates.START + 900, title="Login of ada@example.net fails"
    )
    world.pagerduty.entry(gates.START + 400, incident)
    world.pagerduty.entry(gates.START + 500, incident)
    world.slack.post(
        gates.START + 60, "[FIRING:1] mail ada@example.net, <@U012AB3CDE>! " + "x" * 3000 + "the end"
    )
    live = world.judge_both()
    assert outcomes(live) == {
        "incidents": "fail", "escalations": "fail", "both": "fail", "messages": "fail", "unknown": "inconclusive",
    }  # fmt: skip
    assert "2 is outside the limit == 0" in live["escalations"][1]
    assert "1 is outside the limit == 0" in live["messages"][1]
    text = world.recorded()
    assert "[FIRING:1] mail ********** @someone! xxx" in text.replace("**********, ", "********** ")
    for secret in ("ada@example.net", "U012AB3CDE", "the end", pagerduty_server.TOKEN, slack_server.TOKEN):
        assert secret not in text


def test_what_was_carried_in_is_a_warning_live_and_offline(world: World) -> None:
    world.pagerduty.incident(gates.START - 90 * 86_400, gates.START + 600)
    live = world.judge_both()
    assert live["incidents"][0] == "warn"
    assert "carried in from before: parser is slow (1)" in live["incidents"][1]


def test_limits_of_both_are_inconclusive_live_and_offline(world: World) -> None:
    world.pagerduty.spoil = lambda name, query, body: (
        (429, b"{}", {"Retry-After": "600"}) if name == "log_entries" else body
    )
    world.slack.spoil = lambda method, query, body: (
        (429, {"Retry-After": "600"}, b"{}") if method.endswith("history") else body
    )
    live = world.judge_both()
    assert set(outcomes(live).values()) == {"inconclusive"}
    assert "PagerDuty's rate limit (HTTP 429, retry after 10m) left out log entries" in live["escalations"][1]
    assert "Slack's rate limit (HTTP 429, retry after 10m) left out messages" in live["messages"][1]


def test_an_expired_token_is_an_error_of_its_own_checks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PD_TOKEN", "kanari-expired-token")
    judged = world.judge()
    assert outcomes(judged)["escalations"] == "error"
    assert "HTTP 401: Unauthorized: the token is wrong" in judged["escalations"][1]
    assert "kanari" not in str(judged)
    assert outcomes(judged)["messages"] == "pass"
