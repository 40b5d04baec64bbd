"""Why nothing came of a command: told apart, since a missing flush is mended elsewhere than an SDK that is switched off."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from test_corpus import document
from test_live import evidence, port, verdict  # noqa: F401 - a fixture

from pytest_telemetry_gate.replay.drive.environment import why_silent

pytestmark = pytest.mark.usefixtures("port")

SDK = """
import os, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=1)))
trace.set_tracer_provider(provider)
with trace.get_tracer("t").start_as_current_span("parser.parse") as span:
    span.set_status(trace.StatusCode.ERROR)
if "flush" in sys.argv:
    provider.force_flush()
os._exit(0)
"""
GRPC = """
import os, sys
import grpc
from google.protobuf.json_format import ParseDict
body = bytes.fromhex(sys.argv[1])
where = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"].removeprefix("http://")
with grpc.insecure_channel(where) as channel:
    export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
    try:
        export(body, timeout=2)
    except grpc.RpcError as error:
        print("not there:", error.code())
"""


def command(code: str, *arguments: str, more: str = "") -> str:
    argv = json.dumps([sys.executable, "-c", code.replace("$", "$$"), *arguments])
    return f"{{cli: {{argv: {argv}, timeout: 30s{more}}}}}"


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"OTEL_SDK_DISABLED": "True"}, "OTEL_SDK_DISABLED=true switches the SDK off"),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, "OTEL_TRACES_SAMPLER=parentbased_always_off drops spans"),
        ({"OTEL_LOGS_EXPORTER": "console"}, "OTEL_LOGS_EXPORTER=console exports nothing by OTLP"),
        ({"OTEL_TRACES_EXPORTER": "otlp,console", "OTEL_SDK_DISABLED": "false"}, ""),
    ],
)  # fmt: skip
def test_variables_that_keep_an_sdk_silent(variables: dict[str, str], reason: str) -> None:
    assert why_silent(variables) == reason


def test_a_flush_lets_it_come(tmp_path: Path) -> None:
    found = verdict(tmp_path, command(SDK, "flush"))
    assert str(found.outcome) == "pass", evidence(found)
    assert any("set for the command: OTEL_RESOURCE_ATTRIBUTES=" in line for line in evidence(found))


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("", "it may have ended without flushing"),
        (", env: {OTEL_SDK_DISABLED: 'true'}", "OTEL_SDK_DISABLED=true switches the SDK off"),
    ],
)
def test_nothing_came(tmp_path: Path, more: str, reason: str) -> None:
    found = verdict(tmp_path, command(SDK, more=more))
    assert str(found.outcome) == "fail"
    assert reason in found.verdict.reason


def test_an_export_that_failed_is_quoted(tmp_path: Path) -> None:
    elsewhere = ", env: {OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:9/v1/traces'}"
    found = verdict(tmp_path, command(SDK, "flush", more=elsewhere))
    assert "captured no telemetry in " in found.verdict.reason
    assert "; it printed: " in found.verdict.reason
    assert "without flushing" not in found.verdict.reason


def test_an_exporter_of_grpc_is_told_apart_and_can_be_given_what_it_wants(tmp_path: Path) -> None:
    pytest.importorskip("grpc")
    from otlp_requests import encode_request

    body = encode_request("traces", document(parentSpanId="")).hex()
    found = verdict(tmp_path, command(GRPC, body))
    assert str(found.outcome) == "fail"
    lines = evidence(found)
    assert sum("by gRPC, at the address for OTLP/HTTP" in line for line in lines) == 1
    assert not any("without flushing" in line for line in lines)
    found = verdict(tmp_path, command(GRPC, body, more=", protocol: grpc"))
    assert str(found.outcome) == "pass", evidence(found)
