"""Make the report of a run: from its dossiers, the outcome of its gate, and what is known of its suites."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_telemetry_gate.model.dossier import APPROVALS, CASE, Dossier
from pytest_telemetry_gate.model.report import (
    Approval,
    BaselineReport,
    CaseReport,
    CheckpointReport,
    Content,
    CriterionReport,
    EvidenceFile,
    GateReport,
    Generated,
    RegionReport,
    Report,
    RolloutReport,
    SeriesReport,
    StepReport,
    SuiteReport,
    WaiverReport,
)
from pytest_telemetry_gate.reports.document.dossiers import criterion_report, region_report
from pytest_telemetry_gate.reports.document.rollback import evaluate_rollback
from pytest_telemetry_gate.reports.document.stored import sign
from pytest_telemetry_gate.reports.rows import sort_dossiers
from pytest_telemetry_gate.support.durations import format_short_duration, format_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.baseline import Baseline
    from pytest_telemetry_gate.model.gate_outcome import GateOutcome
    from pytest_telemetry_gate.model.suite import Suite

__all__ = ["RunFacts", "SuiteFacts", "SuiteKey", "build_report", "key_of"]


class SuiteKey(NamedTuple):
    """By what suites of a run are told apart: a file is judged anew in every environment."""

    path: str
    suite: str
    environment: str


@dataclass(frozen=True, slots=True)
class SuiteFacts:
    """What is known of a judged suite besides its verdicts.

    ``suite`` is its file, None for hand-written tests. ``sources`` are descriptions by region, in the order of the
    environment. Both digests are SHA-256 in hex; ``baseline_path`` is as people write it. ``recorded`` is whether the clock is
    no wall clock: that of recordings, or one that was told.
    """

    suite: Suite | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    sha256: str = ""
    baseline_path: str = ""
    baseline_sha256: str = ""
    recorded: bool = True


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of a run besides its verdicts: its counts of tests, its suites, and the files that it rests on.

    ``series`` are for plots, by suite, criterion and region.
    """

    collected: int = 0
    selected: int = 0
    suites: Mapping[SuiteKey, SuiteFacts] = field(default_factory=dict)
    series: Mapping[tuple[SuiteKey, str, str], SeriesReport] = field(default_factory=dict)
    evidence: tuple[EvidenceFile, ...] = ()
    approvals: tuple[Approval, ...] = ()
    generated: Generated = field(default_factory=Generated)


def key_of(dossier: Dossier) -> SuiteKey:
    """Return the suite that a dossier belongs to."""
    verdict = dossier.verdict
    return SuiteKey(verdict.path, verdict.suite, verdict.environment)


def build_report(dossiers: Sequence[Dossier], gate: GateOutcome, facts: RunFacts) -> Report:
    """Return the report of a run, with its digest; neither depends on the order in which verdicts arrived."""
    ordered = sort_dossiers(dossiers)
    suites: dict[SuiteKey, list[Dossier]] = {}
    for dossier in ordered:
        if dossier.requirement.kind != CASE:
            suites.setdefault(key_of(dossier), []).append(dossier)
    content = Content(
        gate=GateReport(
            outcome=gate.outcome,
            opens=gate.opens,
            reason=gate.reason,
            strict=gate.strict,
            counts=dict(sorted(Counter(str(dossier.outcome) for dossier in ordered).items())),
            collected=facts.collected,
            selected=facts.selected,
        ),
        suites=tuple(
            _suite_report(key, of_suite, facts.suites.get(key, SuiteFacts()), facts.series)
            for key, of_suite in suites.items()
        ),
        replays=tuple(_case_report(one) for one in ordered if one.requirement.kind == CASE),
        evidence=facts.evidence,
    )
    return sign(Report(content, generated=facts.generated, approvals=facts.approvals))


