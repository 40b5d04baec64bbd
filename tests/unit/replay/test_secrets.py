"""What is told and stored of a drive and a capture holds no secret and no personal data."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from test_corpus import document

from pytest_telemetry_gate.replay.captured import CapturedCase, DriveResult, ExportRequest
from pytest_telemetry_gate.replay.drive.context import DriveContext
from pytest_telemetry_gate.replay.drive.drivers import drive
from pytest_telemetry_gate.replay.judge.cases import judge_case
from pytest_telemetry_gate.replay.masking import mask_capture
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.replay.suite.model import ReplaySuite
from pytest_telemetry_gate.reports.failures import describe_evidence
from pytest_telemetry_gate.support.secrets import Secrets

SUITE = """\
version: 1
suite: s
variables: {token: "${API_TOKEN}", python: "${PYTHON}", target: "${PARSER_URL}"}
checkpoints: {48h: {cases: 1}}
contracts:
  parse:
    select: {name: parser.parse}
    attributes: {user.email: {forbidden: true}, user.id: {forbidden: true}, user.tags: {forbidden: true}}
    resource: {host.ip: {forbidden: true}}
    events: {login: {attributes: {event.user: {forbidden: true}}}}
    links: {attributes: {link.user: {forbidden: true}}}
  runs: {signal: metrics, select: {name: runs}, attributes: {user.name: {forbidden: true}}}
  said: {signal: logs, select: {severity: INFO}}
cases:
  - id: one
    drive: %s
    expect:
      spans: [{contract: parse}]
      metrics: [{contract: runs}]
      logs: [{contract: said, attributes: {log.user: {forbidden: true}}}]
