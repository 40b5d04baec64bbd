"""Coverage, freshness and due times of checks, from the samples that their selectors read."""

from __future__ import annotations

import numpy as np
import pytest
from gates import HEAD, START, STEP, UP, MemoryGate, grid, series

from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.criteria.observed import named_jobs
from pytest_telemetry_gate.gate.local_answers import LazyAnswers
from pytest_telemetry_gate.model.answers import Answer, Answers, RegionFacts
from pytest_telemetry_gate.model.questions import ArrivalsQuestion
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support.durations import format_time

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


def replaced(change, *, fails_last=2, fails_first=3, stays=0):
    """Return two pods that follow one another at a time, with scrapes that fail while they end and start."""
    old, new = grid(end=change), grid(start=change + STEP)
    gone = old[-1] - fails_last * STEP
    after = grid(end=change + stays * STEP)
    born = new[0] + fails_first * STEP
    old_pod, new_pod = {"instance": "old:1"}, {"instance": "new:1"}
    return [
        up(lambda t: (t <= gone) * 1.0, after, **old_pod),
        up(lambda t: (t >= born) * 1.0, new, **new_pod),
        done(old[old <= gone], **old_pod),
        done(new[new >= born], **new_pod),
    ]


@pytest.mark.parametrize("change", [AT - 3420, AT - 1800, AT - 240])
def test_a_pod_may_fail_some_scrapes_while_it_starts_and_ends(gate, change):
    outcome, reason = judged(gate, *replaced(change))
    assert outcome is Outcome.PASS, reason
    count = "- {id: n, count: 'failed_total{job=\"parser\"}', absent: zero, expect: '== 0'}"
    outcome, reason = judged(gate, *replaced(change), criterion=count)
    assert outcome is Outcome.PASS, reason


def test_a_target_that_stays_down_behind_its_successor_is_missed(gate):
    outcome, reason = judged(gate, *replaced(AT - 1800, stays=120))
    assert outcome is Outcome.INCONCLUSIVE
    assert "scrapes of old:1 succeeded" in reason


@pytest.mark.parametrize(("fails", "outcome"), [(10, Outcome.PASS), (11, Outcome.INCONCLUSIVE)])
def test_three_of_four_scrapes_of_a_new_target_must_succeed(gate, fails, outcome):
    late, new = grid(start=AT - 40 * STEP, end=AT), {"instance": "new:1"}
    born = late[fails]
    data = [up(), done(), up(lambda t: (t >= born) * 1.0, late, **new), done(late[late >= born], **new)]
    found, reason = judged(gate, *data)
    assert found is outcome, reason


def test_a_new_target_that_fails_more_often_than_not_is_no_start(gate):
    new, late = {"instance": "new:1"}, grid(start=AT - 360)
    lossy = lambda t: (t % 60 == 0) * 1.0  # noqa: E731
    data = [up(), done(), up(lossy, late, **new), done(grid(start=AT - 360, step=60), **new)]
    outcome, reason = judged(gate, *data)
    assert outcome is Outcome.INCONCLUSIVE
    assert "scrapes of new:1 succeeded" in reason


def test_the_scrapes_tell_a_longer_interval_from_lost_samples(gate):
    slower = np.concatenate([grid(end=AT - 1800), grid(start=AT - 1740, step=60)])
    assert judged(gate, up(1.0, slower), done(slower))[0] is Outcome.PASS
    outcome, reason = judged(gate, up(), done(slower))
    assert outcome is Outcome.INCONCLUSIVE
    assert "149 samples of a:1 in 240 scrapes" in reason


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


@pytest.mark.parametrize(
    "jobs", ["parser|mailer", "mailer|parser", "(parser|mailer)", "^(?:parser|mailer)$", "^parser$|^mailer$"]
)
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


def test_jobs_are_named_however_their_list_is_written():
    assert named_jobs(r'a{job=~"v1\\.parser|v1\\.mailer"}') == ("v1.parser", "v1.mailer")
    assert named_jobs('a{job="x"}') == ("x",)
    for pattern in ("v1.parser|x", "a.*", "(a|b)c", "(a|b)|c", ""):
        assert named_jobs(f'a{{job=~"{pattern}"}}') == ()


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


def shifted(phase, **labels):
    times = grid() + phase
    return series("cpu", 1.0, times[times <= AT], **labels)


CPU = "- {id: cpu, query: 'avg(avg_over_time(cpu[1h]))', expect: '< 75'}"


