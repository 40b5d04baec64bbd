"""``count:`` - the exact growth of counters since the rollout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pytest_telemetry_gate.criteria.baseline import find_stated_reference
from pytest_telemetry_gate.criteria.counters import Counter
from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.queries import SELECTOR, Allowed
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.dossier import Dossier, Step

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question

__all__ = ["Count"]


class Count(Criterion):
    """The exact growth of all counters that a selector names, from the start of the rollout to the checkpoint."""

    key: ClassVar[str] = "count"
    asks_source: ClassVar[bool] = True

    count: str = Field(description="a selector of counters; their growth is summed")
    absent: Literal["zero"] | None = Field(
        default=None, description="`zero`: the counter may never have been seen, and counts as 0 then"
    )

    def expressions(self) -> Mapping[str, tuple[str, Allowed]]:
        """Return the selector."""
        return {"count": (self.count, SELECTOR)}

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield the raw samples, the last ones before them, and when those of the series, the metric and ``up`` arrived."""
        yield from self._counter(check).questions()

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Decide about the growth; without samples it is known only where absence is known to mean 0."""
        counted = self._counter(check).read(answers)
        reference = find_stated_reference(check, answers)
        dossier = decide(check, (counted.growth,), counted.evidence, reference)
        if not counted.absent:
            return dossier
        reason = f"{dossier.verdict.reason}; {counted.absent}"
        return dossier.revise(reason=reason, absent=True, steps=[Step("absent", counted.absent)])

    def _counter(self, check: Check) -> Counter:
        return Counter.of(check, "count", check.start, is_zero_unless_seen=self.absent == "zero")
