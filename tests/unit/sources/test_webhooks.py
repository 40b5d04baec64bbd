"""Webhook payloads kept on disk: what notifiers sent, and what proves that nothing is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from event_settings import END, START, event_settings, event_source

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.sources import event_text
from pytest_telemetry_gate.sources.webhooks import Webhooks
from pytest_telemetry_gate.support.durations import format_time

COMPLETE = ", complete: {from: '2025-01-22T14:00:00Z', to: '2025-01-22T15:00:00Z'}"
HEARTBEAT = ", heartbeat: {alertname: Watchdog, every: 5m}"


def alert(name: str, start: float, end: float | None = None, **labels: str) -> dict[str, Any]:
    """Return one alert of a payload, as Alertmanager writes it."""
    return {
        "status": "firing" if end is None else "resolved",
        "labels": {"alertname": name, **labels},
        "annotations": {},
        "startsAt": format_time(start),
        "endsAt": "0001-01-01T00:00:00Z" if end is None else format_time(end),
        "generatorURL": "http://prometheus:9090/graph",
        "fingerprint": "d9c2",
    }


def payload(*alerts: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a payload of version 4: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config."""
    return {
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "gate",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "alerts": list(alerts),
        **more,
    }


def grafana_alert(name: str, start: float) -> dict[str, Any]:
    """Return one alert as Grafana's webhook adds to it."""
    return {
        **alert(name, start),
        "silenceURL": "https://grafana/alerting/silence",
        "dashboardURL": "",
        "panelURL": "",
        "values": {"B": 44.2},
        "valueString": "",
        "orgId": 1,
    }


def pagerduty(kind: str, at: float, number: int = 1, event: str = "01") -> dict[str, Any]:
    """Return an event of PagerDuty's webhooks V3: https://developer.pagerduty.com/docs/webhooks-overview."""
    data = {
        "id": f"PGR0VU{number}",
        "type": "incident",
        "number": number,
        "status": "triggered",
        "incident_key": "d3640fbd41094207a1c11e58e46b1662",
        "created_at": format_time(at),
        "title": "A little bump in the road",
        "service": {"id": "PF9KMXH", "summary": "API Service", "type": "service_reference"},
        "urgency": "high",
        "priority": None,
    }
    return {
        "event": {
            "id": event,
            "event_type": kind,
            "resource_type": "incident",
            "occurred_at": format_time(at),
            "agent": {"id": "PLH1HKV", "type": "user_reference"},
            "client": None,
            "data": data,
        }
    }


def ask(folder: Path, *payloads: Any, more: str = COMPLETE, kind: str = "alerts") -> Events:
    """Return what the source makes of payloads, one file each; texts are files as they are."""
    (folder / "in").mkdir(exist_ok=True)
    for number, content in enumerate(payloads):
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / "in" / f"{number}.json").write_text(text, encoding="utf-8")
    return event_source(f"{{source: webhooks, path: in{more}}}", folder).events(kind, START, END)


def spans(events: Events) -> list[tuple[str, str, float, float | None]]:
    return [
        (one.kind, one.name, one.start - START, None if one.end is None else one.end - START)
        for one in events.episodes
    ]


def test_an_alert_that_was_sent_again_and_again_is_one_with_its_end(tmp_path: Path) -> None:
    lag = START + 60
    events = ask(
        tmp_path,
        payload(alert("Lag", lag, zone="a"), alert("Lag", lag, zone="b")),
        payload(alert("Lag", lag, zone="a"), alert("Old", START - 600)),
        payload(alert("Lag", lag, lag + 30, zone="a"), status="resolved"),
        payload(alert("Lag", lag, zone="a")),
    )
    assert spans(events) == [
        ("alert", "Old", -600, None),
        ("alert", "Lag", 60, 90),
        ("alert", "Lag", 60, None),
    ]
    assert events.episodes[1].labels == {"zone": "a"}
    assert events.complete, events.reason


