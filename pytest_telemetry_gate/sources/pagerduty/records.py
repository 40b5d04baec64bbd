"""What PagerDuty's incidents and log entries say: episodes.

https://developer.pagerduty.com/api-reference/, the schemas ``Incident`` and ``LogEntry``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.events import Episode
from pytest_telemetry_gate.support.durations import parse_time

__all__ = ["ESCALATION", "EXCERPT", "mapping_of", "read_escalation", "read_incident"]

ESCALATION = "escalate_log_entry"
EXCERPT = 200  # characters of a title or of what the API says


def read_incident(record: Mapping[str, Any]) -> Episode:
    """Return an incident as an episode: from its creation until it was resolved."""
    is_over = record.get("status") == "resolved"
    ended = record.get("resolved_at") or record.get("last_status_change_at") if is_over else None
    labels = {
        "id": str(record.get("id", "")),
        "service": str(mapping_of(record.get("service")).get("summary") or ""),
        "urgency": str(record.get("urgency") or ""),
        "status": str(record.get("status") or ""),
        "number": str(record.get("incident_number") or ""),
    }
    name = str(record.get("title") or record.get("summary") or labels["id"])
    return Episode(
        "incident",
        name[:EXCERPT],
        _time(record, "created_at"),
        None if ended is None else _moment(ended),
        _told(labels),
    )


def read_escalation(record: Mapping[str, Any]) -> Episode:
    """Return an escalation as an episode without length."""
    incident = mapping_of(record.get("incident"))
    at = _time(record, "created_at")
    labels = {
        "id": str(record.get("id", "")),
        "incident": str(incident.get("id") or ""),
        "service": str(mapping_of(record.get("service") or incident.get("service")).get("summary") or ""),
    }
    name = str(incident.get("title") or incident.get("summary") or record.get("summary") or labels["id"])
    return Episode("escalation", name[:EXCERPT], at, at, _told(labels))


def _told(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in labels.items() if text}


def _time(record: Mapping[str, Any], key: str) -> float:
    return _moment(record.get(key))


def _moment(text: object) -> float:
    try:
        return parse_time(str(text))
    except ValueError:
        message = f"pagerduty: {str(text)[:40]!r} is no time"
        raise SourceError(message) from None


def mapping_of(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
