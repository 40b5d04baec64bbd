"""Small parts of a report, for the tests of what is made of them: checks, criteria, suites, and a report around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from pytest_telemetry_gate.model.events import Episode, Evaluation, Rule
from pytest_telemetry_gate.model.facts import EventFacts, Member, MemberFacts
from pytest_telemetry_gate.model.report import (
    CaseReport,
    CheckpointReport,
    CheckReport,
    Content,
    CriterionReport,
    GateReport,
    RegionReport,
    Report,
    RolloutReport,
    SuiteReport,
    WaiverReport,
)
from pytest_telemetry_gate.model.told import Told
from pytest_telemetry_gate.model.verdict import Outcome, join_limits
from pytest_telemetry_gate.reports.overview.tables import Table
from pytest_telemetry_gate.support.units import Limit

_MARKS = {
    Outcome.PASS: "✓",
    Outcome.WARN: "!",
    Outcome.WAIVED: "~",
    Outcome.PENDING: "…",
    Outcome.INCONCLUSIVE: "?",
    Outcome.FAIL: "✗",
}
START = datetime.fromisoformat("2025-01-22T14:00:00-08:00").timestamp()
HOUR = 3600.0
BAD = (
    "<script>alert(1)</script> | `code|` \\ [x](javascript:alert(1)) ![i](http://a/i.png) \x1b[31m \u202e"
    " ::error::no\r\n::error file=a::b %0A ##[error] " + "long " * 2000
)


def moment(checkpoint: str) -> float:
    """Return when a checkpoint such as ``24h`` is."""
    return START + float(checkpoint.removesuffix("h") or 0) * HOUR


def check(
    checkpoint: str = "24h", value: float | None = 58.0, outcome: Outcome = Outcome.PASS, **fields: Any
) -> CheckReport:
    """Return a check at a checkpoint such as ``24h``."""
    given = {"at": moment(checkpoint), "reason": f"{value} it is", "source": "recording"}
    return CheckReport(checkpoint, outcome, value=value, **{**given, **fields})


def criterion(
    name: str = "p95",
    *checks: CheckReport,
    regions: Mapping[str, tuple[CheckReport, ...]] | None = None,
    expect: str = "",
    **fields: Any,
) -> CriterionReport:
    """Return a criterion with its checks, or with those of each region; ``expect`` is its limit."""
    unit = str(fields.get("unit", ""))
    limit = replace(Limit.parse(expect), unit=unit) if expect else None
    shown = limit.shown() if limit is not None else ""
    tolerance, variance_unit = fields.get("tolerance"), str(fields.get("variance_unit", "%"))
    given = {
        "group": "Parser",
        "kind": "query",
        "path": "step2.gate.yaml",
        "line": 38,
        "limit": limit,
        "limit_text": join_limits(shown, tolerance, variance_unit, str(fields.get("better", ""))),
    }
    by_region = {"": checks} if regions is None else regions
    found = {region: RegionReport(tuple(of_region)) for region, of_region in by_region.items()}
    return CriterionReport(name, regions=found, **{**given, **fields})


def suite(*criteria: CriterionReport, **fields: Any) -> SuiteReport:
    """Return a suite with a rollout of 90 minutes in California."""
    regions = tuple(dict.fromkeys(region for one in criteria for region in one.regions))
    checks = [check for one in criteria for content in one.regions.values() for check in content.checks]
    points = {check.checkpoint: CheckpointReport(check.checkpoint, check.at or 0.0) for check in checks}
    given = {
        "title": "Telemetry Step 2",
        "path": "step2.gate.yaml",
        "environment": "recorded",
        "timezone": "America/Los_Angeles",
        "rollout": RolloutReport(START, START + 1.5 * HOUR),
        "regions": regions,
        "sources": dict.fromkeys(regions, "recording step2.telemetry.zip"),
        "checkpoints": tuple(sorted(points.values(), key=lambda point: point.at)),
        "groups": tuple(dict.fromkeys(one.group for one in criteria)),
        "criteria": criteria,
    }
    return SuiteReport("step2", **{**given, **fields})


def report(*suites: SuiteReport, replays: tuple[CaseReport, ...] = (), **fields: Any) -> Report:
    """Return a report of suites, whose gate is as closed as their worst check."""
    outcomes = [check.outcome for one in suites for _, _, check in one.checks()]
    outcomes += [case.outcome for case in replays]
    worst = max(outcomes, key=lambda outcome: outcome.rank, default=Outcome.PASS)
    counts = {str(outcome): outcomes.count(outcome) for outcome in dict.fromkeys(outcomes)}
    gate = GateReport(worst, worst.keeps_gate_open(), "", False, counts, len(outcomes), len(outcomes))
    content = Content(gate, suites, replays)
    return Report(content, **{"digest": "sha256:" + "ab12" * 16, **fields})


def lines(table: Table) -> list[str]:
    """Return a table as lines: its columns, its rows with a mark for each outcome, its notes."""
    rows = [
        " | ".join(cell.text + (_MARKS[cell.outcome] if cell.outcome else "") for cell in row)
        for row in table.rows
    ]
    return [" | ".join(table.columns), *rows, *table.notes]


def alert_facts(**fields: Any) -> EventFacts:
    """Return facts of two alerting rules that were evaluated all the time."""
    variance = "abs(rate(telemetry_events_total[1h]) / 1250 - 1) * 100 > 4"
    rules = (
        Rule("Backlog", "rules.yml;telemetry", 15.0, expr="telemetry_queue_length > 4"),
        Rule("VarianceWarn", "rules.yml;telemetry", 15.0, expr=variance),
    )
    evaluations = (Evaluation("rules.yml;telemetry", 18.6, 60.0, 0.0),)
    return EventFacts(**{"rules": rules, "evaluations": evaluations, **fields})


def hostile_suite() -> SuiteReport:
    """Return a suite in which every text is hostile."""
    facts = alert_facts(episodes=(Episode("alert", BAD, START, None, {"severity": BAD, BAD: BAD}),))
    members = MemberFacts((Member(BAD, BAD, BAD, Outcome.FAIL, BAD, at=START),))
    fields = {"title": BAD, "group": BAD, "path": BAD, "baseline_name": BAD, "unit": "ms"}
    told = Told.model_validate(
        {
            "communication": [
                {"at": "1970-01-01T00:00:00Z", "where": BAD, "what": BAD, "link": "https://a/|<b>"}
            ],
            "artefacts": [{"what": BAD, "uri": BAD, "text": BAD, "sha256": BAD}],
            "runbooks": [
                {
                    "what": BAD,
                    "path": BAD,
                    "done": BAD,
                    "signed": [{"name": BAD, "at": "1970-01-01T00:00:00Z"}],
                }
            ],
            "recommendations": {
                "title": BAD,
                "timeline": BAD,
                "metrics": [{"name": BAD, "text": BAD}],
                "approach": [BAD],
                "risks": [BAD],
            },
            "prepared_by": [{"name": BAD, "role": BAD, "part": BAD}],
            "team": [{"name": BAD}],
            "deployment": BAD,
            "summary": BAD,
            "next_step": {"name": BAD, "text": BAD},
            "observations": {BAD: BAD, "nobody": BAD},
            "lessons": {"well": [{"title": BAD, "text": BAD}], "improve": [{"text": BAD}]},
            "distribution": [BAD],
            "sections": [{"title": BAD, "text": BAD}],
        }
    )
    wrong = {"reason": BAD, "query": BAD, "source": BAD}
    return suite(
        criterion("a", check("24h", 95.0, Outcome.FAIL, baseline=3.0, **wrong), **fields),
        criterion("e", check("24h", 1.0, Outcome.FAIL, events=facts, **wrong), kind="alerts", **fields),
        criterion("r", check("24h", 1.0, Outcome.FAIL, members=members, **wrong), kind="replay", **fields),
        criterion(
            "v", check("24h", None, Outcome.INCONCLUSIVE, variance=None, **wrong), tolerance=5.0, **fields
        ),
        title=BAD,
        sources={BAD: BAD},
        regions=(BAD, ""),
        waivers=(WaiverReport(BAD, BAD, BAD, START, BAD, BAD),),
        told=told,
    )
