"""Reports as runs give them, for the tests of what is made of them: all well, regressed, in three regions, and large."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import sample_verdicts
from sample_verdicts import NAMED, NOW, START

from pytest_telemetry_gate.model.dossier import Dossier, Finding, Requirement
from pytest_telemetry_gate.model.events import Episode, Evaluation
from pytest_telemetry_gate.model.facts import (
    EventFacts,
    Facts,
    ForecastFacts,
    Gap,
    Member,
    MemberFacts,
    TrendFacts,
    TrendPoint,
)
from pytest_telemetry_gate.model.report import (
    Approval,
    BaselineReport,
    CaseReport,
    Change,
    Changes,
    CheckpointReport,
    Content,
    CriterionReport,
    EvidenceFile,
    GateReport,
    Generated,
    RegionReport,
    Report,
    RollbackReport,
    RolloutReport,
    SeriesReport,
    StepReport,
    SuiteReport,
)
from pytest_telemetry_gate.model.told import Told
from pytest_telemetry_gate.model.verdict import Outcome, Verdict
from pytest_telemetry_gate.reports.document.dossiers import criterion_report, region_report
from pytest_telemetry_gate.support.units import Limit

DIGEST = "sha256:16813007795bacc9e6b1f2a4c8d3e5f60718293a4b5c6d7e8f9012a3b4c5d6e7"
HOUR = 3600.0
STEP = 600.0
GAP = Gap(START + 28.2 * HOUR, START + 30.2 * HOUR)
ALERT = Episode(
    "alert", "TelemetryVarianceHigh", START + 38.2 * HOUR, START + 38.25 * HOUR, {"severity": "warning"}
)
KINDS = {"no_alerts": "alerts", "no_escalations": "incidents", "no_incidents": "incidents", "all_within": "ratio",
         "variance_trend": "trend", "window": "rollout", "parser_failures": "count", "parse_events": "count"}  # fmt: skip
LEVELS = {"info": 3.0, "warn": 4.0, "crit": 6.0}
WITHOUT_SERIES = {*KINDS, "parser_restarts", "cli_restarts"}
TOLD = Told.model_validate(
    {
        "timezone": "America/Los_Angeles",
        "prepared_by": [{"name": "Queenie", "role": "QA lead", "part": "validation and testing"}],
        "next_step": {"name": "Step 3 planning", "text": "operational metrics rollout"},
        "observations": {"Parser": "Steady after the first hour; see [the notes](https://example.net/notes)."},
        "communication": [
            {"at": "2025-01-22T14:00:00-08:00", "where": "#p0-sprint2", "what": "Deployment notification"},
            {"at": "2025-01-24T14:45:00-08:00", "where": "#engineering-announcements", "what": "48-hour success"},
        ],
        "artefacts": [{"what": "Grafana alert history", "uri": "confluence://telemetry/alerts", "text": "0 alerts confirmed"}],
        "runbooks": [{"what": "Validation runbook", "path": "validation.md", "signed": [{"name": "Queenie", "at": "2025-01-24T14:20:00-08:00"}]}],
        "lessons": {
            "well": [{"title": "Phased deployment", "text": "feature flag → restart → validation **held**"}],
            "improve": [{"title": "Alert thresholds", "text": "add an `INFO` alert at +3 %"}],
        },
        "recommendations": {"title": "Step 3", "timeline": "Week 4", "approach": ["Feature flag first"], "risks": ["Low traffic"]},
        "distribution": ["#p0-sprint2", "leadership distribution list"],
    }
)  # fmt: skip


def ok() -> Report:
    """Return the report of Telemetry Step 2, in which everything passes, signed by all."""
    signed = [
        Approval("QA lead", "Queenie", NOW + 600, DIGEST, "All spot checks passed"),
        Approval("DevOps lead", "Oliver", NOW + 900, DIGEST, "No incident"),
        Approval("Program manager", "Paris", NOW + 1200, DIGEST),
    ]
    return report(sample_verdicts.step2(), approvals=signed)


def regressed() -> Report:
    """Return the report of Telemetry Step 2 gone wrong, signed by one, for another report."""
    stale = Approval("QA lead", "Queenie", NOW + 600, "sha256:" + "5b0c2f11a8d2" * 5 + "0000", "")
    return report(sample_verdicts.regressed(), approvals=[stale], changes=CHANGES)


def regions() -> Report:
    """Return a report of three regions, of which one went wrong and cannot be reached in the end."""
    return report(sample_verdicts.regions(sample_verdicts.regressed()))


CHANGES = Changes(
    since="sha256:" + "ab" * 32,
    at=NOW - 86400,
    outcome=Outcome.PASS,
    changes=(
        Change("loosened", "parse_duration_p95", "limit <= 90 ms, was <= 85 ms"),
        Change("regressed", "parser_restarts", "fail, was pass"),
    ),
)


def report(
    verdicts: Sequence[Verdict], *, approvals: Iterable[Approval] = (), changes: Changes | None = None
) -> Report:
    """Return the report of some verdicts on Telemetry Step 2."""
    suite = suite_report(verdicts)
    outcome = max((one.outcome for one in verdicts), key=lambda one: one.rank)
    counts = dict(Counter(str(one.outcome) for one in verdicts))
    opens = all(one.keeps_gate_open() for one in verdicts)
    gate = GateReport(outcome, opens, "", counts=counts, collected=len(verdicts), selected=len(verdicts))
    replays = tuple(
        CaseReport(
            "qa-replay", f"case-{number}", Outcome.PASS, f"case {number}", "48h", captured_at=NOW - 900
        )
        for number in range(15)
    )
    evidence = (
        EvidenceFile("suite", "telemetry_step2/step2.gate.yaml", 5231, "0a" * 32),
        EvidenceFile("recording", "telemetry_step2/recordings/step2-48h.telemetry.zip", 401_223, "1b" * 32),
    )
    return Report(
        Content(gate, (suite,), replays, evidence),
        digest=DIGEST,
        generated=Generated(NOW + 60, "pytest-telemetry-gate 0.1.0", {"python": "3.11"}),
        approvals=tuple(approvals),
        changes=changes,
    )


def suite_report(verdicts: Sequence[Verdict]) -> SuiteReport:
    """Return the suite of some verdicts on Telemetry Step 2, with series and evidence made up."""
    named: dict[str, dict[str, list[Verdict]]] = {}
    for one in sample_verdicts_in_order(verdicts):
        named.setdefault(one.criterion, {}).setdefault(one.region, []).append(one)
    criteria = tuple(_criterion(regions) for regions in named.values())
    first = verdicts[0]
    return SuiteReport(
        id=first.suite,
        title=first.suite_title,
        path=first.path,
        sha256="0a" * 32,
        environment=first.environment,
        regions=tuple(dict.fromkeys(one.region for one in verdicts)),
        sources={one.region: one.source for one in verdicts},
        now=NOW,
        timezone="America/Los_Angeles",
        rollout=RolloutReport(START, START + 1.5 * HOUR, (StepReport(START + 120, "feature flag to 100 %"),)),
        checkpoints=tuple(CheckpointReport(name, START + hours * HOUR) for name, hours in NAMED.items()),
        levels=LEVELS,
        baseline=BaselineReport(
            "Sprint 1", "baselines/sprint1.yaml", "2c" * 32, START - 86400 * 7, START + 86400 * 60
        ),
        rollback=RollbackReport(("fail at crit", "incident")),
        roles=("QA lead", "DevOps lead", "Program manager"),
        groups=tuple(dict.fromkeys(one.group for one in verdicts)),
        criteria=criteria,
        told=TOLD,
    )


def sample_verdicts_in_order(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return verdicts by line, region and time."""
    return sorted(verdicts, key=lambda one: (one.line, one.region, one.time or 0.0, not one.named))


