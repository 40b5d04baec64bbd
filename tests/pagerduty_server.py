"""A PagerDuty account on loopback, over TLS: incidents and log entries as the REST API v2's published schema has them.

https://developer.pagerduty.com/api-reference/, ``GET /incidents`` and ``GET /log_entries``: parameters, pages of at most 100
records with ``limit``, ``offset``, ``more`` and, where it is asked for, ``total``; windows of six months; errors.
"""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trustme
import websites

from pytest_telemetry_gate.support.durations import format_time, parse_time

TOKEN = "kanari-pagerduty-token"
AUTHORIZATION = f"Token token={TOKEN}"
MOST = 10_000  # the largest sum of offset and limit


@dataclass
class PagerDuty:
    """``spoil`` may change an answer, or replace it by a status and a body; ``ahead`` is how wrong its clock is, in seconds."""

    incidents: list[dict[str, Any]] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    spoil: Callable[[str, dict[str, Any], dict[str, Any]], Any] = lambda path, query, body: body
    ahead: float = 0.0
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)

    def incident(
        self,
        at: float,
        end: float | None = None,
        *,
        service: str = "PARSER1",
        urgency: str = "high",
        **more: Any,
    ) -> dict[str, Any]:
        """Add an incident that was created at a moment and, if it ended, resolved at another."""
        number = len(self.incidents) + 1
        record = {
            "id": f"Q{number:05}",
            "type": "incident",
            "incident_number": number,
            "title": f"parser is slow ({number})",
            "created_at": format_time(at),
            "status": "triggered" if end is None else "resolved",
            "resolved_at": None if end is None else format_time(end),
            "last_status_change_at": format_time(at if end is None else end),
            "urgency": urgency,
            "service": {"id": service, "type": "service_reference", "summary": f"service {service}"},
            **more,
        }
        self.incidents.append(record)
        if end is not None:
            self.entry(end, record, kind="resolve_log_entry")
        return record

    def entry(
        self, at: float, incident: Mapping[str, Any], kind: str = "escalate_log_entry"
    ) -> dict[str, Any]:
        """Add a log entry of an incident."""
        record = {
            "id": f"R{len(self.entries) + 1:05}",
            "type": kind,
            "created_at": format_time(at),
            "summary": "Escalated by timeout",
            "channel": {"type": "timeout"},
            "incident": dict(incident),
            "service": incident["service"],
        }
        self.entries.append(record)
        return record

    def answer(self, asked: websites.Asked) -> websites.Answer:
        parts = urlsplit(asked.path)
        query = parse_qs(parts.query)
        self.asked.append((parts.path, query))
        headers = {"Content-Type": "application/json"}
        if asked.headers.get("Authorization") != AUTHORIZATION:
            return 401, headers, b'{"error": {"message": "Unauthorized", "code": 2006}}'
        name = parts.path.strip("/")
        records = {"incidents": self.incidents, "log_entries": self.entries}.get(name)
        if records is None:
            return 404, headers, b'{"error": {"message": "Not Found", "code": 2100}}'
        chosen = [record for record in reversed(records) if _is_asked_for(record, query)]
        limit, offset = int(query.get("limit", ["25"])[0]), int(query.get("offset", ["0"])[0])
        if offset + limit > MOST:
            told = {
                "message": "Invalid Input Provided",
                "code": 2001,
                "errors": ["Offset + limit must not exceed 10000."],
            }
            return 400, headers, json.dumps({"error": told}).encode()
        body: dict[str, Any] = {
            name: chosen[offset : offset + limit],
            "limit": limit,
            "offset": offset,
            "more": offset + limit < len(chosen),
            "total": len(chosen) if query.get("total") == ["true"] else None,
        }
        body = self.spoil(name, query, body)
        date = {"Date": formatdate(now() + self.ahead, usegmt=True)} if self.ahead else {}
        if isinstance(body, tuple):
            status, content, *more = body
            return status, {**headers, **date, **(more[0] if more else {})}, content
        return 200, {**headers, **date}, json.dumps(body).encode()


def now() -> float:
    import time

    return time.time()


def _is_asked_for(record: Mapping[str, Any], query: Mapping[str, list[str]]) -> bool:
    at = parse_time(record["created_at"])
    if query.get("date_range") != ["all"]:
        since, until = (parse_time(query[name][0]) for name in ("since", "until"))
        if not since <= at < until:
            return False
    wanted = {"status": "statuses[]", "urgency": "urgencies[]"}
    if any(name in query and record.get(key) not in query[name] for key, name in wanted.items()):
        return False
    return "service_ids[]" not in query or record["service"]["id"] in query["service_ids[]"]


@contextlib.contextmanager
def serving(account: PagerDuty, folder: Path) -> Iterator[str]:
    """Serve an account; yields its address, and leaves its authority's certificate as ``ca.pem`` in the folder."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with websites.serving(account.answer, tls=context) as site:
        yield site.url
