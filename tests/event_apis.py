"""Opsgenie's list of alerts and Statuspage's list of incidents on loopback, as their API references show them.

https://docs.opsgenie.com/docs/alert-api#list-alerts and https://developer.statuspage.io/#operation/getPagesPageIdIncidents
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from pytest_telemetry_gate.support.durations import format_time

if TYPE_CHECKING:
    from websites import Answer, Asked

JSON = {"Content-Type": "application/json"}
KEY = "kanari-opsgenie-key"
TOKEN = "kanari-statuspage-token"


def opsgenie_alert(number: int, created: float, closed: float | None = None, **more: Any) -> dict[str, Any]:
    """Return one alert as the list has it; a closed one was updated last when it was closed."""
    return {
        "id": f"70413a06-38d6-4c85-92b8-{number:012}",
        "tinyId": str(number),
        "alias": f"alias-{number}",
        "message": "Queue is full",
        "status": "open" if closed is None else "closed",
        "acknowledged": False,
        "isSeen": True,
        "tags": ["telemetry"],
        "snoozed": False,
        "count": 1,
        "lastOccurredAt": format_time(created),
        "createdAt": format_time(created),
        "updatedAt": format_time(created if closed is None else closed),
        "source": "prometheus",
        "owner": "",
        "priority": "P1",
        "responders": [{"type": "team", "id": "4513b7ea"}],
        "integration": {"id": "4513b7ea", "name": "Prometheus", "type": "API"},
        "ownerTeamId": "1",
        **more,
    }


def statuspage_incident(
    number: int, created: float, resolved: float | None = None, **more: Any
) -> dict[str, Any]:
    """Return one incident as the list has it."""
    return {
        "id": f"p31zjtct{number}",
        "name": "Data is late",
        "status": "investigating" if resolved is None else "resolved",
        "impact": "major",
        "created_at": format_time(created),
        "started_at": format_time(created),
        "updated_at": format_time(created),
        "monitoring_at": None,
        "resolved_at": None if resolved is None else format_time(resolved),
        "shortlink": "http://stspg.io/abc",
        "page_id": "kctbh9vrtdwd",
        "incident_updates": [],
        "components": [],
        **more,
    }


@dataclass
class Opsgenie:
    """Answers pages of ``limit`` alerts from ``offset`` on, each with the address of the next one."""

    alerts: Sequence[Mapping[str, Any]]
    url: str = ""
    most: int = 20_000  # offset + limit, as the reference says
    repeated: int = 0  # alerts that a page repeats from the one before
    asked: list[dict[str, str]] = field(default_factory=list)

    def answer(self, asked: Asked) -> Answer:
        parts = urlsplit(asked.path)
        query = dict(parse_qsl(parts.query))
        self.asked.append(query)
        if asked.headers.get("Authorization") != f"GenieKey {KEY}":
            message = {"message": "Key format is not valid!", "took": 0.0, "requestId": "1"}
            return 401, JSON, json.dumps(message).encode()
        offset, limit = int(query.get("offset", 0)), min(int(query.get("limit", 20)), 100)
        if offset + limit > self.most:
            message = {"message": "offset + limit must be lower than 20000", "took": 0.0, "requestId": "1"}
            return 422, JSON, json.dumps(message).encode()
        page = self.alerts[max(0, offset - self.repeated) : offset + limit]
        paging = {"first": f"{self.url}{parts.path}?{urlencode({**query, 'offset': 0})}"}
        if offset + limit < len(self.alerts):
            following = {**query, "offset": offset + limit, "limit": limit}
            paging["next"] = f"{self.url}{parts.path}?{urlencode(following)}"
        content = {"data": page, "paging": paging, "took": 0.1, "requestId": "1"}
        return 200, JSON, json.dumps(content).encode()


@dataclass
class Statuspage:
    """Answers numbered pages of ``limit`` incidents, a list without anything around it."""

    incidents: Sequence[Mapping[str, Any]]

    def answer(self, asked: Asked) -> Answer:
        query = dict(parse_qsl(urlsplit(asked.path).query))
        if asked.headers.get("Authorization") != f"OAuth {TOKEN}":
            return 401, JSON, b'{"error": "Could not authenticate"}'
        page, limit = int(query.get("page", 1)), min(int(query.get("limit", 100)), 100)
        return 200, JSON, json.dumps(self.incidents[(page - 1) * limit : page * limit]).encode()
