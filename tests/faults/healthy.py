"""What stands behind the faults: a real server, or a small Prometheus over series in memory."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql import Engine, Matrix, MemoryStorage, Scalar, Vector

if TYPE_CHECKING:
    from faults.exchange import Asked
    from faults.server import Healthy


def relay(url: str) -> Healthy:
    """Answer what a real server answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def healthy(asked: Asked) -> tuple[int, bytes]:
        form = urllib.parse.urlencode(asked.fields)
        get = asked.method == "GET"
        address = f"{url}{asked.path}?{form}" if get else f"{url}{asked.path}"
        try:
            with opener.open(
                urllib.request.Request(address, None if get else form.encode()), timeout=30
            ) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    return healthy


@dataclass
class EngineServer:
    """A small Prometheus over series in memory: queries, one target, and rules that are never loaded."""

    engine: Engine
    interval: str = "15s"
    job: str = "parser"
    apis: Mapping[str, object] = field(default_factory=dict)

    def __call__(self, asked: Asked) -> tuple[int, bytes]:
        try:
            found = self._found(asked)
        except PromQLError as error:
            refusal = {"status": "error", "errorType": "bad_data", "error": str(error)}
            return 400, json.dumps(refusal).encode()
        return (
            (404, b"404 page not found")
            if found is None
            else (200, json.dumps({"status": "success", "data": found}).encode())
        )

    def _found(self, asked: Asked) -> object:
        fields = asked.fields
        targets = [{"labels": {"job": self.job}, "scrapeInterval": self.interval}]
        match asked.path:
            case "/api/v1/query":
                moment = float(fields.get("time", time.time()))
                return _result(self.engine.instant(fields["query"], moment), moment)
            case "/api/v1/query_range":
                start, end, step = (float(fields[name]) for name in ("start", "end", "step"))
                return _result(self.engine.range(fields["query"], start, end, step), end)
        known = {
            "/api/v1/status/buildinfo": {"version": "3.0.0"},
            "/api/v1/targets": {"activeTargets": targets},
            "/api/v1/rules": {"groups": []},
        }
        return {**known, **self.apis}.get(asked.path)


def engine(found: Sequence[tuple[Mapping[str, str], Any, Any]]) -> EngineServer:
    """Return a small Prometheus over series as ``gates.series`` makes them."""
    rows = [(dict(labels), np.round(at * 1000).astype(np.int64), values) for labels, at, values in found]
    return EngineServer(Engine(MemoryStorage(rows)))


def _result(value: Scalar | Vector | Matrix | str, moment: float) -> object:
    if isinstance(value, str):
        return {"resultType": "string", "result": [moment, value]}
    if isinstance(value, Scalar):
        return {"resultType": "scalar", "result": [moment, _number(value.value)]}
    if isinstance(value, Vector):
        series = zip(value.labels, value.values.tolist(), strict=True)
        return {
            "resultType": "vector",
            "result": [{"metric": labels, "value": [moment, _number(number)]} for labels, number in series],
        }
    rows = zip(value.labels, value.values.tolist(), value.present.tolist(), strict=True)
    times = value.times.tolist()
    return {
        "resultType": "matrix",
        "result": [
            {
                "metric": labels,
                "values": [
                    [at, _number(number)]
                    for at, number, there in zip(times, values, present, strict=True)
                    if there
                ],
            }
            for labels, values, present in rows
        ],
    }


def _number(value: float) -> str:
    return {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}.get(text := repr(value), text)
