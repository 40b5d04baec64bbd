"""The replays of one environment in one process: what their cases captured, as it was recorded or driven in this run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.errors import TelemetryGateError
from pytest_telemetry_gate.model.answers import Answer, AnswerStore, Capture
from pytest_telemetry_gate.model.questions import CaptureQuestion
from pytest_telemetry_gate.recording.captures import Captures
from pytest_telemetry_gate.replay.capture import LiveReplay
from pytest_telemetry_gate.replay.ci_logs import CiComparison, read_ci
from pytest_telemetry_gate.replay.redaction import redacted
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.replay.suite.model import CI_LOGS, ReplaySuite
from pytest_telemetry_gate.support.secrets import scrubbed

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import Environment, RegionSettings
    from pytest_telemetry_gate.model.sources import Source

__all__ = ["Replays", "recording_of"]

_MARGIN = 60.0  # seconds beyond all timeouts after which another process's capture is not waited for any more


class Replays:
    """Answers what cases captured; a case is driven once in a run, whoever asks and in however many processes.

    ``source`` gives the metrics of a region. ``seed`` makes the ids of everything that is driven, ``checkpoints`` are
    those that were chosen. In a run of several processes (``shared``) the first that wants a capture of a suite at a
    checkpoint drives all of them that are wanted, since they share receivers and baselines, and the others wait.
    """

    def __init__(
        self,
        environment: Environment,
        spool: AnswerStore,
        source: Callable[[str], Source],
        *,
        seed: int,
        checkpoints: Collection[str],
        shared: bool,
    ) -> None:
        self._environment = environment
        self._spool = spool
        self._source = source
        self._seed = seed
        self._checkpoints = checkpoints
        self._shared = shared
        self._wanted: dict[CaptureQuestion, dict[str, None]] = {}
        self._mine: set[CaptureQuestion] = set()
        self._live: dict[CaptureQuestion, LiveReplay] = {}
        self._recordings: dict[Path, Captures] = {}
        self._taken: list[dict[str, Any]] = []

    def want(self, questions: Iterable[CaptureQuestion]) -> None:
        """Take note of what will be asked: what is counted together has to be driven together."""
        for question in questions:
            self._wanted.setdefault(_whole(question), {})[question.case] = None

    def take(self) -> list[dict[str, Any]]:
        """Return the captures that this process read or made since it was asked last, as builtins."""
        taken, self._taken = self._taken, []
        return taken

    @property
    def drove(self) -> bool:
        """Whether this process drove anything."""
        return bool(self._mine)

    def close(self) -> None:
        """Stop whatever listens, and close recordings, which may be about to be replaced."""
        for live in self._live.values():
            live.close()
        for recorded in self._recordings.values():
            recorded.close()
        self._recordings.clear()

    def answer(self, question: CaptureQuestion) -> Answer:
        """Return a case's ``Capture``, or an answer that says why there is none."""
        self.want([question])
        settings = self._environment.regions[question.region]
        try:
            suite = self._suite(question)
            path = recording_of(settings)
            if path is None and question.checkpoint in suite.driven(self._checkpoints):
                return self._driven(question, suite)
            path = path or settings.replay.recording
            if path is not None:
                return self._recorded(question, suite, path)
        except TelemetryGateError as error:
            return Answer(None, error=str(error), source="replay")
        driven = ", ".join(suite.driven(self._checkpoints)) or "none"
        told = (
            f"{question.checkpoint} is not driven in this run ({driven} is), "
            "and replay.recording in telemetry.yaml names no recording with what it captured"
        )
        return Answer(None, extent=told, source="replay")

    def _suite(self, question: CaptureQuestion) -> ReplaySuite:
        settings = self._environment.regions[question.region].replay
        return load_replay(Path(question.suite), region=question.region, settings=settings)

    def _recorded(self, question: CaptureQuestion, suite: ReplaySuite, path: Path) -> Answer:
        if path not in self._recordings:
            self._recordings[path] = Captures(path)
        recorded = self._recordings[path]
        region = question.region
        if recorded.regions(suite.name) == ("",) and "path" in self._environment.regions[region].own:
            region = ""  # a recording of this region alone
        source = f"recording {path.name}"
        found = recorded.get(suite.name, question.checkpoint, question.case, region)
        if found is None:
            known = recorded.checkpoints(suite.name)
            where = f" in region {region}" if region else ""
            rest = f"recorded checkpoints: {', '.join(known) or 'none'}"
            if question.checkpoint in known:
                rest = "only of other cases"
            told = f"{path.name} holds no capture of it at {question.checkpoint}{where}; {rest}"
            return Answer(None, extent=told, source=source)
        self._taken.append(redacted({**found, "region": question.region}, suite))
        return Answer(Capture(found), source=source)

    def _driven(self, question: CaptureQuestion, suite: ReplaySuite) -> Answer:
        whole = _whole(question)
        if whole in self._mine or self._spool.claim(whole):
            self._mine.add(whole)
            cases = self._wanted[whole] if self._shared else [question.case]
            for case in cases:
                one = replace(question, case=case)
                if self._spool.claim(one):
                    self._spool.put(one, self._captured(one, suite))
        answer = self._spool.get(question, self._patience(question, suite))
        late = "the process that drives the suite has not captured it; did it end?"
        return Answer(None, error=late, source="replay") if answer is None else answer

    def _patience(self, question: CaptureQuestion, suite: ReplaySuite) -> float:
        """Return the seconds that all cases take at most, one after the other."""
        cases = suite.at(question.checkpoint)
        waits = (
            one.drive.timeout + 2 * sum(counter.budget for counter in one.expect.counters) for one in cases
        )
        return sum(waits) + len(cases) * suite.file.capture.complete.timeout + _MARGIN

    def _captured(self, question: CaptureQuestion, suite: ReplaySuite) -> Answer:
        try:
            wire = self._ci(question, suite) if question.case == CI_LOGS else self._case(question, suite)
        except TelemetryGateError as error:
            return Answer(None, error=str(error), source="replay")
        # Before anybody judges it, so that a recording gives the same verdicts.
        wire = redacted(scrubbed(wire, self._environment.scrub), suite)
        self._taken.append(wire)
        return Answer(Capture(wire), source="replay")

    def _case(self, question: CaptureQuestion, suite: ReplaySuite) -> dict[str, Any]:
        case = suite.find(question.case, question.checkpoint)
        if case is None:
            raise TypeError(question)
        captured = self._opened(question, suite).capture(case)
        captured.region = question.region
        return captured.to_wire()

    def _ci(self, question: CaptureQuestion, suite: ReplaySuite) -> dict[str, Any]:
        settings = suite.file.ci_logs
        if settings is None:
            raise TypeError(question)
        before, after = (read_ci(one, suite.folder) for one in (settings.before, settings.after))
        point = {"suite": suite.name, "checkpoint": question.checkpoint, "region": question.region}
        return {**point, "case": CI_LOGS, **CiComparison(before, after).to_wire()}

    def _opened(self, question: CaptureQuestion, suite: ReplaySuite) -> LiveReplay:
        key = replace(question, checkpoint="", case="")
        for other, live in self._live.items():
            if other != key and other.suite == key.suite:
                live.close()  # regions may have to listen at the same address
        if key not in self._live:
            source = partial(self._source, question.region)
            self._live[key] = LiveReplay(suite, source, self._seed, (), question.region)
        live = self._live[key]
        live.cases = [
            one
            for one in suite.cases
            if one.id in self._wanted.get(replace(key, checkpoint=one.checkpoint), ())
        ]
        live.open()
        return live


def recording_of(settings: RegionSettings) -> Path | None:
    """Return the recording that a region is judged from, or None where it is live; raises SourceError."""
    if settings.source != "recording":
        return None
    path = settings.options.get("path")
    if not isinstance(path, str):
        raise settings.error(("path",), "source recording needs path: FILE.telemetry.zip")
    return settings.resolve(path)


def _whole(question: CaptureQuestion) -> CaptureQuestion:
    """Return what is driven together with a case: its suite at its checkpoint."""
    return replace(question, case="")
