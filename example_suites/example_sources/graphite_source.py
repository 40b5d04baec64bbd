"""Graphite: a query is a target of its render API behind a time aggregator, ``avg(last_1h):averageSeries(web.*.latency)``.

https://graphite.readthedocs.io/en/stable/render_api.html
"""

from __future__ import annotations

import re
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

EXAMPLE = "averageSeries(web.*.latency)"
MADE_UP = re.compile(r"\b(transformNull|keepLastValue|interpolate)\s*\(")


class GraphiteTarget(Dialect):
    """A target, which must not fill gaps: points would no longer tell how much data there is."""

    name = "Graphite target"

    def check(self, query: SourceQuery) -> str:
        try:
            aggregate = TimeAggregate.parse(query.text, EXAMPLE)
            aggregate.require_window(query)
        except ValueError as error:
            return str(error)
        made_up = MADE_UP.search(aggregate.text)
        return f"{made_up[1]}() puts points where there are no data: leave it out" if made_up else ""


class Graphite(QuerySource):
    """Asks one Graphite by HTTP."""

    dialect = GraphiteTarget()

    def __init__(self, settings: RegionSettings) -> None:
        self._url = str(settings.options.get("url", "")).rstrip("/")
        if not self._url.startswith(("http://", "https://")):
            raise settings.error(("url",), "needs `url`, such as https://graphite.example.net")
        self.description = f"graphite {self._url}"

    def read(self, query: SourceQuery) -> Readings:
        aggregate = TimeAggregate.parse(query.text, EXAMPLE)
        series = [_series(one, aggregate.window) for one in self._render(aggregate, query)]
        return read_points(series, aggregate.aggregator, aggregate.start(query), query.end)

    def _render(self, aggregate: TimeAggregate, query: SourceQuery) -> Any:
        # Points from the second after `from` on, up to `until` itself
        start, end = aggregate.start(query) - 1, query.end
        asked = {"target": aggregate.text, "from": f"{start:.0f}", "until": f"{end:.0f}", "format": "json"}
        try:
            reply = requests.get(f"{self._url}/render", params=asked, timeout=30, allow_redirects=False)
        except requests.RequestException as error:
            raise UnreachableError(f"{self._url}: no answer: {type(error).__name__}") from None
        if reply.status_code != 200:
            raise SourceError(f"{self._url}: HTTP {reply.status_code}: {' '.join(reply.text.split())[:200]}")
        return reply.json()


def _series(one: dict[str, Any], window: float) -> PointSeries:
    """Return the points of a target: Graphite has one for every step, with or without data, so that two tell the step."""
    values, times = zip(*one["datapoints"], strict=True) if one["datapoints"] else ((), ())
    step = times[1] - times[0] if len(times) > 1 else round(window)
    return PointSeries({"target": one["target"]}, [1000 * time for time in times], values, 1000 * step)