def _suite_report(
    key: SuiteKey,
    dossiers: Sequence[Dossier],
    facts: SuiteFacts,
    series: Mapping[tuple[SuiteKey, str, str], SeriesReport],
) -> SuiteReport:
    suite = facts.suite
    verdicts = [dossier.verdict for dossier in dossiers]
    criteria = tuple(_criteria(key, dossiers, series))
    report = SuiteReport(
        id=key.suite,
        title=next((verdict.suite_title for verdict in verdicts if verdict.suite_title), ""),
        path=key.path,
        sha256=facts.sha256,
        environment=key.environment,
        regions=tuple(facts.sources) or tuple(dict.fromkeys(verdict.region for verdict in verdicts)),
        sources=dict(facts.sources),
        now=_clock(dossiers, recorded=facts.recorded),
        groups=tuple(dict.fromkeys(criterion.group for criterion in criteria)),
        criteria=criteria,
    )
    if suite is None:
        return report
    return replace(
        report,
        timezone=suite.timezone,
        rollout=RolloutReport(
            suite.rollout.start,
            suite.rollout.finish,
            tuple(StepReport(step.at, step.do) for step in suite.rollout.steps),
        ),
        checkpoints=tuple(
            CheckpointReport(point.id, point.at, point.window, point.named) for point in suite.points
        ),
        levels={} if suite.levels is None else _percents(suite.levels.model_dump(exclude_none=True)),
        baseline=None if suite.baseline is None else _baseline(suite.baseline, facts),
        rollback=None
        if suite.rollback is None
        else evaluate_rollback([condition.text for condition in suite.rollback.when], dossiers),
        roles=suite.approvals,
        waivers=tuple(
            WaiverReport(
                one.criterion, one.reason, one.owner, one.until, one.region or "", one.checkpoint or ""
            )
            for one in suite.waivers
        ),
        groups=tuple(suite.groups),
        told=suite.told,
        left_out=tuple(_left_out(suite, criteria)),
    )


def _left_out(suite: Suite, criteria: Iterable[CriterionReport]) -> Iterator[str]:
    """Yield the criteria of a suite that its report is not about; who signed it is no part of it."""
    reported = {criterion.id for criterion in criteria}
    for group in suite.groups.values():
        yield from (one.id for one in group if one.id not in reported and one.key != APPROVALS)


def _clock(dossiers: Iterable[Dossier], *, recorded: bool) -> float | None:
    """Return the clock that a suite was judged by.

    The wall clock, by which live data are judged, would make equal judgements differ: in its place stands the latest moment
    at which one of the judged checks was due.
    """
    timings = [(one.outcome.judged, one.timing) for one in dossiers if one.timing is not None]
    due = [timing.due for judged, timing in timings if judged]
    if not recorded and due:
        return max(due)
    return max((timing.now for _, timing in timings), default=None)


def _percents(levels: Mapping[str, float]) -> dict[str, float]:
    return {name: size * 100 for name, size in levels.items()}


def _baseline(baseline: Baseline, facts: SuiteFacts) -> BaselineReport:
    content = baseline.content
    if baseline.offset is not None:
        origin = f"the same query {format_short_duration(baseline.offset)} earlier"
    elif baseline.at is not None:
        origin = f"the same query at {format_time(baseline.at)}"
    elif baseline.weeks is not None:
        origin = f"the same query at the same hour of {baseline.weeks} weeks before, averaged"
    elif baseline.last is not None:
        origin = "the last run that passed"
    elif baseline.control is not None:
        labels = ", ".join(f"{name}={value!r}" for name, value in baseline.control.items())
        origin = f"the same query of the control group {labels}"
    else:
        origin = baseline.query or ""
    return BaselineReport(
        name=baseline.name or ("" if content is None else content.name),
        path=facts.baseline_path,
        sha256=facts.baseline_sha256,
        measured=None if content is None else content.measured,
        expires=None if content is None else content.expires,
        origin=origin,
    )


def _criteria(
    key: SuiteKey,
    dossiers: Iterable[Dossier],
    series: Mapping[tuple[SuiteKey, str, str], SeriesReport],
) -> Iterator[CriterionReport]:
    criteria: dict[tuple[str, str], dict[str, list[Dossier]]] = {}
    for dossier in dossiers:
        verdict = dossier.verdict
        regions = criteria.setdefault((verdict.group, verdict.criterion), {})
        regions.setdefault(verdict.region, []).append(dossier)
    for (_, criterion), regions in criteria.items():
        reports: dict[str, RegionReport] = {
            region: replace(region_report(of_region), series=series.get((key, criterion, region)))
            for region, of_region in regions.items()
        }
        yield criterion_report([one for of_region in regions.values() for one in of_region], reports)


def _case_report(dossier: Dossier) -> CaseReport:
    verdict = dossier.verdict
    wrong = [finding for finding in dossier.findings if not finding.level.good]
    return CaseReport(
        suite=verdict.suite,
        case=verdict.criterion,
        outcome=verdict.outcome,
        title=verdict.title,
        checkpoint=verdict.checkpoint,
        region=verdict.region,
        reason=verdict.reason,
        details=tuple(finding.message for finding in sorted(wrong, key=lambda one: -one.level.rank)),
        captured_at=verdict.time,
        path=verdict.path,
        line=verdict.line,
    )
