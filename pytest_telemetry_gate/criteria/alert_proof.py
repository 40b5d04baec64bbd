"""Whether no alert means that none fired: a rule could have raised it, was evaluated all the time, and saw what it reads.

Every line names what is missing and what helps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from pytest_telemetry_gate.model.events import Episode, Evaluation, Events, Match, Rule
from pytest_telemetry_gate.model.questions import EventsQuestion
from pytest_telemetry_gate.model.rule_labels import can_raise, may_raise
from pytest_telemetry_gate.promql import Matcher, ast
from pytest_telemetry_gate.support.durations import format_short_duration, format_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Query

__all__ = [
    "alert_labels",
    "alerts_query",
    "doubt_query",
    "find_unproven",
    "find_useless",
    "matching_rules",
    "query_questions",
]

_ALERTS = ("ALERTS", "ALERTS_FOR_STATE")
_LEAST_READ = 300_000  # ms: the lookback of a selector that stands for a moment

_EVALUATED = "prometheus_rule_group_last_evaluation_timestamp_seconds"
_FAILURES = "prometheus_rule_evaluation_failures_total"
_MAX_NAMED = 10  # rules, and values of a label
_SCRAPE = "let its Prometheus scrape itself (scrape_configs: [{job_name: prometheus, static_configs: [{targets: ['localhost:9090']}]}])"
_PROOF = "name what proves the evaluation: `alerts: {proof: PROMQL}`"


def alert_labels(events: Events, episode: Episode) -> Mapping[str, str]:
    """Return the labels that an alert has where it is sent: its own, its name and its server's external ones."""
    return {**events.external_labels, **episode.labels, "alertname": episode.name}


def alerts_query(match: Match) -> str:
    """Return the selector of the alerts that are meant, for people."""
    conditions = ('alertstate="firing"', *(str(Matcher(*condition)) for condition in match))
    return f"ALERTS{{{', '.join(conditions)}}}"


def matching_rules(events: Events, match: Match) -> tuple[Rule, ...]:
    """Return the rules that could raise one of the alerts that are meant."""
    external = events.external_labels
    return tuple(rule for rule in events.rules if can_raise(rule, match, external, events.episodes))


def find_unproven(events: Events, match: Match) -> str:
    """Return what is missing for a proof that none of the alerts fired, with what helps, or nothing."""
    rules = matching_rules(events, match)
    if not rules:
        return _describe_unmatched(events, match)
    groups = dict.fromkeys(sorted(rule.group for rule in rules))
    known = {evaluation.group: evaluation for evaluation in events.evaluations}
    problems = (
        *(_find_pause(group, known, events.remedy) for group in groups),
        *map(_find_trouble, rules),
        *map(_find_blindness, rules),
        _find_removed(groups, events.evaluations),
    )
    return next(filter(None, problems), "")


def find_useless(events: Events, match: Match) -> str:
    """Return why none of the rules could have raised one of the alerts, or one of them was blind, or nothing.

    This is all that is asked of rules whose evaluation is proven by a query.
    """
    rules = matching_rules(events, match)
    if not rules:
        return _describe_unmatched(events, match)
    return next((_find_blindness(rule) for rule in rules if rule.blind), "")


def query_questions(check: Check, query: Query) -> Iterable[EventsQuestion]:
    """Yield the question for what proves the absence of the alerts that an expression reads, if it reads any."""
    selectors = [
        node for node in ast.walk(query.expr) if isinstance(node, ast.VectorSelector) and node.name in _ALERTS
    ]
    if not selectors:
        return
    moment = round(check.time * 1000)
    reads = [
        span.end - max(span.length, _LEAST_READ)
        for span in query.spans(check.time)
        if span.selector.startswith(_ALERTS)
    ]
    matches = tuple(
        tuple(
            (matcher.name, matcher.op, matcher.value)
            for matcher in selector.matchers
            if matcher.name not in {"__name__", "alertstate"}
        )
        for selector in selectors
    )
    yield EventsQuestion(
        check.place, "alerts", min(reads, default=moment - _LEAST_READ) / 1000, check.time, matches
    )


