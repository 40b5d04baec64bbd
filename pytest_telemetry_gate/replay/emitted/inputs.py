"""What was captured, from files that people name: recordings of replays, and telemetry in any format that is read."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pytest_telemetry_gate.errors import CorpusError, RecordingError
from pytest_telemetry_gate.recording.captures import Captures
from pytest_telemetry_gate.replay.captured import CapturedCase
from pytest_telemetry_gate.replay.otlp.corpus import read_corpus, telemetry_of
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData

__all__ = ["Emitted", "read_emitted"]


@dataclass(frozen=True, slots=True)
class Emitted:
    """What one case, or one file, emitted; ``sizes`` are the decompressed bytes of its export requests.

    ``name`` is what the same is called in another recording: suite, case, checkpoint and region. ``problem`` says why
    it cannot be taken for all that was emitted.
    """

    name: str
    telemetry: TelemetryData
    sizes: tuple[int, ...] = ()
    problem: str = ""


def read_emitted(path: Path, checkpoint: str = "", only: str = "*") -> list[Emitted]:
    """Return what was captured, by case of a recording; a file of telemetry is one capture without a name.

    With ``checkpoint`` these are the cases at this one alone, with ``only`` those whose names this pattern matches. Raises CorpusError or RecordingError, also for a recording
    without such captures.
    """
    shown = str(path)
    if not path.is_file():
        message = f"{shown}: there is no such file"
        raise CorpusError(message)
    if not zipfile.is_zipfile(path):
        return [Emitted("", telemetry_of(read_corpus(path, shown)))]
    with contextlib.closing(Captures(path)) as recording:
        emitted = list(_cases(recording, checkpoint, only))
    if not emitted:
        at = (f" of {only}" if only != "*" else "") + (f" at {checkpoint}" if checkpoint else "")
        message = f"{shown}: the recording holds no capture of a replay{at}"
        raise RecordingError(message)
    return emitted


def _cases(recording: Captures, checkpoint: str, only: str) -> Iterator[Emitted]:
    for content in recording.all():
        if "requests" not in content or (checkpoint and content["checkpoint"] != checkpoint):
            continue  # the logs of the CI hold no telemetry
        if not fnmatchcase(str(content["case"]), only):
            continue
        case = CapturedCase.from_wire(content)
        region = f" in {case.region}" if case.region else ""
        name = f"{case.suite}::{case.case}[{case.checkpoint}]{region}"
        yield Emitted(
            name,
            case.telemetry(),
            tuple(request.body for request in case.requests if not request.trouble),
            _problem(case),
        )


def _problem(case: CapturedCase) -> str:
    if case.driven.error or case.driven.failure:
        return f"the drive failed: {case.driven.error or case.driven.failure}"
    refused = next((request.trouble for request in case.requests if request.trouble), "")
    if refused:
        return f"an export request was refused: {refused}"
    return "" if case.complete else "the capture was not complete"
