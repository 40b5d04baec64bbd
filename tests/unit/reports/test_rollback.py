"""What triggers the rollback plan: what happened, what did not, and what nobody can tell."""

from __future__ import annotations

import pytest
from gates import START, make_verdict

from pytest_telemetry_gate.model.dossier import Dossier, Requirement
from pytest_telemetry_gate.model.events import Episode, Rule
from pytest_telemetry_gate.model.facts import EventFacts
from pytest_telemetry_gate.reports.document.rollback import evaluate_rollback

DAY = "2025-01-23T22:00:00Z"


def dossier(outcome, criterion="p95", kind="query", *, hours=24, levels=(), facts=None, **fields):
    verdict = make_verdict(
        outcome, criterion=criterion, time=START + hours * 3600, checkpoint=f"{hours}h", **fields
    )
    requirement = Requirement(kind=kind, levels=dict.fromkeys(levels, 5.0))
    return Dossier(verdict, requirement, facts={} if facts is None else {facts.kind: facts})


def incidents(outcome, value=0.0, query="incidents", **fields):
    starts = [START + 3600 * (index + 1) for index in range(int(value or 0))]
    facts = EventFacts(tuple(Episode("incident", "INC-7", start, None) for start in starts))
    return dossier(outcome, "no_incidents", "incidents", value=value, query=query, facts=facts, **fields)


def alerts(outcome, fired=(), rules=("Slow", "Down"), **fields):
    facts = EventFacts(
        episodes=tuple(Episode("alert", name, START + 3600, START + 3660) for name in fired),
        rules=tuple(Rule(name, "a;b", 15.0) for name in rules),
    )
    return dossier(outcome, "no_alerts", "alerts", facts=facts, **fields)


def tell(condition, *dossiers):
    """Return what is told of one condition: `+` for triggered, `?` for unknown."""
    report = evaluate_rollback([condition], dossiers)
    assert report.when == (condition,)
    return "; ".join(
        [f"+{text}" for text in report.triggered.values()] + [f"?{text}" for text in report.unknown.values()]
    )


CRIT = {"severity": "crit"}


@pytest.mark.parametrize(
    ("condition", "dossiers", "told"),
    [
        ("fail at crit", [dossier("pass", **CRIT)], ""),
        ("fail at crit", [dossier("fail", **CRIT)], f"+p95[24h] failed at {DAY}"),
        ("fail at crit", [dossier("fail", level="crit", levels=["crit"])], f"+p95[24h] failed at {DAY}"),
        ("fail at crit", [dossier("fail", level="warn", levels=["warn", "crit"])], ""),
        ("fail at warn", [dossier("fail", hours=36, **CRIT), dossier("fail", **CRIT)], f"+p95[24h] failed at {DAY}, and 1 more"),
        ("fail at info", [dossier("fail", severity="info")], f"+p95[24h] failed at {DAY}"),
        ("fail at crit", [dossier("fail")], "?no check that was judged can be crit"),
        ("fail at crit", [], "?no check that was judged can be crit"),
        ("fail at crit", [dossier("warn", level="crit", levels=["crit"])], ""),
        ("fail at crit", [dossier("fail", informational=True, **CRIT), dossier("pass", **CRIT)], ""),
        *(
            ("fail at crit", [dossier("pass", hours=12, **CRIT), dossier(outcome, **CRIT)], f"?p95[24h] is {outcome}")
            for outcome in ("inconclusive", "error", "pending", "waived")
        ),
        ("fail at crit", [dossier("pass", **CRIT), dossier("error", levels=["crit"])], "?p95[24h] is error"),
        ("fail at crit", [dossier("pass", **CRIT), dossier("error", levels=["warn"])], ""),
        ("fail of p95", [dossier("fail", region="us")], f"+p95[us-24h] failed at {DAY}"),
        ("fail of p95", [dossier("fail", "p50"), dossier("pass")], ""),
        ("fail of p95", [dossier("fail", "p50")], "?p95 was not judged"),
        ("fail of p95", [dossier("pass"), dossier("pending", hours=36), dossier("error", hours=48)], "?p95[36h] is pending, and 1 more"),
        ("incident", [incidents("pass")], ""),
        ("incident", [incidents("fail", 2.0)], "+INC-7 at 2025-01-22T23:00:00Z, and 1 more"),
        ("incident", [incidents("fail", 1.0), incidents("fail", 1.0, hours=36)], "+INC-7 at 2025-01-22T23:00:00Z"),
        ("incident", [incidents("waived", 1.0)], "+INC-7 at 2025-01-22T23:00:00Z"),
        ("incident", [dossier("fail", "all", "incidents", value=1.0, query="incidents")], "+all[24h] counted some"),
        ("incident", [dossier("pass")], "?no criterion about all incidents was judged"),
        ("incident", [incidents("pass", query="incidents of kind escalation")], "?no criterion about all incidents was judged"),
        ("incident", [incidents("pass", query="incidents of kind incident")], ""),
        ("incident", [incidents("pass"), incidents("inconclusive", None, hours=36)], "?no_incidents[36h] is inconclusive"),
        ("incident", [incidents("pass", region="eu"), incidents("pass", region="us", query="incidents of kind escalation")], "?region us: no criterion about all incidents was judged"),
        ("alert Slow", [alerts("pass")], ""),
        ("alert Slow", [alerts("fail", fired=["Slow"])], "+Slow at 2025-01-22T23:00:00Z"),
        ("alert Slow", [alerts("fail", fired=["Down"])], ""),
        ("alert Slow", [alerts("pass", rules=["Down"])], "?no rule Slow is known to what was judged"),
        ("alert Slow", [alerts("pass"), alerts("pending", rules=[], hours=36)], "?no_alerts[36h] is pending"),
        ("alert Slow", [alerts("pass", region="eu"), alerts("pass", rules=[], region="us")], "?region us: no rule Slow is known to what was judged"),
        ("alert Slow", [], "?no rule Slow is known to what was judged"),
    ],
)  # fmt: skip
def test_a_condition_happened_or_did_not_or_nobody_can_tell(condition, dossiers, told):
    assert tell(condition, *dossiers) == told


def test_conditions_stand_beside_each_other():
    report = evaluate_rollback(["fail at crit", "incident"], [incidents("fail", 1.0)])
    assert set(report.triggered) == {"incident"}
    assert set(report.unknown) == {"fail at crit"}
