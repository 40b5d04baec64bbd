"""OpenSLO documents (https://github.com/OpenSLO/OpenSLO, openslo/v1) as criteria of a suite.

Each objective of each SLO becomes one criterion. What has no criterion that means the same is a problem with its line, and
nothing of that SLO is written: a gate that judged half of it would look like one that judged all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import PromQLError, SuiteError
from pytest_telemetry_gate.files.document import Document
from pytest_telemetry_gate.files.parts import Part
from pytest_telemetry_gate.promql import ast, parse
from pytest_telemetry_gate.support.durations import parse_duration
from pytest_telemetry_gate.support.suggestions import suggest
from pytest_telemetry_gate.support.text import one_line

__all__ = ["Converted", "convert_openslo"]

_VERSION = "openslo/v1"
_SAID_ELSEWHERE = ("Service", "AlertNotificationTarget")  # nothing of these can be judged
_KINDS = ("SLO", "SLI", "DataSource", "AlertPolicy", "AlertCondition", *_SAID_ELSEWHERE)
_OPERATORS = {"lte": "<=", "lt": "<", "gte": ">=", "gt": ">"}
_GROWING = frozenset({"rate", "increase", "irate"})

Criterion = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Converted:
    """The criteria by group, which is an SLO's service, and one line for each part that has none."""

    groups: Mapping[str, Sequence[Criterion]]
    problems: Sequence[str]


def convert_openslo(paths: Iterable[Path]) -> Converted:
    """Read OpenSLO files and return the criteria of their SLOs; files that are no YAML are problems too."""
    problems: list[str] = []
    paths = tuple(paths)
    objects: dict[tuple[str, str], Part] = {}
    for path in paths:
        try:
            documents = Document.all_of(path)
        except SuiteError as error:
            problems.append(str(error))
            continue
        for document in documents:
            try:
                _add(objects, Part(document, (), document.value))
            except SuiteError as error:
                problems.append(str(error))
    converter = _Converter(objects)
    groups: dict[str, list[Criterion]] = {}
    taken: set[str] = set()
    for (kind, _), found in objects.items():
        if kind != "SLO":
            continue
        try:
            criteria = converter.convert(found)
            _require_free(taken, criteria, found)
            group = one_line(found.text("spec", "service")) or "OpenSLO"
            groups.setdefault(group, []).extend(criteria)
        except SuiteError as error:
            problems.append(str(error))
    problems += converter.unused()
    if not groups and not problems:
        problems.append(f"{', '.join(map(str, paths))}: no SLO, so that there is nothing to judge")
    return Converted(groups, problems)


def _add(objects: dict[tuple[str, str], Part], found: Part) -> None:
    version, kind, name = found.text("apiVersion"), found.text("kind"), found.text("metadata", "name")
    if version != _VERSION:
        found.get("apiVersion").fail(f"apiVersion {version!r}: only {_VERSION} is read")
    if kind not in _KINDS:
        found.get("kind").fail(f"unknown kind {kind!r}{suggest(kind, _KINDS)}")
    if not name:
        found.get("metadata").fail(f"{kind} without metadata.name")
    if (kind, name) in objects:
        found.get("metadata", "name").fail(f"a second {kind} {name!r}")
    objects[kind, name] = found


def _require_free(taken: set[str], criteria: Sequence[Criterion], found: Part) -> None:
    for criterion in criteria:
        if criterion["id"] in taken:
            found.get("metadata", "name").fail(f"two criteria would be called {criterion['id']!r}")
    taken.update(criterion["id"] for criterion in criteria)


