"""Datadog's query language: what the gate has to know of a query before it is asked.

A metric query is ``AGGREGATOR:METRIC{SCOPE} by {TAGS}`` with functions behind it, ``.rollup(avg, 60)``; several of them are
joined by arithmetic, and functions go around: https://docs.datadoghq.com/dashboards/querying/#advanced-graphing
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pytest_telemetry_gate.model.query_sources import Dialect, SourceQuery
from pytest_telemetry_gate.sources.monitor_queries import TimeAggregate
from pytest_telemetry_gate.support.suggestions import suggest

__all__ = ["PERCENTILE", "DatadogDialect", "DatadogQuery", "MetricQuery"]

PERCENTILE = "percentile"  # of the whole window, by Datadog itself, from the sketches of a distribution
_EXAMPLE = "avg:system.cpu.user{env:prod} by {host}"
_SPACE_AGGREGATORS = ("avg", "sum", "min", "max", "count", "p50", "p75", "p90", "p95", "p99")
_PERCENTILE = re.compile(r"p\d{1,2}(?:\.\d{1,2})?")
_METRIC = re.compile(
    r"(?:(?P<aggregator>[A-Za-z_][\w.]*):)?(?P<metric>[A-Za-z][\w.]*)\{(?P<scope>[^{}]*)\}(?:\s*by\s*\{(?P<by>[^{}]*)\})?"
    r"(?P<functions>(?:\.\w+\([^()]*\))*)"
)
_FUNCTION = re.compile(r"\.(\w+)\(([^()]*)\)")
_PART = re.compile(
    r"""\s+|(?P<name>[A-Za-z_][\w.]*)(?P<colon>\s*:)?|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|'[^']*'|"[^"]*"|[-+*/(),]"""
)
_BRACKETS = {")": "(", "}": "{"}
# What gives points to intervals without data. A moving rollup has one wherever there was any within its own time.
_INVENTING = frozenset({"default_zero", "forecast", "moving_rollup"})
_ADDED_UP = re.compile(r"\.as_count\(\s*\)|\.rollup\(\s*(?:sum|count)\b")


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """One metric query of a formula; ``name`` stands for it there. ``aggregator`` is empty where the query has none."""

    name: str
    text: str
    aggregator: str
    metric: str
    scope: str
    by: str
    functions: str

    @property
    def adds_up(self) -> bool:
        """Whether its points are counts, whose sum over a time does not depend on their interval."""
        return self.aggregator == "count" or bool(_ADDED_UP.search(self.functions))

    @property
    def rollup(self) -> int | None:
        """The seconds that ``.rollup(AGGREGATOR, SECONDS)`` asks for."""
        for name, arguments in _FUNCTION.findall(self.functions):
            last = arguments.rpartition(",")[2].strip()
            if name == "rollup" and last.isdigit():
                return int(last)
        return None


