"""Criteria about replays: a figure of all cases of a replay suite, from a recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import gates
import pytest
from projects import Project
from replay_worlds import FIGURES, TWO, capture, ci, everything

from pytest_telemetry_gate.recording.captures import store_captures
from pytest_telemetry_gate.replay.captured import CounterLag, DriveResult, ExportRequest, ReadBack


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
OTHER = CounterLag("runs_total", 3.0, seen=3.0, low=0.5, high=0.75, interval=1.0)
FAILED = DriveResult("cli", "parse", failure="exit 1, expected 0", code=1)
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
    "a trace was read back": (
        {"parse_go_1h": capture("parse-go", "1h", read_back=ReadBack("Jaeger at http://j", "found"))},
        "payload[1h]",
        "inconclusive",
        "case parse-go: read back from Jaeger at http://j, which does not know the sizes of export requests",
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
    "a drive that failed exported little": (
        {"parse_go_1h": capture("parse-go", "1h", driven=FAILED)},
        "payload[1h]",
        "inconclusive",
        "case parse-go: the drive failed: exit 1, expected 0",
    ),
    "a drive that failed and was quick": (
        {"counted_2h": capture("counted", "2h", driven=FAILED)},
        "lag[2h]",
        "inconclusive",
        "case counted: the drive failed: exit 1, expected 0",
    ),
    "a payload of nothing that was driven": (
        {"parse_go_1h": capture("parse-go", "1h", driven=UNREACHABLE)},
        "payload[1h]",
        "error",
        "case parse-go: cannot run 'parse': No such file or directory",
    ),
    "a payload of which the rest did not come": (
        {"parse_go_1h": capture("parse-go", "1h", complete=False, waited=5.0)},
        "payload[1h]",
        "inconclusive",
        "case parse-go: the capture is not complete after 5.0 s",
    ),
    "a lag of what is not whole": (
        {"counted_2h": capture("counted", "2h", complete=False, waited=5.0)},
        "lag[2h]",
        "inconclusive",
        "case counted: the capture is not complete after 5.0 s",
    ),
    "a payload without spans": (
        {"parse_go_1h": capture("parse-go", "1h", requests=[SPANLESS])},
        "payload[1h]",
        "inconclusive",
        "case parse-go: no span, metric or log record was captured",
    ),
    "a lag without spans": (
        {"counted_2h": capture("counted", "2h", requests=[SPANLESS])},
        "lag[2h]",
        "inconclusive",
        "case counted: no span, metric or log record was captured",
    ),
    "a payload that cannot be read": (
        {"parse_go_1h": capture("parse-go", "1h", requests=[ExportRequest("traces", 9, 9, document={"spans": []})])},
        "payload[1h]",
        "error",
        "case parse-go: neither resourceSpans, resourceMetrics nor resourceLogs",
    ),
    "a payload of less than nothing": (
        {"parse_go_1h": capture("parse-go", "1h", requests=[ExportRequest("traces", 9, -9)])},
        "payload[1h]",
        "error",
        "case parse-go: not a capture: an export request has less than 0 bytes",
    ),
    "a lag of another delta": (
        {"counted_2h": capture("counted", "2h", lags=[OTHER])},
        "lag[2h]",
        "inconclusive",
        "case counted: metric runs_total: its lag was measured on a rise of 3, the suite expects 1; drive it again",
    ),
    "a lag of another delta in a batch": (
        {"counted_2h": capture("counted", "2h", lags=[replace(OTHER, delta=2)])},
        "lag[2h]",
        "inconclusive",
        "case counted: metric runs_total: its lag was measured on a rise of 2, the suite expects 1; drive it again",
    ),
    "a lag that is none": (
        {"counted_2h": capture("counted", "2h", lags=[replace(LATE, low=-3.0, high=-2.0)])},
        "lag[2h]",
        "inconclusive",
        "case counted: metric runs_total: what was recorded of its lag is no measurement; drive it again",
    ),
    "a capture of a year before": (
        {"parse_go_2h": capture("parse-go", "2h", at=gates.START - 365 * 86_400)},
        "qa[2h]",
        "inconclusive",
        "2 of 3 cases passed; not: parse-go inconclusive; parse-go: small.telemetry.zip: it was captured at 2024-01-23T22:00:00Z, 365d 5h before the latest in the recording: is it of this rollout?",
    ),
    "a capture of the day before": (
        {"parse_go_2h": capture("parse-go", "2h", at=gates.START - 86_400)},
        "qa[2h]",
        "inconclusive",
        "2 of 3 cases passed; not: parse-go inconclusive; parse-go: it was captured at 2025-01-21T22:00:00Z, before the rollout began at 2025-01-22T22:00:00Z",
    ),
    "a payload of five days before": (
        {"parse_go_1h": capture("parse-go", "1h", at=gates.START - 5 * 86_400)},
        "payload[1h]",
        "inconclusive",
        "case parse-go: it was captured at 2025-01-17T22:00:00Z, before the rollout began at 2025-01-22T22:00:00Z",
    ),
    "a lag of the checkpoint before": (
        {"counted_2h": capture("counted", "2h", at=gates.START + 1800)},
        "lag[2h]",
        "inconclusive",
        "case counted: it was captured at 2025-01-22T22:30:00Z, before 1h, which was at 2025-01-22T23:00:00Z, and stands for 2h",
    ),
    "a capture of no time": (
        {"counted_2h": capture("counted", "2h", at=0.0)},
        "lag[2h]",
        "inconclusive",
        "case counted: the capture does not say when it was made",
    ),
    "logs that were read before the rollout": (
        {"ci": {**ci((10, 40, 2, 1), (10, 40, 2, 1)), "at": gates.START - 60}},
        "retries[2h]",
        "inconclusive",
        "it was captured at 2025-01-22T21:59:00Z, before the rollout began at 2025-01-22T22:00:00Z",
    ),
    "logs of which half has not ended": (
        {"ci": ci((10, 40, 2, 1), (5, 40, 2, 1), unfinished=5)},
        "skipped[2h]",
        "inconclusive",
        "after: 5 of 10 runs have not ended; fetch the logs again when they have",
    ),
    "numbers below zero": (
        {"ci": ci((10, 40, 2, 1), (10, 40, -2, 1))},
        "skipped[2h]",
        "error",
        "not the figures of CI logs: skipped is -2, not a number of 0 or more",
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


@pytest.mark.parametrize(
    ("item", "at", "verdict", "told"),
    [
        ("qa[2h]", 10_800, "pass", "100 % is inside == 100 %; 3 of 3 cases passed"),
        ("qa[2h]", 10_801, "warn", "100 % is inside == 100 %; 3 of 3 cases passed; counted was captured at 2025-01-23T01:00:01Z, 1h 1s after 2h"),
        ("lag[2h]", 14_400, "pass", "0.750 s is inside <= 10 s; case counted, runs_total"),
        ("lag[2h]", 14_460, "warn", "0.750 s is inside <= 10 s; case counted, runs_total; counted was captured at 2025-01-23T02:01:00Z, 2h 1m after 2h"),
        ("qa[2h]", 670 * 86_400, "warn", "100 % is inside == 100 %; 3 of 3 cases passed; counted was captured at 2026-11-23T22:00:00Z, 669d 22h after 2h"),
    ],
)  # fmt: skip
def test_what_was_captured_long_after_its_checkpoint_warns(
    replays: Project, item: str, at: float, verdict: str, told: str
) -> None:
    """That is more than the hour since the checkpoint before; of `lag`, more than the two since the rollout's start."""
    late = capture("counted", "2h", at=gates.START + at)
    assert judged(replays, everything(counted_2h=late))[item] == (verdict, told)
    path = replays.path / "qa.replay.yaml"
    path.write_text(path.read_text("utf-8").replace("capture: {", "capture: {made: any_time, "), "utf-8")
    assert judged(replays, everything(counted_2h=late))[item][0] == "pass"  # which is meant


