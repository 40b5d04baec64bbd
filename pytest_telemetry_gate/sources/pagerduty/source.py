"""The event source ``pagerduty``: incidents and escalations."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.model.sources import EventSource
from pytest_telemetry_gate.model.systems import System, Tested
from pytest_telemetry_gate.sources.episodes import unite_episodes
from pytest_telemetry_gate.sources.own_keys import (
    load_extra,
    read_seconds,
    read_text,
    read_texts,
    refuse_unknown,
)
from pytest_telemetry_gate.sources.pagerduty.records import read_escalation, read_incident
from pytest_telemetry_gate.sources.pagerduty.session import PagerDutySettings, Session
from pytest_telemetry_gate.support.text import name_region

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["PagerDuty"]

_KEYS = ("token", "services", "teams", "urgencies", "url", "ca_file", "timeout")
_URL = "https://api.pagerduty.com"
_URGENCIES = ("high", "low")
_KINDS = ("escalation", "incident")
_TIMEOUT = 30.0  # seconds for one request


class PagerDuty(EventSource):
    """Reads the incidents of an account, or of some of its services or teams, and their escalations."""

    system: ClassVar[System] = System(
        title="PagerDuty",
        tested=Tested.FAKE,
        against="a server on loopback, over TLS, that answers as the published API schema says, by PagerDuty's own client",
        unproven="that a service was watched at all: no incident is what a broken integration looks like, too; incidents "
        "that were deleted, or that the token may not see",
        extra="pagerduty",
    )

    def __init__(self, settings: RegionSettings) -> None:
        own = self.read_settings(settings)
        self._own = own
        self._where = name_region(settings.name)
        self._deadline = settings.deadline
        self.description = f"pagerduty {own.url}"

    @classmethod
    def from_settings(cls, settings: RegionSettings, source: object) -> PagerDuty:
        """Read the settings; raises SourceError where they are wrong or the client is not installed."""
        load_extra("pagerduty", "pagerduty")
        return cls(settings)

    @staticmethod
    def read_settings(settings: RegionSettings) -> PagerDutySettings:
        """Return what is asked of whom; raises SourceError at the line of a setting that cannot be used."""
        refuse_unknown(settings, _KEYS)
        url = read_text(settings, "url", default=_URL).rstrip("/")
        if urlsplit(url).scheme != "https":
            raise settings.error(
                ("url",), f"url: {url!r} is no https address, such as https://api.eu.pagerduty.com"
            )
        urgencies = read_texts(settings, "urgencies")
        wrong = next((urgency for urgency in urgencies if urgency not in _URGENCIES), None)
        if wrong is not None:
            raise settings.error(
                ("urgencies",), f"urgencies: {wrong!r} is not one of {', '.join(_URGENCIES)}"
            )
        ca_file = read_text(settings, "ca_file", default="")
        return PagerDutySettings(
            url,
            read_text(settings, "token", secret=True),
            read_texts(settings, "services"),
            read_texts(settings, "teams"),
            urgencies,
            str(settings.resolve(ca_file)) if ca_file else "",
            read_seconds(settings, "timeout", _TIMEOUT),
        )

    def events(self, kind: str, start: float, end: float) -> Events:
        """Return the incidents and escalations that touch the time from start to end, in seconds."""
        if kind != "incidents":
            message = f"{self._where}{self.description} has no {kind}: it knows incidents"
            raise SourceError(message)
        with Session(self._own, self._deadline, self._where) as session:
            incidents = list(session.incidents(start, end))
            escalations = list(session.escalations(start, end))
        told = [(episode.labels["id"], episode) for episode in map(read_incident, incidents)]
        told += [(episode.labels["id"], episode) for episode in map(read_escalation, escalations)]
        reason = session.doubt
        return Events(
            start,
            end,
            complete=not reason,
            episodes=unite_episodes(told, start, end),
            reason=reason,
            kinds=_KINDS,
        )
