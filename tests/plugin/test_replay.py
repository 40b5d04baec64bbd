"""Replay suites as a user runs them: cases that drive real commands and callables, live and from a recording."""

from __future__ import annotations

import json
import os
import sys
import time
import zipfile
from pathlib import Path

import pytest
from children import LIGHT
from projects import Project

from pytest_telemetry_gate.recording.captures import Captures, store_captures
from pytest_telemetry_gate.support.secrets import Secrets

HEAD = """\
version: 1
suite: qa
title: QA replays
variables: {python: "${PYTHON}"}
checkpoints: {24h: {cases: 1}, 48h: {cases: 2}}
capture: {complete: {timeout: 3s, quiet: 100ms}}
contracts:
  parse_span:
    select: {name: parser.parse}
    count: 1
    parent: {name: {regex: "cli .*"}}
    status: {not: error}
    attributes:
      parser.language:   {type: string, required: true, enum: [python, go]}
      parser.file_count: {type: int, required: true, min: 1}
      user.email:        {forbidden: true}
    unknown_attributes: fail
"""
CASES = """\
cases:
  - id: parse
    checkpoints: [48h]
    matrix: [{language: python}]
    drive: {cli: {argv: [$python, tool.py, $language], timeout: 120s}}
    expect:
      spans: [{contract: parse_span, attributes: {parser.language: {equals: $language}}}]
      payload: {per_request: "< 512 KB", total: "< 2 MiB"}
  - id: go
    drive: {cli: {argv: [$python, tool.py, go], timeout: 120s}}
    expect: {spans: [{contract: parse_span}]}
"""
# A command with the real SDK, whose faults are chosen by the environment.
TOOL = """\
import os, sys, time
fault = os.environ.get("FAULT", "")
if fault == "hang":
    time.sleep(600)
if fault == "exit":
    sys.exit("no such language")
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
provider = TracerProvider(shutdown_on_exit=fault != "no flush")
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
tracer = provider.get_tracer("tool")
parent = TraceContextTextMapPropagator().extract({"traceparent": os.environ["TRACEPARENT"]})
with tracer.start_as_current_span("cli parse", context=parent):
    name = "parser.prase" if fault == "renamed" else "parser.parse"
    above = None
    if fault == "orphan":
        lost = trace.SpanContext(1, 2, True, trace.TraceFlags(1))
        above = trace.set_span_in_context(trace.NonRecordingSpan(lost))
    with tracer.start_as_current_span(name, context=above) as span:
        span.set_attribute("parser.language", sys.argv[1])
        if fault != "dropped":
            span.set_attribute("parser.file_count", "4" if fault == "type" else 4)
        if fault == "pii":
            span.set_attribute("user.email", "somebody@example.net")
        if fault == "oversized":
            span.set_attribute("parser.language", "x" * 600_000)
"""


