"""What PagerDuty's incidents and log entries say: episodes.

https://developer.pagerduty.com/api-reference/, the schemas ``Incident`` and ``LogEntry``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.events import Episode
from pytest_telemetry_gate.support.durations import parse_time
from pytest_telemetry_gate.support.personal import mask_personal

__all__ = ["ESCALATION", "EXCERPT", "RESOLUTION", "mapping_of", "read_entry", "read_incident"]

ESCALATION, RESOLUTION = "escalate_log_entry", "resolve_log_entry"
EXCERPT = 200  # characters of a title or of what the API says
_READ = 2_000  # characters of a title that are looked at


def read_incident(record: Mapping[str, Any]) -> Episode:
    """Return an incident as an episode: from its creation until it was resolved."""
    is_over = record.get("status") == "resolved"
    ended = record.get("resolved_at") or record.get("last_status_change_at") if is_over else None
    labels = {
        "id": _id_of(record),
        "service": str(mapping_of(record.get("service")).get("summary") or ""),
        "urgency": str(record.get("urgency") or ""),
        "status": str(record.get("status") or ""),
        "number": str(record.get("incident_number") or ""),
    }
    name = str(record.get("title") or record.get("summary") or labels["id"])
    return Episode(
        "incident",
        _excerpt(name),
        _time(record, "created_at"),
        None if ended is None else _moment(ended),
        _told(labels),
    )


def read_entry(record: Mapping[str, Any]) -> Episode:
    """Return a log entry as an episode: an escalation without length, or the incident that was resolved."""
    incident = mapping_of(record.get("incident"))
    if record.get("type") == RESOLUTION:
        return read_incident(incident)
    at = _time(record, "created_at")
    labels = {
        "id": _id_of(record),
        "incident": str(incident.get("id") or ""),
        "service": str(mapping_of(record.get("service") or incident.get("service")).get("summary") or ""),
    }
    name = str(incident.get("title") or incident.get("summary") or record.get("summary") or labels["id"])
    return Episode("escalation", _excerpt(name), at, at, _told(labels))


def _excerpt(text: str) -> str:
    """Return the beginning of a text that people wrote, without personal data."""
    return mask_personal(" ".join(text[:_READ].split()))[:EXCERPT]


def _id_of(record: Mapping[str, Any]) -> str:
    if not isinstance(record.get("id"), str) or not record["id"]:
        message = f"pagerduty: {record.get('type') or 'a record'} without an id"
        raise SourceError(message)
    return str(record["id"])


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
    """Return a part of a record, empty where it is none."""
    return value if isinstance(value, dict) else {}
