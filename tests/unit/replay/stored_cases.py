"""Cases whose trace is stored by a stand-in for a backend (see ``trace_backends``), for tests of reading it back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trace_backends import TEMPO

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.replay.capture import LiveReplay
from pytest_telemetry_gate.replay.captured import CapturedCase
from pytest_telemetry_gate.replay.judge.cases import judge_case
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.replay.suite.model import ReplaySuite
from pytest_telemetry_gate.reports.failures import describe_evidence
from pytest_telemetry_gate.support.secrets import Secrets

SUITE = """\
version: 1
suite: stored
checkpoints: {48h: {cases: 1}}
capture: {%(capture)s, complete: {timeout: 60s, quiet: 60ms}}
contracts:
  parse:
    select: {name: parser.parse, kind: server, scope: parser}
    parent: none
    status: error
    resource: {service.name: {equals: parser}}
    attributes:
      n: {type: int, equals: 12, required: true}
      ratio: {type: double, equals: 0.5}
      on: {type: bool, equals: true}
    events: {exception: {attributes: {n: {type: int, equals: 12}}}}
  read: {select: {name: parser.read}, count: {min: 2}, parent: {name: parser.parse}}
  pushed: {signal: metrics, select: {name: m}}
  line: {signal: logs, select: {}}
cases:
  - id: one
    drive: {python: {call: "stored_driver:export"}}
    capture: %(place)s
    expect: %(expect)s
"""
BRIEF = "1s"  # the wait for what never comes
EXPECT = "{spans: [{contract: parse}, {contract: read}]}"
BACKENDS = {
    "jaeger v3": ("jaeger", "jaeger: {url: '%s', poll: 20ms}"),
    "jaeger v1": ("jaeger", "jaeger: {url: '%s/', api: v1, poll: 20ms}"),
    "tempo v2": ("tempo", "tempo: {url: '%s" + TEMPO + "', poll: 20ms, tenant: qa}"),
    "tempo v1": ("tempo", "tempo: {url: '%s" + TEMPO + "', api: v1, poll: 20ms}"),
    "otlp_json": ("otlp_json", "otlp_json: {url: '%s/otlp/$trace_id', poll: 20ms}"),
}


def stored(trace_id: str) -> list[dict[str, Any]]:
    """Return what the driven system exports to its backend: a server's span and two children of it."""

    def span(number: int, name: str, **more: Any) -> dict[str, Any]:
        times = {"startTimeUnixNano": "1737583200000001000", "endTimeUnixNano": "1737583200250001000"}
        return {"traceId": trace_id, "spanId": f"{number:016x}", "name": name, "kind": 1, **times, **more}

    attributes = [
        {"key": "n", "value": {"intValue": "12"}},
        {"key": "ratio", "value": {"doubleValue": 0.5}},
        {"key": "on", "value": {"boolValue": True}},
    ]
    event = {"name": "exception", "timeUnixNano": "1737583200000002000", "attributes": attributes[:1]}
    root = {"kind": 2, "attributes": attributes, "status": {"code": 2, "message": "no"}, "events": [event]}
    children = [span(number, "parser.read", parentSpanId=f"{1:016x}") for number in (2, 3)]
    scope = {"scope": {"name": "parser"}, "spans": [span(1, "parser.parse", **root), *children]}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "parser"}}]}
    return [{"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}]


def suite_of(
    folder: Path,
    url: str,
    kind: str = "jaeger v3",
    *,
    expect: str = EXPECT,
    more: str = "",
    patience: str = "60s",
) -> ReplaySuite:
    """Return the suite; ``patience`` is what a test needs less of that is about the end of the wait."""
    place, settings = BACKENDS[kind]
    text = SUITE % {"capture": settings % url, "place": place, "expect": expect}
    path = folder / "stored.replay.yaml"
    text = text.replace("timeout: 60s, quiet", f"timeout: {patience}, quiet")
    path.write_text(text.replace("poll: 20ms", f"poll: 20ms{more}"), encoding="utf-8")
    return load_replay(path)


def capture(suite: ReplaySuite) -> CapturedCase:
    live = LiveReplay(suite, lambda: None, 8127, suite.cases, secrets=Secrets())
    try:
        return live.capture(suite.cases[0])
    finally:
        live.close()


def judge(suite: ReplaySuite) -> Dossier:
    """Return the verdict on the case, the same from a recording."""
    captured = capture(suite)
    dossier = judge_case(suite, suite.cases[0], captured)
    again = CapturedCase.from_wire(json.loads(json.dumps(captured.to_wire())))
    assert judge_case(suite, suite.cases[0], again).verdict == dossier.verdict
    return dossier


def told(dossier: Dossier) -> str:
    return "\n".join([str(dossier.outcome), dossier.verdict.reason, *describe_evidence(dossier)])
