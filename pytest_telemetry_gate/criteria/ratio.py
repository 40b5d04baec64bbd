"""``ratio:`` - the share of other checks that have one of the wanted verdicts.

The other checks are judged again from their own answers, never read from other items, so that selection, order
and worker processes cannot change the share; the denominator is every check that the suite has at the checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.evidence import Evidence, Problem
from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.facts import Member, MemberFacts
from pytest_telemetry_gate.model.fields import Model
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support.suggestions import suggest

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question
    from pytest_telemetry_gate.model.suite import Suite

__all__ = ["Ratio"]

_MAX_LISTED = 5  # members named in a reason; the facts hold all of them


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
        """Yield a problem for a group that does not exist or has a ratio itself."""
        yield from super().problems(suite)
        for group in self.ratio.of:
            if group not in suite.groups:
                yield "ratio", f"unknown group {group!r}{suggest(group, suite.groups)}"
            elif any(isinstance(criterion, Ratio) for criterion in suite.groups[group]):
                yield "ratio", f"group {group!r} holds a ratio: a ratio of ratios has no fixed denominator"

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield all questions of the other checks."""
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

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Judge every member again and decide about the share of the wanted verdicts."""
        members = [
            Member.from_verdict(verdict, counts=verdict.outcome in self.ratio.verdict)
            for verdict in (judge(member, answers).verdict for member in self.members(check))
        ]
        if not members:
            reason = "no check of these groups applies at this checkpoint"
            return decide(check, (), Evidence(problem=Problem(Outcome.INCONCLUSIVE, reason, "members.none")))
        others = [member for member in members if not member.counts]
        good = len(members) - len(others)
        dossier = decide(check, (good / len(members),), Evidence({"source": "suite"}))
        text = f"{good} of {len(members)} checks"
        if others:
            named = ", ".join(f"{member.criterion} {member.outcome}" for member in others[:_MAX_LISTED])
            text += f"; not: {named}{', ...' if len(others) > _MAX_LISTED else ''}"
        return dossier.revise(reason=f"{dossier.verdict.reason}; {text}", facts=[MemberFacts(tuple(members))])
