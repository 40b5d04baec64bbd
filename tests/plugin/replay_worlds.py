"""A small project whose criteria are about a replay suite, and captures for its cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gates
from projects import Files

from pytest_telemetry_gate.replay.captured import CapturedCase, CounterLag, DriveResult, ExportRequest

REPLAY = """\
version: 1
suite: qa
checkpoints: {1h: {cases: 2}, 2h: {cases: 3}}
capture: {complete: {timeout: 5s, quiet: 100ms}}
variables: {language: python}
contracts:
  parse: {select: {name: parse}, attributes: {language: {required: true, enum: [python, go, javascript]}}}
cases:
  - id: parse
    matrix: [{language: python}, {language: go}]
    drive: {cli: {argv: ["$PYTHON", tool.py, $language]}}
    expect: {spans: [{contract: parse}], payload: {per_request: "< 512 KB"}}
  - id: counted
    checkpoints: [2h]
    drive: {cli: {argv: ["$PYTHON", tool.py, javascript]}}
    expect: {spans: [{contract: parse}], metrics: [{counter: runs_total, lag: "<= 10s"}]}
ci_logs: {before: before.jsonl, after: after.jsonl, min_runs: 2}
"""
CRITERIA = """\
- {id: qa, replay: {suite: qa.replay.yaml}, expect: "== 100%"}
- {id: payload, replay: {suite: qa.replay.yaml, of: payload}, expect: "< 512 KB"}
- {id: lag, replay: {suite: qa.replay.yaml, of: lag}, expect: "<= 10s", checkpoints: [2h]}
- {id: skipped, replay: {suite: qa.replay.yaml, of: skipped}, expect: "<= 0", checkpoints: [2h]}
- {id: retries, replay: {suite: qa.replay.yaml, of: retries}, expect: "<= 0.5", checkpoints: [2h]}
"""
TWO = gates.HEAD.replace("[2h]", "[1h, 2h]")
CASES = {"1h": ("parse-python", "parse-go"), "2h": ("parse-python", "parse-go", "counted")}
LANGUAGES = {"parse-python": "python", "parse-go": "go", "counted": "javascript"}
# What every criterion says of everything.
FIGURES = {
    "qa[1h]": ("pass", "100 % is inside == 100 %; 2 of 2 cases passed"),
    "qa[2h]": ("pass", "100 % is inside == 100 %; 3 of 3 cases passed"),
    "payload[1h]": ("pass", "4 KB is inside < 512 KB; case parse-python"),
    "payload[2h]": ("pass", "4 KB is inside < 512 KB; case parse-python"),
    "lag[2h]": ("pass", "0.750 s is inside <= 10 s; case counted, runs_total"),
    "skipped[2h]": (
        "pass",
        "0 pp is inside <= 0 pp; skipped 5.00 % -> 5.00 % of executed stages (10 runs before, 10 after)",
    ),
    "retries[2h]": (
        "pass",
        "0 pp is inside <= 0.5 pp; retries 2.50 % -> 2.50 % of executed stages (10 runs before, 10 after)",
    ),
}


def capture(case: str, checkpoint: str, **changes: Any) -> dict[str, Any]:
    """Return what a case captures that goes well: one span in one request, and a lag where it counts."""
    attribute = {"key": "language", "value": {"stringValue": LANGUAGES[case]}}
    span = {"traceId": "1" * 32, "spanId": "2" * 16, "name": "parse", "kind": 1, "attributes": [attribute]}
    span |= {"startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    lag = CounterLag("runs_total", 1.0, seen=1.0, low=0.5, high=0.75, interval=1.0)
    found = CapturedCase(
        "qa",
        case,
        checkpoint,
        DriveResult("cli", "parse", code=0),
        [ExportRequest("traces", 2_000, 4_000, document=document)],
        [lag] if case == "counted" else [],
        at=gates.START + 7200,
    )
    for name, value in changes.items():
        setattr(found, name, value)
    return found.to_wire()


def ci(before: Sequence[int], after: Sequence[int], *, unfinished: int = 0) -> dict[str, Any]:
    names = ("runs", "executed", "skipped", "retries")
    logs = {"before": dict(zip(names, before, strict=True)), "after": dict(zip(names, after, strict=True))}
    logs["after"]["unfinished"] = unfinished
    return {"suite": "qa", "checkpoint": "2h", "region": "", "case": "ci_logs", **logs}


def everything(**changes: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return a capture of every case at every checkpoint; keywords (``counted_2h``) replace or leave out some."""
    found: dict[str, dict[str, Any] | None] = {
        f"{case.replace('-', '_')}_{checkpoint}": capture(case, checkpoint)
        for checkpoint, cases in CASES.items()
        for case in cases
    }
    found["ci"] = ci((10, 40, 2, 1), (10, 40, 2, 1))
    found |= changes
    return [one for one in found.values() if one is not None]


def write(files: Files) -> None:
    """Write the replay suite, the suite about it and an empty recording."""
    files.file(
        "qa.replay.yaml",
        REPLAY.replace("$PYTHON", "$python").replace("variables: {", 'variables: {python: "${PYTHON}", '),
    )
    files.suite(CRITERIA, head=TWO)
    files.recording()