def test_payloads_may_be_lines_in_folders_and_say_when_they_came(tmp_path: Path) -> None:
    (tmp_path / "in" / "22").mkdir(parents=True)
    lines = [
        {"received": START + 61, "payload": payload(alert("Lag", START + 60))},
        payload(grafana_alert("G", START + 90)),
    ]
    (tmp_path / "in" / "22" / "all.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (tmp_path / "in" / ".gitignore").write_text("not a payload")
    events = ask(tmp_path)
    assert spans(events) == [("alert", "Lag", 60, None), ("alert", "G", 90, None)]
    assert events.complete, events.reason


@pytest.mark.parametrize("name", ["a.json.gz", "README", "a.json.tmp"])
def test_a_file_that_nobody_can_read_makes_the_history_incomplete(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_text("something")
    events = ask(tmp_path)
    assert (events.complete, events.reason) == (False, f"in/{name} is neither *.json nor *.jsonl")


def test_pagerduty_tells_incidents_and_escalations(tmp_path: Path) -> None:
    events = ask(
        tmp_path,
        pagerduty("incident.triggered", START + 60),
        pagerduty("incident.acknowledged", START + 70),
        pagerduty("incident.escalated", START + 80, event="02"),
        pagerduty("incident.escalated", START + 80, event="02"),
        pagerduty("incident.resolved", START + 90),
        pagerduty("incident.reopened", START + 120),
        pagerduty("incident.resolved", START + 30, number=2),
        kind="incidents",
    )
    title = "A little bump in the road"
    assert spans(events) == [
        ("incident", title, 0, 30),
        ("incident", title, 60, 90),
        ("escalation", title, 80, 80),
        ("incident", title, 120, None),
    ]
    assert events.kinds == ("incident", "escalation")
    assert events.episodes[1].labels == {"service": "API Service", "urgency": "high", "id": "PGR0VU1"}


def test_alerts_and_incidents_of_one_folder_are_kept_apart(tmp_path: Path) -> None:
    both = (payload(alert("Lag", START + 60)), pagerduty("incident.triggered", START + 60))
    assert [one.kind for one in ask(tmp_path, *both).episodes] == ["alert"]
    assert [one.kind for one in ask(tmp_path, *both, kind="incidents").episodes] == ["incident"]


def test_what_nothing_says_to_be_complete_is_not(tmp_path: Path) -> None:
    events = ask(tmp_path, payload(alert("Lag", START + 60)), more="")
    assert not events.complete
    assert events.reason == (
        "nothing says that in has everything from 2025-01-22T14:00:00Z to 2025-01-22T15:00:00Z: "
        "set complete: {from: TIME, to: TIME}, or heartbeat"
    )


def beats(*after: float) -> list[dict[str, Any]]:
    watchdog = alert("Watchdog", START - 9000)
    return [{"received": START + seconds, "payload": payload(watchdog)} for seconds in after]


def test_a_heartbeat_that_came_all_the_time_is_proof_and_no_alert(tmp_path: Path) -> None:
    events = ask(tmp_path, *beats(*range(-300, 3900, 300)), more=HEARTBEAT)
    assert (events.complete, events.reason, events.episodes) == (True, "", ())


def test_a_heartbeat_of_alerts_is_no_proof_of_incidents(tmp_path: Path) -> None:
    events = ask(tmp_path, *beats(*range(-300, 3900, 300)), more=HEARTBEAT, kind="incidents")
    assert not events.complete
    assert events.reason.endswith("a heartbeat is of alerts alone")


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ([], "heartbeat Watchdog never came between 2025-01-22T14:00:00Z and 2025-01-22T15:00:00Z"),
        (
            range(-300, 1900, 300),
            "heartbeat Watchdog did not come for 30m from 2025-01-22T14:30:00Z on, where it should every 5m",
        ),
        (range(900, 3900, 300), "heartbeat Watchdog did not come for 15m from 2025-01-22T14:00:00Z on"),
        (
            [*range(0, 1200, 300), *range(1800, 3900, 300)],
            "heartbeat Watchdog did not come for 15m from 2025-01-22T14:15:00Z on",
        ),
    ],
)
def test_a_heartbeat_with_pauses_is_no_proof(tmp_path: Path, after: Any, told: str) -> None:
    events = ask(tmp_path, *beats(*after), more=HEARTBEAT)
    assert not events.complete
    assert events.reason.startswith(told)


