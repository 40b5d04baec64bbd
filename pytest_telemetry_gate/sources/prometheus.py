"""The metric source ``prometheus``: a live server that speaks Prometheus' HTTP API.

Prometheus, Thanos, Mimir, Cortex, VictoriaMetrics and Grafana Cloud; https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import numpy as np
import yaml
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException

from pytest_telemetry_gate.errors import PromQLError, SourceError, TelemetryGateError, UnreachableError
from pytest_telemetry_gate.model.answers import doubtful_warnings
from pytest_telemetry_gate.model.sources import LiveSource
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector, ast, parse
from pytest_telemetry_gate.promql.function_table import PROFILES
from pytest_telemetry_gate.sources.http.session import Reply
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.http.transport import TooLongError, Transport
from pytest_telemetry_gate.sources.joined import join, separate
from pytest_telemetry_gate.sources.prometheus_json import (
    ODD_JSON,
    NativeHistogramError,
    OtherTimeError,
    grid,
    join_matrices,
    labels_of,
    read_instant,
    read_range,
    sample_times,
    warnings_of,
)
from pytest_telemetry_gate.support.durations import parse_duration
from pytest_telemetry_gate.support.text import name_region
from pytest_telemetry_gate.support.threads import start_in_background

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["PrometheusSource"]

T = TypeVar("T")

_MAX_POINTS = 11_000  # of one series in one answer: Prometheus' own limit (web/api/v1/api.go)
_OWN_KEYS = ("semantics",)
_PROBE_REQUESTS = 3  # requests at once that a probe sends, where the region's concurrency allows it
_LEAST_JOINED = 4  # queries that are worth a joined request of their own when all of them are too long
_QUERY = "/api/v1/query"
_LONG_AGO = (
    86_400.0  # seconds: by it a proxy or a cache is known that answers for the present whatever it is asked
)
# Without it VictoriaMetrics moves times to where it has answers: a range's steps, and the present by half a minute.
_UNTOUCHED = {"nocache": "1"}
_MAX_PAGES = 1000  # of rules: more have no end
_RECENT_UP = "up[10m]"
_NO_LOOKUP = (TelemetryGateError, PrometheusApiClientException, *ODD_JSON)
"""What a look-up raises where the server does not offer it, or answers in another form."""


class PrometheusSource(LiveSource):
    """Asks one server. Every method raises SourceError: one line that names region, address and cause.

    A server's own warnings stand in the results' ``warnings``. Safe to use from several threads.
    """

    recorded_at: float | None = None
    extent = ""

    def __init__(self, settings: RegionSettings) -> None:
        http = HttpSettings.from_settings(settings, _OWN_KEYS)
        self._where = name_region(settings.name)
        self._url = http.url
        self._transport = Transport(
            http, settings.deadline, settings.secrets, connections=settings.concurrency
        )
        self._client = PrometheusConnect(url=http.url, session=_ClientSession(self._transport))
        self.description = f"prometheus {http.url}"
        self.accept_warnings = settings.accept_warnings
        self.semantics = "3"
        self.scrape_intervals: Mapping[str, float] = {}
        self.clock_ahead = 0.0
        self._profile = settings.options.get("semantics")
        if self._profile is not None and str(self._profile) not in PROFILES:
            raise settings.error(("semantics",), f"semantics: {self._profile!r} is not one of {PROFILES}")
        self._interval = settings.scrape_interval
        self._concurrency = settings.concurrency

    def probe(self) -> Mapping[str, Any]:
        """Check that the server answers queries; return its profile of PromQL and its scrape intervals.

        What the server does not offer is measured on ``up`` or taken from telemetry.yaml.
        """
        version, targets = self._version, self._target_intervals
        if self._concurrency >= _PROBE_REQUESTS:
            version, targets = start_in_background(version).result, start_in_background(targets).result
        self._check_query_api()
        profile = str(self._profile or version() or PROFILES[-1])
        intervals = targets() or self._measure_intervals()
        if self._interval is not None:
            intervals.setdefault("", self._interval)
        return {
            "semantics": profile,
            "scrape_intervals": intervals,
            "only_get": self._transport.only_get,
            "clock_ahead": self._transport.clock_ahead,
        }

    def restore_probe(self, probed: Mapping[str, Any]) -> None:
        """Take over what ``probe()`` returned, in this or another process of the run."""
        self.semantics = probed["semantics"]
        self.scrape_intervals = probed["scrape_intervals"]
        self._transport.only_get = probed["only_get"]
        self.clock_ahead = probed["clock_ahead"]

    def instant(self, promql: str, time: float) -> Scalar | Vector | Matrix | str:
        """Evaluate at one time, in seconds."""
        fields = {"query": promql, "time": _decimal(time), **_UNTOUCHED}
        content = self._ask(_QUERY, fields, is_query=True)
        return self._read(lambda: read_instant(content, time, lambda: _parsed(promql)))

    def vectors(self, queries: Sequence[str], time: float) -> Sequence[Vector] | None:
        """Evaluate several expressions that yield vectors at one time, in one request.

        Returns None if they must be asked one by one: the server refuses the joined query, or warns, and nothing says
        which of the queries the warning is about. More than the server takes at once are asked in parts. Raises
        UnreachableError if the server cannot be reached.
        """
        joined = join(queries)
        try:
            if not self._transport.fits(f"{self._url}{_QUERY}", {"query": joined}):
                return self._in_parts(queries, time)
            answer = self.instant(joined, time)
            if not isinstance(answer, Vector) or answer.warnings:
                return None
            return separate(answer, len(queries))
        except UnreachableError:
            raise
        except TooLongError:
            return self._in_parts(queries, time)
        except (SourceError, ValueError):
            return None

    def _in_parts(self, queries: Sequence[str], time: float) -> Sequence[Vector] | None:
        """Ask one half of the queries and then the other; None if they must be asked one by one."""
        if len(queries) < _LEAST_JOINED:
            return None
        middle = len(queries) // 2
        first = self.vectors(queries[:middle], time)
        rest = None if first is None else self.vectors(queries[middle:], time)
        return None if first is None or rest is None else [*first, *rest]

    def range(self, promql: str, start: float, end: float, step: float) -> Matrix:
        """Evaluate over a grid, in seconds. More steps than a server answers at once are asked in parts."""
        count = math.floor((end - start) / step + 1e-9) + 1
        parts = [
            self._range_part(promql, start + first * step, min(_MAX_POINTS, count - first), step)
            for first in range(0, count, _MAX_POINTS)
        ]
        return join_matrices(parts, grid(start, count, step))

    def link(self, promql: str, time: float) -> str:
        """Return the address of the server's graph page at that time, without credentials."""
        moment = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S")
        fields = {"g0.expr": promql, "g0.tab": "0", "g0.range_input": "6h", "g0.end_input": moment}
        return f"{self._url}/graph?{urlencode({**fields, 'g0.moment_input': moment})}"

    def metadata(self) -> Mapping[str, str]:
        """Return the first type of each family of metrics, in one request; {} where the server does not offer it."""
        try:
            families = self._ask("/api/v1/metadata", {"limit_per_metric": "1"})["data"]
            return {str(name): str(known[0]["type"]) for name, known in families.items() if known}
        except _NO_LOOKUP:
            return {}

    def metric_names(self) -> Sequence[str]:
        """Return the names of all metrics with samples, in one request; none where the server does not offer it."""
        try:
            names = self._ask("/api/v1/label/__name__/values", data=list)["data"]
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
            content = self._ask("/api/v1/rules", fields)
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
            text = self._ask("/api/v1/status/config")["data"]["yaml"]
            labels = (yaml.safe_load(text).get("global") or {}).get("external_labels") or {}
            return {str(name): str(value) for name, value in labels.items()}
        except (TelemetryGateError, yaml.YAMLError, *ODD_JSON):
            return {}

    def error(self, message: str) -> SourceError:
        """Return an error that names the region."""
        return SourceError(self._where + self._transport.scrub(message))

    def _range_part(self, promql: str, start: float, count: int, step: float) -> Matrix:
        end = start + (count - 1) * step
        times = {"start": _decimal(start), "end": _decimal(end), "step": _decimal(step), **_UNTOUCHED}
        content = self._ask("/api/v1/query_range", {"query": promql, **times}, is_query=True)
        return self._read(lambda: read_range(content, round(start, 3), count, round(step, 3)))

    def _ask(
        self,
        path: str,
        fields: Mapping[str, str] | None = None,
        *,
        is_query: bool = False,
        data: type = dict,
    ) -> Any:
        """Return the decoded answer, whose ``data`` are of that type.

        Raises SourceError where it is an error or not one of Prometheus' API.
        """
        url = f"{self._url}{path}"
        try:
            if is_query:
                reply = self._transport.query(url, fields or {})
            else:
                reply = self._transport.request("GET", url, fields)
            content = self._transport.decoded(reply)
        except SourceError as error:
            raise type(error)(f"{self._where}{error}") from None
        if (
            not isinstance(content, dict)
            or content.get("status") != "success"
            or not isinstance(content.get("data"), data)
        ):
            raise self._odd_json()
        return content

    def _read(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except OtherTimeError as error:
            message = f"{self._url}: {error}"
            raise self.error(message) from None
        except NativeHistogramError:
            message = f"{self._url}: response has a native histogram, which cannot be judged"
            raise self.error(message) from None
        except ODD_JSON:
            raise self._odd_json() from None

    def _odd_json(self) -> SourceError:
        return self.error(f"{self._url}: response is JSON, but not of Prometheus' API")

    def _check_query_api(self) -> None:
        """Raise SourceError where the server does not answer a query, by POST or by GET, for the time that it is asked for.

        The library's own check asks for ``/``, which Prometheus redirects and Mimir and others do not have.
        """
        self.instant("vector(1)", math.floor(clock.time() - _LONG_AGO))

    def _version(self) -> str:
        """Return the profile of PromQL of the server's version; an empty string where it is not a Prometheus."""
        try:
            data = self._ask("/api/v1/status/buildinfo")["data"]
        except TelemetryGateError:
            return ""
        # Mimir and others have versions of their own, with the name of their application beside it.
        major = "" if "application" in data else str(data.get("version", "")).partition(".")[0]
        return major if major in PROFILES else ""

    def _target_intervals(self) -> dict[str, float]:
        """Return the seconds between scrapes by job, as the server's targets are configured."""
        try:
            targets = self._client.get_targets(state="active").get("activeTargets") or []
            return _shortest(
                (labels_of(target, "labels").get("job", ""), parse_duration(target["scrapeInterval"]))
                for target in targets
            )
        except _NO_LOOKUP:
            return {}

    def _measure_intervals(self) -> dict[str, float]:
        """Return the seconds between scrapes by job, measured on the newest samples of ``up``."""
        try:
            return _shortest(_spacings(self._client.custom_query(_RECENT_UP)))
        except _NO_LOOKUP:
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
            yield labels_of(series).get("job", ""), round(float(np.median(np.diff(times))), 3)


def _shortest(intervals: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the shortest interval of each job, so that coverage is too low rather than too high."""
    shortest: dict[str, float] = {}
    for job, seconds in intervals:
        if seconds > 0:
            shortest[job] = min(seconds, shortest.get(job, seconds))
    return shortest


def _parsed(promql: str) -> ast.Expr | None:
    """Return a query as the engine reads it, None where only the server can."""
    try:
        return parse(promql)
    except PromQLError:
        return None


def _decimal(seconds: float) -> str:
    """Write seconds to the millisecond, the way the API reads them without loss."""
    return f"{seconds:.3f}"
