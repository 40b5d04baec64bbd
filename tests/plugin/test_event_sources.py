"""Suites whose alerts and incidents come from elsewhere: live, recorded and judged again, and never a pass without proof."""

from __future__ import annotations

import json
from collections.abc import Iterator

import gates
import pytest
from event_apis import TOKEN as STATUSPAGE_TOKEN
from event_apis import Statuspage, statuspage_incident
from grafana_server import TOKEN, Grafana
from projects import SERIES, TWO, Project, said
from websites import Website, serving

CHECKPOINT = gates.START + 2 * 3600
CONFIG = """\
default: live
environments:
  live:
    source: recording
    path: small.telemetry.zip
    sources:
      status:
        source: json
        url: STATUSPAGE/v1/pages/a/incidents
        authorization: {type: OAuth, credentials: "${STATUSPAGE_TOKEN}"}
        page: {parameter: page}
        fields: {name: name, start: started_at, end: resolved_at, id: id, kind: impact}
        kinds: [minor, major, critical]
      sent: {source: webhooks, path: sent, complete: {from: 2025-01-22T22:00:00Z, to: 2025-01-23T22:00:00Z}}
    events:
      alerts: {source: grafana, url: GRAFANA, token: "${GRAFANA_TOKEN}"}
      incidents: {source: jsonl, path: incidents.jsonl, kinds: [incident, escalation]}
  offline: {source: recording, path: out.telemetry.zip}
"""
PROOF = 'min_over_time(up{job="parser"}[$__range])'
SUITE = f"""\
- {{id: alerts, alerts: {{match: {{team: telemetry}}, proof: '{PROOF}'}}, expect: '== 0'}}
- {{id: sent, source: sent, alerts: {{match: {{alertname: Lag}}, proof: '{PROOF}'}}, expect: '== 0'}}
- {{id: escalations, incidents: {{kind: escalation}}, expect: '== 0'}}
- {{id: critical, source: status, incidents: {{kind: critical}}, expect: '== 0'}}
- {{id: major, source: status, incidents: {{kind: major}}, expect: '<= 1'}}
"""
COMPLETE = {"complete": {"from": gates.START - 3600, "to": CHECKPOINT + 3600}}


