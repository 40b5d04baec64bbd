"""Coverage, freshness and due times of checks, from the samples that their selectors read."""

from __future__ import annotations

import numpy as np
import pytest
from gates import HEAD, START, STEP, UP, MemoryGate, grid, series

from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.gate.local_answers import LazyAnswers
from pytest_telemetry_gate.model.answers import Answer, Answers, RegionFacts
from pytest_telemetry_gate.model.questions import ArrivalsQuestion
from pytest_telemetry_gate.model.verdict import Outcome

AT = START + 7200
RATE = "- {id: rate, query: 'sum(rate(done_total[1h]))', expect: '> 0'}"


@pytest.fixture
def gate(tmp_path):
    return MemoryGate(tmp_path)


def done(times=None, **labels):
    return series("done_total", lambda t: t, times, **labels)


def up(values=1.0, times=None, **labels):
    return series("up", values, times, **labels)


def judged(gate, *data, criterion=RATE):
    gate.data = data
    verdict = gate.verdict(criterion)
    return verdict.outcome, verdict.reason


def test_failed_scrapes_are_scrapes_that_were_due(gate):
    lossy = lambda t: (t % 60 == 0) * 1.0  # noqa: E731
    outcome, reason = judged(gate, up(lossy), done(grid(step=60)))
    assert outcome is Outcome.INCONCLUSIVE
    assert "60 of 240 scrapes of a:1 succeeded" in reason


def test_a_whole_job_does_not_hide_a_lossy_one(gate):
    lossy = lambda t: (t % 60 == 0) * 1.0  # noqa: E731
    other = {"job": "mailer", "instance": "m:1"}
    data = [up(), done(), up(lossy, **other), done(grid(step=60), **other)]
    assert judged(gate, *data)[0] is Outcome.INCONCLUSIVE


def test_a_recording_rule_has_its_own_interval_and_no_scrapes(gate):
    rule = "- {id: rate, query: 'avg_over_time(job:done:rate5m[1h])', expect: '> 0'}"
    lossy = lambda t: (t % 60 == 0) * 1.0  # noqa: E731
    assert (
        judged(gate, up(lossy), series("job:done:rate5m", 1, grid(step=60)), criterion=rule)[0]
        is Outcome.PASS
    )
    half = series("job:done:rate5m", 1, grid(step=60, end=AT - 1800))
    assert judged(gate, up(), half, criterion=rule)[0] is Outcome.INCONCLUSIVE


def test_a_target_that_was_down_all_the_time_is_missed_where_the_query_names_its_job(gate):
    named = "- {id: rate, query: 'sum(rate(done_total{job=\"parser\"}[1h]))', expect: '> 0'}"
    data = [up(), done(), up(0.0, instance="b:1")]
    outcome, reason = judged(gate, *data, criterion=named)
    assert outcome is Outcome.INCONCLUSIVE
    assert "b:1 was down all the time" in reason
    assert judged(gate, *data)[0] is Outcome.PASS


def test_a_target_of_the_job_that_never_had_the_metric_is_no_harm(gate):
    named = "- {id: rate, query: 'sum(rate(done_total{job=\"parser\"}[1h]))', expect: '> 0'}"
    assert judged(gate, up(), done(), up(1.0, instance="b:1"), criterion=named)[0] is Outcome.PASS


@pytest.mark.parametrize("jobs", ["parser|mailer", "mailer|parser"])
def test_every_job_that_is_named_must_have_samples(gate, jobs):
    criterion = f"- {{id: rate, query: 'sum(rate(done_total{{job=~\"{jobs}\"}}[1h]))', expect: '> 0'}}"
    outcome, reason = judged(gate, up(), done(), criterion=criterion)
    assert outcome is Outcome.INCONCLUSIVE
    assert "no samples of job 'mailer'" in reason
    assert judged(gate, up(), done(), criterion=criterion.replace(jobs, "par.*"))[0] is Outcome.PASS


def test_nan_is_no_sample(gate):
    criterion = "- {id: c, query: 'max_over_time(cpu[1h])', expect: '< 75'}"
    data = series("cpu", lambda t: np.where(t % 300 == 0, 1.0, np.nan))
    assert judged(gate, data, criterion=criterion)[0] is Outcome.INCONCLUSIVE


def test_one_side_of_or_may_be_empty_but_not_both(gate):
    criterion = "- {id: c, query: 'sum(rate(a_total[1h])) or sum(rate(b_total[1h]))', expect: '>= 0'}"
    for name in ("a_total", "b_total"):
        assert judged(gate, series(name, lambda t: t), criterion=criterion)[0] is Outcome.PASS
        part = series(name, lambda t: t, grid(start=AT - 1200))
        assert judged(gate, part, criterion=criterion)[0] is Outcome.INCONCLUSIVE
    assert judged(gate, UP, criterion=criterion)[0] is Outcome.INCONCLUSIVE
    zero = criterion.replace("sum(rate(b_total[1h]))", "vector(0)")
    assert judged(gate, UP, criterion=zero)[0] is Outcome.INCONCLUSIVE


def test_up_stands_in_for_alerts_alone(gate):
    """``ALERTS`` exist only while one fires; whatever else the query reads must be there."""
    criterion = "- {id: c, query: 'sum(ALERTS) or sum(rate(done_total[1h])) or vector(0)', expect: '>= 0'}"
    assert "coverage" in judged(gate, UP, done(grid(start=AT - 600)), criterion=criterion)[1]
    assert "coverage" not in judged(gate, UP, done(), criterion=criterion)[1]


