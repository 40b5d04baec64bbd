"""Every kind of question and of answer has a name of its own, crosses to other processes, and comes back the same."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from newer import KEY, with_newer_keys

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model import questions
from pytest_telemetry_gate.model.answers import (
    _KINDS,
    Answer,
    Capture,
    Probed,
    doubtful_warnings,
    value_from_wire,
)
from pytest_telemetry_gate.model.arrivals import Arrivals, Known, Target
from pytest_telemetry_gate.model.events import Episode, Events
from pytest_telemetry_gate.model.query_sources import Readings
from pytest_telemetry_gate.model.questions import (
    KINDS,
    ArrivalsQuestion,
    CaptureQuestion,
    EventsQuestion,
    Instant,
    KnownQuestion,
    MetricQuestion,
    Probe,
    Query,
    Question,
    Range,
    SourceQuestion,
    question_from_wire,
)
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector
from pytest_telemetry_gate.testing import UP, MemorySource

ASKED = {
    "instant": Query.from_text("up").at("eu", 60.0),
    "range": Range("eu", "up", 0.0, 60.0, 15.0),
    "arrivals": ArrivalsQuestion("eu", "up", 60.0, 30.0),
    "source": SourceQuestion("eu/rollup", "SELECT 1", 0.0, 60.0, (("service", "parser"),)),
    "known": KnownQuestion("eu"),
    "events": EventsQuestion("eu", "alerts", 0.0, 60.0),
    "capture": CaptureQuestion("eu", "/tests/qa.replay.yaml", "48h", "parse-go"),
    "probe": Probe("eu"),
}
VALUES = {
    "string": "text",
    "scalar": Scalar(1.5, 60.0),
    "vector": Vector([{"a": "b"}], np.array([0.1]), 60.0),
    "matrix": Matrix([{"a": "b"}], np.array([0.0, 15.0]), np.array([[1.0, 2.0]]), np.array([[True, False]])),
    "events": Events(0.0, 60.0, complete=True, episodes=(Episode("incident", "it", 1.0, None),)),
    "arrivals": Arrivals(
        (Target({"job": "a"}, 3, np.array([1, 2, 5]), scrapes=3, successes=2),), "few", ("up",)
    ),
    "readings": Readings(({"a": "b"},), (0.1,), coverage=0.5, unit="ms", note="half"),
    "known": Known(("a_total",), {"a_total": "counter"}),
    "capture": Capture({"case": "parse-go", "requests": [{"body": 7}]}),
    "probed": Probed({"version": "3.1", "scrape_intervals": {"a": 15.0}}),
}


def test_every_kind_is_in_the_tables() -> None:
    kinds = {
        kind
        for kind in vars(questions).values()
        if isinstance(kind, type) and issubclass(kind, Question) and kind not in {Question, MetricQuestion}
    }
    assert set(KINDS.values()) == kinds
    assert set(ASKED) == set(KINDS)
    assert set(VALUES) == set(_KINDS)


@pytest.mark.parametrize("name", ASKED)
def test_a_question_comes_back_the_same_and_says_what_it_asks(name: str) -> None:
    question = ASKED[name]
    wire = json.loads(json.dumps(question.to_wire()))
    assert wire[0] == name
    assert question_from_wire(wire) == question
    assert hash(question_from_wire(wire)) == hash(question)
    assert question.text


@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back_the_same(name: str) -> None:
    answer = Answer(VALUES[name], source="a source")
    wire = json.loads(json.dumps(answer.to_wire()))
    assert wire["value"]["resultType"] == name
    back = Answer.from_wire(wire)
    assert type(back.value) is type(answer.value)
    assert (back.digest, back.to_wire()) == (answer.digest, answer.to_wire())


# Mappings whose keys are data
FREE = {"labels", "metrics", "types", "external_labels"}


@pytest.mark.parametrize("name", ASKED)
def test_a_question_ignores_keys_of_a_newer_version(name: str) -> None:
    wire = with_newer_keys(ASKED[name].to_wire(), FREE)
    assert KEY in wire[1]
    assert question_from_wire(wire) == ASKED[name]


@pytest.mark.parametrize("name", VALUES)
def test_an_answer_ignores_keys_of_a_newer_version_at_every_level(name: str) -> None:
    answer = Answer(VALUES[name], warnings=("careful",), source="a source")
    wire = with_newer_keys(answer.to_wire(), FREE)
    assert KEY in wire.keys() & wire["value"].keys()
    back = Answer.from_wire(wire)
    assert type(back.value) is type(answer.value)
    assert dataclasses.replace(back, value=None) == dataclasses.replace(answer, value=None)
    if name not in {"capture", "probed"}:  # which carry content of others as it is
        assert back.digest == answer.digest


@pytest.mark.parametrize(
    "wire", [["instant", {}], ["instant", []], ["gone", {}], ["events", {"region": "eu"}]]
)
def test_what_is_no_question_is_refused(wire: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        question_from_wire(wire)


def test_a_value_of_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(SourceError, match="unknown result type 'histogram'"):
        value_from_wire({"resultType": "histogram", "result": []})


def test_a_query_is_parsed_once_and_equal_texts_are_equal_questions() -> None:
    assert ASKED["instant"] == Instant("eu", "up", 60.0)
    assert repr(ASKED["instant"]) == repr(Instant("eu", "up", 60.0))
    assert ASKED["instant"].parsed == Instant("eu", "up", 60.0).parsed


def test_a_question_asks_a_source_itself() -> None:
    labels, times, values = UP
    source = MemorySource([(labels, np.round(times * 1000).astype(np.int64), values)])
    at = float(times[-1])
    assert Instant("", "up", at).ask(source).values.tolist() == [1.0]
    assert Range("", "up", at - 30, at, 15.0).ask(source).values.tolist() == [[1.0, 1.0, 1.0]]
    assert Range("", "up", at - 30, at, 15.0).bounds == (at - 30, at)
    assert Instant("", "up", at).bounds == (at, at)


def test_infos_about_a_query_do_not_make_an_answer_doubtful() -> None:
    told = ["PromQL info: metric might not be a counter", "PromQL warning: no buckets", "store eu is down"]
    assert doubtful_warnings(told) == told[1:]


def mask(text: str) -> str:
    return text.replace("secret", "***")


TEXTS = {
    "error": Answer(None, error="a secret"),
    "texts": Answer("a secret", warnings=("secret",), extent="secret", source="secret", link="http://secret"),
    "vector": Answer(Vector([{"a": "secret"}], np.array([0.1]), 60.0, ("secret",))),
    "matrix": Answer(
        Matrix([{"a": "secret"}], np.zeros(1), np.zeros((1, 1)), np.ones((1, 1), bool), ("secret",))
    ),
    "events": Answer(
        Events(0.0, 60.0, complete=False, reason="secret", episodes=(Episode("k", "secret", 1.0, None),))
    ),
    "capture": Answer(
        Capture({"driven": {"summary": "a secret"}, "requests": [{"document": {"k": ["secret"]}}]})
    ),
}


@pytest.mark.parametrize("answer", TEXTS.values(), ids=TEXTS)
def test_an_answer_is_scrubbed_as_a_whole(answer: Answer) -> None:
    clean = answer.scrubbed(mask)
    assert "secret" in repr(answer)
    assert "secret" not in repr(clean)
    assert "***" in repr(clean)
