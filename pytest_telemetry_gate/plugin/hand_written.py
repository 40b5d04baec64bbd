"""The ``telemetry`` fixture: the gate's questions and checks at one region and one moment, for one test."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_telemetry_gate.criteria.episodes import find_holes
from pytest_telemetry_gate.criteria.evidence import collect_evidence, read_series
from pytest_telemetry_gate.criteria.queries import check_queries
from pytest_telemetry_gate.errors import SourceError, SuiteError, describe
from pytest_telemetry_gate.files.suites import load_criterion
from pytest_telemetry_gate.model.answers import Answer
from pytest_telemetry_gate.model.check import Check
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.events import Episode, Events
from pytest_telemetry_gate.model.questions import EventsQuestion, Instant, Question, Range
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.plugin.carried import carried_by
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector
from pytest_telemetry_gate.support.durations import format_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.gate import Gate
    from pytest_telemetry_gate.model.verdict import Verdict
    from pytest_telemetry_gate.plugin.session import GateRun

__all__ = ["Telemetry"]


class Telemetry:
    """The gate at one region and one moment, for one test.

    ``time`` is the checkpoint's moment, or the clock where the test names no checkpoint, in seconds since the
    epoch. Asking raises SourceError, PromQLError or RecordingError with one line for people; missing data is such
    an error, never an empty result.
    """

    def __init__(self, item: pytest.Item, run: GateRun, gate: Gate, check: Check, level: str | None) -> None:
        self.region = check.region
        self.checkpoint = check.checkpoint.id
        self.time = check.time
        self._item = item
        self._run = run
        self._gate = gate
        self._check = check
        self._level = level
        self._numbers = itertools.count(1)

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdicts of the test's checks so far, in their order."""
        return [dossier.verdict for dossier in carried_by(self._item).dossiers]

    def check(self, query: str | None = None, expect: str | float | None = None, /, **keys: Any) -> Verdict:
        """Judge a criterion here and now, and return its verdict, which also stands in the gate's table.

        ``keys`` are those of a criterion in a suite file, ``id`` and the kinds other than ``query`` included. The
        test goes on, and fails at its end if any verdict does not let the gate through. Raises SuiteError for keys
        that a suite file could not have, which is an error in the table as well, in case nobody sees what is raised; and
        for a check that is made when the body of the test is over, which closes the gate.
        """
        carried = carried_by(self._item)
        carried.asked = True
        if carried.concluded:
            raise self._refuse_late()
        try:
            dossier = self._judge(query, expect, keys)
        except Exception as error:
            reason = self._gate.environment.scrub(describe(error))
            carried.dossiers.append(self._check.dossier(Outcome.ERROR, reason))
            raise
        carried.dossiers.append(dossier)
        if carried.concluded:  # meanwhile, as in a thread that the test did not wait for
            raise self._refuse_late()
        return dossier.verdict

    def _refuse_late(self) -> SuiteError:
        """Return the error of a check that no verdict of its test can follow from, and have it close the gate."""
        message = f"test {self._item.name!r}: a check after its body cannot fail it; check in the body"
        error = SuiteError(self._check.path, self._check.criterion.line, message)
        self._run.problems[str(error)] = None
        return error

    def _judge(self, query: str | None, expect: str | float | None, keys: Mapping[str, Any]) -> Dossier:
        number = next(self._numbers)
        _, line, _ = self._item.reportinfo()
        criterion = {"id": f"check-{number}", **keys}
        if query is not None:
            criterion["query"] = query
        if expect is not None:
            criterion["expect"] = expect
        if self._level is not None:
            criterion.setdefault("level", self._level)
        model = load_criterion(
            criterion,
            self._gate.kinds,
            path=self._check.path,
            line=(line or 0) + 1,
            folder=self._item.path.parent,
        )
        check = dataclasses.replace(self._check, criterion=model, sequence=number)
        if model.checkpoints is not None:
            raise check.error("checkpoints: the test's marker says where it is judged")
        if model.over_regions:
            raise check.error("a test looks at one region; criteria over all regions stand in suite files")
        for _, message in model.problems(check.suite):
            raise check.error(message)
        check_queries(check)
        model.verify(check)
        return self._gate.judge(check)

    def value(self, query: str) -> float:
        """Return the one value of a query; raises SourceError where it has none or several, or is not a number."""
        answer = self._answer(Instant(self.region, self._expand(query), self.time), query)
        _, values = read_series(answer)
        if len(values) != 1:
            message = f"{query} has {len(values)} series, not one"
            raise SourceError(message)
        if math.isnan(values[0]):
            message = f"{query} is NaN at {format_time(self.time)}"
            raise SourceError(message)
        return float(values[0])

    def values(self, query: str) -> Vector:
        """Return a query's labels and float64 values, a vector; raises SourceError where it has none."""
        value = self._answer(Instant(self.region, self._expand(query), self.time), query).value
        if not isinstance(value, Vector):
            message = f"no data: {query} is no vector"
            raise SourceError(message)
        return value

    def range(
        self, query: str, *, start: float | None = None, end: float | None = None, step: float = 60.0
    ) -> Matrix:
        """Return a query over time: labels, times (seconds), values and presence, float64 and bool [series, steps].

        By default from the start of the rollout to the checkpoint; raises SourceError where there is nothing.
        """
        begin = self._check.start if start is None else start
        question = Range(self.region, self._expand(query), begin, self.time if end is None else end, step)
        value = self._answer(question, query).value
        if not isinstance(value, Matrix) or not value.labels:
            message = f"no data: {question.promql} has no value in the range"
            raise SourceError(message)
        return value

    def alerts(self, **match: str) -> Sequence[Episode]:
        """Return the alerts with these labels that fired from the start of the rollout to the checkpoint.

        Raises SourceError where the history is incomplete, so that an empty list means that none fired as far as
        the source knows; a criterion ``check(alerts={"match": ...}, ...)`` also asks for proof of evaluation.
        """
        if self._check.range <= 0:
            message = f"alerts: nothing lies between {format_time(self._check.start)}, from which they count, and {format_time(self.time)}: name a suite and a checkpoint"
            raise SourceError(message)
        question = EventsQuestion(self.region, "alerts", self._check.start, self.time)
        value = self._answer(question, "alerts").value
        if not isinstance(value, Events):
            message = "alerts: there is no history"
            raise SourceError(message)
        hole = find_holes(self._check, value)
        if hole:
            message = f"alerts: {hole}"
            raise SourceError(message)
        return [
            episode
            for episode in value.episodes
            if match.items() <= {**episode.labels, "alertname": episode.name}.items()
        ]

    def _expand(self, query: str) -> str:
        return self._check.expand(query)

    def _answer(self, question: Question, query: str) -> Answer:
        """Return an answer; raises SourceError where the same answer would leave a check undecided."""
        carried_by(self._item).asked = True
        answer = self._gate.ask(question)
        problem = collect_evidence(self._check, answer, query=query).problem
        if problem is not None:
            raise SourceError(problem.reason)
        if isinstance(question, Instant) and not isinstance(answer.value, Scalar | Vector):
            message = f"no data: {query} has no value at the checkpoint"
            raise SourceError(message)
        return answer
