"""Exact counts of counters: growth, absence, and counters that are gone."""

from __future__ import annotations

import numpy as np
import pytest
from gates import HEAD, START, UP, MemoryGate, grid, series
from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.criteria.counters import growth
from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.model.answers import Answer, Answers, RegionFacts
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.promql import Matrix


@pytest.fixture
def gate(tmp_path):
    return MemoryGate(tmp_path)


def failures(gate, values, times=None, **keys):
    gate.data = [UP, series("failed_total", values, times)]
    extra = "".join(f", {key}: {value}" for key, value in keys.items())
    return gate.verdict(f"- {{id: failures, count: 'failed_total{{job=\"parser\"}}', expect: '== 0'{extra}}}")


def test_a_counter_that_stands_still_has_grown_by_nothing(gate):
    verdict = failures(gate, 7.0)
    assert (verdict.outcome, verdict.value) == (Outcome.PASS, 0.0)


def test_growth_is_exact_and_not_extrapolated(gate):
    verdict = failures(gate, lambda t: np.where(t < START + 3600, 5.0, 6.0))
    assert (verdict.outcome, verdict.value) == (Outcome.FAIL, 1.0)


def test_growth_before_the_rollout_does_not_count(gate):
    verdict = failures(gate, lambda t: np.where(t < START, 5.0, 9.0))
    assert verdict.value == 0.0


def test_a_counter_born_in_the_window_at_one_counts_one(gate):
    verdict = failures(gate, 1.0, grid(START + 3600))
    assert (verdict.outcome, verdict.value) == (Outcome.FAIL, 1.0)


def test_a_reset_does_not_hide_what_was_counted_before_and_after(gate):
    verdict = failures(gate, lambda t: np.where(t < START + 1800, 5.0, np.where(t < START + 3600, 8.0, 2.0)))
    assert verdict.value == 5.0


COUNTED = "- {id: failures, count: 'failed_total{job=\"parser\"}', expect: '== 0'}"
TAKEN_FOR_0 = COUNTED.replace("expect", "absent: zero, expect")
OF_FRAUD = COUNTED.replace('"parser"', '"parser", reason="fraud"')


def judged(gate, criterion, *data):
    gate.data = data
    dossier = gate.dossier(criterion)
    return dossier.outcome, dossier.verdict.value, dossier.verdict.reason


def test_a_counter_that_nobody_has_seen_is_unknown_and_gets_the_nearest_name(gate):
    outcome, _, reason = judged(gate, COUNTED, UP, series("faild_total", 3.0))
    assert outcome is Outcome.INCONCLUSIVE
    assert "nobody has ever seen a metric 'failed_total' (did you mean 'faild_total'?)" in reason
    assert "`absent: zero`" in reason


def test_a_counter_is_absent_and_zero_where_somebody_knows_it_and_its_target_was_up(gate):
    for criterion, metadata in (
        (TAKEN_FOR_0, {}),
        (COUNTED, {"failed_total": "counter"}),
        (COUNTED, {"failed": "c"}),
    ):
        gate.metadata = metadata
        outcome, value, reason = judged(gate, criterion, UP)
        assert (outcome, value) == (Outcome.PASS, 0.0)
        assert "absent: no series of failed_total" in reason
        assert gate.verdict(criterion).absent
        for data in ([series("up", 0.0)], [series("up", 1.0, grid(end=START + 1800))], []):
            assert judged(gate, criterion, *data)[0] is Outcome.INCONCLUSIVE


def test_other_labels_of_the_same_metric_make_labels_that_were_never_seen_zero(gate):
    outcome, value, reason = judged(gate, OF_FRAUD, UP, series("failed_total", 3.0, reason="limit"))
    assert (outcome, value) == (Outcome.PASS, 0.0)
    assert "none of them with these labels" in reason
    gone = series("failed_total", 3.0, grid(end=START + 1800), reason="limit")
    assert judged(gate, OF_FRAUD, UP, gone)[0] is Outcome.INCONCLUSIVE
    elsewhere = series("failed_total", 3.0, job="mailer", reason="limit")
    assert judged(gate, OF_FRAUD, UP, elsewhere)[0] is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("end", [START - 600, START + 600, START + 5400, START + 7100])
