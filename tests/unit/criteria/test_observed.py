"""What a selector was seen to read, from targets made by hand: shares, targets in part, hints, and what is stale."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_telemetry_gate.criteria.coverage import find_fresh, measure_arrivals
from pytest_telemetry_gate.criteria.observed import observe
from pytest_telemetry_gate.model.answers import Answer, Answers, RegionFacts
from pytest_telemetry_gate.model.arrivals import Arrivals, Target
from pytest_telemetry_gate.model.questions import ArrivalsQuestion

END = 1_700_000_000.0
WINDOW = 3600.0
START = END - WINDOW
KNOWN = 15.0  # seconds between scrapes, by the source


def every(step, first=START - 600, last=END):
    return np.arange(first, last + 0.001, step)


def target(times, instance="a:1", job="parser", samples=None, **fields):
    """Return a target with samples at some times (seconds)."""
    at = np.round(np.asarray(times) * 1000).astype(np.int64)
    labels = {"job": job, "instance": instance}
    return Target(labels, len(at) if samples is None else samples, at, **fields)


def unexamined(first, last, samples, instance="b:1", job="parser", **fields):
    """Return a target of which no more is known than when its first and last sample was, in seconds, and how many it has."""
    bounds = {
        name: None if at is None else round(at * 1000) for name, at in (("first", first), ("last", last))
    }
    return Target({"job": job, "instance": instance}, samples, complete=False, **{**bounds, **fields})


def seen(*targets, selector="done_total", known=KNOWN):
    question = ArrivalsQuestion("", selector, END, WINDOW)
    arrivals = Arrivals(targets)
    answers = Answers(
        END, {question: Answer(arrivals)}, {"": RegionFacts({} if known is None else {"": known})}
    )
    return observe(question, arrivals, answers), question, answers


def share(*targets, selector="done_total", known=KNOWN, of_up=False):
    return seen(*targets, selector=selector, known=known)[0].share(of_up=of_up)[0]


WHOLE = target(every(15))


@pytest.mark.parametrize(
    ("first", "last", "samples", "scrapes", "expected"),
    [
        (START - 600, END, 281, None, 1.0),
        (START - 600, END, 141, None, 0.5),
        (START, END, 121, None, 0.5),
        (START + 1800, END, 61, None, 0.5),  # of the time that it was alive
        (START + 1800, END - 900, 61, None, 1.0),
        (END - 60, END, 3, None, 0.6),
        (START - 600, START + 900, 51, None, 0.5),
        # Scrapes tell better.
        (START - 600, END, 141, {"scrapes": 240, "successes": 240}, 1.0),
        (START - 600, END, 281, {"scrapes": 240, "successes": 60}, 0.25),
        # Not in the window, or nothing is known
        (START - 600, START - 15, 3, None, 1.0),
        (START - 600, START - 14, 3, None, 0.0),
        (None, END, 1, None, 1.0),
        (START, None, 1, None, 1.0),
    ],
)
def test_what_was_not_looked_at_counts_by_number(first, last, samples, scrapes, expected):
    part = unexamined(first, last, samples, **(scrapes or {}))
    found, _ = seen(WHOLE, part)[0].share()
    assert found == pytest.approx(expected, abs=0.08)


def test_the_interval_of_what_was_not_looked_at_is_that_of_its_job():
    slow = [target(every(60), f"{number}:1", "slow") for number in "cd"]
    fast = unexamined(START - 600, END, 281)
    assert share(WHOLE, *slow, fast) == 1.0
    assert share(WHOLE, *slow, unexamined(START - 600, END, 71, job="slow")) == 1.0
    assert share(WHOLE, *slow, unexamined(START - 600, END, 71)) == pytest.approx(0.25, abs=0.02)
    assert (
        share(WHOLE, target(every(15), "e:1"), *slow[:1], unexamined(START - 600, END, 281, job="x")) == 1.0
    )


@pytest.mark.parametrize(
    ("selector", "times", "scrapes", "known", "expected"),
    [
        # Two samples say little: what the source knows, or how often its target was scraped, says more.
        ("up", [END - 1800, END], None, 15.0, 0.02),
        ("up", [END - 1800, END], 240, 15.0, 0.02),
        ("done_total", [END - 1800, END], 240, None, 0.02),
        ("done_total", [END - 1800, END], 4, None, 0.5),
        ("done_total", [END - 1800, END], 3, 15.0, 1.0),
        ("done_total", [END], 3, 900.0, 1.0),
        ("done_total", [END], 3, None, None),
        ("done_total", [END], None, None, None),
        # A rule has an interval of its own.
        ("job:done:rate5m", [END - 1800, END], 240, 15.0, 1.0),
        ("job:done:rate5m", [END], None, 15.0, None),
    ],
)
def test_what_else_is_known_of_the_interval_counts_where_samples_are_few(
    selector, times, scrapes, known, expected
):
    fields = {} if scrapes is None else {"scrapes": scrapes, "successes": scrapes}
    found, question, answers = seen(target(times, **fields), selector=selector, known=known)
    line = next(iter(found.lines.values()), None)
    if expected is None:
        assert found.share() == (None, "one sample of a:1, which does not tell the interval")
        assert find_fresh(question, answers).fresh == frozenset()
        return
    assert line.share(START, END) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(
    ("scrapes", "of_up", "selector", "expected"),
    [
        ({"scrapes": 240, "successes": 240}, False, "done_total", 1.0),
        ({"scrapes": 240, "successes": 120}, False, "done_total", 0.5),
        ({"scrapes": 240, "successes": None}, False, "done_total", 0.0),
        ({"scrapes": 240, "successes": 120}, False, "up", 1.0),
        ({"scrapes": 240, "successes": 120}, True, "up", 0.5),
        ({}, True, "up", 1.0),
    ],
)
def test_a_scrape_that_failed_brought_nothing(scrapes, of_up, selector, expected):
    assert share(target(every(15), **scrapes), selector=selector, of_up=of_up) == expected


def test_samples_that_are_no_numbers_are_missing():
    assert share(target(every(15), samples=562)) == 0.5
    assert share(WHOLE, target([], "b:1", samples=240)) == 0.0
    assert seen(target([], samples=240))[0].share() == (0.0, "every sample is NaN")
    assert seen(target(every(15, START - 600, START - 60)))[0].share() == (0.0, "no samples in the window")


def test_a_target_that_was_down_is_missed_where_it_is_known_to_be_read():
    down = target([], "b:1", samples=0, scrapes=240, successes=0)
    had = target(every(15, START - 600, START - 300), "b:1", scrapes=240, successes=0)
    assert share(WHOLE, down) == 1.0
    assert share(WHOLE, had) == 0.0
    assert share(WHOLE, down, selector='done_total{job="parser"}') == 0.0
    assert seen(down, selector='done_total{job="parser"}')[0].share() == (0.0, "b:1 was down all the time")
    assert share(WHOLE, selector='done_total{job=~"parser|other"}') == 0.0


def test_what_failed_in_step_with_a_longer_interval_is_not_called_its_interval():
    slower = np.concatenate([every(15, last=END - 1800), every(60, END - 1740)])
    assert share(target(slower, scrapes=150, successes=150)) == 1.0
    assert share(target(slower, scrapes=240, successes=240)) == pytest.approx(150 / 240, abs=0.02)
    # A series that was born in the window was not there for all scrapes.
    assert share(target(slower[slower > START + 60], scrapes=240, successes=240)) == 1.0


@pytest.mark.parametrize(
    ("there", "gone", "stale"),
    [
        (10, 0, ""),
        (9, 1, ""),
        (8, 2, "of 10 targets at the start of the window 8 have a fresh sample"),
        (0, 1, "old"),
    ],
)
def test_up_to_a_tenth_of_the_targets_may_be_gone(there, gone, stale):
    """Each for so short a time that the share of samples hides it."""
    targets = [target(every(15), f"a{number}:1") for number in range(there)]
    targets += [target(every(15, last=END - 46), f"b{number}:1") for number in range(gone)]
    observed, question, answers = seen(*targets)
    assert bool(observed.stale("x")) == bool(stale)
    assert stale in observed.stale("x")
    coverage = measure_arrivals(question, answers)
    assert coverage.stale == observed.stale("done_total over 1h")
    assert len(find_fresh(question, answers).stale) == gone


def test_the_facts_are_those_of_the_worst_target():
    hole = np.concatenate([every(15, last=END - 1800), every(15, END - 900, END - 15)])
    facts = seen(WHOLE, target(hole, "b:1"), target([], "c:1", samples=0, scrapes=9, successes=9))[0].facts(
        0.5
    )
    assert (facts.target, facts.targets, facts.examined, facts.interval) == ("b:1", 2, 2, 15.0)
    assert (facts.before, facts.first, facts.newest) == (START, START + 15, END - 15)
    assert facts.samples == (hole > START).sum()
    assert [(gap.start, gap.end) for gap in facts.gaps] == [(END - 1800, END - 900)]


@pytest.mark.parametrize(("at", "samples"), [(START, False), (START + 0.001, True)])
def test_a_window_has_samples_after_its_start_alone(at, samples):
    _, question, answers = seen(target([at - 30, at - 15, at]))
    coverage = measure_arrivals(question, answers)
    assert coverage.samples is samples


def test_what_is_alive_goes_on_as_the_worst_of_it():
    half = target(np.concatenate([every(15, last=START + 900), every(15, END - 900)]), "b:1")
    _, question, answers = seen(WHOLE, half)
    assert measure_arrivals(question, answers).living == pytest.approx(0.5, abs=0.01)
    nothing = ArrivalsQuestion("", "gone", END, WINDOW)
    empty = Answers(END, {nothing: Answer(Arrivals())})
    assert measure_arrivals(nothing, empty).living is None
    error = measure_arrivals(nothing, Answers(END, {nothing: Answer(None)}))
    assert "no answer about the samples of gone over 1h" in error.error
    assert find_fresh(nothing, Answers(END, {nothing: Answer(None)})).last == {}
    assert find_fresh(question, answers).last == {("parser", "a:1"): END, ("parser", "b:1"): END}


def test_the_jobs_that_are_asked_for_are_looked_at_alone():
    lossy = target(every(15, END - 900), "m:1", "mailer")
    _, question, answers = seen(WHOLE, lossy)
    assert measure_arrivals(question, answers, jobs={"parser"}).share == 1.0
    for jobs in ({"mailer"}, {"parser", "mailer"}, None):
        assert measure_arrivals(question, answers, jobs=jobs).share == pytest.approx(0.25, abs=0.01)
    assert measure_arrivals(question, answers, jobs=set()).share == 0.0
