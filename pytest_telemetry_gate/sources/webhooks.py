"""The event source ``webhooks``: what notifiers have sent to a webhook, kept on disk as it came.

- Alertmanager's webhook, version 4, and Grafana's, which has the same form:
  https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
- PagerDuty's webhooks V3: https://developer.pagerduty.com/docs/webhooks-overview

A file holds one payload (``*.json``) or one for each line (``*.jsonl``); a payload may stand in ``{"received": TIME, "payload":
{...}}``, which tells when it came.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.model.sources import EventSource, Source
from pytest_telemetry_gate.model.systems import System, Tested
from pytest_telemetry_gate.sources.episodes import Change, join_changes, unite_episodes
from pytest_telemetry_gate.sources.event_text import BROKEN, MAX_EVENTS, read_file, read_lines
from pytest_telemetry_gate.sources.prometheus_json import ODD_JSON
from pytest_telemetry_gate.sources.told_events import (
    Heartbeat,
    Span,
    ToldEpisode,
    doubt_outside,
    doubt_silence,
    read_episode,
    read_heartbeat,
    read_labels,
    read_span,
    read_time,
    require_kind,
    require_known,
)

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["Webhooks"]

_KEYS = ("path", "complete", "heartbeat")
_STATUSES = ("firing", "resolved")
_NEVER = "0001-01-01T00:00:00Z"  # Go's zero time: not over yet
_UNKNOWN = object()  # what is in a file of another name
_REMEDY = "notifications tell what fired, not that rules were evaluated: name what proves it: `alerts: {proof: PROMQL}`"
# https://developer.pagerduty.com/docs/webhooks-overview#event-types
_PAGERDUTY = {"incident.triggered": True, "incident.reopened": True, "incident.resolved": False}
_ESCALATED = "incident.escalated"
_KINDS = ("incident", "escalation")


class Webhooks(EventSource):
    """Reads the payloads in one folder; complete where the settings say so, or where a heartbeat came all the time."""

    system: ClassVar[System] = System(
        title="Webhook payloads on disk (Alertmanager, Grafana, PagerDuty)",
        tested=Tested.REAL,
        against="payloads that Debian's Alertmanager sent; Grafana's and PagerDuty's as their references show them",
        unproven="that every notification came, but by a heartbeat or by a statement; that rules other than the heartbeat's were evaluated",
    )

    def __init__(self, settings: RegionSettings) -> None:
        self._name, self._span, self._heartbeat = self.read_settings(settings)
        self._path = settings.resolve(self._name)
        self.description = f"webhook payloads in {self._name}"

    @classmethod
    def from_settings(cls, settings: RegionSettings, source: Source) -> Webhooks:
        """Read the settings; raises SourceError where they are wrong."""
        return cls(settings)

    @staticmethod
    def read_settings(
        settings: RegionSettings,
    ) -> tuple[str, Span | None, Heartbeat | None]:
        """Return the folder, from when to when it is complete, and its heartbeat.

        Raises SourceError at the line of a setting that cannot be used.
        """
        require_known(settings, _KEYS)
        path = settings.options.get("path")
        if not isinstance(path, str) or not path:
            raise settings.error(("path",), "needs `path`: the folder of the payloads")
        complete = settings.options.get("complete")
        try:
            span = None if complete is None else read_span(complete)
        except ValueError as error:
            raise settings.error(("complete",), str(error)) from None
        return path, span, read_heartbeat(settings)

    def events(self, kind: str, start: float, end: float) -> Events:
        """Return the alerts of Alertmanager and Grafana, or the incidents of PagerDuty, that touch the time in seconds.

        Raises SourceError with the file of what is no payload.
        """
        require_kind(self.description, kind, ("alerts", "incidents"))
        told = _Told(self._heartbeat)
        doubt = ""
        for where, value in self._payloads():
            if value is BROKEN or value is _UNKNOWN:
                why = "breaks off, as a payload does that is still being written"
                doubt = f"{where} {why if value is BROKEN else 'is neither *.json nor *.jsonl'}"
                continue
            try:
                told.add(value)
            except ODD_JSON as error:
                reason = (
                    str(error)
                    if isinstance(error, ValueError)
                    else "not a payload of a webhook that is known"
                )
                message = f"{where}: {reason}"
                raise SourceError(message) from None
        doubt = doubt or self._doubt(kind, told, start, end)
        return Events(
            start,
            end,
            complete=not doubt,
            episodes=unite_episodes(told.alerts if kind == "alerts" else told.incidents(), start, end),
            reason=doubt,
            kinds=() if kind == "alerts" else _KINDS,
            remedy=_REMEDY,
        )

    def _doubt(self, kind: str, told: _Told, start: float, end: float) -> str:
        if kind == "alerts" and told.truncated:
            return f"{told.truncated} leaves out alerts (truncatedAlerts): raise max_alerts of the webhook"
        stated = doubt_outside(self._name, [] if self._span is None else [self._span], start, end)
        if stated and kind != "alerts":
            return f"{stated}: set complete: {{from: TIME, to: TIME}}; a heartbeat is of alerts alone"
        if not stated or self._heartbeat is None:
            return stated and f"{stated}: set complete: {{from: TIME, to: TIME}}, or heartbeat"
        if told.undated:
            return (
                f"{told.undated} tells no time at which it was received, so that no heartbeat can be believed"
            )
        return doubt_silence(self._heartbeat, told.beats, start, end)

    def _payloads(self) -> Iterator[tuple[str, Any]]:
        """Yield where each payload is and the payload, in the order of the files' names."""
        if not self._path.is_dir():
            message = f"{self._name}: there is no such folder"
            raise SourceError(message)
        names = sorted(
            os.path.join(folder, name)  # noqa: PTH118 - a hundred thousand times
            for folder, _, files in os.walk(self._path)
            for name in files
            if not name.startswith(".")
        )
        if len(names) > MAX_EVENTS:
            message = f"{self._name}: more than {MAX_EVENTS:,} files, which is more than is read"
            raise SourceError(message)
        for path in map(Path, names):
            name = (Path(self._name) / path.relative_to(self._path)).as_posix()
            if path.suffix == ".jsonl":
                yield from ((f"{name}:{line}", value) for line, value in read_lines(path, name))
            else:
                yield name, read_file(path, name) if path.suffix == ".json" else _UNKNOWN


