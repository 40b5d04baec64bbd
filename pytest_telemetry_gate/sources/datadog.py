"""The source ``datadog``: metrics by Datadog's own query language, over its HTTP API.

v1 answers with the interval of each series, by which coverage can be told however the server has rolled up the points;
v2 leaves out times without data and says no interval, so that v1 is what is asked unless ``api: v2`` is set.
https://docs.datadoghq.com/api/latest/metrics/#query-timeseries-points
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.query_sources import Dialect, QuerySource, Readings, SourceQuery
from pytest_telemetry_gate.model.systems import System, Tested
from pytest_telemetry_gate.sources.datadog_answers import doubt_of, read_scalars, read_v1, read_v2
from pytest_telemetry_gate.sources.datadog_queries import PERCENTILE, DatadogDialect, DatadogQuery
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.sources.points import PointSeries, read_points
from pytest_telemetry_gate.sources.prometheus_json import ODD_JSON
from pytest_telemetry_gate.support.suggestions import suggest
from pytest_telemetry_gate.support.text import name_region

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["Datadog"]

# https://docs.datadoghq.com/getting_started/site/
_SITES = (
    "datadoghq.com", "us3.datadoghq.com", "us5.datadoghq.com", "datadoghq.eu", "ap1.datadoghq.com", "ap2.datadoghq.com",
    "ddog-gov.com", "us2.ddog-gov.com",
)  # fmt: skip
_KEYS = ("api_key", "app_key")
_APIS = ("v1", "v2")
# Seconds of a window, and the interval of a line's points over it: https://docs.datadoghq.com/dashboards/functions/rollup/
_INTERVALS = ((3600, 20), (14_400, 60), (86_400, 300), (172_800, 600), (604_800, 3600), (2_592_000, 14_400))
_LONGEST_INTERVAL = 86_400


@dataclass(frozen=True, slots=True)
class _Settings:
    """How Datadog is reached: ``app`` is the address that people look at."""

    http: HttpSettings
    api: str
    app: str


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
        self._where = name_region(settings.name)
        self._url, self._app, self._api = known.http.url, known.app, known.api
        self._transport = Transport(
            known.http, settings.deadline, settings.secrets, connections=settings.concurrency
        )
        self.description = f"datadog {known.app or known.http.url}"

    @classmethod
    def from_settings(cls, settings: RegionSettings) -> Datadog:
        """Make the source; raises SourceError where its settings cannot be used."""
        return cls(settings)

    @staticmethod
    def read_settings(settings: RegionSettings) -> _Settings:
        """Return how Datadog is reached; raises SourceError at the line of a setting that cannot be used."""
        options = settings.options
        for key in _KEYS:
            value = options.get(key)
            if (
                not isinstance(value, str)
                or not value.strip()
                or not value.isascii()
                or not value.isprintable()
            ):
                raise settings.error(
                    (key,), f'{key}: needs a key of Datadog, such as "${{DD_{key.upper()}}}"'
                )
        api = options.get("api", _APIS[0])
        if api not in _APIS:
            raise settings.error(("api",), f"api: {api!r} is not one of {', '.join(_APIS)}")
        site = options.get("site", _SITES[0])
        if site not in _SITES:
            raise settings.error(("site",), f"site: {site!r} is no site of Datadog{suggest(site, _SITES)}")
        if "url" in options and "site" in options:
            raise settings.error(("url",), "at most one of site and url")
        placed = replace(settings, options={"url": f"https://api.{site}", **options})
        http = HttpSettings.from_settings(placed, (*_KEYS, "api", "site"))
        headers = {
            **http.headers,
            "DD-API-KEY": options["api_key"].strip(),
            "DD-APPLICATION-KEY": options["app_key"].strip(),
            "Content-Type": "application/json",
        }
        app = "" if "url" in options else f"https://{'app.' if site.count('.') == 1 else ''}{site}"
        return _Settings(replace(http, headers=headers, own_credentials=_KEYS), api, app)

    def probe(self) -> None:
        """Make sure that the API key is valid: https://docs.datadoghq.com/api/latest/authentication/#validate-api-key."""
        self._get("/api/v1/validate", {})

    def read(self, query: SourceQuery) -> Readings:
        """Return the value of each set of tags: its points over the window of the query, aggregated over time."""
        try:
            parsed = DatadogQuery.parse(query.text)
        except ValueError as error:
            raise SourceError(f"{self._where}{error}") from None
        start, end = round(parsed.aggregate.start(query)), round(query.end)
        answer = self._ask_v1(parsed, start, end) if self._api == "v1" else self._ask_v2(parsed, start, end)
        doubt = ""
        try:
            doubt = doubt_of(answer)
            series, unit = (
                read_v1(answer, start * 1000, end * 1000)
                if self._api == "v1"
                else read_v2(answer, start * 1000, end * 1000, _interval_of(parsed, end - start) * 1000)
            )
            readings = self._aggregate(parsed, series, unit, (start, end))
            return _with_doubts(readings, parsed, doubt)
        except ODD_JSON:
            message = f"{self._where}{self._url}: {doubt or 'response is JSON, but not of the metrics API of Datadog'}"
            raise SourceError(self._transport.scrub(message)) from None
        except SourceError as error:
            raise type(error)(self._transport.scrub(f"{self._where}{self._url}: {error}")) from None

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
        return (
            f"{self._app}/metric/explorer?{urlencode({name: text for name, text in fields.items() if text})}"
        )

    def _aggregate(
        self, query: DatadogQuery, series: list[PointSeries], unit: str, window: tuple[int, int]
    ) -> Readings:
        if query.aggregate.aggregator != PERCENTILE:
            return read_points(series, query.aggregate.aggregator, *window, unit=unit)
        # The percentile of a window is none of its points': Datadog tells it, and the points tell what it is of.
        readings = read_points(series, "last", *window, unit=unit)
        scalars = read_scalars(self._ask_scalars(query, *window))
        known = [scalars.get(frozenset(labels.items())) for labels in readings.labels]
        if None in known or len(scalars) != len(known):
            message = "answered with a percentile of other series than with points"
            raise SourceError(message)
        return replace(readings, values=tuple(value for value in known if value is not None))

    def _ask_v1(self, query: DatadogQuery, start: int, end: int) -> Any:
        return self._get("/api/v1/query", {"from": str(start), "to": str(end), "query": query.aggregate.text})

    def _ask_v2(self, query: DatadogQuery, start: int, end: int) -> Any:
        return self._post(
            "/api/v2/query/timeseries",
            "timeseries_request",
            {
                "formulas": [{"formula": query.formula}],
                "from": start * 1000,
                "to": end * 1000,
                "interval": _interval_of(query, end - start) * 1000,
                "queries": [
                    {"data_source": "metrics", "name": metric.name, "query": metric.text}
                    for metric in query.metrics
                ],
            },
        )

    def _ask_scalars(self, query: DatadogQuery, start: int, end: int) -> Any:
        (metric,) = query.metrics
        asked = {
            "data_source": "metrics",
            "name": metric.name,
            "query": metric.text,
            "aggregator": PERCENTILE,
        }
        return self._post(
            "/api/v2/query/scalar",
            "scalar_request",
            {
                "formulas": [{"formula": query.formula}],
                "from": start * 1000,
                "to": end * 1000,
                "queries": [asked],
            },
        )

    def _get(self, path: str, fields: Mapping[str, str]) -> Any:
        return self._decoded("GET", path, fields)

    def _post(self, path: str, kind: str, attributes: Mapping[str, Any]) -> Any:
        body = json.dumps({"data": {"type": kind, "attributes": attributes}}).encode()
        return self._decoded("POST", path, body=body)

    def _decoded(
        self, method: str, path: str, fields: Mapping[str, str] | None = None, *, body: bytes | None = None
    ) -> Any:
        try:
            return self._transport.decoded(
                self._transport.request(method, f"{self._url}{path}", fields, body=body)
            )
        except SourceError as error:
            raise type(error)(f"{self._where}{error}") from None


def _interval_of(query: DatadogQuery, length: int) -> int:
    """Return the seconds that a point of v2 shall stand for: what the query rolls up to, else what a line graph has."""
    rollups = [metric.rollup for metric in query.metrics]
    asked = max((rollup for rollup in rollups if rollup), default=0)
    return asked or next(
        (interval for longest, interval in _INTERVALS if length <= longest), _LONGEST_INTERVAL
    )


def _with_doubts(readings: Readings, query: DatadogQuery, doubt: str) -> Readings:
    if query.invents:
        note = (
            f"{query.invents} puts points where there are no data, so that nothing tells how much there was"
        )
        readings = replace(readings, coverage=None, note=note)
    return replace(readings, doubt=doubt or readings.doubt)
