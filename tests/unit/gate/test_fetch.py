"""Asking ahead: batches, their order, limits, and what happens when one fails."""

from __future__ import annotations

import threading
import time

import pytest
from children import PATIENCE, until

from pytest_telemetry_gate.gate.fetch import Batch, Fetcher, batches, joinable
from pytest_telemetry_gate.gate.shared_answers import SharedAnswers
from pytest_telemetry_gate.model.answers import Answer
from pytest_telemetry_gate.model.questions import EventsQuestion, Instant, Range
from pytest_telemetry_gate.promql import Scalar

LIMITS = {"eu": 16, "us": 16}


def instants(count, region="eu", at=100.0):
    return [Instant(region, f"m{number}", at) for number in range(count)]


def answer(question):
    return Answer(Scalar(1.0, 0.0), source=getattr(question, "promql", ""))


def test_small_questions_about_one_moment_go_together():
    asked = [*instants(120), *instants(3, at=200.0), *instants(2, "us")]
    sizes = [(one.region, len(one.questions)) for one in batches(asked)]
    assert sizes == [("eu", 50), ("eu", 50), ("eu", 20), ("eu", 3), ("us", 2)]


def test_what_cannot_be_joined_goes_alone_at_its_place():
    events = EventsQuestion("eu", "alerts", 0.0, 1.0)
    over_time = Range("eu", "up", 0.0, 10.0, 1.0)
    samples, number = Instant("eu", "up[5m]", 100.0), Instant("eu", "1 + 1", 100.0)
    first, second = instants(2)
    found = batches([first, events, samples, number, over_time, second, first])
    assert [one.questions for one in found] == [
        (first, second),
        (events,),
        (samples,),
        (number,),
        (over_time,),
    ]


def test_a_batch_is_no_longer_than_servers_take():
    long = [Instant("eu", f'm{{a="{letter * 3000}"}}', 100.0) for letter in "abcdef"]
    assert [len(one.questions) for one in batches(long)] == [2, 2, 2]
    assert not joinable(Instant("eu", f'm{{a="{"x" * 9000}"}}', 60.0))


def test_every_question_is_answered_once_in_order_and_by_several_threads():
    seen, threads, lock = [], set(), threading.Lock()

    def ask(questions):
        with lock:
            seen.extend(questions)
            threads.add(threading.current_thread().name)
        time.sleep(0.01)
        return [answer(one) for one in questions]

    spool = SharedAnswers()
    asked = [Instant("eu", f"m{n}[5m]", 100.0) for n in range(40)]
    fetcher = Fetcher(ask, spool, threads=4, limits=LIMITS)
    fetcher.ahead(batches(asked))
    fetcher.ahead(batches(asked))
    assert [spool.get(one, PATIENCE).source for one in asked] == [one.promql for one in asked]
    assert sorted(seen, key=asked.index) == asked


@pytest.mark.parametrize(("threads", "limits", "most"), [(3, LIMITS, 3), (8, {"eu": 2, "us": 1}, 3)])
def test_no_more_than_allowed_are_under_way(threads, limits, most):
    running = {"eu": 0, "us": 0}
    peaks, lock = {"eu": 0, "us": 0, "all": 0}, threading.Lock()
    together = threading.Event()

    def ask(questions):
        region = questions[0].region
        with lock:
            running[region] += 1
            peaks[region] = max(peaks[region], running[region])
            peaks["all"] = max(peaks["all"], sum(running.values()))
        if peaks["all"] > 1:
            together.set()
        together.wait(PATIENCE)
        time.sleep(0.01)
        with lock:
            running[region] -= 1
        return [answer(one) for one in questions]

    spool = SharedAnswers()
    asked = [Instant(region, f"m{n}[5m]", 100.0) for n in range(15) for region in ("eu", "us")]
    Fetcher(ask, spool, threads=threads, limits=limits).ahead(batches(asked))
    assert all(spool.get(one, PATIENCE) is not None for one in asked)
    assert peaks["all"] <= most
    assert all(peaks[region] <= limits[region] for region in ("eu", "us"))
    assert peaks["all"] > 1


