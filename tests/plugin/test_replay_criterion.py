"""Criteria about replays: a figure of all cases of a replay suite, from a recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gates
import pytest
from projects import Project
from replay_worlds import FIGURES, TWO, capture, ci, everything

from pytest_telemetry_gate.recording.captures import store_captures
from pytest_telemetry_gate.replay.captured import CounterLag, DriveResult, ExportRequest


def judged(
    replays: Project, captures: Sequence[Mapping[str, Any]], *arguments: str
) -> dict[str, tuple[str, str]]:
    """Return verdict and reason by the name of each criterion's item."""
    store_captures(replays.path / "small.telemetry.zip", captures, recorded_at=0.0)
    return replays.judged("small.gate.yaml", *arguments)


def test_every_figure_from_the_recording(replays: Project) -> None:
    assert judged(replays, everything()) == FIGURES


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
def test_what_must_not_pass(replays: Project, name: str) -> None:
    changes, item, verdict, told = SITUATIONS[name]
    assert judged(replays, everything(**changes))[item] == (verdict, told)


@pytest.mark.parametrize("expect", [">= 0%", "<= 100%", "<= 50%", ">= 60%"])
def test_what_is_missing_opens_no_limit(replays: Project, expect: str) -> None:
    replays.suite(f"- {{id: qa, replay: {{suite: qa.replay.yaml}}, expect: '{expect}'}}\n", head=TWO)
    nothing = [ci((10, 40, 2, 1), (10, 40, 2, 1))]
    assert {verdict for verdict, _ in judged(replays, nothing).values()} == {"inconclusive"}


def test_enough_without_what_is_missing_passes(replays: Project) -> None:
    replays.suite(
        "- {id: qa, replay: {suite: qa.replay.yaml}, expect: '>= 60%', checkpoints: [2h]}\n", head=TWO
    )
    assert judged(replays, everything(parse_go_2h=None))["qa[2h]"] == (
        "pass",
        "66.7 % is inside >= 60 %; 2 of 3 cases passed; not: parse-go inconclusive",
    )


def test_a_changed_contract_is_tried_on_old_captures(replays: Project) -> None:
    path = replays.path / "qa.replay.yaml"
    path.write_text(path.read_text("utf-8").replace("[python, go, javascript]", "[python, go]"), "utf-8")
    found = judged(replays, everything())
    assert found["qa[1h]"][0] == "pass"
    assert found["qa[2h]"] == (
        "fail",
        "66.7 % is outside the limit == 100 %; 2 of 3 cases passed; not: counted fail",
    )


def test_a_ratio_takes_replays_in(replays: Project) -> None:
    replays.suite(
        "groups:\n  QA:\n    - {id: qa, replay: {suite: qa.replay.yaml}, expect: '== 100%'}\n"
        "  All:\n    - {id: all, ratio: {of: [QA]}, expect: '== 100%'}\n",
        head=TWO,
    )
    assert judged(replays, everything())["all[2h]"][0] == "pass"
    broken = everything(parse_go_2h=capture("parse-go", "2h", requests=[SPANLESS]))
    assert judged(replays, broken)["all[2h]"][0] == "fail"


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
def test_mistakes_are_one_line(replays: Project, criterion: str, told: str) -> None:
    replays.file("broken.replay.yaml", "version: 1\nsuite: broken\n")
    replays.suite(f"- {{id: qa, {criterion}, expect: '<= 1'}}\n", head=TWO)
    result = replays.run("small.gate.yaml")
    result.stdout.fnmatch_lines([f"*.yaml:*: *{told}*".replace("[", "[[]")])
    result.stdout.no_fnmatch_line("*Traceback*")
    assert result.ret != 0


def test_a_recording_of_replays_alone_says_that_it_holds_no_samples(replays: Project) -> None:
    (replays.path / "small.telemetry.zip").unlink()
    replays.suite("- {id: nothing, query: nothing_here, expect: '> 0', checkpoints: [2h]}\n", head=TWO)
    store_captures(replays.path / "small.telemetry.zip", everything(), recorded_at=gates.START + 5 * 3600)
    result = replays.run("small.gate.yaml")
    result.stdout.fnmatch_lines(["*source recording small.telemetry.zip (the recording holds no samples)"])
    assert result.ret == 1
