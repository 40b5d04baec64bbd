"""``--telemetry-record``: record what was asked and captured, in one write, when everything has been judged.

The process that reports does it, for its own questions and for those that its workers sent.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_telemetry_gate.errors import RecordingError, TelemetryGateError
from pytest_telemetry_gate.gate.gate import Gate
from pytest_telemetry_gate.model.arrivals import Arrivals
from pytest_telemetry_gate.model.environment import region_of
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.model.query_sources import Readings
from pytest_telemetry_gate.model.questions import ArrivalsQuestion, EventsQuestion, SourceQuestion
from pytest_telemetry_gate.plugin.check_items import CheckItem
from pytest_telemetry_gate.plugin.items import TelemetryItem
from pytest_telemetry_gate.recorder.recorder import RecordResult, RegionRequest, record
from pytest_telemetry_gate.recording import Recording
from pytest_telemetry_gate.recording.captures import store_captures
from pytest_telemetry_gate.reports.progress import progress_text
from pytest_telemetry_gate.reports.terminal import takes_unicode
from pytest_telemetry_gate.sources.recording import RecordingSource
from pytest_telemetry_gate.support.text import name_region
from pytest_telemetry_gate.support.whole_files import remove_leftovers

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import Deadline, Environment
    from pytest_telemetry_gate.plugin.hooks import RunHooks

__all__ = ["RecordHooks"]

_TERMINAL_INTERVAL = 0.1  # seconds between two states of the progress line on a terminal
_LOG_INTERVAL = 10.0  # seconds between two lines of progress in a log
_TITLE = "telemetry recording"


class _Line(NamedTuple):
    text: str
    good: bool


class RecordHooks:
    """Records after the tests of a session; says at its end what was not recorded, which fails the session.

    Raises UsageError, before anything is judged, for a file that is no recording.
    """

    def __init__(self, hooks: RunHooks, shown: str) -> None:
        self._run = hooks.run
        self._summary = hooks.summary
        self._config = hooks.run.config
        self._shown = shown
        self._out = self._config.invocation_params.dir / shown
        self._lines: list[_Line] = []
        if self._out.is_dir():
            message = f"--telemetry-record: {self._shown} is a folder, not a file"
            raise pytest.UsageError(message)
        remove_leftovers(self._out)
        if self._out.exists():
            try:
                Recording.open(self._out).close()
            except RecordingError as error:
                message = f"--telemetry-record: {error}"
                raise pytest.UsageError(message) from None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Refuse the file of another environment before anything is asked; the controller of xdist has no items."""
        environments = {
            item.environment.name: item.environment
            for item in session.items
            if isinstance(item, TelemetryItem)
        }
        if self._run.options.only_shows or not environments or not self._out.exists():
            return
        # A session of replays alone adds no samples.
        samples = any(isinstance(item, CheckItem) for item in session.items)
        try:
            with contextlib.closing(Recording.open(self._out)) as recording:
                for _, environment in sorted(environments.items()):
                    recording.check_environment(_measured_in(environment), samples=samples)
        except RecordingError as error:
            message = f"--telemetry-record: {error}"
            raise pytest.UsageError(message) from None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        if self._run.options.only_shows:
            return (yield)
        self._lines = [_Line("not written: the session was stopped", good=False)]
        result = yield
        self._run.gates.close()  # they may be reading the file that is about to be written
        self._lines = list(self._record())
        # That nothing was judged is said of the gate itself.
        judged = self._run.denominator.anything_selected
        bad = [line.text for line in self._lines if judged and not line.good]
        if self._summary.not_stored:
            bad.append(f"captures not stored: {self._summary.not_stored}")
        self._run.problems.update(dict.fromkeys(f"recording {self._shown}: {text}" for text in bad))
        return result

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self._lines:
            if not line.good or self._config.get_verbosity() >= 0:
                colour = "green" if line.good else "red"
                terminalreporter.write_line(f"{_TITLE}: {self._shown}: {line.text}", **{colour: True})

    def _record(self) -> Iterator[_Line]:
        """Record, and yield the lines that say how it went."""
        judged = [gate for gate in self._run.gates.all if gate.asked.regions]
        captures, stored = self._summary.captures, False
        if len(judged) > 1:
            names = ", ".join(sorted(gate.environment.name for gate in judged))
            yield _Line(f"not written: one recording is of one environment, judged were {names}", good=False)
        elif judged:
            stored = yield from self._record_gate(judged[0])
        elif not captures:
            yield _Line("not written: nothing was judged", good=False)
        if captures and not stored:
            # Captures cannot be made again later: they are kept even where nothing else could be recorded.
            self._store_captures()
        elif captures:
            self._summary.stored = self._run.environments.display_path(self._out)

    def _record_gate(self, gate: Gate) -> Generator[_Line, None, bool]:
        """Record what one environment was asked, with all captures; returns whether the file was written."""
        scrub = gate.environment.scrub
        requests, problems = _requests_of(gate)
        recorded = RecordResult()
        if requests:
            progress = _Progress(
                self._run.role.terminal(), self._config, self._shown, gate.environment.deadline
            )
            gate.environment.deadline.reset()
            clock = max(self._run.gates.clocks)
            try:
                recorded = record(
                    self._out,
                    requests,
                    recorded_at=clock,
                    environment=_measured_in(gate.environment),
                    progress=progress,
                    captures=self._summary.captures,
                )
            except TelemetryGateError as error:
                yield _Line(f"not written: {scrub(str(error))}", good=False)
                return False
            finally:
                progress.end()
        problems |= {_place(region): reason for region, reason in recorded.failures.items()}
        done = [region for region in requests if region not in recorded.failures]
        if done:
            yield _Line(_summary_of(recorded, done), good=True)
            for region, origins in recorded.united.items():
                place = _place(region) or "it"
                yield _Line(scrub(f"{place} holds samples of {' and of '.join(origins)}"), good=True)
        for place, reason in problems.items():
            prefix = f"{place}: " if place else ""
            yield _Line(f"{prefix}not recorded: {scrub(reason.removeprefix(prefix))}", good=False)
        return bool(done)

    def _store_captures(self) -> None:
        captures = self._summary.captures
        clock = max((capture["at"] for capture in captures if capture.get("at")), default=0.0)
        try:
            # Each says which environment it is of; of several none is stored.
            environment = str(captures[0].get("environment", ""))
            store_captures(self._out, captures, recorded_at=clock, environment=environment)
        except TelemetryGateError as error:
            self._summary.not_stored = self._run.exits.line(error)
        else:
            self._summary.stored = self._run.environments.display_path(self._out)


