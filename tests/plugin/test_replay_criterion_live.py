"""Criteria about replays whose cases are driven in the run: once for their own item and the criterion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gates
import pytest
from projects import Project
from replay_worlds import TWO, everything

from pytest_telemetry_gate.recording.captures import Captures, store_captures

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
JUST_OVER = "--telemetry-start=now-2h1m"  # so that what is driven now is of the checkpoint at 2 h
LATER = """\
  recorded:
    source: recording
    path: two.telemetry.zip
    regions: {eu: {}, us: {replay: {variables: {language: go}}}}
"""


@pytest.fixture
def live(replays: Project) -> Project:
    replays.file("conftest.py", CONFTEST.replace("$TESTS", Path(__file__).parents[1].as_posix()))
    replays.file("tool.py", TOOL)
    replays.file("telemetry.yaml", LIVE)
    path = replays.path / "qa.replay.yaml"
    text = path.read_text("utf-8").replace(', metrics: [{counter: runs_total, lag: "<= 10s"}]', "")
    path.write_text(text.replace("ci_logs: ", "# "), "utf-8")
    replays.suite("- {id: qa, replay: {suite: qa.replay.yaml}, expect: '== 100%'}\n", head=TWO)
    return replays


def runs(live: Project) -> int:
    """Return how often the tool ran, and forget it."""
    marks = list(live.path.glob("ran-*"))
    for mark in marks:
        mark.unlink()
    return len(marks)


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_case_is_driven_once_for_its_own_item_and_the_criterion(live: Project, workers: str) -> None:
    result = live.run("--telemetry-checkpoint=2h", workers, "--telemetry-record=new.telemetry.zip", JUST_OVER)
    result.stdout.fnmatch_lines(["*4 pass*"])
    assert result.ret == 0
    assert runs(live) == 3
    captures = list(Captures(live.path / "new.telemetry.zip").all())
    assert len(captures) == 3
    told = re.search(r"telemetry replay: seed (\d+) ", result.stdout.str())
    assert told
    assert {seed for capture in captures for seed in seeds(capture)} == {int(told[1])}


def seeds(part: Any) -> Iterator[int]:
    """Yield the seeds that a capture says it was driven with."""
    if isinstance(part, dict):
        yield from (value for key, value in part.items() if key == "seed")
        part = list(part.values())
    for inner in part if isinstance(part, list) else ():
        yield from seeds(inner)


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
    result.assert_outcomes(failed=1, passed=1)


def test_what_is_driven_late_in_a_rollout_warns(live: Project) -> None:
    result = live.run("small.gate.yaml", "--telemetry-checkpoint=2h", "--telemetry-start=now-10h")
    result.stdout.fnmatch_lines(["WARN*qa[[]2h[]]*counted was captured at *, 8h *"])


UNREACHABLE = """default: live
environments:
  live: {source: prometheus, url: "http://127.0.0.1:9"}
  recorded: {source: recording, path: new.telemetry.zip}
"""


def test_a_gate_of_replays_alone_asks_no_metric_source(live: Project) -> None:
    live.file("telemetry.yaml", UNREACHABLE)
    record = ("--telemetry-checkpoint=2h", "--telemetry-record=new.telemetry.zip", JUST_OVER)
    result = live.run("small.gate.yaml", "-n2", *record)
    result.stdout.fnmatch_lines(["*3 captures stored in new.telemetry.zip*"])
    assert result.ret == 0
    again = ("--telemetry-env=recorded", "--telemetry-checkpoint=2h", JUST_OVER)
    assert verdicts(live, *again) == {"qa[2h]": "pass"}


def verdicts(live: Project, *arguments: str) -> dict[str, str]:
    return {name: verdict for name, (verdict, _) in live.judged("small.gate.yaml", *arguments).items()}


def test_beside_replays_what_needs_the_metric_source_says_that_it_is_not_there(live: Project) -> None:
    live.file("telemetry.yaml", UNREACHABLE)
    live.suite(
        "- {id: qa, replay: {suite: qa.replay.yaml}, expect: '== 100%'}\n"
        "- {id: errors, query: sum(errors_total), expect: '< 5'}\n",
        head=TWO,
    )
    found = verdicts(live, "--telemetry-checkpoint=2h", JUST_OVER)
    assert found == {"qa[2h]": "pass", "errors[2h]": "error"}


@pytest.mark.parametrize("whole", [True, False], ids=["the file", "each capture"])
def test_captures_of_another_environment_stand_for_none_of_this(live: Project, *, whole: bool) -> None:
    path, captures = live.path / "small.telemetry.zip", everything()
    if whole:
        path.unlink()
    else:
        captures = [{**capture, "environment": "staging"} for capture in captures]
    store_captures(path, captures, recorded_at=0.0, environment="staging")
    result = live.run("small.gate.yaml")
    told = "small.telemetry.zip: its captures are of environment 'staging', not of 'live'"
    result.stdout.fnmatch_lines([f"ERROR*qa[[]1h[]]*{told}*"])
    assert result.ret == 1


def test_nothing_is_driven_before_its_time(live: Project) -> None:
    result = live.run("small.gate.yaml", f"--telemetry-now={gates.START + 5400}", "--telemetry-checkpoint=2h")
    result.assert_outcomes(skipped=1, failed=1)
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
    result = live.run(*arguments, "-v", JUST_OVER)
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
        ("{capture: {from: tempo}}", "*telemetry.yaml:3: replay.capture: from: tempo needs `tempo:` beside it*"),
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
