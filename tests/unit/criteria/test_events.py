"""Alert episodes with their proof, incidents."""

from __future__ import annotations

import numpy as np
import pytest
from gates import START, STEP, UP, MemoryGate, grid, series

from pytest_telemetry_gate.model.events import Episode, Events, Rule
from pytest_telemetry_gate.model.verdict import Outcome

AT = START + 7200
GROUP = "rules.yml;telemetry"
RULE = Rule("Slow", GROUP, STEP, {"team": "telemetry"})
NO_ALERTS = "- {id: no_alerts, alerts: {match: {team: telemetry}}, expect: '== 0'}"


@pytest.fixture
def gate(tmp_path):
    return MemoryGate(tmp_path)


def evaluated(**changes):
    """Return what a Prometheus says about a rule group that is evaluated at every scrape."""
    labels = {"job": "prometheus", "rule_group": GROUP}
    times = changes.get("times", grid())
    failed = changes.get("failed", lambda t: np.zeros(len(t)))
    return [
        series("prometheus_rule_group_last_evaluation_timestamp_seconds", lambda t: t - 1.0, times, **labels),
        series("prometheus_rule_evaluation_failures_total", failed, times, **labels),
    ]


def alerts(
    gate, *extra, rules=(RULE,), complete=True, bounds=(START - 3600, AT + 3600), proof=None, **changes
):
    gate.events = {"alerts": Events(*bounds, complete=complete, rules=tuple(rules), reason="retention")}
    gate.data = [UP, *(evaluated(**changes) if proof is None else proof), *extra]
    return gate.verdict(NO_ALERTS)


def firing(start, seconds, name="Slow", team="telemetry"):
    times = start + np.arange(0, seconds, STEP)
    return series("ALERTS", 1.0, times, alertname=name, alertstate="firing", team=team)


def test_no_alert_and_rules_that_were_evaluated_pass(gate):
    verdict = alerts(gate)
    assert (verdict.outcome, verdict.value) == (Outcome.PASS, 0.0)


def test_an_alert_that_fired_for_three_minutes_and_resolved_is_counted_and_told(gate):
    verdict = alerts(gate, firing(START + 1800, 180))
    assert (verdict.outcome, verdict.value) == (Outcome.FAIL, 1.0)
    assert "Slow{" in verdict.reason
    assert "for 3m" in verdict.reason


def test_an_alert_of_one_evaluation_is_an_episode(gate):
    assert alerts(gate, firing(START + 1800, STEP)).value == 1.0


def test_episodes_of_one_alert_close_together_stay_two(gate):
    first, second = firing(START + 1800, 60), firing(START + 2100, 60)
    both = (first[0], np.concatenate((first[1], second[1])), np.concatenate((first[2], second[2])))
    assert alerts(gate, both).value == 2.0


def test_alerts_of_others_and_pending_ones_do_not_count(gate):
    pending = series(
        "ALERTS",
        1.0,
        START + 1800 + np.arange(0, 60, STEP),
        alertname="Slow",
        alertstate="pending",
        team="telemetry",
    )
    assert alerts(gate, firing(START + 1800, 60, team="db"), pending).value == 0.0


def test_an_alert_carried_in_is_told_apart_and_warns(gate):
    verdict = alerts(gate, firing(START - 900, 1800))
    assert (verdict.outcome, verdict.value) == (Outcome.WARN, 0.0)
    assert "carried in" in verdict.reason


def test_a_matcher_that_matches_no_rule_never_passes(gate):
    verdict = alerts(gate, rules=[Rule("Other", GROUP, STEP, {"team": "db"})])
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert 'team="telemetry"' in verdict.reason
    assert "rules known: Other" in verdict.reason


def test_no_rules_known_never_passes(gate):
    assert alerts(gate, rules=()).outcome is Outcome.INCONCLUSIVE


def test_rules_without_proof_of_evaluation_never_pass(gate):
    verdict = alerts(gate, proof=())
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "nothing proves" in verdict.reason


def test_a_gap_in_the_evaluation_never_passes(gate):
    holes = np.array([time for time in grid() if not START + 1800 < time < START + 2700])
    verdict = alerts(gate, times=holes)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "was not evaluated for 15m" in verdict.reason


def test_failed_evaluations_never_pass(gate):
    verdict = alerts(gate, failed=lambda t: np.where(t < START + 1800, 0.0, 3.0))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "3 failed evaluations" in verdict.reason


def test_a_history_with_holes_never_passes_but_a_seen_alert_fails_all_the_same(gate):
    assert alerts(gate, complete=False).outcome is Outcome.INCONCLUSIVE
    assert alerts(gate, bounds=(START + 60, AT)).outcome is Outcome.INCONCLUSIVE
    unproven = alerts(gate, firing(START + 1800, 60), proof=())
    assert unproven.outcome is Outcome.FAIL


def test_a_proof_by_query_stands_in_for_unknown_rules(gate):
    gate.events = {"alerts": Events(START - 3600, AT + 3600, complete=True)}
    gate.data = [UP, series("up", 1.0, job="prometheus")]
    gate.intervals = {"parser": STEP, "prometheus": STEP}
    criterion = "- {id: no_alerts, alerts: {proof: 'min_over_time(up{job=\"prometheus\"}[$__range])'}, expect: '== 0'}"
    assert gate.verdict(criterion).outcome is Outcome.PASS
    gate.data = [UP, series("up", lambda t: np.where(t < START + 600, 0.0, 1.0), job="prometheus")]
    assert gate.verdict(criterion).outcome is Outcome.INCONCLUSIVE
    gate.data = [UP]
    assert gate.verdict(criterion).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("proof", "looks"),
    [("up", "5m of 2h"), ("vector(1)", "0s of 2h"), ("avg_over_time(up[90m])", "1h 30m of 2h")],
)
def test_a_proof_must_look_at_the_whole_time(gate, proof, looks):
    gate.events = {"alerts": Events(START - 3600, AT + 3600, complete=True)}
    verdict = gate.verdict(f"- {{id: no_alerts, alerts: {{proof: '{proof}'}}, expect: '== 0'}}")
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert f"proof: {proof} looks at {looks}" in verdict.reason


def incidents(gate, *episodes, complete=True, bounds=(START, AT)):
    gate.events = {"incidents": Events(*bounds, complete=complete, episodes=episodes, reason="not imported")}
    return gate.verdict("- {id: none, incidents: {kind: escalation}, expect: '== 0'}")


def test_incidents_of_the_kind_count_and_need_a_complete_history(gate):
    escalation = Episode("escalation", "P1", START + 600, START + 900)
    assert incidents(gate).outcome is Outcome.PASS
    assert incidents(gate, escalation).outcome is Outcome.FAIL
    assert incidents(gate, Episode("incident", "P2", START + 600, None)).outcome is Outcome.PASS
    assert incidents(gate, complete=False).outcome is Outcome.INCONCLUSIVE
    assert incidents(gate, bounds=(START + 1, AT)).outcome is Outcome.INCONCLUSIVE


def test_an_environment_without_an_incident_history_is_an_error(gate):
    verdict = gate.verdict("- {id: none, incidents: {}, expect: '== 0'}")
    assert verdict.outcome is Outcome.ERROR