def test_containers_replicas_and_hosts_are_whole_at_times_of_their_own(gate):
    kubelet = {"job": "kubelet", "instance": "n:1"}
    assert (
        judged(gate, shifted(0, pod="a", **kubelet), shifted(7, pod="b", **kubelet), criterion=CPU)[0]
        is Outcome.PASS
    )
    times = grid()
    half = series("cpu", 1.0, times[times < AT - 1800] + 4, pod="b", job="", instance="")
    whole = series("cpu", 1.0, pod="a", job="", instance="")
    assert judged(gate, whole, half, criterion=CPU)[0] is Outcome.INCONCLUSIVE


def test_jitter_is_no_loss(gate):
    times = grid()
    jitter = np.random.default_rng(7).uniform(-3, 3, len(times))
    gate.data = [series("cpu", 1.0, np.sort(times + jitter))]
    assert gate.verdict(CPU).coverage > 0.99


@pytest.mark.parametrize("phase", [0, 1, 100, 299])
def test_a_rule_of_five_minutes_is_whole_without_a_range(gate, phase):
    times = grid(step=300) + phase
    rule = series("slo:errors:ratio", 0.1, times[times <= AT])
    criterion = "- {id: slo, query: 'slo:errors:ratio{job=\"parser\"}', unit: ratio, expect: '<= 20%'}"
    assert judged(gate, UP, rule, criterion=criterion)[0] is Outcome.PASS


def test_targets_that_ended_just_before_the_window_are_missed(gate):
    ended = [done(grid(end=AT - 3660), instance=f"o{number}:1") for number in range(10)]
    back = done(grid(start=AT - 3500), instance="n:1")
    assert judged(gate, *ended, back)[0] is Outcome.INCONCLUSIVE
    all_back = [done(grid(start=AT - 3500), instance=f"n{number}:1") for number in range(10)]
    assert judged(gate, *ended, *all_back)[0] is Outcome.PASS


def test_the_right_side_of_unless_may_be_empty(gate):
    criterion = "- {id: rate, query: 'sum(rate(done_total[1h])) unless on() (busy == 1)', expect: '> 0'}"
    assert judged(gate, done(), criterion=criterion)[0] is Outcome.PASS
    assert (
        judged(gate, done(), series("busy", 0, grid(start=AT - 60)), criterion=criterion)[0]
        is Outcome.INCONCLUSIVE
    )


def test_jobs_that_are_scraped_but_not_read_hold_nothing_up(gate):
    gate.intervals = {**TWO_JOBS, "mid": 60.0}
    gate.data = [UP, done(), up(1.0, grid(step=60), job="mid"), up(1.0, grid(step=3600), job="cost")]
    gate.now = AT + 30
    assert gate.verdict(RATE.replace("done_total[1h]", 'done_total{job!="cost"}[5m]')).outcome is Outcome.PASS
    gate.now = AT + 29
    assert "in 1s" in gate.verdict(RATE.replace("1h", "5m")).reason


def test_a_negative_offset_is_due_when_what_it_reads_is(gate):
    gate.data = [UP, done()]
    criterion = RATE.replace("done_total[1h]", 'done_total{job="parser"}[5m] offset -10m')
    gate.now = AT + 300
    assert gate.verdict(criterion).outcome is Outcome.PENDING
    gate.now = AT + 630
    assert gate.verdict(criterion).outcome is Outcome.PASS


def test_a_target_that_gives_nothing_but_nan_is_missed(gate):
    criterion = "- {id: t, query: 'max(temp{job=\"parser\"})', expect: '< 75'}"
    data = [UP, up(1.0, instance="b:1"), series("temp", 1.0), series("temp", np.nan, instance="b:1")]
    outcome, reason = judged(gate, *data, criterion=criterion)
    assert outcome is Outcome.INCONCLUSIVE
    assert "every sample of b:1 is NaN" in reason
    alone = judged(gate, series("temp", np.nan), criterion=criterion)[1]
    assert "are the labels right" not in alone


def test_up_waives_neither_holes_nor_the_end_of_series_that_are_there(gate):
    criterion = """- {id: c, query: 'sum(increase(err_total[1h])) or vector(0)', up: 'up{job="parser"}', expect: '< 1'}"""
    times = grid()
    err = lambda *parts: series("err_total", 0.0, times[np.logical_or.reduce(parts)])  # noqa: E731
    assert judged(gate, UP, criterion=criterion)[0] is Outcome.PASS
    assert judged(gate, UP, err(times > AT - 900), criterion=criterion)[0] is Outcome.PASS
    assert (
        judged(gate, UP, err(times < AT - 2700, times > AT - 900), criterion=criterion)[0]
        is Outcome.INCONCLUSIVE
    )
    assert judged(gate, UP, err(times < AT - 1800), criterion=criterion)[0] is Outcome.INCONCLUSIVE


