"""Metrics and logs that a case pushes by OTLP, exported by the real SDK and judged by contracts of their own."""

from __future__ import annotations

import sys

import pytest
from projects import Project

SUITE = """\
version: 1
suite: signals
variables: {python: "${PYTHON}"}
checkpoints: {48h: {cases: 1}}
capture: {complete: {timeout: 2s, quiet: 100ms}}
contracts:
  runs:
    signal: metrics
    select: {name: parser.runs}
    count: 1
    type: sum
    unit: "{run}"
    monotonic: true
    temporality: cumulative
    cardinality: 2
    attributes: {parser.language: {type: string, required: true, enum: [python, go]}, user.email: {forbidden: true}}
    unknown_attributes: fail
    resource: {service.name: {equals: parser}}
  duration: {signal: metrics, select: {name: parser.duration}, type: histogram, unit: s}
  done:
    signal: logs
    select: {body: {regex: "parsed .*"}}
    count: 1
    severity: INFO
    correlated: true
    attributes: {parser.files: {type: int, required: true, min: 1}}
  no_errors: {signal: logs, select: {severity: ERROR}, count: {max: 0}}
  span: {select: {name: parse}}
cases:
  - id: push
    drive: {cli: {argv: [$python, tool.py], timeout: 120s, env: {OTEL_SERVICE_NAME: parser}}}
    expect:
      spans: [{contract: span}]
      metrics: [{contract: runs}, {contract: duration}]
      logs: [{contract: done}, {contract: no_errors}]
"""
TOOL = """\
import logging, os
fault = os.environ.get("FAULT", "")
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

tracing, logs = TracerProvider(), LoggerProvider()
tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
metrics = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
meter = metrics.get_meter("tool")
kind = meter.create_up_down_counter if fault == "updown" else meter.create_counter
runs = kind("parser.run" if fault == "renamed" else "parser.runs", "1" if fault == "unit" else "{run}")
for language in ["python", "go", "c"][: 3 if fault == "cardinality" else 2]:
    more = {"parser.shard": 1} if fault == "unknown" else {}
    more |= {"user.email": "somebody@example.net"} if fault == "pii" else {}
    key = "language" if fault == "label" else "parser.language"
    runs.add(1, {key: 7 if fault == "type" else language, **more})
meter.create_histogram("parser.duration", "s").record(0.1)
level = SeverityNumber.ERROR if fault == "error" else SeverityNumber.WARN if fault == "severity" else SeverityNumber.INFO
files = "4" if fault == "files" else 4
def say():
    logs.get_logger("tool").emit(LogRecord(severity_number=level, body="parsed 4 files", attributes={"parser.files": files}))
with tracing.get_tracer("tool").start_as_current_span("parse"):
    if fault != "uncorrelated":
        say()
if fault == "uncorrelated":
    say()
for provider in (tracing, logs, metrics):
    provider.shutdown()
"""
FAULTS = {
    "updown": "metric parser.runs: monotonic: expected true, got false",
    "unit": "metric parser.runs: unit: expected {run}, got 1",
    "renamed": "contract runs: expected exactly 1 metrics parser.runs, got 0 (near: parser.run); captured: parser.duration, parser.run",
    "label": "metric parser.runs: attribute parser.language: required, missing (near: language)",
    "type": "metric parser.runs: attribute parser.language: expected string, got int 7",
    "unknown": "metric parser.runs: attribute parser.shard: not in the contract",
    "cardinality": "metric parser.runs: cardinality: 3 attribute sets, at most 2",
    "pii": "metric parser.runs: attribute user.email: forbidden, but it is there",
    "severity": "log 'parsed 4 files': severity: expected INFO, got WARN",
    "error": "contract no_errors: expected exactly 0 log records ERROR, got 1",
    "files": "log 'parsed 4 files': attribute parser.files: expected int >= 1, got string \"4\"",
    "uncorrelated": "log 'parsed 4 files': correlation: span none was not captured",
}


@pytest.fixture
def signals(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("PYTHON", sys.executable)
    monkeypatch.delenv("FAULT", raising=False)
    project.replay("signals", SUITE, TOOL)
    return project


def test_what_is_pushed_as_it_should_be_passes_live_and_recorded(signals: Project) -> None:
    live = signals.run("-v", "--telemetry-record=signals.telemetry.zip")
    live.stdout.fnmatch_lines(["*push[[]48h[]] PASS captured 1 span, 2 metrics, 1 log record in 3 requests*"])
    assert live.ret == 0
    assert signals.run("--telemetry-env=recorded").ret == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_by_its_own_line(
    signals: Project, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setenv("FAULT", fault)
    result = signals.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"  x {FAULTS[fault]}".replace("[", "[[]")])
    result.stdout.no_fnmatch_line("*somebody@example.net*")