@pytest.mark.parametrize("criterion", [COUNTED, TAKEN_FOR_0])
def test_a_counter_that_was_there_and_is_gone_is_no_zero(gate, end, criterion):
    gate.metadata = {"failed_total": "counter"}
    outcome, _, reason = judged(gate, criterion, UP, series("failed_total", 0.0, grid(end=end)))
    assert outcome is Outcome.INCONCLUSIVE
    assert "is gone" in reason


def test_what_a_counter_counted_before_it_went_is_a_failure_all_the_same(gate):
    rises = series("failed_total", lambda t: np.where(t < START + 600, 0.0, 4.0), grid(end=START + 3600))
    assert judged(gate, COUNTED, UP, rises)[:2] == (Outcome.FAIL, 4.0)


def test_a_counter_that_one_of_two_targets_lost_is_gone(gate):
    data = [UP, series("up", 1.0, instance="b:1"), series("failed_total", 0.0)]
    lost = series("failed_total", 0.0, grid(end=START + 3600), instance="b:1")
    assert judged(gate, COUNTED, *data, lost)[0] is Outcome.INCONCLUSIVE


def test_a_counter_may_go_with_its_target_where_another_has_taken_its_place(gate):
    old, new = grid(end=START + 3600), grid(START + 3610)
    data = [
        series("up", 1.0, old),
        series("up", 1.0, new, instance="b:1"),
        series("failed_total", 2.0, old),
        series("failed_total", 0.0, new, instance="b:1"),
    ]
    outcome, value, _ = judged(gate, COUNTED, *data)
    assert (outcome, value) == (Outcome.PASS, 0.0)


def test_a_counter_is_counted_from_its_last_sample_before_the_rollout_however_old(gate):
    times = grid(START - 7200)
    hole = times[(times < START - 1500) | (times > START + 600)]
    values = lambda t: np.where(t < START - 1000, 4000.0, 4007.0)  # noqa: E731
    data = [series("up", 1.0, times), series("failed_total", values, hole)]
    assert judged(gate, COUNTED.replace("== 0", "< 10"), *data)[1] in {7.0, None}
    shorter = times[(times < START - 1500) | (times > START + 15)]
    data = [series("up", 1.0, times), series("failed_total", values, shorter)]
    assert judged(gate, COUNTED, *data)[:2] == (Outcome.FAIL, 7.0)


def test_up_stands_in_for_a_baseline_at_the_time_of_the_baseline(gate):
    """Errors that never happened are absent in both windows; what was not scraped then is no baseline."""
    criterion = """- {id: errors, query: 'sum(count_over_time(errors[1h])) or vector(0)', up: 'up{job="parser"}',
        tolerance: 5%, floor: 1, baseline: {offset: 1d}}"""
    now = grid(START, START + 3 * 3600)
    gate.data = [series("up", 1.0, np.concatenate([now - 86400, now]))]
    assert gate.verdict(criterion).outcome is Outcome.PASS
    gate.data = [series("up", 1.0, now)]
    assert gate.verdict(criterion).outcome is Outcome.INCONCLUSIVE


def test_up_of_another_target_proves_nothing(gate):
    gate.data = [series("up", 1.0, job="other")]
    verdict = gate.verdict("- {id: failures, count: 'failed_total{job=\"parser\"}', expect: '== 0'}")
    assert verdict.outcome is Outcome.INCONCLUSIVE


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.sets(st.integers(1, 29), max_size=5))
def test_growth_is_the_sum_of_what_was_added_however_often_it_restarts(steps, restarts):
    total, values = 0, []
    for index, step in enumerate(steps):
        # A restart is only visible where the counter comes back lower than it was.
        total = step if index in restarts and step < total else total + step
        values.append(float(total))
    added = sum(steps)
    times = START + 1 + np.arange(len(values), dtype=np.float64)
    matrix = Matrix([{}], times, np.array([values]), np.ones((1, len(values)), dtype=bool))
    assert growth(matrix, START) == added


ANY_JOB = COUNTED.replace('{job="parser"}', "")


def test_other_jobs_neither_vouch_for_a_counter_nor_stand_against_it(gate):
    """Which targets would have a counter that is not there is unknown where its job is not named."""
    gate.metadata = {"failed_total": "counter"}
    outcome, _, reason = judged(gate, ANY_JOB, UP)
    assert outcome is Outcome.INCONCLUSIVE
    assert "name their job in the selector" in reason
    flaps = series("up", lambda t: (t % 480 < 240) * 1.0, job="mailer", instance="m:1")
    assert judged(gate, ANY_JOB, UP, flaps, series("failed_total", 2.0))[0] is Outcome.PASS
    both = COUNTED.replace('job="parser"', 'job=~"parser|mailer"')
    mailer = series("failed_total", 2.0, job="mailer", instance="m:1")
    assert judged(gate, both, UP, flaps, series("failed_total", 2.0), mailer)[0] is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("name", ["done_seconds_count", "done_seconds_sum", "done_seconds_bucket"])
