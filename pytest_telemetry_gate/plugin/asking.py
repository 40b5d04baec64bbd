"""What tests ask of the gate at one region and one moment: values, ranges, alerts and incidents."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pytest_telemetry_gate.criteria.episodes import find_holes
from pytest_telemetry_gate.criteria.evidence import collect_evidence, read_series
from pytest_telemetry_gate.criteria.incidents import find_unknown_kind
from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.gate.plan import require_source
from pytest_telemetry_gate.model.answers import Answer
from pytest_telemetry_gate.model.check import Check
from pytest_telemetry_gate.model.environment import name_place
from pytest_telemetry_gate.model.events import Episode, Events
from pytest_telemetry_gate.model.questions import EventsQuestion, Instant, Question, Range
from pytest_telemetry_gate.plugin.carried import carried_by
from pytest_telemetry_gate.plugin.waits import at_present
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector
from pytest_telemetry_gate.support.durations import format_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.gate import Gate

__all__ = ["Asking"]


class Asking:
    """Asks the gate for one test.

    Asking raises SourceError, PromQLError or RecordingError with one line for people; missing data is such
    an error, never an empty result. Threads may use it at once: one is served after the other.
    """

    def __init__(self, item: pytest.Item, gate: Gate, check: Check) -> None:
        self.region = check.region
        self.checkpoint = check.checkpoint.id
        self._item = item
        self._gate = gate
        self._check = check
        self._turn = threading.RLock()
        # The seconds for answers about the present, while a condition of ``wait_until`` asks.
        self._left: Callable[[], float] | None = None
        self._asked = 0

    @property
    def time(self) -> float:
        """The checkpoint's moment, or the clock where the test names no checkpoint, in seconds since the epoch.

        In a condition of ``wait_until`` it is the present.
        """
        return self._check.time

    def value(self, query: str, *, source: str | None = None) -> float:
        """Return the one value of a query; raises SourceError where it has none or several, or is not a number.

        ``source`` is one of the region's further sources, which is asked instead of its own.
        """
        answer = self._answer(Instant(self._place(source), self._expand(query), self.time), query)
        _, values = read_series(answer)
        if len(values) != 1:
            message = f"{query} has {len(values)} series, not one"
            raise SourceError(message)
        if math.isnan(values[0]):
            message = f"{query} is NaN at {format_time(self.time)}"
            raise SourceError(message)
        return float(values[0])

    def values(self, query: str, *, source: str | None = None) -> Vector:
        """Return a query's labels and float64 values, a vector; raises SourceError where it has none."""
        value = self._answer(Instant(self._place(source), self._expand(query), self.time), query).value
        if not isinstance(value, Vector):
            message = f"no data: {query} is no vector"
            raise SourceError(message)
        return value

    def range(
        self,
        query: str,
        *,
        start: float | None = None,
        end: float | None = None,
        step: float = 60.0,
        source: str | None = None,
    ) -> Matrix:
        """Return a query over time: labels, times (seconds), values and presence, float64 and bool [series, steps].

        By default from the start of the rollout to the checkpoint; raises SourceError where there is nothing.
        """
        begin = self._check.start if start is None else start
        last = self.time if end is None else end
        question = Range(self._place(source), self._expand(query), begin, last, step)
        value = self._answer(question, query).value
        if not isinstance(value, Matrix) or not value.labels:
            message = f"no data: {question.promql} has no value in the range"
            raise SourceError(message)
        return value

    def alerts(self, /, *, source: str | None = None, **match: str) -> Sequence[Episode]:
        """Return the alerts with these labels that fired from the start of the rollout to the checkpoint.

        ``source`` is one of the region's further sources, which is asked instead of its own. Raises SourceError where the history is incomplete, so that an empty list means that none fired as far as
        the source knows; a criterion ``check(alerts={"match": ...}, ...)`` also asks for proof of evaluation.
        """
        return [
            episode
            for episode in self._history("alerts", source).episodes
            if match.items() <= {**episode.labels, "alertname": episode.name}.items()
        ]

    def incidents(self, *, kind: str | None = None, source: str | None = None) -> Sequence[Episode]:
        """Return the incidents of a kind, or of every kind, from the start of the rollout to the checkpoint.

        ``source`` is one of the region's further sources, which is asked instead of its own. Raises SourceError where the history is incomplete, and for a kind that its source does not know, so that an empty
        list means that there were none.
        """
        history = self._history("incidents", source)
        unknown = find_unknown_kind(history, kind)
        if unknown:
            message = f"incidents: {unknown}"
            raise SourceError(message)
        return [episode for episode in history.episodes if kind in (None, episode.kind)]

    def _history(self, kind: str, source: str | None) -> Events:
        """Return what happened from the start of the rollout on; raises SourceError where some of it may be missing."""
        if self._check.range <= 0:
            message = f"{kind}: nothing lies between {format_time(self._check.start)}, from which they count, and {format_time(self.time)}: name a suite and a checkpoint"
            raise SourceError(message)
        require_source(self._check, self._gate.environment, source)
        question = EventsQuestion(name_place(self.region, source), kind, self._check.start, self.time)
        value = self._answer(question, kind).value
        if not isinstance(value, Events):
            message = f"{kind}: there is no history"
            raise SourceError(message)
        hole = find_holes(self._check, value)
        if hole:
            message = f"{kind}: {hole}"
            raise SourceError(message)
        return value

    def _place(self, source: str | None) -> str:
        """Return the place of a source that answers PromQL; raises SuiteError for any other."""
        require_source(self._check, self._gate.environment, source)
        place = name_place(self.region, source)
        dialect = self._check.find_dialect(place)
        if dialect is not None:
            subject = "the source" if source is None else f"source {source!r}"
            remedy = "`check` with `source` and `window` judges its queries"
            raise self._check.error(f"{subject} is asked in {dialect.name}, and this in PromQL: {remedy}")
        return place

    def _expand(self, query: str) -> str:
        return self._check.expand(query)

    def _answer(self, question: Question, query: str) -> Answer:
        """Return an answer; raises SourceError where the same answer would leave a check undecided."""
        carried_by(self._item).asked = True
        with self._turn:
            self._asked += 1
            answer = (
                self._gate.ask(question)
                if self._left is None
                else self._gate.answer_anew(question, self._left)
            )
        problem = collect_evidence(self._check, answer, query=query).problem
        if problem is not None:
            raise SourceError(problem.reason)
        if isinstance(question, Instant) and not isinstance(answer.value, Scalar | Vector):
            message = f"no data: {query} has no value at the checkpoint"
            raise SourceError(message)
        return answer

    @contextmanager
    def _visit(self, left: Callable[[], float]) -> Iterator[Callable[[], bool]]:
        """Be at the present for a while; yields what tells whether anything was asked in the meantime."""
        settled, asked = self._check, self._asked
        self._check, self._left = at_present(self._gate, settled), left
        try:
            yield lambda: self._asked > asked
        finally:
            self._check, self._left = settled, None
