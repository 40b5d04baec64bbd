"""``duration: rollout`` - how long the rollout took; needs no data at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.evidence import Evidence, Provenance
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.support.durations import format_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question
    from pytest_telemetry_gate.model.suite import Suite

__all__ = ["RolloutDuration"]


class RolloutDuration(Criterion):
    """The length of the rollout, from its start to its end as the suite states them."""

    key: ClassVar[str] = "duration"
    last_checkpoint_only: ClassVar[bool] = True
    natural_unit: ClassVar[str] = "s"

    duration: Literal["rollout"] = Field(description="`rollout`: from rollout.start to rollout.end")

    def problems(self, suite: Suite) -> Iterable[tuple[str, str]]:
        """Yield also that nobody told the end: the rollout would have no length, which every limit allows."""
        yield from super().problems(suite)
        if suite.rollout.end is None:
            yield "duration", "needs rollout.end, or --telemetry-end"

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield nothing: the suite itself knows."""
        return ()

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Decide about the length of the rollout."""
        rollout = check.suite.rollout
        dossier = decide(check, (rollout.finish - rollout.start,), Evidence(Provenance(source="suite")))
        span = f"{format_time(rollout.start)} to {format_time(rollout.finish)}, {len(rollout.steps)} steps"
        return dossier.revise(reason=f"{dossier.verdict.reason}; {span}")
