"""What a trace backend said: its refusals are errors, a trace that is not whole decides nothing."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_telemetry_gate.model.dossier import Finding
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.replay.captured import CapturedCase, ReadBack
from pytest_telemetry_gate.replay.judge.findings import find
from pytest_telemetry_gate.replay.suite.capturing import unknown_of
from pytest_telemetry_gate.replay.suite.expectations import CaseExpectation

__all__ = ["explain_nothing", "judge_read_back", "judge_whole"]


def judge_whole(captured: CapturedCase, expect: CaseExpectation) -> Finding | None:
    """Return why nothing that was read back can be judged; None where it can, and where nothing was read back."""
    read_back = captured.read_back
    if read_back is None:
        return None
    # A recorded capture may be held against a suite that captures elsewhere by now.
    for _, what in unknown_of(expect, captured.place):
        message = f"capture read back from {read_back.backend}, which does not know {what}"
        return find("capture.unknown", "capture", message, level=Outcome.INCONCLUSIVE)
    asked = f"asked {_times(read_back.questions)} in {captured.waited:.1f} s"
    if read_back.state == "refused":
        message = f"{read_back.backend} {read_back.words} ({asked})"
        return find("capture.refused", "capture", f"capture {message}", level=Outcome.ERROR)
    if read_back.state == "partial":
        message = f"capture {read_back.backend} has a part of the trace alone: {read_back.words} ({asked})"
        return find("capture.partial", "capture", message, level=Outcome.INCONCLUSIVE)
    return None


def judge_read_back(captured: CapturedCase) -> Iterator[Finding]:
    """Yield where a capture was read back from, what was refused meanwhile, and whether its trace was still growing."""
    read_back = captured.read_back
    if read_back is None:
        return
    refused = f", refused {_times(read_back.refusals)} ({read_back.refusal})" if read_back.refusals else ""
    message = f"read back from {read_back.backend}: asked {_times(read_back.questions)}{refused}"
    yield find("capture.read_back", "capture", message, level=Outcome.PASS)
    if read_back.warning:
        message = f"read back from {read_back.backend}: {read_back.warning}"
        yield find("capture.warning", "capture", message, level=Outcome.WARN)
    if read_back.state == "growing":
        message = f"the trace was still growing: {read_back.words} of {captured.waited:.1f} s"
        yield find("capture.growing", "capture", message, level=Outcome.INCONCLUSIVE)


def explain_nothing(read_back: ReadBack | None) -> str:
    """Return what a backend says where it has nothing of the case."""
    if read_back is None:
        return ""
    hint = "does the system hand on the trace that it was given?"
    return f"; {read_back.backend} has no such trace: {read_back.words}; {hint}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