def _measured_in(environment: Environment) -> str:
    """Return the name of the environment that was measured: that of its recordings where it is judged from some.

    A recording that cannot be read says nothing here, and why where it is judged. Raises RecordingError where they are of
    several environments.
    """
    named: dict[str, Path] = {}
    for settings in environment.regions.values():
        if settings.source == "recording":
            with contextlib.suppress(TelemetryGateError):
                path = RecordingSource.read_settings(settings)
                with contextlib.closing(Recording.open(path)) as recording:
                    named[recording.captures_of] = path
    named.pop("", None)
    if len(named) > 1:
        both = ", ".join(f"{path.name} of {name!r}" for name, path in sorted(named.items()))
        message = f"one recording is of one environment, these are of several: {both}"
        raise RecordingError(message)
    return next(iter(named), environment.name)


def _requests_of(gate: Gate) -> tuple[Mapping[str, RegionRequest], dict[str, str]]:
    """Return what to record of each usable region, and by place why something cannot be recorded."""
    requests: dict[str, RegionRequest] = {}
    problems: dict[str, str] = {}
    for region in gate.asked.regions:
        questions = list(gate.asked.about(region))
        events: dict[EventsQuestion, Events] = {}
        arrivals: dict[ArrivalsQuestion, Arrivals] = {}
        readings: dict[SourceQuestion, Readings] = {}
        described: dict[str, None] = {}
        try:
            source = gate.any_source(region)
        except TelemetryGateError as error:
            problems[_place(region)] = str(error)
            continue
        for question in questions:
            if isinstance(question, EventsQuestion):
                answer = gate.answer(question)
                described[answer.source] = None
                if isinstance(answer.value, Events):
                    events[question] = answer.value
                else:
                    problems[", ".join(filter(None, (_place(region), question.kind)))] = answer.error
            elif isinstance(question, ArrivalsQuestion):
                answer = gate.answer(question)
                if isinstance(answer.value, Arrivals):
                    arrivals[question] = answer.value
            elif isinstance(question, SourceQuestion):
                answer = gate.answer(question)
                if isinstance(answer.value, Readings):
                    readings[question] = answer.value
                else:
                    problems[_place(region)] = answer.error
        judged = [(suite, checkpoint) for name, suite, checkpoint in gate.asked.judged if name == region]
        settings = gate.environment.place(region)
        tells_events_alone = (
            len(described) > 0 and region_of(region) != region and len(events) == len(questions)
        )
        requests[region] = RegionRequest(
            source,
            questions,
            events,
            arrivals,
            judged,
            settings is not None and settings.accept_warnings,
            gate.environment.secrets.scrub_beside(map(repr, questions)),
            ", ".join(described) if tells_events_alone else "",
            readings,
        )
    return requests, problems


def _place(region: str) -> str:
    return name_region(region).removesuffix(": ")


def _summary_of(recorded: RecordResult, regions: list[str]) -> str:
    named = ", ".join(filter(None, dict.fromkeys(map(region_of, regions))))
    sources = ", ".join(
        dict.fromkeys(source for _, _, source in (one.partition("/") for one in regions) if source)
    )
    text = f"{recorded.series:,} series, {recorded.samples:,} samples{f' of {named}' if named else ''}"
    text += f", and what {sources} answered" if sources else ""
    text += f"; {recorded.size:,} bytes"
    if recorded.unasked:
        text += f"; after {recorded.unasked:,} pauses it was not asked whether the series was gone"
    return text


class _Progress:
    """One changing line on a terminal, a line now and then in a log, nothing in a quiet session."""

    def __init__(self, reporter: Any, config: pytest.Config, shown: str, deadline: Deadline) -> None:
        self._reporter = None if config.get_verbosity() < 0 else reporter
        self._title = f"{_TITLE}: {shown}"
        self._deadline = deadline
        self._started = self._written = time.monotonic()
        self._drawn = False

    def __call__(self, done: int, total: int) -> None:
        # As long as samples come in, the deadline for a gate's requests starts anew.
        self._deadline.reset()
        reporter, now = self._reporter, time.monotonic()
        if reporter is None or now - self._written < (
            _TERMINAL_INTERVAL if reporter.isatty else _LOG_INTERVAL
        ):
            return
        self._written = now
        line = progress_text(self._title, done, total, now - self._started, unicode=takes_unicode())
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
