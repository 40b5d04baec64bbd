"""The report's compact model and dossiers, one from the other: what reads dossiers reads reports as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_telemetry_gate.model.dossier import Dossier, Requirement
from pytest_telemetry_gate.model.facts import (
    CoverageFacts,
    EventFacts,
    Facts,
    IntervalFacts,
    MemberFacts,
    OtherFacts,
    SeriesFacts,
    TrendFacts,
)
from pytest_telemetry_gate.model.report import CheckReport, CriterionReport, RegionReport, SuiteReport
from pytest_telemetry_gate.model.verdict import Outcome, Verdict

__all__ = ["criterion_report", "dossiers_of", "expand", "region_report"]

# Fields that a verdict and a check of the report have in common, under one name.
_ALIKE = (
    "outcome", "named", "reason", "value", "absent", "variance", "variance_half", "variance_basis", "baseline", "level", "margin", "coverage", "semantics",
    "link", "digest", "baseline_digest", "warnings", "checkpoint",
)  # fmt: skip
# Fields that all verdicts on a criterion have in common.
_OF_CRITERION = (
    "group", "title", "path", "line", "severity", "unit", "variance_unit", "tolerance", "better", "baseline_name",
    "informational",
)  # fmt: skip
_OF_REQUIREMENT = ("kind", "limit", "floor", "levels", "reduce", "combine", "confidence", "coverage", "start")


def criterion_report(dossiers: Sequence[Dossier], regions: dict[str, RegionReport]) -> CriterionReport:
    """Return a criterion from its dossiers, of which there is at least one, and its regions."""
    verdict, requirement = dossiers[-1].verdict, dossiers[-1].requirement
    named = next((one.verdict.baseline_name for one in dossiers if one.verdict.baseline_name), "")
    return CriterionReport(
        id=verdict.criterion,
        limit_text=verdict.limit,
        regions=regions,
        **{name: getattr(verdict, name) for name in _OF_CRITERION if name != "baseline_name"},
        **{name: getattr(requirement, name) for name in _OF_REQUIREMENT},
        baseline_name=named,
    )


def region_report(dossiers: Sequence[Dossier]) -> RegionReport:
    """Return the checks of one criterion in one region; dossiers are in the order of time."""
    checks: list[CheckReport] = []
    query = source = ""
    for dossier in dossiers:
        checks.append(_check_report(dossier, query, source))
        query, source = dossier.verdict.query, dossier.verdict.source
    return RegionReport(tuple(checks))


def _check_report(dossier: Dossier, query: str, source: str) -> CheckReport:
    """Return a check; ``query`` and ``source`` are those of the check before."""
    verdict = dossier.verdict
    passed = dossier.outcome is Outcome.PASS
    facts = dossier.facts
    samples, series = facts.get("coverage"), facts.get("series")
    return CheckReport(
        at=verdict.time,
        window=dossier.requirement.window,
        query=None if verdict.query == query else verdict.query,
        source=None if verdict.source == source else verdict.source,
        findings=dossier.findings,
        steps=() if passed else dossier.steps,
        events=_only(EventFacts, facts.get("events")),
        members=_only(MemberFacts, facts.get("members")),
        trend=_only(TrendFacts, facts.get("trend")),
        interval=None if passed else _only(IntervalFacts, facts.get("interval")),
        samples=None if passed else _only(CoverageFacts, samples),
        series=None if passed else _only(SeriesFacts, series),
        other=tuple(fact for fact in facts.values() if isinstance(fact, OtherFacts)),
        **{name: getattr(verdict, name) for name in _ALIKE},
    )


def _only(kind: type[Any], fact: Facts | None) -> Any:
    """Return facts of a kind; those of a plugin that goes by its name are others."""
    return fact if isinstance(fact, kind) else None


def dossiers_of(suite: SuiteReport) -> list[Dossier]:
    """Return the dossiers of a suite again, in the order of its criteria, regions and checkpoints.

    They are those that the report was made of, without what it did not keep: timing, questions, and of passes the steps
    and the samples.
    """
    return [
        dossier
        for criterion in suite.criteria
        for region in suite.regions_of(criterion)
        for dossier in expand(suite, criterion, region)
    ]


def expand(suite: SuiteReport, criterion: CriterionReport, region: str) -> list[Dossier]:
    """Return the dossiers of one criterion in one region, in the order of time."""
    query = source = ""
    dossiers = []
    for sequence, check in enumerate(criterion.regions[region].checks):
        query = query if check.query is None else check.query
        source = source if check.source is None else check.source
        verdict = Verdict(
            suite=suite.id,
            suite_title=suite.title,
            environment=suite.environment,
            criterion=criterion.id,
            region=region,
            limit=criterion.limit_text,
            time=check.at,
            query=query,
            source=source,
            sequence=sequence,
            **{name: getattr(criterion, name) for name in _OF_CRITERION},
            **{name: getattr(check, name) for name in _ALIKE},
        )
        requirement = Requirement(
            tolerance=criterion.tolerance,
            better=criterion.better,
            unit=criterion.unit,
            window=check.window,
            **{name: getattr(criterion, name) for name in _OF_REQUIREMENT},
        )
        facts = (
            check.events,
            check.members,
            check.trend,
            check.interval,
            check.samples,
            check.series,
            *check.other,
        )
        dossiers.append(
            Dossier(
                verdict,
                requirement,
                steps=check.steps,
                findings=check.findings,
                facts={fact.kind: fact for fact in facts if fact is not None},
            )
        )
    return dossiers
