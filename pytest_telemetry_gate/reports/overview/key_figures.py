"""The figures that people ask for first: how many criteria are met, variance, alerts, incidents, coverage, replays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.facts import MemberFacts
from pytest_telemetry_gate.model.report import Report, SuiteReport
from pytest_telemetry_gate.model.verdict import Outcome, Verdict, worst_outcome
from pytest_telemetry_gate.reports.document.dossiers import dossiers_of
from pytest_telemetry_gate.reports.overview.cells import write_target
from pytest_telemetry_gate.reports.overview.moments import write_length
from pytest_telemetry_gate.support.numbers import format_change, format_percent

__all__ = ["KeyFigure", "list_key_figures"]


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One figure: what it is, the figure, a few words below it; ``outcome`` where it is not as it should be."""

    label: str
    value: str
    note: str = ""
    outcome: Outcome | None = None


def list_key_figures(report: Report) -> list[KeyFigure]:
    """Return the key figures of a report; those that nothing was judged of are left out."""
    suites = [(suite, dossiers_of(suite)) for suite in report.content.suites]
    every = [dossier for _, dossiers in suites for dossier in dossiers]
    return list(_figures(report, suites, every))


def _figures(
    report: Report, suites: Sequence[tuple[SuiteReport, Sequence[Dossier]]], every: Sequence[Dossier]
) -> Iterator[KeyFigure]:
    strict = report.content.gate.strict
    yield from _criteria_met(every, strict=strict)
    for _, dossiers in suites:
        yield from _variance(dossiers)
    yield from _events(every, "alerts", "alerts fired")
    yield from _events(every, "incidents", "incidents")
    yield from _lowest_coverage(every)
    yield from _replays(every)
    for suite, _ in suites:
        yield from _rollout(suite)


def _criteria_met(dossiers: Sequence[Dossier], *, strict: bool) -> Iterator[KeyFigure]:
    criteria: dict[tuple[str, str], list[Verdict]] = {}
    for one in dossiers:
        if one.outcome.judged and not one.verdict.informational:
            criteria.setdefault((one.verdict.path, one.verdict.criterion), []).append(one.verdict)
    if not criteria:
        return
    verdicts = [verdict for group in criteria.values() for verdict in group]
    met = sum(all(verdict.keeps_gate_open(strict=strict) for verdict in group) for group in criteria.values())
    through = sum(verdict.keeps_gate_open(strict=strict) for verdict in verdicts)
    outcome = None if met == len(criteria) else worst_outcome(verdicts)
    note = f"{through:,} of {len(verdicts):,} checks"
    yield KeyFigure("criteria met", f"{met} of {len(criteria)}", note, outcome)


def _variance(dossiers: Sequence[Dossier]) -> Iterator[KeyFigure]:
    """Yield the variance from the first to the last named checkpoint, of the first criterion that limits nothing else."""
    followed = [
        one
        for one in dossiers
        if one.verdict.tolerance is not None
        and not one.verdict.value_limit
        and one.verdict.variance is not None
    ]
    if not followed:
        return
    first = followed[0].verdict
    own = [one.verdict for one in followed if one.verdict.criterion == first.criterion]
    worst = [verdict for verdict in own if verdict.region == _widest(own).region and verdict.named] or own
    start, end = worst[0].variance or 0.0, worst[-1].variance or 0.0
    unit = first.variance_unit
    figures = (
        format_change(end, unit)
        if len(worst) == 1
        else f"{format_change(start)} → {format_change(end, unit)}"
    )
    outcome = worst_outcome(own)
    yield KeyFigure("variance", figures, f"{first.tolerance_text} tolerated", _unless_good(outcome))


def _widest(verdicts: Sequence[Verdict]) -> Verdict:
    return max(verdicts, key=lambda verdict: abs(verdict.variance or 0.0))


def _events(dossiers: Iterable[Dossier], kind: str, label: str) -> Iterator[KeyFigure]:
    """Yield the largest count of a criterion's last judged check, of incidents of those of any kind."""
    last: dict[tuple[str, str], Dossier] = {}
    for one in dossiers:
        if one.requirement.kind == kind and one.outcome.judged:
            last[one.verdict.criterion, one.verdict.region] = one
    if not last:
        return
    counted = [one.verdict for one in last.values() if one.verdict.value is not None]
    outcome = _unless_good(worst_outcome([one.verdict for one in last.values()]))
    if len(counted) < len(last):
        yield KeyFigure(label, "not known", "history incomplete", outcome)
        return
    regions: dict[str, float] = {}
    for verdict in counted:
        regions[verdict.region] = max(regions.get(verdict.region, 0.0), verdict.value or 0.0)
    yield KeyFigure(label, f"{sum(regions.values()):,.0f}", "history complete", outcome)


def _lowest_coverage(dossiers: Iterable[Dossier]) -> Iterator[KeyFigure]:
    dossiers = list(dossiers)
    covered = [one for one in dossiers if one.verdict.coverage is not None]
    if not covered:
        return
    lowest = min(covered, key=lambda one: one.verdict.coverage or 0.0)
    verdict, wanted = lowest.verdict, lowest.requirement.coverage
    share = verdict.coverage or 0.0
    enough = wanted is None or share >= wanted
    note = (
        f"{format_percent(wanted)} wanted"
        if enough and wanted is not None
        else f"{verdict.criterion} at {verdict.checkpoint}"
    )
    # Such as of criteria with `coverage: none`, which pass all the same.
    unproven = dict.fromkeys(
        one.verdict.criterion
        for one in dossiers
        if one.requirement.kind == "query" and one.verdict.value is not None and one.verdict.coverage is None
    )
    if unproven:
        note += f"; none proven for {', '.join(unproven)}"
    yield KeyFigure("lowest coverage", format_percent(share), note, None if enough else Outcome.INCONCLUSIVE)


def _replays(dossiers: Sequence[Dossier]) -> Iterator[KeyFigure]:
    rates = [
        one
        for one in dossiers
        if one.requirement.kind == "replay" and isinstance(one.facts.get("members"), MemberFacts)
    ]
    judged = [one for one in rates if one.outcome.judged]
    if not judged:
        return
    checkpoint = judged[-1].verdict.checkpoint
    last = [one for one in judged if one.verdict.checkpoint == checkpoint]
    members = [
        member
        for one in last
        if isinstance(facts := one.facts["members"], MemberFacts)
        for member in facts.members
    ]
    passed = sum(member.counts for member in members)
    outcome = _unless_good(worst_outcome([one.verdict for one in judged]))
    yield KeyFigure("replays passed", f"{passed} of {len(members)}", f"at {checkpoint}", outcome)


def _rollout(suite: SuiteReport) -> Iterator[KeyFigure]:
    rollout = suite.rollout
    if rollout is None or rollout.end <= rollout.start:
        return
    criterion = next((one for one in suite.criteria if one.kind == "duration"), None)
    target, outcome = "", None
    if criterion is not None:
        judged = [one.verdict for one in dossiers_of(suite) if one.verdict.criterion == criterion.id]
        target = write_target(judged[-1])
        outcome = _unless_good(worst_outcome(judged))
    yield KeyFigure("rollout took", write_length(rollout.end - rollout.start), target, outcome)


def _unless_good(outcome: Outcome | None) -> Outcome | None:
    return None if outcome in {None, Outcome.PASS, Outcome.PENDING} else outcome
