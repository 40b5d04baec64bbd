"""What is known of a capture that is damaged, missing or failed: never a figure."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_telemetry_gate.model.answers import Answer, Capture
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.replay.figures import ReplayedCases


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        (Answer(Capture({"suite": "s", "requests": "none"})), Outcome.ERROR, ""),
        (Answer(Capture({"suite": "s", "capture": 99})), Outcome.ERROR, ""),
        (Answer(None, error="the drive was killed"), Outcome.ERROR, "the drive was killed"),
        (Answer(None, extent="the recording ends before"), Outcome.INCONCLUSIVE, "the recording ends before"),
        (Answer(None), Outcome.INCONCLUSIVE, "nothing was captured"),
        (None, Outcome.INCONCLUSIVE, "greet is not captured at this checkpoint"),
    ],
)
def test_a_case_without_a_sound_capture_is_undecided(answer, outcome, reason):
    questions = {} if answer is None else {"greet": "asked"}
    replayed = ReplayedCases(None, {"asked": answer}, None, (), questions)
    undecided = replayed.captured(SimpleNamespace(id="greet"))
    assert undecided.outcome is outcome
    assert undecided.reason == reason or (not reason and undecided.reason)
