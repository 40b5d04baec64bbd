"""Criteria about replays: a figure of all cases of a replay suite, from a recording and from cases that are driven."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gates
import pytest
from projects import Project

from pytest_telemetry_gate.recording.captures import Captures, store_captures
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


def ci(before: Sequence[int], after: Sequence[int]) -> dict[str, Any]:
    names = ("runs", "executed", "skipped", "retries")
    logs = {"before": dict(zip(names, before, strict=True)), "after": dict(zip(names, after, strict=True))}
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


@pytest.fixture
def world(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("PYTHON", sys.executable)
    project.file(
        "qa.replay.yaml",
        REPLAY.replace("$PYTHON", "$python").replace("variables: {", 'variables: {python: "${PYTHON}", '),
    )
    project.suite(CRITERIA, head=TWO)
    project.recording()
    return project


def judged(
    world: Project, captures: Sequence[Mapping[str, Any]], *arguments: str
) -> dict[str, tuple[str, str]]:
    """Return verdict and reason by the name of each criterion's item."""
    store_captures(world.path / "small.telemetry.zip", captures, recorded_at=0.0)
    return world.judged("small.gate.yaml", *arguments)


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_every_figure_from_the_recording(world: Project, workers: str) -> None:
    assert judged(world, everything(), workers) == {
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


SPANLESS = ExportRequest("traces", 10, 10, document={"resourceSpans": []})
LOST = CounterLag("runs_total", 1.0, seen=0.0, low=15.0, interval=1.0)
RESTARTED = CounterLag("runs_total", 1.0, interval=1.0, problem="the counter restarted meanwhile")
LATE = CounterLag("runs_total", 1.0, seen=1.0, low=11.0, high=11.25, interval=1.0)
UNREACHABLE = DriveResult("cli", error="cannot run 'parse': No such file or directory")
SITUATIONS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "a case fails": (
        {"parse_go_2h": capture("parse-go", "2h", requests=[SPANLESS])},
        "qa[2h]",
        "fail",
        "66.7 % is outside the limit == 100 %; 2 of 3 cases passed; not: parse-go fail",
    ),
    "a case is missing": (
        {"parse_go_2h": None},
        "qa[2h]",
        "inconclusive",
        "2 of 3 cases passed; not: parse-go inconclusive; parse-go: small.telemetry.zip holds no capture of it at 2h; only of other cases",
    ),
    "a case is missing and another fails": (
        {"parse_go_2h": None, "counted_2h": capture("counted", "2h", requests=[SPANLESS])},
        "qa[2h]",
        "fail",
        "33.3 % is outside the limit == 100 %; 1 of 3 cases passed; not: parse-go inconclusive, counted fail",
    ),
    "a case could not be driven": (
        {"parse_go_1h": capture("parse-go", "1h", driven=UNREACHABLE, requests=[])},
        "qa[1h]",
        "error",
        "1 of 2 cases passed; not: parse-go error; parse-go: drive cannot run 'parse': No such file or directory",
    ),
    "an export request is too large": (
        {"parse_go_1h": capture("parse-go", "1h", requests=[ExportRequest("traces", 9, 600_000)])},
        "payload[1h]",
        "fail",
        "600 KB is outside the limit < 512 KB; case parse-go",
    ),
    "no export request": (
        {"parse_go_1h": capture("parse-go", "1h", requests=[])},
        "payload[1h]",
        "inconclusive",
        "case parse-go: no export request was captured",
    ),
    "an export request was refused": (
        {"parse_go_1h": capture("parse-go", "1h", requests=[ExportRequest("traces", 9, 9, trouble="is larger than 64 MiB")])},
        "payload[1h]",
        "fail",
        "case parse-go: export request is larger than 64 MiB",
    ),
    "a rise that never came": (
        {"counted_2h": capture("counted", "2h", lags=[LOST])},
        "lag[2h]",
        "fail",
        "case counted: metric runs_total: rose by 0, expected 1 within 10 s; given up after 15.0 s",
    ),
    "a counter that restarted": (
        {"counted_2h": capture("counted", "2h", lags=[RESTARTED])},
        "lag[2h]",
        "inconclusive",
        "case counted: metric runs_total: the counter restarted meanwhile",
    ),
    "a rise that came late": (
        {"counted_2h": capture("counted", "2h", lags=[LATE])},
        "lag[2h]",
        "fail",
        "11.2 s is outside the limit <= 10 s; case counted, runs_total",
    ),
    "a lag that was not measured": (
        {"counted_2h": capture("counted", "2h", lags=[])},
        "lag[2h]",
        "inconclusive",
        "case counted: metric runs_total: its rise was not measured",
    ),
    "more retries": (
        {"ci": ci((10, 40, 2, 1), (10, 40, 2, 2))},
        "retries[2h]",
        "fail",
        "2.5 pp is outside the limit <= 0.5 pp; retries 2.50 % -> 5.00 % of executed stages (10 runs before, 10 after)",
    ),
    "too few runs": (
        {"ci": ci((1, 4, 0, 0), (10, 40, 0, 0))},
        "skipped[2h]",
        "inconclusive",
        "before: 1 runs, 2 are needed",
    ),
    "no logs": (
        {"ci": None},
        "skipped[2h]",
        "inconclusive",
        "small.telemetry.zip holds no capture of it at 2h; only of other cases",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SITUATIONS)
def test_what_must_not_pass(world: Project, name: str) -> None:
    changes, item, verdict, told = SITUATIONS[name]
    assert judged(world, everything(**changes))[item] == (verdict, told)


@pytest.mark.parametrize("expect", [">= 0%", "<= 100%", "<= 50%", ">= 60%"])
def test_what_is_missing_opens_no_limit(world: Project, expect: str) -> None:
    world.suite(f"- {{id: qa, replay: {{suite: qa.replay.yaml}}, expect: '{expect}'}}\n", head=TWO)
    nothing = [ci((10, 40, 2, 1), (10, 40, 2, 1))]
    assert {verdict for verdict, _ in judged(world, nothing).values()} == {"inconclusive"}


def test_enough_without_what_is_missing_passes(world: Project) -> None:
    world.suite(
        "- {id: qa, replay: {suite: qa.replay.yaml}, expect: '>= 60%', checkpoints: [2h]}\n", head=TWO
    )
    assert judged(world, everything(parse_go_2h=None))["qa[2h]"] == (
        "pass",
        "66.7 % is inside >= 60 %; 2 of 3 cases passed; not: parse-go inconclusive",
    )


def test_a_changed_contract_is_tried_on_old_captures(world: Project) -> None:
    path = world.path / "qa.replay.yaml"
    path.write_text(path.read_text("utf-8").replace("[python, go, javascript]", "[python, go]"), "utf-8")
    found = judged(world, everything())
    assert found["qa[1h]"][0] == "pass"
    assert found["qa[2h]"] == (
        "fail",
        "66.7 % is outside the limit == 100 %; 2 of 3 cases passed; not: counted fail",
    )


def test_a_ratio_takes_replays_in(world: Project) -> None:
    world.suite(
        "groups:\n  QA:\n    - {id: qa, replay: {suite: qa.replay.yaml}, expect: '== 100%'}\n"
        "  All:\n    - {id: all, ratio: {of: [QA]}, expect: '== 100%'}\n",
        head=TWO,
    )
    assert judged(world, everything())["all[2h]"][0] == "pass"
    broken = everything(parse_go_2h=capture("parse-go", "2h", requests=[SPANLESS]))
    assert judged(world, broken)["all[2h]"][0] == "fail"


@pytest.mark.parametrize(
    ("criterion", "told"),
    [
        ("replay: {suite: qa.replay.yml}", "there is no replay suite 'qa.replay.yml'"),
        ("replay: {suite: qa.replay.yaml, checkpoint: 3h}", "qa.replay.yaml has no checkpoint '3h'"),
        ("replay: {suite: qa.replay.yaml, of: lag}, checkpoints: [1h]", "qa.replay.yaml has no case with a `counter:` at 1h"),
        ("replay: {suite: qa.replay.yaml, of: skipped}, checkpoints: [1h]", "qa.replay.yaml has no `ci_logs:` at 1h"),
        ("replay: {suite: qa.replay.yaml, of: lag}, unit: ms", "lag of replays is in s; `expect` may use another unit"),
        ("replay: {suite: qa.replay.yaml, of: lags}", "replay.of: 'lags' is not 'pass_rate', 'payload', 'lag', 'skipped' or 'retries'"),
        ("replay: {suite: broken.replay.yaml}", "needs 'checkpoints'"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(world: Project, criterion: str, told: str) -> None:
    world.file("broken.replay.yaml", "version: 1\nsuite: broken\n")
    world.suite(f"- {{id: qa, {criterion}, expect: '<= 1'}}\n", head=TWO)
    result = world.run("small.gate.yaml")
    result.stdout.fnmatch_lines([f"*.yaml:*: *{told}*".replace("[", "[[]")])
    result.stdout.no_fnmatch_line("*Traceback*")
    assert result.ret != 0


# Live: a source in memory stands for the servers, and a tool with one span for the system.
CONFTEST = """\
import sys
import pytest
sys.path.append("$TESTS")
from pytest_telemetry_gate.testing import MemorySource

@pytest.hookimpl
def pytest_telemetry_gate_sources():
    return {"memory": lambda settings: MemorySource([({"__name__": "up"}, [0], [1.0])])}
"""
TOOL = """\
import os, pathlib, sys
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
pathlib.Path(f"ran-{os.getpid()}").touch()
with provider.get_tracer("tool").start_as_current_span("parse") as span:
    span.set_attribute("language", sys.argv[1])
"""
LIVE = """\
default: live
environments:
  live: {source: memory, replay: {recording: small.telemetry.zip}}
  bare: {source: memory}
  two: {source: memory, regions: {eu: {}, us: {replay: {variables: {language: go}}}}}
"""
LATER = """\
  recorded:
    source: recording
    path: two.telemetry.zip
    regions: {eu: {}, us: {replay: {variables: {language: go}}}}
"""


@pytest.fixture
def live(world: Project) -> Project:
    world.file("conftest.py", CONFTEST.replace("$TESTS", Path(__file__).parents[1].as_posix()))
    world.file("tool.py", TOOL)
    world.file("telemetry.yaml", LIVE)
    path = world.path / "qa.replay.yaml"
    text = path.read_text("utf-8").replace(', metrics: [{counter: runs_total, lag: "<= 10s"}]', "")
    path.write_text(text.replace("ci_logs: ", "# "), "utf-8")
    world.suite("- {id: qa, replay: {suite: qa.replay.yaml}, expect: '== 100%'}\n", head=TWO)
    return world


def runs(live: Project) -> int:
    """Return how often the tool ran, and forget it."""
    marks = list(live.path.glob("ran-*"))
    for mark in marks:
        mark.unlink()
    return len(marks)


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_case_is_driven_once_for_its_own_item_and_the_criterion(live: Project, workers: str) -> None:
    result = live.run("--telemetry-checkpoint=2h", workers, "--telemetry-record=new.telemetry.zip")
    result.stdout.fnmatch_lines(["*4 pass*"])
    assert result.ret == 0
    assert runs(live) == 3
    assert len(list(Captures(live.path / "new.telemetry.zip").all())) == 3


def test_a_criterion_alone_drives_and_records_all_cases(live: Project) -> None:
    result = live.run("small.gate.yaml", "--telemetry-checkpoint=2h", "--telemetry-record=new.telemetry.zip")
    result.stdout.fnmatch_lines(["*telemetry replay: seed *", "*3 captures stored in new.telemetry.zip*"])
    assert result.ret == 0
    assert runs(live) == 3


def test_selecting_one_case_leaves_the_criterion_all_of_them(live: Project) -> None:
    result = live.run("--telemetry-checkpoint=2h", "--telemetry-partial", "-k", "qa and 2h and not python")
    assert result.ret == 0
    assert runs(live) == 3


def test_a_checkpoint_that_is_over_is_judged_from_the_recording_that_is_named(live: Project) -> None:
    store_captures(live.path / "small.telemetry.zip", everything(), recorded_at=0.0)
    assert live.run("small.gate.yaml").ret == 0
    assert runs(live) == 3
    result = live.run("small.gate.yaml", "--telemetry-env=bare")
    told = "1h is not driven in this run (2h is), and replay.recording in telemetry.yaml names no recording*"
    result.stdout.fnmatch_lines([f"*qa[[]1h[]]*{told}"])
    result.assert_outcomes(passed=1, failed=1)


def test_nothing_is_driven_before_its_time(live: Project) -> None:
    result = live.run("small.gate.yaml", f"--telemetry-now={gates.START + 5400}", "--telemetry-checkpoint=2h")
    result.assert_outcomes(skipped=1)
    assert runs(live) == 0


def test_regions_have_items_of_their_own(live: Project) -> None:
    live.file("one.replay.yaml", """\
        version: 1
        suite: one
        variables: {python: "${PYTHON}", language: python}
        checkpoints: {2h: {cases: 1}}
        capture: {complete: {timeout: 5s, quiet: 100ms}}
        contracts:
          parse: {select: {name: parse}, attributes: {language: {equals: $language}}, resource: {region: {equals: $region}}}
        cases:
          - id: run
            drive: {cli: {argv: [$python, tool.py, $language], env: {OTEL_RESOURCE_ATTRIBUTES: "region=$region"}}}
            expect: {spans: [{contract: parse}]}
        """)  # fmt: skip
    live.suite("- {id: one, replay: {suite: one.replay.yaml}, expect: '== 100%'}\n", head=gates.HEAD)
    arguments = (
        "one.replay.yaml",
        "small.gate.yaml",
        "--telemetry-env=two",
        "--telemetry-record=two.telemetry.zip",
    )
    result = live.run(*arguments, "-v")
    for name in ("run[[]eu-2h[]]", "run[[]us-2h[]]", "*one[[]eu-2h[]]", "*one[[]us-2h[]]"):
        result.stdout.fnmatch_lines([f"*::{name} PASS*"])
    assert result.ret == 0
    assert runs(live) == 2
    live.file("telemetry.yaml", LIVE + LATER)
    assert live.run(*arguments[:2], "--telemetry-env=recorded").ret == 0
    result = live.run("one.replay.yaml", "--telemetry-env=recorded", "--telemetry-region=us", "-v")
    result.assert_outcomes(passed=1)
    assert runs(live) == 0


@pytest.mark.parametrize(
    ("replay", "told"),
    [
        ("{variables: {langauge: go}}", "*telemetry.yaml:3: replay.variables: the suite has no variable 'langauge' (did you mean 'language'?)*"),
        ("{captures: x}", "*telemetry.yaml:3: environment 'live': replay: unknown key 'captures' (did you mean 'capture'?)*"),
        ("{capture: {otlp: {htp: x}}}", "*telemetry.yaml:3: replay.capture: otlp: unknown key 'htp' (did you mean 'http'?)*"),
        ("{recording: nowhere.zip}", "*nowhere.zip: there is no such recording*"),
    ],
)  # fmt: skip
def test_mistakes_in_what_telemetry_yaml_says_of_replays(live: Project, replay: str, told: str) -> None:
    live.file(
        "telemetry.yaml", f"default: live\nenvironments:\n  live: {{source: memory, replay: {replay}}}\n"
    )
    result = live.run("small.gate.yaml")
    shown = result.stderr if "unknown key 'captures'" in told else result.stdout
    shown.fnmatch_lines([told])
    result.stdout.no_fnmatch_line("*Traceback*")
    assert result.ret != 0


def test_a_recording_of_replays_alone_says_that_it_holds_no_samples(world: Project) -> None:
    (world.path / "small.telemetry.zip").unlink()
    world.suite("- {id: nothing, query: nothing_here, expect: '> 0', checkpoints: [2h]}\n", head=TWO)
    store_captures(world.path / "small.telemetry.zip", everything(), recorded_at=gates.START + 5 * 3600)
    result = world.run("small.gate.yaml")
    result.stdout.fnmatch_lines(["*source recording small.telemetry.zip (the recording holds no samples)"])
    assert result.ret == 1