def test_a_heartbeat_without_the_time_at_which_it_came_is_no_proof(tmp_path: Path) -> None:
    events = ask(tmp_path, payload(alert("Watchdog", START)), more=HEARTBEAT)
    assert not events.complete
    assert "notification of Watchdog tells no time at which it was received" in events.reason


def test_a_notification_that_leaves_alerts_out_makes_the_history_incomplete(tmp_path: Path) -> None:
    events = ask(tmp_path, payload(alert("Lag", START), truncatedAlerts=3))
    assert not events.complete
    assert "leaves out alerts (truncatedAlerts): raise max_alerts" in events.reason


@pytest.mark.parametrize("text", ['{"alerts": [{"sta', "", " \n"])
def test_a_payload_that_is_being_written_is_told(tmp_path: Path, text: str) -> None:
    events = ask(tmp_path, payload(), text)
    assert not events.complete
    assert events.reason == "in/1.json breaks off, as a payload does that is still being written"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("nonsense", "in/0.json:1: not JSON"),
        ("5", "in/0.json: not a payload"),
        (
            "[]",
            "in/0.json: not a payload of Alertmanager, Grafana or PagerDuty: it has neither alerts nor event",
        ),
        ({"hello": 1}, "it has neither alerts nor event"),
        ({"alerts": [{}]}, "in/0.json: not a payload of a webhook that is known"),
        ({"alerts": 5}, "in/0.json: not a payload of a webhook that is known"),
        ({"payload": 5}, "in/0.json: not a payload"),
        ({"event": {"event_type": "incident.triggered"}}, "in/0.json: not a payload"),
        ({"received": "12:00", "payload": {"alerts": []}}, "in/0.json: '12:00' is not a time"),
        (payload({**alert("A", START), "status": "on"}), "status 'on' is not one of firing, resolved"),
        (payload({**alert("A", START), "startsAt": "2025-01-22T14:00:00"}), "has no zone"),
        (payload({**alert("A", START), "labels": {}}), "kind and name: must be texts"),
        (payload(alert("A", START, START - 5)), "end: .* is before its start"),
    ],
)
def test_what_is_no_payload_is_an_error_with_its_file(tmp_path: Path, content: Any, told: str) -> None:
    with pytest.raises(SourceError, match=told) as caught:
        ask(tmp_path, content)
    assert "\n" not in str(caught.value)


def test_hostile_sizes_and_a_folder_that_is_not_there_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SourceError, match=r"^none: there is no such folder"):
        event_source("{source: webhooks, path: none}", tmp_path).events("alerts", START, END)
    monkeypatch.setattr(event_text, "_MAX_LINE", 100)
    with pytest.raises(SourceError, match=r"^in/0\.json: more than 0 MiB, which is more than is read"):
        ask(tmp_path, payload(alert("Lag", START)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("complete: true", "needs `path`"),
        ("path: a, complete: true", "complete: must be {from: TIME, to: TIME}"),
        ("path: a, complete: {from: 1737554400, to: 1737554399}", "complete: ends at"),
        ("path: a, heartbeat: Watchdog", "heartbeat: must be"),
        ("path: a, heatbeat: {}", r"unknown key 'heatbeat' \(did you mean 'heartbeat'\?\)"),
    ],
)
def test_settings_that_cannot_be_used_are_told_with_their_line(text: str, told: str) -> None:
    with pytest.raises(SourceError, match=f"^telemetry.yaml:7: {told}"):
        Webhooks.read_settings(event_settings(f"{{source: webhooks, {text}}}"))
