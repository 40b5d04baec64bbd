"""Slack: the announcement of a report as a message of an incoming webhook.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_telemetry_gate.errors import SinkError
from pytest_telemetry_gate.model.environment import RegionSettings
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.overview.faults import Fault
from pytest_telemetry_gate.sinks.outgoing import Outgoing
from pytest_telemetry_gate.sinks.server import Server, read_http
from pytest_telemetry_gate.support.text import clip, one_line

__all__ = ["Slack", "write_message"]

_OWN = ("webhook", "link")
_FAULTS = 5  # that are named
_HEADER = 150  # characters, Slack's limits
_FIELD = 2_000
_SECTION = 3_000
_FIELDS = 10
_MARKS = {
    Outcome.PASS: "✅",
    Outcome.WARN: "⚠️",
    Outcome.WAIVED: "✅",
    Outcome.PENDING: "⏳",
    Outcome.INCONCLUSIVE: "❔",
    Outcome.FAIL: "❌",
    Outcome.ERROR: "❌",
}


class Slack:
    """Tells a channel; raises SourceError for settings that cannot be used."""

    def __init__(self, settings: RegionSettings) -> None:
        self._http = read_http(settings, _OWN, url=settings.options["webhook"])
        self._link = str(settings.options.get("link") or "")

    def deliver(self, outgoing: Outgoing) -> None:
        """Send the message; raises SinkError."""
        server = Server(self._http)
        message = write_message(outgoing, outgoing.fill(self._link))
        reply = server.require_success(server.send("POST", body=message))
        if reply.content.strip() not in {b"ok", b""}:
            said = one_line(reply.content[:200].decode(errors="replace"))
            raise SinkError(f"{server.host}: answers {said!r}, not 'ok'")


def write_message(outgoing: Outgoing, link: str = "") -> dict[str, Any]:
    """Return the message: the answer and what was judged, the key figures, what stands in the way, where to read on."""
    answer = outgoing.answer
    headline = f"{_MARKS[answer.outcome]} {answer.word}: {outgoing.title}"
    sections = list(_sections(outgoing, link))
    return {
        "text": _escape(outgoing.scrub(f"{headline}. {answer.sentence}"), _SECTION),
        "blocks": [
            {
                "type": "header",
                "text": {
                    "type": "plain_text",
                    "text": clip(one_line(outgoing.scrub(headline)), _HEADER, "…"),
                },
            },
            *sections,
        ],
        # Whatever texts from outside say, nobody is called and no address is unfolded.
        "link_names": False,
        "parse": "none",
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _sections(outgoing: Outgoing, link: str) -> Iterator[dict[str, Any]]:
    scrub, answer = outgoing.scrub, outgoing.answer
    yield _section(_escape(scrub(answer.sentence), _SECTION))
    figures = [
        _text(
            f"*{_escape(one.label, 100)}*\n{_escape(scrub(' · '.join(filter(None, (one.value, one.note)))), _FIELD // 2)}"
        )
        for one in outgoing.figures[:_FIELDS]
    ]
    if figures:
        yield {"type": "section", "fields": figures}
    faults = outgoing.faults.faults
    if faults:
        lines = [_escape(scrub(_say_fault(fault)), 500) for fault in faults[:_FAULTS]]
        if len(faults) > _FAULTS:
            lines.append(f"and {len(faults) - _FAULTS} more")
        yield _section("\n".join(f"• {line}" for line in lines))
    if link:
        yield _section(f"<{_escape(link, _FIELD)}|Read the report>")
    digest = outgoing.report.digest.removeprefix("sha256:")[:12]
    rest = " · ".join(filter(None, (answer.signed, f"SHA-256 {digest}")))
    yield {"type": "context", "elements": [_text(_escape(rest, _FIELD))]}


def _say_fault(fault: Fault) -> str:
    where = f" in {', '.join(fault.regions)}" if fault.regions else ""
    since = f", {fault.since}" if fault.since else ""
    return f"{fault.title}{where}: {fault.outcome}, {fault.found}{since}"


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _text(text)}


def _text(text: str) -> dict[str, Any]:
    # Verbatim: nothing in it becomes a link, a channel or a person.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _escape(text: str, length: int) -> str:
    """Return a text on one line in which nothing is a command of Slack's: its three characters, and code marks."""
    cut = clip(one_line(text), length, "…")
    return cut.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