"""
TOKEN = "hunter2-in/the env+ironment"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", TOKEN)
    monkeypatch.setenv("PYTHON", sys.executable)
    monkeypatch.setenv("PARSER_URL", "http://somebody:swordfish@127.0.0.1:9/x")


def secrets() -> Secrets:
    """Return the collection of an environment whose replays are asked for."""
    collection = Secrets()
    collection.keep_environment()
    return collection


def suite(folder: Path, drive: str) -> ReplaySuite:
    path = folder / "s.replay.yaml"
    path.write_text(SUITE % drive, encoding="utf-8")
    return load_replay(path)


SAYS = "import os, sys; sys.exit(f'no access with {os.environ[sys.argv[2]]} (' + repr(sys.argv[1]) + ')')"


@pytest.mark.parametrize(
    ("drive_", "told"),
    [
        ('{http: {url: "$target/$token"}}', "connection refused"),
        ('{http: {url: "http://127.0.0.1:9/?key=$token"}}', "connection refused"),
        ('{http: {url: "http://[$token"}}', "cannot be sent"),
        ('{http: {url: "http://127.0.0.1:9", headers: {X: "$token\\n"}}}', "cannot be sent or read: "),
        ('{otlp: {url: "$target/$token", from: old.jsonl, timeout: 300ms}}', "connection refused"),
        (f'{{cli: {{argv: [$python, -c, "{SAYS}", $token, API_TOKEN]}}}}', "exit code: expected 0, got 1 (no access with **********"),
        (f'{{cli: {{argv: [$python, -c, "{SAYS}", "https://u:$token@h/", MY_KEY], env: {{MY_KEY: x, PASSWORD: swordfish}}}}}}', "exit code"),
        ('{cli: {argv: ["$token"]}}', "cannot run '**********'"),
        ('{steps: [{http: {url: "$target/$token"}}]}', "step 1: POST http"),
        ('{steps: [{cli: {argv: [$python, -c, "print(1)"]}, outputs: {x: {regex: "1"}}}, {cli: {argv: ["$token$x"]}}]}', "cannot run '**********1'"),
        ('{grpc: {url: "http://127.0.0.1:9", method: a.B/C, metadata: {X: "$token"}, timeout: 1s}}', "gRPC a.B/C at 127.0.0.1:9: "),
        ('{python: {call: "replay_leaks:leak", arguments: {deep: [$token]}}}', "ValueError: **********"),
    ],
)  # fmt: skip
def test_a_drive_tells_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drive_: str, told: str
) -> None:
    (tmp_path / "replay_leaks.py").write_text("def leak(context, deep):\n    raise ValueError(deep[0])\n")
    (tmp_path / "old.jsonl").write_text(json.dumps(document()))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("MY_KEY", "nothing")
    found = suite(tmp_path, drive_)
    driven = drive(found.cases[0], DriveContext("s", "one", "48h", tmp_path, 1), secrets())
    stored = json.dumps(CapturedCase("s", "one", "48h", driven).to_wire())
    assert told in f"{driven.error} {driven.failure}"
    for secret in (TOKEN, "hunter2", "swordfish", "ironment"):
        assert secret not in stored


def test_headers_and_variables_with_secret_names_are_secrets(tmp_path: Path) -> None:
    """Their values may be written in the suite itself, or come from variables with other names."""
    code = "import os, sys; sys.exit('sent ' + os.environ['DB_PASSWORD'])"
    found = suite(tmp_path, f'{{cli: {{argv: [$python, -c, "{code}"], env: {{DB_PASSWORD: swordfish}}}}}}')
    driven = drive(found.cases[0], DriveContext("s", "one", "48h", tmp_path, 1), secrets())
    assert driven.failure == "exit code: expected 0, got 1 (sent **********)"
    headers = "{Authorization: 'Bearer swordfish'}"
    found = suite(tmp_path, f'{{http: {{url: "http://127.0.0.1:9/swordfish", headers: {headers}}}}}')
    driven = drive(found.cases[0], DriveContext("s", "one", "48h", tmp_path, 1), secrets())
    assert driven.error == "POST http://127.0.0.1:9/**********: connection refused"


def test_what_a_drive_tells_is_one_short_line(tmp_path: Path) -> None:
    code = "import sys; print('a'); sys.exit('x' * 100000 + 'end')"
    driven = drive(
        suite(tmp_path, f'{{cli: {{argv: [$python, -c, "{code}"]}}}}').cases[0],
        DriveContext("s", "one", "48h", tmp_path, 1),
        secrets(),
    )
    assert len(driven.failure) < 600
    assert driven.failure.endswith("end)")
    driven = drive(
        suite(tmp_path, '{cli: {argv: [$python, -c, "import sys\\n\\nsys.exit(0)"]}}').cases[0],
        DriveContext("s", "one", "48h", tmp_path, 1),
        secrets(),
    )
    assert "\n" not in driven.summary


def entry(key: str, **value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


PERSON = "somebody@example.net"
WORD = {"stringValue": PERSON}
LEAKS = [
    document(
        parentSpanId="",
        attributes=[
            entry("user.email", **WORD),
            entry("user.id", intValue="4711"),
            entry("user.tags", arrayValue={"values": [WORD]}),
            entry("parser.language", stringValue="go"),
            entry("deep", kvlistValue={"values": [entry("user.email", **WORD)]}),
        ],
        events=[{"name": "login", "attributes": [entry("event.user", **WORD)]}],
        links=[{"traceId": "1" * 32, "spanId": "2" * 16, "attributes": [entry("link.user", **WORD)]}],
    ),
    {
        "resourceMetrics": [
            {
                "resource": {"attributes": [entry("host.ip", stringValue="192.0.2.77")]},
                "scopeMetrics": [
                    {
                        "metrics": [
                            {"name": "runs", "gauge": {"dataPoints": [{"attributes": [entry("user.name", **WORD)]}]}}
                        ]
                    }
                ],
            }
        ]
    },
    {
        "resourceLogs": [
            {"scopeLogs": [{"logRecords": [{"severityNumber": 9, "attributes": [entry("log.user", **WORD)]}]}]}
        ]
    },
]  # fmt: skip


def test_what_a_contract_forbids_is_not_stored_and_judged_the_same(tmp_path: Path) -> None:
    found = suite(tmp_path, '{http: {url: "$target"}}')
    requests = [ExportRequest("traces", 1, 1, "json", one, arrival=0.0) for one in LEAKS]
    captured = CapturedCase("s", "one", "48h", DriveResult("python"), requests)
    wire = mask_capture(captured.to_wire(), found)
    stored = json.dumps(wire)
    assert PERSON not in stored
    assert "4711" not in stored
    assert '"go"' in stored
    before = judge_case(found, found.cases[0], captured)
    after = judge_case(found, found.cases[0], CapturedCase.from_wire(json.loads(stored)))
    assert before == after
    assert len([line for line in describe_evidence(before) if "forbidden" in line]) == 9
    assert PERSON in json.dumps(captured.to_wire())  # the capture itself is judged as it came


def test_nothing_forbidden_leaves_a_capture_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "t.replay.yaml"
    plain = "contracts: {parse: {select: {name: p}}}\ncases: [{id: a, drive: {cli: {argv: [a]}}, expect: {spans: [{contract: parse}]}}]"
    path.write_text(f"version: 1\nsuite: s\ncheckpoints: {{48h: {{cases: 1}}}}\n{plain}\n")
    wire = CapturedCase(
        "s", "a", "48h", DriveResult("cli"), [ExportRequest("traces", 1, 1, "json", LEAKS[0])]
    ).to_wire()
    assert mask_capture(wire, load_replay(path)) == wire
    figures = {"suite": "s", "case": "ci_logs", "before": {}, "after": {}}
    assert mask_capture(figures, suite(tmp_path, '{http: {url: "x"}}')) == figures
