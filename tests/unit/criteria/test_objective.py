"""Error budgets: how much is used, how fast it burns, and when nobody can tell."""

from __future__ import annotations

import numpy as np
import pytest
from gates import HEAD, START, UP, MemoryGate, series

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.model.facts import CoverageFacts
from pytest_telemetry_gate.model.verdict import Outcome

AT = START + 7200
BAD = 'bad: \'requests_total{job="parser", code="500"}\''
GOOD = 'good: \'requests_total{job="parser", code="200"}\''
TOTAL = "total: 'requests_total{job=\"parser\"}'"
OK = series("requests_total", lambda at: (at - START) // 15 * 150, code="200")  # 10 a second


@pytest.fixture
def gate(tmp_path):
    return MemoryGate(tmp_path)


def errors(*bursts, base=0.0):
    """A counter of errors that rises by a number at each of some moments."""
    return series(
        "requests_total",
        lambda at: base + sum(((at >= when) * float(by) for when, by in bursts), 0.0 * at),
        code="500",
    )


def judged(gate, *data, part=BAD, more="", head=HEAD):
    gate.data = [UP, *data]
    keys = f"{part}, {TOTAL}, target: 99.9%{more}"
    return gate.dossier(f"- {{id: slo, objective: {{{keys}}}}}", head)


@pytest.mark.parametrize("part", [BAD, GOOD])
def test_the_share_of_the_budget_that_is_used(gate, part):
    dossier = judged(gate, OK, errors((START + 3600, 36)), part=part)
    verdict = dossier.verdict
    assert (verdict.outcome, verdict.unit, verdict.limit) == (Outcome.PASS, "%", "<= 100 %")
    assert verdict.value == pytest.approx(36 / 72036 / 0.001 * 100)
    assert "used 50.0 % of the budget, burn rate 0.500x (36 of 72,036 events bad in 2h)" in verdict.reason
    assert len(dossier.facts[CoverageFacts.kind].selectors) >= 2


def test_a_budget_that_is_longer_than_the_rollout_so_far_is_used_up_by_time(gate):
    verdict = judged(gate, OK, errors((START + 3600, 36)), more=", window: 48h").verdict
    assert verdict.value == pytest.approx(36 / 72036 / 0.001 * 100 / 24)
    assert "of the budget of 2d, burn rate 0.500x" in verdict.reason


def test_a_shorter_budget_forgets_what_is_older(gate):
    assert judged(gate, OK, errors((START + 600, 500)), more=", window: 1h").verdict.value == 0.0


def test_more_bad_events_than_the_budget_fail(gate):
    verdict = judged(gate, OK, errors((START + 3600, 200))).verdict
    assert verdict.outcome is Outcome.FAIL
    assert verdict.value > 270


def test_a_counter_of_errors_that_begins_with_its_first_errors_counts_them(gate):
    late = series("requests_total", 200.0, np.arange(START + 3600, START + 3 * 3600, 15.0), code="500")
    assert judged(gate, OK, late).verdict.outcome is Outcome.FAIL  # increase() is 0 here


def test_a_burn_rate_fails_though_the_budget_lasts(gate):
    burst = errors((AT - 600, 60))
    burn = ", window: 48h, burn: [{over: 1h, at_most: 1.5}]"
    dossier = judged(gate, OK, burst, more=burn)
    assert dossier.outcome is Outcome.FAIL
    assert dossier.verdict.reason.startswith("burn rate 1.7x over 1h, at most 1.5x; used ")
    assert [finding.id for finding in dossier.findings] == ["objective.burn"]


def test_a_burst_that_is_over_is_not_held_against_the_short_window(gate):
    burst = errors((AT - 1800, 60))
    burn = ", window: 48h, burn: [{over: 1h, at_most: 1.5, short: 5m}]"
    verdict = judged(gate, OK, burst, more=burn).verdict
    assert verdict.outcome is Outcome.PASS
    assert "burn rate 1.7x over 1h and 0x over 5m, at most 1.5x" in verdict.reason


def test_a_burn_rate_over_more_than_the_rollout_so_far_waits(gate):
    head = HEAD.replace("[2h]", "[30m, 2h]")
    gate.data = [UP, OK, errors()]
    keys = f"{BAD}, {TOTAL}, target: 99.9%, burn: [{{over: 1h, at_most: 1}}]"
    early, last = gate.verdicts(f"- {{id: slo, objective: {{{keys}}}}}", head)
    assert "not judged yet: the burn rate over 1h" in early.reason
    assert "burn rate 0x over 1h, at most 1x" in last.reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([OK], "absent: "),  # another series of the metric is there, so that no error is known to be 0
        ([errors(base=7)], "no events since 2025-01-22T22:00:00Z"),
        ([], "nobody"),
    ],
)
def test_without_events_nothing_passes(gate, data, reason):
    verdict = judged(gate, *data).verdict
    assert (verdict.outcome is Outcome.PASS) is (data == [OK])
    assert reason in verdict.reason


