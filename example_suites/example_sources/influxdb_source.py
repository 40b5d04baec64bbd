"""InfluxDB 1: a query is InfluxQL behind a time aggregator, with Grafana's ``$timeFilter`` and a fixed interval.

``avg(last_1h):SELECT mean(latency) FROM web WHERE $timeFilter GROUP BY time(1m), host``
https://docs.influxdata.com/influxdb/v1/tools/api/#query-http-endpoint
"""

from __future__ import annotations

import re
from dataclasses import replace
from string import Template
from typing import Any

import requests

from pytest_telemetry_gate import (
    Dialect,
    PointSeries,
    QuerySource,
    Readings,
    RegionSettings,
    SourceError,
    SourceQuery,
    TimeAggregate,
    UnreachableError,
    read_points,
)

EXAMPLE = "SELECT mean(latency) FROM web WHERE $timeFilter GROUP BY time(1m), host"
SECONDS = {"s": 1, "m": 60, "h": 3600}
INTERVAL = re.compile(r"\bGROUP\s+BY\b[^;]*\btime\(\s*(\d+)([smh])\s*\)", re.IGNORECASE)
MADE_UP = re.compile(r"\bfill\(\s*(?!null|none)[^)]*\)", re.IGNORECASE)


WRITES = re.compile(r";|\binto\b", re.IGNORECASE)  # a SELECT ... INTO writes


class InfluxQL(Dialect):
    """One SELECT with ``$timeFilter`` and ``GROUP BY time(...)``, from which the coverage of an answer is told."""

    name = "InfluxQL"
    binds_variables = True  # $timeFilter is this source's own, so that it expands all of them

    def check(self, query: SourceQuery) -> str:
        try:
            _parse(query).require_window(query)
        except ValueError as error:
            return str(error)
        return ""


class InfluxDB(QuerySource):
    """Asks one database of one InfluxDB."""

    dialect = InfluxQL()

    def __init__(self, settings: RegionSettings) -> None:
        self._url = str(settings.options.get("url", "")).rstrip("/")
        self._database = str(settings.options.get("database", ""))
        if not self._url.startswith(("http://", "https://")) or not self._database:
            raise settings.error((), "needs `url`, such as https://influxdb.example.net:8086, and `database`")
        self.description = f"influxdb {self._url} {self._database}"

    def read(self, query: SourceQuery) -> Readings:
        aggregate = _parse(query)
        (result,) = self._query(aggregate.text)["results"]
        if "error" in result:
            raise SourceError(f"{self._url}: {result['error']}")
        rows = result.get("series", ())
        series = [_series(one, _interval(aggregate.text)) for one in rows]
        readings = read_points(series, aggregate.aggregator, aggregate.start(query), query.end)
        cut_off = any(one.get("partial") for one in (result, *rows))
        return replace(readings, doubt="InfluxDB has cut off its answer") if cut_off else readings

    def _query(self, text: str) -> Any:
        asked = {"db": self._database, "q": text, "epoch": "ms"}
        try:
            reply = requests.get(f"{self._url}/query", params=asked, timeout=30, allow_redirects=False)
            answer = reply.json()
        except requests.RequestException as error:
            raise UnreachableError(f"{self._url}: no answer: {type(error).__name__}") from None
        if reply.status_code != 200:
            raise SourceError(f"{self._url}: HTTP {reply.status_code}: {answer.get('error', 'no reason')}")
        return answer


def _parse(query: SourceQuery) -> TimeAggregate:
    """Return a query with its variables expanded; raises ValueError for one that is not asked."""
    aggregate = TimeAggregate.parse(query.text, EXAMPLE)
    start, end = round(aggregate.start(query) * 1000), round(query.end * 1000)
    bound = {**query.variables, "timeFilter": f"time >= {start}ms AND time < {end}ms"}
    try:
        text = Template(aggregate.text).substitute(bound)
    except KeyError as missing:
        raise ValueError(f"unknown variable ${missing.args[0]}") from None
    if not text.lower().startswith("select ") or WRITES.search(text):
        raise ValueError(f"needs one SELECT that only reads, such as `{EXAMPLE}`")
    if "$timeFilter" not in aggregate.text or not _interval(text):
        raise ValueError(f"needs $timeFilter and GROUP BY time(INTERVAL), such as `{EXAMPLE}`")
    if made_up := MADE_UP.search(text):
        raise ValueError(f"{made_up[0]} puts points where there are no data: leave it out")
    return replace(aggregate, text=text)


def _interval(text: str) -> int:
    """Return how many milliseconds apart points are, 0 where the query does not say it."""
    match = INTERVAL.search(text)
    return int(match[1]) * SECONDS[match[2].lower()] * 1000 if match else 0


def _series(one: dict[str, Any], interval: int) -> PointSeries:
    times = [row[0] for row in one["values"]]
    return PointSeries(one.get("tags", {}), times, [row[1] for row in one["values"]], interval)
