"""The source ``datadog``: metrics by Datadog's own query language, in the form of its monitors.

v1 of the API answers with the interval of each series, by which coverage can be told however the server has rolled up the
points; v2 leaves out times without data and says no interval, so that v1 is asked unless ``api: v2`` is set.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from pytest_telemetry_gate.model.query_sources import Dialect, QuerySource, Readings, SourceQuery
from pytest_telemetry_gate.model.systems import System, Tested
from pytest_telemetry_gate.sources.datadog_answers import (
    OtherAnswerError,
    doubt_of,
    read_scalars,
    read_v1,
    read_v2,
)
from pytest_telemetry_gate.sources.datadog_api import DatadogApi, DatadogSettings
from pytest_telemetry_gate.sources.datadog_queries import PERCENTILE, DatadogDialect, DatadogQuery
from pytest_telemetry_gate.sources.points import read_points
from pytest_telemetry_gate.sources.prometheus_json import ODD_JSON

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["Datadog"]

# Seconds of a window, and the interval of a line's points over it: https://docs.datadoghq.com/dashboards/functions/rollup/
_INTERVALS = ((3600, 20), (14_400, 60), (86_400, 300), (172_800, 600), (604_800, 3600), (2_592_000, 14_400))
_LONGEST_INTERVAL = 86_400


class Datadog(QuerySource):
    """Asks one organization of Datadog."""

    dialect: ClassVar[Dialect] = DatadogDialect()
    system: ClassVar[System] = System(
        title="Datadog",
        tested=Tested.FAKE,
        against="a server written from Datadog's OpenAPI, which Datadog's own client reads as well",
        unproven="that no data were made up (it fills gaps of a gauge of up to five minutes unless a query says `.fill(null)`), and that no "
        "series is missing: what sent nothing is not in an answer",
    )

    def __init__(self, settings: RegionSettings) -> None:
        known = self.read_settings(settings)
        self._api = DatadogApi(settings, known)
        self._version, self._app = known.version, known.app
        self.description = f"datadog {known.app or known.http.url}"

    @classmethod
    def from_settings(cls, settings: RegionSettings) -> Datadog:
        """Make the source; raises SourceError where its settings cannot be used."""
        return cls(settings)

    @staticmethod
    def read_settings(settings: RegionSettings) -> DatadogSettings:
        """Return how Datadog is reached; raises SourceError at the line of a setting that cannot be used."""
        return DatadogSettings.from_settings(settings)

    def probe(self) -> None:
        """Make sure that the API key is valid."""
        self._api.validate()

    def read(self, query: SourceQuery) -> Readings:
        """Return the value of each set of tags: its points over the window of the query, aggregated over time."""
        try:
            parsed = DatadogQuery.parse(query.text)
        except ValueError as error:
            raise self._api.error(str(error)) from None
        start, end = round(parsed.aggregate.start(query)), round(query.end)
        if self._version == "v1":
            answer = self._api.query(parsed, start, end)
        else:
            answer = self._api.timeseries(parsed, start, end, _interval_of(parsed, end - start))
        # The percentile of a window is none of its points': Datadog tells it, and the points tell what it is of.
        is_percentile = parsed.aggregate.aggregator == PERCENTILE
        percentiles = self._api.percentiles(parsed, start, end) if is_percentile else None
        said = ""
        try:
            said = doubt_of(answer) or ("" if percentiles is None else doubt_of(percentiles))
            readings = self._read_points(parsed, answer, start, end)
            if percentiles is not None:
                readings = _with_percentiles(readings, percentiles)
        except ODD_JSON:
            message = said or "response is JSON, but not of the metrics API of Datadog"
            raise self._api.error(message) from None
        except OtherAnswerError as error:
            raise self._api.error(str(error)) from None
        if parsed.invents:
            note = f"{parsed.invents} puts points where there are no data, so that nothing tells how much there was"
            readings = replace(readings, coverage=None, note=note)
        return replace(readings, doubt=said or readings.doubt)

    def link(self, query: SourceQuery) -> str:
        """Return the address of the metrics explorer over the window, with the query's first metric; empty with ``url``."""
        try:
            parsed = DatadogQuery.parse(query.text)
        except ValueError:
            return ""
        if not self._app:
            return ""
        first = parsed.metrics[0]
        fields = {
            "exp_metric": first.metric,
            "exp_agg": first.aggregator or "avg",
            "exp_scope": first.scope if first.scope != "*" else "",
            "exp_group": first.by,
            "from_ts": f"{parsed.aggregate.start(query) * 1000:.0f}",
            "to_ts": f"{query.end * 1000:.0f}",
            "live": "false",
        }
        shown = urlencode({name: text for name, text in fields.items() if text})
        return f"{self._app}/metric/explorer?{shown}"

    def _read_points(self, query: DatadogQuery, answer: Any, start: int, end: int) -> Readings:
        if self._version == "v1":
            series, unit = read_v1(answer, start * 1000, end * 1000)
        else:
            interval = _interval_of(query, end - start)
            series, unit = read_v2(answer, start * 1000, end * 1000, interval * 1000)
        aggregator = query.aggregate.aggregator
        return read_points(series, "last" if aggregator == PERCENTILE else aggregator, start, end, unit=unit)


def _interval_of(query: DatadogQuery, length: int) -> int:
    """Return the seconds that a point of v2 shall stand for: what the query rolls up to, else what a line graph has."""
    asked = max((metric.rollup or 0 for metric in query.metrics), default=0)
    if asked:
        return asked
    return next((interval for longest, interval in _INTERVALS if length <= longest), _LONGEST_INTERVAL)


def _with_percentiles(readings: Readings, answer: Any) -> Readings:
    """Return readings with the values of another answer, which must be of the same series."""
    values = read_scalars(answer)
    found = [values.get(frozenset(labels.items())) for labels in readings.labels]
    if None in found or len(values) != len(found):
        message = "answered with a percentile of other series than with points"
        raise OtherAnswerError(message)
    return replace(readings, values=tuple(value for value in found if value is not None))