class _Converter:
    """Makes criteria of SLOs, whose parts may stand in other documents."""

    def __init__(self, objects: Mapping[tuple[str, str], Part]) -> None:
        self._objects = objects
        self._used: set[tuple[str, str]] = set()

    def unused(self) -> Iterator[str]:
        """Yield a line for each indicator that no SLO refers to."""
        for (kind, name), found in self._objects.items():
            if kind == "SLI" and (kind, name) not in self._used:
                yield str(
                    found.document.error(
                        found.where, f"SLI {name!r}: no SLO refers to it, so it has no objective"
                    )
                )

    def convert(self, slo: Part) -> list[Criterion]:
        """Return a criterion for each objective of an SLO; raises SuiteError for what has none."""
        spec, name = slo.get("spec"), slo.text("metadata", "name")
        indicator = self._find_indicator(spec, name)
        method = spec.text("budgetingMethod") or "Occurrences"
        if method != "Occurrences":
            spec.get("budgetingMethod").fail(
                f"SLO {name!r}: budgetingMethod {method} has no criterion, Occurrences has"
            )
        objectives = spec.items("objectives")
        if not objectives:
            spec.get("objectives").fail(f"SLO {name!r} has no objectives")
        burns = [burn for policy in spec.items("alertPolicies") for burn in self._burns(policy, name)]
        criteria = []
        for number, objective in enumerate(objectives, 1):
            composite = next(
                (
                    key
                    for key in ("indicator", "indicatorRef", "compositeWeight")
                    if objective.get(key).value is not None
                ),
                "",
            )
            if composite:
                objective.get(composite).fail(
                    f"SLO {name!r} is composite, which has no criterion: write one SLO for each"
                )
            own = name if len(objectives) == 1 else f"{name}-{number}"
            titles = [objective.text("displayName"), slo.text("metadata", "displayName")]
            title = next(filter(None, titles if len(objectives) > 1 else reversed(titles)), "")
            head = {
                "id": re.sub(r"[^A-Za-z0-9_.-]+", "-", own),
                **({"title": one_line(title)} if title else {}),
            }
            criteria.append({**head, **self._judge(indicator, objective, spec, name, burns)})
        return criteria

    def _judge(
        self, indicator: Part, objective: Part, spec: Part, name: str, burns: Sequence[Criterion]
    ) -> Criterion:
        """Return what a criterion of an objective asks for, and its limit."""
        target = _target(objective, name)
        window = _window(spec, name)
        ratio, threshold = indicator.get("spec", "ratioMetric"), indicator.get("spec", "thresholdMetric")
        if (ratio.value is None) == (threshold.value is None):
            indicator.get("spec").fail(
                f"SLO {name!r}: an indicator has either a ratioMetric or a thresholdMetric"
            )
        if ratio.value is not None and ratio.get("raw").value is None:
            keys = [key for key in ("good", "bad") if ratio.get(key).value is not None]
            if len(keys) != 1 or ratio.get("total").value is None:
                ratio.fail(f"SLO {name!r}: a ratioMetric has `total` and one of `good` and `bad`, or `raw`")
            budget: Criterion = {key: self._counter(ratio.get(key), ratio, name) for key in (*keys, "total")}
            budget |= {"target": _percent(target), **({"window": window} if window else {})}
            return {"objective": budget | ({"burn": list(burns)} if burns else {})}
        if burns:
            spec.get("alertPolicies").fail(
                f"SLO {name!r}: burn rates are of counters, which its indicator does not have"
            )
        if ratio.value is not None:
            kind = ratio.text("rawType")
            if kind not in {"success", "failure"}:
                ratio.get("rawType").fail(f"SLO {name!r}: rawType is success or failure, not {kind!r}")
            query = f"avg_over_time(({self._expression(ratio.get('raw'), name)})[$__range:$__interval])"
            limit = f">= {_percent(target)}" if kind == "success" else f"<= {_percent(1 - target)}"
            return {
                "query": query,
                "unit": "ratio",
                "reduce": "min" if kind == "success" else "max",
                "expect": limit,
            }
        operator = _OPERATORS.get(objective.text("op"))
        if operator is None:
            objective.get("op").fail(f"SLO {name!r}: `op` is one of {', '.join(_OPERATORS)}")
        value = _number(objective.get("value"), f"SLO {name!r}: `value`")
        query = f"({self._expression(threshold, name)}) {operator} bool {value}"
        query = f"avg_over_time(({query})[$__range:$__interval])"
        return {"query": query, "unit": "ratio", "reduce": "min", "expect": f">= {_percent(target)}"}

    def _find_indicator(self, spec: Part, name: str) -> Part:
        inline, reference = spec.get("indicator"), spec.text("indicatorRef")
        if inline.value is not None:
            return inline
        if not reference:
            spec.fail(f"SLO {name!r} has neither `indicator` nor `indicatorRef`")
        return self._find("SLI", spec.get("indicatorRef"), name)

    def _find(self, kind: str, reference: Part, name: str) -> Part:
        """Return the object that a reference names."""
        key = kind, str(reference.value)
        if key not in self._objects:
            names = [other for one, other in self._objects if one == kind]
            reference.fail(f"SLO {name!r}: no {kind} {key[1]!r} in these files{suggest(key[1], names)}")
        self._used.add(key)
        return self._objects[key]

    def _expression(self, metric: Part, name: str) -> ast.Expr:
        """Return the parsed query of a metric of Prometheus."""
        source = metric.get("metricSource")
        kind, reference = source.text("type"), source.get("metricSourceRef")
        if not kind and reference.value is not None:
            kind = self._find("DataSource", reference, name).text("spec", "type")
        if kind.lower() != "prometheus":
            told = f"of type {kind!r}" if kind else "without a type"
            (source if source.value is not None else metric).fail(
                f"SLO {name!r}: a metric source {told}, only Prometheus is read"
            )
        query = source.get("spec", "query")
        text = source.text("spec", "query")
        if not text:
            source.get("spec").fail(f"SLO {name!r}: the metric source has no spec.query")
        try:
            expression = parse(text)
        except PromQLError as error:
            query.fail(f"SLO {name!r}: {one_line(str(error))}")
        if one_line(str(expression)) != str(expression):
            query.fail(f"SLO {name!r}: the query holds what no terminal should be shown")
        if expression.type not in {"vector", "scalar"}:
            query.fail(f"SLO {name!r}: {one_line(text)!r} yields a {expression.type}, not values")
        return expression

    def _counter(self, metric: Part, ratio: Part, name: str) -> str:
        """Return the selector of the counters whose growth a query is about; raises SuiteError where it is another one."""
        node = ast.unwrapped(self._expression(metric, name))
        if isinstance(node, ast.Aggregate) and node.op == "sum" and not node.labels and not node.without:
            node = ast.unwrapped(node.expr)
        is_growth = isinstance(node, ast.Call) and node.func in _GROWING
        if isinstance(node, ast.Call) and is_growth:
            inner = ast.unwrapped(node.args[0])
            node = inner.selector if isinstance(inner, ast.MatrixSelector) else inner
        if not isinstance(node, ast.VectorSelector) or node.offset or node.at is not None:
            wanted = "one selector of counters, its sum, or the sum of its rate or increase"
            metric.get("metricSource", "spec", "query").fail(
                f"SLO {name!r}: an error budget counts events, and this is not {wanted}"
            )
        if not is_growth and ratio.get("counter").value is not True:
            ratio.get("counter").fail(
                f"SLO {name!r}: `counter: true` is missing, and events of gauges cannot be counted"
            )
        return node.selector

    def _burns(self, policy: Part, name: str) -> Iterator[Criterion]:
        """Yield the burn rates that an alert policy is about."""
        if policy.text("alertPolicyRef"):
            policy = self._find("AlertPolicy", policy.get("alertPolicyRef"), name)
        if policy.get("spec", "alertWhenBreaching").value is False:
            policy.get("spec", "alertWhenBreaching").fail(
                f"SLO {name!r}: an alert that is not about a breach has no criterion"
            )
        for listed in policy.items("spec", "conditions"):
            is_reference = bool(listed.text("conditionRef"))
            found = self._find("AlertCondition", listed.get("conditionRef"), name) if is_reference else listed
            condition = found.get("spec", "condition")
            kind = condition.text("kind") or "burnrate"
            if kind != "burnrate":
                condition.get("kind").fail(
                    f"SLO {name!r}: a condition of kind {kind!r}, only burnrate is read"
                )
            after = condition.text("alertAfter")
            if after and _duration(condition.get("alertAfter"), f"SLO {name!r}: `alertAfter`"):
                condition.get("alertAfter").fail(
                    f"SLO {name!r}: alertAfter {after}: a gate judges one moment; leave it out"
                )
            _duration(condition.get("lookbackWindow"), f"SLO {name!r}: `lookbackWindow`")
            at_most = _number(condition.get("threshold"), f"SLO {name!r}: `threshold`")
            yield {"over": condition.text("lookbackWindow"), "at_most": at_most}