def doubt_query(check: Check, query: Query, answers: Answers) -> str:
    """Return why the alerts that an expression reads may be absent although they should have fired, or nothing."""
    for question in query_questions(check, query):
        answer = answers[question]
        if not isinstance(answer.value, Events):
            return f"nothing proves that alerts would be known: {answer.error}"
        if answer.partial:
            return f"the history of alerts may be partial: {'; '.join(answer.warnings)}"
        if not answer.value.complete:
            return f"the history of alerts is incomplete: {answer.value.reason or 'the source says so'}"
        problems = (find_unproven(answer.value, match) for match in question.matches)
        return next(filter(None, problems), "")
    return ""


def _find_trouble(rule: Rule) -> str:
    return f"rule {rule.alert} cannot tell: {rule.trouble}" if rule.trouble else ""


def _find_blindness(rule: Rule) -> str:
    if rule.blind:
        return (
            f"rule {rule.alert} could not fire: {rule.blind}; mend its expression, "
            "or match only the rules that are meant by `alertname`"
        )
    if rule.blind is None and rule.expr:
        return f"nothing tells whether rule {rule.alert} saw what it reads ({rule.expr}): {_PROOF}"
    return ""


def _find_pause(group: str, known: Mapping[str, Evaluation], remedy: str) -> str:
    evaluation = known.get(group)
    if evaluation is None and remedy:
        return f"nothing proves that rule group {group!r} was evaluated all the time: {remedy}"
    if evaluation is None:
        return (
            f"nothing proves that rule group {group!r} was evaluated: there is no {_EVALUATED} of it, "
            f"without which nobody would know that it had stopped; {_SCRAPE}, or {_PROOF}"
        )
    if evaluation.longest_gap > evaluation.allowed_gap:
        gap, allowed = map(format_short_duration, (evaluation.longest_gap, evaluation.allowed_gap))
        return f"rule group {group!r} was not evaluated for {gap} (allowed {allowed})"
    if evaluation.failures is None:
        return (
            f"nothing counts the failed evaluations of rule group {group!r}: there is no {_FAILURES} of it, "
            f"without which a rule may have failed each time; {_SCRAPE}, or {_PROOF}"
        )
    if evaluation.failures:
        return f"rule group {group!r} had {evaluation.failures:g} failed evaluations"
    if evaluation.changed is not None:
        when = format_time(evaluation.changed)
        return (
            f"rules of group {group!r} were added or removed at {when}: they were not the same all the time"
        )
    return ""


def _find_removed(groups: Iterable[str], evaluations: Sequence[Evaluation]) -> str:
    """Return a group that was removed from a file of the matching rules, since its rules are unknown, or nothing."""
    files = {group.rpartition(";")[0] for group in groups}
    for evaluation in evaluations:
        file = evaluation.group.rpartition(";")[0]
        if evaluation.group not in groups and file in files and evaluation.changed is not None:
            when = format_time(evaluation.changed)
            return (
                f"rule group {evaluation.group!r} was removed or changed at {when}, beside rules that match"
            )
    return ""


def _describe_unmatched(events: Events, match: Match) -> str:
    """Return the names of the rules, and what their alerts can have in the place of a label that none has so."""
    names = sorted({rule.alert for rule in events.rules})
    listed = ", ".join(names[:_MAX_NAMED]) or "none"
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    parts = [f"rules known: {listed}{more}"]
    for name, _, value in match:
        candidates = set(names) if name == "alertname" else _values(events, name)
        near = get_close_matches(value, candidates - {value}, 1)
        if near:
            parts.append(f"did you mean {name} {near[0]!r}?")
        elif name != "alertname" and candidates and value not in candidates:
            parts.append(f"{name} can be {', '.join(sorted(candidates)[:_MAX_NAMED])}")
    parts += [
        f"rule {rule.alert}: {rule.blind}" for rule in events.rules if rule.blind and may_raise(rule, match)
    ][:_MAX_NAMED]
    if not names:
        parts.append(events.remedy or _PROOF)
    return f"no alerting rule matches {alerts_query(match)} ({'; '.join(parts)})"


def _values(events: Events, name: str) -> set[str]:
    sets: list[Mapping[str, str]] = [events.external_labels]
    for rule in events.rules:
        sets += [rule.labels, *(rule.series or ())]
    return {value for labels in sets if (value := labels.get(name, "")) and "{{" not in value}
