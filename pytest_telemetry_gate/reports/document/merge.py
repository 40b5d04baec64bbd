"""Make one report of several: of CI jobs that judged one checkpoint, one region or one suite each."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from pytest_telemetry_gate.errors import ReportError
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.gate_outcome import decide_gate
from pytest_telemetry_gate.model.report import (
    CaseReport,
    Content,
    CriterionReport,
    EvidenceFile,
    GateReport,
    RegionReport,
    Report,
    SeriesReport,
    SuiteReport,
)
from pytest_telemetry_gate.model.verdict import Outcome, Verdict
from pytest_telemetry_gate.reports.document.dossiers import dossiers_of, expand, region_report
from pytest_telemetry_gate.reports.document.rollback import evaluate_rollback
from pytest_telemetry_gate.reports.document.stored import sign
from pytest_telemetry_gate.reports.document.unjudged import find_holes

__all__ = ["merge_reports"]


def merge_reports(reports: Sequence[Report], names: Sequence[str]) -> Report:
    """Return one report of several, of which there is at least one; ``names`` are theirs, for errors and for what differs.

    Of checks that several have (by suite, criterion, region and checkpoint) the one with the later clock counts; pairs
    that differ are listed. Raises ReportError where a suite or the way to judge differs between them.
    """
    if len(reports) == 1:
        return reports[0]
    ordered = sorted(zip(reports, names, strict=True), key=lambda pair: (pair[0].clock, pair[0].generated.at))
    differing: list[str] = [line for report in reports for line in report.differing]
    suites: dict[tuple[str, str], list[tuple[SuiteReport, str]]] = {}
    for report, name in ordered:
        for suite in report.content.suites:
            suites.setdefault((suite.id, suite.environment), []).append((suite, name))
    merged = tuple(_merge_suites(parts, differing) for parts in suites.values())
    cases = _merge_cases(report.content.replays for report, _ in ordered)
    newest = ordered[-1][0]
    content = dataclasses.replace(
        newest.content,
        gate=_decide([report.content for report, _ in ordered], merged, cases),
        suites=merged,
        replays=cases,
        evidence=tuple(_merge_evidence(report.content.evidence for report, _ in ordered)),
    )
    approvals = tuple(dict.fromkeys(approval for report in reports for approval in report.approvals))
    return sign(
        dataclasses.replace(
            newest,
            content=content,
            approvals=approvals,
            differing=tuple(dict.fromkeys(differing)),
            changes=None,
        )
    )


def _merge_suites(parts: Sequence[tuple[SuiteReport, str]], differing: list[str]) -> SuiteReport:
    newest, newest_name = parts[-1]
    for suite, name in parts:
        for what in ("sha256", "rollout", "path"):
            if getattr(suite, what) != getattr(newest, what):
                said = {"sha256": "content", "rollout": "rollout", "path": "path"}[what]
                message = f"{name} and {newest_name}: suite {suite.id!r} has another {said} in each"
                raise ReportError(message)
        if _digest(suite) != _digest(newest):
            message = f"{name} and {newest_name}: suite {suite.id!r} has another baseline in each"
            raise ReportError(message)
    order = {point.id: place for place, point in enumerate(newest.checkpoints)}
    criteria: dict[str, list[tuple[SuiteReport, CriterionReport, str]]] = {}
    for suite, name in parts:
        for criterion in suite.criteria:
            criteria.setdefault(criterion.id, []).append((suite, criterion, name))
    merged = [_merge_criteria(of_one, order, differing) for of_one in criteria.values()]
    places = {group: place for place, group in enumerate(newest.groups)}
    report = dataclasses.replace(
        newest,
        regions=tuple(dict.fromkeys(region for suite, _ in parts for region in suite.regions)),
        sources={region: text for suite, _ in parts for region, text in suite.sources.items()},
        left_out=tuple(name for name in newest.left_out if all(name in suite.left_out for suite, _ in parts)),
        criteria=tuple(sorted(merged, key=lambda one: (places.get(one.group, len(places)), one.line))),
    )
    if report.rollback is None:
        return report
    rollback = evaluate_rollback(report.rollback.when, dossiers_of(report))
    return dataclasses.replace(report, rollback=rollback)


def _digest(suite: SuiteReport) -> str:
    return "" if suite.baseline is None else suite.baseline.sha256


def _merge_criteria(
    parts: Sequence[tuple[SuiteReport, CriterionReport, str]], order: dict[str, int], differing: list[str]
) -> CriterionReport:
    last = parts[-1][1]
    regions: dict[str, RegionReport] = {}
    for region in dict.fromkeys(region for _, criterion, _ in parts for region in criterion.regions):
        checks: dict[str, tuple[Dossier, str]] = {}
        series: SeriesReport | None = None
        for suite, criterion, name in parts:
            if region not in criterion.regions:
                continue
            for dossier in expand(suite, criterion, region):
                key = dossier.verdict.checkpoint
                if key in checks and dossier.outcome is Outcome.PENDING:
                    continue  # a job that came too early for it says nothing about it
                line = _find_difference(checks.get(key), dossier, name)
                if line:
                    differing.append(line)
                checks[key] = (dossier, name)
            found = criterion.regions[region].series
            series = found if found is not None and not found.none else series or found
        ordered = sorted(
            (dossier for dossier, _ in checks.values()),
            key=lambda one: (one.verdict.time or 0.0, order.get(one.verdict.checkpoint, 0)),
        )
        regions[region] = dataclasses.replace(region_report(ordered), series=series)
    return dataclasses.replace(last, regions=regions)


def _find_difference(before: tuple[Dossier, str] | None, dossier: Dossier, name: str) -> str:
    """Return a line about two reports that say different things of one check, empty where they do not."""
    if before is None or before[0].outcome is Outcome.PENDING:
        return ""
    old, now = before[0].verdict, dossier.verdict
    if (old.outcome, old.value, old.variance) == (now.outcome, now.value, now.variance):
        return ""
    return f"{now.name}: {_say(old)} in {before[1]}, {_say(now)} in {name}, which counts"


def _say(verdict: Verdict) -> str:
    return str(verdict.outcome) if verdict.value is None else f"{verdict.outcome} ({verdict.value:g})"


def _merge_cases(parts: Iterable[Sequence[CaseReport]]) -> tuple[CaseReport, ...]:
    cases: dict[tuple[str, str, str, str], CaseReport] = {}
    for part in parts:
        for case in part:
            key = case.suite, case.checkpoint, case.region, case.case
            if key not in cases or case.outcome.judged:
                cases[key] = case
    return tuple(cases.values())


def _merge_evidence(parts: Iterable[Sequence[EvidenceFile]]) -> Iterator[EvidenceFile]:
    files: dict[tuple[str, str], EvidenceFile] = {}
    for part in parts:
        for file in part:
            files[file.path, file.sha256] = file
    yield from files.values()


def _decide(
    contents: Sequence[Content], suites: Sequence[SuiteReport], cases: Sequence[CaseReport]
) -> GateReport:
    """Decide for the gate from all checks together.

    What closed one of the gates beside its verdicts closes this one, and so does what none of the reports judged.
    """
    gates = [content.gate for content in contents]
    verdicts = [dossier.verdict for suite in suites for dossier in dossiers_of(suite)]
    verdicts += [
        Verdict(
            suite=case.suite,
            group="",
            criterion=case.case,
            title=case.title,
            region=case.region,
            checkpoint=case.checkpoint,
            outcome=case.outcome,
            reason=case.reason,
        )
        for case in cases
    ]
    strict = any(gate.strict for gate in gates)
    problems = [
        gate.reason
        for gate in gates
        if not gate.opens and all(_lets_through(outcome, strict=strict) for outcome in gate.counts)
    ]
    holes = find_holes(suites)
    if holes:
        problems.append(f"nothing was judged {', '.join(holes)}")
    missing = _missing(contents, suites, cases)
    collected = len(verdicts) + missing
    if missing:
        problems.append(f"{missing} of {collected} checks are in none of the reports")
    outcome = decide_gate(
        verdicts,
        selected=collected,
        collected=collected,
        problems=list(dict.fromkeys(problems)),
        strict=strict,
    )
    counts = Counter(str(verdict.outcome) for verdict in verdicts)
    return GateReport(
        outcome=outcome.outcome,
        opens=outcome.opens,
        reason=outcome.reason,
        strict=strict,
        counts=dict(sorted(counts.items())),
        collected=collected,
        selected=len(verdicts),
    )


def _missing(contents: Sequence[Content], suites: Sequence[SuiteReport], cases: Sequence[CaseReport]) -> int:
    """Return how many checks that the jobs collected are in none of the reports.

    Jobs that selected a part of equally many are parts of the same whole. The checks of suites that none of them is about
    must not make up for what they left out.
    """
    checks = Counter(suite.path for suite in suites for _ in suite.checks())
    checks.update(case.path for case in cases)
    wholes: dict[int, set[str]] = {}
    for content in contents:
        gate = content.gate
        if gate.selected < gate.collected:
            paths = wholes.setdefault(gate.collected, set())
            paths.update(suite.path for suite in content.suites)
            paths.update(case.path for case in content.replays)
    return max(
        (collected - sum(checks[path] for path in paths) for collected, paths in wholes.items()), default=0
    )


def _lets_through(outcome: str, *, strict: bool) -> bool:
    return Outcome(outcome).keeps_gate_open(strict=strict)
