"""``telemetry.incidents`` and ``telemetry.replay`` in hand-written tests."""

from __future__ import annotations

import pytest
import replay_worlds
from gates import START
from projects import CONFIG, PASSING, Project, said, write_test

from pytest_telemetry_gate.model.events import Episode, Events
from pytest_telemetry_gate.recording.captures import store_captures

ESCALATION = Episode("escalation", "Lag", START + 600, START + 900, {"service": "parser"})
INCIDENT = Episode("incident", "Down", START + 1200, None)


def history(*episodes: Episode, **changes: object) -> dict[str, Events]:
    fields = {"complete": True, "kinds": ("escalation", "incident", "message"), **changes}
    return {"incidents": Events(START, START + 7200, episodes=episodes, **fields)}  # type: ignore[arg-type]


def run(bare: Project, events: dict[str, Events], *lines: str) -> pytest.RunResult:
    bare.file("telemetry.yaml", CONFIG)
    bare.recording(events=events)
    bare.suite(PASSING)
    write_test(bare, *lines)
    return bare.run()


def test_incidents_are_told_by_kind(bare):
    result = run(
        bare,
        history(ESCALATION, INCIDENT),
        "assert [one.name for one in telemetry.incidents()] == ['Lag', 'Down']",
        "(escalation,) = telemetry.incidents(kind='escalation')",
        f"assert (escalation.start, escalation.labels) == ({START + 600}, {{'service': 'parser'}})",
        "assert telemetry.incidents(kind='message') == []",
    )
    assert result.ret == 0, said(result)


@pytest.mark.parametrize(
    ("events", "call", "told"),
    [
        (history(complete=False, reason="page 3 is missing"), "telemetry.incidents()", "incidents: the history is incomplete: page 3 is missing"),
        (history(), "telemetry.incidents(kind='escalaton')", "incidents: no source knows incidents of kind 'escalaton' (did you mean 'escalation'?)"),
        ({}, "telemetry.incidents()", "incidents"),
        ({"incidents": Events(START + 60, START + 7200, complete=True)}, "telemetry.incidents()", "incidents: the history covers only 2025-01-22T22:01:00Z to"),
    ],
)  # fmt: skip
def test_incidents_of_a_history_that_may_lack_some_are_refused(bare, events, call, told):
    result = run(bare, events, call)
    result.assert_outcomes(passed=1, failed=1)
    assert told in said(result)


def store(replays: Project, **changes: object) -> None:
    """Give the project's recording a capture of every case at every checkpoint."""
    captures = replay_worlds.everything(**changes)  # type: ignore[arg-type]
    store_captures(replays.path / "small.telemetry.zip", captures, recorded_at=START + 7200)


def test_a_replayed_case_is_a_verdict_of_the_test_with_what_it_exported(replays):
    store(replays)
    write_test(
        replays,
        "replayed = telemetry.replay('qa.replay.yaml', 'parse-go')",
        "assert str(replayed.verdict.outcome) == 'pass' and replayed.verdict.checkpoint == '2h'",
        "(span,) = replayed.telemetry.spans",
        "assert (span.name, span.attributes['language'].content) == ('parse', 'go')",
        "assert telemetry.replay('qa.replay.yaml', 'parse-go', checkpoint='1h').verdict.checkpoint == '1h'",
        "assert [one.criterion for one in telemetry.verdicts] == ['parse-go', 'parse-go']",
        "assert replayed.dossier.steps",
    )
    result = replays.run("test_it.py")
    assert result.ret == 0, said(result)
    assert "2 checks: 2 pass" in said(result)
    assert "parse-go" in said(result)


def test_a_case_that_broke_its_contract_fails_its_test_at_the_end(replays):
    broken = replay_worlds.capture("parse-go", "2h")
    broken["requests"][0]["document"]["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"] = []
    store(replays, parse_go_2h=broken)
    write_test(replays, "telemetry.replay('qa.replay.yaml', 'parse-go')", "print('REACHED THE END')")
    result = replays.run("-s", "test_it.py")
    assert result.ret == 1
    assert "REACHED THE END" in said(result)
    assert "FAIL  parse-go[2h]" in said(result)


