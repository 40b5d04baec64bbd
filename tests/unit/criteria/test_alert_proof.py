"""What proves that no alert fired: rules that could raise it, saw what they read, and were evaluated all the time."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from gates import HEAD, START, STEP, UP, MemoryGate, grid, series

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.model.events import Episode, Events, Rule, Silence
from pytest_telemetry_gate.model.verdict import Outcome

AT = START + 7200
GROUP = "rules.yml;shop"
EVALUATED = "prometheus_rule_group_last_evaluation_timestamp_seconds"
FAILED = "prometheus_rule_evaluation_failures_total"
NUMBER = "prometheus_rule_group_rules"


def proof(group=GROUP, times=None, failed=0.0, number=None):
    """Return what a Prometheus that scrapes itself says about a rule group."""
    labels = {"job": "prometheus", "rule_group": group}
    found = [series(EVALUATED, lambda at: at - 1.0, times, **labels)]
    if failed is not None:
        found.append(series(FAILED, failed, times, **labels))
    if number is not None:
        found.append(series(NUMBER, number, times, **labels))
    return found


def rule(expr="", alert="Slow", group=GROUP, **labels):
    return Rule(alert, group, STEP, labels, expr)


@pytest.fixture
def gate(tmp_path):
    return MemoryGate(tmp_path)


def judge(gate, rules, match, data, *, extra="", proofs=None, **events):
    history = Events(START - 3600, AT + 3600, complete=True, rules=tuple(rules))
    gate.events = {"alerts": dataclasses.replace(history, **events)}
    gate.data = [UP, *data, *(proof() if proofs is None else proofs)]
    conditions = ", ".join(f"{name}: '{value}'" for name, value in match.items())
    return gate.verdict(f"- {{id: none, alerts: {{match: {{{conditions}}}{extra}}}, expect: '== 0'}}")


@pytest.mark.parametrize(
    ("expr", "labels", "match"),
    [
        ("sum by (namespace) (rate(errors_total[5m])) > 1", {}, {"namespace": "shop"}),
        ("sum by (namespace) (rate(errors_total[5m])) > 1", {}, {"namespace": "shop", "alertname": "Slow"}),
        ("errors_total > 1", {"severity": "{{ $labels.grade }}"}, {"severity": "critical"}),
        ("errors_total > 1", {"severity": "{{ $labels.grade }}"}, {"severity": "critical", "job": "parser"}),
        ("absent(errors_total{job='x', namespace='shop'})", {}, {"namespace": "shop"}),
        ("sum by (namespace) (rate(errors_total{code='500'}[5m])) > 1", {}, {"namespace": "shop"}),
    ],
)
def test_labels_of_series_and_templates_match(gate, expr, labels, match):
    errors = series("errors_total", lambda at: at, namespace="shop", grade="critical")
    verdict = judge(gate, [rule(expr, **labels)], match, [errors])
    assert verdict.outcome is Outcome.PASS, verdict.reason


@pytest.mark.parametrize(
    ("expr", "match"),
    [
        ("sum(rate(errors_total[5m])) > 1", {"namespace": "shop"}),
        ("sum by (namespace) (rate(errors_total[5m])) > 1", {"namespace": "shpo"}),
        ("sum by (grade) (rate(errors_total{namespace='till'}[5m])) > 1", {"namespace": "shop"}),
        ("errors_total{namespace='till'} > 1", {"namespace": "shop"}),
    ],
)
def test_a_label_that_no_series_can_have_is_no_proof(gate, expr, match):
    data = [
        series("errors_total", lambda at: at, namespace=name, grade="critical") for name in ("shop", "till")
    ]
    verdict = judge(gate, [rule(expr)], match, data)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "no alerting rule matches" in verdict.reason
    assert "rules known: Slow" in verdict.reason


def test_a_label_that_another_criterion_asks_for_takes_nothing_from_what_a_rule_can_raise(gate):
    ratio = "sum by (namespace, code) (rate(errors_total{code='500'}[5m])) / on (namespace) group_left () ground_total > 1"
    gate.events = {"alerts": Events(START - 3600, AT + 3600, complete=True, rules=(rule(ratio),))}
    errors = series("errors_total", lambda at: at, namespace="shop", code="404")
    gate.data = [UP, errors, series("ground_total", 1.0, namespace="shop"), *proof()]
    verdicts = gate.verdicts(
        "- {id: shop, alerts: {match: {namespace: shop}}, expect: '== 0'}\n"
        "- {id: other, alerts: {match: {namespace: shop, code: '404'}}, expect: '== 0'}\n"
        "- {id: broken, alerts: {match: {namespace: shop, code: '500'}}, expect: '== 0'}"
    )
    # What has not failed yet with code 500 is not known to have this code, and cannot have another.
    assert [verdict.outcome.value for verdict in verdicts] == ["pass", "inconclusive", "inconclusive"]


def test_what_is_meant_is_suggested(gate):
    errors = series("errors_total", lambda at: at, namespace="shop")
    known = [rule("errors_total > 1", team="till")]
    assert "did you mean namespace 'shop'?" in judge(gate, known, {"namespace": "shpo"}, [errors]).reason
    assert "did you mean alertname 'Slow'?" in judge(gate, known, {"alertname": "Slwo"}, [errors]).reason
    assert "team can be till" in judge(gate, known, {"team": "checkout"}, [errors]).reason


def test_an_alert_that_was_seen_says_what_its_rule_can_raise(gate):
    early = Episode("alert", "Slow", START - 3000, START - 2900, {"pod": "a"})
    verdict = judge(gate, [rule()], {"pod": "a"}, [], episodes=(early,))
    assert verdict.outcome is Outcome.PASS, verdict.reason


@pytest.mark.parametrize(
    ("times", "says"),
    [
        ([], "errors_total has no sample in this time"),
        (grid(end=START + 3600), "errors_total has no sample since"),
        (np.concatenate([grid(end=START + 900), grid(start=START + 5400)]), "has samples in only"),
    ],
)
@pytest.mark.parametrize("with_proof", [False, True])
def test_a_rule_that_sees_nothing_is_no_proof(gate, times, says, with_proof):
    errors = series("errors_total", 1.0, np.asarray(times, dtype=np.float64))
    extra = ", proof: 'min_over_time(up{job=\"parser\"}[$__range])'" if with_proof else ""
    verdict = judge(
        gate, [rule("sum(rate(errors_total[5m])) > 1")], {"alertname": "Slow"}, [errors], extra=extra
    )
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert f"rule Slow could not fire: {says}" in verdict.reason or says in verdict.reason
    assert "`alertname`" in verdict.reason


@pytest.mark.parametrize(
    "expr",
    [
        "rate(requests_total{code='500'}[5m]) > 1",  # nothing failed
        "rate(requests_total{job='parser', code='500'}[5m]) > 1",
        "absent(requests_gone)",
        "up{job='parser'} == 0",
        "requests_total > 1e9 or requests_gone > 1",
        "requests_total > 1e9 unless requests_gone",
        "vector(0) > 1",
        "born_total > 5",  # since the rollout
        "requests_total{code!='500', pod=''} > 1e9",
        "requests_total{error='timeout'} > 1",  # on success it is empty, so nobody has seen it
    ],
)
def test_a_rule_that_could_have_fired_and_did_not_is_proof(gate, expr):
    data = [
        series("requests_total", lambda at: at - START + 9000, code="200"),
        series("born_total", 1.0, grid(start=START + 3600)),
    ]
    verdict = judge(gate, [rule(expr)], {"alertname": "Slow"}, data)
    assert verdict.outcome is Outcome.PASS, verdict.reason


@pytest.mark.parametrize(
    "expr",
    [
        "requests_total{job='nobody'} > 1",  # a job without targets
        "up{job='nobody'} == 0",
        "requests_gone or vector(0) > 1",
        "requests_total / requests_gone > 1",
        "requests_gone unless requests_total",
    ],
)
def test_a_rule_over_what_is_not_there_is_no_proof(gate, expr):
    verdict = judge(gate, [rule(expr)], {"alertname": "Slow"}, [series("requests_total", 1.0)])
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "could not fire" in verdict.reason


def test_a_wrong_job_reads_differently_from_a_wrong_metric(gate):
    def reason(expr):
        return judge(gate, [rule(expr)], {"alertname": "Slow"}, [series("requests_total", 1.0)]).reason

    job = reason("requests_total{job='prser', code='500'} > 1")
    assert 'no target is {job="prser"}, though others have requests_total' in job
    assert "request_total has no sample in this time" in reason("request_total{code='500'} > 1")


def test_a_rule_that_nobody_could_read_is_no_proof_but_may_have_one(gate):
    metricsql = [rule("rate(requests_total) keep_metric_names > 1")]
    match = {"alertname": "Slow"}
    verdict = judge(gate, metricsql, match, [])
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "nothing tells whether rule Slow saw what it reads" in verdict.reason
    assert "proof:" in verdict.reason
    extra = ", proof: 'min_over_time(up{job=\"parser\"}[$__range])'"
    assert judge(gate, metricsql, match, [], extra=extra).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("proofs", "says"),
    [
        ([], "nothing proves that rule group 'rules.yml;shop' was evaluated: there is no"),
        (proof("rules.yml;other"), "nothing proves that rule group 'rules.yml;shop' was evaluated: there is no"),
        (proof(failed=None), "nothing counts the failed evaluations of rule group 'rules.yml;shop'"),
        (proof(failed=lambda at: np.where(at < START + 60, 0.0, 2.0)), "had 2 failed evaluations"),
        (proof(times=START + np.array([100.0, 3600.0, 7100.0])), "was not evaluated for"),
        (proof(times=np.concatenate([grid(end=START), [AT - 20.0]])), "was not evaluated for"),
        (proof(times=grid(start=START + 3600)), "was not evaluated for 59m 59s"),
        (proof(number=lambda at: np.where(at < START + 3600, 1.0, 2.0)), "were added or removed at"),
        ([*proof(), *proof("rules.yml;old", grid(end=START + 3600))], "rule group 'rules.yml;old' was removed"),
    ],
)  # fmt: skip
def test_evaluations_are_proven_by_their_own_times(gate, proofs, says):
    verdict = judge(gate, [rule()], {"alertname": "Slow"}, [], proofs=proofs)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert says in verdict.reason
    if "nothing" in says:
        assert "scrape_configs" in verdict.reason
        assert "proof: PROMQL" in verdict.reason


@pytest.mark.parametrize(
    "proofs",
    [
        proof(number=1.0),
        proof(number=lambda at: np.where(at < START - 60, 1.0, 2.0)),  # before the rollout
        proof(times=grid(step=240.0)),
        [*proof(), *proof("rules.yml;recorded")],  # a group without alerting rules
        [*proof(), *proof("other.yml;old", grid(end=START + 3600))],
        # A group of the same file, and one of another file that changed
        [*proof(), *proof("rules.yml;other", number=1.0)],
        [*proof(), *proof("other.yml;new", number=lambda at: np.where(at < START + 3600, 1.0, 2.0))],
    ],
)
def test_evaluations_without_a_pause_are_proof(gate, proofs):
    verdict = judge(gate, [rule()], {"alertname": "Slow"}, [], proofs=proofs)
    assert verdict.outcome is Outcome.PASS, verdict.reason


def test_what_the_server_says_against_a_rule_counts(gate):
    ill = dataclasses.replace(rule(), trouble="its last evaluation failed: many-to-many")
    verdict = judge(gate, [ill], {"alertname": "Slow"}, [])
    assert (verdict.outcome, verdict.reason) == (
        Outcome.INCONCLUSIVE,
        "rule Slow cannot tell: its last evaluation failed: many-to-many",
    )


def test_external_labels_are_labels_of_every_alert(gate):
    external = {"cluster": "eu"}
    assert judge(gate, [rule()], {"cluster": "eu"}, [], external_labels=external).outcome is Outcome.PASS
    assert (
        judge(gate, [rule()], {"cluster": "us"}, [], external_labels=external).outcome is Outcome.INCONCLUSIVE
    )
    times = START + 600 + np.arange(0, 60, STEP)
    fired = series("ALERTS", 1.0, times, alertname="Slow", alertstate="firing")
    assert judge(gate, [rule()], {"cluster": "eu"}, [fired], external_labels=external).outcome is Outcome.FAIL
    elsewhere = Silence(START, AT, (("cluster", "=", "us"),), "ann")
    verdict = judge(
        gate, [rule()], {"alertname": "Slow"}, [], external_labels=external, silences=(elsewhere,)
    )
    assert verdict.outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("failing", "outcome"),
    [((), Outcome.PASS), (("a",), Outcome.INCONCLUSIVE), (("a", "b"), Outcome.INCONCLUSIVE)],
)
def test_every_series_of_a_proof_must_prove_it(gate, failing, outcome):
    evaluated = [series("evaluated", 0.0 if pod in failing else 1.0, pod=pod) for pod in ("a", "b")]
    extra = ", proof: 'min_over_time(evaluated[$__range])'"
    verdict = judge(gate, [], {"alertname": "Slow"}, evaluated, extra=extra, proofs=[])
    assert verdict.outcome is outcome
    assert ("is 0, so the rules were not evaluated" in verdict.reason) == bool(failing)


@pytest.mark.parametrize(("window", "outcome"), [("$__range", Outcome.PASS), ("5m", Outcome.INCONCLUSIVE)])
def test_every_part_of_a_proof_looks_at_the_whole_time(gate, window, outcome):
    parts = f"min_over_time(evaluated[{window}]) and min_over_time(evaluated[$__range])"
    evaluated = [series("evaluated", 1.0)]
    for query in (parts, " and ".join(reversed(parts.split(" and ")))):
        extra = f", proof: '{query}'"
        verdict = judge(gate, [], {"alertname": "Slow"}, evaluated, extra=extra, proofs=[])
        assert verdict.outcome is outcome, verdict.reason


def test_a_proof_does_not_excuse_a_match_that_no_rule_can_have(gate):
    extra = ", proof: 'min_over_time(up{job=\"parser\"}[$__range])'"
    verdict = judge(gate, [rule()], {"alertname": "Slwo"}, [], extra=extra)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "no alerting rule matches" in verdict.reason
    alone = judge(gate, [], {"alertname": "Slwo"}, [], extra=extra)
    assert alone.outcome is Outcome.PASS
    assert "no rules are known, so the proof alone" in alone.reason


def test_variables_of_a_match_are_replaced(gate):
    (gate.folder / "x").mkdir()
    head = HEAD + "variables: {team: shop}\n"
    gate.events = {"alerts": Events(START - 60, AT, complete=True, rules=(rule(team="shop", region=""),))}
    gate.data = [UP, *proof()]
    verdict = gate.verdict(
        "- {id: none, alerts: {match: {team: $team, region: $region}}, expect: '== 0'}", head
    )
    assert verdict.outcome is Outcome.PASS, verdict.reason
    with pytest.raises(SuiteError, match=r"small.gate.yaml:\d+: criterion 'none'.*\$tema"):
        gate.checks("- {id: none, alerts: {match: {team: $tema}}, expect: '== 0'}", head)


@pytest.mark.parametrize(
    ("data", "rules", "outcome"),
    [
        (proof(), [rule()], Outcome.PASS),
        ([], [rule()], Outcome.INCONCLUSIVE),
        (proof(), [], Outcome.INCONCLUSIVE),
        (proof(), [rule(alert="Other")], Outcome.INCONCLUSIVE),
        (proof(), [rule("gone > 1")], Outcome.INCONCLUSIVE),
    ],
)
def test_a_query_on_alerts_needs_the_same_proof(gate, data, rules, outcome):
    gate.events = {"alerts": Events(START - 60, AT, complete=True, rules=tuple(rules))}
    gate.data = [UP, *data]
    query = 'count(ALERTS{alertname=~"Slow|Slower", alertstate="firing"}) or vector(0)'
    verdict = gate.verdict(f"- {{id: none, query: '{query}', expect: '== 0'}}")
    assert verdict.outcome is outcome, verdict.reason


@pytest.mark.parametrize(
    ("read", "outcome"),
    [
        ("ALERTS", Outcome.PASS),
        ("count_over_time(ALERTS[10m])", Outcome.PASS),
        ("count_over_time(ALERTS[1h])", Outcome.INCONCLUSIVE),
        ("count_over_time(ALERTS[10m]) + count_over_time(ALERTS[1h])", Outcome.INCONCLUSIVE),
        ("count_over_time(ALERTS[10m] offset 20m)", Outcome.INCONCLUSIVE),
    ],
)
def test_a_query_on_alerts_needs_proof_for_the_time_that_it_reads(gate, read, outcome):
    pause = np.array([at for at in grid() if not AT - 2400 < at < AT - 1200])
    gate.events = {"alerts": Events(START - 60, AT, complete=True, rules=(rule(),))}
    gate.data = [UP, *proof(times=pause)]
    verdict = gate.verdict(f"- {{id: none, query: 'count({read}) or vector(0)', expect: '== 0'}}")
    assert verdict.outcome is outcome, verdict.reason


def test_a_gap_as_long_as_is_allowed_is_none(gate):
    def judged(pause):
        times = np.array([at for at in grid() if not START + 1800 < at < START + 1800 + pause])
        return judge(gate, [rule()], {"alertname": "Slow"}, [], proofs=proof(times=times)).outcome

    assert (judged(4 * STEP), judged(5 * STEP)) == (Outcome.PASS, Outcome.INCONCLUSIVE)


def test_an_unknown_kind_of_incident_is_named_with_the_known_ones(gate):
    def incidents(kind, **events):
        history = Events(START, AT, complete=True)
        gate.events = {"incidents": dataclasses.replace(history, **events)}
        return gate.verdict(f"- {{id: none, incidents: {{kind: {kind}}}, expect: '== 0'}}")

    assert incidents("escalation").outcome is Outcome.PASS
    typo = incidents("escalations")
    assert typo.outcome is Outcome.INCONCLUSIVE
    assert "(did you mean 'escalation'?); known: escalation, incident" in typo.reason
    assert incidents("outage").outcome is Outcome.INCONCLUSIVE
    assert incidents("outage", kinds=("outage",)).outcome is Outcome.PASS
    assert incidents("incident", kinds=("outage",)).outcome is Outcome.INCONCLUSIVE
    seen = Episode("outage", "P1", START - 600, START - 300)
    assert incidents("outage", episodes=(seen,)).outcome is Outcome.PASS
