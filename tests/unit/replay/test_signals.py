"""Contracts of pushed metrics and log records: which they are about, and what they do not let through."""

from __future__ import annotations

from typing import Any

import pytest
from test_contracts import IDS, attribute, span, spans

from pytest_telemetry_gate.replay.judge.contracts import judge_contract
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData, read_document
from pytest_telemetry_gate.replay.suite.contracts import LogContract, MetricContract, SpanContract

SHOP, STOCK = ([attribute("service.name", stringValue=name)] for name in ("shop", "stock"))
CUMULATIVE = {"aggregationTemporality": 2}


def points(*values: float | str, **fields: Any) -> dict[str, Any]:
    """Return a sum whose points come one second after the other, from the same start."""
    every = [
        {"asDouble": value, "startTimeUnixNano": "1", "timeUnixNano": str(number + 2)}
        for number, value in enumerate(values)
    ]
    return {"sum": {**CUMULATIVE, "isMonotonic": True, "dataPoints": every, **fields}}


def metrics(*entries: dict[str, Any], resource: Any = (), scope: Any = None) -> TelemetryData:
    named = [{"name": "runs", "unit": "1", **entry} for entry in entries]
    return read_document(
        {
            "resourceMetrics": [
                {
                    "resource": {"attributes": [*resource]},
                    "scopeMetrics": [{"scope": scope or {}, "metrics": named}],
                }
            ]
        }
    )


def logs(*entries: dict[str, Any], resource: Any = (), scope: Any = None) -> TelemetryData:
    return read_document(
        {
            "resourceLogs": [
                {
                    "resource": {"attributes": [*resource]},
                    "scopeLogs": [{"scope": scope or {}, "logRecords": [*entries]}],
                }
            ]
        }
    )


def together(*parts: TelemetryData) -> TelemetryData:
    return TelemetryData(
        [span for part in parts for span in part.spans],
        [metric for part in parts for metric in part.metrics],
        [log for part in parts for log in part.logs],
    )


def of_metrics(contract: dict[str, Any], telemetry: TelemetryData) -> list[str]:
    given = {"signal": "metrics", "select": {"name": "runs"}, **contract}
    return [
        one.message
        for one in judge_contract(MetricContract.model_validate(given), telemetry, name="m").findings
    ]


def of_logs(contract: dict[str, Any], telemetry: TelemetryData) -> list[str]:
    given = {"signal": "logs", "select": {}, **contract}
    return [
        one.message for one in judge_contract(LogContract.model_validate(given), telemetry, name="l").findings
    ]


def test_metrics_have_contracts_too() -> None:
    users = [{"attributes": [attribute("user", stringValue=str(number))]} for number in range(3)]
    metric = {
        "name": "runs",
        "unit": "s",
        "sum": {"isMonotonic": True, "aggregationTemporality": 2, "dataPoints": users},
    }
    telemetry = read_document({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric, metric]}]}]})
    good = {"signal": "metrics", "select": {"name": "runs"}, "count": 1, "type": "sum", "monotonic": True}
    assert of_metrics(good, telemetry) == []
    bad = {**good, "type": "gauge", "unit": "1", "cardinality": 2, "temporality": "delta"}
    assert of_metrics(bad, telemetry) == [
        "metric runs: type: expected gauge, got sum",
        "metric runs: unit: expected 1, got s",
        "metric runs: temporality: expected delta, got cumulative",
        "metric runs: cardinality: 3 attribute sets, at most 2",
    ]


def test_logs_have_contracts_too() -> None:
    record = {
        "body": {"stringValue": "parsed 4 files"},
        "severityNumber": 9,
        "traceId": IDS[0],
        "spanId": IDS[1],
    }
    telemetry = read_document({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]})
    contract = {"select": {"body": {"regex": "parsed .*"}}, "severity": "WARN", "correlated": True}
    assert of_logs(contract, telemetry) == [
        "log 'parsed 4 files': severity: expected WARN, got INFO",
        f"log 'parsed 4 files': correlation: span {IDS[1]} was not captured",
    ]


