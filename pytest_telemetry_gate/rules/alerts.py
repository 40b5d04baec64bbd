"""The alerts of one rule as they become pending, fire and are resolved, evaluation by evaluation.

Source: ``AlertingRule.Eval`` in Prometheus' ``rules/alerting.go``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql.result import Vector
from pytest_telemetry_gate.rules.files import Rule
from pytest_telemetry_gate.rules.templates import Data, TemplateError, expand_template

__all__ = ["ActiveAlert", "AlertTracker", "External", "Firing"]

Labels = Mapping[str, str]
_OF_VALUE = ("$value", ".Value", "query")  # what makes the label of one series another at another time


@dataclass(frozen=True, slots=True)
class External:
    """What a server adds to its alerts and knows of itself; ``query`` evaluates PromQL at a time, for templates."""

    labels: Labels = field(default_factory=dict)
    url: str = ""
    query: Callable[[str, float], Sequence[Mapping[str, Any]]] = lambda promql, time: ()


@dataclass(slots=True)
class ActiveAlert:
    """An alert that is pending or fires; times are in seconds since the epoch."""

    labels: Labels
    series: Labels
    value: float
    active_at: float
    evaluated_at: float
    fired_at: float | None = None
    absent_since: float | None = None


@dataclass(frozen=True, slots=True)
class Firing:
    """A stretch in which an alert fired: from the evaluation ``start`` on, until ``end``, None while it fires."""

    labels: Labels
    start: float
    end: float | None
    active_at: float


class AlertTracker:
    """Follows the alerts of a rule; ``firings`` are those that are over."""

    def __init__(self, rule: Rule, external: External, limit: int = 0) -> None:
        self.rule = rule
        self.active: dict[frozenset[tuple[str, str]], ActiveAlert] = {}
        self.firings: list[Firing] = []
        self._external = external
        self._limit = limit
        self._varies = any(word in text for text in rule.labels.values() for word in _OF_VALUE)
        self._known: dict[frozenset[tuple[str, str]], tuple[frozenset[tuple[str, str]], Labels]] = {}

    def evaluate(self, vector: Vector, time: float) -> None:
        """Take what the expression yields at a time, in seconds; raises PromQLError where Prometheus' evaluation fails."""
        present: dict[frozenset[tuple[str, str]], tuple[Labels, Labels, float]] = {}
        for own, value in zip(vector.labels, vector.values.tolist(), strict=True):
            identity, labels = self._labels(own, value, time)
            if identity in present:
                message = "vector contains metrics with the same labelset after applying alert labels"
                raise PromQLError(message)
            present[identity] = (labels, own, value)
        for identity, (own_labels, series, value) in present.items():
            known = self.active.get(identity)
            if known is None:
                self.active[identity] = ActiveAlert(own_labels, series, value, time, time)
            else:
                known.value, known.evaluated_at, known.series, known.absent_since = value, time, series, None
        for identity, alert in list(self.active.items()):
            if identity not in present and not self._stays(alert, time):
                self._resolve(identity, time)
            elif alert.fired_at is None and time - alert.active_at >= self.rule.hold:
                alert.fired_at = time
        if self._limit and len(self.active) > self._limit:
            count = len(self.active)
            for identity in list(self.active):
                self._resolve(identity, time)
            message = f"exceeded limit of {self._limit} with {count} alerts"
            raise PromQLError(message)

    def all_firings(self) -> list[Firing]:
        """Return the stretches in which alerts fired, those that go on included."""
        going_on = [
            Firing(alert.labels, alert.fired_at, None, alert.active_at)
            for alert in self.active.values()
            if alert.fired_at is not None
        ]
        return [*self.firings, *going_on]

    def annotations(self, alert: ActiveAlert) -> dict[str, str]:
        """Return the annotations of an alert, expanded with its last value."""
        data = self._data(alert.series, alert.value, alert.evaluated_at)
        return {name: _expand(text, data) for name, text in self.rule.annotations.items()}

    def _stays(self, alert: ActiveAlert, time: float) -> bool:
        """Tell whether an alert goes on although its expression yields nothing any more: ``keep_firing_for``."""
        if alert.fired_at is None or not self.rule.keep_firing:
            return False
        if alert.absent_since is None:
            alert.absent_since = time
        return time - alert.absent_since < self.rule.keep_firing

    def _resolve(self, identity: frozenset[tuple[str, str]], time: float) -> None:
        alert = self.active.pop(identity)
        if alert.fired_at is not None:
            self.firings.append(Firing(alert.labels, alert.fired_at, time, alert.active_at))

    def _labels(self, series: Labels, value: float, time: float) -> tuple[frozenset[tuple[str, str]], Labels]:
        """Return the labels that the alert of a series has, and what they are told apart by."""
        key = frozenset(series.items())
        known = None if self._varies else self._known.get(key)
        if known is not None:
            return known
        labels = {name: text for name, text in series.items() if name != "__name__"}
        data = self._data(series, value, time)
        for name, text in self.rule.labels.items():
            labels[name] = _expand(text, data)
        labels["alertname"] = self.rule.name
        nonempty = {name: text for name, text in labels.items() if text}
        found = frozenset(nonempty.items()), nonempty
        if not self._varies:
            self._known[key] = found
        return found

    def _data(self, series: Labels, value: float, time: float) -> Data:
        return Data(
            # All labels of the series, its name included, as Prometheus has them.
            labels=dict(series),
            value=value if isinstance(value, float) else math.nan,
            external_labels=self._external.labels,
            external_url=self._external.url,
            query=lambda promql: self._external.query(promql, time),
            now=time,
        )


def _expand(text: str, data: Data) -> str:
    """Return a text with its template expanded; where that fails Prometheus puts the error in its place."""
    try:
        return expand_template(text, data)
    except (TemplateError, PromQLError) as error:
        return f"<error expanding template: {error}>"
