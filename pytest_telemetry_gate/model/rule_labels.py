"""Which alerts a rule could raise: by the labels that it states, by what their templates and its series can become.

An alert has the labels of its series, over these those of its rule, and its rule's name; where it is sent, also the
server's external labels that it does not have itself (``rules/alerting.go`` and ``notifier`` of Prometheus).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from pytest_telemetry_gate.model.events import Episode, Match, Rule
from pytest_telemetry_gate.model.label_templates import is_template, labels_in, pattern_of
from pytest_telemetry_gate.promql import Matcher

__all__ = ["can_raise", "labels_asked", "may_raise", "satisfies"]

_NAME = "alertname"


def satisfies(labels: Mapping[str, str], match: Match) -> bool:
    """Tell whether an alert with these labels is one of those meant; a label that is not there is an empty one."""
    return all(Matcher(name, op, value).matches(labels.get(name, "")) for name, op, value in match)


def may_raise(rule: Rule, match: Match) -> bool:
    """Tell whether nothing that a rule states speaks against it; templates and series are not looked at."""
    stated = {**_literal(rule), _NAME: rule.alert}
    return satisfies(stated, tuple(condition for condition in match if condition[0] in stated))


def labels_asked(rule: Rule, matches: Iterable[Match]) -> tuple[str, ...]:
    """Return the labels of a rule's series that decide whether it can raise an alert that satisfies one of the matches."""
    stated = {**_literal(rule), _NAME: rule.alert}
    names: set[str] = set()
    for match in matches:
        if may_raise(rule, match):
            for name in {name for name, _, _ in match} - set(stated):
                names |= labels_in(rule.labels[name]) if name in rule.labels else {name}
    return tuple(sorted(names))


def can_raise(rule: Rule, match: Match, external: Mapping[str, str], seen: Sequence[Episode] = ()) -> bool:
    """Tell whether a rule can raise an alert that satisfies the match, as far as its series are known.

    ``seen`` are alerts that fired: what a rule has raised, it can raise.
    """
    if not may_raise(rule, match):
        return False
    if any(
        episode.name == rule.alert and satisfies({**external, **episode.labels, _NAME: episode.name}, match)
        for episode in seen
    ):
        return True
    known = rule.series is not None
    return any(
        all(_can_be(rule, condition, labels, external, known=known) for condition in match)
        for labels in rule.series or ({},)
    )


def _can_be(
    rule: Rule,
    condition: tuple[str, str, str],
    labels: Mapping[str, str],
    external: Mapping[str, str],
    *,
    known: bool,
) -> bool:
    name, op, value = condition
    matcher = Matcher(name, op, value)
    if name == _NAME:
        return matcher.matches(rule.alert)
    text = rule.labels.get(name)
    if text is None:
        return matcher.matches(labels.get(name) or external.get(name, ""))
    if not is_template(text):
        return matcher.matches(text or external.get(name, ""))
    if labels_in(text) and not known:
        return False
    pattern = pattern_of(text, labels, external)
    if op == "=":
        return re.fullmatch(pattern, value, re.DOTALL) is not None
    return True


def _literal(rule: Rule) -> dict[str, str]:
    return {name: text for name, text in rule.labels.items() if text and not is_template(text)}
