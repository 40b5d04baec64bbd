"""Answers of sources in the process: one query for all checkpoints at once, and nothing kept that nobody asks for."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_telemetry_gate.gate.local_answers import LazyAnswers, LocalAnswers
from pytest_telemetry_gate.model.answers import Answer
from pytest_telemetry_gate.model.questions import Instant, Range
from pytest_telemetry_gate.promql import Matrix, Scalar

EARLY, LATE, OTHER = Instant("eu", "up", 1.0), Instant("eu", "up", 2.0), Instant("us", "up", 1.0)


class Source:
    def __init__(self, value=None, together=True):
        self.value, self.together = value, together
        self.asked, self.batches = [], []

    def ask(self, question):
        self.asked.append(question)
        return Answer(self.value or Scalar(1.0, 1.0))

    def ask_together(self, questions):
        self.batches.append(list(questions))
        return [Answer(Scalar(2.0, one.time)) for one in questions] if self.together else None


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def answers(source):
    return LocalAnswers(source.ask, source.ask_together)


def test_a_query_is_worked_out_for_all_times_of_its_region_at_once(source, answers):
    answers.expect([EARLY, LATE])
    answers.expect([OTHER])
    assert [answers.answer(one).value.time for one in (LATE, EARLY)] == [2.0, 1.0]
    assert source.batches == [[EARLY, LATE]]
    assert source.asked == []


def test_what_nobody_expects_is_asked_alone_and_once(source, answers):
    answers.expect([EARLY, LATE])
    answers.answer(Instant("eu", "up", 3.0))
    answers.answer(Instant("eu", "up", 3.0))
    answers.answer(Range("eu", "up", 1.0, 2.0, 1.0))
    answers.answer(OTHER)
    assert source.batches == []
    assert len(source.asked) == 3


def test_times_that_cannot_go_together_are_asked_one_by_one():
    source = Source(together=False)
    answers = LocalAnswers(source.ask, source.ask_together)
    answers.expect([EARLY, LATE])
    answers.answer(EARLY)
    answers.answer(LATE)
    assert source.asked == [EARLY, LATE]
    assert len(source.batches) == 1


def test_an_answer_stays_as_long_as_a_check_is_to_come_that_asks_for_it(source, answers):
    answers.expect([OTHER])
    answers.expect([OTHER])
    answers.answer(OTHER)
    answers.release([OTHER])
    answers.answer(OTHER)
    assert source.asked == [OTHER]
    answers.release([OTHER])
    answers.answer(OTHER)
    assert source.asked == [OTHER, OTHER]


def test_released_times_are_not_worked_out_again(source, answers):
    third = Instant("eu", "up", 3.0)
    answers.expect([EARLY, LATE, third])
    answers.release([EARLY])
    answers.answer(LATE)
    assert source.batches == [[LATE, third]]


def test_raw_samples_are_not_kept():
    source = Source(Matrix([], np.empty(0), np.empty((0, 0)), np.empty((0, 0), dtype=bool)))
    answers = LocalAnswers(source.ask, source.ask_together)
    answers.expect([OTHER])
    answers.answer(OTHER)
    answers.answer(OTHER)
    assert source.asked == [OTHER, OTHER]


def test_lazy_answers_are_asked_for_when_they_are_looked_at(source):
    lazy = LazyAnswers([EARLY, LATE], source.ask)
    assert EARLY in lazy
    assert OTHER not in lazy
    assert list(lazy) == [EARLY, LATE]
    assert len(lazy) == 2
    assert source.asked == []
    assert lazy[LATE] is lazy[LATE]
    assert source.asked == [LATE]
    with pytest.raises(KeyError):
        lazy[OTHER]
