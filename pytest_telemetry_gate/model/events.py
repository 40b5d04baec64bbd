"""What happened besides metrics: alerts and incidents, with the proof that somebody was looking."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from pytest_telemetry_gate.model.wire import from_wire
from pytest_telemetry_gate.promql import Matcher

__all__ = ["Episode", "Evaluation", "Events", "Match", "Rule", "Silence", "name_incidents"]

Match: TypeAlias = tuple[tuple[str, str, str], ...]
"""Conditions on an alert's labels, ``alertname`` too, that all must hold: name, operator and value as in PromQL."""


@dataclass(frozen=True, slots=True)
class Rule:
    """An alerting rule that was known to be loaded; ``group`` is ``FILE;GROUP`` and ``interval`` is in seconds.

    ``trouble`` is what its server says against it. ``blind`` says why it could not see what it is about, an empty text
    that it could, and None that nobody looked. ``series`` are labels of what its expression yields without its
    comparisons, as far as somebody asked for them, None where nobody did.
    """

    alert: str
    group: str
    interval: float
    labels: Mapping[str, str] = field(default_factory=dict)
    expr: str = ""
    trouble: str = ""
    blind: str | None = None
    series: tuple[Mapping[str, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class Episode:
    """One stretch of firing, or one incident, from ``start`` to ``end`` in seconds; None is an end not seen yet."""

    kind: str
    name: str
    start: float
    end: float | None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a rule group was evaluated: the longest time without an evaluation (seconds) and the failures counted.

    ``failures`` is None where nothing counted them. ``changed`` is when rules were added or removed, in seconds since
    the epoch; None if they were not.
    """

    group: str
    longest_gap: float
    allowed_gap: float
    failures: float | None
    changed: float | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """A time (seconds) in which alerts that satisfy every matcher (name, operator, value) notify nobody."""

    start: float
    end: float
    matchers: tuple[tuple[str, str, str], ...]
    author: str = ""
    comment: str = ""

    def may_hide(self, labels: Mapping[str, str]) -> bool:
        """Tell whether alerts with these labels, and perhaps others, could have been silenced."""
        return all(
            Matcher(*matcher).matches(labels[matcher[0]]) for matcher in self.matchers if matcher[0] in labels
        )


@dataclass(frozen=True, slots=True)
class Events:
    """Everything known about one kind of event from ``start`` to ``end`` (seconds).

    ``complete`` says that nothing within those bounds can be missing; where it is False ``reason`` says why.
    ``external_labels`` are those that the rules' server adds to its alerts when it sends them. ``kinds`` are the kinds
    of incidents that the source can tell of, if it says so. ``from_metrics`` says that the metric source's own ``ALERTS``
    belong to the history, so that a recording needs these samples as well. ``remedy`` says as one clause what proves the
    evaluation of rules where the source itself cannot; it is empty where Prometheus' own series are that proof.
    """

    start: float
    end: float
    complete: bool
    episodes: tuple[Episode, ...] = ()
    rules: tuple[Rule, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    silences: tuple[Silence, ...] = ()
    reason: str = ""
    external_labels: Mapping[str, str] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()
    from_metrics: bool = False
    remedy: str = ""

    def until(self, end: float) -> Events:
        """Return what was known at ``end`` (seconds): without what began later, and what ended later is still there."""
        episodes = tuple(
            replace(episode, end=None) if episode.end is not None and episode.end > end else episode
            for episode in self.episodes
            if episode.start <= end
        )
        return replace(self, episodes=episodes)

    def to_wire(self) -> dict[str, Any]:
        """Return builtins only, in the shape that recordings hold."""
        return {
            "from": self.start,
            "to": self.end,
            "complete": self.complete,
            "episodes": [_fields(episode) for episode in self.episodes],
            "rules": [_rule_fields(rule) for rule in self.rules],
            "evaluations": [_fields(evaluation) for evaluation in self.evaluations],
            "silences": [
                {**_fields(silence), "matchers": [list(part) for part in silence.matchers]}
                for silence in self.silences
            ],
            "reason": self.reason,
            "external_labels": dict(self.external_labels),
            "kinds": list(self.kinds),
            "from_metrics": self.from_metrics,
            "remedy": self.remedy,
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Events:
        """Rebuild events from ``to_wire()`` or from a recording's index; raises KeyError, TypeError or ValueError."""
        return cls(
            start=_moment(wire["from"]),
            end=_moment(wire["to"]),
            complete=wire["complete"] is True,
            episodes=tuple(_episode(episode) for episode in wire.get("episodes", ())),
            rules=tuple(_rule(rule) for rule in wire.get("rules", ())),
            evaluations=tuple(
                from_wire(Evaluation, evaluation) for evaluation in wire.get("evaluations", ())
            ),
            silences=tuple(_silence(silence) for silence in wire.get("silences", ())),
            reason=str(wire.get("reason", "")),
            external_labels=_labels(wire.get("external_labels", {})),
            kinds=tuple(str(kind) for kind in wire.get("kinds", ())),
            # what wrote a recording before it said so had alerts from there alone
            from_metrics=wire.get("from_metrics", True) is True,
            remedy=str(wire.get("remedy", "")),
        )


def name_incidents(kind: str | None) -> str:
    """Return what is called the query of a criterion that counts incidents: of one kind, or of every kind."""
    return "incidents" if kind is None else f"incidents of kind {kind}"


def _rule_fields(rule: Rule) -> dict[str, Any]:
    """Return a rule as builtins; what nobody looked for is left out."""
    fields = _fields(rule)
    if rule.series is not None:
        fields["series"] = [dict(labels) for labels in rule.series]
    return {name: value for name, value in fields.items() if value is not None}


def _fields(event: Episode | Rule | Evaluation | Silence) -> dict[str, Any]:
    return {
        name: (dict(v) if isinstance(v := getattr(event, name), Mapping) else v) for name in event.__slots__
    }


def _moment(value: Any) -> float:
    if not math.isfinite(value):
        message = f"{value!r} is not a time"
        raise ValueError(message)
    return float(value)


def _labels(value: Any) -> dict[str, str]:
    labels = dict(value)
    if not all(isinstance(text, str) for pair in labels.items() for text in pair):
        message = f"{labels!r} are not labels"
        raise ValueError(message)
    return labels


def _episode(wire: Mapping[str, Any]) -> Episode:
    end = wire["end"]
    return Episode(
        kind=str(wire["kind"]),
        name=str(wire["name"]),
        start=_moment(wire["start"]),
        end=None if end is None else _moment(end),
        labels=_labels(wire.get("labels", {})),
    )


def _silence(wire: Mapping[str, Any]) -> Silence:
    matchers = tuple((str(name), str(op), str(value)) for name, op, value in wire["matchers"])
    return from_wire(Silence, wire, matchers=matchers)


def _rule(wire: Mapping[str, Any]) -> Rule:
    """Read a rule as a recording's index holds it: ``file`` and ``group`` apart, as Prometheus' rules API has them."""
    file = wire.get("file")
    group = f"{file};{wire['group']}" if file else str(wire["group"])
    return Rule(
        alert=str(wire["alert"]),
        group=group,
        interval=_moment(wire["interval"]),
        labels=_labels(wire.get("labels", {})),
        expr=str(wire.get("expr", "")),
        trouble=str(wire.get("trouble", "")),
        blind=None if (blind := wire.get("blind")) is None else str(blind),
        series=None if (series := wire.get("series")) is None else tuple(map(_labels, series)),
    )
