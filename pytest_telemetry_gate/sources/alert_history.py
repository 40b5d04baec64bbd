"""Alert episodes from Prometheus' own ``ALERTS`` series, and the proof that the rules were evaluated.

Samples of ``ALERTS`` are exact rule evaluations, so that even an alert that fired for one evaluation is seen. A range
query would miss it or, by the lookback, merge it with the next. Sources: ``rules/alerting.go`` (ALERTS) and
``rules/group.go`` (the rule group's metrics) of Prometheus.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.model.events import Episode, Evaluation, Events, Match
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector
from pytest_telemetry_gate.sources.rule_examination import Ranges, examine_rules

__all__ = ["Metrics", "alert_events", "alert_reads", "firing_stretches", "is_same_alert", "raw_samples"]

_FIRING = 'ALERTS{alertstate="firing"}'
_EVALUATED = "prometheus_rule_group_last_evaluation_timestamp_seconds"
_FAILURES = "prometheus_rule_evaluation_failures_total"
_RULES = "prometheus_rule_group_rules"
_MAX_SPACING = 300.0  # seconds between scrapes that are taken for healthy: a server's lookback
_DEFAULT_INTERVAL = 60.0  # Prometheus' own default of global.evaluation_interval
_NOT_LABELS = frozenset({"__name__", "alertstate"})


class Metrics(Ranges, Protocol):
    """The part of a metric source that is needed here."""

    def instant(self, promql: str, time: float) -> Scalar | Vector | Matrix | str:
        """Evaluate at one time, in seconds."""
        ...


def alert_events(
    metrics: Metrics,
    other: Events,
    start: float,
    end: float,
    *,
    matches: Sequence[Match] = (),
    accept_warnings: bool = False,
) -> Events:
    """Return the alerts that ``ALERTS`` shows from start to end (seconds), together with the events of another source.

    Resolved alerts are included; an episode that began at or before ``start`` was carried in. Where both show an alert
    at the same time, the episode from ``ALERTS`` stays. The history is incomplete where the metric source's answer has
    warnings, unless ``accept_warnings``. The rules that could raise an alert which satisfies one of the matches are
    examined.
    """
    warnings: list[str] = []
    intervals = {rule.alert: rule.interval for rule in other.rules}
    firing = raw_samples(metrics, _FIRING, start - _margin(other), end, warnings)
    recorded = tuple(firing_stretches(firing, intervals, start))
    further = tuple(
        episode
        for episode in other.episodes
        if not any(is_same_alert(episode, counterpart) for counterpart in recorded)
    )
    evaluations = tuple(_evaluations(metrics, other, start, end, warnings))
    episodes = tuple(sorted(recorded + further, key=lambda episode: (episode.start, episode.name)))
    rules = examine_rules(
        metrics,
        other.rules,
        matches,
        start,
        end,
        warnings=warnings,
        external=other.external_labels,
    )
    events = replace(other, episodes=episodes, evaluations=evaluations, rules=rules, from_metrics=True)
    if accept_warnings or not warnings:
        return events
    return replace(events, complete=False, reason=f"the answer may be partial: {'; '.join(warnings)}")


def alert_reads(other: Events, start: float, end: float) -> Iterable[tuple[str, float, float]]:
    """Yield the selectors that ``alert_events`` reads, and from when to when (seconds)."""
    selectors = (_FIRING, _EVALUATED, _FAILURES, _RULES) if other.rules else (_FIRING,)
    for selector in selectors:
        yield selector, start - _margin(other), end


def _margin(events: Events) -> float:
    """Return how far before the start evaluations are searched, in seconds."""
    return 2 * max((rule.interval for rule in events.rules), default=_DEFAULT_INTERVAL)


def raw_samples(metrics: Metrics, selector: str, start: float, end: float, warnings: list[str]) -> Matrix:
    """Return a selector's raw samples from start to end (seconds); new warnings are added to the list."""
    milliseconds = round((end - start) * 1000)
    result = metrics.instant(f"{selector}[{milliseconds}ms]", end)
    if not isinstance(result, Matrix):
        message = f"a range selector gave a {type(result).__name__}"
        raise TypeError(message)
    warnings.extend(text for text in result.warnings if text not in warnings)
    return result