COVERAGE = "- {id: fields, replay: {suite: qa.replay.yaml, of: contract_coverage}, expect: '%s', checkpoints: [2h]}\n"
MISSING = "case counted: small.telemetry.zip holds no capture of it at 2h; only of other cases"


@pytest.mark.parametrize(
    ("expect", "counted", "told"),
    [
        (">= 50%", {}, ("pass", "50 % is inside >= 50 %; 1 of 2 fields of contracts exercised; not: parse.attributes.never")),
        (">= 90%", {}, ("fail", "50 % is outside the limit >= 90 %; 1 of 2 fields of contracts exercised; not: parse.attributes.never")),
        (">= 50%", {"counted_2h": None}, ("pass", "50 % is inside >= 50 %; 1 of 2 fields of contracts exercised; not: parse.attributes.never")),
        (">= 90%", {"counted_2h": None}, ("inconclusive", MISSING)),
        (">= 90%", {"counted_2h": capture("counted", "2h", driven=FAILED)}, ("inconclusive", "case counted: the drive failed: exit 1, expected 0")),
    ],
)  # fmt: skip
def test_the_share_of_the_contracts_fields_that_cases_exercised(
    replays: Project, expect: str, counted: dict[str, Any], told: tuple[str, str]
) -> None:
    path = replays.path / "qa.replay.yaml"
    path.write_text(
        path.read_text("utf-8").replace("attributes: {", "attributes: {never: {type: int}, "), "utf-8"
    )
    replays.suite(COVERAGE % expect, head=TWO)
    assert judged(replays, everything(**counted))["fields[2h]"] == told


def test_contracts_without_fields_cannot_be_covered(replays: Project) -> None:
    path = replays.path / "qa.replay.yaml"
    text = path.read_text("utf-8").replace(
        "attributes: {language: {required: true, enum: [python, go, javascript]}}", "count: 1"
    )
    path.write_text(text, "utf-8")
    replays.suite(COVERAGE % ">= 90%", head=TWO)
    result = replays.run("small.gate.yaml")
    result.stdout.fnmatch_lines(
        [
            "*criterion 'fields': replay: the contracts of qa.replay.yaml have no field that a case could exercise*"
        ]
    )


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
        ("replay: {suite: qa.replay.yaml, of: lags}", "replay.of: 'lags' is not 'pass_rate', 'contract_coverage', 'payload', 'lag', 'skipped' or 'retries'"),
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


@pytest.mark.parametrize("days", [5, 30, 365])
def test_a_case_is_judged_by_no_capture_of_another_rollout(replays: Project, days: int) -> None:
    """A replay suite does not know when the rollout began, but the rest of the recording is of another time."""
    old = capture("parse-go", "1h", at=gates.START - days * 86_400)
    store_captures(replays.path / "small.telemetry.zip", everything(parse_go_1h=old), recorded_at=0.0)
    result = replays.run("qa.replay.yaml", "--telemetry-checkpoint=1h")
    result.assert_outcomes(passed=1 + (days < 7), failed=int(days > 7))
    if days > 7:
        told = f"{days}d 5h before the latest in the recording: is it of this rollout?"
        result.stdout.fnmatch_lines([f"INCONCLUSIVE*parse-go[[]1h[]]*{told}*"])
