"""What a driven command inherits, what it does not, and what is set for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_telemetry_gate.replay.drive.context import DriveContext
from pytest_telemetry_gate.replay.drive.environment import command_environment

CONTEXT = DriveContext("s", "one", "48h", Path(), 1, "http://127.0.0.1:4318")


def environment(inherited: dict[str, str], own: dict[str, str] | None = None) -> Mapping[str, str]:
    return command_environment(inherited, own or {}, CONTEXT, "http/json").variables


@pytest.mark.parametrize(
    "name",
    [
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
        "OTEL_TRACES_EXPORTER",
        "OTEL_METRICS_EXPORTER",
        "OTEL_SDK_DISABLED",
        "OTEL_TRACES_SAMPLER",
        "OTEL_TRACES_SAMPLER_ARG",
        "OTEL_PROPAGATORS",
        "OTEL_CONFIG_FILE",
        "OTEL_EXPERIMENTAL_CONFIG_FILE",
        "TRACESTATE",
        "http_proxy",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "grpc_proxy",
    ],
)
def test_what_would_take_telemetry_elsewhere_is_inherited_by_nobody(name: str) -> None:
    found = command_environment({name: "elsewhere"}, {}, CONTEXT, "http/json")
    assert name not in found.variables
    assert found.describe()[-1].endswith(f"elsewhere: {name}")
    assert environment({name: "elsewhere"}, {name: "own"})[name] == "own"


@pytest.mark.parametrize(
    "name", ["PATH", "OTEL_SERVICE_NAME", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_METRIC_EXPORT_INTERVAL", "BAGGAGE"]
)
def test_everything_else_is(name: str) -> None:
    assert environment({name: "x"})[name] == "x"
    assert environment({name: "x"}, {name: "y"})[name] == "y"


def test_what_is_set_goes_before_everything_and_is_told() -> None:
    inherited = {
        "OTEL_RESOURCE_ATTRIBUTES": "a=b",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://elsewhere",
        "TRACEPARENT": "x",
        "NO_PROXY": "example.net",
    }
    own = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://other", "OTEL_EXPORTER_OTLP_HEADERS": "k=hunter2"}
    found = command_environment(inherited, own, CONTEXT, "http/json")
    environ = found.variables
    marks = "telemetry.replay.suite=s,telemetry.replay.case=one"
    assert environ["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:4318"
    assert environ["OTEL_RESOURCE_ATTRIBUTES"] == f"a=b,{marks}"
    assert environ["NO_PROXY"] == "example.net,127.0.0.1"
    assert environment({"no_proxy": "*"})["no_proxy"] == "*"
    endpoint = "OTEL_EXPORTER_OTLP_PROTOCOL=http/json OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"
    assert found.describe() == [
        f"set for the command: OTEL_RESOURCE_ATTRIBUTES=a=b,{marks} {endpoint} TRACEPARENT={CONTEXT.traceparent}",
        "it also finds OTEL_EXPORTER_OTLP_HEADERS",
    ]


def test_where_nobody_listens_the_case_says_where_to_export_to() -> None:
    nowhere = replace(CONTEXT, endpoint="")
    inherited = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://elsewhere"}
    assert (
        "OTEL_EXPORTER_OTLP_ENDPOINT"
        not in command_environment(inherited, {}, nowhere, "http/json").variables
    )
    own = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
    found = command_environment(inherited, own, nowhere, "http/json")
    assert found.variables["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"
    assert not {"NO_PROXY", "no_proxy"} & found.variables.keys()


def test_the_trace_is_carried_in_the_variables_of_each_format() -> None:
    """And no other trace is: neither that of the CI's own telemetry nor its state."""
    context = replace(CONTEXT, propagation=("w3c", "b3", "b3multi", "jaeger", "datadog"))
    inherited = {"TRACESTATE": "x", "B3": "0", "X_B3_TRACEID": "0", "TRACEPARENT": "0"}
    found = command_environment(inherited, {}, context, "http/json")
    assert found.kept_back == ("TRACESTATE",)
    assert found.variables["B3"] == f"{context.trace_id}-{context.span_id}-1"
    assert found.variables["X_B3_TRACEID"] == context.trace_id
    assert found.variables["UBER_TRACE_ID"].startswith(context.trace_id)
    assert environment(inherited).keys().isdisjoint({"TRACESTATE", "B3", "X_B3_TRACEID"})