class _Told:
    """What payloads tell."""

    def __init__(self, heartbeat: Heartbeat | None) -> None:
        self.alerts: list[ToldEpisode] = []
        self.beats: list[float] = []
        self.truncated = ""
        self.undated = ""
        self._heartbeat = heartbeat
        self._changes: dict[str, list[Change]] = defaultdict(list)
        self._escalations: list[ToldEpisode] = []

    def add(self, value: Any) -> None:
        """Take one payload; raises one of ODD_JSON where it has an unexpected form."""
        received = None
        if "payload" in value:
            received = read_time(value["received"]) if "received" in value else None
            value = value["payload"]
        if "alerts" in value:
            self._add_alerts(value, received)
        elif "event" in value:
            self._add_pagerduty(value["event"])
        else:
            message = "not a payload of Alertmanager, Grafana or PagerDuty: it has neither alerts nor event"
            raise ValueError(message)

    def incidents(self) -> Iterator[ToldEpisode]:
        """Yield incidents and escalations."""
        for changes in self._changes.values():
            for number, one in enumerate(join_changes("incident", changes)):
                yield (one.labels["id"], number), one
        yield from self._escalations

    def _add_alerts(self, payload: Mapping[str, Any], received: float | None) -> None:
        if payload.get("truncatedAlerts"):
            self.truncated = f"notification of group {payload.get('groupKey', '')!r}"
        for alert in payload["alerts"]:
            labels = read_labels(alert["labels"])
            name = labels.pop("alertname", "")
            if alert["status"] not in _STATUSES:
                message = f"status {alert['status']!r} is not one of {', '.join(_STATUSES)}"
                raise ValueError(message)
            if self._heartbeat is not None and name == self._heartbeat.alertname:
                if received is None:
                    self.undated = f"notification of {name}"
                elif alert["status"] == "firing":
                    self.beats.append(received)
                continue
            ends = alert.get("endsAt")
            is_over = alert["status"] == "resolved" and ends and ends != _NEVER
            fields = {"kind": "alert", "name": name, "start": alert["startsAt"], "labels": labels}
            self.alerts.append(read_episode({**fields, "end": ends if is_over else None}))

    def _add_pagerduty(self, event: Mapping[str, Any]) -> None:
        kind, at, data = str(event["event_type"]), event["occurred_at"], event["data"]
        fields = {
            "name": data.get("title") or data["id"],
            "labels": {
                "service": (data.get("service") or {}).get("summary"),
                "urgency": data.get("urgency"),
                "id": data["id"],
            },
        }
        if kind == _ESCALATED:
            self._escalations.append(
                read_episode({**fields, "kind": "escalation", "start": at, "end": at, "id": event["id"]})
            )
        elif kind in _PAGERDUTY:
            _, episode = read_episode({**fields, "kind": "incident", "start": at})
            change = Change(data["id"], episode.start, _PAGERDUTY[kind], episode.name, episode.labels)
            self._changes[str(data["id"])].append(change)
