"""The event source ``alertmanager``: the alerts of ``prometheus``, those that fire right now, and silences.

Alertmanager forgets an alert when it is resolved, so by itself it proves nothing about the past. The history comes from
the metric source's ``ALERTS``. API v2: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.events import Episode, Events, Match, Silence
from pytest_telemetry_gate.model.sources import RuleExaminer, Source
from pytest_telemetry_gate.model.systems import System, Tested
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.sources.prometheus_alerts import PrometheusAlerts
from pytest_telemetry_gate.sources.prometheus_json import ODD_JSON
from pytest_telemetry_gate.support.durations import parse_time
from pytest_telemetry_gate.support.text import name_region

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["Alertmanager"]

_EVERY_STATE = {"active": "true", "silenced": "true", "inhibited": "true", "unprocessed": "true"}


class Alertmanager(RuleExaminer):
    """Asks one Alertmanager beside the region's own server."""

    system: ClassVar[System] = System(
        title="Alertmanager",
        tested=Tested.REAL,
        against="Debian's Alertmanager, with alerts that really fire and are resolved",
        unproven="the past, of which it keeps nothing: that comes from the region's Prometheus",
    )

    def __init__(self, settings: RegionSettings, history: PrometheusAlerts) -> None:
        http = self.read_settings(settings)
        self._where = name_region(settings.name)
        self._url = http.url
        self._transport = Transport(http, settings.deadline, settings.secrets)
        self._history = history
        self.description = f"alertmanager {http.url} and {history.description}"

    @classmethod
    def from_settings(cls, settings: RegionSettings, source: Source) -> Alertmanager:
        """Read the settings; raises SourceError where they are wrong or the region's metrics are not live."""
        return cls(settings, PrometheusAlerts.from_settings(settings, source))

    @staticmethod
    def read_settings(settings: RegionSettings) -> HttpSettings:
        """Return how the server is reached; raises SourceError at the line of a setting that cannot be used."""
        return HttpSettings.from_settings(settings)

    def events(self, kind: str, start: float, end: float) -> Events:
        """Return the alerts and silences that touch the time from start to end."""
        return self.examined_events(kind, start, end, ())

    def examined_events(self, kind: str, start: float, end: float, matches: Sequence[Match]) -> Events:
        """Return ``events()``, with the rules examined that could raise an alert of one of the matches."""
        if kind != "alerts":
            return self._history.events(kind, start, end)
        alerts, silences = self._get("/api/v2/alerts", _EVERY_STATE), self._get("/api/v2/silences")
        try:
            firing = [_episode(alert) for alert in alerts]
            muted = [
                silence
                for silence in map(_silence, silences)
                if silence.start <= end and silence.end >= start
            ]
        except ODD_JSON:
            message = f"{self._where}{self._url}: response is JSON, but not of Alertmanager's API"
            raise SourceError(message) from None
        return self._history.events_with(kind, start, end, matches, others=firing, silences=muted)

    def _get(self, path: str, fields: Mapping[str, str] | None = None) -> Any:
        try:
            return self._transport.json(f"{self._url}{path}", fields)
        except SourceError as error:
            raise type(error)(f"{self._where}{error}") from None


def _episode(alert: Mapping[str, Any]) -> Episode:
    labels = {str(key): str(value) for key, value in alert["labels"].items()}
    # Its endsAt is only the time at which Alertmanager would forget it.
    return Episode("alert", labels.pop("alertname", ""), parse_time(alert["startsAt"]), None, labels)


def _silence(silence: Mapping[str, Any]) -> Silence:
    return Silence(
        start=parse_time(silence["startsAt"]),
        end=parse_time(silence["endsAt"]),
        matchers=tuple(_matchers(silence["matchers"])),
        author=str(silence.get("createdBy", "")),
        comment=str(silence.get("comment", "")),
    )


def _matchers(matchers: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str, str]]:
    for matcher in matchers:
        equal = matcher.get("isEqual", True)
        op = ("=~" if equal else "!~") if matcher["isRegex"] else ("=" if equal else "!=")
        yield str(matcher["name"]), op, str(matcher["value"])
