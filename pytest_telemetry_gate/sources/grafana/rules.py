"""Grafana's rules as its Prometheus-compatible API has them now, and which of them saw nothing for a while.

``GET /api/prometheus/grafana/api/v1/rules``: ``pkg/services/ngalert/api/tooling/definitions/prom.go`` in Grafana.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_telemetry_gate.model.events import Episode, Rule
from pytest_telemetry_gate.sources.event_api import EventApi
from pytest_telemetry_gate.sources.grafana.states import Transition, is_firing
from pytest_telemetry_gate.sources.prometheus_json import ODD_JSON
from pytest_telemetry_gate.support.durations import format_time, parse_time

__all__ = ["GrafanaRule", "blind_rules", "firing_now", "read_rules"]

_PATH = "/api/prometheus/grafana/api/v1/rules"
_MOST_PAGES = 1000
_HEALTHY = "ok"
_NEVER_OVER = ("Paused", "Updated", "RuleDeleted")  # whose end is not in any history
_LATE = 60.0  # seconds beside two intervals: a group's rules are spread over its interval, and clocks differ


@dataclass(frozen=True, slots=True)
class GrafanaRule:
    """A rule as it is now; ``uid`` is empty where this version of Grafana does not tell it.

    ``evaluated`` is when it was evaluated last, in seconds since the epoch, None for never. ``alerts`` are its instances: state,
    since when, and labels.
    """

    uid: str
    name: str
    group: str
    interval: float
    labels: Mapping[str, str]
    health: str
    error: str
    paused: bool
    evaluated: float | None
    alerts: Sequence[tuple[str, float, Mapping[str, str]]]


def read_rules(api: EventApi) -> list[GrafanaRule]:
    """Return all alerting rules that the credentials may see; raises SourceError."""
    rules: list[GrafanaRule] = []
    token = ""
    for _ in range(_MOST_PAGES):
        content = api.get(f"{api.url}{_PATH}", {"group_next_token": token} if token else None)
        try:
            data = content["data"]
            rules += [
                _rule(group, rule)
                for group in data["groups"]
                for rule in group["rules"]
                if rule.get("type", "alerting") == "alerting"
            ]
            token = str(data.get("groupNextToken") or "")
        except ODD_JSON:
            message = "response of the rules API is JSON, but not of Grafana's API"
            raise api.error(message) from None
        if not token:
            return rules
    message = f"more than {_MOST_PAGES} pages of rules"
    raise api.error(message)


def firing_now(rules: Iterable[GrafanaRule], end: float) -> Iterator[Episode]:
    """Yield the alerts that fire now and did at ``end`` (seconds) already, from when on."""
    for rule in rules:
        for state, since, labels in rule.alerts:
            if is_firing(state) and since <= end:
                yield Episode("alert", rule.name, since, None, labels)


def blind_rules(
    rules: Sequence[GrafanaRule],
    blind: Iterable[Episode],
    transitions: Iterable[Transition],
    doubts: Mapping[str, str],
    end: float,
) -> tuple[Rule, ...]:
    """Return the rules, with ``blind`` of those that could not see what they are about for some time up to ``end``.

    ``blind`` are the stretches, named by their state and labelled by their rule; ``doubts`` what else is said against a rule, by
    its uid or name. A rule of the history that is none any more was deleted.
    """
    stretches: dict[str, Episode] = {}
    for episode in blind:
        stretches.setdefault(episode.labels["rule"], episode)
    known = {key for rule in rules for key in (rule.uid, rule.name)}
    changed: dict[str, float] = {}
    gone: dict[str, Rule] = {}
    for one in transitions:
        changed[one.rule] = one.time
        if one.rule not in known and one.name not in known:
            why = "it is not among the rules any more"
            gone[one.rule] = Rule(one.name, "deleted rules", 0.0, one.labels, blind=why)
    told = [
        Rule(
            alert=rule.name,
            group=rule.group,
            interval=rule.interval,
            labels=rule.labels,
            blind=_why_blind(rule, stretches, changed, end) or _doubt(rule, doubts),
            series=tuple(labels for _, _, labels in rule.alerts) or None,
        )
        for rule in rules
    ]
    return (*told, *gone.values())


def _why_blind(
    rule: GrafanaRule, stretches: Mapping[str, Episode], changed: Mapping[str, float], end: float
) -> str:
    keys = (rule.uid, rule.name)
    stretch = next((stretches[key] for key in keys if key in stretches), None)
    if stretch is not None:
        since = format_time(stretch.start)
        if any(reason in stretch.name for reason in _NEVER_OVER):
            return f"it became {stretch.name} at {since}"
        until = "on" if stretch.end is None else f"to {format_time(stretch.end)}"
        return f"it was {stretch.name} from {since} {until}"
    if (
        max(changed.get(key, end) for key in keys) <= end
    ):  # else how it is now says nothing of the time before
        if rule.paused:
            return "it is paused"
        if rule.health != _HEALTHY:
            return f"its health is {rule.health}{f': {rule.error}' if rule.error else ''}"
    if rule.evaluated is None:
        return "it has not been evaluated yet"
    if rule.evaluated < end - 2 * rule.interval - _LATE:
        return f"it was evaluated last at {format_time(rule.evaluated)}"
    return ""


def _doubt(rule: GrafanaRule, doubts: Mapping[str, str]) -> str:
    return doubts.get(
        rule.uid or rule.name, "the ruler API does not have it, so that nothing tells when it was changed"
    )


def _rule(group: Mapping[str, Any], rule: Mapping[str, Any]) -> GrafanaRule:
    labels = _labels(rule.get("labels"))
    labels.pop("alertname", None)
    return GrafanaRule(
        uid=str(rule.get("uid") or ""),
        name=str(rule["name"]),
        group=f"{group['file']};{group['name']}",
        interval=float(group["interval"]),
        labels=labels,
        health=str(rule.get("health") or "unknown"),
        error=str(rule.get("lastError") or ""),
        paused=rule.get("isPaused") is True,
        evaluated=_moment(rule.get("lastEvaluation") or group.get("lastEvaluation")),
        alerts=tuple(
            (str(alert["state"]), _since(alert), _without_name(alert["labels"]))
            for alert in rule.get("alerts") or ()
        ),
    )


def _since(alert: Mapping[str, Any]) -> float:
    """Return since when an instance is in its state; raises ValueError where a firing one does not say it."""
    since = _moment(alert.get("activeAt"))
    if since is None and is_firing(str(alert["state"])):
        message = "a firing alert without activeAt"
        raise ValueError(message)
    return since or 0.0


def _moment(text: object) -> float | None:
    """Return seconds since the epoch; Go writes the year 1 for never."""
    if not text or str(text).startswith("0001-"):
        return None
    return parse_time(str(text))


def _without_name(labels: Mapping[str, Any]) -> dict[str, str]:
    own = _labels(labels)
    own.pop("alertname", None)
    return own


def _labels(value: Mapping[str, Any] | None) -> dict[str, str]:
    return {str(name): str(text) for name, text in (value or {}).items() if not str(name).startswith("__")}