class World:
    """The systems of an environment, and the files that hold the others."""

    def __init__(self, project: Project, grafana: Grafana, statuspage: Statuspage) -> None:
        self.project, self.grafana, self.statuspage = project, grafana, statuspage
        self.sites: tuple[Website, ...] = ()
        self.tell(COMPLETE)
        (project.path / "sent").mkdir()

    def tell(self, *lines: object) -> None:
        self.project.file("incidents.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines))

    def judge(self, environment: str = "live", *more: str) -> dict[str, tuple[str, str]]:
        return self.project.judged(f"--telemetry-env={environment}", *more)


@pytest.fixture
def world(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("GRAFANA_TOKEN", TOKEN)
    monkeypatch.setenv("STATUSPAGE_TOKEN", STATUSPAGE_TOKEN)
    grafana = Grafana()
    statuspage = Statuspage([statuspage_incident(1, gates.START + 900, gates.START + 1200)])
    with serving(grafana.answer) as first, serving(statuspage.answer) as second:
        text = CONFIG.replace("url: GRAFANA", f"url: {first.url}")
        project.file("telemetry.yaml", text.replace("url: STATUSPAGE", f"url: {second.url}"))
        project.suite(SUITE)
        world = World(project, grafana, statuspage)
        world.sites = (first, second)
        yield world


def test_the_same_verdicts_live_and_offline_where_nothing_happened(world: World) -> None:
    live = world.judge("live", "--telemetry-record=out.telemetry.zip")
    assert {outcome for outcome, _ in live.values()} == {"pass"}, live
    asked = [len(site.asked) for site in world.sites]
    world.tell({"name": "later", "start": gates.START + 60, "kind": "escalation"})
    offline = world.judge("offline")
    assert offline == live
    assert [len(site.asked) for site in world.sites] == asked
    text = (world.project.path / "out.telemetry.zip").read_bytes().decode("latin-1")
    assert TOKEN not in text
    assert STATUSPAGE_TOKEN not in text


def test_the_same_verdicts_live_and_offline_where_much_happened(world: World) -> None:
    world.grafana.change(gates.START + 600, "Normal", "Alerting", lag="a")
    world.grafana.change(gates.START + 900, "Alerting", "Normal", lag="a")
    alert = {
        "status": "firing",
        "labels": {"alertname": "Lag"},
        "startsAt": "2025-01-22T22:30:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
    }
    world.project.file("sent/1.json", json.dumps({"version": "4", "alerts": [alert]}))
    world.tell(
        COMPLETE, {"name": "Parser", "start": gates.START + 300, "kind": "escalation", "id": 1},
        {"name": "Parser", "start": gates.START + 300, "kind": "escalation", "id": 2},
    )  # fmt: skip
    world.statuspage.incidents = [
        statuspage_incident(number, gates.START + 900, impact="critical") for number in (1, 1, 2)
    ]
    live = world.judge("live", "--telemetry-record=out.telemetry.zip")
    offline = world.judge("offline")
    assert offline == live
    reasons = {name: reason for name, (_, reason) in live.items()}
    assert [outcome for outcome, _ in live.values()] == ["fail", "fail", "fail", "fail", "pass"], live
    assert any("HighLag{" in reason for reason in reasons.values())
    assert sum("2 is outside the limit == 0" in reason for reason in reasons.values()) == 2


def test_checkpoints_are_told_apart_offline_as_they_were_live(world: World) -> None:
    """What came between two checkpoints, or is known up to the first of them alone, is of the second."""
    world.project.suite(SUITE, head=TWO)
    world.grafana.change(gates.START + 5400, "Normal", "Alerting", lag="a")
    world.grafana.change(gates.START + 5500, "Alerting", "Error", lag="a")
    world.tell({"complete": {"from": gates.START - 3600, "to": gates.START + 4000}})
    world.statuspage.incidents = [
        statuspage_incident(1, gates.START + 900, gates.START + 5400, impact="critical"),
        statuspage_incident(2, gates.START + 5400, impact="critical"),
    ]
    live = world.judge("live", "--telemetry-record=out.telemetry.zip")
    assert world.judge("offline") == live
    found = {name: outcome for name, (outcome, _) in live.items()}
    assert (found["alerts[1h]"], found["alerts[2h]"]) == ("pass", "fail")
    assert (found["escalations[1h]"], found["escalations[2h]"]) == ("pass", "inconclusive")
    assert (found["critical[1h]"], found["critical[2h]"]) == ("fail", "fail")
    assert "1 is outside" in live["critical[1h]"][1]
    assert "2 is outside" in live["critical[2h]"][1]


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda world: world.tell(), "the history is incomplete: nothing says that incidents.jsonl has"),
        (
            lambda world: world.grafana.change(gates.START + 600, "Normal", "NoData"),
            "rule HighLag could not fire: it was NoData from",
        ),
        (lambda world: world.grafana.rules.clear(), "shows no alerting rule to these credentials"),
        (
            lambda world: setattr(world.grafana.rules[0], "labels", {"team": "other"}),
            "no alerting rule matches",
        ),
        (lambda world: setattr(world.grafana, "loki", False), "needs Loki"),
        (lambda world: setattr(world.statuspage, "incidents", [{"id": 1}]), "item 1: kind and name"),
    ],
)
def test_what_is_missing_is_no_pass_and_says_so(world: World, break_it, told: str) -> None:
    break_it(world)
    judged = world.judge("live")
    assert any(
        outcome in {"inconclusive", "error"} and told in reason for outcome, reason in judged.values()
    ), judged


def test_alerts_without_a_proof_of_evaluation_are_inconclusive_and_say_what_helps(world: World) -> None:
    world.project.suite("- {id: alerts, alerts: {match: {team: telemetry}}, expect: '== 0'}\n")
    ((outcome, reason),) = world.judge("live").values()
    assert outcome == "inconclusive"
    assert (
        "nothing proves that rule group 'Telemetry;lag' was evaluated all the time: Grafana keeps" in reason
    )
    assert "grafana_alerting_rule_evaluations_total" in reason


def test_the_proof_that_the_line_names_is_one(world: World) -> None:
    world.project.suite("- {id: alerts, alerts: {match: {team: telemetry}}, expect: '== 0'}\n")
    ((_, reason),) = world.judge("live").values()
    proof = reason.partition("{proof: '")[2].partition("'}")[0]
    world.project.suite(
        f"- {{id: alerts, alerts: {{match: {{team: telemetry}}, proof: '{proof}'}}, expect: '== 0'}}\n"
    )
    evaluations = "grafana_alerting_rule_evaluations_total"
    growing = gates.series(evaluations, lambda at: (at - at[0]) / 60)
    world.project.recording((*SERIES, growing))
    assert [outcome for outcome, _ in world.judge("live").values()] == ["pass"]
    stopped = gates.series(evaluations, lambda at: (at - at[0]).clip(max=3600) / 60)
    world.project.recording((*SERIES, stopped))
    ((outcome, reason),) = world.judge("live").values()
    assert outcome == "inconclusive"
    assert "is 0, so the rules were not evaluated all the time" in reason


def test_settings_that_cannot_be_used_end_the_session_with_their_line(world: World) -> None:
    text = (world.project.path / "telemetry.yaml").read_text()
    world.project.file(
        "telemetry.yaml", text.replace("path: incidents.jsonl", "path: incidents.jsonl, pth: a")
    )
    result = world.project.run()
    assert result.ret == 4
    assert "telemetry.yaml:17: unknown key 'pth' (did you mean 'path'?)" in said(result)
