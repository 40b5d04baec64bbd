"""Alert episodes from Prometheus' own ``ALERTS`` series, and the proof that the rules were evaluated.

Samples of ``ALERTS`` are exact rule evaluations, so an alert that fired for one evaluation and resolved is seen;
a range query would miss it or, by the lookback, merge it with the next. Sources: ``rules/alerting.go`` (ALERTS) and
``rules/group.go`` (the rule group's metrics) of Prometheus.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.model.events import Episode, Evaluation, Events
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector

__all__ = ["Metrics", "alert_events", "alert_reads"]

_FIRING = 'ALERTS{alertstate="firing"}'
_EVALUATED = "prometheus_rule_group_last_evaluation_timestamp_seconds"
_FAILURES = "prometheus_rule_evaluation_failures_total"
_DEFAULT_INTERVAL = 60.0  # Prometheus' own default of global.evaluation_interval
_NOT_LABELS = frozenset({"__name__", "alertstate"})


class Metrics(Protocol):
    """What is needed of a metric source."""

    def instant(self, promql: str, time: float) -> Scalar | Vector | Matrix | str:
        """Evaluate at one time, in seconds."""
        ...


def alert_events(
    metrics: Metrics, known: Events, start: float, end: float, *, accept_warnings: bool = False
) -> Events:
    """Return what is known about alerts, completed by those that ``ALERTS`` shows from start to end (seconds).

    Resolved ones are included; an episode that began at or before ``start`` was carried in. An episode known from
    elsewhere is left out where ``ALERTS`` shows the same alert at the same time. Where the source warns of its answer
    the history is incomplete, unless ``accept_warnings``.
    """
    doubts: list[str] = []
    intervals = {rule.alert: rule.interval for rule in known.rules}
    seen = tuple(_episodes(_raw(metrics, _FIRING, start - _margin(known), end, doubts), intervals, start))
    others = tuple(one for one in known.episodes if not any(_same(one, other) for other in seen))
    evaluations = tuple(_evaluations(metrics, known, start, end, doubts))
    episodes = tuple(sorted(seen + others, key=lambda one: (one.start, one.name)))
    events = replace(known, episodes=episodes, evaluations=evaluations)
    if accept_warnings or not doubts:
        return events
    return replace(events, complete=False, reason=f"the answer may be partial: {'; '.join(doubts)}")


def alert_reads(known: Events, start: float, end: float) -> Iterable[tuple[str, float, float]]:
    """Yield the selectors that ``alert_events`` reads, and from when to when (seconds)."""
    selectors = (_FIRING, _EVALUATED, _FAILURES) if known.rules else (_FIRING,)
    for selector in selectors:
        yield selector, start - _margin(known), end


def _margin(known: Events) -> float:
    """Return how far before the start evaluations are looked for, in seconds."""
    return 2 * max((rule.interval for rule in known.rules), default=_DEFAULT_INTERVAL)


def _raw(metrics: Metrics, selector: str, start: float, end: float, doubts: list[str]) -> Matrix:
    milliseconds = round((end - start) * 1000)
    result = metrics.instant(f"{selector}[{milliseconds}ms]", end)
    if not isinstance(result, Matrix):
        message = f"a range selector gave a {type(result).__name__}"
        raise TypeError(message)
    doubts.extend(text for text in result.warnings if text not in doubts)
    return result


def _episodes(matrix: Matrix, intervals: dict[str, float], start: float) -> Iterable[Episode]:
    for labels, present, values in zip(matrix.labels, matrix.present, matrix.values, strict=True):
        times = matrix.times[present & (values == 1)]
        if not len(times):
            continue
        name = labels.get("alertname", "")
        interval = intervals.get(name) or _spacing(times)
        kept = {key: value for key, value in labels.items() if key not in _NOT_LABELS}
        breaks = np.flatnonzero(np.diff(times) > 2 * interval) + 1
        for stretch in np.split(times, breaks):
            last = float(stretch[-1]) + interval
            if last > start:
                yield Episode("alert", name, float(stretch[0]), last, kept)


def _spacing(times: NDArray[np.float64]) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 else _DEFAULT_INTERVAL


def _same(one: Episode, other: Episode) -> bool:
    """Tell whether two reports are of one episode: the same alert, labels that agree, times that touch."""
    if one.name != other.name or any(other.labels.get(k, v) != v for k, v in one.labels.items()):
        return False
    return one.start <= (other.end or one.start) and other.start <= (one.end or other.start)


def _evaluations(
    metrics: Metrics, known: Events, start: float, end: float, doubts: list[str]
) -> Iterable[Evaluation]:
    """Yield one entry for each rule group that reported itself, over all servers that evaluate it.

    The gauge holds the time of the newest evaluation at each scrape, so two scrapes in a row may miss up to one
    group interval and one scrape interval of evaluations without anything being wrong; twice that is a gap.
    """
    groups = {rule.group: rule.interval for rule in known.rules}
    if not groups:
        return
    margin = _margin(known)
    evaluated = _raw(metrics, _EVALUATED, start - margin, end, doubts)
    failures = _raw(metrics, _FAILURES, start - margin, end, doubts)
    for group, interval in groups.items():
        rows = [row for row, labels in enumerate(evaluated.labels) if labels.get("rule_group") == group]
        if not rows:
            continue
        present = evaluated.present[rows]
        moments = np.unique(evaluated.values[rows][present])
        edges = np.concatenate(([start], moments[(moments > start) & (moments <= end)], [end]))
        allowed = 2 * (interval + max(_spacing(evaluated.times[one]) for one in present))
        failed = math.fsum(
            _increase(values[there])
            for labels, values, there in zip(failures.labels, failures.values, failures.present, strict=True)
            if labels.get("rule_group") == group
        )
        yield Evaluation(group, float(np.diff(edges).max()), allowed, failed)


def _increase(values: NDArray[np.float64]) -> float:
    steps = np.diff(values)
    return float(np.where(steps < 0, values[1:], steps).sum())
