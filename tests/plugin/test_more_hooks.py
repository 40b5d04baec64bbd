"""Hooks for reducers, for changes of suites and for sections of the report, as a conftest.py would use them."""

from __future__ import annotations

import json

import pytest
from projects import said

TRIMMED = """
def pytest_telemetry_gate_reducers():
    return {"middle": lambda values: sorted(values)[len(values) // 2]}
"""
ADDED = """
def pytest_telemetry_gate_suite(content, path):
    content["groups"].setdefault("Company", []).append({"id": "house", "query": "cpu", "unit": "%", "expect": "< 65"})
    content["groups"]["Parser"][0]["expect"] = "< 60"
"""
SECTIONS = """
from pytest_telemetry_gate import Section

def pytest_telemetry_gate_report_sections(report):
    counts = report.content.gate.counts
    return [Section("Costs", "What it *costs*.", [["item", "euro"], ["<script>", 7], *counts.items()])]
"""


def test_reducers_make_one_value_of_several_series(project):
    project.file("conftest.py", TRIMMED)
    project.suite("- {id: latency, query: latency_ms, unit: ms, reduce: middle, expect: '== 70'}\n")
    result = project.run("-v")
    assert result.ret == 0
    project.suite("- {id: latency, query: latency_ms, unit: ms, reduce: middle, expect: '< 60'}\n")
    result = project.run()
    assert result.ret == 1
    assert "70 ms is outside the limit < 60 ms" in said(result)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("", "reduce: 'middle' is none; known: max, min, avg, sum, any, all"),
        (
            "def pytest_telemetry_gate_reducers():\n    return {'middel': max}\n",
            "'middle' is none (did you mean 'middel'?)",
        ),
        (
            "def pytest_telemetry_gate_reducers():\n    return {'middle': 7}\n",
            "reducer 'middle': 7 is no function of values",
        ),
        (
            "def pytest_telemetry_gate_reducers():\n    return {'max': max}\n",
            "two plugins register the reducer 'max'",
        ),
        (
            "def pytest_telemetry_gate_reducers():\n    return {'middle': lambda values: values.nothing}\n",
            "AttributeError",
        ),
    ],
)
def test_a_reducer_that_cannot_be_used_never_passes(project, code, message):
    project.file("conftest.py", code)
    project.suite("- {id: latency, query: latency_ms, unit: ms, reduce: middle, expect: '> 0'}\n")
    result = project.run()
    assert result.ret not in {0, 5}
    assert message in said(result)


@pytest.mark.parametrize("arguments", [(), ("-n2",)])
def test_suite_a_plugin_changes_it_in_the_open(project, arguments):
    project.file("conftest.py", ADDED)
    project.suite()
    result = project.run("--telemetry-report=report.json", "--telemetry-report=report.md", *arguments)
    assert result.ret == 1
    result.assert_outcomes(failed=2)
    content = json.loads((project.path / "report.json").read_text())["content"]
    (section,) = content["suites"][0]["told"]["sections"]
    assert section["title"] == "Changed by plugins"
    assert "criterion 'house' added, cpu.expect" in section["text"]
    assert "Changed by plugins" in (project.path / "report.md").read_text()
    if not arguments:
        assert "telemetry: small.gate.yaml: changed by plugin '" in " ".join(said(result).split())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("content['groups']['Parser'].pop()", "takes criterion 'cpu' away"),
        ("content['groups']['Parser'][0]['id'] = 'gpu'", "takes criterion 'cpu' away"),
        (
            "content['groups']['Parser'][0]['treshold'] = 1",
            "small.gate.yaml:8: criterion 'cpu': unknown key 'treshold'",
        ),
        ("1 / 0", "pytest_telemetry_gate_suite failed: ZeroDivisionError"),
        ("return {}", "it returns something: it has to change `content` itself"),
    ],
)
def test_a_plugin_can_neither_take_away_nor_break_unseen(project, body, message):
    project.file("conftest.py", f"def pytest_telemetry_gate_suite(content):\n    {body}\n")
    project.suite("- {id: cpu, query: cpu, unit: '%', expect: '< 75'}\n")
    result = project.run()
    assert result.ret not in {0, 5}
    assert message in said(result)
    assert "Traceback" not in said(result)