def test_the_metadata_know_the_series_of_a_histogram_by_its_family(gate, name):
    gate.metadata = {"done_seconds": "histogram"}
    criterion = COUNTED.replace("failed_total", name)
    assert judged(gate, criterion, UP)[0] is Outcome.PASS
    gate.metadata = {"done_seconds": "gauge"}
    assert judged(gate, criterion, UP)[0] is Outcome.INCONCLUSIVE


def test_one_sample_does_not_keep_a_counter_alive(gate):
    single = series("failed_total", 0.0, np.array([START + 600]))
    outcome, _, reason = judged(gate, COUNTED, UP, single)
    assert outcome is Outcome.INCONCLUSIVE
    assert "is gone" in reason


def test_a_label_of_replaced_pods_may_go_with_them_where_the_metric_is_there(gate):
    """The commonest rollout there is: every pod is new, and has not failed yet."""
    old, new = grid(end=START + 1800), grid(START + 1815)
    data = [
        series("up", 1.0, old),
        series("up", 1.0, new, instance="b:1"),
        series("failed_total", 3.0, old, reason="fraud"),
        series("failed_total", 1.0, new, instance="b:1", reason="limit"),
    ]
    assert judged(gate, OF_FRAUD, *data)[:2] == (Outcome.PASS, 0.0)
    renamed = [*data[:3], series("failures_total", 1.0, new, instance="b:1", reason="limit")]
    assert judged(gate, OF_FRAUD, *renamed)[0] is Outcome.INCONCLUSIVE
    same_pod = [UP, data[2], series("failed_total", 1.0, reason="limit")]
    assert judged(gate, OF_FRAUD, *same_pod)[0] is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_a_counter_with_an_odd_sample_is_told_as_one(gate, odd):
    outcome, _, reason = judged(
        gate, COUNTED, UP, series("failed_total", lambda t: np.where(t == START + 600, odd, 0.0))
    )
    assert outcome is Outcome.INCONCLUSIVE
    assert "a sample of failed_total" in reason
    assert "no counter" in reason


def test_labels_never_seen_of_a_metric_that_is_gone_are_no_zero(gate):
    gate.metadata = {"failed_total": "counter"}
    gone = series("failed_total", 3.0, grid(end=START + 3600), reason="limit")
    for criterion in (OF_FRAUD, OF_FRAUD.replace("expect", "absent: zero, expect")):
        outcome, _, reason = judged(gate, criterion, UP, gone)
        assert outcome is Outcome.INCONCLUSIVE
        assert "is gone" in reason


def test_an_up_that_selects_nothing_proves_nothing(gate):
    criterion = COUNTED.replace("expect", "up: 'up{job=\"prser\"}', expect")
    outcome, _, reason = judged(gate, criterion, UP, series("failed_total", 3.0))
    assert outcome is Outcome.INCONCLUSIVE
    assert 'no samples of up{job="prser"}' in reason


def test_a_long_count_sees_replaced_pods_as_a_recording_does(gate):
    """Three replicas for 48 h are more samples than are looked at one by one."""
    head = HEAD.replace("[2h]", "[48h]")
    gate.now = START + 50 * 3600
    old, new = grid(end=START + 600), grid(START + 615, START + 48 * 3600 + 1)
    pods = [(f"o{n}:1", old) for n in range(3)] + [(f"n{n}:1", new) for n in range(3)]
    gate.data = [
        *(series("up", 1.0, times, instance=name) for name, times in pods),
        *(series("failed_total", 0.0, times, instance=name) for name, times in pods),
    ]
    verdict = gate.verdict(COUNTED, head)
    assert (verdict.outcome, verdict.value) == (Outcome.PASS, 0.0), verdict.reason


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({}, Outcome.PASS),
        ({"partial": True, "warnings": ("a store is down",)}, Outcome.INCONCLUSIVE),
        ({"error": "bad gateway"}, Outcome.ERROR),
    ],
)
def test_doubt_about_the_samples_before_the_rollout_reaches_the_verdict(gate, fields, outcome):
    gate.data = [UP, series("failed_total", 3.0)]
    (check,) = gate.checks(COUNTED)
    answers = {
        question: Answer(None if "error" in fields else answer.value, **fields)
        if question.text.startswith("last_over_time")
        else answer
        for question, answer in gate.answers(check).answers.items()
    }
    verdict = judge(check, Answers(gate.now, answers, {"": RegionFacts(gate.intervals)})).verdict
    assert verdict.outcome is outcome


