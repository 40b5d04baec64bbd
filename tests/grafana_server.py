"""A Grafana on loopback that knows alert rules, their states, and the changes of these.

Written from the API reference (https://grafana.com/docs/grafana/latest/developers/http_api/) and from what the handlers in
Grafana's own ``pkg/services/ngalert/api`` read and answer: parameters, field names, units, and its words where it refuses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from pytest_telemetry_gate.support.durations import format_time

if TYPE_CHECKING:
    from websites import Answer, Asked

TOKEN = "glsa_kanari-grafana-token"
JSON = {"Content-Type": "application/json"}


@dataclass
class Rule:
    """An alert rule as it is now; ``alerts`` are state, moment and labels of its instances."""

    name: str = "HighLag"
    uid: str = "abc"
    labels: Mapping[str, str] = field(default_factory=lambda: {"team": "telemetry"})
    health: str = "ok"
    paused: bool = False
    evaluated: float = 4e9
    alerts: list[tuple[str, float, Mapping[str, str]]] = field(default_factory=list)
    updated: float = 1.7e9
    no_data_state: str = "NoData"
    exec_err_state: str = "Error"

    def to_ruler(self) -> dict[str, Any]:
        alert = {
            "uid": self.uid,
            "title": self.name,
            "condition": "B",
            "data": [],
            "updated": format_time(self.updated),
            "intervalSeconds": 60,
            "version": 3,
            "namespace_uid": "f",
            "rule_group": "lag",
            "no_data_state": self.no_data_state,
            "exec_err_state": self.exec_err_state,
            "is_paused": self.paused,
        }
        return {"expr": "", "for": "5m", "labels": dict(self.labels), "grafana_alert": alert}

    def to_json(self) -> dict[str, Any]:
        return {
            "uid": self.uid,
            "name": self.name,
            "query": "[]",
            "labels": dict(self.labels),
            "health": self.health,
            "isPaused": self.paused,
            "type": "alerting",
            "lastEvaluation": format_time(self.evaluated) if self.evaluated else "0001-01-01T00:00:00Z",
            "alerts": [
                {
                    "labels": {"alertname": self.name, **self.labels, **labels},
                    "state": state,
                    "activeAt": format_time(at),
                }
                for state, at, labels in self.alerts
            ],
        }


@dataclass
class Grafana:
    """``changes`` are moment, rule, previous and current state, and labels; ``cap`` is the most that it ever answers with."""

    rules: list[Rule] = field(default_factory=lambda: [Rule()])
    changes: list[tuple[float, Rule, str, str, Mapping[str, str]]] = field(default_factory=list)
    loki: bool = True
    cap: int = 5000
    pages_of_rules: int = 1

    def change(self, at: float, previous: str, current: str, rule: Rule | None = None, **labels: str) -> None:
        """Add a change of an instance of a rule, of the first one unless told."""
        self.changes.append((at, rule or self.rules[0], previous, current, labels))

    def answer(self, asked: Asked) -> Answer:
        """Answer as Grafana does."""
        parts = urlsplit(asked.path)
        query = dict(parse_qsl(parts.query))
        if asked.headers.get("Authorization") != f"Bearer {TOKEN}":
            refusal = {
                "message": "Invalid API key",
                "messageId": "api-key.invalid",
                "statusCode": 401,
                "traceID": "",
            }
            return 401, JSON, json.dumps(refusal).encode()
        match parts.path:
            case "/api/prometheus/grafana/api/v1/rules":
                return self._ok(self._rules(query))
            case "/api/ruler/grafana/api/v1/rules":
                group = {"name": "lag", "interval": "1m", "rules": [rule.to_ruler() for rule in self.rules]}
                return self._ok({"Telemetry": [group]})
            case "/api/v1/rules/history" if not self.loki:
                message = {"message": "ruleUID is required to query annotations", "traceID": ""}
                return 500, JSON, json.dumps(message).encode()
            case "/api/v1/rules/history":
                return self._ok(self._frame(query))
            case "/api/annotations":
                return self._ok(self._annotations(query))
        return 404, JSON, b'{"message": "Not found", "traceID": ""}'

    def _ok(self, content: Any) -> Answer:
        return 200, JSON, json.dumps(content).encode()

    def _rules(self, query: Mapping[str, str]) -> dict[str, Any]:
        groups = [
            {"name": "lag", "file": "Telemetry", "folderUid": "f", "interval": 60, "rules": [rule.to_json()]}
            for rule in self.rules
        ]
        page = int(query.get("group_next_token", "0"))
        data: dict[str, Any] = {"groups": groups}
        if self.pages_of_rules > 1:
            data = {"groups": groups[page : page + 1]}
            if page + 1 < self.pages_of_rules:
                data["groupNextToken"] = str(page + 1)
        return {"status": "success", "data": data}

    def _within(self, query: Mapping[str, str], scale: float, default: int) -> list[Any]:
        """Return the newest changes within the time asked for, as many as the limit allows."""
        first, last = float(query["from"]) / scale, float(query["to"]) / scale
        limit = min(int(query.get("limit", default)) or default, self.cap)
        found = [change for change in self.changes if first <= change[0] <= last]
        return sorted(found, key=lambda change: -change[0])[:limit]

    def _frame(self, query: Mapping[str, str]) -> dict[str, Any]:
        rows = self._within(query, 1, 1000)[::-1]
        lines = [
            {
                "schemaVersion": 1,
                "previous": previous,
                "current": current,
                "values": {},
                "condition": "B",
                "dashboardUID": "",
                "panelID": 0,
                "fingerprint": "",
                "ruleTitle": rule.name,
                "ruleID": 1,
                "ruleUID": rule.uid,
                "labels": {"alertname": rule.name, "grafana_folder": "Telemetry", **rule.labels, **labels},
            }
            for _, rule, previous, current, labels in rows
        ]
        fields = [
            {"name": "time", "type": "time", "typeInfo": {"frame": "time.Time"}},
            {"name": "line", "type": "other", "typeInfo": {"frame": "json.RawMessage"}},
            {"name": "labels", "type": "other", "typeInfo": {"frame": "json.RawMessage"}},
        ]
        streams = [{"from": "state-history", "orgID": "1", "group": "lag", "folderUID": "f"}] * len(rows)
        times = [round(row[0] * 1000) for row in rows]
        return {"schema": {"name": "states", "fields": fields}, "data": {"values": [times, lines, streams]}}

    def _annotations(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        return [
            {
                "id": number,
                "alertId": 1,
                "alertName": "",
                "newState": current,
                "prevState": previous,
                "time": round(at * 1000),
                "timeEnd": round(at * 1000),
                "text": f"{rule.name} {{{_text({'alertname': rule.name, **rule.labels, **labels})}}} - B=1.000000",
                "tags": [],
            }
            for number, (at, rule, previous, current, labels) in enumerate(self._within(query, 1000, 100), 1)
        ]


def _text(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in labels.items())
