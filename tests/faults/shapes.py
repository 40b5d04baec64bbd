"""JSON of other shapes than Prometheus' API answers."""

from __future__ import annotations


def data(kind: object, result: object) -> dict[str, object]:
    return {"status": "success", "data": {"resultType": kind, "result": result}}


def one(value: object, metric: object = None, **more: object) -> dict[str, object]:
    return data("vector", [{"metric": {} if metric is None else metric, "value": value, **more}])


# JSON that is not what Prometheus' API answers, in every place where something else can stand.
SHAPES: dict[str, object] = {
    "null": None,
    "list": [],
    "text": "success",
    "number": 70,
    "empty": {},
    "no-data": {"status": "success"},
    "null-data": {"status": "success", "data": None},
    "list-data": {"status": "success", "data": []},
    "no-status": {"data": {"resultType": "vector", "result": [{"metric": {}, "value": [0, "70"]}]}},
    "odd-status": {**one([0, "70"]), "status": "partial"},
    "no-type": {"status": "success", "data": {"result": []}},
    "unknown-type": data("tensor", []),
    "null-type": data(None, []),
    "list-type": data(["vector"], []),
    "no-result": {"status": "success", "data": {"resultType": "vector"}},
    "null-result": data("vector", None),
    "object-result": data("vector", {"metric": {}, "value": [0, "70"]}),
    "text-result": data("vector", "70"),
    "number-result": data("vector", 70),
    "null-series": data("vector", [None]),
    "number-series": data("vector", [70]),
    "no-metric": data("vector", [{"value": [0, "70"]}]),
    "null-metric": data("vector", [{"metric": None, "value": [0, "70"]}]),
    "list-metric": one([0, "70"], ["job"]),
    "text-metric": one([0, "70"], "parser"),
    "nested-metric": one([0, "70"], {"job": {"name": "parser"}}),
    "number-label": one([0, "70"], {"job": 7}),
    "no-value": data("vector", [{"metric": {}}]),
    "null-value": one(None),
    "number-value": one(70),
    "short-value": one([0]),
    "long-value": one([0, "70", "70"]),
    "not-a-number": one([0, "seventy"]),
    "bool-value": one([0, True]),
    "list-number": one([0, ["70"]]),
    "null-number": one([0, None]),
    "underscored": one([0, "7_0"]),
    "text-time": one(["now", "70"]),
    "null-time": one([None, "70"]),
    "histogram": data("vector", [{"metric": {}, "histogram": [0, {"count": "1", "sum": "70"}]}]),
    "matrix": data("matrix", [{"metric": {}, "values": [[0, "70"]]}]),
    "broken-matrix": data("matrix", [{"metric": {}, "values": 70}]),
    "broken-scalar": data("scalar", "70"),
    "broken-string": data("string", None),
    "warnings-number": {**one([0, "70"]), "warnings": 7},
}
