"""The event source ``prometheus``: alerts as the metric source's own server evaluates them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_telemetry_gate.model.events import Episode, Events, Match, Rule, Silence
from pytest_telemetry_gate.model.rule_labels import labels_asked
from pytest_telemetry_gate.model.sources import RuleExaminer, Source
from pytest_telemetry_gate.model.systems import System, Tested
from pytest_telemetry_gate.sources.alert_history import alert_events, is_same_alert
from pytest_telemetry_gate.sources.prometheus import PrometheusSource
from pytest_telemetry_gate.sources.prometheus_json import ODD_JSON
from pytest_telemetry_gate.support.durations import format_time, parse_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["PrometheusAlerts"]

_RECENT = 600.0  # seconds: what the rules API says of now holds of a time that ended no longer ago
_LATE = 300.0  # seconds after which an alert that fires must have come into ALERTS


class PrometheusAlerts(RuleExaminer):
    """Reads alerts from the server's rules API and its ``ALERTS`` series."""

    system: ClassVar[System] = System(
        title="Prometheus",
        tested=Tested.REAL,
        against="Debian's Prometheus, with rules that really fire",
        unproven="alerts of rules that were removed with their file; notifications",
    )

    def __init__(self, source: PrometheusSource) -> None:
        self._source = source
        self.description = source.description

    @staticmethod
    def read_settings(settings: RegionSettings) -> None:
        """Raise SourceError for any key: it is the region's own source and has no settings itself."""
        settings.refuse_keys("the region's own and has no further keys")

    @classmethod
    def from_settings(cls, settings: RegionSettings, source: Source) -> PrometheusAlerts:
        """Take the region's own server; raises SourceError where the region's metrics are not live."""
        if not isinstance(source, PrometheusSource):
            raise settings.error((), f"event source prometheus: the metrics come from {source.description}")
        return cls(source)

    def events(self, kind: str, start: float, end: float) -> Events:
        """Return the alerts that touch the time from start to end, with the rules that the server has loaded."""
        return self.examined_events(kind, start, end, ())

    def examined_events(self, kind: str, start: float, end: float, matches: Sequence[Match]) -> Events:
        """Return ``events()``, with the rules examined that could raise an alert of one of the matches."""
        return self.events_with(kind, start, end, matches)

    def events_with(
        self,
        kind: str,
        start: float,
        end: float,
        matches: Sequence[Match],
        *,
        others: Iterable[Episode] | None = None,
        silences: Sequence[Silence] = (),
    ) -> Events:
        """Return ``examined_events()`` with the episodes and silences of an Alertmanager.

        An alert of it with other external labels than this server's comes from another one and is left out. Raises
        SourceError for other kinds.
        """
        if kind != "alerts":
            message = f"{self.description} has no {kind}: set events.{kind} in telemetry.yaml"
            raise self._source.error(message)
        try:
            groups, doubts = self._source.rules()
            rules = tuple(_rules(groups, is_recent=time.time() - end < _RECENT))
            firing = [episode for episode in _firing(groups) if episode.start <= end]
        except ODD_JSON:
            message = f"{self.description}: response of the rules API is not Prometheus'"
            raise self._source.error(message) from None
        external: Mapping[str, str] = {}
        if others is not None or _asks_further(rules, matches):
            external = self._source.external_labels()
        ours = [episode for episode in others or () if _may_be_from(external, episode)]
        is_whole = self._source.accept_warnings or not doubts
        other = Events(
            start,
            end,
            complete=is_whole,
            episodes=tuple(ours),
            rules=rules,
            silences=tuple(silences),
            reason="" if is_whole else f"the rules may be partial: {'; '.join(doubts)}",
            external_labels=external,
        )
        events = alert_events(
            self._source,
            other,
            start,
            end,
            matches=matches,
            accept_warnings=self._source.accept_warnings,
        )
        return _with_firing(events, firing, end)


def _rules(groups: Sequence[Any], *, is_recent: bool) -> Iterable[Rule]:
    for group in groups:
        for rule in group["rules"]:
            if rule.get("type") == "alerting":
                yield Rule(
                    alert=str(rule["name"]),
                    group=f"{group['file']};{group['name']}",
                    interval=float(group["interval"]),
                    labels={str(key): str(value) for key, value in (rule.get("labels") or {}).items()},
                    expr=str(rule.get("query", "")),
                    trouble=_trouble(group, rule, is_recent=is_recent),
                )


def _trouble(group: Mapping[str, Any], rule: Mapping[str, Any], *, is_recent: bool) -> str:
    """Return what the server says against a rule.

    A rule that was never evaluated was added after the last evaluation of its group. Where the whole group was never
    evaluated the server has just started, which says nothing about a time that is long over.
    """
    health = rule.get("health")
    if health == "err":
        return f"its last evaluation failed: {rule.get('lastError') or 'health err'}"
    if health == "unknown" and (is_recent or _was_evaluated(group)):
        return "it has not been evaluated yet (health unknown)"
    return ""


def _was_evaluated(group: Mapping[str, Any]) -> bool:
    last = str(group.get("lastEvaluation") or "")
    return bool(last) and not last.startswith("0001-")


def _firing(groups: Sequence[Any]) -> Iterable[Episode]:
    """Yield the alerts that fire now, from when on: they were pending before for as long as the rule wants."""
    for group in groups:
        for rule in group["rules"]:
            for alert in rule.get("alerts") or () if rule.get("type") == "alerting" else ():
                if alert["state"] == "firing":
                    labels = {str(key): str(value) for key, value in alert["labels"].items()}
                    begin = parse_time(alert["activeAt"]) + float(rule.get("duration") or 0)
                    name = labels.pop("alertname", str(rule["name"]))
                    yield Episode("alert", name, begin, None, labels)


def _with_firing(events: Events, firing: Sequence[Episode], end: float) -> Events:
    """Return the history with alerts that the rules API shows; one that ``ALERTS`` lacks makes it incomplete."""
    unseen = [
        episode for episode in firing if not any(is_same_alert(episode, known) for known in events.episodes)
    ]
    if not unseen:
        return events
    episodes = tuple(sorted((*events.episodes, *unseen), key=lambda episode: (episode.start, episode.name)))
    lost = [episode for episode in unseen if end - episode.start > _LATE]
    if not lost:
        return replace(events, episodes=episodes)
    reason = f"the rules API has {lost[0].name} firing since {format_time(lost[0].start)}, ALERTS does not"
    return replace(events, episodes=episodes, complete=False, reason=events.reason or reason)


def _asks_further(rules: Sequence[Rule], matches: Sequence[Match]) -> bool:
    """Tell whether a match is about labels that rules do not state, so that external labels may matter."""
    return any(labels_asked(rule, matches) for rule in rules)


def _may_be_from(external: Mapping[str, str], episode: Episode) -> bool:
    return all(episode.labels.get(name, value) == value for name, value in external.items())
