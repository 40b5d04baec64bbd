"""Grafana's alert states as the metric ``GRAFANA_ALERTS`` that it writes into a Prometheus, with every evaluation.

``pkg/services/ngalert/state/historian/prometheus.go``: a sample of 1 for each instance that is not normal, labelled
``grafana_alertstate`` and ``grafana_rule_uid``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_telemetry_gate.model.events import Episode
from pytest_telemetry_gate.sources.alert_history import firing_stretches, raw_samples
from pytest_telemetry_gate.sources.told_events import Heartbeat, doubt_silence

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.sources import Source
    from pytest_telemetry_gate.promql import Matrix
    from pytest_telemetry_gate.sources.grafana.rules import GrafanaRule

__all__ = ["read_metrics"]

_METRIC = "GRAFANA_ALERTS"
_FIRING = f'{_METRIC}{{grafana_alertstate=~"alerting|recovering"}}'
_BLIND = f'{_METRIC}{{grafana_alertstate=~"nodata|error"}}'
_OWN = frozenset({"alertname", "grafana_alertstate", "grafana_rule_uid"})
_DEFAULT_INTERVAL = 60.0


def read_metrics(
    source: Source, rules: Sequence[GrafanaRule], heartbeat: Heartbeat, start: float, end: float
) -> tuple[list[Episode], list[Episode], str]:
    """Return the stretches of firing, those in which rules saw nothing, and what is missing, from start to end in seconds.

    Stretches of the second kind are named by their state and labelled by their rule. Raises what the metric source raises.
    """
    intervals = {rule.name: rule.interval for rule in rules}
    margin = 2 * max(intervals.values(), default=_DEFAULT_INTERVAL)
    warnings: list[str] = []
    firing = raw_samples(source, _FIRING, start - margin, end, warnings)
    blind = raw_samples(source, _BLIND, start - margin, end, warnings)
    doubt = doubt_silence(heartbeat, _moments(firing, heartbeat.alertname), start, end)
    if warnings:
        doubt = doubt or f"the answer may be partial: {'; '.join(warnings)}"
    alerts = list(_joined(firing_stretches(firing, intervals, start), intervals))
    unseen = [
        replace(
            stretch,
            name=stretch.labels.get("grafana_alertstate", ""),
            labels={"rule": stretch.labels.get("grafana_rule_uid") or stretch.name},
        )
        for stretch in firing_stretches(blind, intervals, start)
    ]
    return [one for one in alerts if one.name != heartbeat.alertname], unseen, doubt


def _moments(matrix: Matrix, alertname: str) -> Iterator[float]:
    for labels, present in zip(matrix.labels, matrix.present, strict=True):
        if labels.get("alertname") == alertname:
            yield from matrix.times[present].tolist()


def _joined(stretches: Iterable[Episode], intervals: dict[str, float]) -> Iterator[Episode]:
    """Yield stretches of one instance as one where they follow each other: of alerting, and of recovering after it."""
    by_instance: dict[tuple[object, ...], list[Episode]] = defaultdict(list)
    for stretch in stretches:
        labels = {name: text for name, text in stretch.labels.items() if name not in _OWN}
        own = replace(stretch, labels=labels)
        by_instance[own.name, *sorted(labels.items())].append(own)
    for (name, *_), several in by_instance.items():
        reach = intervals.get(str(name), _DEFAULT_INTERVAL)
        current: Episode | None = None
        for one in sorted(several, key=lambda stretch: stretch.start):
            if current is not None and one.start <= (current.end or current.start) + reach:
                current = replace(current, end=max(current.end or 0.0, one.end or 0.0))
                continue
            if current is not None:
                yield current
            current = one
        if current is not None:
            yield current
