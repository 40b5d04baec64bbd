"""The answers of sources in this process: worked out when a check needs them, and forgotten when no other check does.

They cost less to work out again than to pass through a file, so that the processes of a run do not share them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_telemetry_gate.gate.stretches import cut, find_stretches
from pytest_telemetry_gate.model.answers import Answer
from pytest_telemetry_gate.model.questions import Instant, Question, Range
from pytest_telemetry_gate.promql import Matrix

__all__ = ["LazyAnswers", "LocalAnswers"]


class LocalAnswers:
    """Works out one query for all checkpoints at once, and keeps the answers that other checks still need.

    ``ask`` answers one question and must not raise; ``ask_together`` answers one query at several times, in their
    order, or returns None where each has to be asked for itself. ``scrub`` takes secrets out of every answer.
    """

    def __init__(
        self,
        ask: Callable[[Any], Answer],
        ask_together: Callable[[Sequence[Instant]], Sequence[Answer] | None],
        scrub: Callable[[str], str] = str,
    ) -> None:
        self._ask = ask
        self._ask_together = ask_together
        self._scrub = scrub
        self._answers: dict[Question, Answer] = {}
        self._uses: dict[Question, int] = {}
        self._times: dict[tuple[str, str], list[Instant]] = {}
        self._grids: dict[tuple[str, str], list[Range]] = {}

    def expect(self, questions: Iterable[Question]) -> None:
        """Take note of what one check will ask, once for each check."""
        for question in questions:
            uses = self._uses.get(question, 0)
            self._uses[question] = uses + 1
            if not uses and isinstance(question, Instant):
                self._times.setdefault((question.region, question.promql), []).append(question)
            elif not uses and isinstance(question, Range):
                self._grids.setdefault((question.region, question.promql), []).append(question)

    def release(self, questions: Iterable[Question]) -> None:
        """Forget the answers that no other check asks for; called for a check that has been judged."""
        for question in questions:
            uses = self._uses.get(question, 0) - 1
            if uses > 0:
                self._uses[question] = uses
            else:
                self._uses.pop(question, None)
                self._answers.pop(question, None)

    def forget(self) -> None:
        """Forget everything."""
        self._answers.clear()
        self._uses.clear()
        self._times.clear()
        self._grids.clear()

    def answer(self, question: Question) -> Answer:
        """Return the answer to a question; answers to the same query at other checkpoints are kept for these."""
        answer = self._answers.get(question)
        if answer is None and isinstance(question, Instant):
            answer = self._with_others(question)
        if answer is None and isinstance(question, Range):
            answer = self._with_neighbours(question)
        if answer is None:
            answer = self._ask(question).scrubbed(self._scrub)
            # Raw samples cost more memory than time, and a failed question may succeed later.
            if answer.value is not None and not isinstance(answer.value, Matrix):
                self._answers[question] = answer
        return answer

    def _with_others(self, question: Instant) -> Answer | None:
        key = question.region, question.promql
        others = [
            other for other in self._times.get(key, ()) if other in self._uses and other not in self._answers
        ]
        if question not in others or len(others) < 2:
            return None
        answers = self._ask_together(others)
        if answers is None:
            del self._times[key]
            return None
        for other, answer in zip(others, answers, strict=True):
            self._answers[other] = answer.scrubbed(self._scrub)
        return self._answers[question]

    def _with_neighbours(self, question: Range) -> Answer | None:
        """Return the answer from that to a longer range, of which the other parts are kept for the checks that need them."""
        key = question.region, question.promql
        others = [
            other for other in self._grids.get(key, ()) if other in self._uses and other not in self._answers
        ]
        stretch = next((one for one in find_stretches(others) if question in one.questions), None)
        if stretch is None or len(stretch.questions) < 2:
            return None
        answer = self._ask(stretch.whole).scrubbed(self._scrub)
        if not isinstance(answer.value, Matrix) or answer.warnings:
            return None
        for other in stretch.questions:
            self._answers[other] = replace(answer, value=cut(answer.value, other))
        return self._answers[question]


class LazyAnswers(Mapping[Question, Answer]):
    """The answers to some questions, each of them asked for when it is first looked at; ``received`` has those."""

    def __init__(self, questions: Iterable[Question], answer: Callable[[Question], Answer]) -> None:
        self._questions = dict.fromkeys(questions)
        self._answer = answer
        self.received: dict[Question, Answer] = {}

    def __getitem__(self, question: Question) -> Answer:
        """Return the answer; raises KeyError for a question that is not one of them."""
        answer = self.received.get(question)
        if answer is None:
            if question not in self._questions:
                raise KeyError(question)
            answer = self.received[question] = self._answer(question)
        return answer

    def __contains__(self, question: object) -> bool:
        """Tell whether it is one of the questions, without asking it."""
        return question in self._questions

    def __iter__(self) -> Iterator[Question]:
        """Yield the questions."""
        return iter(self._questions)

    def __len__(self) -> int:
        """Return the number of questions."""
        return len(self._questions)