def test_a_wrong_name_and_wrong_labels_read_differently(gate):
    gate.data = [UP, done()]
    wrong = gate.verdict("- {id: c, query: 'sum(rate(doen_total[1h]))', expect: '> 0'}").reason
    assert "nobody has ever seen a metric 'doen_total' (did you mean 'done_total'?)" in wrong
    labels = gate.verdict("- {id: c, query: 'sum(rate(done_total{zone=\"x\"}[1h]))', expect: '> 0'}").reason
    assert "'done_total' has samples, but none of done_total{zone=\"x\"}" in labels


def changed(gate, **fields):
    """Return the verdict where the answers about samples have other fields."""
    gate.data = [UP, done()]
    (check,) = gate.checks(RATE)
    answers = {
        question: Answer(answer.value, **fields) if isinstance(question, ArrivalsQuestion) else answer
        for question, answer in gate.answers(check).answers.items()
    }
    return judge(check, Answers(gate.now, answers, {"": RegionFacts(gate.intervals)})).verdict


def test_doubt_about_the_samples_reaches_the_verdict(gate):
    assert changed(gate).outcome is Outcome.PASS
    partial = changed(gate, partial=True, warnings=("a store is down",))
    assert partial.outcome is Outcome.INCONCLUSIVE
    assert "a store is down" in partial.reason
    assert changed(gate, error="bad gateway").outcome is Outcome.ERROR


def test_the_dossier_has_the_gaps_and_the_newest_sample(gate):
    times = grid()
    gate.data = [UP, done(times[(times < AT - 1200) | (times > AT - 900)])]
    facts = gate.dossier(RATE).facts["coverage"]
    (selector,) = facts.selectors
    assert (selector.selector, selector.targets, selector.interval) == ("done_total", 1, STEP)
    assert selector.newest == AT
    assert [(gap.start, gap.end) for gap in selector.gaps] == [(AT - 1215, AT - 885)]


TWO_JOBS = {"parser": STEP, "cost": 3600.0}


@pytest.mark.parametrize("matcher", ['{job="parser"}', ""])
def test_a_check_is_due_by_the_jobs_that_it_reads(gate, matcher):
    gate.intervals, gate.data = TWO_JOBS, [UP, done(), series("cost", 1, grid(step=3600), job="cost")]
    criterion = RATE.replace("done_total", f"done_total{matcher}").replace("1h", "5m")
    gate.now = AT + 30
    assert gate.verdict(criterion).outcome is Outcome.PASS
    gate.now = AT + 29
    pending = gate.verdict(criterion)
    assert pending.outcome is Outcome.PENDING
    assert "two scrape intervals of" in pending.reason


def test_a_check_of_the_slow_job_waits_for_it(gate):
    gate.intervals, gate.data = TWO_JOBS, [UP, series("cost", 1, grid(step=3600), job="cost")]
    gate.now = AT + 7199
    pending = gate.verdict("- {id: c, query: 'max_over_time(cost[2h])', expect: '< 2'}")
    assert pending.outcome is Outcome.PENDING
    assert "1h of job 'cost'" in pending.reason


def test_a_region_that_cannot_be_asked_is_an_error_before_anything_is_due(gate):
    (check,) = gate.checks(RATE)
    answers = Answers(START, {}, {"": RegionFacts(failure="connection refused")})
    assert judge(check, answers).outcome is Outcome.ERROR


def test_what_is_not_needed_is_not_asked(gate):
    gate.data = [UP, done()]
    (check,) = gate.checks(RATE)
    answers = gate.answers(check)
    lazy = LazyAnswers(check.questions(), answers.__getitem__)
    judge(check, Answers(gate.now, lazy, {"": RegionFacts(gate.intervals)}))
    assert not [question for question in lazy.received if not question.ahead]


def test_an_offset_is_looked_at_where_it_reads(gate):
    criterion = "- {id: c, query: 'sum(rate(done_total[30m] offset 1h))', expect: '> 0'}"
    times = grid()
    assert judged(gate, done(times[times < AT - 3500]), criterion=criterion)[0] is Outcome.PASS
    assert judged(gate, done(times[times > AT - 4000]), criterion=criterion)[0] is Outcome.INCONCLUSIVE


def test_a_window_without_samples_is_told_from_samples_before_it(gate):
    head = HEAD.replace("[2h]", "[3h]")
    gate.data = [UP, done(grid(end=START + 3 * 3600 - 3700))]
    verdict = gate.verdict(RATE, head)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.value is None


def test_a_target_that_died_just_before_the_window_is_missed(gate):
    """Its samples before the window say that it belongs to the query, its ``up`` that nobody took it away."""
    for seconds in (60, 300, 700):
        dead = AT - 3600 - seconds
        data = [
            UP,
            done(),
            up(lambda t, dead=dead: (t < dead) * 1.0, instance="b:1"),
            done(grid(end=dead), instance="b:1"),
        ]
        outcome, reason = judged(gate, *data)
        assert outcome is Outcome.INCONCLUSIVE
        assert "b:1 was down all the time" in reason
    left = [UP, done(), up(1.0, grid(end=dead), instance="b:1"), done(grid(end=dead), instance="b:1")]
    assert judged(gate, *left)[0] is Outcome.PASS
