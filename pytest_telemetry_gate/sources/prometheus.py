"""The metric source ``prometheus``: a live server that speaks Prometheus' HTTP API.

Prometheus, Thanos, Mimir, Cortex, VictoriaMetrics and Grafana Cloud; https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from pytest_telemetry_gate.errors import PromQLError, SourceError, UnreachableError
from pytest_telemetry_gate.model.sources import LiveSource
from pytest_telemetry_gate.model.systems import System, Tested
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector, ast, parse
from pytest_telemetry_gate.promql.function_table import PROFILES
from pytest_telemetry_gate.promql.spans import spans
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.http.transport import TooLongError
from pytest_telemetry_gate.sources.joined import R, join, separate
from pytest_telemetry_gate.sources.prometheus_api import PrometheusApi
from pytest_telemetry_gate.sources.prometheus_json import (
    grid,
    join_matrices,
    read_instant,
    read_range,
)
from pytest_telemetry_gate.sources.prometheus_lookups import Lookups
from pytest_telemetry_gate.support.threads import start_in_background

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["PrometheusSource"]

_MAX_POINTS = 11_000  # of one series in one answer: Prometheus' own limit (web/api/v1/api.go)
_OWN_KEYS = ("semantics",)
_PROBE_REQUESTS = 3  # requests at once that a probe sends, where the region's concurrency allows it
_LEAST_JOINED = 4  # queries that are worth a joined request of their own when all of them are too long
_QUERY = "/api/v1/query"
_LEAST_GRAPH = 300.0  # seconds: as far as a selector without a range looks back
_GRAPH_UNITS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
_LONG_AGO = 3600.0  # seconds: shows a proxy or a cache that answers for the present whatever it is asked
# Without it VictoriaMetrics moves times to where it has answers: a range's steps, and the present by half a minute.
_UNTOUCHED = {"nocache": "1"}


class PrometheusSource(LiveSource):
    """Asks one server. Every method raises SourceError: one line that names region, address and cause.

    A server's own warnings stand in the results' ``warnings``. Safe to use from several threads.
    """

    system: ClassVar[System] = System(
        title="Prometheus",
        tested=Tested.REAL,
        against="Debian's Prometheus; recordings are held to its answers",
        unproven="what happened before its retention, and samples that nobody scraped",
    )
    other_systems: ClassVar[tuple[System, ...]] = (
        System(
            title="VictoriaMetrics",
            tested=Tested.REAL,
            against="Debian's VictoriaMetrics",
            unproven="rules, targets and alerts, which its API answers empty: a `proof:` and `scrape_interval:` stand in",
        ),
        System(
            title="Thanos, Mimir",
            tested=Tested.FAKE,
            against="a proxy before a real Prometheus that adds warnings of partial answers",
            unproven="that no block was left out without a warning",
        ),
        System(
            title="Amazon Managed Service for Prometheus",
            tested=Tested.FAKE,
            against="a second implementation of its signatures, which gives that of AWS' example; a token service on loopback",
            unproven="what its limits leave out",
            extra="aws",
        ),
        System(
            title="Google Cloud Managed Service for Prometheus",
            tested=Tested.FAKE,
            against="a token endpoint on loopback, through google-auth",
            unproven="what its API does not have of Prometheus'",
            extra="google",
        ),
        System(
            title="Azure Monitor workspace",
            tested=Tested.FAKE,
            against="an authority on loopback, through azure-identity",
            unproven="what its API does not have of Prometheus'",
            extra="azure",
        ),
    )

    recorded_at: float | None = None
    extent = ""

    def __init__(self, settings: RegionSettings) -> None:
        self._api = PrometheusApi(settings, self.read_settings(settings))
        self._lookups = Lookups(self._api)
        self._transport = self._api.transport
        self.description = f"prometheus {self._api.url}"
        self.accept_warnings = settings.accept_warnings
        self.semantics = "3"
        self.scrape_intervals: Mapping[str, float] = {}
        self.clock_ahead = 0.0
        self._profile = settings.options.get("semantics")
        self._interval = settings.scrape_interval
        self._concurrency = settings.concurrency

    @classmethod
    def from_settings(cls, settings: RegionSettings) -> PrometheusSource:
        """Make the source of a region; raises SourceError where its settings cannot be used."""
        return cls(settings)

    @staticmethod
    def read_settings(settings: RegionSettings) -> HttpSettings:
        """Return how the server of a region is reached; raises SourceError at the line of a setting that cannot be used."""
        profile = settings.options.get("semantics")
        if profile is not None and str(profile) not in PROFILES:
            raise settings.error(("semantics",), f"semantics: {profile!r} is not one of {PROFILES}")
        return HttpSettings.from_settings(settings, _OWN_KEYS)

    def probe(self) -> Mapping[str, Any]:
        """Check that the server answers queries; return its profile of PromQL and its scrape intervals.

        What the server does not offer is measured on ``up`` or taken from telemetry.yaml.
        """
        version, targets = self._lookups.version, self._lookups.target_intervals
        if self._concurrency >= _PROBE_REQUESTS:
            version, targets = start_in_background(version).result, start_in_background(targets).result
        self._check_query_api()
        profile = str(self._profile or version() or PROFILES[-1])
        intervals = targets() or self._lookups.measure_intervals()
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
        content = self._api.ask(_QUERY, fields, is_query=True)
        return self._api.read(lambda: read_instant(content, time, lambda: _parsed(promql)))

    def vectors(self, queries: Sequence[str], time: float) -> Sequence[Vector] | None:
        """Evaluate several expressions that yield vectors at one time, in one request.

        Returns None if they must be asked one by one: the server refuses the joined query, or warns, and nothing says
        which of the queries the warning is about. More than the server takes at once are asked in parts. Raises
        UnreachableError if the server cannot be reached.
        """

        def ask(joined: str) -> Vector | None:
            answer = self.instant(joined, time)
            return answer if isinstance(answer, Vector) else None

        return self._ask_joined(queries, ask)

    def matrices(
        self, queries: Sequence[str], start: float, end: float, step: float
    ) -> Sequence[Matrix] | None:
        """Evaluate several expressions that yield vectors over one grid, in one request; otherwise as ``vectors``."""
        return self._ask_joined(queries, lambda joined: self.range(joined, start, end, step))

    def _ask_joined(self, queries: Sequence[str], ask: Callable[[str], R | None]) -> list[R] | None:
        joined = join(queries)
        try:
            if not self._transport.fits(f"{self._api.url}{_QUERY}", {"query": joined}):
                return self._ask_in_parts(queries, ask)
            answer = ask(joined)
            if answer is None or answer.warnings:
                return None
            return separate(answer, len(queries))
        except UnreachableError:
            raise
        except TooLongError:
            return self._ask_in_parts(queries, ask)
        except (SourceError, ValueError):
            return None

    def _ask_in_parts(self, queries: Sequence[str], ask: Callable[[str], R | None]) -> list[R] | None:
        """Ask one half of the queries and then the other; None if they must be asked one by one."""
        if len(queries) < _LEAST_JOINED:
            return None
        middle = len(queries) // 2
        answers: list[R] = []
        for half in (queries[:middle], queries[middle:]):
            part = self._ask_joined(half, ask)
            if part is None:
                return None
            answers += part
        return answers

    def range(self, promql: str, start: float, end: float, step: float) -> Matrix:
        """Evaluate over a grid, in seconds. More steps than a server answers at once are asked in parts."""
        count = math.floor((end - start) / step + 1e-9) + 1
        parts = [
            self._range_part(promql, start + first * step, min(_MAX_POINTS, count - first), step)
            for first in range(0, count, _MAX_POINTS)
        ]
        return join_matrices(parts, grid(start, count, step))

    def link(self, promql: str, time: float) -> str:
        """Return the address of the server's graph of what a query reads up to a time, without credentials."""
        expression, window = _graphed(promql)
        return self.link_over(expression, time - window, time)

    def link_over(self, promql: str, start: float, end: float) -> str:
        """Return the address of the server's graph of a query from start to end (seconds), without credentials."""
        moment = datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%d %H:%M:%S")
        fields = {"g0.expr": promql, "g0.tab": "0", "g0.range_input": _one_unit(end - start)}
        times = {"g0.end_input": moment, "g0.moment_input": moment}
        return f"{self._api.url}/graph?{urlencode({**fields, **times})}"

    def metadata(self) -> Mapping[str, str]:
        """Return the first type of each family of metrics, in one request; {} where the server does not offer it."""
        return self._lookups.metadata()

    def metric_names(self) -> Sequence[str]:
        """Return the names of all metrics with samples, in one request; none where the server does not offer it."""
        return self._lookups.metric_names()

    def rules(self) -> tuple[Sequence[Mapping[str, Any]], Sequence[str]]:
        """Return the groups of alerting rules of all pages of the server's rules API, and the doubts beside them."""
        return self._lookups.rules()

    def external_labels(self) -> Mapping[str, str]:
        """Return the labels that the server adds to what it sends away; none where it does not show its settings."""
        return self._lookups.external_labels()

    def error(self, message: str) -> SourceError:
        """Return an error that names the region."""
        return self._api.error(message)

    def _range_part(self, promql: str, start: float, count: int, step: float) -> Matrix:
        end = start + (count - 1) * step
        times = {"start": _decimal(start), "end": _decimal(end), "step": _decimal(step), **_UNTOUCHED}
        content = self._api.ask("/api/v1/query_range", {"query": promql, **times}, is_query=True)
        return self._api.read(lambda: read_range(content, round(start, 3), count, round(step, 3)))

    def _check_query_api(self) -> None:
        """Raise SourceError where the server does not answer a query, by POST or by GET, for the time that it is asked for.

        The library's own check asks for ``/``, which Prometheus redirects and Mimir and others do not have.
        """
        self.instant("vector(1)", math.floor(clock.time() - _LONG_AGO))


@lru_cache(maxsize=4096)
def _graphed(promql: str) -> tuple[str, float]:
    """Return what a graph can show of a query, and how many seconds up to its evaluation it reads, five minutes at least."""
    expression = _parsed(promql)
    if expression is None:
        return promql, _LEAST_GRAPH
    shown = expression.selector if isinstance(expression, ast.MatrixSelector) else None
    longest = max((span.length / 1000 for span in spans(expression, 0, 0)), default=0.0)
    return promql if shown is None else str(shown), max(longest, _LEAST_GRAPH)


def _one_unit(seconds: float) -> str:
    """Write a length of time in one unit, as every version of the graph page reads it: ``90m``."""
    whole = max(1, round(seconds))
    unit, size = next((unit, size) for unit, size in _GRAPH_UNITS if whole % size == 0)
    return f"{whole // size}{unit}"


def _parsed(promql: str) -> ast.Expr | None:
    """Return a query as the engine reads it, None where only the server can."""
    try:
        return parse(promql)
    except PromQLError:
        return None


def _decimal(seconds: float) -> str:
    """Write seconds to the millisecond, the way the API reads them without loss."""
    return f"{seconds:.3f}"
