"""The replays of one environment in one process: what their cases captured, as it was recorded or driven in this run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.errors import RecordingError, TelemetryGateError
from pytest_telemetry_gate.model.answers import Answer, AnswerStore, Capture
from pytest_telemetry_gate.model.questions import CaptureQuestion
from pytest_telemetry_gate.recording.captures import Captures
from pytest_telemetry_gate.replay.capture import LiveReplay
from pytest_telemetry_gate.replay.ci_logs import CiComparison, read_ci_logs
from pytest_telemetry_gate.replay.drive.drive_secrets import keep_settings
from pytest_telemetry_gate.replay.masking import mask_capture
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.replay.suite.model import CI_LOGS, ReplaySuite
from pytest_telemetry_gate.support.durations import (
    format_short_duration,
    format_time,
    parse_duration,
)
from pytest_telemetry_gate.support.places import walk
from pytest_telemetry_gate.support.secrets import Secrets, scrub_texts

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import Environment, RegionSettings
    from pytest_telemetry_gate.model.sources import Source

__all__ = ["Replays"]

_WEEK = 7 * 86_400.0
_VALIDATION = (
    14 * 86_400.0
)  # seconds that a validation takes at most where its checkpoints' names do not say it
_MARGIN = 60.0  # seconds to wait for another process's capture beyond all timeouts


class Replays:
    """Answers what cases captured; a case is driven once in a run, however many checks and processes need it.

    ``source`` gives the metrics of a region. ``seed`` makes the ids of everything that is driven; ``checkpoints`` are
    those that were chosen. In a run of several processes (``shared``) the first that needs a capture drives all cases
    that are expected of its suite at its checkpoint, since they share receivers and baselines. The others wait.
    """

    def __init__(
        self,
        environment: Environment,
        answers: AnswerStore,
        source: Callable[[str], Source],
        *,
        seed: int,
        checkpoints: Collection[str],
        shared: bool,
    ) -> None:
        self._environment = environment
        self._answers = answers
        self._source = source
        self._seed = seed
        self._checkpoints = checkpoints
        self._shared = shared
        self._planned: dict[
            CaptureQuestion, dict[str, None]
        ] = {}  # by all processes, since all collect the same
        self._expected: dict[CaptureQuestion, dict[str, None]] = {}
        self._driven_here: set[CaptureQuestion] = set()
        self._live: dict[CaptureQuestion, LiveReplay] = {}
        self._recordings: dict[Path, Captures] = {}
        self._suites: dict[int, ReplaySuite] = {}  # whose secrets are known; each is loaded once
        self._new_captures: list[dict[str, Any]] = []
        environment.secrets.keep_environment()

    def expect(self, questions: Iterable[CaptureQuestion]) -> None:
        """Note what will be asked: cases that are counted together must be driven together."""
        for question in questions:
            self._planned.setdefault(_batch_of(question), {})[question.case] = None
            self._note(question)

    def _note(self, question: CaptureQuestion) -> None:
        self._expected.setdefault(_batch_of(question), {})[question.case] = None

    def take_captures(self) -> list[dict[str, Any]]:
        """Return the captures that this process read or made since the last call, as builtins."""
        captures, self._new_captures = self._new_captures, []
        return captures

    @property
    def drove(self) -> bool:
        """Whether this process drove anything."""
        return bool(self._driven_here)

    def close(self) -> None:
        """Stop whatever listens, and close recordings, which may be about to be replaced."""
        for live in self._live.values():
            live.close()
        for recording in self._recordings.values():
            recording.close()
        self._recordings.clear()

    def answer(self, question: CaptureQuestion) -> Answer:
        """Return a case's ``Capture``, or an answer that says why there is none."""
        self._note(question)
        settings = self._environment.regions[question.region]
        try:
            suite = self._suite(question)
            path = _recording_path(settings)
            if path is None and question.checkpoint in suite.driven_checkpoints(self._checkpoints):
                return self._drive(question, suite)
            path = path or settings.replay.recording
            if path is not None:
                return self._read_recorded(question, suite, path, is_live=settings.source != "recording")
        except TelemetryGateError as error:
            return Answer(None, error=str(error), source="replay")
        driven = ", ".join(suite.driven_checkpoints(self._checkpoints)) or "none"
        reason = (
            f"{question.checkpoint} is not driven in this run ({driven} is), "
            "and replay.recording in telemetry.yaml names no recording with what it captured"
        )
        return Answer(None, extent=reason, source="replay")

    def _suite(self, question: CaptureQuestion) -> ReplaySuite:
        settings = self._environment.regions[question.region].replay
        suite = load_replay(Path(question.suite), region=question.region, settings=settings)
        if id(suite) not in self._suites:
            self._suites[id(suite)] = suite
            _keep_secrets(suite, self._environment.secrets)
        return suite

    def _read_recorded(
        self, question: CaptureQuestion, suite: ReplaySuite, path: Path, *, is_live: bool
    ) -> Answer:
        if path not in self._recordings:
            self._recordings[path] = Captures(path)
        recording = self._recordings[path]
        region = question.region
        if recording.regions(suite.name) == ("",) and "path" in self._environment.regions[region].own:
            region = ""  # a recording of this region alone
        source = f"recording {path.name}"
        content = recording.get(suite.name, question.checkpoint, question.case, region)
        if content is None:
            reason = _absence(recording, path.name, question, suite, region)
            return Answer(None, extent=reason, source=source)
        named = str(content.get("environment", "")) or recording.recording.captures_of
        if is_live and named not in {"", self._environment.name}:
            message = (
                f"{path.name}: its captures are of environment {named!r}, not of {self._environment.name!r}"
            )
            raise RecordingError(message)
        known = {"region": question.region, "environment": named or self._environment.name}
        self._new_captures.append(mask_capture({**content, **known}, suite))
        old = _why_old(content.get("at"), recording.recording.recorded_at, suite)
        if old:
            return Answer(None, extent=f"{path.name}: {old}", source=source)
        return Answer(Capture(content), source=source)

    def _drive(self, question: CaptureQuestion, suite: ReplaySuite) -> Answer:
        batch = _batch_of(question)
        is_planned = question.case in self._planned.get(batch, ())
        if batch in self._driven_here or not is_planned or self._answers.claim(batch):
            self._driven_here.add(batch)
            for case in self._planned[batch] if self._shared and is_planned else [question.case]:
                asked = replace(question, case=case)
                if self._answers.claim(asked):
                    self._answers.put(asked, self._capture_whole(asked, suite))
        answer = self._answers.get(question, _patience(suite, question.checkpoint))
        late = "the process that drives the suite has not captured it; did it end?"
        return Answer(None, error=late, source="replay") if answer is None else answer

    def _capture_whole(self, question: CaptureQuestion, suite: ReplaySuite) -> Answer:
        """Return the capture; where a signal or a plugin's time limit interrupts it, nobody waits for it."""
        try:
            return self._capture(question, suite)
        except BaseException:
            self._answers.put(question, Answer(None, error="driving it was interrupted", source="replay"))
            raise

    def _capture(self, question: CaptureQuestion, suite: ReplaySuite) -> Answer:
        self._environment.secrets.keep_environment()  # what starts the system may have set more of them since
        try:
            content = (
                self._ci_logs(question, suite) if question.case == CI_LOGS else self._case(question, suite)
            )
        except TelemetryGateError as error:
            return Answer(None, error=str(error), source="replay")
        # Before anybody judges it, so that a recording gives the same verdicts.
        content = mask_capture(scrub_texts(content, self._environment.scrub), suite)
        self._new_captures.append({**content, "environment": self._environment.name})
        return Answer(Capture(content), source="replay")

    def _case(self, question: CaptureQuestion, suite: ReplaySuite) -> dict[str, Any]:
        case = suite.find_case(question.case, question.checkpoint)
        if case is None:
            raise TypeError(question)
        captured = self._open_live(question, suite).capture(case)
        return replace(captured, region=question.region).to_wire()

    def _ci_logs(self, question: CaptureQuestion, suite: ReplaySuite) -> dict[str, Any]:
        settings, secrets = suite.file.ci_logs, self._environment.secrets
        if settings is None:
            raise TypeError(question)
        comparison = CiComparison(
            read_ci_logs(settings.before, suite.folder, secrets),
            read_ci_logs(settings.after, suite.folder, secrets),
        )
        return {
            "suite": suite.name,
            "case": CI_LOGS,
            "checkpoint": question.checkpoint,
            "region": question.region,
            "at": time.time(),
            **comparison.to_wire(),
        }

    def _open_live(self, question: CaptureQuestion, suite: ReplaySuite) -> LiveReplay:
        key = replace(question, checkpoint="", case="")
        for other, running in self._live.items():
            if other != key and other.suite == key.suite:
                running.close()  # regions may have to listen at the same address
        if key not in self._live:
            self._live[key] = LiveReplay(
                suite,
                partial(self._source, question.region),
                self._seed,
                (),
                secrets=self._environment.secrets,
                region=question.region,
            )
        live = self._live[key]
        live.cases = [
            case
            for case in suite.cases
            if case.id in self._expected.get(replace(key, checkpoint=case.checkpoint), ())
        ]
        live.open()
        return live


