"""What a server says about itself and what it holds: its version, targets, metric families, rules and labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import yaml
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException

from pytest_telemetry_gate.errors import TelemetryGateError
from pytest_telemetry_gate.model.answers import doubtful_warnings
from pytest_telemetry_gate.promql.function_table import PROFILES
from pytest_telemetry_gate.sources.http.session import Reply
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.sources.prometheus_api import PrometheusApi
from pytest_telemetry_gate.sources.prometheus_json import ODD_JSON, labels_of, sample_times, warnings_of
from pytest_telemetry_gate.support.durations import parse_duration

__all__ = ["Lookups"]

_MAX_PAGES = 1000  # of rules: more have no end
_RECENT_UP = "up[10m]"
_JITTER = 0.01  # of an interval, by which scrapes of a busy server are early or late
_NO_LOOKUP = (TelemetryGateError, PrometheusApiClientException, *ODD_JSON)
"""What a look-up raises where the server does not offer it, or answers in another form."""


class Lookups:
    """Looks up what a server offers; what it does not offer is empty, except for its rules."""

    def __init__(self, api: PrometheusApi) -> None:
        self._api = api
        self._client = PrometheusConnect(url=api.url, session=_ClientSession(api.transport))

    def version(self) -> str:
        """Return the profile of PromQL of the server's version; an empty string where it is not a Prometheus."""
        try:
            data = self._api.ask("/api/v1/status/buildinfo")["data"]
        except TelemetryGateError:
            return ""
        # Mimir and others have versions of their own, with the name of their application beside it.
        major = "" if "application" in data else str(data.get("version", "")).partition(".")[0]
        return major if major in PROFILES else ""

    def target_intervals(self) -> dict[str, float]:
        """Return the seconds between scrapes by job, as the server's targets are configured."""
        try:
            targets = self._client.get_targets(state="active").get("activeTargets") or []
            return _shortest(
                (labels_of(target, "labels").get("job", ""), parse_duration(target["scrapeInterval"]))
                for target in targets
            )
        except _NO_LOOKUP:
            return {}

    def measure_intervals(self) -> dict[str, float]:
        """Return the seconds between scrapes by job, measured on the newest samples of ``up``."""
        try:
            return _shortest(_spacings(self._client.custom_query(_RECENT_UP)))
        except _NO_LOOKUP:
            return {}

    def metadata(self) -> Mapping[str, str]:
        """Return the first type of each family of metrics, in one request; {} where the server does not offer it."""
        try:
            families = self._api.ask("/api/v1/metadata", {"limit_per_metric": "1"})["data"]
            return {str(name): str(known[0]["type"]) for name, known in families.items() if known}
        except _NO_LOOKUP:
            return {}

    def metric_names(self) -> Sequence[str]:
        """Return the names of all metrics with samples, in one request; none where the server does not offer it."""
        try:
            names = self._api.ask("/api/v1/label/__name__/values", data=list)["data"]
            return tuple(name for name in names if isinstance(name, str))
        except _NO_LOOKUP:
            return ()

    def rules(self) -> tuple[Sequence[Mapping[str, Any]], Sequence[str]]:
        """Return the groups of alerting rules of the server's rules API, of all its pages, and the doubts beside them.

        A doubt is a line for people, such as a server's warning that a part of the rules is missing.
        """
        groups: list[Mapping[str, Any]] = []
        doubts: dict[str, None] = {}
        fields = {"type": "alert"}
        tokens: set[str] = set()
        while True:
            content = self._api.ask("/api/v1/rules", fields)
            page = content["data"].get("groups")
            groups += page if isinstance(page, list) else []
            doubts.update(dict.fromkeys(warnings_of(content)))
            token = str(content["data"].get("groupNextToken") or "")
            if not token:
                return groups, doubtful_warnings(doubts)
            if token in tokens or len(tokens) >= _MAX_PAGES:
                return groups, [*doubtful_warnings(doubts), "the rules API has further pages without an end"]
            tokens.add(token)
            # Prometheus takes a token only beside a limit, and a limit is what made the server send pages.
            limit = len(page) if isinstance(page, list) else 0
            fields = {"type": "alert", "group_limit": str(limit or 1), "group_next_token": token}

    def external_labels(self) -> Mapping[str, str]:
        """Return the labels that the server adds to what it sends away; none where it does not show its settings."""
        try:
            text = self._api.ask("/api/v1/status/config")["data"]["yaml"]
            labels = (yaml.safe_load(text).get("global") or {}).get("external_labels") or {}
            return {str(name): str(value) for name, value in labels.items()}
        except (TelemetryGateError, yaml.YAMLError, *ODD_JSON):
            return {}


class _ClientSession:
    """The session for prometheus-api-client: its look-ups go through our transport, within its limits."""

    verify = True
    cert = None

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def mount(self, prefix: str, adapter: object) -> None:
        """Ignore the library's adapter, which would repeat requests on its own."""

    def request(
        self, method: str, url: str, params: Mapping[str, str] | None = None, **_options: object
    ) -> Reply:
        """Send a look-up; headers, certificates and time limits are the transport's."""
        return self._transport.request(method, url, params=params)


def _spacings(result: Sequence[Mapping[str, Any]]) -> Iterable[tuple[str, float]]:
    """Yield the job of each series of raw samples, and the median of the seconds between them."""
    for series in result:
        times = sample_times(series)
        if len(times) > 1:
            yield labels_of(series).get("job", ""), _configured(float(np.median(np.diff(times))))


def _configured(measured: float) -> float:
    """Return the scrape interval that a measured one comes from: whole seconds, where jitter explains the difference.

    Scrapes are milliseconds early or late, while people write ``15s``; an interval of 15.001 s would stand in queries.
    """
    whole = round(measured)
    return float(whole) if abs(measured - whole) <= _JITTER * measured else round(measured, 3)


def _shortest(intervals: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the shortest interval of each job, so that coverage is too low rather than too high."""
    shortest: dict[str, float] = {}
    for job, seconds in intervals:
        if seconds > 0:
            shortest[job] = min(seconds, shortest.get(job, seconds))
    return shortest
