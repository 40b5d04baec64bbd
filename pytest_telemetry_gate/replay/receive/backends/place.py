"""A case's telemetry as a trace backend has it: asked for by trace id, again and again, until it is whole or late."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.replay.captured import ExportRequest, ReadBack
from pytest_telemetry_gate.replay.otlp.corpus import telemetry_of
from pytest_telemetry_gate.replay.receive.backends.answers import TraceAnswer
from pytest_telemetry_gate.replay.receive.backends.clients import TraceBackend
from pytest_telemetry_gate.replay.receive.capture_place import CapturePlace, CaptureWait, Collected
from pytest_telemetry_gate.replay.receive.mailbox import Arrival

__all__ = ["BackendPlace"]


class BackendPlace(CapturePlace):
    """Reads the traces of one case back; ``connect`` gives the backend that cases share, and raises DriveError.

    Every answer is a whole new state of a trace, and the last one is judged. It is complete when it has all that the
    case expects and a question after the quiet time is answered by the same spans. What a backend refuses or calls
    partial is never complete.
    """

    def __init__(self, name: str, connect: Callable[[], TraceBackend], poll: float) -> None:
        self.name = name
        self._connect = connect
        self._poll = poll
        self._backend: TraceBackend | None = None

    def open(self) -> None:
        """Read how the backend is reached, so that nothing is driven in vain."""
        self._backend = self._connect()

    def collect(self, wait: CaptureWait) -> Collected:
        """Ask until the case is complete, or its time is over."""
        if self._backend is None or not wait.driven.trace_ids:
            message = f"capture.{self.name}: the drive has no trace whose id could be asked for"
            raise DriveError(message)
        inquiry = _Inquiry(self._backend, wait)
        while inquiry.ask():
            rest, pause = inquiry.rest(), max(self._poll, inquiry.pause)
            if rest <= 0 or inquiry.pause > rest:  # who wants to be left alone longer is not asked again
                break
            time.sleep(min(rest, pause))
        return inquiry.conclude()


@dataclass(slots=True)
class _Trace:
    """One trace: the last answer about it, the last that had documents, and when its spans last changed."""

    answer: TraceAnswer
    documents: Sequence[dict[str, object]] = ()
    size: int = 0
    spans: Sequence[tuple[str, ...]] = ()
    changed: float | None = None

    def take(self, answer: TraceAnswer) -> bool:
        """Note an answer; True where it has other spans than the one before."""
        if answer.state == "absent" and self.documents:
            answer = TraceAnswer("refused", f"has the trace no more: {answer.words}", pause=answer.pause)
        self.answer = answer
        if not answer.documents:
            return False
        telemetry = telemetry_of(list(answer.documents))
        spans = sorted(
            [(span.trace_id, span.span_id) for span in telemetry.spans]
            + [("log", log.trace_id, log.span_id, str(log.time)) for log in telemetry.logs]
        )
        self.documents, self.size = answer.documents, answer.size
        if spans == self.spans:
            return False
        self.spans, self.changed = spans, time.monotonic()
        return True


class _Inquiry:
    """What a backend has answered about the traces of one case so far."""

    def __init__(self, backend: TraceBackend, wait: CaptureWait) -> None:
        self._backend = backend
        self._wait = wait
        # Of cases that are driven together the last is asked for when those before it are done.
        self._give_up = max(wait.give_up, time.monotonic())
        self._traces = {trace_id: _Trace(TraceAnswer("absent")) for trace_id in wait.driven.trace_ids}
        self._completeness = wait.start()
        self._questions = self._refusals = 0
        self._refusal = ""

    @property
    def pause(self) -> float:
        """The seconds that the server wants to be left alone."""
        return max(trace.answer.pause for trace in self._traces.values())

    def ask(self) -> bool:
        """Ask for every trace once; False where asking again is of no use."""
        changed, is_first = False, not self._questions
        limit = self._give_up + self._backend.timeout
        for trace_id, trace in self._traces.items():
            seconds = limit - time.monotonic()
            late = TraceAnswer("refused", "was not asked for every trace in time", is_final=True)
            answer = self._backend.ask(trace_id, seconds) if seconds > 0 else late
            self._questions += 1
            if answer.state == "refused":
                self._refusals += 1
                self._refusal = answer.words
            changed |= trace.take(answer)
            if answer.is_final:
                return False
        if is_first:
            self._give_up = max(self._give_up, time.monotonic())
        if changed:
            self._completeness = self._wait.start()
            self._completeness.add(self._arrivals())
        return True

    def rest(self) -> float:
        """Return the seconds that must still be waited.

        What came before the end of the wait is asked for once more when it was quiet, even if that is after the end.
        """
        now, last = time.monotonic(), self._last_change
        if not all(trace.answer.state in {"found", "absent"} for trace in self._traces.values()):
            return max(0.0, self._give_up - now)
        rest = self._wait.rest(self._completeness, last)
        if rest <= 0 and last is not None and last <= self._give_up:
            return max(0.0, last + self._wait.quiet - now)
        return rest

    def conclude(self) -> Collected:
        """Return the last state of the traces, and what the backend said of it."""
        state, words = self._state()
        read_back = ReadBack(
            self._backend.shown,
            state,
            words,
            self._questions,
            self._refusals,
            self._refusal,
            self._backend.warning,
        )
        complete = state == "found" and self._completeness.is_complete
        return Collected(self._arrivals(), complete, read_back)

    @property
    def _last_change(self) -> float | None:
        return max(
            (trace.changed for trace in self._traces.values() if trace.changed is not None), default=None
        )

    def _state(self) -> tuple[str, str]:
        answers = [trace.answer for trace in self._traces.values()]
        for state in ("refused", "partial"):
            for answer in answers:
                if answer.state == state:
                    return state, answer.words
        if self._last_change is None:
            return "absent", answers[0].words
        age = time.monotonic() - self._last_change
        if age < self._wait.quiet:
            return "growing", f"spans still came {age:.1f} s before the end of the wait"
        return "found", ""

    def _arrivals(self) -> list[Arrival]:
        return [
            Arrival(_request(document, trace.size), trace.changed or 0.0)
            for trace in self._traces.values()
            for document in trace.documents
        ]


def _request(document: dict[str, object], size: int) -> ExportRequest:
    signal = "traces" if "resourceSpans" in document else "logs"
    return ExportRequest(signal, size, size, document=document)
