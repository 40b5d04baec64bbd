"""``--telemetry-record``: when everything has been judged, what was asked is recorded, in the process that reports."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pytest_telemetry_gate.errors import RecordingError, TelemetryGateError
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.model.questions import EventsQuestion
from pytest_telemetry_gate.recorder.recorder import Recorded, Wanted, record
from pytest_telemetry_gate.recording import Recording
from pytest_telemetry_gate.reports.progress import progress_text
from pytest_telemetry_gate.reports.terminal import takes_unicode

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.asker import GateSession
    from pytest_telemetry_gate.model.environment import Deadline
    from pytest_telemetry_gate.plugin.session import GateRun

__all__ = ["RecordRun"]

_REDRAWN = 0.1  # seconds between two states of the progress line on a terminal
_WRITTEN = 10.0  # seconds between two lines of progress in a log
_WHAT = "telemetry recording"


class _Line(NamedTuple):
    text: str
    good: bool


class RecordRun:
    """Records after the tests of a session; whatever was not recorded is said at its end, and fails it.

    Raises UsageError, before anything is judged, for a file that is no recording.
    """

    def __init__(self, config: pytest.Config, run: GateRun) -> None:
        self._config = config
        self._run = run
        self._shown = config.getoption("--telemetry-record")
        self._out = config.invocation_params.dir / self._shown
        self._lines: list[_Line] = []
        if self._out.is_dir():
            message = f"--telemetry-record: {self._shown} is a folder, not a file"
            raise pytest.UsageError(message)
        if self._out.exists():
            try:
                Recording.open(self._out).close()
            except RecordingError as error:
                message = f"--telemetry-record: {error}"
                raise pytest.UsageError(message) from None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        if self._config.getoption("--collect-only"):
            return (yield)
        self._lines = [_Line("not written: the session was stopped", good=False)]
        result = yield
        for gate in self._run.sessions:
            gate.close()  # what they read may be the file that is written
        self._lines = list(self._recorded())
        if not all(line.good for line in self._lines):
            # As for the gate itself: the exit code follows testsfailed.
            session.testsfailed += 1
        return result

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self._lines:
            if not line.good or self._config.get_verbosity() >= 0:
                colour = "green" if line.good else "red"
                terminalreporter.write_line(f"{_WHAT}: {self._shown}: {line.text}", **{colour: True})

    def _recorded(self) -> Iterator[_Line]:
        """Record, and yield the lines that say what became of it."""
        judged = [session for session in self._run.sessions if session.inquiry.regions]
        replay = self._config.pluginmanager.get_plugin("telemetry_gate_replay")
        if not judged and replay is not None and replay.captures:
            return  # which the replays store themselves
        if not judged:
            yield _Line("not written: nothing was judged", good=False)
            return
        if len(judged) > 1:
            names = ", ".join(sorted(session.environment.name for session in judged))
            yield _Line(f"not written: one recording is of one environment, judged were {names}", good=False)
            return
        session, clocks = judged[0], self._run.clocks
        problems: dict[str, str] = {}
        wanted = dict(_wanted(session, problems))
        recorded = Recorded()
        if wanted:
            progress = _Progress(self._config, f"{_WHAT}: {self._shown}", session.environment.deadline)
            session.environment.deadline.restart()
            try:
                recorded = record(self._out, wanted, recorded_at=max(clocks), progress=progress)
            except TelemetryGateError as error:
                yield _Line(f"not written: {session.environment.scrub(str(error))}", good=False)
                return
            finally:
                progress.end()
        problems |= {_where(region): why for region, why in recorded.failures.items()}
        done = [region for region in wanted if region not in recorded.failures]
        if done:
            yield _Line(_told(recorded, done), good=True)
        for what, why in problems.items():
            place = f"{what}: " if what else ""
            told = session.environment.scrub(why.removeprefix(place))
            yield _Line(f"{place}not recorded: {told}", good=False)


def _wanted(session: GateSession, problems: dict[str, str]) -> Iterator[tuple[str, Wanted]]:
    """Yield what is wanted of each region that can be used; why something cannot goes into ``problems``."""
    for region in session.inquiry.regions:
        questions = list(session.inquiry.of(region))
        events: dict[EventsQuestion, Events] = {}
        try:
            source = session.source(region)
        except TelemetryGateError as error:
            problems[_where(region)] = str(error)
            continue
        for question in questions:
            if isinstance(question, EventsQuestion):
                answer = session.answer(question)
                if isinstance(answer.value, Events):
                    events[question] = answer.value
                else:
                    where = _where(region)
                    problems[f"{where}, {question.kind}" if where else question.kind] = answer.error
        judged = [
            (suite, checkpoint) for there, suite, checkpoint in session.inquiry.judged if there == region
        ]
        settings = session.environment.regions[region]
        yield region, Wanted(source, questions, events, judged, settings.accept_warnings)


def _where(region: str) -> str:
    return f"region {region}" if region else ""


def _told(recorded: Recorded, regions: list[str]) -> str:
    named = f" of {', '.join(regions)}" if any(regions) else ""
    text = f"{recorded.series:,} series, {recorded.samples:,} samples{named}; {recorded.size:,} bytes"
    if recorded.unasked:
        text += f"; after {recorded.unasked:,} pauses it was not asked whether the series was gone"
    return text


class _Progress:
    """One line on a terminal that changes, a line now and then in a log, nothing where quiet was asked for."""

    def __init__(self, config: pytest.Config, what: str, deadline: Deadline) -> None:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        self._reporter = None if config.get_verbosity() < 0 else reporter
        self._what = what
        self._deadline = deadline
        self._begun = self._told = time.monotonic()
        self._drawn = False

    def __call__(self, done: int, total: int) -> None:
        # As long as something comes, the time that a gate's requests may take begins anew.
        self._deadline.restart()
        reporter, now = self._reporter, time.monotonic()
        if reporter is None or now - self._told < (_REDRAWN if reporter.isatty else _WRITTEN):
            return
        self._told = now
        line = progress_text(self._what, done, total, now - self._begun, unicode=takes_unicode())
        if not self._drawn:
            reporter.ensure_newline()
        self._drawn = True
        if reporter.isatty:
            reporter.rewrite(line, erase=True)
        else:
            reporter.write_line(line)

    def end(self) -> None:
        """Leave the terminal's line empty for what comes next."""
        if self._drawn and self._reporter is not None and self._reporter.isatty:
            self._reporter.rewrite("", erase=True)
            self._reporter.rewrite("")