def _keep_secrets(suite: ReplaySuite, secrets: Secrets) -> None:
    """Remember what is secret of a suite's settings, and that what its contracts and cases expect is not."""
    keep_settings(secrets, suite.variables)
    expected: list[Any] = [suite.name, suite.title]
    for case in suite.cases:
        for _, settings in case.drive.parts:
            keep_settings(secrets, settings.model_dump())
        expected += [case.id, case.title, case.expect.model_dump()]
    expected += [contract.model_dump() for contract in suite.contracts.values()]
    for backend in suite.file.capture.backends.values():
        keep_settings(secrets, backend.model_dump())
    secrets.publish({part for _, part in walk(expected) if isinstance(part, str)})


def _recording_path(settings: RegionSettings) -> Path | None:
    """Return the recording that a region is judged from, or None where it is live; raises SourceError."""
    if settings.source != "recording":
        return None
    path = settings.options.get("path")
    if not isinstance(path, str):
        raise settings.error(("path",), "source recording needs path: FILE.telemetry.zip")
    return settings.resolve(path)


def _batch_of(question: CaptureQuestion) -> CaptureQuestion:
    """Return the question that stands for all cases driven together: those of a suite at a checkpoint."""
    return replace(question, case="")


def _absence(
    recording: Captures, name: str, question: CaptureQuestion, suite: ReplaySuite, region: str
) -> str:
    """Return why a recording lacks a capture, and what it holds instead."""
    checkpoints = recording.checkpoints(suite.name)
    region_text = f" in region {region}" if region else ""
    rest = f"recorded checkpoints: {', '.join(checkpoints) or 'none'}"
    if question.checkpoint in checkpoints:
        rest = "only of other cases"
    return f"{name} holds no capture of it at {question.checkpoint}{region_text}; {rest}"


def _why_old(at: object, recorded_at: float, suite: ReplaySuite) -> str:
    """Return why a capture is of another rollout than the rest of its recording, or nothing.

    It is where it is older than the latest in the recording by more than the whole validation takes, and a week.
    """
    if not isinstance(at, int | float) or not 0 < at < recorded_at:
        return ""
    named = []
    for name in suite.checkpoints:
        with contextlib.suppress(ValueError):  # a name need not be a duration
            named.append(parse_duration(name))
    if recorded_at - at <= max(named, default=_VALIDATION) + _WEEK:
        return ""
    age = format_short_duration(recorded_at - at)
    return f"it was captured at {format_time(at)}, {age} before the latest in the recording: is it of this rollout?"


def _patience(suite: ReplaySuite, checkpoint: str) -> float:
    """Return the seconds that all cases of a checkpoint take at most, one after the other."""
    cases = suite.cases_at(checkpoint)
    drives = sum(
        case.drive.timeout + 2 * sum(counter.budget for counter in case.expect.counters) for case in cases
    )
    answer = max((backend.timeout for backend in suite.file.capture.backends.values()), default=0.0)
    return drives + len(cases) * (suite.file.capture.complete.timeout + answer) + _MARGIN
