"""The sources, event sources and kinds of criteria of the package, by the names that files use.

Each is imported when it is first used: a recorded run needs no HTTP client, a live one no archive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.check import Criterion
    from pytest_telemetry_gate.model.environment import RegionSettings
    from pytest_telemetry_gate.model.query_sources import QuerySource
    from pytest_telemetry_gate.model.sources import EventSource, Source

__all__ = ["EVENT_SOURCES", "SOURCES", "Builtin", "builtin_criteria", "class_of"]


@dataclass(frozen=True, slots=True)
class Builtin:
    """A factory of the package: the class of a source by its module in ``sources/`` and its name.

    The class has ``from_settings``, and ``read_settings`` for what can be said of its settings without a network.
    """

    module: str
    name: str

    def load(self) -> Any:
        """Return the class, imported."""
        return getattr(import_module(f"pytest_telemetry_gate.sources.{self.module}"), self.name)

    def __call__(self, settings: RegionSettings, *source: Any) -> Any:
        """Make the source; an event source gets the region's metric source as well."""
        return self.load().from_settings(settings, *source)


SOURCES: Mapping[str, Callable[[RegionSettings], Source | QuerySource]] = {
    "bigquery": Builtin("bigquery.source", "BigQuery"),
    "datadog": Builtin("datadog", "Datadog"),
    "export": Builtin("export", "DashboardExport"),
    "prometheus": Builtin("prometheus", "PrometheusSource"),
    "recording": Builtin("recording", "RecordingSource"),
    "sql": Builtin("sql.source", "Sql"),
}
EVENT_SOURCES: Mapping[str, Callable[[RegionSettings, Source], EventSource]] = {
    "alertmanager": Builtin("alertmanager", "Alertmanager"),
    "grafana": Builtin("grafana.source", "Grafana"),
    "json": Builtin("json_events", "JsonEvents"),
    "jsonl": Builtin("event_lines", "JsonLines"),
    "pagerduty": Builtin("pagerduty.source", "PagerDuty"),
    "prometheus": Builtin("prometheus_alerts", "PrometheusAlerts"),
    "recording": Builtin("recording_events", "RecordedEvents"),
    "slack": Builtin("slack.source", "Slack"),
    "webhooks": Builtin("webhooks", "Webhooks"),
}


def class_of(factory: object) -> Any:
    """Return the class that a factory makes sources of; of a third party's function nothing is known but itself."""
    return factory.load() if isinstance(factory, Builtin) else factory


def builtin_criteria() -> Sequence[type[Criterion]]:
    """Return the kinds of criteria, in the order of the documentation."""
    from pytest_telemetry_gate.criteria.alerts import Alerts
    from pytest_telemetry_gate.criteria.approvals import Approvals
    from pytest_telemetry_gate.criteria.count import Count
    from pytest_telemetry_gate.criteria.distribution import Distribution
    from pytest_telemetry_gate.criteria.frozen import Frozen
    from pytest_telemetry_gate.criteria.incidents import Incidents
    from pytest_telemetry_gate.criteria.objective import Objective
    from pytest_telemetry_gate.criteria.ratio import Ratio
    from pytest_telemetry_gate.criteria.rollout import RolloutDuration
    from pytest_telemetry_gate.criteria.spread import Spread
    from pytest_telemetry_gate.criteria.threshold import Threshold
    from pytest_telemetry_gate.criteria.trend import Trend
    from pytest_telemetry_gate.replay.criterion import Replay
    from pytest_telemetry_gate.rules.criterion import Rules

    return (
        Threshold,
        Count,
        Alerts,
        Incidents,
        RolloutDuration,
        Ratio,
        Spread,
        Trend,
        Distribution,
        Frozen,
        Objective,
        Replay,
        Rules,
        Approvals,
    )