def _target(objective: Part, name: str) -> Decimal:
    """Return the share that must be good."""
    keys = [key for key in ("target", "targetPercent") if objective.get(key).value is not None]
    if len(keys) != 1:
        objective.fail(f"SLO {name!r}: an objective has one of target and targetPercent")
    number = _number(objective.get(keys[0]), f"SLO {name!r}: `{keys[0]}`")
    target = number / 100 if keys[0] == "targetPercent" else number
    if not 0 < target < 1:
        objective.get(keys[0]).fail(f"SLO {name!r}: {keys[0]} {number} is not between 0 and all")
    return target


def _window(spec: Part, name: str) -> str:
    """Return for how long the budget is; empty where the SLO does not say."""
    windows = spec.items("timeWindow")
    if not windows:
        return ""
    if (
        len(windows) > 1
        or windows[0].get("calendar").value is not None
        or windows[0].get("isRolling").value is False
    ):
        spec.get("timeWindow").fail(f"SLO {name!r}: one rolling timeWindow is read, none of a calendar")
    _duration(windows[0].get("duration"), f"SLO {name!r}: `duration`")
    return windows[0].text("duration")


def _duration(found: Part, subject: str) -> float:
    try:
        return parse_duration(str(found.value))
    except ValueError:
        found.fail(f"{subject} {found.value!r} is no duration such as 28d")


def _number(found: Part, subject: str) -> Decimal:
    try:
        number = Decimal(str(found.value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or isinstance(found.value, bool):
        found.fail(f"{subject} {found.value!r} is no number")
    return number


def _percent(share: Decimal) -> str:
    return f"{(share * 100).normalize():f}%"
