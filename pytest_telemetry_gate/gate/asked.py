"""What one environment was asked in a run, so that a recording can hold it: the sum of what all processes asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.model.questions import CaptureQuestion, EventsQuestion, Instant, Question, Range
from pytest_telemetry_gate.support.records import from_known

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.check import Check

__all__ = ["Inquiry"]

_KINDS: dict[str, type[Instant | Range | EventsQuestion]] = {
    kind.__name__: kind for kind in (Instant, Range, EventsQuestion)
}


@dataclass
class Inquiry:
    """The questions of checks that were judged and of tests, and which checkpoints of which suites they complete.

    ``judged`` holds (region, suite, checkpoint). Both are dicts for their order, which repeats from run to run.
    """

    questions: dict[Question, None] = field(default_factory=dict)
    judged: dict[tuple[str, str, str], None] = field(default_factory=dict)

    def note(self, *questions: Question) -> None:
        """Take note of questions to sources; what replays captured is carried by reports."""
        asked = (question for question in questions if not isinstance(question, CaptureQuestion))
        self.questions.update(dict.fromkeys(asked))

    def note_check(self, check: Check) -> None:
        """Take note of a check that was judged."""
        self.note(*check.questions())
        if check.checkpoint.id:
            suite, checkpoint = check.suite.suite, check.checkpoint.id
            self.judged.update({(region, suite, checkpoint): None for region in check.regions})

    def of(self, region: str) -> Iterable[Question]:
        """Yield the questions to one region."""
        return (question for question in self.questions if question.region == region)

    @property
    def regions(self) -> list[str]:
        """The regions that were asked or judged."""
        return sorted({one.region for one in self.questions} | {region for region, _, _ in self.judged})

    def to_wire(self) -> dict[str, Any]:
        """Return builtins only, to cross to xdist's controller."""
        questions = [[type(one).__name__, dataclasses.asdict(one)] for one in self.questions]
        return {"questions": questions, "judged": [list(one) for one in self.judged]}

    def take(self, wire: Mapping[str, Any]) -> None:
        """Add what another process noted."""
        self.note(*(from_known(_KINDS[kind], fields) for kind, fields in wire["questions"]))
        for region, suite, checkpoint in wire["judged"]:
            self.judged[region, suite, checkpoint] = None
