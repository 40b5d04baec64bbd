"""Ranges that follow one another are asked as one, and each has the answer that it would have had alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from gates import START, grid, series

from pytest_telemetry_gate.gate.fetch import batches
from pytest_telemetry_gate.gate.local_answers import LocalAnswers
from pytest_telemetry_gate.gate.stretches import cut, find_stretches
from pytest_telemetry_gate.model.answers import Answer
from pytest_telemetry_gate.model.questions import Range
from pytest_telemetry_gate.promql import Matrix
from pytest_telemetry_gate.testing import MemorySource

HOURS = [
    Range("eu", "avg_over_time(cpu[150s])", START + at * 3600 - 3450, START + at * 3600, 150.0)
    for at in range(1, 4)
]


@pytest.fixture
def source():
    times = (grid(START - 600, START + 4 * 3600) * 1000).astype(np.int64)
    late = times[len(times) // 2 :]
    labels, _, _ = series("cpu", 1)
    values = np.random.default_rng(1).normal(70, 5, len(times))
    return MemorySource([(labels, times, values), ({**labels, "instance": "b:1"}, late, values[: len(late)])])


@pytest.mark.parametrize(
    ("questions", "sizes"),
    [
        (HOURS, [3]),
        (HOURS[::-1], [3]),
        ([HOURS[0], HOURS[2]], [1, 1]),
        ([HOURS[0], replace(HOURS[1], start=HOURS[1].start + 1)], [1, 1]),
        ([HOURS[0], replace(HOURS[1], region="us")], [1, 1]),
        ([HOURS[0], replace(HOURS[1], promql="cpu")], [1, 1]),
        ([replace(one, promql="cpu @ end()") for one in HOURS], [1, 1, 1]),
        ([HOURS[0], HOURS[0]], [2]),
        ([replace(HOURS[0], start=0.0, end=6e5), replace(HOURS[0], start=6e5, end=12e5)], [1, 1]),
    ],
)
def test_only_what_touches_is_one_stretch(questions, sizes):
    assert [len(one.questions) for one in find_stretches(questions)] == sizes


def test_each_part_is_what_it_would_be_alone(source):
    (stretch,) = find_stretches(HOURS)
    whole = stretch.whole.ask(source)
    for question in HOURS:
        alone, part = question.ask(source), cut(whole, question)
        assert part.labels == alone.labels
        np.testing.assert_array_equal(part.times, alone.times)
        np.testing.assert_array_equal(part.present, alone.present)
        np.testing.assert_array_equal(part.values[part.present], alone.values[alone.present])


def test_a_process_works_a_stretch_out_once(source):
    asked = []

    def ask(question):
        asked.append(question)
        return Answer(question.ask(source))

    answers = LocalAnswers(ask, lambda _: None)
    for question in HOURS:
        answers.expect([question])
    for question in HOURS:
        value = answers.answer(question).value
        assert isinstance(value, Matrix)
        assert len(value.times) == 24
        answers.release([question])
    assert asked == [Range("eu", HOURS[0].promql, HOURS[0].start, HOURS[-1].end, 150.0)]


def test_a_stretch_that_fails_or_warns_is_asked_in_its_parts(source):
    def ask(question):
        value = question.ask(source)
        fails = question not in HOURS
        return Answer(None, error="too much at once") if fails else Answer(value)

    answers = LocalAnswers(ask, lambda _: None)
    answers.expect(HOURS)
    assert all(answers.answer(one).error == "" for one in HOURS)


def test_queries_over_one_grid_are_one_request():
    other = [replace(one, promql="avg_over_time(up[150s])") for one in HOURS]
    number = [replace(one, promql="scalar(up)") for one in HOURS]
    found = batches([*HOURS, *other, *number, replace(HOURS[0], region="us")])
    assert [set(one.questions) for one in found] == [
        {*HOURS, *other},
        set(number),
        {replace(HOURS[0], region="us")},
    ]