def _criterion(regions: dict[str, list[Verdict]]) -> CriterionReport:
    first = next(iter(regions.values()))[0]
    dossiers = {
        region: [
            Dossier(one, _requirement(one), findings=_findings(one), facts=_facts(one, verdicts))
            for one in verdicts
        ]
        for region, verdicts in regions.items()
    }
    parts: dict[str, RegionReport] = {}
    for place, (region, listed) in enumerate(dossiers.items()):
        part = region_report(listed)
        if first.criterion not in WITHOUT_SERIES:
            part = replace(part, series=_series(regions[region], place))
        parts[region] = part
    return criterion_report([one for listed in dossiers.values() for one in listed], parts)


def _requirement(one: Verdict) -> Requirement:
    limit = Limit.parse(one.value_limit) if one.value_limit else None
    return Requirement(
        KINDS.get(one.criterion, "query"),
        limit=limit,
        levels=LEVELS if one.tolerance is not None else {},
        coverage=0.9,
        window=HOUR,
        start=START,
    )


def _findings(one: Verdict) -> tuple[Finding, ...]:
    return () if one.outcome is Outcome.PASS else (Finding("limit", one.outcome, "", one.reason),)


def _facts(one: Verdict, verdicts: Sequence[Verdict]) -> dict[str, Facts]:
    if KINDS.get(one.criterion) == "alerts":
        fired = (ALERT,) if one.outcome is Outcome.FAIL else ()
        evaluations = (Evaluation("telemetry", 19.0, 60.0, 0.0),)
        return {"events": EventFacts(fired, evaluations=evaluations)}
    if KINDS.get(one.criterion) == "ratio":
        outcome = Outcome.FAIL if one.outcome is Outcome.FAIL else Outcome.PASS
        members = (
            Member(
                "parse_duration_p95", one.region, one.checkpoint, outcome, "", counts=outcome is Outcome.PASS
            ),
            Member("parse_duration_p50", one.region, one.checkpoint, Outcome.PASS, ""),
        )
        return {"members": MemberFacts(members)}
    if KINDS.get(one.criterion) == "trend":
        points = tuple(
            TrendPoint(name, START + hours * HOUR, value)
            for (name, hours), value in zip(NAMED.items(), (2.3, 2.2, 2.1, 2.0, 1.9), strict=True)
        )
        return {
            "trend": TrendFacts(
                points,
                -0.2,
                -0.21,
                -0.19,
                forecast=ForecastFacts(START + 72 * HOUR, 1.7, 0.04),
                of="telemetry_variance",
            )
        }
    return {}


