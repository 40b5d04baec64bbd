"""The event source ``pagerduty``: incidents and escalations."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.model.sources import EventSource
from pytest_telemetry_gate.model.systems import System, Tested
from pytest_telemetry_gate.sources.episodes import unite_episodes
from pytest_telemetry_gate.sources.http.addresses import parameters_of
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.http.tokens import with_token
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.sources.own_keys import load_extra, read_texts
from pytest_telemetry_gate.sources.pagerduty.records import read_entry, read_incident
from pytest_telemetry_gate.sources.pagerduty.session import PagerDutySettings, Session
from pytest_telemetry_gate.support.text import name_region

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["PagerDuty"]

_KEYS = ("token", "services", "teams", "urgencies")
_URL = "https://api.pagerduty.com"
_URGENCIES = ("high", "low")
_KINDS = ("escalation", "incident")
_VERSION = {"Accept": "application/vnd.pagerduty+json;version=2"}


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
        self._transport = Transport(own.http, settings.deadline, settings.secrets)
        self.description = f"pagerduty {own.http.url}"

    @classmethod
    def from_settings(cls, settings: RegionSettings, source: object) -> PagerDuty:
        """Read the settings; raises SourceError where they are wrong or the client is not installed."""
        load_extra("pagerduty", "pagerduty")
        return cls(settings)

    @staticmethod
    def read_settings(settings: RegionSettings) -> PagerDutySettings:
        """Return what is asked of whom; raises SourceError at the line of a setting that cannot be used."""
        placed = replace(settings, options={"url": _URL, **settings.options})
        http = HttpSettings.from_settings(placed, _KEYS)
        if not http.url.startswith("https://"):
            raise settings.error(
                ("url",), f"url: no https address, such as {_URL} or https://api.eu.pagerduty.com"
            )
        if http.basic_auth:
            raise settings.error(
                ("basic_auth",), "PagerDuty takes no basic_auth: set token, or authorization for OAuth"
            )
        http = with_token(settings, http, "Token token=")
        if not http.authorization:
            raise settings.error(("token",), "source pagerduty needs `token`, or `authorization` for OAuth")
        params = {**http.params, **dict(parameters_of(http.query))}
        http = replace(http, query="", params=params, headers={**http.headers, **_VERSION})
        urgencies = read_texts(settings, "urgencies")
        wrong = next((urgency for urgency in urgencies if urgency not in _URGENCIES), None)
        if wrong is not None:
            raise settings.error(
                ("urgencies",), f"urgencies: {wrong!r} is not one of {', '.join(_URGENCIES)}"
            )
        return PagerDutySettings(
            http, read_texts(settings, "services"), read_texts(settings, "teams"), urgencies
        )

    def events(self, kind: str, start: float, end: float) -> Events:
        """Return the incidents and escalations that touch the time from start to end, in seconds."""
        if kind != "incidents":
            message = f"{self._where}{self.description} has no {kind}: it knows incidents"
            raise SourceError(message)
        with Session(self._own, self._transport, self._where) as session:
            read = [*map(read_incident, session.incidents(start, end))]
            read += map(read_entry, session.entries(start, end))
        told = [((episode.kind, episode.labels["id"]), episode) for episode in read]
        reason = session.doubt
        return Events(
            start,
            end,
            complete=not reason,
            episodes=unite_episodes(told, start, end),
            reason=reason,
            kinds=_KINDS,
        )
