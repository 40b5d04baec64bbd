"""Rule files as Prometheus reads them: groups of recording and alerting rules, with every problem at its line.

https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/; rules: ``model/rulefmt/rulefmt.go``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import PromQLError, SuiteError
from pytest_telemetry_gate.files.document import Document
from pytest_telemetry_gate.promql import parse
from pytest_telemetry_gate.promql.ast import Expr
from pytest_telemetry_gate.rules.templates import TemplateError, parse_template
from pytest_telemetry_gate.support.durations import parse_duration
from pytest_telemetry_gate.support.suggestions import suggest

__all__ = ["Rule", "RuleGroup", "load_rule_file"]

_FILE_KEYS = ("groups", "namespace", "namespaces")
_GROUP_KEYS = ("name", "interval", "query_offset", "limit", "rules", "labels", "partial_response_strategy")
_RECORDING_KEYS = ("record", "expr", "labels")
_ALERTING_KEYS = ("alert", "expr", "for", "keep_firing_for", "labels", "annotations")
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: ``name`` is the metric that it records, or the alert that it raises; times are in seconds."""

    name: str
    expr: Expr
    text: str
    alerting: bool
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    hold: float = 0.0
    keep_firing: float = 0.0
    line: int = 0


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules that are evaluated one after the other; ``interval`` (seconds) is None where the file does not say it.

    ``limit`` is the most series or alerts that a rule may give, 0 for any number; ``offset`` is how far back (seconds) its
    queries look.
    """

    name: str
    rules: tuple[Rule, ...]
    path: str = ""
    interval: float | None = None
    limit: int = 0
    offset: float = 0.0


def load_rule_file(path: Path, shown: str) -> tuple[RuleGroup, ...]:
    """Read a rule file; ``shown`` is its path as people call it. Raises SuiteError at the line of what Prometheus would refuse."""
    reader = _Reader(Document(path, shown), shown)
    return tuple(reader.groups())


class _Reader:
    def __init__(self, document: Document, shown: str) -> None:
        self._document = document
        self._shown = shown

    def groups(self) -> Iterator[RuleGroup]:
        content = self._document.value
        self._mapping(content, (), _FILE_KEYS, "the file")
        names: set[str] = set()
        for number, group in enumerate(self._list(content.get("groups") or [], ("groups",), "groups")):
            place = ("groups", number)
            self._mapping(group, place, _GROUP_KEYS, "a group")
            name = self._text(group, "name", place)
            if name in names:
                raise self._error((*place, "name"), f"group {name!r} is there twice")
            names.add(name)
            yield RuleGroup(
                name=name,
                rules=tuple(self._rules(group, place)),
                path=self._shown,
                interval=self._duration(group, "interval", place),
                limit=self._limit(group, place),
                offset=self._duration(group, "query_offset", place) or 0.0,
            )

    def _rules(self, group: Mapping[str, Any], place: tuple[Any, ...]) -> Iterator[Rule]:
        shared = self._labels(group.get("labels") or {}, (*place, "labels"), templates=True)
        seen: dict[object, int] = {}
        for number, rule in enumerate(self._list(group.get("rules") or [], (*place, "rules"), "rules")):
            where = (*place, "rules", number)
            if not isinstance(rule, dict):
                raise self._error(where, "a rule must be a mapping of keys to values")
            if ("record" in rule) == ("alert" in rule):
                raise self._error(where, "a rule has either `record` or `alert`")
            one = (
                self._alerting(rule, where, shared)
                if "alert" in rule
                else self._recording(rule, where, shared)
            )
            identity = (one.name, one.text, frozenset(one.labels.items()), one.alerting)
            if identity in seen:
                raise self._error(where, f"the rule of line {seen[identity]} again")
            seen[identity] = one.line
            yield one

    def _recording(self, rule: Mapping[str, Any], place: tuple[Any, ...], shared: Mapping[str, str]) -> Rule:
        for key in ("for", "keep_firing_for", "annotations"):
            if key in rule:
                raise self._error((*place, key), f"{key}: a recording rule has none")
        self._mapping(rule, place, _RECORDING_KEYS, "a recording rule")
        name = self._text(rule, "record", place)
        if not _METRIC.fullmatch(name):
            raise self._error((*place, "record"), f"record: {name!r} is no name of a metric")
        text, expr = self._expr(rule, place)
        labels = self._labels(rule.get("labels") or {}, (*place, "labels"), templates=False)
        return Rule(name, expr, text, alerting=False, labels={**shared, **labels}, line=self._line(place))

    def _alerting(self, rule: Mapping[str, Any], place: tuple[Any, ...], shared: Mapping[str, str]) -> Rule:
        self._mapping(rule, place, _ALERTING_KEYS, "an alerting rule")
        text, expr = self._expr(rule, place)
        labels = self._labels(rule.get("labels") or {}, (*place, "labels"), templates=True)
        return Rule(
            name=self._text(rule, "alert", place),
            expr=expr,
            text=text,
            alerting=True,
            labels={**shared, **labels},
            annotations=self._labels(rule.get("annotations") or {}, (*place, "annotations"), templates=True),
            hold=self._duration(rule, "for", place) or 0.0,
            keep_firing=self._duration(rule, "keep_firing_for", place) or 0.0,
            line=self._line(place),
        )

    def _expr(self, rule: Mapping[str, Any], place: tuple[Any, ...]) -> tuple[str, Expr]:
        text = self._text(rule, "expr", place)
        try:
            expr = parse(text)
        except PromQLError as error:
            raise self._error((*place, "expr"), f"expr: {error}") from None
        if expr.type not in {"vector", "scalar"}:
            raise self._error((*place, "expr"), f"expr: {text!r} yields a {expr.type}, not values")
        return text, expr

    def _labels(self, labels: object, place: tuple[Any, ...], *, templates: bool) -> dict[str, str]:
        if not isinstance(labels, dict):
            raise self._error(place, f"{place[-1]}: must be a mapping of names to texts")
        found: dict[str, str] = {}
        for name, value in labels.items():
            where = (*place, name)
            if not _LABEL.fullmatch(str(name)) or name == "__name__":
                raise self._error(where, f"{name!r} is no name of a label")
            if isinstance(value, dict | list):
                raise self._error(where, f"{name}: must be a text")
            text = self._document.text((*place, name))
            if templates:
                try:
                    parse_template(text)
                except TemplateError as error:
                    raise self._error(where, f"{name}: {error}") from None
            found[str(name)] = text
        return found

    def _duration(self, keys: Mapping[str, Any], key: str, place: tuple[Any, ...]) -> float | None:
        if keys.get(key) is None:
            return None
        text = self._document.text((*place, key))
        try:
            return parse_duration(text)
        except ValueError as error:
            raise self._error((*place, key), f"{key}: {error}") from None

    def _limit(self, group: Mapping[str, Any], place: tuple[Any, ...]) -> int:
        limit = group.get("limit", 0)
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
            raise self._error((*place, "limit"), f"limit: {limit!r} is no number of series")
        return limit

    def _text(self, keys: Mapping[str, Any], key: str, place: tuple[Any, ...]) -> str:
        value = keys.get(key)
        if value is None or isinstance(value, dict | list) or value == "":
            raise self._error((*place, key), f"needs `{key}`")
        return self._document.text((*place, key))

    def _mapping(self, value: object, place: tuple[Any, ...], known: Iterable[str], what: str) -> None:
        if not isinstance(value, dict):
            raise self._error(place, f"{what} must be a mapping of keys to values")
        for key in value:
            if key not in known:
                raise self._error((*place, key), f"unknown key {key!r}{suggest(str(key), tuple(known))}")

    def _list(self, value: object, place: tuple[Any, ...], what: str) -> Sequence[Any]:
        if not isinstance(value, list):
            raise self._error(place, f"{what}: must be a list")
        return value

    def _line(self, place: tuple[Any, ...]) -> int:
        return self._document.line(place)

    def _error(self, place: tuple[Any, ...], message: str) -> SuiteError:
        return SuiteError(self._shown, self._line(place), message)