@pytest.fixture
def replay(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a command, a suite of two cases, and a live environment that is never asked for metrics."""
    monkeypatch.setenv("PYTHON", sys.executable)
    monkeypatch.delenv("FAULT", raising=False)
    project.replay("qa", HEAD + CASES, TOOL)
    return project


def test_cases_are_items_of_the_gate(replay: Project) -> None:
    result = replay.run("-v")
    result.stdout.fnmatch_lines(["*qa.replay.yaml::parse-python[[]48h[]] PASS*", "*::go[[]48h[]] PASS*"])
    result.stdout.fnmatch_lines(["*QA replays*", "*2 passed*", "*telemetry gate: PASS*2 pass*"])
    assert result.ret == 0


@pytest.mark.parametrize("plugins", [(), ("-p", "no:xdist")])
def test_strict_markers_know_ours_with_xdist_and_without(replay: Project, plugins: tuple[str, ...]) -> None:
    # In a process of its own, since pytest remembers the markers that other sessions of a process knew.
    result = replay.pytester.runpytest_subprocess(*LIGHT, "--strict-markers", "--collect-only", *plugins)
    assert result.ret == 0


def test_a_checkpoint_has_its_own_cases(replay: Project) -> None:
    result = replay.run("--telemetry-checkpoint=24h")
    result.assert_outcomes(passed=1)
    assert result.ret == 0


FAULTS = {
    "dropped": "x span parser.parse: attribute parser.file_count: required, missing",
    "type": 'x span parser.parse: attribute parser.file_count: expected int >= 1, got string "4"',
    "renamed": "x contract parse_span: expected exactly 1 spans parser.parse, got 0 (near: parser.prase); captured: cli parse, parser.prase",
    "orphan": "x span parser.parse: parent: expected /cli .*/, but 0000000000000002 was not captured (orphan)",
    "pii": "x span parser.parse: attribute user.email: forbidden, but it is there",
    "oversized": "x payload per_request: *KB (600,*B) is outside < 512 KB",
    "no flush": "x captured no telemetry in *; it may have ended without flushing*",
    "exit": "x drive exit code: expected 0, got 1 (no such language)",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_by_its_own_line(
    replay: Project, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setenv("FAULT", fault)
    result = replay.run("-k", "python", "--telemetry-partial")
    result.assert_outcomes(failed=1)
    pattern = FAULTS[fault].replace("[", "[[]")
    result.stdout.fnmatch_lines(["FAIL parse-python*", f"*{pattern}*"])
    result.stdout.no_fnmatch_line("*somebody@example.net*")


def test_a_command_that_hangs_is_killed_in_time(replay: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAULT", "hang")
    replay.file("qa.replay.yaml", (HEAD + CASES).replace("timeout: 120s", "timeout: 500ms"))
    started = time.monotonic()
    result = replay.run("-k", "python", "--telemetry-partial")
    assert time.monotonic() - started < 600 / 10
    result.stdout.fnmatch_lines(["*timeout: killed with its process group after 0.5 s*"])


def test_fewer_cases_than_fixed_close_the_gate(replay: Project) -> None:
    result = replay.run("-k", "python")
    result.stdout.fnmatch_lines(["*INCONCLUSIVE*1 of 2 selected*"])
    assert result.ret == 1


def test_the_file_must_have_as_many_cases_as_the_checkpoint_says(replay: Project) -> None:
    replay.file("qa.replay.yaml", (HEAD + CASES).replace("48h: {cases: 2}", "48h: {cases: 3}"))
    result = replay.run()
    result.stdout.fnmatch_lines(
        ["*qa.replay.yaml:5: checkpoint '48h' has 3 cases, but 2 are written for it*"]
    )
    assert result.ret == 2


def test_a_pass_on_a_retry_is_none(replay: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    replay.file(
        "conftest.py",
        """\
        import os
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(item, nextitem):
            from _pytest.runner import runtestprotocol
            os.environ["FAULT"] = "type"
            runtestprotocol(item, nextitem=nextitem, log=False)
            os.environ["FAULT"] = ""
            for report in runtestprotocol(item, nextitem=nextitem, log=False):
                item.ihook.pytest_runtest_logreport(report=report)
            return True
        """,
    )
    result = replay.run("-k", "python", "--telemetry-partial")
    result.assert_outcomes(failed=1)


def capture_of(replay: Project, tmp: Path) -> dict[str, object]:
    """Run the suite in this process and return what it captured for one case."""
    from pytest_telemetry_gate.replay.capture import LiveReplay
    from pytest_telemetry_gate.replay.suite.loader import load_replay

    suite = load_replay(replay.path / "qa.replay.yaml")
    live = LiveReplay(suite, lambda: None, 7, suite.cases, secrets=Secrets())
    return live.capture(suite.cases[0]).to_wire()


def test_a_changed_contract_is_tried_on_old_captures(replay: Project, tmp_path: Path) -> None:
    path = replay.path / "qa.telemetry.zip"
    store_captures(path, [capture_of(replay, tmp_path)], recorded_at=time.time())
    arguments = ("--telemetry-env=recorded", "--telemetry-partial", "-k", "python")
    os.environ.pop("PYTHON")  # nothing is driven any more
    assert replay.run(*arguments).ret == 0
    replay.file("qa.replay.yaml", (HEAD + CASES).replace("min: 1}", "min: 5}"))
    result = replay.run(*arguments)
    result.stdout.fnmatch_lines(["*attribute parser.file_count: expected int >= 5, got int 4*"])
    assert result.ret == 1


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_recorded_run_has_the_same_verdicts_offline(replay: Project, workers: str) -> None:
    """Live, it is also named which field of the contracts no case exercised."""
    more = "      parser.error_kind: {required_when: {status: error}}\n    unknown_attributes: fail"
    replay.file("qa.replay.yaml", (HEAD + CASES).replace("    unknown_attributes: fail", more))
    live = replay.run("--telemetry-record=qa.telemetry.zip", workers)
    live.assert_outcomes(passed=2)
    live.stdout.fnmatch_lines(["*telemetry replay: 2 captures stored in qa.telemetry.zip*"])
    live.stdout.fnmatch_lines(
        [
            "telemetry replay: qa: 2 of 3 fields of contracts exercised; by no case: parse_span.attributes.parser.error_kind"
        ]
    )
    assert live.ret == 0
    again = replay.run("--telemetry-checkpoint=24h", "--telemetry-record=qa.telemetry.zip")
    assert again.ret == 0
    replay.file("tool.py", "raise SystemExit('must not be driven')")
    for checkpoint, number in (("48h", 2), ("24h", 1)):
        recorded = replay.run("--telemetry-env=recorded", f"--telemetry-checkpoint={checkpoint}")
        recorded.assert_outcomes(passed=number)
        assert recorded.ret == 0


def test_a_recording_holds_neither_personal_data_nor_secrets(
    replay: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAULT", "pii")
    monkeypatch.setenv("API_TOKEN", "hunter2-hunter2")
    suite = (HEAD + CASES).replace("tool.py, go]", "tool.py, go, $token]")
    replay.file("qa.replay.yaml", suite.replace("variables: {", 'variables: {token: "${API_TOKEN}", '))
    live = replay.run("--telemetry-record=qa.telemetry.zip")
    recorded = replay.run("--telemetry-env=recorded")
    for result in (live, recorded):
        result.assert_outcomes(failed=2)
        result.stdout.fnmatch_lines(
            ["*x span parser.parse: attribute user.email: forbidden, but it is there"]
        )
        result.stdout.fnmatch_lines(["  drive *tool.py go [*][*]* -> exit 0 in * s"])
        result.stdout.no_fnmatch_line("*hunter2*")
    with zipfile.ZipFile(replay.path / "qa.telemetry.zip") as archive:
        content = b"".join(map(archive.read, archive.namelist()))
    assert b"user.email" in content
    assert b"somebody@example.net" not in content
    assert b"hunter2" not in content


def test_a_secret_that_a_fixture_sets_is_known_when_a_case_is_driven(
    replay: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What starts the system sets its variables long after the suite was collected."""
    monkeypatch.setenv("FAULT", "exit")
    monkeypatch.setenv("LATE_TOKEN", "")
    replay.file(
        "conftest.py",
        """\
        import os, pytest

        @pytest.fixture(autouse=True)
        def started():
            os.environ["LATE_TOKEN"] = "hunter2-hunter2"
        """,
    )
    replay.file("tool.py", "import os, sys; sys.exit('no access with ' + os.environ['LATE_TOKEN'])")
    result = replay.run("--telemetry-record=qa.telemetry.zip")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*x drive exit code: expected 0, got 1 (no access with [*][*]*)"])
    result.stdout.no_fnmatch_line("*hunter2*")
    with zipfile.ZipFile(replay.path / "qa.telemetry.zip") as archive:
        assert b"hunter2" not in b"".join(map(archive.read, archive.namelist()))


def test_what_was_not_captured_is_inconclusive(replay: Project, tmp_path: Path) -> None:
    store_captures(replay.path / "qa.telemetry.zip", [capture_of(replay, tmp_path)], recorded_at=time.time())
    result = replay.run("--telemetry-env=recorded")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*qa.telemetry.zip holds no capture of it at 48h; only of other cases*"])


def test_captures_leave_the_rest_of_a_recording_alone(replay: Project, tmp_path: Path) -> None:
    path = replay.recording(name="qa.telemetry.zip")
    before = {name: zipfile.ZipFile(path).read(name) for name in zipfile.ZipFile(path).namelist()}
    store_captures(path, [capture_of(replay, tmp_path)], recorded_at=1.0)
    after = zipfile.ZipFile(path)
    assert all(after.read(name) == content for name, content in before.items() if name != "index.json")
    assert Captures(path).get("qa", "48h", "parse-python")
    assert json.loads(after.read("index.json"))["recorded_at"] > 1.0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("file_count: {type", "file_count: {typ", "15: contract 'parse_span': attributes.parser.file_count: unknown key 'typ'*"),
        ("tool.py, $language]", "tool.py, $lang]", "22: unknown variable $lang (did you mean '$language'?); known: $b3, $endpoint, $language, $python*"),
        ("[{contract: parse_span}]", "[{contract: parse}]", "28: case 'go': unknown contract 'parse' (did you mean 'parse_span'?)*"),
        ("< 512 KB", "< 512", "25: case 'parse': expect.payload: '< 512' needs a unit such as KB or KiB*"),
        ("checkpoints: [48h]", "checkpoints: [49h]", "20: case 'parse': unknown checkpoint '49h' (did you mean '48h'?)*"),
        ("enum: [python, go]", "regex: '('", "14: *'(' is not a regular expression: *"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(replay: Project, old: str, new: str, told: str) -> None:
    text = HEAD + CASES
    assert old in text
    replay.file("qa.replay.yaml", text.replace(old, new, 1))
    result = replay.run()
    result.stdout.fnmatch_lines([f"*qa.replay.yaml:{told}".replace("[", "[[]")])
    result.stdout.no_fnmatch_line("*Traceback*")
    assert result.ret == 2


def test_the_schema_knows_the_suite(replay: Project) -> None:
    import jsonschema
    import yaml

    schema = json.loads(replay.run("--telemetry-schema=replay").stdout.str())
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    content = yaml.safe_load(HEAD + CASES)
    assert [error.message for error in check.iter_errors(content)] == []
    content["cases"][0]["drvie"] = {}
    assert list(check.iter_errors(content))


def test_ci_logs_are_an_item(replay: Project) -> None:
    lines = [json.dumps({"run": n, "stage": "build", "result": "success", "attempt": 1}) for n in range(4)]
    replay.file("ci/before.jsonl", "\n".join(lines))
    replay.file("ci/after.jsonl", "\n".join([*lines[1:], lines[0].replace('"attempt": 1', '"attempt": 2')]))
    replay.file(
        "qa.replay.yaml",
        HEAD + CASES + "ci_logs: {before: ci/before.jsonl, after: ci/after.jsonl, min_runs: 4}\n",
    )
    result = replay.run("-k", "ci_logs", "--telemetry-partial")
    result.stdout.fnmatch_lines(["*retries 0.00 % -> 25.00 % of executed stages (+25.00 pp, allowed +0 pp)*"])
    assert result.ret == 1