def test_a_slow_region_does_not_hold_up_the_other():
    release = threading.Event()

    def ask(questions):
        if questions[0].region == "us":
            release.wait(PATIENCE)
        return [answer(one) for one in questions]

    spool = SharedAnswers()
    slow = [Instant("us", f"m{n}[5m]", 100.0) for n in range(10)]
    quick = [Instant("eu", f"m{n}[5m]", 100.0) for n in range(10)]
    Fetcher(ask, spool, threads=4, limits={"us": 2, "eu": 2}).ahead(batches([*slow, *quick]))
    assert all(spool.get(one, PATIENCE) is not None for one in quick)
    assert spool.get(slow[0], 0.0) is None
    release.set()
    assert all(spool.get(one, PATIENCE) is not None for one in slow)


def test_regions_have_their_first_answers_together_however_many_questions_wait_for_one():
    order, first_of_both_threads = [], threading.Barrier(2)

    def ask(questions):
        order.append(questions[0].region)
        if len(order) <= 2:
            first_of_both_threads.wait(PATIENCE)
        return [answer(one) for one in questions]

    spool = SharedAnswers()
    asked = [Instant(region, f"m{n}[5m]", 100.0) for region in ("eu", "us") for n in range(10)]
    Fetcher(ask, spool, threads=2, limits=LIMITS).ahead(batches(asked))
    assert all(spool.get(one, PATIENCE) is not None for one in asked)
    assert "us" in order[:3]


def test_what_cannot_be_asked_together_is_asked_one_by_one():
    sizes = []

    def ask(questions):
        sizes.append(len(questions))
        return None if len(questions) > 1 else [answer(questions[0])]

    spool, asked = SharedAnswers(), instants(5)
    Fetcher(ask, spool, threads=1, limits=LIMITS).ahead(batches(asked))
    assert [spool.get(one, PATIENCE).source for one in asked] == [one.promql for one in asked]
    assert sizes == [5, 1, 1, 1, 1, 1]


def test_a_defect_is_an_error_of_the_question_and_the_thread_lives_on():
    def ask(questions):
        if questions[0].promql.startswith("bad"):
            raise ZeroDivisionError
        return [answer(one) for one in questions]

    spool, bad, good = SharedAnswers(), Instant("eu", "bad[5m]", 1.0), Instant("eu", "good[5m]", 1.0)
    Fetcher(ask, spool, threads=1, limits=LIMITS).ahead([Batch("eu", (bad,)), Batch("eu", (good,))])
    assert "ZeroDivisionError" in spool.get(bad, PATIENCE).error
    assert not spool.get(good, PATIENCE).error


def test_what_another_process_has_claimed_is_left_to_it(tmp_path):
    other, mine = SharedAnswers(tmp_path), SharedAnswers(tmp_path)
    first, second = Instant("eu", "a[5m]", 1.0), Instant("eu", "b[5m]", 1.0)
    assert other.claim(first)
    seen = []

    def ask(questions):
        seen.extend(questions)
        return [answer(one) for one in questions]

    Fetcher(ask, mine, threads=2, limits=LIMITS).ahead(batches([first, second]))
    assert mine.get(second, PATIENCE) is not None
    assert mine.get(first, 0.05) is None
    other.put(first, answer(first))
    assert mine.get(first, PATIENCE).source == "a[5m]"
    assert seen == [second]


def test_no_thread_stays_when_everything_is_answered():
    spool, asked = SharedAnswers(), instants(200)
    fetcher = Fetcher(lambda questions: [answer(one) for one in questions], spool, threads=4, limits=LIMITS)
    before = set(threading.enumerate())
    for part in (asked[:100], asked[100:]):
        fetcher.ahead([Batch("eu", (question,)) for question in part])
        assert all(spool.get(question, PATIENCE) for question in part)
        until(lambda: set(threading.enumerate()) <= before)