def firing_stretches(matrix: Matrix, intervals: Mapping[str, float], start: float) -> Iterable[Episode]:
    """Yield the stretches without a gap of more than two rule intervals that end after ``start`` (seconds).

    ``intervals`` are seconds by the name of an alert; of another one the time between its samples stands for it.
    """
    for labels, present, values in zip(matrix.labels, matrix.present, matrix.values, strict=True):
        times = matrix.times[present & (values == 1)]
        if not len(times):
            continue
        name = labels.get("alertname", "")
        interval = intervals.get(name) or _spacing(times)
        own_labels = {key: value for key, value in labels.items() if key not in _NOT_LABELS}
        gaps = np.flatnonzero(np.diff(times) > 2 * interval) + 1
        for stretch in np.split(times, gaps):
            end = float(stretch[-1]) + interval
            if end > start:
                yield Episode("alert", name, float(stretch[0]), end, own_labels)


def _spacing(times: NDArray[np.float64]) -> float:
    """Return the median of the seconds between samples."""
    return float(np.median(np.diff(times))) if len(times) > 1 else _DEFAULT_INTERVAL


def is_same_alert(left: Episode, right: Episode) -> bool:
    """Tell whether two reports are of one episode: the same alert, labels that agree, times that touch."""
    if left.name != right.name or any(right.labels.get(k, v) != v for k, v in left.labels.items()):
        return False
    return left.start <= (right.end or left.start) and right.start <= (left.end or right.start)


def _evaluations(
    metrics: Metrics, other: Events, start: float, end: float, warnings: list[str]
) -> Iterable[Evaluation]:
    """Yield one entry for each rule group that reported itself, over all servers that evaluate it.

    The gauge holds the time of the newest evaluation at each scrape. Two scrapes in a row may therefore miss up to one
    group interval and one scrape interval of evaluations in a healthy server; twice that is a gap. A group that was
    there and is not among the rules any more is told as well, if its file still has others: rules of it were removed.
    """
    groups = {rule.group: rule.interval for rule in other.rules}
    if not groups:
        return
    own = f'{{__name__=~"{_EVALUATED}|{_FAILURES}|{_RULES}"}}'  # one request for all
    whole = raw_samples(metrics, own, start - _margin(other), end, warnings)
    evaluated, failures, numbers = (_only(whole, name) for name in (_EVALUATED, _FAILURES, _RULES))
    files = {_file(group) for group in groups}
    gone = {
        group
        for labels in evaluated.labels
        if (group := labels.get("rule_group", "")) not in groups and _file(group) in files
    }
    for group in (*groups, *sorted(gone)):
        rows = _rows(evaluated, group)
        if not len(rows):
            continue
        present = evaluated.present[rows]
        moments = np.unique(evaluated.values[rows][present])
        edges = np.concatenate(([start], moments[(moments > start) & (moments <= end)], [end]))
        scrape = max(min(_spacing(evaluated.times[series]), _MAX_SPACING) for series in present)
        allowed_gap = 2 * (groups.get(group, _DEFAULT_INTERVAL) + scrape)
        changed = _last_change(numbers, group, start)
        if group in gone:
            last = float(evaluated.times[present.any(axis=0)][-1])
            if end - last <= allowed_gap:
                continue  # It is still evaluated: it has no alerting rules.
            changed = last
        yield Evaluation(
            group, float(np.diff(edges).max()), allowed_gap, _total_increase(failures, group), changed
        )


def _only(matrix: Matrix, name: str) -> Matrix:
    """Return the series of one metric."""
    rows = [row for row, labels in enumerate(matrix.labels) if labels.get("__name__") == name]
    labels = [matrix.labels[row] for row in rows]
    return Matrix(labels, matrix.times, matrix.values[rows], matrix.present[rows])


def _file(group: str) -> str:
    return group.rpartition(";")[0]


def _rows(matrix: Matrix, group: str) -> NDArray[np.int64]:
    own = [row for row, labels in enumerate(matrix.labels) if labels.get("rule_group") == group]
    return np.array(own, dtype=np.int64)


def _total_increase(failures: Matrix, group: str) -> float | None:
    """Return by how much a group's counters of failures rose, None where it has none."""
    rows = _rows(failures, group)
    if not len(rows):
        return None
    return math.fsum(_increase(failures.values[row][failures.present[row]]) for row in rows)


def _last_change(numbers: Matrix, group: str, start: float) -> float | None:
    """Return when the number of a group's rules changed last after ``start``, None if it did not."""
    changes = []
    for row in _rows(numbers, group):
        times, values = numbers.times[numbers.present[row]], numbers.values[row][numbers.present[row]]
        changes += times[1:][np.diff(values) != 0].tolist()
    return max((moment for moment in changes if moment > start), default=None)


def _increase(values: NDArray[np.float64]) -> float:
    """Return by how much a counter rose, resets added."""
    steps = np.diff(values)
    return float(np.where(steps < 0, values[1:], steps).sum())
