"""``spread:`` - how far the regions lie apart in the variance of another criterion."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.derived import DerivedCriterion, from_members
from pytest_telemetry_gate.criteria.evidence import Evidence
from pytest_telemetry_gate.model.dossier import Dossier, Finding
from pytest_telemetry_gate.model.facts import Member, MemberFacts
from pytest_telemetry_gate.model.fields import Model
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support.numbers import format_change
from pytest_telemetry_gate.support.suggestions import suggest

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check, Criterion
    from pytest_telemetry_gate.model.suite import Suite

__all__ = ["Spread"]


class SpreadOf(Model):
    """Which criterion's variance is compared between the regions."""

    of: str = Field(description="the criterion whose variance is compared")


class Spread(DerivedCriterion):
    """The largest less the smallest variance of a criterion over all regions, in percentage points."""

    key: ClassVar[str] = "spread"
    natural_unit: ClassVar[str] = "pp"
    always_over_regions: ClassVar[bool] = True

    spread: SpreadOf = Field(description="whose variance is compared between the regions")

    def followed(self, suite: Suite) -> Iterable[Criterion]:
        """Return the criterion whose variance it looks at."""
        other = self.others(suite).get(self.spread.of)
        return () if other is None else (other,)

    def problems(self, suite: Suite) -> Iterable[tuple[str, str]]:
        """Yield a problem if the criterion does not exist or is judged over all regions itself."""
        yield from super().problems(suite)
        others = self.others(suite)
        other = others.get(self.spread.of)
        if other is None:
            yield "spread", f"unknown criterion {self.spread.of!r}{suggest(self.spread.of, others)}"
        elif other.over_regions:
            yield "spread", f"criterion {other.id!r} is judged over all regions at once, so it has no spread"

    def members(self, check: Check) -> list[Check]:
        """Return the criterion's check in every region."""
        group, criterion = check.suite.find(self.spread.of)
        return [check.within(region).sibling(group, criterion) for region in check.regions]

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Decide about the difference; a region without a variance, or undecided, leaves it open, and one region has no spread."""
        verdicts = self.judge_members(check, answers, waivers=False)  # no waiver makes a variance known
        facts = [MemberFacts(tuple(Member.from_verdict(verdict) for verdict in verdicts))]
        unusable = self.find_unusable(verdicts, "region")
        if unusable is not None:
            return check.dossier(unusable.level, unusable.message, findings=[unusable], facts=facts)
        variances = {verdict.region: verdict.variance for verdict in verdicts if verdict.variance is not None}
        if len(variances) < 2:
            reason = "a spread needs at least two regions"
            finding = Finding("spread.one_region", Outcome.INCONCLUSIVE, check.criterion.id, reason)
            return check.dossier(Outcome.INCONCLUSIVE, reason, findings=[finding], facts=facts)
        value = max(variances.values()) - min(variances.values())
        dossier = decide(check, (value,), Evidence(from_members(verdicts)))
        unit = verdicts[0].variance_unit
        parts = ", ".join(
            f"{region} {format_change(variance, unit)}" for region, variance in variances.items()
        )
        return dossier.revise(reason=f"{dossier.verdict.reason}; {parts}", facts=facts)