def test_one_service_is_told_from_another_by_its_resource_and_scope() -> None:
    """Names of the semantic conventions are the same in every service."""
    right = metrics(points(1), resource=SHOP, scope={"name": "lib"})
    wrong = metrics({"gauge": {"dataPoints": [{"asInt": "1"}]}}, resource=STOCK, scope={"name": "other"})
    both = together(right, wrong)
    told = "metric runs: type: expected sum, got gauge"
    for select in (
        {"name": "runs", "resource": {"service.name": "shop"}},
        {"resource": {"service.name": "shop"}},
        {"scope": "lib"},
    ):
        assert of_metrics({"select": select, "type": "sum"}, both) == []
    assert of_metrics({"type": "sum"}, both) == [told]
    assert of_metrics({"select": {"name": "runs", "scope": {"regex": "o.*"}}, "type": "sum"}, both) == [told]
    none = {"select": {"name": "runs", "scope": "lib", "resource": {"service.name": "stock"}}}
    assert of_metrics(none, both) == [
        "contract m: expected at least 1 metrics runs scope lib service.name=stock, got 0; captured: runs"
    ]
    records = together(
        logs({"severityNumber": 9, "eventName": "paid"}, resource=SHOP, scope={"name": "lib"}),
        logs({"severityNumber": 17}, resource=STOCK),
    )
    for select in ({"resource": {"service.name": "shop"}}, {"scope": "lib"}, {"event_name": "paid"}):
        assert of_logs({"select": select, "severity": "INFO", "count": {"exactly": 1}}, records) == []
    assert of_logs({"select": {"event_name": "paid", "resource": {"service.name": "stock"}}}, records) == [
        (
            "contract l: expected at least 1 log records event paid service.name=stock, got 0; "
            "captured: 2 other log records"
        )
    ]


def test_scopes_and_schemas_of_every_signal_are_judged() -> None:
    scope = {"name": "lib", "version": "1.2.3", "attributes": [attribute("k", intValue=1)]}
    good = {"scope": {"version": {"regex": r"1\..*"}, "attributes": {"k": {"type": "int", "required": True}}}}
    bad = {
        "scope": {"name": "lob", "version": "2", "attributes": {"k": {"type": "string"}}},
        "schema_url": "x",
    }
    told = [
        "scope name: expected lob, got lib",
        "scope version: expected 2, got 1.2.3",
        "scope attribute k: expected string, got int 1",
        "schema_url: expected x, got none",
    ]
    pushed, record = metrics(points(1), scope=scope), logs({"body": {"stringValue": "x"}}, scope=scope)
    traced = read_document({"resourceSpans": [{"scopeSpans": [{"scope": scope, "spans": [span()]}]}]})
    select = {"select": {"name": "parser.parse"}}
    assert of_metrics(good, pushed) == of_logs(good, record) == []
    assert of_metrics(bad, pushed) == [f"metric runs: {one}" for one in told]
    assert of_logs(bad, record) == [f"log 'x': {one}" for one in told]
    for contract, expected in ((good, []), (bad, [f"span parser.parse: {one}" for one in told])):
        judged = judge_contract(SpanContract.model_validate({**select, **contract}), traced, name="c")
        assert [one.message for one in judged.findings] == expected