def _series(verdicts: Sequence[Verdict], place: int) -> SeriesReport:
    """Return a series through the values of some verdicts, with a ripple, and a gap where they lack coverage."""
    known = [(one.time, one.value) for one in verdicts if one.time is not None and one.value is not None]
    if len(known) < 2:
        return SeriesReport(none="not recorded")
    gaps = (GAP,) if any(one.outcome is Outcome.INCONCLUSIVE for one in verdicts) else ()
    count = int(48 * HOUR / STEP)
    low: list[float | None] = []
    high: list[float | None] = []
    for number in range(count):
        time = START + number * STEP
        if time < START + HOUR or any(gap.start <= time <= gap.end + HOUR for gap in gaps):
            low.append(None)
            high.append(None)
            continue
        value = _between(known, time) * (1 + 0.002 * math.sin(number * 0.7 + place) + 0.003 * place)
        width = abs(value) * 0.0015 * (1.2 + math.sin(number * 1.3))
        low.append(round(value - width, 4))
        high.append(round(value + width, 4))
    return SeriesReport(START, STEP, tuple(low), tuple(high), gaps=gaps)


def _between(known: Sequence[tuple[float, float]], time: float) -> float:
    before = [pair for pair in known if pair[0] <= time] or [known[0]]
    after = [pair for pair in known if pair[0] > time] or [known[-1]]
    (start, first), (end, last) = before[-1], after[0]
    if end <= start:
        return first
    share = (time - start) / (end - start)
    return first + (last - first) * share


def large(criteria: int = 500, regions: int = 3, buckets: int = 288) -> Report:
    """Return a report of many criteria in many regions at five checkpoints, of which one in fifty fails in one region."""
    report = regressed()
    suite = report.content.suites[0]
    model = next(one for one in suite.criteria if one.id == "parse_duration_p95")
    names = tuple(f"region-{number}" for number in range(regions))
    listed = tuple(_like(model, number, names, buckets) for number in range(criteria))
    groups = tuple(dict.fromkeys(one.group for one in listed))
    changed = replace(
        suite, criteria=listed, groups=groups, regions=names, sources=dict.fromkeys(names, "Prometheus")
    )
    gate = GateReport(Outcome.FAIL, opens=False, reason="", counts={"pass": criteria * regions * 5})
    return replace(report, content=replace(report.content, suites=(changed,), gate=gate), changes=None)


def _like(model: CriterionReport, number: int, regions: Sequence[str], buckets: int) -> CriterionReport:
    checks = tuple(check for check in model.regions[""].checks if check.named)
    parts = {}
    for place, region in enumerate(regions):
        fails = number % 50 == 7 and place == 1
        own = tuple(
            replace(
                check,
                outcome=Outcome.FAIL if fails and check.checkpoint == "48h" else Outcome.PASS,
                value=95.0 if fails and check.checkpoint == "48h" else 84.0 + number % 5 + place / 10,
                reason="95 ms is outside the limit <= 90 ms" if fails else "84 ms is inside <= 90 ms",
                query=f'histogram_quantile(0.95, sum by (le) (rate(service_{number}_bucket{{region="{region}"}}[1h])))',
                findings=(),
            )
            for check in checks
        )
        step = 48 * HOUR / buckets
        middle = [84 + number % 5 + math.sin(bucket / 9 + place + number) for bucket in range(buckets)]
        series = SeriesReport(
            START, step, tuple(value - 0.4 for value in middle), tuple(value + 0.4 for value in middle)
        )
        parts[region] = RegionReport(own, series)
    return replace(
        model,
        id=f"service_{number:03}_p95",
        title=f"`service_{number:03}_ms` p95",
        group=f"Team {number // 25}",
        regions=parts,
    )
