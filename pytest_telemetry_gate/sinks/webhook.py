"""A webhook: the report as JSON, or what it says in a few words."""

from __future__ import annotations

from typing import Any

from pytest_telemetry_gate.model.environment import RegionSettings
from pytest_telemetry_gate.sinks.outgoing import Outgoing
from pytest_telemetry_gate.sinks.server import Server, read_http
from pytest_telemetry_gate.support.secrets import scrub_texts

__all__ = ["Webhook", "summarize_report"]

_OWN = ("send", "link")


class Webhook:
    """Posts to a server; raises SourceError for settings that cannot be used."""

    def __init__(self, settings: RegionSettings) -> None:
        self._http = read_http(settings, _OWN)
        self._whole = settings.options.get("send", "report") == "report"
        self._link = str(settings.options.get("link") or "")

    def deliver(self, outgoing: Outgoing) -> None:
        """Post it; raises SinkError."""
        server = Server(self._http)
        body = outgoing.wire if self._whole else summarize_report(outgoing, outgoing.fill(self._link))
        server.require_success(server.send("POST", body=body))


def summarize_report(outgoing: Outgoing, link: str = "") -> dict[str, Any]:
    """Return what a report says in a few words as builtins; the keys are documented and stay."""
    content, answer = outgoing.report.content, outgoing.answer
    summary = {
        "format": 1,
        "title": outgoing.title,
        "answer": str(answer.word),
        "sentence": answer.sentence,
        "outcome": str(content.gate.outcome),
        "opens": content.gate.opens,
        "reason": content.gate.reason,
        "counts": dict(content.gate.counts),
        "signed": answer.signed,
        "digest": outgoing.report.digest,
        "link": link,
        "figures": [{"label": one.label, "value": one.value, "note": one.note} for one in outgoing.figures],
        "faults": [
            {
                "suite": fault.suite,
                "criteria": list(fault.criteria),
                "title": fault.title,
                "outcome": str(fault.outcome),
                "found": fault.found,
                "regions": list(fault.regions),
                "since": fault.since,
            }
            for fault in outgoing.faults.faults
        ],
    }
    scrubbed: dict[str, Any] = scrub_texts(summary, outgoing.scrub)
    return scrubbed
