"""All questions that one environment was asked in a run, by any process, so that a recording can answer them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.model.questions import Question, question_from_wire

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.check import Check

__all__ = ["AskedQuestions"]


@dataclass
class AskedQuestions:
    """The questions of judged checks and of tests, and the checkpoints of suites that they complete.

    ``judged`` holds (region, suite, checkpoint). Both are dicts to keep an order that repeats from run to run.
    """

    questions: dict[Question, None] = field(default_factory=dict)
    judged: dict[tuple[str, str, str], None] = field(default_factory=dict)

    def note(self, *questions: Question) -> None:
        """Take note of questions that a recording must answer."""
        self.questions.update(dict.fromkeys(question for question in questions if question.recorded))

    def note_check(self, check: Check) -> None:
        """Take note of a check that was judged; raises what its criterion raises when asked for its questions."""
        self.note(*check.questions())
        if check.checkpoint.id:
            suite, checkpoint = check.suite.suite, check.checkpoint.id
            self.judged.update({(region, suite, checkpoint): None for region in check.places})

    def about(self, region: str) -> Iterable[Question]:
        """Yield the questions about one region."""
        return (question for question in self.questions if question.region == region)

    @property
    def regions(self) -> list[str]:
        """The regions that were asked or judged."""
        return sorted(
            {question.region for question in self.questions} | {region for region, _, _ in self.judged}
        )

    def to_wire(self) -> dict[str, Any]:
        """Return builtins only, to cross to xdist's controller."""
        return {
            "questions": [question.to_wire() for question in self.questions],
            "judged": [list(entry) for entry in self.judged],
        }

    def add(self, wire: Mapping[str, Any]) -> None:
        """Add what another process noted."""
        self.note(*map(question_from_wire, wire["questions"]))
        for region, suite, checkpoint in wire["judged"]:
            self.judged[region, suite, checkpoint] = None