HISTOGRAM = {
    "count": "3",
    "sum": 4.5,
    "min": 0.5,
    "max": 3,
    "bucketCounts": ["1", "2"],
    "explicitBounds": [1],
}
VALUES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"value": {"min": 0, "max": 3}}, points(1, 3), ""),
    ({"value": 1}, points(1, 2), "value: expected 1, got 2"),
    ({"value": {"max": 1}}, {"gauge": {"dataPoints": [{"asInt": "2"}]}}, "value: expected <= 1, got 2"),
    ({}, {"gauge": {"dataPoints": [{"asDouble": "NaN"}, {"asInt": "-1"}]}}, ""),
    ({"value": {}}, {"gauge": {"dataPoints": [{"asDouble": "NaN"}]}}, "value: expected a finite number, got nan"),
    ({"value": {"min": 0}}, {"gauge": {"dataPoints": [{"asDouble": "Infinity"}]}}, "value: expected >= 0, got inf"),
    ({"value": {"min": 0}}, {"gauge": {"dataPoints": [{"flags": 1}]}}, ""),
    ({}, points("NaN"), "value: a sum of nan is not a number that was counted"),
    ({}, points(-1), "value: -1 is negative, and the sum only rises"),
    ({}, points(-1, isMonotonic=False), ""),
    ({}, points(3, 5, 5), ""),
    ({}, points(5, 3), "points: it fell from 5 to 3 without a new start, and only rises"),
    ({}, points(5, 3, isMonotonic=False), ""),
    ({}, points(1, 1, aggregationTemporality=1), ""),
    ({}, {"histogram": {**CUMULATIVE, "dataPoints": [HISTOGRAM]}}, ""),
    ({}, {"histogram": {**CUMULATIVE, "dataPoints": [{**HISTOGRAM, "count": "4"}]}}, "buckets: they hold 3 measurements, and it counts 4"),
    ({}, {"histogram": {**CUMULATIVE, "dataPoints": [{**HISTOGRAM, "sum": "NaN"}]}}, "value: a histogram of nan is not a number that was counted"),
    ({"value": {"max": 2}}, {"histogram": {**CUMULATIVE, "dataPoints": [HISTOGRAM]}}, "value: expected <= 2, got 3 as the largest"),
    ({"value": {"min": 1}}, {"histogram": {**CUMULATIVE, "dataPoints": [HISTOGRAM]}}, "value: expected >= 1, got 0.5 as the smallest"),
    ({"value": {"min": 1}}, {"histogram": {**CUMULATIVE, "dataPoints": [{"count": "1"}]}}, "value: its histogram exports no smallest and largest measurement"),
    ({}, {"sum": {**CUMULATIVE, "dataPoints": [{"asInt": "1", "startTimeUnixNano": "5", "timeUnixNano": "4"}]}}, "times: a point is from before its own start"),
]  # fmt: skip


@pytest.mark.parametrize(("contract", "metric", "told"), VALUES)
def test_numbers_of_points(contract: dict[str, Any], metric: dict[str, Any], told: str) -> None:
    assert of_metrics(contract, metrics(metric)) == ([f"metric runs: {told}"] if told else [])


def test_what_came_twice_is_counted_twice() -> None:
    """A delta is added by whoever gets it; what is cumulative may be sent again, and a restart has a new start."""
    delta, total = points(2, aggregationTemporality=1), points(2)
    told = "metric runs: points: the same delta came again once, and is counted again"
    assert of_metrics({}, together(metrics(delta), metrics(delta))) == [told]
    assert of_metrics({}, together(metrics(total), metrics(total))) == []
    # Of another process, of other attributes, of another time.
    assert of_metrics({}, together(metrics(delta, resource=SHOP), metrics(delta, resource=STOCK))) == []
    restarted = points(1)
    restarted["sum"]["dataPoints"][0] |= {"startTimeUnixNano": "7", "timeUnixNano": "8"}
    assert of_metrics({}, metrics(points(5), restarted)) == []
    falling = {"histogram": {**CUMULATIVE, "dataPoints": [
        {"count": str(count), "startTimeUnixNano": "1", "timeUnixNano": str(9 - count)} for count in (2, 3)
    ]}}  # fmt: skip
    assert of_metrics({}, metrics(falling)) == [
        "metric runs: points: it fell from 3 to 2 without a new start, and only rises"
    ]


def test_log_records_tell_what_was_dropped_of_them() -> None:
    record = {"body": {"stringValue": "x" * 1200}, "droppedAttributesCount": 2}
    told = f"log {'x' * 40!r}: dropped: the SDK dropped 2 of its attributes"
    assert of_logs({}, logs(record)) == [told]
    assert of_logs({"dropped": "allow", "body": {"max_length": 1200}}, logs(record)) == []
    (body,) = of_logs({"dropped": "allow", "body": {"regex": "x*", "max_length": 1199}}, logs(record))
    assert body.endswith("body: expected /x*/ of at most 1199 characters")
    assert spans(span()).logs == []