def test_old_and_new_pods_of_a_surge_are_not_wanted_together(gate):
    criterion = RATE.replace("1h", "5m")
    old = [done(grid(end=AT - 240), instance=f"o{number}:1") for number in range(3)]
    new = [done(grid(start=AT - 420), instance=f"n{number}:1") for number in range(3)]
    assert judged(gate, *old, *new, criterion=criterion)[0] is Outcome.PASS
    assert judged(gate, *old, *new[:1], criterion=criterion)[0] is Outcome.INCONCLUSIVE


def test_the_line_names_the_targets_that_are_gone(gate):
    data = [done(instance="a:1"), done(instance="b:1"), done(grid(end=AT - 1800), instance="c:1")]
    reason = judged(gate, *data)[1]
    assert (
        "of 3 targets of job 'parser' 1 are gone and none is in their place: c:1 since 2025-01-22T23:29:45Z"
        in reason
    )


def test_up_stands_in_for_the_longest_window_of_the_query(gate):
    criterion = """- {id: c, query: 'sum(increase(err_total[5m])) + sum(increase(bad_total[1h])) or vector(0)',
        up: 'up{job="parser"}', expect: '< 1'}"""
    assert judged(gate, UP, criterion=criterion)[0] is Outcome.PASS
    for up_values in (lambda t: (t > AT - 1800) * 1.0, lambda t: (t < AT - 1800) * 1.0):
        assert judged(gate, up(up_values), criterion=criterion)[0] is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(("limit", "outcome"), [("50%", Outcome.PASS), ("51%", Outcome.INCONCLUSIVE)])
def test_coverage_at_its_limit_is_enough(gate, limit, outcome):
    criterion = RATE.replace("expect", f"coverage: {limit}, expect")
    half = up(lambda t: (t % 30 == 0) * 1.0)
    assert judged(gate, half, done(grid(step=30)), criterion=criterion)[0] is outcome
    absent = criterion.replace("expect", "up: 'up{job=\"parser\"}', expect")
    assert judged(gate, half, done(grid(step=30)), criterion=absent)[0] is outcome


def test_of_the_jobs_that_are_read_the_slowest_decides_when_a_check_is_due(gate):
    gate.intervals = {"parser": STEP, "mid": 60.0, "cost": 3600.0}
    gate.data = [UP, done(), done(grid(step=60), job="mid", instance="m:1")]
    gate.now = AT + 119
    pending = gate.verdict(RATE)
    assert pending.outcome is Outcome.PENDING
    assert "1m of job 'mid'" in pending.reason
    gate.now = AT + 120
    assert gate.verdict(RATE).outcome is Outcome.PASS


def test_targets_that_were_not_looked_at_count_by_their_first_and_last_sample_and_their_number(gate):
    """Six targets of two days are more samples than are read; the third of them flaps, and no ``up`` tells."""
    head = HEAD.replace("[2h]", "[48h]")
    gate.now = START + 50 * 3600
    times = grid(START, START + 48 * 3600 + 1, 30)
    flaps = times[times % 480 < 240]
    criterion = RATE.replace("1h", "48h")
    whole = [done(times, instance=f"{number}:1") for number in range(12)]
    assert gate_verdict(gate, whole, criterion, head).outcome is Outcome.PASS
    lossy = [*whole, *(done(flaps[number:], instance=f"f{number}:1") for number in range(10))]
    assert gate_verdict(gate, lossy, criterion, head).outcome is Outcome.INCONCLUSIVE


def gate_verdict(gate, data, criterion, head):
    gate.data = data
    return gate.verdict(criterion, head)


def test_scrapes_that_fail_all_the_time_count_however_few_they_are_in_a_row(gate):
    answering = lambda t: (t % 75 != 0) * 1.0  # noqa: E731
    outcome, reason = judged(gate, up(answering), done())
    assert outcome is Outcome.INCONCLUSIVE
    assert "192 of 240 scrapes of a:1 succeeded" in reason


@pytest.mark.parametrize("holes", [((3000, 2400), (1200, 900)), ((3000, 2700), (1200, 600))])
def test_the_longest_gap_is_the_one_that_is_told(gate, holes):
    times = grid()
    for first, last in holes:
        times = times[(times <= AT - first) | (times >= AT - last)]
    outcome, reason = judged(gate, done(times))
    first, last = max(holes, key=lambda hole: hole[0] - hole[1])
    assert outcome is Outcome.INCONCLUSIVE
    assert "2 gaps" in reason
    assert reason.endswith(f"the longest {format_time(AT - first)} to {format_time(AT - last)}")
