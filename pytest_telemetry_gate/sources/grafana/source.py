"""What an environment asks Grafana: one history of alerts, held against the rules as they are now."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.events import Episode, Events
from pytest_telemetry_gate.model.sources import EventSource, Source
from pytest_telemetry_gate.model.systems import System, Tested
from pytest_telemetry_gate.sources.alert_history import is_same_alert
from pytest_telemetry_gate.sources.episodes import join_changes, unite_episodes
from pytest_telemetry_gate.sources.event_api import EventApi
from pytest_telemetry_gate.sources.grafana.definitions import read_definitions
from pytest_telemetry_gate.sources.grafana.history import History, read_annotations, read_state_history
from pytest_telemetry_gate.sources.grafana.metrics import read_metrics
from pytest_telemetry_gate.sources.grafana.rules import GrafanaRule, blind_rules, firing_now, read_rules
from pytest_telemetry_gate.sources.grafana.states import blind_changes, find_gap, firing_changes
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.http.tokens import with_token
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.sources.told_events import Heartbeat, read_heartbeat, require_kind
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.text import name_region

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["Grafana"]

_HISTORIES = ("loki", "annotations", "metrics")
_LATE = 300.0  # seconds after which a change of a state must have come into the history
_REMEDY = (
    "Grafana keeps no history of evaluations; name what proves them, such as "
    "`alerts: {proof: 'min_over_time(sum(rate(grafana_alerting_rule_evaluations_total[5m]))[$__range:1m])'}`"
)
_NEEDS_LOKI = "the state history of all rules needs Loki: else set history: annotations or metrics"


@dataclass(frozen=True, slots=True)
class GrafanaSettings:
    """How Grafana is reached, which history is asked, and the alert that always fires, of ``history: metrics``."""

    http: HttpSettings
    history: str
    heartbeat: Heartbeat | None


class Grafana(EventSource):
    """Reads the alerts of Grafana-managed rules: state history, annotations, or the metric ``GRAFANA_ALERTS``."""

    system: ClassVar[System] = System(
        title="Grafana alerting",
        tested=Tested.FAKE,
        against="a server on loopback that answers as Grafana's source and API reference say",
        unproven="that rules were evaluated all the time (a `proof:` says so); that Loki or the annotations still have the whole "
        "time; rules in folders that the token may not see; rules that were deleted without ever changing their state",
    )

    def __init__(self, settings: RegionSettings, source: Source) -> None:
        own = self.read_settings(settings)
        if own.heartbeat is not None and not isinstance(source, Source):
            raise settings.error(
                ("history",), "history: metrics needs an environment whose own source answers PromQL"
            )
        self._history, self._heartbeat = own.history, own.heartbeat
        transport = Transport(own.http, settings.deadline, settings.secrets)
        self._api = EventApi(own.http.url, transport, name_region(settings.name))
        self._source = source
        self.description = f"grafana {own.http.url} ({self._history})"

    @classmethod
    def from_settings(cls, settings: RegionSettings, source: Source) -> Grafana:
        """Read the settings; raises SourceError where they are wrong."""
        return cls(settings, source)

    @staticmethod
    def read_settings(settings: RegionSettings) -> GrafanaSettings:
        """Return how Grafana is asked; raises SourceError at the line of a setting that cannot be used."""
        http = HttpSettings.from_settings(settings, ("token", "history", "heartbeat"))
        http = with_token(settings, http)
        http = replace(http, is_grafana=True)
        history = settings.options.get("history", _HISTORIES[0])
        if history not in _HISTORIES:
            raise settings.error(("history",), f"history: {history!r} is not one of {', '.join(_HISTORIES)}")
        heartbeat = read_heartbeat(settings)
        if (history == "metrics") != (heartbeat is not None):
            key = "heartbeat" if heartbeat else "history"
            raise settings.error(
                (key,),
                "history: metrics and heartbeat: {alertname: NAME, every: DURATION} go together: "
                "GRAFANA_ALERTS has samples of what is not normal alone, so a rule that always fires proves that they are written",
            )
        return GrafanaSettings(http, history, heartbeat)

    def events(self, kind: str, start: float, end: float) -> Events:
        """Return the alerts that touch the time from start to end, in seconds, with the rules that could not see all of it."""
        require_kind(self.description, kind, ("alerts",))
        rules = self._rules()
        if self._heartbeat is not None:
            firing, blind, doubt = read_metrics(self._source, rules, self._heartbeat, start, end)
            history = History((), doubt)
        else:
            # Up to now, since only what changed after `end` tells how it was at `end` without a change before.
            history = self._read_history(start, max(end, time.time()))
            firing = list(join_changes("alert", firing_changes(history.transitions)))
            blind = list(join_changes("alert", blind_changes(history.transitions)))
        doubt = history.doubt or find_gap(history.transitions) or self._api.skew
        if not rules:
            doubt = f"{self._api.url} shows no alerting rule to these credentials"
        known = _touching(firing, start, end)
        unseen = list(_unseen(firing_now(rules, end), known))
        lost = [one for one in unseen if start < one.start < end - _LATE]
        if lost and not doubt:
            doubt = f"the rules API has {lost[0].name} firing since {format_time(lost[0].start)}, the history does not"
        return Events(
            start,
            end,
            complete=not doubt,
            episodes=_touching([*known, *unseen], start, end),
            rules=blind_rules(
                rules, _touching(blind, start, end), history.transitions, self._doubts(start), end
            ),
            reason=doubt,
            remedy=_REMEDY,
        )

    def _rules(self) -> list[GrafanaRule]:
        """Return the rules without the one that always fires to show that others would."""
        always = self._heartbeat.alertname if self._heartbeat else None
        return [rule for rule in read_rules(self._api) if rule.name != always]

    def _doubts(self, start: float) -> dict[str, str]:
        """Return why rules may have been others after ``start``, or silent without a trace, by uid and name."""
        doubts = {}
        for key, definition in read_definitions(self._api).items():
            doubts[key] = ""
            if definition.updated > start:
                doubts[key] = f"it was added or changed at {format_time(definition.updated)}"
            elif definition.quiet and self._history != "loki":
                doubts[key] = (
                    f"nothing tells whether it had data, as with {definition.quiet} it is normal then: "
                    f"history: {self._history} does not have that, history: loki has"
                )
        return doubts

    def _read_history(self, start: float, end: float) -> History:
        if self._history == "annotations":
            return read_annotations(self._api, start, end)
        try:
            return read_state_history(self._api, start, end)
        except SourceError as error:
            # What Grafana says without Loki: "ruleUID is required", "does not support querying", or 404.
            needs_loki = any(words in str(error) for words in ("ruleUID", "support querying", "HTTP 404"))
            raise type(error)(f"{error}; {_NEEDS_LOKI}" if needs_loki else str(error)) from None


def _unseen(firing: Iterable[Episode], known: Iterable[Episode]) -> Iterator[Episode]:
    """Yield the alerts that fire now without being among those that have no end yet."""
    still_there: dict[str, list[Episode]] = defaultdict(list)
    for episode in known:
        if episode.end is None:
            still_there[episode.name].append(episode)
    for episode in firing:
        if not any(is_same_alert(episode, other) for other in still_there[episode.name]):
            yield episode


def _touching(episodes: Iterable[Episode], start: float, end: float) -> tuple[Episode, ...]:
    return unite_episodes(enumerate(episodes), start, end)
