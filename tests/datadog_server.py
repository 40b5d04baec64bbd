"""A Datadog in memory, over HTTP: answers in the forms of its OpenAPI, with numbers that tests can work out by themselves.

https://github.com/DataDog/datadog-api-client-python, ``.generator/schemas``: ``MetricsQueryResponse`` of v1,
``TimeseriesFormulaQueryResponse`` and ``ScalarFormulaQueryResponse`` of v2. As there, points stand at the beginning of their
interval, v1 tells the interval in seconds, and v2 leaves out times at which no series has a value.
"""

from __future__ import annotations

import ast
import contextlib
import json
import math
import operator
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import websites

JSON = {"Content-Type": "application/json"}
API_KEY, APP_KEY = "kanari-api-key", "kanari-app-key"
PERCENT = [
    {"family": "percentage", "name": "percent", "plural": "percent", "scale_factor": 1.0, "short_name": "%"},
    None,
]
MILLISECONDS = [
    {
        "family": "time",
        "name": "millisecond",
        "plural": "milliseconds",
        "scale_factor": 0.001,
        "short_name": "ms",
    },
    None,
]
_QUERY = re.compile(
    r"(?:(\w+(?:\.\d+)?):)?([A-Za-z][\w.]*)\{([^{}]*)\}(?:\s*by\s*\{([^{}]*)\})?((?:\.\w+\([^()]*\))*)"
)
_ROLLUP = re.compile(r"\.rollup\(\s*(\w+)\s*(?:,\s*(\d+)\s*)?\)")
_LIMITS = ((3600, 20), (14_400, 60), (86_400, 300), (172_800, 600), (604_800, 3600))
_OPERATORS: Mapping[type, Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip

Group = tuple[str, ...]
Buckets = dict[int, float]


@dataclass(frozen=True)
class Metric:
    """The points of one metric with some tags: seconds since the epoch and values."""

    name: str
    tags: Mapping[str, str]
    points: Mapping[int, float]
    unit: Sequence[Any] | None = None


@dataclass
class Datadog:
    """What the server holds and how it misbehaves.

    ``replies`` are sent instead of the next answers: status, headers and body. ``change`` may change any answer. ``asked``
    are the requests: method, path and what was asked.
    """

    metrics: list[Metric] = field(default_factory=list)
    replies: list[websites.Answer] = field(default_factory=list)
    change: Callable[[dict[str, Any]], Any] = lambda answer: answer
    asked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    url: str = ""

    def evaluate(
        self, text: str, start: int, end: int, interval: int
    ) -> tuple[dict[Group, Buckets], Any, str]:
        """Return the buckets of each group of a metric query in milliseconds, its unit and its tag keys."""
        match = _QUERY.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"Error parsing query: {text}")
        aggregator, name, scope, by, functions = match.groups()
        keys = [key.strip() for key in (by or "").split(",") if key.strip()]
        rolled = _ROLLUP.search(functions or "")
        over_time = "sum" if ".as_count()" in functions else (rolled[1] if rolled else "avg")
        grouped: dict[Group, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        unit = None
        for metric in self.metrics:
            if metric.name != name or not _matches(metric.tags, scope):
                continue
            unit = metric.unit
            group = tuple(f"{key}:{metric.tags[key]}" for key in keys)
            buckets: dict[int, list[float]] = defaultdict(list)
            for time, value in metric.points.items():
                if start <= time - time % interval < end:
                    buckets[(time - time % interval) * 1000].append(value)
            for time, values in buckets.items():
                percentile = re.fullmatch(r"p(\d+)", aggregator or "")
                grouped[group][time] += values if percentile else [_reduce(over_time, values)]
        return (
            {
                group: {
                    time: _reduce(aggregator or "avg", values) for time, values in sorted(buckets.items())
                }
                for group, buckets in sorted(grouped.items())
            },
            unit,
            ",".join(keys),
        )

    def interval(self, text: str, start: int, end: int, asked: int = 0) -> int:
        """Return the seconds that each point stands for."""
        rolled = [int(match[2]) for match in _ROLLUP.finditer(text) if match[2]]
        default = next((seconds for longest, seconds in _LIMITS if end - start <= longest), 14_400)
        chosen = max(rolled, default=asked or default)
        return max(chosen, math.ceil((end - start) / 1500))

    def answer(self, asked: websites.Asked) -> websites.Answer:
        """Answer a request."""
        address = urlsplit(asked.path)
        fields = {name: values[-1] for name, values in parse_qs(address.query).items()}
        if asked.method == "POST":
            fields = json.loads(asked.body)["data"]["attributes"]
        self.asked.append((asked.method, address.path, fields))
        if self.replies:
            return self.replies.pop(0)
        headers = {name.lower(): value for name, value in asked.headers.items()}
        keys = headers.get("dd-api-key"), headers.get("dd-application-key")
        if keys[0] != API_KEY or (address.path != "/api/v1/validate" and keys[1] != APP_KEY):
            return 403, JSON, b'{"errors": ["Forbidden"]}'
        try:
            answer = self._evaluate(address.path, fields)
        except ValueError as error:
            return 400, JSON, json.dumps({"errors": [str(error)]}).encode()
        return 200, JSON, json.dumps(self.change(answer)).encode()

    def _evaluate(self, path: str, fields: dict[str, Any]) -> dict[str, Any]:
        match path:
            case "/api/v1/validate":
                return {"valid": True}
            case "/api/v1/query":
                return self.v1(fields["query"], int(fields["from"]), int(fields["to"]))
            case "/api/v2/query/timeseries":
                return self.v2(fields)
            case "/api/v2/query/scalar":
                return self.scalar(fields)
        raise ValueError(f"no such path: {path}")

    def v1(self, text: str, start: int, end: int) -> dict[str, Any]:
        """Return the answer of ``GET /api/v1/query``."""
        interval = self.interval(text, start, end)
        found: dict[str, tuple[dict[Group, Buckets], Any, str]] = {}

        def name(match: re.Match[str]) -> str:
            found[f"a{len(found)}"] = self.evaluate(match[0], start, end, interval)
            return f"a{len(found) - 1}"

        formula = _QUERY.sub(name, text)
        series = [
            {
                "aggr": None, "metric": text, "display_name": text, "expression": text, "interval": interval, "length": len(buckets),
                "start": min(buckets), "end": max(buckets) + interval * 1000 - 1, "scope": ",".join(group) or "*", "query_index": 0,
                "tag_set": list(group), "unit": next(iter(found.values()))[1], "attributes": {},
                "pointlist": [[float(time), value] for time, value in buckets.items()],
            }
            for group, buckets in _calculate(formula, {key: value[0] for key, value in found.items()}).items()
        ]  # fmt: skip
        return {
            "status": "ok", "res_type": "time_series", "resp_version": 1, "query": text, "from_date": start * 1000, "to_date": end * 1000,
            "series": series, "values": [], "times": [], "message": "", "group_by": [],
        }  # fmt: skip

    def v2(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer of ``POST /api/v2/query/timeseries``."""
        start, end = attributes["from"] // 1000, attributes["to"] // 1000
        text = " ".join(query["query"] for query in attributes["queries"])
        interval = self.interval(text, start, end, attributes.get("interval", 0) // 1000)
        found = {
            query["name"]: self.evaluate(query["query"], start, end, interval)
            for query in attributes["queries"]
        }
        groups = _calculate(
            attributes["formulas"][0]["formula"], {key: value[0] for key, value in found.items()}
        )
        times = sorted({time for buckets in groups.values() for time in buckets})
        unit = next(iter(found.values()))[1]
        return _v2(
            "timeseries_response",
            {
                "series": [{"group_tags": list(group), "query_index": 0, "unit": unit} for group in groups],
                "times": times,
                "values": [[buckets.get(time) for time in times] for buckets in groups.values()],
            },
        )

    def scalar(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer of ``POST /api/v2/query/scalar``: the window is one interval of all raw points."""
        start, end = attributes["from"] // 1000, attributes["to"] // 1000
        (query,) = attributes["queries"]
        inside = [
            Metric(one.name, one.tags, {start: value}, one.unit)
            for one in self.metrics
            for time, value in one.points.items()
            if start <= time < end
        ]
        groups, unit, keys = Datadog(inside).evaluate(query["query"], 0, end, end * 2)
        columns = [
            {
                "type": "group",
                "name": key,
                "values": [[group[number].partition(":")[2]] for group in groups],
            }
            for number, key in enumerate(filter(None, keys.split(",")))
        ]
        numbers = [next(iter(buckets.values())) for buckets in groups.values()]
        columns.append({"type": "number", "name": "query0", "meta": {"unit": unit}, "values": numbers})
        return _v2("scalar_response", {"columns": columns})


def _v2(kind: str, attributes: dict[str, Any]) -> dict[str, Any]:
    return {"data": {"id": "0", "type": kind, "attributes": attributes}}


def _matches(tags: Mapping[str, str], scope: str) -> bool:
    wanted = [part.strip() for part in re.split(r",| AND ", scope) if part.strip() not in {"", "*"}]
    return all(tags.get(part.partition(":")[0]) == part.partition(":")[2] for part in wanted)


def _reduce(aggregator: str, values: Sequence[float]) -> float:
    if percentile := re.fullmatch(r"p(\d+)", aggregator):
        return sorted(values)[min(len(values) - 1, int(len(values) * int(percentile[1]) / 100))]
    return {
        "avg": lambda: math.fsum(values) / len(values),
        "sum": lambda: math.fsum(values),
        "min": lambda: min(values),
        "max": lambda: max(values),
        "count": lambda: float(len(values)),
    }[aggregator]()


def _calculate(formula: str, found: Mapping[str, dict[Group, Buckets]]) -> dict[Group, Buckets]:
    """Return the formula's value in every bucket in which all of its queries have one."""
    tree = ast.parse(formula.strip(), mode="eval").body
    groups = sorted(set.intersection(*(set(groups) for groups in found.values())))
    calculated = {}
    for group in groups:
        times = sorted(set.intersection(*(set(found[name][group]) for name in found)))
        calculated[group] = {
            time: _value(tree, {name: found[name][group][time] for name in found}) for time in times
        }
    return {group: buckets for group, buckets in calculated.items() if buckets}


def _value(node: ast.expr, values: Mapping[str, float]) -> float:
    match node:
        case ast.Name():
            return values[node.id]
        case ast.Constant():
            return float(node.value)  # type: ignore[arg-type]
        case ast.BinOp():
            return _OPERATORS[type(node.op)](_value(node.left, values), _value(node.right, values))
    raise ValueError(f"Error parsing query: {ast.dump(node)}")


@contextlib.contextmanager
def running(datadog: Datadog) -> Iterator[Datadog]:
    """Serve a Datadog on a loopback port until the context ends."""
    with websites.serving(datadog.answer) as site:
        datadog.url = site.url
        yield datadog
