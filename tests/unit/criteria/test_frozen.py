"""Gauges that stopped changing, against a limit and against their own baseline."""

from __future__ import annotations

import numpy as np
import pytest
from gates import START, MemoryGate, grid, series

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.model.verdict import Outcome

TIMES = grid(START - 86400, START + 3 * 3600)
UP_LONG = series("up", 1, TIMES)
AT = START + 7200
WITHIN = "{id: alive, frozen: 'cpu{job=\"parser\"}', window: 1h, expect: '<= 30 min'}"
AGAINST = "{id: alive, frozen: 'cpu{job=\"parser\"}', window: 1h, tolerance: 100%, baseline: {offset: 3h, window: 6h}}"


@pytest.fixture
def gate(tmp_path):
    return MemoryGate(tmp_path)


def noise(times, step=0.5):
    """A gauge with a coarse step, so that neighbours are often the same."""
    return np.round(np.random.default_rng(7).normal(50, 1, len(times)) / step) * step


def stuck(since, until=AT + 60):
    def values(times):
        return np.where((times >= since) & (times < until), 43.2, noise(times))

    return values


def judged(gate, criterion, *data):
    gate.data = [UP_LONG, *data]
    return gate.verdict(f"- {criterion}")


def test_a_gauge_that_changes_passes(gate):
    verdict = judged(gate, WITHIN, series("cpu", noise, TIMES))
    assert verdict.outcome is Outcome.PASS
    assert verdict.unit == "min"
    assert verdict.value < 3


def test_one_that_stays_fails_and_says_at_what_and_since_when(gate):
    verdict = judged(gate, WITHIN, series("cpu", stuck(AT - 2400), TIMES))
    assert verdict.outcome is Outcome.FAIL
    assert verdict.value == pytest.approx(40, abs=0.5)
    assert "stayed at 43.2 from 2025-01-22T23:20:00Z to 2025-01-23T00:00:00Z" in verdict.reason


def test_the_baseline_says_how_long_is_too_long(gate):
    passed = judged(gate, AGAINST, series("cpu", noise, TIMES))
    assert (passed.outcome, passed.tolerance_text) == (Outcome.PASS, "+100 %")
    failed = judged(gate, AGAINST, series("cpu", stuck(AT - 600), TIMES))
    assert failed.outcome is Outcome.FAIL
    assert failed.baseline < 120


def test_a_gauge_that_is_constant_in_the_baseline_too_is_undecided(gate):
    verdict = judged(gate, AGAINST, series("cpu", 5.0, TIMES))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "was 5 all the time in the baseline too: nothing to compare" in verdict.reason


def test_a_window_in_which_nothing_could_fail_is_undecided(gate):
    slow = series(
        "cpu", lambda at: np.floor(at / 2400), TIMES
    )  # 40 minutes a value, twice that is more than an hour
    verdict = judged(gate, AGAINST, slow)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "one that never changed in them would pass as well" in verdict.reason


def test_the_worst_of_several_series_is_named(gate):
    alive, frozen = series("cpu", noise, TIMES, pod="a"), series("cpu", stuck(AT - 2400), TIMES, pod="b")
    verdict = judged(gate, WITHIN, alive, frozen)
    assert verdict.outcome is Outcome.FAIL
    assert 'pod="b"' in verdict.reason
    assert "the longest of 2 series" in verdict.reason


def test_a_failure_is_not_hidden_by_a_series_that_nobody_can_compare(gate):
    constant, frozen = series("cpu", 5.0, TIMES, pod="a"), series("cpu", stuck(AT - 2400), TIMES, pod="b")
    assert judged(gate, AGAINST, constant, frozen).outcome is Outcome.FAIL


def test_a_new_pod_is_held_against_the_longest_of_the_old_ones(gate):
    old = series("cpu", noise, TIMES[TIMES < START], pod="a")
    new = series("cpu", stuck(AT - 2400), TIMES[TIMES >= START], pod="b")
    verdict = judged(gate, AGAINST, old, new)
    assert verdict.outcome is Outcome.FAIL
    assert "the longest of all series" in verdict.reason


def test_a_gap_is_no_run_and_coverage_decides_about_it(gate):
    lost = (TIMES > AT - 2400) & (TIMES < AT - 300)
    verdict = judged(gate, WITHIN, series("cpu", noise, TIMES[~lost]))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "coverage" in verdict.reason
    loose = WITHIN.replace("expect", "coverage: 1%, expect")
    verdict = judged(gate, loose, series("cpu", 1.0, TIMES[~lost]))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.startswith("24m 45s were seen")


def test_nothing_is_no_pass(gate):
    assert judged(gate, WITHIN).outcome is Outcome.INCONCLUSIVE
    assert judged(gate, AGAINST, series("cpu", noise, TIMES[TIMES > START])).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        (WITHIN.replace("30 min", "2 h"), "one that never changes in the window 1 h would pass"),
        (WITHIN.replace("window: 1h, ", ""), r"\$__window has no length"),
        (WITHIN.replace("}', w", "}[5m]', w"), "is not a plain selector"),
        (WITHIN.replace("expect", "unit: ms, expect"), "is in seconds"),
        (WITHIN.replace("expect", "reduce: max, expect"), "the one that is worst counts"),
        (
            AGAINST.replace("{offset: 3h, window: 6h}", "{query: other}"),
            "at another time, such as .*, without `query`",
        ),
        (WITHIN.replace(", expect: '<= 30 min'", ""), "needs `expect` or `tolerance`"),
    ],
)
def test_what_could_not_fail_is_refused(gate, criterion, message):
    with pytest.raises(SuiteError, match=message):
        gate.checks(f"- {criterion}")
