"""The event source ``prometheus``: alerts as the metric source's own server evaluates them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.model.events import Episode, Events, Rule, Silence
from pytest_telemetry_gate.model.sources import EventSource, Source
from pytest_telemetry_gate.sources.alert_history import alert_events
from pytest_telemetry_gate.sources.prometheus import PrometheusSource
from pytest_telemetry_gate.sources.prometheus_json import ODD_JSON

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["PrometheusAlerts"]


class PrometheusAlerts(EventSource):
    """Reads alerts from the server's rules API and its ``ALERTS`` series."""

    def __init__(self, source: PrometheusSource) -> None:
        self._source = source
        self.description = source.description

    @classmethod
    def from_settings(cls, settings: RegionSettings, source: Source) -> PrometheusAlerts:
        """Take the region's own server; raises SourceError where the region's metrics are not live."""
        if not isinstance(source, PrometheusSource):
            raise settings.error((), f"event source prometheus: the metrics come from {source.description}")
        return cls(source)

    def events(self, kind: str, start: float, end: float) -> Events:
        """Return the alerts that touch the time from start to end, with the rules that the server has loaded."""
        return self.events_with(kind, start, end)

    def events_with(
        self,
        kind: str,
        start: float,
        end: float,
        *,
        others: Iterable[Episode] = (),
        silences: Sequence[Silence] = (),
    ) -> Events:
        """Return ``events()`` with the episodes and silences of another source; raises SourceError for other kinds."""
        if kind != "alerts":
            message = f"{self.description} has no {kind}: set events.{kind} in telemetry.yaml"
            raise self._source.error(message)
        try:
            groups, doubts = self._source.rules()
            rules = tuple(_rules(groups))
        except ODD_JSON:
            message = f"{self.description}: response of the rules API is not Prometheus'"
            raise self._source.error(message) from None
        is_whole = self._source.accept_warnings or not doubts
        other = Events(
            start,
            end,
            complete=is_whole,
            episodes=tuple(others),
            rules=rules,
            silences=tuple(silences),
            reason="" if is_whole else f"the rules may be partial: {'; '.join(doubts)}",
        )
        return alert_events(self._source, other, start, end, accept_warnings=self._source.accept_warnings)


def _rules(groups: Sequence[Any]) -> Iterable[Rule]:
    for group in groups:
        for rule in group["rules"]:
            if rule.get("type") == "alerting":
                yield Rule(
                    alert=str(rule["name"]),
                    group=f"{group['file']};{group['name']}",
                    interval=float(group["interval"]),
                    labels={str(key): str(value) for key, value in (rule.get("labels") or {}).items()},
                    expr=str(rule.get("query", "")),
                )
