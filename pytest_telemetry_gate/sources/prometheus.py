"""The metric source ``prometheus``: a live server that speaks Prometheus' HTTP API.

Prometheus, Thanos, Mimir, Cortex, VictoriaMetrics and Grafana Cloud; https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException

from pytest_telemetry_gate.errors import SourceError, TelemetryGateError, UnreachableError
from pytest_telemetry_gate.model.sources import LiveSource
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.http.transport import Reply, Transport
from pytest_telemetry_gate.sources.joined import joined, separated
from pytest_telemetry_gate.support.durations import parse_duration
from pytest_telemetry_gate.support.threads import begin

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["PrometheusSource"]

T = TypeVar("T")

_MOST_POINTS = 11_000  # of one series in one answer: Prometheus' own limit (web/api/v1/api.go)
_KEYS = ("semantics",)
_PROFILES = ("2", "3")
_PROBING = 3  # requests at once that probing takes, where it may
_RECENT = "up[10m]"
_ODD = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
)  # what reading an odd answer raises


class PrometheusSource(LiveSource):
    """Asks one server; every method raises SourceError, one line that names region, address and cause.

    A server's own warnings stand in the results' ``warnings``. Safe to use from several threads.
    """

    recorded_at: float | None = None
    extent = ""

    def __init__(self, settings: RegionSettings) -> None:
        http = HttpSettings.of(settings, _KEYS)
        self._where = f"region {settings.name}: " if settings.name else ""
        self._url = http.url
        self._transport = Transport(
            http, settings.deadline, settings.secrets, connections=settings.concurrency
        )
        self._client = PrometheusConnect(url=http.url, session=self._transport, method="POST")
        self.description = f"prometheus {http.url}"
        self.accept_warnings = settings.accept_warnings
        self.semantics = "3"
        self.scrape_intervals: Mapping[str, float] = {}
        self._stated = settings.options.get("semantics")
        if self._stated is not None and str(self._stated) not in _PROFILES:
            raise settings.error(("semantics",), f"semantics: {self._stated!r} is not one of {_PROFILES}")
        self._interval = settings.scrape_interval
        self._concurrency = settings.concurrency

    def probe(self) -> Mapping[str, Any]:
        """Make sure that the server answers queries; return its profile of PromQL and its scrape intervals.

        What a server does not tell is measured on ``up`` or taken from telemetry.yaml.
        """
        version, targets = self._version, self._targets
        if self._concurrency >= _PROBING:
            version, targets = begin(version).result, begin(targets).result
        self._get("/api/v1/query", {"query": "vector(1)"})
        profile = str(self._stated or version() or _PROFILES[-1])
        intervals = targets() or self._spacings()
        if self._interval is not None:
            intervals.setdefault("", self._interval)
        return {"semantics": profile, "scrape_intervals": intervals}

    def know(self, probed: Mapping[str, Any]) -> None:
        """Take over what ``probe()`` has returned, here or in another process of the run."""
        self.semantics = probed["semantics"]
        self.scrape_intervals = probed["scrape_intervals"]

    def instant(self, promql: str, time: float) -> Scalar | Vector | Matrix | str:
        """Evaluate at one time, in seconds."""
        content = self._asked(self._client.custom_query, promql, {"time": _decimal(time)})
        return self._read(lambda: _value(content, time))

    def vectors(self, queries: Sequence[str], time: float) -> Sequence[Vector] | None:
        """Evaluate several expressions that yield vectors at one time in one request.

        None where the server refuses that, or says something beside the answer that nobody could tell whose it is;
        raises UnreachableError where it cannot be asked.
        """
        try:
            answer = self.instant(joined(queries), time)
            clear = isinstance(answer, Vector) and not answer.warnings
            return separated(answer, len(queries)) if clear else None  # type: ignore[arg-type]
        except UnreachableError:
            raise
        except (SourceError, ValueError):
            return None

    def range(self, promql: str, start: float, end: float, step: float) -> Matrix:
        """Evaluate over a grid, in seconds; one of more points than a server answers at once is asked in parts."""
        count = math.floor((end - start) / step + 1e-9) + 1
        parts = [
            self._part(promql, start + first * step, min(_MOST_POINTS, count - first), step)
            for first in range(0, count, _MOST_POINTS)
        ]
        return _joined(parts, _grid(start, count, step))

    def link(self, promql: str, time: float) -> str:
        """Return the address of the server's graph page at that time, without credentials."""
        moment = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S")
        fields = {"g0.expr": promql, "g0.tab": "0", "g0.range_input": "6h", "g0.end_input": moment}
        return f"{self._url}/graph?{urlencode({**fields, 'g0.moment_input': moment})}"

    def rules(self) -> Sequence[Mapping[str, Any]]:
        """Return the groups of alerting rules as the server's rules API has them."""
        groups = self._get("/api/v1/rules", {"type": "alert"})["data"].get("groups")
        return groups if isinstance(groups, list) else []

    def error(self, message: str) -> SourceError:
        """Return an error that names the region."""
        return SourceError(self._where + self._transport.scrub(message))

    def _part(self, promql: str, start: float, count: int, step: float) -> Matrix:
        moment = datetime.fromtimestamp(
            start, UTC
        )  # rounded to seconds by the client, so given again as it is
        end = start + (count - 1) * step
        exact = {"start": _decimal(start), "end": _decimal(end), "step": _decimal(step)}
        content = self._asked(self._client.custom_query_range, promql, moment, moment, _decimal(step), exact)
        return self._read(lambda: _steps(content, start, count, step))

    def _asked(self, ask: Callable[..., object], *arguments: object) -> Any:
        """Have prometheus-api-client ask, and return the whole answer, of which it would give a part."""
        try:
            ask(*arguments)
        except SourceError as error:
            raise self._named(error) from None
        except (PrometheusApiClientException, *_ODD):
            pass  # the reply itself says better what is wrong with it
        return self._content(self._transport.take())

    def _read(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except _HistogramError:
            message = f"{self._url}: answered a native histogram, which cannot be judged"
            raise self.error(message) from None
        except _ODD:
            raise self._odd() from None

    def _odd(self) -> SourceError:
        return self.error(f"{self._url}: answered JSON that is not Prometheus'")

    def _named(self, error: SourceError) -> SourceError:
        return type(error)(f"{self._where}{error}")

    def _get(self, path: str, fields: Mapping[str, str] | None = None) -> Any:
        address = f"{self._url}{path}"
        try:
            reply = self._transport.request("GET", address, params=fields)
        except SourceError as error:
            raise self._named(error) from None
        return self._content(reply)

    def _content(self, reply: Reply) -> Any:
        """Return the decoded answer; raises SourceError where it is an error or none of Prometheus' at all."""
        try:
            content = self._transport.decoded(reply)
        except SourceError as error:
            raise self._named(error) from None
        if (
            not isinstance(content, dict)
            or content.get("status") != "success"
            or not isinstance(content.get("data"), dict)
        ):
            raise self._odd()
        return content

    def _version(self) -> str:
        """Return the profile of PromQL that the server's version has, or nothing where it is no Prometheus."""
        try:
            data = self._get("/api/v1/status/buildinfo")["data"]
        except TelemetryGateError:
            return ""
        # Mimir and others tell a version of their own, and the name of their application beside it.
        major = "" if "application" in data else str(data.get("version", "")).partition(".")[0]
        return major if major in _PROFILES else ""

    def _targets(self) -> dict[str, float]:
        """Return the scrape interval of each job, the shortest where its targets differ: coverage is told too low
        rather than too high."""
        try:
            active = self._get("/api/v1/targets", {"state": "active"})["data"].get("activeTargets") or []
            return _shortest(
                (_labels(one, "labels").get("job", ""), parse_duration(one["scrapeInterval"]))
                for one in active
            )
        except (TelemetryGateError, *_ODD):
            return {}

    def _spacings(self) -> dict[str, float]:
        """Return the scrape intervals that the newest samples of ``up`` show."""
        try:
            content = self._get("/api/v1/query", {"query": _RECENT})
            found = []
            for series in content["data"]["result"]:
                times = [_moment(moment) for moment, _ in series["values"]]
                if len(times) > 1:
                    found.append((_labels(series).get("job", ""), round(float(np.median(np.diff(times))), 3)))
            return _shortest(found)
        except (TelemetryGateError, *_ODD):
            return {}


class _HistogramError(ValueError):
    """A sample that is no number."""


def _value(content: Any, time: float) -> Scalar | Vector | Matrix | str:
    """Read an instant answer; series of raw samples are laid over the union of their timestamps."""
    data, warnings = content["data"], _warnings(content)
    result = data.get("result")
    match data.get("resultType"):
        case "scalar":
            return Scalar(_sample(result)[1], time, warnings)
        case "string":
            _, text = result
            return _text(text)
        case "vector":
            values = np.array([_sample(_plain(one)["value"])[1] for one in _list(result)], dtype=np.float64)
            return Vector([_labels(one) for one in result], values, time, warnings)
        case "matrix":
            return _samples(_list(result), warnings)
    raise ValueError(data.get("resultType"))


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _moment(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(value)
    return float(value)


def _sample(pair: Sequence[Any]) -> tuple[float, float]:
    """Return time and value of a sample; the API writes values as strings, which Python would read too freely."""
    moment, text = pair
    if "_" in _text(text) or text != text.strip():
        raise ValueError(text)
    return _moment(moment), float(text)


def _plain(series: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse a series of native histograms, which the engine has no numbers for."""
    if "histogram" in series or "histograms" in series:
        raise _HistogramError
    return series


def _labels(series: Mapping[str, Any], key: str = "metric") -> dict[str, str]:
    labels: dict[str, str] = series[key]
    if not isinstance(labels, dict) or not all(isinstance(text, str) for text in labels.values()):
        raise TypeError(labels)
    return labels


def _grid(start: float, count: int, step: float) -> NDArray[np.float64]:
    return start + step * np.arange(count, dtype=np.float64)


def _steps(content: Any, start: float, count: int, step: float) -> Matrix:
    """Read a range answer, in which a series has only the steps at which it is present."""
    if content["data"]["resultType"] != "matrix":
        raise ValueError(content["data"]["resultType"])
    result = _list(content["data"]["result"])
    times = _grid(start, count, step)
    values = np.zeros((len(result), count))
    present = np.zeros((len(result), count), dtype=np.bool_)
    for row, series in enumerate(result):
        moments, numbers = _columns(series)
        places = np.round((moments - start) / step).astype(np.int64)
        if np.any((places < 0) | (places >= count)):
            raise IndexError(places)
        values[row, places], present[row, places] = numbers, True
    return Matrix([_labels(one) for one in result], times, values, present, _warnings(content))


def _columns(series: Mapping[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the times and the values of a series' samples."""
    pairs = [_sample(pair) for pair in _list(_plain(series)["values"])]
    found = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _samples(result: Sequence[Any], warnings: tuple[str, ...]) -> Matrix:
    own = [_columns(one) for one in result]
    times = np.unique(np.concatenate([moments for moments, _ in own])) if own else np.zeros(0)
    values = np.zeros((len(own), len(times)))
    present = np.zeros((len(own), len(times)), dtype=np.bool_)
    for row, (moments, numbers) in enumerate(own):
        places = np.searchsorted(times, moments)
        values[row, places], present[row, places] = numbers, True
    return Matrix([_labels(one) for one in result], times, values, present, warnings)


def _joined(parts: Sequence[Matrix], times: NDArray[np.float64]) -> Matrix:
    """Put the parts of a range together, each series once, in the order of labels as one answer has them."""
    if len(parts) == 1:
        return parts[0]
    rows: dict[tuple[tuple[str, str], ...], int] = {}
    for part in parts:
        for labels in part.labels:
            rows.setdefault(tuple(sorted(labels.items())), len(rows))
    values = np.zeros((len(rows), len(times)))
    present = np.zeros((len(rows), len(times)), dtype=np.bool_)
    first = 0
    for part in parts:
        steps = slice(first, first + len(part.times))
        for row, labels in enumerate(part.labels):
            place = rows[tuple(sorted(labels.items()))]
            values[place, steps], present[place, steps] = part.values[row], part.present[row]
        first += len(part.times)
    order = sorted(rows)
    places = [rows[key] for key in order]
    told = tuple(dict.fromkeys(text for part in parts for text in part.warnings))
    return Matrix([dict(key) for key in order], times, values[places], present[places], told)


def _warnings(content: Mapping[str, Any]) -> tuple[str, ...]:
    told = [str(text) for key in ("warnings", "infos") for text in content.get(key) or ()]
    # VictoriaMetrics' word for it: https://docs.victoriametrics.com/cluster-victoriametrics/#cluster-availability
    return (
        (*told, "isPartial: not every storage node has answered") if content.get("isPartial") else tuple(told)
    )


def _shortest(found: Iterable[tuple[str, float]]) -> dict[str, float]:
    intervals: dict[str, float] = {}
    for job, seconds in found:
        if seconds > 0:
            intervals[job] = min(seconds, intervals.get(job, seconds))
    return intervals


def _decimal(seconds: float) -> str:
    """Write seconds to the millisecond, the way the API reads them without loss."""
    return f"{seconds:.3f}"