def test_more_good_events_than_events_are_no_pass(gate):
    many = series("good_total", lambda at: (at - START) * 20)
    part = "good: 'good_total{job=\"parser\"}'"
    verdict = judged(gate, OK, many, part=part).verdict
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "more good events than events, 144,000 of 72,000 since" in verdict.reason


def test_counters_that_restart_are_counted_on(gate):
    def restarted(at):
        return np.where(at < START + 3600, (at - START) * 10.0, (at - START - 3600) * 10.0)

    verdict = judged(gate, series("requests_total", restarted, code="200"), errors((START + 60, 36))).verdict
    assert verdict.value == pytest.approx(50, rel=0.01)


def test_a_gap_in_a_short_window_leaves_its_burn_rate_open(gate):
    times = UP[1][(UP[1] < AT - 3000) | (UP[1] > AT - 600)]
    part = series("requests_total", lambda at: (at - START) * 10, times, code="200")
    gate.data = [series("up", 1, times), part, series("requests_total", 0, times, code="500")]
    keys = f"{BAD}, {TOTAL}, target: 99.9%, burn: [{{over: 1h, at_most: 1}}]"
    verdict = gate.verdict(f"- {{id: slo, coverage: 60%, objective: {{{keys}}}}}")
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.startswith("burn rate over 1h: coverage")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (f"{BAD}, {GOOD}, {TOTAL}, target: 99%", "exactly one of good and bad, has both"),
        (f"{TOTAL}, target: 99%", "exactly one of good and bad, has none"),
        (f"{BAD}, {TOTAL}, target: 100%", "without any budget nothing can be left of it"),
        (f"{BAD}, {TOTAL}, target: 99.9", "must be between 0% and 100%"),
        (f"bad: 'rate(a_total[5m])', {TOTAL}, target: 99%", "is not a plain selector"),
        (f"{BAD}, {TOTAL}, target: 99%, burn: [{{over: 6h, at_most: 6}}]", "over 6h is never known: the last checkpoint is 2h"),
        (f"{BAD}, {TOTAL}, target: 99%, burn: [{{over: 1h, at_most: 0}}]", "greater than 0"),
        (f"{BAD}, {TOTAL}, target: 99%, burn: [{{over: 1h, at_most: 1, short: 2h}}]", "`short` must be shorter"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused(gate, keys, message):
    with pytest.raises(SuiteError, match=message):
        gate.checks(f"- {{id: slo, objective: {{{keys}}}}}")


@pytest.mark.parametrize("key", ["tolerance: 5%, baseline: 1", "window: 1h", "unit: ratio", "reduce: max"])
def test_keys_that_say_nothing_about_a_budget_are_refused(gate, key):
    with pytest.raises(SuiteError, match="an objective has no"):
        gate.checks(f"- {{id: slo, objective: {{{BAD}, {TOTAL}, target: 99%}}, {key}}}")
