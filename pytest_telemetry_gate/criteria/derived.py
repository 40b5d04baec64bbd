"""Criteria that follow from other checks: those are judged again, and one that is undecided decides nothing.

The other checks are judged from their own answers, never read from other items, so that selection, order and worker
processes cannot change what follows from them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.evidence import Evidence, Provenance, join_digests
from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.dossier import Dossier, Finding
from pytest_telemetry_gate.model.facts import Member, MemberFacts
from pytest_telemetry_gate.model.verdict import Outcome, Verdict, worst_outcome

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question
    from pytest_telemetry_gate.model.suite import Suite

__all__ = ["DerivedCriterion", "decide_share", "from_members"]

_MAX_LISTED = 5  # members named in a reason; the facts have all of them


class DerivedCriterion(Criterion):
    """A criterion about the verdicts of other checks, its members."""

    def members(self, check: Check) -> list[Check]:
        """Return the checks that it follows from."""
        raise TypeError(type(self))

    def followed(self, suite: Suite) -> Iterable[Criterion]:
        """Return the criteria that its members are checks of, whatever the checkpoint; a circle of them is refused."""
        return ()

    def problems(self, suite: Suite) -> Iterable[tuple[str, str]]:
        """Yield what is wrong with any criterion, and a circle."""
        yield from super().problems(suite)
        yield from self.circles(suite)

    def circles(self, suite: Suite) -> Iterable[tuple[str, str]]:
        """Yield a problem, with the ids on the way, where following its members leads back to it."""
        circle = self._find_circle(suite)
        if circle:
            yield self.key, f"follows from itself: {' -> '.join((self.id, *circle))}"

    def _find_circle(self, suite: Suite) -> tuple[str, ...]:
        """Return the ids on the way from its members back to it, or nothing where there is no such way."""
        ways: list[tuple[Criterion, tuple[str, ...]]] = [(self, ())]
        seen: set[str] = set()
        while ways:
            criterion, way = ways.pop()
            if not isinstance(criterion, DerivedCriterion):
                continue
            for other in criterion.followed(suite):
                if other.id == self.id:
                    return (*way, self.id)
                if other.id not in seen:
                    seen.add(other.id)
                    ways.append((other, (*way, other.id)))
        return ()

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield all questions of the members."""
        for member in self.members(check):
            yield from member.questions()

    def judge_members(self, check: Check, answers: Answers, *, waivers: bool = True) -> list[Verdict]:
        """Judge every member again; without ``waivers``, as if none of them were waived."""
        if not waivers:
            check = dataclasses.replace(check, suite=check.suite.model_copy(update={"waivers": ()}))
        return [judge(member, answers).verdict for member in self.members(check)]

    def others(self, suite: Suite) -> dict[str, Criterion]:
        """Return all other criteria of the suite by their ids."""
        return {
            criterion.id: criterion
            for criteria in suite.groups.values()
            for criterion in criteria
            if criterion is not self
        }

    def find_unusable(self, verdicts: Sequence[Verdict], place: str) -> Finding | None:
        """Return why the variances of the members cannot be used: one has none, or is undecided.

        ``place`` is the field of a verdict in which the members differ: ``region`` or ``checkpoint``.
        """
        for verdict in verdicts:
            if verdict.variance is not None and not verdict.outcome.undecided:
                continue
            where = getattr(verdict, place)
            subject = (
                f"{verdict.criterion} in region {where}"
                if place == "region"
                else f"{verdict.criterion} at {where}"
            )
            outcome = Outcome.ERROR if verdict.outcome is Outcome.ERROR else Outcome.INCONCLUSIVE
            if verdict.variance is None:
                name, problem = "no_variance", f"no variance of {subject}"
            else:
                name, problem = "undecided", f"{subject} is {verdict.outcome}"
            return Finding(f"{self.key}.{name}", outcome, where, f"{problem}: {verdict.reason}")
        return None


def from_members(verdicts: Iterable[Verdict]) -> Provenance:
    """Return where a value came from that follows from other verdicts: the suite, with one digest over all of theirs."""
    return Provenance(source="suite", digest=join_digests(verdict.digest for verdict in verdicts))


def decide_share(
    check: Check,
    verdicts: Sequence[Verdict],
    wanted: Iterable[Outcome],
    evidence: Evidence,
    noun: str,
    *,
    remark: str = "",
) -> Dossier:
    """Decide about the share of the verdicts whose outcome is ``wanted``; there must be one.

    A verdict that is undecided or pending may turn out either way, unless its outcome is wanted: where that could
    change the decision, or none is decided, the share is undecided too. The reason counts the verdicts with ``noun``
    and ends with ``remark``; the facts have all of them.
    """
    among = frozenset(wanted)
    good = sum(verdict.outcome in among for verdict in verdicts)
    summary = _summarize(verdicts, among, noun) + remark
    facts = [
        MemberFacts(
            tuple(Member.from_verdict(verdict, counts=verdict.outcome in among) for verdict in verdicts)
        )
    ]
    unsettled = [
        verdict
        for verdict in verdicts
        if verdict.outcome not in among and (verdict.outcome.undecided or not verdict.outcome.judged)
    ]
    dossier = decide(check, (good / len(verdicts),), evidence)
    if not unsettled or _is_decided(check, good, len(unsettled), len(verdicts)):
        return dossier.revise(reason=f"{dossier.verdict.reason}; {summary}", facts=facts)
    undecided = [verdict for verdict in unsettled if verdict.outcome.undecided] or unsettled
    first = undecided[0]
    outcome = max(Outcome.INCONCLUSIVE, worst_outcome(undecided) or first.outcome, key=lambda one: one.rank)
    reason = f"{summary}; {first.criterion}: {first.reason}"
    finding = Finding("members.undecided", outcome, first.criterion, reason)
    # What the limit says about the share as it stands is no finding: it is not the share.
    without = dataclasses.replace(dossier, findings=())
    return without.revise(outcome=outcome, reason=reason, findings=[finding], facts=facts)


def _summarize(verdicts: Sequence[Verdict], wanted: frozenset[Outcome], noun: str) -> str:
    """Count the wanted verdicts and name some of the others."""
    others = [verdict for verdict in verdicts if verdict.outcome not in wanted]
    text = f"{len(verdicts) - len(others)} of {len(verdicts)} {noun}"
    if not others:
        return text
    named = ", ".join(f"{verdict.criterion} {verdict.outcome}" for verdict in others[:_MAX_LISTED])
    return f"{text}; not: {named}{', ...' if len(others) > _MAX_LISTED else ''}"


def _is_decided(check: Check, good: int, undecided: int, total: int) -> bool:
    """Tell whether the limit says the same however many of the undecided members turn out as wanted."""
    terms = check.criterion
    if undecided == total:
        return False
    if terms.limit is None:
        return True  # whatever else was decided, it was not by the share
    shares = [terms.shown((good + more) / total) for more in range(undecided + 1)]
    return len({terms.limit.holds(share) for share in shares}) == 1