def test_a_case_without_a_capture_is_no_pass(replays):
    store(replays, parse_go_2h=None)
    write_test(
        replays,
        "replayed = telemetry.replay('qa.replay.yaml', 'parse-go')",
        "assert replayed.telemetry.is_empty",
    )
    result = replays.run("test_it.py")
    assert result.ret == 1
    assert "INCONCLUSIVE  parse-go[2h]" in said(result)
    assert "small.telemetry.zip holds no capture of it at 2h; only of other cases" in said(result)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("telemetry.replay('qa.replay.yaml', 'parse-rust')", "qa.replay.yaml has no case 'parse-rust' at 2h"),
        ("telemetry.replay('qa.replay.yaml', 'counted', checkpoint='1h')", "qa.replay.yaml has no case 'counted' at 1h"),
        ("telemetry.replay('qa.replay.yaml', 'parse-go', checkpoint='3h')", "qa.replay.yaml has no checkpoint '3h'"),
        ("telemetry.replay('no.replay.yaml', 'parse-go')", "no.replay.yaml"),
    ],
)  # fmt: skip
def test_a_case_that_there_is_not_is_an_error(replays, call, told):
    store(replays)
    write_test(replays, call)
    result = replays.run("test_it.py")
    assert result.ret == 1
    result.assert_outcomes(failed=1)
    assert told in said(result)
    assert "telemetry gate: ERROR" in said(result)


def test_a_case_is_driven_for_the_test_that_asks(replays):
    replays.file("telemetry.yaml", "default: live\nenvironments: {live: {source: memory}}\n")
    replays.file("conftest.py", MEMORY)
    replays.file("tool.py", DRIVEN)
    write_test(
        replays,
        "replayed = telemetry.replay('qa.replay.yaml', 'parse-python')",
        "assert [span.attributes['language'].content for span in replayed.telemetry.spans] == ['python']",
        "assert telemetry.replay('qa.replay.yaml', 'parse-python').telemetry.spans == replayed.telemetry.spans",
        marker="",
    )  # fmt: skip
    result = replays.run("test_it.py")
    assert result.ret == 0, said(result)
    assert (replays.path / "driven").read_text() == "python\n", "it was driven once"


def test_workers_that_ask_for_different_cases_wait_for_none_of_the_other(replays):
    """Nobody planned these cases, so that no process knows what another one drives."""
    replays.file("telemetry.yaml", "default: live\nenvironments: {live: {source: memory}}\n")
    replays.file("conftest.py", MEMORY)
    replays.file("tool.py", DRIVEN)
    cases = {"python": "parse-python", "go": "parse-go"}
    tests = "".join(
        f"def test_{name}(telemetry):\n    assert telemetry.replay('qa.replay.yaml', '{case}').telemetry.spans\n"
        for name, case in cases.items()
    )
    replays.file("test_it.py", tests)
    result = replays.run("test_it.py", "-n2", "--dist=load")
    result.assert_outcomes(passed=2)
    assert sorted((replays.path / "driven").read_text().split()) == ["go", "python"]


MEMORY = """\
from pytest_telemetry_gate.testing import MemorySource

def pytest_telemetry_gate_sources():
    return {"memory": lambda settings: MemorySource([])}
"""
DRIVEN = """\
import json, os, sys, urllib.request
open("driven", "a").write(sys.argv[1] + "\\n")
_, trace, parent, _ = os.environ["TRACEPARENT"].split("-")
attribute = {"key": "language", "value": {"stringValue": sys.argv[1]}}
span = {"traceId": trace, "spanId": "2" * 16, "parentSpanId": parent, "name": "parse", "kind": 1,
        "startTimeUnixNano": "1", "endTimeUnixNano": "2", "attributes": [attribute]}
document = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
request = urllib.request.Request(os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/traces", json.dumps(document).encode(),
                                 {"Content-Type": "application/json"})
urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).read()
"""


def test_reports_and_bundles_have_what_hand_written_tests_say(replays, capsys):
    from pytest_telemetry_gate.plugin.cli import main

    store(replays)
    replays.suite("- {id: cpu, query: cpu, unit: '%', expect: '< 75'}\n")
    write_test(
        replays,
        "telemetry.replay('qa.replay.yaml', 'parse-go')",
        "telemetry.check(measured=2.0, expect='< 3', unit='s', title='start of the service')",
    )
    outputs = [f"--telemetry-report={name}" for name in ("out.json", "out.html", "out.md")]
    result = replays.run("test_it.py", "small.gate.yaml", *outputs, "--telemetry-bundle=out.zip")
    assert result.ret == 0, said(result)
    for name in ("out.json", "out.html", "out.md"):
        text = (replays.path / name).read_text(encoding="utf-8")
        assert "start of the service" in text, name
        assert "parse-go" in text, name
    capsys.readouterr()
    assert main(["verify", str(replays.path / "out.zip")]) == 1, "as for every test in Python"
    lines = [line for line in capsys.readouterr().out.splitlines() if "✗" in line]
    (line,) = lines
    assert "test_it.py: cannot be judged again: the bundle does not say how" in line
