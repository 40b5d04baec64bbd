"""``ratio:`` - the share of other checks that have one of the wanted verdicts.

The denominator is every check that the suite has at the checkpoint. One that is undecided, and could change the
decision, leaves the share undecided.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.derived import DerivedCriterion, decide_share, from_members
from pytest_telemetry_gate.criteria.evidence import Evidence, Problem
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.fields import Model
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support.suggestions import suggest

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check, Criterion
    from pytest_telemetry_gate.model.suite import Suite

__all__ = ["Ratio"]


class RatioOf(Model):
    """Which checks are counted, and which verdicts count for them."""

    of: tuple[str, ...] = Field(min_length=1, description="groups of the suite")
    verdict: tuple[Outcome, ...] = Field(
        default=(Outcome.PASS, Outcome.WARN), min_length=1, description="verdicts that count as wanted"
    )


class Ratio(DerivedCriterion):
    """The share of the checks of some groups that have one of the wanted verdicts at the same checkpoint."""

    key: ClassVar[str] = "ratio"
    natural_unit: ClassVar[str] = "ratio"

    ratio: RatioOf = Field(description="which checks are counted, and which verdicts count for them")

    def followed(self, suite: Suite) -> Iterable[Criterion]:
        """Return the criteria of its groups."""
        return [criterion for group in self.ratio.of for criterion in suite.groups.get(group, ())]

    def problems(self, suite: Suite) -> Iterable[tuple[str, str]]:
        """Yield a problem for a group that does not exist or has a ratio itself."""
        for group in self.ratio.of:
            if group not in suite.groups:
                yield "ratio", f"unknown group {group!r}{suggest(group, suite.groups)}"
            elif any(isinstance(criterion, Ratio) for criterion in suite.groups[group]):
                yield "ratio", f"group {group!r} holds a ratio: a ratio of ratios has no fixed denominator"
        yield from super().problems(suite)

    def members(self, check: Check) -> list[Check]:
        """Return the checks that make the denominator: all of the groups but informational ones, which decide nothing."""
        return [
            check.sibling(group, criterion)
            for group in self.ratio.of
            for criterion in check.suite.groups[group]
            if not criterion.informational and check.suite.applies(criterion, check.checkpoint)
        ]

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Judge every member again and decide about the share of the wanted verdicts."""
        verdicts = self.judge_members(check, answers)
        if not verdicts:
            reason = "no check of these groups applies at this checkpoint"
            return decide(check, (), Evidence(problem=Problem(Outcome.INCONCLUSIVE, reason, "members.none")))
        evidence = Evidence(from_members(verdicts))
        return decide_share(check, verdicts, self.ratio.verdict, evidence, "checks")