@pytest.mark.parametrize("arguments", [(), ("-n2",)])
def test_report_sections_of_plugins_are_in_every_format(project, arguments):
    project.file("conftest.py", SECTIONS)
    project.suite()
    result = project.run(
        "--telemetry-report=report.json",
        "--telemetry-report=report.md",
        "--telemetry-report=report.html",
        *arguments,
    )
    assert result.ret == 0
    told = json.loads((project.path / "report.json").read_text())["content"]["suites"][0]["told"]
    assert told["sections"][0]["title"] == "Costs"
    page = (project.path / "report.html").read_text()
    assert "Costs" in page
    assert "<em>costs</em>" in page
    assert "&lt;script&gt;" in page
    assert "Costs" in (project.path / "report.md").read_text()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("return ['text']", "'text' is no Section"),
        ("return [Section('a', 'x' * 30000)]", "section 'a' is longer than 20,000 characters"),
        ("return [Section('a')] * 30", "30 sections, more than 20"),
    ],
)
def test_a_section_that_fails_changes_no_verdict(project, body, message):
    project.file(
        "conftest.py",
        f"from pytest_telemetry_gate import Section\ndef pytest_telemetry_gate_report_sections(report):\n    {body}\n",
    )
    project.suite()
    result = project.run("--telemetry-report=report.json")
    assert result.ret == 0
    assert "pytest_telemetry_gate_report_sections of plugin" in said(result)
    assert message in said(result)
    assert (project.path / "report.json").exists()


TOOL = """
import urllib.request

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

def drive(context, topic):
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add()
    spans.resource.attributes.add(key="service.name").value.string_value = topic
    span = spans.scope_spans.add().spans.add(name="handle", trace_id=bytes.fromhex(context.trace_id), span_id=b"12345678")
    span.parent_span_id = bytes.fromhex(context.span_id)
    span.start_time_unix_nano, span.end_time_unix_nano = 10**18, 10**18 + 10**6
    sent = urllib.request.Request(
        context.endpoint + "/v1/traces", request.SerializeToString(), {"Content-Type": "application/x-protobuf"}
    )
    urllib.request.urlopen(sent).close()
    return "queued"
"""
REPLAY = """\
version: 1
suite: queued
checkpoints: {1h: {cases: 1}}
capture: {otlp: {http: "127.0.0.1:0"}, made: any_time, complete: {timeout: 20s, quiet: 100ms}}
contracts:
  handled: {select: {name: handle}, resource: {service.name: {equals: parse}}}
cases:
  - {id: one, drive: {queue: {topic: TOPIC, timeout: 20s}}, expect: {spans: [{contract: handled}]}}
"""


@pytest.mark.parametrize(("topic", "code"), [("parse", 0), ("other", 1)])
def test_drivers_are_called_by_their_names(project, topic, code):
    project.file(
        "conftest.py", "def pytest_telemetry_gate_drivers():\n    return {'queue': 'tool_of_queue:drive'}\n"
    )
    project.file("tool_of_queue.py", TOOL)
    project.file(
        "telemetry.yaml",
        "default: live\nenvironments: {live: {source: prometheus, url: 'http://127.0.0.1:1'}}\n",
    )
    project.file("queued.replay.yaml", REPLAY.replace("TOPIC", topic))
    result = project.run("-v")
    assert result.ret == code, said(result)
    result.assert_outcomes(passed=1 - code, failed=code)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("{'queu': 'tool_of_queue:drive'}", "unknown key 'queue'"),
        ("{'queue': 'nowhere:drive'}", "nowhere"),
        ("{'queue': 'drive'}", "driver 'queue': 'drive' is no 'module:function'"),
        ("{'cli': 'tool_of_queue:drive'}", "driver 'cli': replay suites have a key of this name already"),
    ],
)
def test_a_driver_that_cannot_be_used_never_passes(project, returned, message):
    project.file("conftest.py", f"def pytest_telemetry_gate_drivers():\n    return {returned}\n")
    project.file("tool_of_queue.py", TOOL)
    project.file(
        "telemetry.yaml",
        "default: live\nenvironments: {live: {source: prometheus, url: 'http://127.0.0.1:1'}}\n",
    )
    project.file("queued.replay.yaml", REPLAY.replace("TOPIC", "parse"))
    result = project.run()
    assert result.ret not in {0, 5}
    assert message in said(result)
