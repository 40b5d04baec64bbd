"""Words, runs and numbers in the logs of a CI that must not be taken for a good rollout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from memory import within

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.ci_logs import CiComparison, CiRates, judge_ci, read_ci_logs, undecided_ci
from pytest_telemetry_gate.replay.suite.model import CiLogSettings
from pytest_telemetry_gate.support.secrets import Secrets

SETTINGS = CiLogSettings(before="b", after="a", min_runs=2)
JOB = {"run": 1, "stage": "build", "attempt": 1}


def ci_log(folder: Path, *entries: dict[str, Any]) -> CiRates:
    """Read a log of entries that say what they have beside those of one stage."""
    (folder / "log.jsonl").write_text("\n".join(json.dumps({**JOB, **entry}) for entry in entries))
    return read_ci_logs("log.jsonl", folder, Secrets())


@pytest.mark.parametrize(
    "word",
    [
        "skipped",
        "cancelled",
        "Canceled",
        "NEUTRAL",
        "not run",
        "ABORTED",
        "manual",
        "Stopped",
        "cancellation",
        "killed",
    ],
)
def test_a_stage_that_did_not_run_is_skipped_by_any_word(tmp_path: Path, word: str) -> None:
    ran = {"stage": "test", "result": "timed_out"}
    assert ci_log(tmp_path, ran, {"result": word}) == CiRates(runs=1, executed=1, skipped=1, retries=0)
    # Run again after it was cut off, it ran once.
    assert ci_log(tmp_path, {"result": word}, {"result": "success", "attempt": 2}).skipped == 0


@pytest.mark.parametrize(
    "word", [None, "", "in progress", "QUEUED", "waiting", "PAUSED_PENDING_INPUT", "failing"]
)
def test_nothing_of_a_run_that_has_not_ended_is_counted(tmp_path: Path, word: str | None) -> None:
    ended = {"run": 2, "result": "passed"}
    skipped = {"stage": "test", "result": "skipped"}
    found = ci_log(tmp_path, ended, skipped, {"result": word})
    assert found == CiRates(runs=1, executed=1, skipped=0, retries=0, unfinished=1)
    # A log may note that a stage began, and then how it ended.
    assert ci_log(tmp_path, ended, {"result": word}, {"result": "failed"}) == CiRates(2, 2, 0, 0)


@pytest.mark.parametrize("word", ["skiped", "purple", True, 0])
def test_a_word_that_nobody_knows_is_an_error(tmp_path: Path, word: object) -> None:
    with pytest.raises(
        CorpusError, match=rf"^log.jsonl:1: result '{word}' is not known; known are success, "
    ):
        ci_log(tmp_path, {"result": word})


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"run": None}, "run 'None' is neither a name nor a number"),
        ({"run": " "}, "run ' ' is neither a name nor a number"),
        ({"stage": True}, "stage 'True' is neither"),
        ({"stage": ["a"]}, r"stage \"\['a'\]\" is neither"),
        ({"attempt": -1}, "attempt '-1' is not a positive integer"),
        # Before a rollout, a number like this would hide any number of retries after it.
        ({"attempt": 10**6}, "attempt 1000000 is no number of an attempt: more than 1000"),
    ],
)
def test_what_would_be_counted_wrong_is_an_error(tmp_path: Path, entry: dict[str, Any], told: str) -> None:
    with pytest.raises(CorpusError, match=f"^log.jsonl:1: {told}"):
        ci_log(tmp_path, {"result": "success", **entry})
    jobs = [{"run_id": None, "name": "a", "conclusion": "success"}]
    (tmp_path / "log.jsonl").write_text(json.dumps({"total_count": 1, "jobs": jobs}))
    with pytest.raises(CorpusError, match=r"^log.jsonl:1: run_id 'None' is neither a name nor a number$"):
        read_ci_logs("log.jsonl", tmp_path, Secrets())


def test_hostile_logs_take_no_memory(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_bytes(b"[" + b"{}," * (10 * 2**20) + b"{}]")
    with within(120), pytest.raises(CorpusError, match=r"^log.jsonl:1: more than 2,000,000 values"):
        read_ci_logs("log.jsonl", tmp_path, Secrets())


@pytest.mark.parametrize(
    ("unfinished", "told"),
    [
        (1, ""),
        (2, "after: 2 of 12 runs have not ended; fetch the logs again when they have"),
        (10, "after: 10 of 20 runs have not ended; fetch the logs again when they have"),
    ],
)
def test_of_the_runs_nine_of_ten_must_have_ended(unfinished: int, told: str) -> None:
    before, after = CiRates(10, 100, 2, 1), CiRates(10, 100, 2, 1, unfinished)
    assert undecided_ci(SETTINGS, before, after) == told
    assert str(judge_ci(SETTINGS, before, after)[0]) == ("inconclusive" if told else "pass")
    few = CiRates(1, 10, 0, 0, unfinished)
    assert (
        undecided_ci(SETTINGS, few, after)
        == f"before: 1 runs, 2 are needed ({unfinished} more have not ended)"
    )


@pytest.mark.parametrize("number", [-1, -100, True, 1.5, "3", None])
@pytest.mark.parametrize("name", ["runs", "executed", "skipped", "retries", "unfinished"])
def test_figures_that_are_no_numbers_are_an_error(name: str, number: object) -> None:
    whole = CiComparison(CiRates(10, 100, 2, 1), CiRates(10, 100, 2, 1)).to_wire()
    assert CiComparison.from_wire(whole).to_wire() == whole
    with pytest.raises(CorpusError, match=f"^not the figures of CI logs: {name} is {number}, "):
        CiComparison.from_wire({**whole, "after": {**whole["after"], name: number}})


def test_a_list_without_any_job_is_not_whole(tmp_path: Path) -> None:
    (tmp_path / "jobs.json").write_text('{"total_count": 5, "jobs": []}')
    with pytest.raises(CorpusError, match=r"^jobs.json: 0 of 5 jobs are listed: pages are missing$"):
        read_ci_logs("jobs.json", tmp_path, Secrets())
    (tmp_path / "jobs.json").write_text('{"total_count": -5, "jobs": []}')
    with pytest.raises(CorpusError, match=r"^jobs.json:1: total_count '-5' is not a number of jobs$"):
        read_ci_logs("jobs.json", tmp_path, Secrets())