def test_the_up_that_the_suite_names_counts_whatever_job_it_is_of(gate):
    criterion = COUNTED.replace("expect", "up: 'up{job=\"gateway\"}', expect")
    data = [UP, series("failed_total", 3.0)]
    gateway = {"job": "gateway", "instance": "g:1"}
    assert judged(gate, criterion, *data, series("up", 1.0, **gateway))[0] is Outcome.PASS
    flaps = series("up", lambda t: (t % 480 < 240) * 1.0, **gateway)
    assert judged(gate, criterion, *data, flaps)[0] is Outcome.INCONCLUSIVE


def matrix(*series):
    """Return raw samples every 15 s, one second before the start at the earliest; None where a series has none."""
    times = START + 15.0 * np.arange(-1, len(series[0][1]) - 1)
    values = np.array(
        [[np.nan if value is None else float(value) for value in numbers] for _, numbers in series]
    )
    labels = [{"__name__": "failed_total", "pod": pod} for pod, _ in series]
    return Matrix(labels, times, values, ~np.isnan(values))


@pytest.mark.parametrize(
    ("series", "base", "grown"),
    [
        ([("a", [4, 4, 6, 6])], {}, 2),  # from the sample at the start, not the one after it
        ([("a", [3, 4, 6, 9])], {}, 5),
        ([("a", [None, None, 6, 9])], {}, 9),
        ([("a", [None, None, 6, 9])], {"a": 5.0}, 4),
        ([("a", [None, None, 6, 9])], {"b": 5.0}, 9),
        ([("a", [None, None, 6, 9]), ("b", [None, None, 1, 1])], {"a": 6.0, "b": 1.0}, 3),
        ([("a", [None, None, 2, 9])], {"a": 5.0}, 9),
        ([("a", [4, 4, 4, 1])], {}, 1),
        ([("a", [4, 4, 4, None])], {}, 0),
    ],
)
def test_growth_is_counted_from_the_last_sample_up_to_the_start_of_each_series(series, base, grown):
    before = {frozenset({("pod", pod)}): value for pod, value in base.items()}
    assert growth(matrix(*series), START, before) == grown
    assert base or growth(matrix(*series), START) == grown


@pytest.mark.parametrize(("first", "end"), [(START - 1800, START - 1200), (START + 600, START + 3600)])
def test_a_counter_that_is_gone_is_no_zero_whether_it_went_before_the_rollout_or_came_after_it(
    gate, first, end
):
    gate.metadata = {"failed_total": "counter"}
    criterion = "- {id: failures, count: failed_total, expect: '<= 9', absent: zero}"
    gone = series("failed_total", 3.0, grid(first, end))
    outcome, _, reason = judged(gate, criterion, UP, gone)
    assert outcome is Outcome.INCONCLUSIVE
    assert judged(gate, criterion, UP, gone, series("failed_total", 3.0, pod="new"))[0] is Outcome.PASS, (
        reason
    )


@pytest.mark.parametrize("born", [START - 1800, START + 60])
def test_a_counter_that_went_with_its_target_and_is_nowhere_else_is_gone(gate, born):
    """Before the rollout or within it; the target that took the place of its own was scraped all the time."""
    gate.metadata = {"failed_total": "counter"}
    left = START - 1200 if born < START else START + 3600
    data = [
        series("up", 1.0, grid(end=left)),
        series("up", 1.0, grid(left), instance="b:1"),
        series("failed_total", 0.0, grid(born, left)),
    ]
    for criterion in (COUNTED, TAKEN_FOR_0):
        outcome, _, reason = judged(gate, criterion, *data)
        assert (outcome, "is gone: renamed or dropped?" in reason) == (Outcome.INCONCLUSIVE, True)
    elsewhere = series("failed_total", 0.0, grid(left), instance="b:1")
    assert judged(gate, COUNTED, *data, elsewhere)[0] is Outcome.PASS
