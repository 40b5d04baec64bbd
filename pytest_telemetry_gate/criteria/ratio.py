"""``ratio:`` - the share of other checks that came out as wanted, over all of them.

The other checks are judged again from their own answers, never read from other items, so that selection, order
and worker processes cannot change the share; the denominator is every check that the suite has at the checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pytest_telemetry_gate.criteria.decide import weigh
from pytest_telemetry_gate.criteria.evidence import Evidence, Problem
from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.fields import Model
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support.suggestions import suggestion

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question
    from pytest_telemetry_gate.model.suite import Suite
    from pytest_telemetry_gate.model.verdict import Verdict

__all__ = ["Ratio"]

_SHOWN = 5  # members named in a reason; the count says how many there are


class RatioOf(Model):
    """Which checks are counted, and which verdicts count for them."""

    of: tuple[str, ...] = Field(min_length=1, description="groups of the suite")
    verdict: tuple[Outcome, ...] = Field(
        default=(Outcome.PASS, Outcome.WARN), min_length=1, description="verdicts that count as wanted"
    )


class Ratio(Criterion):
    """The share of the checks of some groups that have one of the wanted verdicts at the same checkpoint."""

    key: ClassVar[str] = "ratio"
    natural_unit: ClassVar[str] = "ratio"

    ratio: RatioOf = Field(description="which checks are counted, and which verdicts count for them")

    def problems(self, suite: Suite) -> Iterable[tuple[str, str]]:
        """Yield what is wrong where a group does not exist or judges by a ratio itself."""
        yield from super().problems(suite)
        for group in self.ratio.of:
            if group not in suite.groups:
                yield "ratio", f"unknown group {group!r}{suggestion(group, suite.groups)}"
            elif any(isinstance(one, Ratio) for one in suite.groups[group]):
                yield "ratio", f"group {group!r} holds a ratio: a ratio of ratios has no fixed denominator"

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield whatever the other checks ask."""
        for member in self.members(check):
            yield from member.questions()

    def members(self, check: Check) -> list[Check]:
        """Return the checks that make the denominator."""
        return [
            check.sibling(group, criterion)
            for group in self.ratio.of
            for criterion in check.suite.groups[group]
            if check.suite.applies(criterion, check.checkpoint)
        ]

    def judge(self, check: Check, answers: Answers) -> Verdict:
        """Judge every member again and weigh the share of the wanted verdicts."""
        verdicts = [judge(member, answers) for member in self.members(check)]
        if not verdicts:
            empty = Problem(Outcome.INCONCLUSIVE, "no check of these groups applies at this checkpoint")
            return weigh(check, (), Evidence(problem=empty))
        others = [one for one in verdicts if one.outcome not in self.ratio.verdict]
        verdict = weigh(
            check, ((len(verdicts) - len(others)) / len(verdicts),), Evidence({"source": "suite"})
        )
        told = f"{len(verdicts) - len(others)} of {len(verdicts)} checks"
        if others:
            named = ", ".join(f"{one.criterion} {one.outcome}" for one in others[:_SHOWN])
            told += f"; not: {named}{', ...' if len(others) > _SHOWN else ''}"
        return verdict.replaced(reason=f"{verdict.reason}; {told}")
