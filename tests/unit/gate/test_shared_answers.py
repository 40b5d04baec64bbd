"""The run's answers: asked once, whoever asks, and read back as they were given."""

from __future__ import annotations

import math
import multiprocessing
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.gate.shared_answers import SharedAnswers
from pytest_telemetry_gate.model.answers import Answer
from pytest_telemetry_gate.model.events import Episode, Evaluation, Events, Rule
from pytest_telemetry_gate.model.questions import Instant
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector

QUESTION = Instant("eu", "up", 1.0)
numbers = st.floats(allow_nan=True, allow_infinity=True)


def ask_slowly(folder, asked):
    def ask(question):
        with asked.get_lock():
            asked.value += 1
        time.sleep(0.2)
        return Answer(Scalar(42.0, 1.0), source="slow")

    answer = SharedAnswers(folder).answer(QUESTION, ask)
    assert answer.value.value == 42.0


def test_several_processes_ask_a_question_once(tmp_path):
    context = multiprocessing.get_context("fork")
    asked = context.Value("i", 0)
    workers = [context.Process(target=ask_slowly, args=(tmp_path / "spool", asked)) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 6
    assert asked.value == 1


def test_one_process_asks_a_question_once():
    asked = []
    spool = SharedAnswers()
    for _ in range(3):
        spool.answer(QUESTION, lambda question: asked.append(question) or Answer(Scalar(1.0, 1.0)))
    assert asked == [QUESTION]


def test_different_questions_have_different_answers(tmp_path):
    spool = SharedAnswers(tmp_path)
    for time_ in (1.0, 2.0):
        spool.answer(
            Instant("eu", "up", time_), lambda question: Answer(Scalar(question.time, question.time))
        )
    again = SharedAnswers(tmp_path)
    assert again.answer(Instant("eu", "up", 2.0), pytest.fail).value.value == 2.0


def same(one, other):
    return one == other or (math.isnan(one) and math.isnan(other))


@given(st.lists(st.tuples(st.text(max_size=5), numbers), max_size=5), numbers)
def test_vectors_read_back_bit_by_bit(tmp_path_factory, samples, scalar):
    folder = tmp_path_factory.mktemp("spool")
    labels = [{"a": text, "n": str(number)} for number, (text, _) in enumerate(samples)]
    vector = Vector(labels, np.array([value for _, value in samples], dtype=np.float64), 1.0)
    for number, value in enumerate((vector, Scalar(scalar, 1.0), "text")):
        question = Instant("", f"q{number}", 1.0)
        given_answer = Answer(value, warnings=("w",), extent="e")
        SharedAnswers(folder).answer(question, lambda _, answer=given_answer: answer)
        read = SharedAnswers(folder).answer(question, pytest.fail)
        assert read.digest == given_answer.digest
        assert (read.warnings, read.extent) == (("w",), "e")
        if isinstance(value, Vector):
            assert read.value.labels == labels
            assert all(map(same, read.value.values.tolist(), vector.values.tolist()))


def test_matrices_and_events_read_back(tmp_path):
    matrix = Matrix(
        [{"a": "1"}, {"a": "2"}],
        np.array([1.0, 2.0]),
        np.array([[1.0, np.nan], [np.inf, 2.0]]),
        np.array([[True, False], [True, True]]),
    )
    events = Events(
        1.0, 2.0, complete=False, episodes=(Episode("alert", "A", 1.0, None, {"x": "y"}),),
        rules=(Rule("A", "f;g", 15.0, {"t": "u"}),), evaluations=(Evaluation("f;g", 1.0, 2.0, 0.0),), reason="why",
    )  # fmt: skip
    for number, value in enumerate((matrix, events)):
        question = Instant("", f"q{number}", 1.0)
        SharedAnswers(tmp_path).answer(question, lambda _, value=value: Answer(value))
        read = SharedAnswers(tmp_path).answer(question, pytest.fail)
        assert read.digest == Answer(value).digest
    assert read.value == events


def test_the_digest_does_not_depend_on_the_order_of_series():
    one = Vector([{"a": "1"}, {"a": "2"}], np.array([1.0, 2.0]), 1.0)
    other = Vector([{"a": "2"}, {"a": "1"}], np.array([2.0, 1.0]), 1.0)
    different = Vector([{"a": "2"}, {"a": "1"}], np.array([1.0, 2.0]), 1.0)
    assert Answer(one).digest == Answer(other).digest != Answer(different).digest


def die_with_a_claim(folder):
    assert SharedAnswers(folder).claim(QUESTION)


def test_nobody_waits_for_a_process_that_has_died(tmp_path):
    worker = multiprocessing.get_context("fork").Process(target=die_with_a_claim, args=(tmp_path,))
    worker.start()
    worker.join()
    began = time.monotonic()
    assert SharedAnswers(tmp_path).get(QUESTION, patience=600) is None
    assert time.monotonic() - began < 600 / 10
    answer = SharedAnswers(tmp_path).answer(QUESTION, lambda _: Answer(Scalar(42.0, 1.0)))
    assert answer.value.value == 42.0


def test_what_it_has_put_before_counts(tmp_path):
    def put():
        SharedAnswers(tmp_path).answer(QUESTION, lambda _: Answer(Scalar(42.0, 1.0)))

    worker = multiprocessing.get_context("fork").Process(target=put)
    worker.start()
    worker.join()
    assert SharedAnswers(tmp_path).answer(QUESTION, pytest.fail).value.value == 42.0


def test_a_process_that_lives_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("pytest_telemetry_gate.gate.shared_answers._LOOK", 0.01)
    assert SharedAnswers(tmp_path).claim(QUESTION)
    other, began = SharedAnswers(tmp_path), time.monotonic()
    assert other.get(QUESTION, patience=0.2) is None
    assert time.monotonic() - began >= 0.2


def test_answers_are_not_shared_any_more_where_the_run_is_over(tmp_path):
    answers = SharedAnswers(tmp_path / "gone" / "answers")
    answer = answers.answer(QUESTION, lambda _: Answer(Scalar(42.0, 1.0)))
    assert answer.value.value == 42.0
    assert list(tmp_path.iterdir()) == []