@dataclass(frozen=True, slots=True)
class DatadogQuery:
    """A query in parts: ``formula`` is its text with the names of the metric queries in their places."""

    aggregate: TimeAggregate
    formula: str
    metrics: tuple[MetricQuery, ...]

    @classmethod
    def parse(cls, text: str) -> DatadogQuery:
        """Read a query; raises ValueError with what is wrong in one line."""
        aggregate = TimeAggregate.parse(text, _EXAMPLE, [PERCENTILE])
        _require_balance(aggregate.text)
        metrics: list[MetricQuery] = []

        def name(match: re.Match[str]) -> str:
            query = MetricQuery(
                f"query{len(metrics)}",
                match[0],
                match["aggregator"] or "",
                match["metric"],
                match["scope"],
                match["by"] or "",
                match["functions"],
            )
            metrics.append(query)
            return query.name

        formula = _METRIC.sub(name, aggregate.text)
        parsed = cls(aggregate, formula, tuple(metrics))
        parsed._check_aggregators()
        _check_formula(formula, {query.name: query.text for query in metrics})
        parsed._check_time()
        return parsed

    @property
    def invents(self) -> str:
        """What puts points where there are no data, as it is written; an empty text where nothing does."""
        for query in self.metrics:
            for name, arguments in _FUNCTION.findall(query.functions):
                # .fill(null) is the one that leaves gaps as they are.
                is_fill = name == "fill" and arguments.partition(",")[0].strip() != "null"
                if is_fill or name in _INVENTING:
                    return f".{name}({arguments})"
        called = re.findall(r"([A-Za-z_]\w*)\s*\(", self.formula)
        return next((f"{name}()" for name in called if name in _INVENTING), "")

    def _check_aggregators(self) -> None:
        for query in self.metrics:
            aggregator = query.aggregator
            if aggregator and aggregator not in _SPACE_AGGREGATORS and not _PERCENTILE.fullmatch(aggregator):
                message = f"unknown aggregator {aggregator!r} of {query.metric}{suggest(aggregator, _SPACE_AGGREGATORS)}"
                raise ValueError(message)

    def _check_time(self) -> None:
        """Raise ValueError where a value over time would not mean what it says."""
        aggregator = self.aggregate.aggregator
        if aggregator == "sum" and (rates := [query.text for query in self.metrics if not query.adds_up]):
            message = (
                f"sum(...) adds up points, whose number depends on the interval that the server chooses: write `{rates[0]}.as_count()` "
                "for a count, or `.rollup(sum, 60)`"
            )
            raise ValueError(message)
        if aggregator == PERCENTILE:
            only = self.metrics[0]
            if self.formula.strip() != only.name or not _PERCENTILE.fullmatch(only.aggregator):
                message = "percentile(...) takes one metric query of a distribution that begins with its percentile, such as `percentile(last_1h):p95:request.duration{*}`"
                raise ValueError(message)


class DatadogDialect(Dialect):
    """Datadog's language in the form of its monitors."""

    name = "Datadog query"

    def check(self, query: SourceQuery) -> str:
        """Return in one line why a query cannot work, or an empty text."""
        try:
            DatadogQuery.parse(query.text).aggregate.require_window(query)
        except ValueError as error:
            return str(error)
        return ""


def _require_balance(text: str) -> None:
    opened: list[str] = []
    for char in re.sub(r"'[^']*'|\"[^\"]*\"", "", text):
        if char in _BRACKETS.values():
            opened.append(char)
        elif char in _BRACKETS and (not opened or opened.pop() != _BRACKETS[char]):
            message = f"{char!r} closes what was not opened, in {text!r}"
            raise ValueError(message)
    if opened:
        message = f"{opened[-1]!r} is never closed, in {text!r}"
        raise ValueError(message)


def _check_formula(formula: str, metrics: Mapping[str, str]) -> None:
    """Raise ValueError where a formula is more than arithmetic and functions over its metric queries, given by their names."""
    depth, bare = 0, ""
    for part, name, colon, follows in _parts(formula):
        depth += (part == "(") - (part == ")")
        if part == "," and not depth:
            message = "one criterion has one query: these are several, with a comma between them"
            raise ValueError(message)
        if name and (colon or (name not in metrics and follows != "(")):
            bare = bare or name
    if bare:
        message = f"{bare!r}: a metric has a scope in braces behind it, such as `{_EXAMPLE}`"
        raise ValueError(message)
    if not metrics:
        message = f"has no metric query such as `{_EXAMPLE}`"
        raise ValueError(message)


def _parts(formula: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield each part with its name, the colon behind it, and the character that follows; raises ValueError for what is none."""
    position = 0
    while position < len(formula):
        match = _PART.match(formula, position)
        if match is None:
            message = f"{formula[position:][:20]!r} is nothing that a formula has: numbers, + - * / and functions of metric queries"
            raise ValueError(message)
        position = match.end()
        yield match[0], match["name"] or "", match["colon"] or "", formula[position:].lstrip()[:1]
