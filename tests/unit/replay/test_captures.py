"""Captures that other versions wrote: older ones are read for ever, and what a newer one has added is ignored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.recording.captures import Captures, store_captures
from pytest_telemetry_gate.replay.captured import CapturedCase
from pytest_telemetry_gate.replay.ci_logs import CiComparison, judge_ci
from pytest_telemetry_gate.replay.judge.cases import judge_case
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.replay.suite.model import CI_LOGS, ReplaySuite
from pytest_telemetry_gate.reports.failures import describe_evidence

EXAMPLE = Path(__file__).parents[3] / "example_suites/qa_replay"
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def suite() -> ReplaySuite:
    return load_replay(EXAMPLE / "qa.replay.yaml")


def judged(suite: ReplaySuite, wire: dict[str, Any]) -> Dossier | tuple[str, str]:
    if wire["case"] == CI_LOGS:
        assert suite.file.ci_logs is not None
        logs = CiComparison.from_wire(wire)
        outcome, reason = judge_ci(suite.file.ci_logs, logs.before, logs.after)
        return str(outcome), reason
    case = suite.find_case(wire["case"], wire["checkpoint"])
    assert case is not None
    return judge_case(suite, case, CapturedCase.from_wire(wire))


def with_unknown_keys(part: Any) -> Any:
    """Return builtins with one more key in every mapping, at every level."""
    if isinstance(part, dict):
        return {**{key: with_unknown_keys(value) for key, value in part.items()}, "addedLater": {"a": [1]}}
    return [with_unknown_keys(value) for value in part] if isinstance(part, list) else part


def test_unknown_keys_at_every_level_change_no_verdict(suite: ReplaySuite, tmp_path: Path) -> None:
    captures = list(Captures(EXAMPLE / "recordings/qa.telemetry.zip").all())
    path = tmp_path / "newer.telemetry.zip"
    environment = captures[0]["environment"]
    assert (
        store_captures(path, map(with_unknown_keys, captures), recorded_at=1.0, environment=environment)
        == len(captures)
        == 33
    )
    newer = list(Captures(path).all())
    assert sum(json.dumps(one).count("addedLater") for one in newer) > 33 * 20
    for old, new in zip(captures, newer, strict=True):
        assert judged(suite, new) == judged(suite, old)


# What captures of version 1 came to when they were made. These files stay, whatever is written later.
FORMAT_1 = {
    "parse-go-1": (
        "pass",
        "captured 4 spans in 1 request (5.4 KB), complete after 0.4 s",
        (
            "drive POST http://127.0.0.1:48637/parse/go -> 200 in 0.01 s",
            "captured 4 spans in 1 request (5.4 KB), complete after 0.4 s",
            "lag: the last export request arrived 0.368 s after the drive, limit <= 3 s",
            "tree POST /parse/go > parser.parse > (ast.walk, emit.batch)",
            (
                'metric parse_total{job="parser",language="go"}: +3 seen after 0.71 to 0.97 s, budget 10 s'
                " (all cases driven together: +3)"
            ),
            (
                'samples of parse_total{job="parser",language="go"}: baseline 5 at 16:20:37.4Z, 8 at 16:20:39.4Z,'
                " scrape interval 1 s"
            ),
            "trace 9b4e95e698dc107afc9858af6e3c382d, seed 48",
            "case 3 of 15 at 48h",
        ),
    ),
    "cli-lint": (
        "pass",
        "captured 4 spans in 1 request (806 B), complete after 0.0 s",
        (
            "drive python3 -m demo_parser.cli lint samples --language go -> exit 0 in 0.27 s",
            "captured 4 spans in 1 request (806 B), complete after 0.0 s",
            "tree cli lint > parser.parse > (ast.walk, emit.batch)",
            "trace 88869b535b30f53063bb71c97759cc38, seed 48",
            "case 12 of 15 at 48h",
        ),
    ),
    "ci_logs": (
        "pass",
        (
            "skipped 4.35 % -> 4.35 % of executed stages; retries 4.35 % -> 2.17 % of executed stages"
            " (12 runs before, 12 after)"
        ),
        (),
    ),
}


@pytest.mark.parametrize("case", FORMAT_1)
def test_captures_of_version_1_are_read_for_ever(suite: ReplaySuite, case: str) -> None:
    wire = json.loads((GOLDEN / f"capture-1-{case}.json").read_text("utf-8"))
    assert "capture" not in wire  # the first files have no version, which means 1
    found = judged(suite, wire)
    told = (
        (*found, ())
        if isinstance(found, tuple)
        else (str(found.outcome), found.verdict.reason, tuple(describe_evidence(found)))
    )
    assert told == FORMAT_1[case]
    assert judged(suite, {**wire, "capture": 1}) == found


def _holds(whole: Any, part: Any) -> bool:
    """Tell whether everything of an old file is still there; further keys say that something is not known."""
    if isinstance(part, dict):
        return all(key in whole and _holds(whole[key], inner) for key, inner in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(_holds, whole, part))
    return bool(whole == part)


def test_a_capture_says_its_version() -> None:
    wire = json.loads((GOLDEN / "capture-1-parse-go-1.json").read_text("utf-8"))
    written = CapturedCase.from_wire(wire).to_wire()
    assert written.pop("capture") == 1
    assert [lag.pop("delta") for lag in written["lags"]] == [None]  # which the first files did not say
    assert _holds(written, wire)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (2, "capture version 2 is newer than 1, the newest that is read: update pytest-telemetry-gate"),
        (0, "not a capture: version 0 is not a positive integer"),
        ("1", "not a capture: version '1' is not a positive integer"),
        (True, "not a capture: version True is not a positive integer"),
    ],
)
@pytest.mark.parametrize("case", FORMAT_1)
def test_another_version_is_refused_in_one_line(case: str, version: object, message: str) -> None:
    wire = {**json.loads((GOLDEN / f"capture-1-{case}.json").read_text("utf-8")), "capture": version}
    with pytest.raises(CorpusError) as error:
        (CiComparison if case == CI_LOGS else CapturedCase).from_wire(wire)
    assert str(error.value) == message


@pytest.mark.parametrize("part", ["driven", "requests", "lags", "suite"])
def test_a_capture_that_lacks_something_is_refused(part: str) -> None:
    wire = json.loads((GOLDEN / "capture-1-parse-go-1.json").read_text("utf-8"))
    del wire[part]
    with pytest.raises(CorpusError, match=r"^not a capture: .*" + part):
        CapturedCase.from_wire(wire)


@pytest.mark.parametrize("part", ["driven", "requests", "lags"])
@pytest.mark.parametrize("value", [5, None, ["x"], {"kind": 5}, [5]])
def test_what_is_no_capture_is_refused(part: str, value: object) -> None:
    wire = json.loads((GOLDEN / "capture-1-parse-go-1.json").read_text("utf-8"))
    if (part, value) != ("driven", {"kind": 5}):
        with pytest.raises(CorpusError, match=r"^not a capture: "):
            CapturedCase.from_wire({**wire, part: value})
