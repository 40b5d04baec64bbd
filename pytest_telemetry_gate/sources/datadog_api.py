"""Datadog's HTTP API: where a site has it, with which keys it is asked, and the requests for metrics.

https://docs.datadoghq.com/api/latest/metrics/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.sources.datadog_queries import PERCENTILE, DatadogQuery
from pytest_telemetry_gate.sources.http.causes import cut
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.support.suggestions import suggest
from pytest_telemetry_gate.support.text import name_region

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["DatadogApi", "DatadogSettings"]

# https://docs.datadoghq.com/getting_started/site/
_SITES = (
    "datadoghq.com", "us3.datadoghq.com", "us5.datadoghq.com", "datadoghq.eu", "ap1.datadoghq.com", "ap2.datadoghq.com",
    "ddog-gov.com", "us2.ddog-gov.com",
)  # fmt: skip
_KEYS = ("api_key", "app_key")
_VERSIONS = ("v1", "v2")


@dataclass(frozen=True, slots=True)
class DatadogSettings:
    """How Datadog is reached: ``version`` is that of the API, ``app`` the address that people look at, empty where nobody knows it."""

    http: HttpSettings
    version: str
    app: str

    @classmethod
    def from_settings(cls, settings: RegionSettings) -> DatadogSettings:
        """Read the settings of a source; raises SourceError at the line of one that cannot be used."""
        options = settings.options
        keys = {key: _key(settings, key) for key in _KEYS}
        version = options.get("api", _VERSIONS[0])
        if version not in _VERSIONS:
            raise settings.error(("api",), f"api: {version!r} is not one of {', '.join(_VERSIONS)}")
        site = options.get("site", _SITES[0])
        if site not in _SITES:
            raise settings.error(("site",), f"site: {site!r} is no site of Datadog{suggest(site, _SITES)}")
        if "url" in options and "site" in options:
            raise settings.error(("url",), "at most one of site and url")
        placed = replace(settings, options={"url": f"https://api.{site}", **options})
        http = HttpSettings.from_settings(placed, (*_KEYS, "api", "site"))
        headers = {
            **http.headers,
            "DD-API-KEY": keys["api_key"],
            "DD-APPLICATION-KEY": keys["app_key"],
            "Content-Type": "application/json",
        }
        app = "" if "url" in options else f"https://{'app.' if site.count('.') == 1 else ''}{site}"
        return cls(replace(http, headers=headers, own_credentials=_KEYS), version, app)


def _key(settings: RegionSettings, name: str) -> str:
    value = settings.options.get(name)
    key = value.strip() if isinstance(value, str) else ""
    if not key or not key.isascii() or not key.isprintable():
        raise settings.error((name,), f'{name}: needs a key of Datadog, such as "${{DD_{name.upper()}}}"')
    settings.secrets.keep(key)
    return key


class DatadogApi:
    """Asks for metrics over a time from ``start`` to ``end``, in whole seconds since the epoch; ``url`` is where.

    Answers are decoded JSON. Raises SourceError, or UnreachableError, with one line without keys.
    """

    def __init__(self, settings: RegionSettings, known: DatadogSettings) -> None:
        self.url = known.http.url
        self._where = name_region(settings.name)
        self._transport = Transport(
            known.http, settings.deadline, settings.secrets, connections=settings.concurrency
        )

    def error(self, text: str) -> SourceError:
        """Return an error about what was asked or answered, without keys."""
        return SourceError(f"{self._where}{self.url}: {cut(self._transport.scrub(text))}")

    def validate(self) -> None:
        """Make sure that the API key is valid: https://docs.datadoghq.com/api/latest/authentication/#validate-api-key."""
        self._ask("GET", "/api/v1/validate", {})

    def query(self, query: DatadogQuery, start: int, end: int) -> Any:
        """Return the answer of v1 to the whole query."""
        return self._ask(
            "GET", "/api/v1/query", {"from": str(start), "to": str(end), "query": query.aggregate.text}
        )

    def timeseries(self, query: DatadogQuery, start: int, end: int, interval: int) -> Any:
        """Return the answer of v2; ``interval`` is how many seconds each point shall stand for."""
        queries = [
            {"data_source": "metrics", "name": metric.name, "query": metric.text} for metric in query.metrics
        ]
        asked = {"interval": interval * 1000, "queries": queries}
        return self._ask_v2("timeseries", query, start, end, asked)

    def percentiles(self, query: DatadogQuery, start: int, end: int) -> Any:
        """Return the answer of v2 with one percentile of the whole time for each group."""
        (metric,) = query.metrics
        asked = {
            "data_source": "metrics",
            "name": metric.name,
            "query": metric.text,
            "aggregator": PERCENTILE,
        }
        return self._ask_v2("scalar", query, start, end, {"queries": [asked]})

    def _ask_v2(
        self, kind: str, query: DatadogQuery, start: int, end: int, further: Mapping[str, Any]
    ) -> Any:
        attributes = {
            "formulas": [{"formula": query.formula}],
            "from": start * 1000,
            "to": end * 1000,
            **further,
        }
        body = json.dumps({"data": {"type": f"{kind}_request", "attributes": attributes}}).encode()
        return self._ask("POST", f"/api/v2/query/{kind}", body=body)

    def _ask(
        self, method: str, path: str, fields: Mapping[str, str] | None = None, *, body: bytes | None = None
    ) -> Any:
        try:
            reply = self._transport.request(method, f"{self.url}{path}", fields, body=body)
            return self._transport.decoded(reply)
        except SourceError as error:
            raise type(error)(f"{self._where}{error}") from None
